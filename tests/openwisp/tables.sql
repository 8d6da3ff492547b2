-- The tables that lookups of docs/recipes/openwisp read, as migrations of the packages that urls.txt names make them on PostgreSQL 15:
-- columns and their types (PostGIS' are texts here).
CREATE TABLE config_device (
    id uuid, name varchar, mac_address varchar, key varchar, model varchar, os varchar, notes text, created timestamp with time zone,
    modified timestamp with time zone, organization_id uuid, system varchar, last_ip inet, management_ip inet, hardware_id varchar, group_id
    uuid, _is_deactivated boolean
);
CREATE TABLE config_devicegroup (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, description text, meta_data jsonb,
    organization_id uuid, context jsonb
);
CREATE TABLE config_template (
    id uuid, name varchar, backend varchar, config jsonb, created timestamp with time zone, modified timestamp with time zone, type varchar,
    "default" boolean, auto_cert boolean, organization_id uuid, vpn_id uuid, default_values jsonb, required boolean, notes text
);
CREATE TABLE config_vpn (
    id uuid, name varchar, config jsonb, created timestamp with time zone, modified timestamp with time zone, host varchar, backend varchar,
    notes text, dh text, ca_id integer, cert_id integer, organization_id uuid, key varchar, subnet_id uuid, ip_id uuid, private_key varchar,
    public_key varchar, auth_token varchar, webhook_endpoint varchar, node_id varchar, network_id varchar
);
CREATE TABLE connection_command (
    id uuid, created timestamp with time zone, modified timestamp with time zone, status varchar, type varchar, input jsonb, output text,
    connection_id uuid, device_id uuid
);
CREATE TABLE connection_credentials (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, connector varchar, params jsonb,
    organization_id uuid, auto_add boolean
);
CREATE TABLE connection_deviceconnection (
    id uuid, created timestamp with time zone, modified timestamp with time zone, update_strategy varchar, enabled boolean, params jsonb,
    is_working boolean, last_attempt timestamp with time zone, failure_reason text, credentials_id uuid, device_id uuid
);
CREATE TABLE device_monitoring_wifisession (
    id uuid, modified timestamp with time zone, ssid varchar, interface_name varchar, start_time timestamp with time zone, stop_time
    timestamp with time zone, device_id uuid, wifi_client_id varchar
);
CREATE TABLE firmware_upgrader_batchupgradeoperation (
    id uuid, created timestamp with time zone, modified timestamp with time zone, status varchar, build_id uuid, upgrade_options jsonb,
    group_id uuid, location_id uuid
);
CREATE TABLE firmware_upgrader_build (
    id uuid, created timestamp with time zone, modified timestamp with time zone, version varchar, changelog text, category_id uuid, os
    varchar
);
CREATE TABLE firmware_upgrader_category (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, description text, organization_id uuid
);
CREATE TABLE firmware_upgrader_firmwareimage (
    id uuid, created timestamp with time zone, modified timestamp with time zone, file varchar, type varchar, build_id uuid
);
CREATE TABLE firmware_upgrader_upgradeoperation (
    id uuid, created timestamp with time zone, modified timestamp with time zone, status varchar, log text, batch_id uuid, device_id uuid,
    image_id uuid, upgrade_options jsonb, progress smallint
);
CREATE TABLE geo_floorplan (
    id uuid, created timestamp with time zone, modified timestamp with time zone, floor smallint, image varchar, location_id uuid,
    organization_id uuid
);
CREATE TABLE geo_location (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, type varchar, is_mobile boolean, address
    varchar, geometry text, organization_id uuid, is_estimated boolean
);
CREATE TABLE openwisp_ipam_ipaddress (
    id uuid, created timestamp with time zone, modified timestamp with time zone, ip_address inet, description varchar, subnet_id uuid
);
CREATE TABLE openwisp_ipam_subnet (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, subnet cidr, description varchar,
    master_subnet_id uuid, organization_id uuid
);
CREATE TABLE openwisp_notifications_notification (
    level varchar, unread boolean, actor_object_id varchar, verb varchar, description text, target_object_id varchar,
    action_object_object_id varchar, "timestamp" timestamp with time zone, public boolean, deleted boolean, emailed boolean, data jsonb, id
    uuid, action_object_content_type_id integer, actor_content_type_id integer, recipient_id uuid, target_content_type_id integer, type
    varchar
);
CREATE TABLE openwisp_notifications_notificationsetting (
    id uuid, type varchar, web boolean, email boolean, organization_id uuid, user_id uuid, deleted boolean, _global boolean
);
CREATE TABLE openwisp_radius_radiusgroup (
    id uuid, created timestamp with time zone, modified timestamp with time zone, name varchar, description varchar, "default" boolean,
    organization_id uuid
);
CREATE TABLE openwisp_users_organization (
    name varchar, is_active boolean, created timestamp with time zone, modified timestamp with time zone, slug varchar, id uuid, description
    text, email varchar, url varchar
);
CREATE TABLE openwisp_users_organizationuser (
    created timestamp with time zone, modified timestamp with time zone, is_admin boolean, id uuid, organization_id uuid, user_id uuid
);
CREATE TABLE openwisp_users_user (
    password varchar, last_login timestamp with time zone, is_superuser boolean, username varchar, first_name varchar, last_name varchar,
    email varchar, is_staff boolean, is_active boolean, date_joined timestamp with time zone, id uuid, bio text, url varchar, company
    varchar, location varchar, phone_number varchar, birth_date date, notes text, language varchar, password_updated date, expiration_date
    date, password_based_token boolean
);
CREATE TABLE pki_ca (
    id integer, name varchar, notes text, key_length varchar, digest varchar, validity_start timestamp with time zone, validity_end
    timestamp with time zone, country_code varchar, state varchar, city varchar, email varchar, common_name varchar, extensions jsonb,
    serial_number varchar, certificate text, private_key text, created timestamp with time zone, modified timestamp with time zone,
    organization_id uuid, organization_name varchar, organizational_unit_name varchar, passphrase varchar
);
CREATE TABLE pki_cert (
    id integer, name varchar, notes text, key_length varchar, digest varchar, validity_start timestamp with time zone, validity_end
    timestamp with time zone, country_code varchar, state varchar, city varchar, email varchar, common_name varchar, extensions jsonb,
    serial_number varchar, certificate text, private_key text, created timestamp with time zone, modified timestamp with time zone, revoked
    boolean, revoked_at timestamp with time zone, ca_id integer, organization_id uuid, organization_name varchar, organizational_unit_name
    varchar, passphrase varchar
);
CREATE TABLE radbatch (
    id uuid, created timestamp with time zone, modified timestamp with time zone, strategy varchar, csvfile varchar, prefix varchar,
    expiration_date date, name varchar, organization_id uuid, user_credentials jsonb, status varchar, group_id uuid, notes text
);
CREATE TABLE radusergroup (
    created timestamp with time zone, modified timestamp with time zone, username varchar, groupname varchar, priority integer, group_id
    uuid, user_id uuid, id uuid
);
CREATE TABLE topology_link (
    id uuid, created timestamp with time zone, modified timestamp with time zone, cost double precision, cost_text varchar, status varchar,
    properties jsonb, organization_id uuid, source_id uuid, target_id uuid, topology_id uuid, status_changed timestamp with time zone,
    user_properties jsonb
);
CREATE TABLE topology_node (
    id uuid, created timestamp with time zone, modified timestamp with time zone, label varchar, properties jsonb, organization_id uuid,
    topology_id uuid, addresses jsonb, user_properties jsonb
);
CREATE TABLE topology_topology (
    id uuid, created timestamp with time zone, modified timestamp with time zone, label varchar, parser varchar, strategy varchar, url
    varchar, key varchar, expiration_time integer, published boolean, protocol varchar, version varchar, revision varchar, metric varchar,
    organization_id uuid
);
