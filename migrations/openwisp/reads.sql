-- Django's tables as the directory's statements name them.
--
-- Each view stands on a function whose body is text. PostgreSQL puts such a function (SQL, STABLE, one SELECT, no settings of its own) in
-- its place when it plans, so that Django's indexes are used; and it notes no dependency of the view on Django's columns, which would
-- refuse every migration of Django that changes one. A name between two at signs stands for a table of Django's, a type of its ids, or our schema.

-- What openwisp-users 1.0 has not yet is read from the row as a whole, and absent there.
CREATE FUNCTION django_users() RETURNS TABLE (
    id uuid, username text, email text, phone_number text, first_name text, last_name text, external_id text, password text,
    is_active boolean, is_staff boolean, is_superuser boolean, created bigint, modified bigint, bio text, url text, company text,
    location text, notes text, language text, birth_date date, expiration_date date, password_updated date, last_login bigint,
    password_based_token boolean, organization_id uuid, created_micros integer, modified_micros integer, email_blank boolean,
    phone_blank boolean, fields text
) LANGUAGE sql STABLE AS $$
    SELECT u.id, u.username::text, NULLIF(u.email::text, ''), NULLIF(u.phone_number::text, ''), u.first_name::text, u.last_name::text,
           (SELECT m.external_id::text FROM @ours@.user_more m WHERE m.user_id = u.id),
           NULLIF(u.password::text, ''), u.is_active, u.is_staff, u.is_superuser,
           floor(extract(epoch FROM u.date_joined))::bigint,
           coalesce((SELECT m.modified FROM @ours@.user_more m WHERE m.user_id = u.id), floor(extract(epoch FROM u.date_joined))::bigint),
           u.bio::text, u.url::text, u.company::text, u.location::text, u.notes::text, u.language::text, u.birth_date,
           (to_jsonb(u) ->> 'expiration_date')::date, (to_jsonb(u) ->> 'password_updated')::date,
           floor(extract(epoch FROM u.last_login) * 1000000)::bigint, (to_jsonb(u) ->> 'password_based_token')::boolean,
           (SELECT m.organization_id FROM @ours@.user_more m WHERE m.user_id = u.id),
           (extract(microseconds FROM u.date_joined)::bigint % 1000000)::integer,
           coalesce((SELECT m.modified_micros FROM @ours@.user_more m WHERE m.user_id = u.id AND m.modified IS NOT NULL),
                    (extract(microseconds FROM u.date_joined)::bigint % 1000000)::integer),
           coalesce(u.email = '', false), coalesce(u.phone_number = '', false),
           coalesce((SELECT m.fields FROM @ours@.user_more m WHERE m.user_id = u.id), '{}')
    FROM @user@ u
$$;
CREATE VIEW users AS SELECT * FROM django_users();

CREATE FUNCTION django_organizations() RETURNS TABLE (
    id uuid, name text, slug text, external_id text, is_active boolean, description text, email text, url text, created bigint,
    modified bigint, created_micros integer, modified_micros integer
) LANGUAGE sql STABLE AS $$
    SELECT o.id, o.name::text, o.slug::text,
           (SELECT m.external_id::text FROM @ours@.organization_more m WHERE m.organization_id = o.id),
           o.is_active, o.description::text, o.email::text, o.url::text,
           floor(extract(epoch FROM o.created))::bigint, floor(extract(epoch FROM o.modified))::bigint,
           (extract(microseconds FROM o.created)::bigint % 1000000)::integer,
           (extract(microseconds FROM o.modified)::bigint % 1000000)::integer
    FROM @organization@ o
$$;
CREATE VIEW organizations AS SELECT * FROM django_organizations();

CREATE FUNCTION django_memberships() RETURNS TABLE (
    id uuid, user_id uuid, organization_id uuid, is_admin boolean, created bigint, modified bigint
) LANGUAGE sql STABLE AS $$
    SELECT m.id, m.user_id, m.organization_id, m.is_admin,
           floor(extract(epoch FROM m.created))::bigint, floor(extract(epoch FROM m.modified))::bigint
    FROM @organization_user@ m
$$;
CREATE VIEW memberships AS SELECT * FROM django_memberships();

-- Of a membership that there is, in the organization that it is of.
CREATE FUNCTION django_owners() RETURNS TABLE (organization_id uuid, user_id uuid, created bigint) LANGUAGE sql STABLE AS $$
    SELECT w.organization_id, m.user_id, floor(extract(epoch FROM w.created))::bigint
    FROM @organization_owner@ w
    JOIN @organization_user@ m ON m.id = w.organization_user_id AND m.organization_id = w.organization_id
