-- Writing, continued: groups, permissions, addresses and tokens; and locks.

-- Django makes a permission for each model, in its migrations.
CREATE FUNCTION put_permission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM put_refused('permissions are made, renamed and deleted by Django''s migrations');
    RETURN NULL;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE OR DELETE ON permissions FOR EACH ROW EXECUTE FUNCTION put_permission();

CREATE FUNCTION put_group() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    tbl text; refused text; words text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @user_groups@ x WHERE x.group_id = OLD.id;
        DELETE FROM @group_permissions@ x WHERE x.group_id = OLD.id;
        DELETE FROM @group@ g WHERE g.id = OLD.id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        PERFORM put_checked('records of other modules refer to this group, and Django alone can delete them too: delete it there');
        RETURN OLD;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO @group@ AS g (name) VALUES (NEW.name) RETURNING g.id INTO NEW.id;
        RETURN NEW;
    END IF;
    UPDATE @group@ g SET name = NEW.name WHERE g.id = OLD.id;
    RETURN CASE WHEN FOUND THEN NEW END;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS tbl = TABLE_NAME, refused = CONSTRAINT_NAME, words = MESSAGE_TEXT;
    RAISE EXCEPTION '%', words USING ERRCODE = 'unique_violation', CONSTRAINT = put_name('groups', tbl, refused);
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE OR DELETE ON groups FOR EACH ROW EXECUTE FUNCTION put_group();

CREATE FUNCTION put_group_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @user_groups@ x WHERE x.group_id = OLD.group_id AND x.@groups_user@ = OLD.user_id;
        RETURN CASE WHEN FOUND THEN OLD END;
    END IF;
    INSERT INTO @user_groups@ (group_id, @groups_user@) VALUES (NEW.group_id, NEW.user_id) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR DELETE ON group_users FOR EACH ROW EXECUTE FUNCTION put_group_user();

CREATE FUNCTION put_group_permission() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @group_permissions@ x WHERE x.group_id = OLD.group_id AND x.permission_id = OLD.permission_id;
        RETURN CASE WHEN FOUND THEN OLD END;
    END IF;
    INSERT INTO @group_permissions@ (group_id, permission_id) VALUES (NEW.group_id, NEW.permission_id) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR DELETE ON group_permissions FOR EACH ROW EXECUTE FUNCTION put_group_permission();

CREATE FUNCTION put_user_permission() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @user_permissions@ x WHERE x.@permissions_user@ = OLD.user_id AND x.permission_id = OLD.permission_id;
        RETURN CASE WHEN FOUND THEN OLD END;
    END IF;
    INSERT INTO @user_permissions@ (@permissions_user@, permission_id) VALUES (NEW.user_id, NEW.permission_id) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR DELETE ON user_permissions FOR EACH ROW EXECUTE FUNCTION put_user_permission();

CREATE FUNCTION put_email() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    tbl text; refused text; words text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @email@ e WHERE e.id = OLD.id;
        RETURN CASE WHEN FOUND THEN OLD END;
    END IF;
    IF NEW.verified AND (TG_OP = 'INSERT' OR NOT OLD.verified OR NEW.email <> OLD.email)
       AND EXISTS (SELECT 1 FROM @email@ e WHERE upper(e.email::text) = upper(NEW.email) AND e.verified AND e.user_id <> NEW.user_id) THEN
        RAISE EXCEPTION 'a verified address is one user''s' USING ERRCODE = 'unique_violation', CONSTRAINT = 'email_addresses_verified';
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO @email@ AS e (user_id, email, verified, "primary")
        VALUES (NEW.user_id, NEW.email, coalesce(NEW.verified, false), coalesce(NEW.is_primary, false)) RETURNING e.id INTO NEW.id;
        RETURN NEW;
    END IF;
    -- It is verified only where it is still the address that was.
    UPDATE @email@ e SET
        email = CASE WHEN NEW.email = OLD.email THEN e.email ELSE NEW.email END,
        verified = CASE WHEN NEW.verified = OLD.verified THEN e.verified ELSE NEW.verified END,
        "primary" = CASE WHEN NEW.is_primary = OLD.is_primary THEN e."primary" ELSE NEW.is_primary END
    WHERE e.id = OLD.id AND (OLD.verified OR NOT NEW.verified OR e.email = OLD.email);
    RETURN CASE WHEN FOUND THEN NEW END;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS tbl = TABLE_NAME, refused = CONSTRAINT_NAME, words = MESSAGE_TEXT;
    RAISE EXCEPTION '%', words USING ERRCODE = 'unique_violation', CONSTRAINT = put_name('email_addresses', tbl, refused);
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE OR DELETE ON email_addresses FOR EACH ROW EXECUTE FUNCTION put_email();

