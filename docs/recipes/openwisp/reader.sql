-- The role that lookups read with, and no more.
CREATE ROLE postern_reader LOGIN;
GRANT USAGE ON SCHEMA public TO postern_reader;
GRANT SELECT ON
    config_device, config_devicegroup, config_template, config_vpn, pki_ca, pki_cert,
    connection_command, connection_credentials, connection_deviceconnection, geo_floorplan, geo_location,
    openwisp_ipam_ipaddress, openwisp_ipam_subnet,
    firmware_upgrader_batchupgradeoperation, firmware_upgrader_build, firmware_upgrader_category,
    firmware_upgrader_firmwareimage, firmware_upgrader_upgradeoperation,
    device_monitoring_wifisession, topology_link, topology_node, topology_topology,
    openwisp_notifications_notification, openwisp_notifications_notificationsetting,
    openwisp_radius_radiusgroup, radbatch, radusergroup,
    openwisp_users_organization, openwisp_users_organizationuser
TO postern_reader;
-- Of people, no passwords.
GRANT SELECT (id, is_superuser) ON openwisp_users_user TO postern_reader;