$$;
CREATE VIEW owners AS SELECT * FROM django_owners();

-- A permission is told with the app of its model, as Django's `has_perm` takes it.
CREATE FUNCTION django_permissions() RETURNS TABLE (id @permission_id@, codename text, name text, model text) LANGUAGE sql STABLE AS $$
    SELECT p.id, c.app_label::text || '.' || p.codename::text, p.name::text, c.model::text
    FROM @permission@ p JOIN @content_type@ c ON c.id = p.content_type_id
$$;
CREATE VIEW permissions AS SELECT * FROM django_permissions();

CREATE FUNCTION django_user_permissions() RETURNS TABLE (user_id uuid, permission_id @permission_id@) LANGUAGE sql STABLE AS $$
    SELECT x.@permissions_user@, x.permission_id FROM @user_permissions@ x
$$;
CREATE VIEW user_permissions AS SELECT * FROM django_user_permissions();

CREATE FUNCTION django_groups() RETURNS TABLE (id @group_id@, name text) LANGUAGE sql STABLE AS $$
    SELECT g.id, g.name::text FROM @group@ g
$$;
CREATE VIEW groups AS SELECT * FROM django_groups();

CREATE FUNCTION django_group_permissions() RETURNS TABLE (group_id @group_id@, permission_id @permission_id@) LANGUAGE sql STABLE AS $$
    SELECT x.group_id, x.permission_id FROM @group_permissions@ x
$$;
CREATE VIEW group_permissions AS SELECT * FROM django_group_permissions();

CREATE FUNCTION django_group_users() RETURNS TABLE (group_id @group_id@, user_id uuid) LANGUAGE sql STABLE AS $$
    SELECT x.group_id, x.@groups_user@ FROM @user_groups@ x
$$;
CREATE VIEW group_users AS SELECT * FROM django_group_users();

CREATE FUNCTION django_email_addresses() RETURNS TABLE (
    id @email_id@, user_id uuid, email text, verified boolean, is_primary boolean
) LANGUAGE sql STABLE AS $$
    SELECT e.id, e.user_id, e.email::text, e.verified, e."primary" FROM @email@ e
$$;
CREATE VIEW email_addresses AS SELECT * FROM django_email_addresses();

-- The digest finds whose token it is, and Django's own row says that it is still that token: a digest that was left behind gives nothing.
CREATE FUNCTION django_tokens() RETURNS TABLE (
    id uuid, digest bytea, user_id uuid, name text, created bigint, expires_at bigint, revoked_at bigint, last_used bigint, sealed bytea,
    read_only boolean, organizations text, permissions text
) LANGUAGE sql STABLE AS $$
    SELECT d.id, d.digest, t.user_id, 'login', floor(extract(epoch FROM t.created))::bigint, NULL::bigint, NULL::bigint, d.last_used,
           convert_to(t.key::text, 'UTF8'), false, '', ''
    FROM @ours@.token_digests d JOIN @token@ t ON t.user_id = d.user_id AND sha256(convert_to(t.key::text, 'UTF8')) = d.digest
$$;
CREATE VIEW tokens AS
    SELECT id, digest, user_id, name, created, expires_at, revoked_at, last_used, NULL::bytea AS sealed, read_only, organizations, permissions
    FROM own_tokens
    UNION ALL SELECT * FROM django_tokens();

-- Who has a permission, as often as they have it.
CREATE VIEW permission_users AS
    SELECT permission_id, user_id FROM user_permissions
    UNION ALL SELECT p.permission_id, u.user_id FROM group_permissions p JOIN group_users u ON u.group_id = p.group_id
    UNION ALL SELECT p.permission_id, u.user_id FROM role_permissions p JOIN role_users u ON u.role_id = p.role_id
    UNION ALL SELECT p.permission_id, u.user_id FROM super_role_permissions p
              JOIN super_role_users u ON u.super_role_id = p.super_role_id;

-- Counted: triggers that keep a sum would miss what is loaded without them.
CREATE FUNCTION django_totals() RETURNS TABLE (name text, number bigint) LANGUAGE sql STABLE AS $$
    SELECT 'users'::text, (SELECT count(*) FROM @user@) UNION ALL SELECT 'organizations', (SELECT count(*) FROM @organization@)
$$;
CREATE VIEW totals AS SELECT * FROM django_totals();
