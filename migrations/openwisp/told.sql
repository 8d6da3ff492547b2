-- What Django, its admin or anybody's SQL changes is told in the outbox, in the same transaction; and what of ours belongs to a record
-- that goes, goes along.
--
-- Triggers on Django's tables name none of their columns, and read rows by words: its migrations are free to change any.

CREATE FUNCTION told_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    facts   CONSTANT text[] := ARRAY['id', 'username', 'email', 'password', 'password_updated', 'is_active', 'is_staff', 'is_superuser'];
    was     jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    gone    uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT 1 FROM unnest(facts) AS fact WHERE (was -> fact) IS DISTINCT FROM (becomes -> fact)
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', told.id FROM (VALUES ((was ->> 'id')::uuid), ((becomes ->> 'id')::uuid)) AS told (id) WHERE told.id IS NOT NULL;
    -- Whoever knew the old password is out, and so is who was deactivated.
    IF TG_OP = 'UPDATE' AND ((was -> 'password') IS DISTINCT FROM (becomes -> 'password')
                             OR (was -> 'is_active') = 'true' AND (becomes -> 'is_active') = 'false') THEN
        DELETE FROM sessions WHERE user_id = (was ->> 'id')::uuid;
    END IF;
    IF TG_OP = 'DELETE' THEN
        gone := was ->> 'id';
        DELETE FROM user_more WHERE user_id = gone;
        DELETE FROM own_tokens WHERE user_id = gone;
        DELETE FROM token_digests WHERE user_id = gone;
        DELETE FROM subjects WHERE user_id = gone;
        DELETE FROM sessions WHERE user_id = gone;
        DELETE FROM super_role_users WHERE user_id = gone;
        DELETE FROM role_users WHERE user_id = gone;
        DELETE FROM notices WHERE user_id = gone;
        DELETE FROM answers WHERE user_id = gone;
        DELETE FROM second_factors WHERE user_id = gone;
        DELETE FROM recovery_codes WHERE user_id = gone;
        DELETE FROM passkeys WHERE user_id = gone;
        DELETE FROM device_logins WHERE user_id = gone;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION told_organization() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    facts   CONSTANT text[] := ARRAY['id', 'name', 'slug', 'is_active'];
    was     jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    gone    uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT 1 FROM unnest(facts) AS fact WHERE (was -> fact) IS DISTINCT FROM (becomes -> fact)
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'organization', told.id FROM (VALUES ((was ->> 'id')::uuid), ((becomes ->> 'id')::uuid)) AS told (id)
    WHERE told.id IS NOT NULL;
    IF becomes IS NOT NULL THEN
        -- Django gives a slug that is free now to whom it wants: then it is theirs.
        INSERT INTO slugs (slug, organization_id) VALUES (becomes ->> 'slug', (becomes ->> 'id')::uuid)
        ON CONFLICT (slug) DO UPDATE SET organization_id = EXCLUDED.organization_id;
    ELSE
        gone := was ->> 'id';
        DELETE FROM organization_more WHERE organization_id = gone;
        UPDATE user_more SET organization_id = NULL WHERE organization_id = gone;
        DELETE FROM roles WHERE organization_id = gone;
    END IF;
    RETURN NULL;
END $$;

-- A membership is a fact of its user. Who leaves an organization leaves their roles in it, and is at home there no longer.
CREATE FUNCTION told_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was     jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', told.id FROM (VALUES ((was ->> 'user_id')::uuid), ((becomes ->> 'user_id')::uuid)) AS told (id)
    WHERE told.id IS NOT NULL;
    IF was IS NOT NULL AND ((was -> 'user_id') IS DISTINCT FROM (becomes -> 'user_id')
                            OR (was -> 'organization_id') IS DISTINCT FROM (becomes -> 'organization_id')) THEN
        DELETE FROM role_users
        WHERE user_id = (was ->> 'user_id')::uuid AND organization_id = (was ->> 'organization_id')::uuid;
        UPDATE user_more SET organization_id = NULL
        WHERE user_id = (was ->> 'user_id')::uuid AND organization_id = (was ->> 'organization_id')::uuid;
    END IF;
    RETURN NULL;
END $$;

-- Whose membership it is; where that has gone before, it has told of its user itself.
CREATE FUNCTION told_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was     jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', m.user_id FROM @organization_user@ m
    WHERE m.id IN ((was ->> 'organization_user_id')::uuid, (becomes ->> 'organization_user_id')::uuid);
    RETURN NULL;
END $$;