-- A token that is told again at each login (`sealed`) is Django's, in the plain as Django keeps it; all others are ours.
CREATE FUNCTION put_token() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    is_own boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM token_digests WHERE digest = NEW.digest) THEN
            RAISE EXCEPTION 'a token is one user''s' USING ERRCODE = 'unique_violation', CONSTRAINT = 'tokens_digest';
        ELSIF NEW.sealed IS NULL THEN
            INSERT INTO own_tokens (id, digest, user_id, name, created, expires_at, read_only, organizations, permissions)
            VALUES (NEW.id, NEW.digest, NEW.user_id, coalesce(NEW.name, ''), coalesce(NEW.created, extract(epoch FROM now())::bigint),
                    NEW.expires_at, coalesce(NEW.read_only, false), coalesce(NEW.organizations, ''), coalesce(NEW.permissions, ''));
        ELSE
            INSERT INTO @token@ (key, created, user_id) VALUES (convert_from(NEW.sealed, 'UTF8'), now(), NEW.user_id);
            UPDATE token_digests SET id = NEW.id WHERE digest = NEW.digest;
        END IF;
        RETURN NEW;
    END IF;
    is_own := EXISTS (SELECT 1 FROM own_tokens WHERE id = OLD.id);
    IF TG_OP = 'DELETE' THEN
        IF is_own THEN
            DELETE FROM own_tokens WHERE id = OLD.id;
        ELSE
            DELETE FROM @token@ t WHERE t.user_id = OLD.user_id AND sha256(convert_to(t.key::text, 'UTF8')) = OLD.digest;
        END IF;
        RETURN CASE WHEN FOUND THEN OLD END;
    ELSIF is_own THEN
        -- What was revoked meanwhile stays so.
        UPDATE own_tokens t SET
            digest = CASE WHEN NEW.digest = OLD.digest THEN t.digest ELSE NEW.digest END,
            name = CASE WHEN NEW.name = OLD.name THEN t.name ELSE NEW.name END,
            expires_at = CASE WHEN NEW.expires_at IS NOT DISTINCT FROM OLD.expires_at THEN t.expires_at ELSE NEW.expires_at END,
            revoked_at = NEW.revoked_at
        WHERE t.id = OLD.id AND t.revoked_at IS NOT DISTINCT FROM OLD.revoked_at;
        RETURN CASE WHEN FOUND THEN NEW END;
    ELSIF NEW.revoked_at IS NOT NULL THEN
        -- Django keeps no token that it refuses: its record is ours from here on.
        DELETE FROM @token@ t WHERE t.user_id = OLD.user_id AND sha256(convert_to(t.key::text, 'UTF8')) = OLD.digest;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        INSERT INTO own_tokens (id, digest, user_id, name, created, revoked_at, last_used)
        VALUES (OLD.id, OLD.digest, OLD.user_id, OLD.name, OLD.created, NEW.revoked_at, OLD.last_used)
        ON CONFLICT DO NOTHING;
        RETURN NEW;
    ELSIF NEW IS DISTINCT FROM OLD THEN
        PERFORM put_refused('a token of Django''s has no name and no end, and its secret is changed by making another');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE OR DELETE ON tokens FOR EACH ROW EXECUTE FUNCTION put_token();

CREATE FUNCTION put_uses(ids uuid[], times bigint[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH used AS (SELECT id, max(at) AS at FROM unnest(ids, times) AS u (id, at) GROUP BY id),
         held AS (SELECT t.id, used.at FROM own_tokens t JOIN used USING (id)
                  WHERE t.last_used IS NULL OR t.last_used < used.at ORDER BY t.id FOR NO KEY UPDATE OF t)
    UPDATE own_tokens t SET last_used = held.at FROM held WHERE t.id = held.id;
    WITH used AS (SELECT id, max(at) AS at FROM unnest(ids, times) AS u (id, at) GROUP BY id),
         held AS (SELECT t.id, used.at FROM token_digests t JOIN used USING (id)
                  WHERE t.last_used IS NULL OR t.last_used < used.at ORDER BY t.id FOR NO KEY UPDATE OF t)
    UPDATE token_digests t SET last_used = held.at FROM held WHERE t.id = held.id;
$$;

-- Locks the row that stands behind a record, as Django's `select_for_update` does.
CREATE FUNCTION put_lock(records text, which text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    CASE records
        WHEN 'users' THEN PERFORM 1 FROM @user@ x WHERE x.id = which::uuid FOR NO KEY UPDATE;
        WHEN 'organizations' THEN PERFORM 1 FROM @organization@ x WHERE x.id = which::uuid FOR NO KEY UPDATE;
        WHEN 'groups' THEN PERFORM 1 FROM @group@ x WHERE x.id = which::bigint FOR NO KEY UPDATE;
        WHEN 'permissions' THEN PERFORM 1 FROM @permission@ x WHERE x.id = which::bigint FOR NO KEY UPDATE;
        WHEN 'roles' THEN PERFORM 1 FROM roles x WHERE x.id = which::uuid FOR NO KEY UPDATE;
        WHEN 'super_roles' THEN PERFORM 1 FROM super_roles x WHERE x.id = which::uuid FOR NO KEY UPDATE;
        WHEN 'tokens' THEN
            PERFORM 1 FROM own_tokens x WHERE x.id = which::uuid FOR NO KEY UPDATE;
            PERFORM 1 FROM token_digests x WHERE x.id = which::uuid FOR NO KEY UPDATE;
    END CASE;
END $$;
