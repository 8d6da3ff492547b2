-- What the directory's statements write is written into Django's tables, with all that Django itself would have written.
--
-- An UPDATE writes the columns that it changes and no others: Django may have changed those meanwhile. What a statement asks of a view
-- holds for what it read there, before it waited for whoever was first: where the answer must still be true, the table is asked again. What Django's indexes refuse is
-- told by the names that the directory's own indexes have.

CREATE FUNCTION put_refused(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', what USING ERRCODE = 'restrict_violation', CONSTRAINT = 'kept_by_django';
END $$;

-- The name that an index of Django's has in a schema of postern's own; of ours, its own.
CREATE FUNCTION put_name(records text, tbl text, refused text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE coalesce(
        (SELECT CASE WHEN i.indisprimary THEN 'pkey'
                     ELSE (SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid) END
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
         WHERE c.relname = refused AND t.relname = tbl AND c.relnamespace <> current_schema()::regnamespace LIMIT 1), '')
        WHEN '' THEN refused
        WHEN 'user_id organization_id' THEN records || '_user_organization'
        WHEN 'user_id email' THEN records || '_user_email'
        WHEN 'user_id primary' THEN records || '_primary'
        WHEN 'email' THEN records || CASE records WHEN 'email_addresses' THEN '_verified' ELSE '_email' END
        WHEN 'username' THEN records || '_username'
        WHEN 'phone_number' THEN records || '_phone_number'
        WHEN 'slug' THEN records || '_slug'
        WHEN 'name' THEN records || '_name'
        WHEN 'pkey' THEN records || '_pkey'
        ELSE refused
    END
$$;

-- As Django writes a time.
CREATE FUNCTION put_time(seconds bigint, micros integer) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT to_timestamp(0) + seconds * interval '1 second' + coalesce(micros, 0) * interval '1 microsecond'
$$;

-- Django's mark of a password that nobody has.
CREATE FUNCTION put_password(password text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(password, '!' || substr(md5(random()::text) || md5(random()::text), 1, 40))
$$;

-- A column that openwisp-users 1.0 has not yet.
CREATE FUNCTION put_later(whose uuid, col text, value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = '@user@'::regclass AND attname = col AND NOT attisdropped) THEN
        -- What follows a password by itself is not missed.
        IF col = 'expiration_date' THEN
            PERFORM put_refused('this openwisp-users has no ' || col);
        END IF;
        RETURN;
    END IF;
    EXECUTE format('UPDATE @user@ SET %1$I = $1::%2$s WHERE id = $2', col,
                   CASE col WHEN 'password_based_token' THEN 'boolean' ELSE 'date' END) USING value, whose;
END $$;

CREATE FUNCTION put_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    address text := CASE WHEN coalesce(NEW.email_blank, false) THEN '' ELSE NEW.email END;
    phone   text := CASE WHEN coalesce(NEW.phone_blank, false) THEN '' ELSE NEW.phone_number END;
    tbl text; refused text; words text;
BEGIN
    -- Whatever its case; Django's index minds it.
    IF NEW.email IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.email IS DISTINCT FROM OLD.email)
       AND EXISTS (SELECT 1 FROM @user@ u WHERE upper(u.email::text) = upper(NEW.email) AND u.id <> NEW.id) THEN
        RAISE EXCEPTION 'an e-mail address is one user''s' USING ERRCODE = 'unique_violation', CONSTRAINT = 'users_email';
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO @user@ (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined,
                            bio, url, company, location, phone_number, birth_date, notes, language)
        VALUES (NEW.id, put_password(NEW.password), put_time(0, 0) + NEW.last_login * interval '1 microsecond', coalesce(NEW.is_superuser, false),
                NEW.username, coalesce(NEW.first_name, ''), coalesce(NEW.last_name, ''), address, coalesce(NEW.is_staff, false),
                coalesce(NEW.is_active, true), CASE WHEN NEW.created IS NULL THEN now() ELSE put_time(NEW.created, NEW.created_micros) END,
                coalesce(NEW.bio, ''), coalesce(NEW.url, ''), coalesce(NEW.company, ''), coalesce(NEW.location, ''), phone, NEW.birth_date,
                coalesce(NEW.notes, ''), coalesce(NEW.language, 'en-gb'));
    ELSE
        UPDATE @user@ u SET
            username = CASE WHEN NEW.username = OLD.username THEN u.username ELSE NEW.username END,
            password = CASE WHEN NEW.password IS NOT DISTINCT FROM OLD.password THEN u.password ELSE put_password(NEW.password) END,
            email = CASE WHEN (NEW.email, NEW.email_blank) IS NOT DISTINCT FROM (OLD.email, OLD.email_blank) THEN u.email ELSE address END,
            phone_number = CASE WHEN (NEW.phone_number, NEW.phone_blank) IS NOT DISTINCT FROM (OLD.phone_number, OLD.phone_blank)
                                THEN u.phone_number ELSE phone END,
            first_name = CASE WHEN NEW.first_name = OLD.first_name THEN u.first_name ELSE NEW.first_name END,
            last_name = CASE WHEN NEW.last_name = OLD.last_name THEN u.last_name ELSE NEW.last_name END,
            is_active = CASE WHEN NEW.is_active = OLD.is_active THEN u.is_active ELSE NEW.is_active END,
            is_staff = CASE WHEN NEW.is_staff = OLD.is_staff THEN u.is_staff ELSE NEW.is_staff END,
            is_superuser = CASE WHEN NEW.is_superuser = OLD.is_superuser THEN u.is_superuser ELSE NEW.is_superuser END,
            bio = CASE WHEN NEW.bio = OLD.bio THEN u.bio ELSE NEW.bio END,
            url = CASE WHEN NEW.url = OLD.url THEN u.url ELSE NEW.url END,
            company = CASE WHEN NEW.company = OLD.company THEN u.company ELSE NEW.company END,
            location = CASE WHEN NEW.location = OLD.location THEN u.location ELSE NEW.location END,
            notes = CASE WHEN NEW.notes = OLD.notes THEN u.notes ELSE NEW.notes END,
            language = CASE WHEN NEW.language = OLD.language THEN u.language ELSE NEW.language END,
            birth_date = CASE WHEN NEW.birth_date IS NOT DISTINCT FROM OLD.birth_date THEN u.birth_date ELSE NEW.birth_date END,
            last_login = CASE WHEN NEW.last_login IS NOT DISTINCT FROM OLD.last_login THEN u.last_login
                              ELSE put_time(0, 0) + NEW.last_login * interval '1 microsecond' END
        -- A password, a last login and an activity are exchanged for another only where they are still those that were read.
        WHERE u.id = OLD.id AND (NEW.password IS NOT DISTINCT FROM OLD.password OR u.password = coalesce(OLD.password, ''))
          AND (NEW.is_active = OLD.is_active OR u.is_active = OLD.is_active)
          AND (NEW.last_login IS NOT DISTINCT FROM OLD.last_login
               OR floor(extract(epoch FROM u.last_login) * 1000000)::bigint IS NOT DISTINCT FROM OLD.last_login AND u.is_active = OLD.is_active);
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF NEW.expiration_date IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.expiration_date END) THEN
        PERFORM put_later(NEW.id, 'expiration_date', NEW.expiration_date::text);
    END IF;
    IF NEW.password_updated IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.password_updated END) THEN
        PERFORM put_later(NEW.id, 'password_updated', NEW.password_updated::text);
    END IF;
    IF NEW.password_based_token IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.password_based_token END) THEN
        PERFORM put_later(NEW.id, 'password_based_token', NEW.password_based_token::text);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.organization_id IS DISTINCT FROM OLD.organization_id AND NEW.organization_id IS NOT NULL THEN
        PERFORM 1 FROM @organization_user@ m WHERE m.user_id = NEW.id AND m.organization_id = NEW.organization_id FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the primary organization of a user is one that they belong to'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'primary_organization_is_theirs';
        END IF;
    END IF;
    INSERT INTO user_more AS m (user_id, external_id, organization_id, fields, modified, modified_micros)
    VALUES (NEW.id, NEW.external_id, NEW.organization_id, coalesce(NEW.fields, '{}'), NEW.modified, coalesce(NEW.modified_micros, 0))
    ON CONFLICT (user_id) DO UPDATE SET
        external_id = CASE WHEN TG_OP = 'UPDATE' AND NEW.external_id IS NOT DISTINCT FROM OLD.external_id
                           THEN m.external_id ELSE EXCLUDED.external_id END,
        organization_id = CASE WHEN TG_OP = 'UPDATE' AND NEW.organization_id IS NOT DISTINCT FROM OLD.organization_id
                               THEN m.organization_id ELSE EXCLUDED.organization_id END,
        fields = CASE WHEN TG_OP = 'UPDATE' AND NEW.fields IS NOT DISTINCT FROM OLD.fields THEN m.fields ELSE EXCLUDED.fields END,
        modified = EXCLUDED.modified, modified_micros = EXCLUDED.modified_micros;
    IF TG_OP = 'INSERT' AND NEW.organization_id IS NOT NULL THEN
        INSERT INTO memberships (user_id, organization_id, is_admin, created, modified)
        VALUES (NEW.id, NEW.organization_id, false, NEW.created, NEW.created);
    END IF;
    RETURN NEW;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS tbl = TABLE_NAME, refused = CONSTRAINT_NAME, words = MESSAGE_TEXT;
    refused := put_name('users', tbl, refused);
    refused := CASE WHEN refused = 'users_email' AND address = '' THEN 'users_email_blank'
                    WHEN refused = 'users_phone_number' AND phone = '' THEN 'users_phone_blank' ELSE refused END;
    RAISE EXCEPTION '%', words USING ERRCODE = 'unique_violation', CONSTRAINT = refused;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION put_user();