CREATE FUNCTION told_digest(key text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT sha256(convert_to(key, 'UTF8')) $$;
CREATE FUNCTION told_id(digest bytea) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT encode(substring(digest FROM 1 FOR 16), 'hex')::uuid $$;

CREATE FUNCTION told_token() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was     bytea := CASE WHEN TG_OP <> 'INSERT' THEN told_digest(to_jsonb(OLD) ->> 'key') END;
    becomes bytea := CASE WHEN TG_OP <> 'DELETE' THEN told_digest(to_jsonb(NEW) ->> 'key') END;
    whose   uuid := CASE WHEN TG_OP <> 'DELETE' THEN (to_jsonb(NEW) ->> 'user_id')::uuid END;
BEGIN
    INSERT INTO changes (kind, id) SELECT 'token', id FROM token_digests WHERE digest IN (was, becomes);
    IF was IS DISTINCT FROM becomes THEN
        DELETE FROM token_digests WHERE digest = was;
    END IF;
    IF becomes IS NOT NULL THEN
        -- Django has made the same one again that was refused here.
        DELETE FROM own_tokens WHERE digest = becomes;
        INSERT INTO token_digests (digest, id, user_id) VALUES (becomes, told_id(becomes), whose)
        ON CONFLICT (digest) DO UPDATE SET user_id = EXCLUDED.user_id;
        INSERT INTO changes (kind, id) SELECT 'token', id FROM token_digests WHERE digest = becomes;
    END IF;
    RETURN NULL;
END $$;

-- The digest of the password that there was when a session began: where nothing tells, another ends it all the same.
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS password bytea;

-- The names of roles are facts, since services are told them: a new name is told as a change of each user who has the role.
CREATE FUNCTION tell_renamed_super_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM super_role_users WHERE super_role_id = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION tell_renamed_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER super_roles_told_of_updates AFTER UPDATE ON super_roles
FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION tell_renamed_super_role();
CREATE TRIGGER roles_told_of_updates AFTER UPDATE ON roles
FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION tell_renamed_role();

-- Logins that began at a provider and have ended: none ends twice.
CREATE TABLE IF NOT EXISTS used_logins (
    digest     bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    expires_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS used_logins_expires_at ON used_logins (expires_at);

-- What people log in with besides: see migrations/postgres/0019_second_factors.sql.
CREATE TABLE IF NOT EXISTS second_factors (
    user_id   uuid PRIMARY KEY,
    sealed    bytea NOT NULL,
    confirmed boolean NOT NULL,
    last_step bigint NOT NULL,
    created   bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS recovery_codes (
    user_id uuid NOT NULL,
    digest  bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (user_id, digest)
);
-- See migrations/postgres/0023_device_logins.sql.
CREATE TABLE IF NOT EXISTS device_logins (
    device     bytea PRIMARY KEY CHECK (octet_length(device) = 32),
    code       bytea NOT NULL CHECK (octet_length(code) = 32),
    name       text NOT NULL,
    scope      text NOT NULL,
    address    text NOT NULL,
    created    bigint NOT NULL,
    expires_at bigint NOT NULL,
    asked_at   bigint NOT NULL,
    every      bigint NOT NULL,
    answer     text CHECK (answer IN ('approved', 'denied')),
    password   bytea CHECK (octet_length(password) = 32),
    user_id    uuid
);
CREATE UNIQUE INDEX IF NOT EXISTS device_logins_code ON device_logins (code);
CREATE INDEX IF NOT EXISTS device_logins_user ON device_logins (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS device_logins_expires_at ON device_logins (expires_at);
-- See migrations/postgres/0021_passkeys.sql.
CREATE TABLE IF NOT EXISTS passkeys (
    id              uuid PRIMARY KEY,
    credential      bytea NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 1023),
    user_id         uuid NOT NULL,
    name            text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    public_key      bytea NOT NULL,
    sign_count      bigint NOT NULL,
    backup_eligible boolean NOT NULL,
    backed_up       boolean NOT NULL,
    created         bigint NOT NULL,
    last_used       bigint
);
CREATE UNIQUE INDEX IF NOT EXISTS passkeys_credential ON passkeys (credential);
CREATE INDEX IF NOT EXISTS passkeys_user ON passkeys (user_id);
DROP TRIGGER IF EXISTS passkeys_told ON passkeys;
CREATE TRIGGER passkeys_told AFTER INSERT OR DELETE ON passkeys FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
DROP TRIGGER IF EXISTS passkeys_emptied ON passkeys;
CREATE TRIGGER passkeys_emptied AFTER TRUNCATE ON passkeys FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
-- When a session showed its second factor, and which: see migrations/postgres/0020_session_factors.sql.
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS factor_at bigint;
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS factor text;
DROP TRIGGER IF EXISTS second_factors_told ON second_factors;
CREATE TRIGGER second_factors_told AFTER INSERT OR DELETE ON second_factors FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
DROP TRIGGER IF EXISTS second_factors_told_of_updates ON second_factors;
CREATE TRIGGER second_factors_told_of_updates AFTER UPDATE ON second_factors FOR EACH ROW
WHEN ((NEW.user_id, NEW.confirmed) IS DISTINCT FROM (OLD.user_id, OLD.confirmed)) EXECUTE FUNCTION tell('user', 'user_id');
DROP TRIGGER IF EXISTS second_factors_emptied ON second_factors;
CREATE TRIGGER second_factors_emptied AFTER TRUNCATE ON second_factors FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();

-- What happened to each record: see migrations/postgres/0022_history.sql.
CREATE TABLE IF NOT EXISTS history (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at              bigint NOT NULL,
    what            text NOT NULL,
    kind            text NOT NULL,
    record          text NOT NULL,
    name            text NOT NULL,
    user_id         uuid,
    organization_id uuid,
    via             text NOT NULL CHECK (via IN ('api', 'cli', 'server')),
    actor_id        uuid,
    actor           text NOT NULL,
    changes         text NOT NULL,
    private         text NOT NULL
);
CREATE INDEX IF NOT EXISTS history_record ON history (kind, record, id);
CREATE INDEX IF NOT EXISTS history_user ON history (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS history_organization ON history (organization_id, id) WHERE organization_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS history_at ON history (at);

-- What came and went before the triggers, or when they were off.
CREATE FUNCTION index_tokens() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM token_digests d WHERE NOT EXISTS (SELECT 1 FROM @token@ t WHERE t.user_id = d.user_id AND told_digest(t.key::text) = d.digest);
    INSERT INTO token_digests (digest, id, user_id)
    SELECT told_digest(t.key::text), told_id(told_digest(t.key::text)), t.user_id FROM @token@ t ON CONFLICT (digest) DO NOTHING;
    INSERT INTO slugs (slug, organization_id) SELECT o.slug, o.id FROM @organization@ o ON CONFLICT (slug) DO NOTHING;
    DELETE FROM sessions s
    WHERE NOT EXISTS (SELECT 1 FROM @user@ u WHERE u.id = s.user_id AND u.is_active AND told_digest(u.password::text) = s.password);
    DELETE FROM role_users r
    WHERE NOT EXISTS (SELECT 1 FROM @organization_user@ m WHERE m.user_id = r.user_id AND m.organization_id = r.organization_id);
    UPDATE user_more h SET organization_id = NULL
    WHERE organization_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM @organization_user@ m WHERE m.user_id = h.user_id AND m.organization_id = h.organization_id);
END $$;

CREATE FUNCTION told_group() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users WHERE group_id IN (OLD.id, NEW.id);
    RETURN NULL;
END $$;

CREATE FUNCTION told_group_permission() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', user_id FROM group_users WHERE group_id IN (OLD.group_id, NEW.group_id);
    RETURN NULL;
END $$;

CREATE FUNCTION told_permission() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', user_id FROM permission_users WHERE permission_id IN (OLD.id, NEW.id);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM role_permissions WHERE permission_id = OLD.id;
        DELETE FROM super_role_permissions WHERE permission_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;

-- A session does not begin for who was deactivated while they logged in.
CREATE FUNCTION refuse_sessions_of_inactive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    SELECT told_digest(u.password::text) INTO NEW.password FROM @user@ u WHERE u.id = NEW.user_id AND u.is_active FOR SHARE;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_of_inactive_refused BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION refuse_sessions_of_inactive();

-- Roles are for members: whoever takes the membership away meanwhile waits.
CREATE FUNCTION refuse_roles_of_others() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM @organization_user@ m WHERE m.user_id = NEW.user_id AND m.organization_id = NEW.organization_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a role is for members of its organization'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'role_is_for_members';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER role_is_for_members BEFORE INSERT OR UPDATE ON role_users FOR EACH ROW EXECUTE FUNCTION refuse_roles_of_others();

-- A row that a column names as its user's.
CREATE FUNCTION told_user_of() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was     jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    IF was IS NOT DISTINCT FROM becomes THEN
        RETURN NULL;
    END IF;
    INSERT INTO changes (kind, id)
    SELECT DISTINCT 'user', told.id FROM (VALUES ((was ->> TG_ARGV[0])::uuid), ((becomes ->> TG_ARGV[0])::uuid)) AS told (id)
    WHERE told.id IS NOT NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION told_emptied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind) VALUES ('everything');
    RETURN NULL;
END $$;
