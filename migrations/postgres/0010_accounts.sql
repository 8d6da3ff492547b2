-- Accounts of organizations: codes whatever their case, how usernames are unique, and primary organizations that are their users' own.

-- A slug is unique, and never reused, whatever its case. Two that differ in case alone must be told apart before this step.
CREATE UNIQUE INDEX organizations_slug_any_case ON organizations (lower(slug));
CREATE INDEX slugs_any_case ON slugs (lower(slug));

CREATE OR REPLACE FUNCTION remember_slug() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.slug = OLD.slug THEN
        RETURN NULL;
    END IF;
    INSERT INTO slugs (slug, organization_id) VALUES (NEW.slug, NEW.id) ON CONFLICT DO NOTHING;
    -- An organization may take back a slug of its own.
    IF EXISTS (SELECT 1 FROM slugs WHERE lower(slug) = lower(NEW.slug) AND organization_id <> NEW.id) THEN
        RAISE EXCEPTION 'the slug belongs, or once belonged, to another organization'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'slug_is_not_reused';
    END IF;
    RETURN NULL;
END $$;

-- People are named by id too, so a name is never one.
CREATE FUNCTION refuse_username() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.username <> OLD.username THEN
        RAISE EXCEPTION 'a username is never a UUID' USING ERRCODE = 'check_violation', CONSTRAINT = 'username_is_no_id';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER username_is_no_id BEFORE INSERT OR UPDATE OF username ON users FOR EACH ROW
WHEN (NEW.username ~* '^([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$') EXECUTE FUNCTION refuse_username();

-- Whoever has a primary organization belongs to it. Until now raw SQL could say otherwise.
UPDATE users SET organization_id = NULL
WHERE organization_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id AND m.organization_id = users.organization_id)
  AND NOT EXISTS (SELECT 1 FROM users other WHERE other.username = users.username AND other.id <> users.id);

-- `usernames` among the settings says how they are unique: `global`, or `per_organization`, where everybody but superusers has a
-- primary organization. It is what the names are now; from here on it changes when the directory allows.
INSERT INTO settings (name, value)
SELECT 'usernames', convert_to(CASE WHEN EXISTS (SELECT 1 FROM users GROUP BY username HAVING count(*) > 1)
                               THEN 'per_organization' ELSE 'global' END, 'UTF8');

CREATE FUNCTION usernames_are_per_organization() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT EXISTS (SELECT 1 FROM settings WHERE name = 'usernames' AND value = convert_to('per_organization', 'UTF8'))
$$;

-- The unique index is as the setting says.
CREATE FUNCTION index_usernames() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DROP INDEX users_username;
    IF usernames_are_per_organization() THEN
        CREATE UNIQUE INDEX users_username
            ON users (username, coalesce(organization_id, '00000000-0000-0000-0000-000000000000'));
    ELSE
        CREATE UNIQUE INDEX users_username ON users (username);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION index_usernames() FROM PUBLIC;
SELECT index_usernames();

CREATE FUNCTION change_usernames() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.name <> 'usernames' OR convert_from(NEW.value, 'UTF8') NOT IN ('global', 'per_organization') THEN
        RAISE EXCEPTION 'usernames are global or per_organization'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usernames_are_one_or_the_other';
    END IF;
    -- Whoever makes or moves a user meanwhile is done before, or sees the new setting.
    LOCK TABLE users IN ACCESS EXCLUSIVE MODE;
    IF usernames_are_per_organization()
       AND EXISTS (SELECT 1 FROM users WHERE organization_id IS NULL AND NOT is_superuser) THEN
        RAISE EXCEPTION 'some users have no primary organization'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'primary_organization_is_there';
    END IF;
    PERFORM index_usernames();
    RETURN NULL;
END $$;
CREATE TRIGGER usernames_changed AFTER UPDATE ON settings FOR EACH ROW
WHEN (OLD.name = 'usernames' AND NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION change_usernames();

-- A user who is made with a primary organization becomes a member of it; whoever is there already belongs to it before.
CREATE FUNCTION keep_primary_organization() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.organization_id IS NULL AND NOT NEW.is_superuser AND usernames_are_per_organization() THEN
        IF TG_OP = 'INSERT' OR OLD.organization_id IS NOT NULL OR OLD.is_superuser THEN
            RAISE EXCEPTION 'where usernames are per organization, every user has a primary organization'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'primary_organization_is_there';
        END IF;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.organization_id IS DISTINCT FROM OLD.organization_id AND NEW.organization_id IS NOT NULL THEN
        -- Whoever takes the membership away meanwhile waits, and then is refused.
        PERFORM 1 FROM memberships
        WHERE user_id = NEW.id AND organization_id = NEW.organization_id FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the primary organization of a user is one that they belong to'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'primary_organization_is_theirs';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER primary_organization_is_theirs BEFORE INSERT OR UPDATE OF organization_id, is_superuser ON users
FOR EACH ROW EXECUTE FUNCTION keep_primary_organization();

CREATE FUNCTION join_primary_organization() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO memberships (user_id, organization_id, created, modified)
    VALUES (NEW.id, NEW.organization_id, NEW.created, NEW.created)
    ON CONFLICT (user_id, organization_id) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER primary_organization_is_joined AFTER INSERT ON users FOR EACH ROW
WHEN (NEW.organization_id IS NOT NULL) EXECUTE FUNCTION join_primary_organization();

CREATE FUNCTION keep_primary_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND organization_id = OLD.organization_id) THEN
        RAISE EXCEPTION 'nobody is removed from their primary organization until it has moved'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'primary_membership_stays';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; ELSE RETURN NEW; END IF;
END $$;
CREATE TRIGGER primary_membership_stays BEFORE DELETE ON memberships
FOR EACH ROW EXECUTE FUNCTION keep_primary_membership();
CREATE TRIGGER primary_membership_stays_too BEFORE UPDATE OF user_id, organization_id ON memberships
FOR EACH ROW WHEN (NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id)
EXECUTE FUNCTION keep_primary_membership();

-- The primary organization is a fact of its user: policies ask for it.
DROP TRIGGER users_told_of_updates ON users;
CREATE TRIGGER users_told_of_updates AFTER UPDATE ON users FOR EACH ROW
WHEN ((NEW.id, NEW.username, NEW.email, NEW.external_id, NEW.password, NEW.password_updated, NEW.is_active, NEW.is_staff,
       NEW.is_superuser, NEW.organization_id)
      IS DISTINCT FROM
      (OLD.id, OLD.username, OLD.email, OLD.external_id, OLD.password, OLD.password_updated, OLD.is_active, OLD.is_staff,
       OLD.is_superuser, OLD.organization_id))
EXECUTE FUNCTION tell('user', 'id');