-- Django takes along what refers to a record, table by table. What is of other modules only Django knows how to take along: then it refuses.
CREATE FUNCTION put_checked(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
EXCEPTION WHEN foreign_key_violation THEN
    PERFORM put_refused(what);
END $$;

CREATE FUNCTION put_user_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM @organization_owner@ w USING @organization_user@ m WHERE m.id = w.organization_user_id AND m.user_id = OLD.id;
    DELETE FROM @organization_user@ m WHERE m.user_id = OLD.id;
    DELETE FROM @token@ t WHERE t.user_id = OLD.id;
    DELETE FROM @email@ e WHERE e.user_id = OLD.id;
    DELETE FROM @user_groups@ x WHERE x.@groups_user@ = OLD.id;
    DELETE FROM @user_permissions@ x WHERE x.@permissions_user@ = OLD.id;
    -- What the user did in Django's admin goes with them there too.
    IF to_regclass('@admin_log@') IS NOT NULL THEN
        EXECUTE 'DELETE FROM @admin_log@ WHERE user_id = $1' USING OLD.id;
    END IF;
    DELETE FROM @user@ u WHERE u.id = OLD.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM put_checked('records of other modules refer to this user, and Django alone can delete them too: delete the user there');
    RETURN OLD;
END $$;
CREATE TRIGGER put_gone INSTEAD OF DELETE ON users FOR EACH ROW EXECUTE FUNCTION put_user_gone();

CREATE FUNCTION put_organization() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    tbl text; refused text; words text;
BEGIN
    IF TG_OP = 'INSERT' OR NEW.slug <> OLD.slug THEN
        IF EXISTS (SELECT 1 FROM slugs WHERE lower(slug) = lower(NEW.slug) AND organization_id <> NEW.id) THEN
            RAISE EXCEPTION 'the slug belongs, or once belonged, to another organization'
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'slug_is_not_reused';
        END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO @organization@ (id, name, slug, is_active, description, email, url, created, modified)
        VALUES (NEW.id, NEW.name, NEW.slug, coalesce(NEW.is_active, true), coalesce(NEW.description, ''), coalesce(NEW.email, ''),
                coalesce(NEW.url, ''), put_time(NEW.created, NEW.created_micros), put_time(NEW.modified, NEW.modified_micros));
    ELSE
        UPDATE @organization@ o SET
            name = CASE WHEN NEW.name = OLD.name THEN o.name ELSE NEW.name END,
            slug = CASE WHEN NEW.slug = OLD.slug THEN o.slug ELSE NEW.slug END,
            is_active = CASE WHEN NEW.is_active = OLD.is_active THEN o.is_active ELSE NEW.is_active END,
            description = CASE WHEN NEW.description = OLD.description THEN o.description ELSE NEW.description END,
            email = CASE WHEN NEW.email = OLD.email THEN o.email ELSE NEW.email END,
            url = CASE WHEN NEW.url = OLD.url THEN o.url ELSE NEW.url END,
            modified = CASE WHEN (NEW.modified, NEW.modified_micros) = (OLD.modified, OLD.modified_micros) THEN o.modified
                            ELSE put_time(NEW.modified, NEW.modified_micros) END
        WHERE o.id = OLD.id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF NEW.external_id IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.external_id END) THEN
        INSERT INTO organization_more (organization_id, external_id) VALUES (NEW.id, NEW.external_id)
        ON CONFLICT (organization_id) DO UPDATE SET external_id = EXCLUDED.external_id;
    END IF;
    RETURN NEW;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS tbl = TABLE_NAME, refused = CONSTRAINT_NAME, words = MESSAGE_TEXT;
    RAISE EXCEPTION '%', words USING ERRCODE = 'unique_violation', CONSTRAINT = put_name('organizations', tbl, refused);
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION put_organization();

CREATE FUNCTION put_organization_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM @organization_owner@ w WHERE w.organization_id = OLD.id;
    DELETE FROM @organization_user@ m WHERE m.organization_id = OLD.id;
    DELETE FROM @organization@ o WHERE o.id = OLD.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM put_checked('records of other modules refer to this organization, and Django alone can delete them too: delete it there');
    RETURN OLD;
END $$;
CREATE TRIGGER put_gone INSTEAD OF DELETE ON organizations FOR EACH ROW EXECUTE FUNCTION put_organization_gone();

CREATE FUNCTION put_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    tbl text; refused text; words text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO @organization_user@ (id, user_id, organization_id, is_admin, created, modified)
        VALUES (coalesce(NEW.id, gen_random_uuid()), NEW.user_id, NEW.organization_id, coalesce(NEW.is_admin, false),
                coalesce(put_time(NEW.created, 0), now()), coalesce(put_time(NEW.modified, 0), now()));
        RETURN NEW;
    END IF;
    IF OLD.is_admin AND NOT NEW.is_admin
       AND EXISTS (SELECT 1 FROM @organization_owner@ w WHERE w.organization_user_id = OLD.id) THEN
        RAISE EXCEPTION 'the owner of an organization cannot be demoted until ownership has moved'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'owner_is_not_demoted';
    END IF;
    UPDATE @organization_user@ m SET is_admin = NEW.is_admin, modified = now() WHERE m.id = OLD.id;
    RETURN CASE WHEN FOUND THEN NEW END;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS tbl = TABLE_NAME, refused = CONSTRAINT_NAME, words = MESSAGE_TEXT;
    RAISE EXCEPTION '%', words USING ERRCODE = 'unique_violation', CONSTRAINT = put_name('memberships', tbl, refused);
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE ON memberships FOR EACH ROW EXECUTE FUNCTION put_membership();

CREATE FUNCTION put_membership_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM @organization_owner@ w WHERE w.organization_user_id = OLD.id) THEN
        RAISE EXCEPTION 'the owner of an organization cannot be removed until ownership has moved'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'owner_stays_member';
    END IF;
    DELETE FROM @organization_user@ m WHERE m.id = OLD.id;
    RETURN CASE WHEN FOUND THEN OLD END;
END $$;
CREATE TRIGGER put_gone INSTEAD OF DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION put_membership_gone();

-- Of several first owners at once, one.
CREATE FUNCTION put_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- Not whose it has become meanwhile.
        DELETE FROM @organization_owner@ w USING @organization_user@ m
        WHERE w.organization_id = OLD.organization_id AND m.id = w.organization_user_id AND m.user_id = OLD.user_id;
        RETURN CASE WHEN FOUND THEN OLD END;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO @organization_owner@ (id, organization_id, organization_user_id, created, modified)
        SELECT gen_random_uuid(), m.organization_id, m.id, put_time(NEW.created, 0), put_time(NEW.created, 0)
        FROM @organization_user@ m WHERE m.organization_id = NEW.organization_id AND m.user_id = NEW.user_id
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE @organization_owner@ w SET organization_user_id = m.id, modified = now()
        FROM @organization_user@ m
        WHERE w.organization_id = OLD.organization_id AND m.organization_id = OLD.organization_id AND m.user_id = NEW.user_id;
    END IF;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER put INSTEAD OF INSERT OR UPDATE OR DELETE ON owners FOR EACH ROW EXECUTE FUNCTION put_owner();
