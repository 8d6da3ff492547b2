-- The directory: users, organizations, memberships, owners, tokens; and the outbox that tells caches what changed.
--
-- The twin of the embedded store's step with the same number. Conventions, the same in every store: times are whole seconds
-- since the Unix epoch. Texts that are sorted or compared are so by their bytes (COLLATE "C"), wherever the database stands.
-- Rules stand here wherever a constraint can say them, so that raw SQL keeps them too.

CREATE TABLE users (
    id           uuid PRIMARY KEY,
    username     text COLLATE "C" NOT NULL CHECK (char_length(username) BETWEEN 1 AND 150),
    email        text COLLATE "C" CHECK (email <> ''),
    phone_number text COLLATE "C" CHECK (phone_number <> ''),
    first_name   text NOT NULL DEFAULT '',
    last_name    text NOT NULL DEFAULT '',
    external_id  text COLLATE "C" CHECK (external_id <> ''),
    password     text,
    is_active    boolean NOT NULL DEFAULT true,
    is_staff     boolean NOT NULL DEFAULT false,
    is_superuser boolean NOT NULL DEFAULT false,
    created      bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    modified     bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
CREATE UNIQUE INDEX users_username ON users (username);
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE UNIQUE INDEX users_phone_number ON users (phone_number);
CREATE UNIQUE INDEX users_external_id ON users (external_id);

CREATE TABLE organizations (
    id          uuid PRIMARY KEY,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    slug        text COLLATE "C" NOT NULL CHECK (slug ~ '^[A-Za-z0-9_-]{1,200}$'),
    external_id text COLLATE "C" CHECK (external_id <> ''),
    is_active   boolean NOT NULL DEFAULT true,
    description text NOT NULL DEFAULT '',
    email       text NOT NULL DEFAULT '',
    url         text NOT NULL DEFAULT '',
    created     bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    modified    bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
CREATE UNIQUE INDEX organizations_slug ON organizations (slug);
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id);

-- Every slug that an organization ever had. No foreign key: a slug stays taken when its organization is gone.
CREATE TABLE slugs (
    slug            text COLLATE "C" PRIMARY KEY,
    organization_id uuid NOT NULL
);

-- Functions of triggers run with the rights of their owner, so that whoever may change a table needs no right on the tables
-- behind it; and with the search path of this moment, so that nobody puts other tables in their way.
CREATE FUNCTION remember_slug() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO slugs (slug, organization_id) VALUES (NEW.slug, NEW.id) ON CONFLICT DO NOTHING;
    -- An organization may take back a slug of its own.
    IF NOT EXISTS (SELECT 1 FROM slugs WHERE slug = NEW.slug AND organization_id = NEW.id) THEN
        RAISE EXCEPTION 'the slug belongs, or once belonged, to another organization'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'slug_is_not_reused';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER slug_is_not_reused AFTER INSERT OR UPDATE OF id, slug ON organizations
FOR EACH ROW EXECUTE FUNCTION remember_slug();

CREATE TABLE memberships (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    is_admin        boolean NOT NULL DEFAULT false,
    created         bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    modified        bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
CREATE UNIQUE INDEX memberships_user_organization ON memberships (user_id, organization_id);
CREATE INDEX memberships_organization ON memberships (organization_id);

-- One owner for each organization, who is a member of it. The second foreign key has no cascade, on purpose; it is looked at
-- when the transaction commits, since an organization takes its memberships and its owner along in any order.
CREATE TABLE owners (
    organization_id uuid PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         uuid NOT NULL,
    created         bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    CONSTRAINT owner_is_a_member FOREIGN KEY (user_id, organization_id)
        REFERENCES memberships (user_id, organization_id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX owners_member ON owners (user_id, organization_id);

-- The same rule at once and in words, and the one about demotion.
CREATE FUNCTION keep_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM owners WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id)
       AND EXISTS (SELECT 1 FROM organizations WHERE id = OLD.organization_id) THEN
        RAISE EXCEPTION 'the owner of an organization cannot be % until ownership has moved', TG_ARGV[0]
            USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; ELSE RETURN NEW; END IF;
END $$;
CREATE TRIGGER owner_stays_member BEFORE DELETE ON memberships
FOR EACH ROW EXECUTE FUNCTION keep_owner('removed');
CREATE TRIGGER owner_stays_member_too BEFORE UPDATE OF user_id, organization_id ON memberships
FOR EACH ROW WHEN (NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id)
EXECUTE FUNCTION keep_owner('removed');
CREATE TRIGGER owner_is_not_demoted BEFORE UPDATE OF is_admin ON memberships
FOR EACH ROW WHEN (OLD.is_admin AND NOT NEW.is_admin) EXECUTE FUNCTION keep_owner('demoted');

-- The digest (SHA-256) of a token; never the token.
CREATE TABLE tokens (
    id         uuid PRIMARY KEY,
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       text NOT NULL DEFAULT '',
    created    bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    expires_at bigint,
    revoked_at bigint,
    last_used  bigint
);
CREATE UNIQUE INDEX tokens_digest ON tokens (digest);
CREATE INDEX tokens_user ON tokens (user_id);

-- Small values of the installation itself, such as the key of the token checksum.
CREATE TABLE settings (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

-- The outbox: what changed. Filled by triggers in the transaction of the change, so that a change counts whoever makes it.
-- `kind` is user, organization or token, and `id` names the record; or everything, without an id. Bookkeeping columns
-- (created, modified, last_used) and columns that no decision reads are silent.
--
-- `seq` says nothing of the order of commits: a number is taken long before. Followers go by `xid`, the transaction, and by
-- what of it their last snapshot saw.
CREATE TABLE changes (
    seq  bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    xid  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind text NOT NULL CHECK (kind IN ('user', 'organization', 'token', 'everything')),
    id   uuid CHECK (id IS NOT NULL OR kind = 'everything'),
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_xid ON changes (xid, seq);

-- What is gone of the outbox. Rows of transactions older than `next` go when that mark is ten minutes old; it is a horizon, so
-- a row stays for ten minutes after its transaction and all older ones ended, however long they were open. `trimmed` is the
-- newest transaction of which rows went so: whoever has not seen all up to there may have missed some. `emptied` is the last
-- transaction that deleted rows out of turn: whoever has not seen it may have missed any.
CREATE TABLE changes_kept (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    trimmed  xid8 NOT NULL DEFAULT '0',
    emptied  xid8 NOT NULL DEFAULT '0',
    next     xid8 NOT NULL DEFAULT '0',
    marked   timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO changes_kept DEFAULT VALUES;

CREATE FUNCTION note_gone_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE changes_kept
    SET trimmed = CASE WHEN last.xid < next AND last.xid > trimmed THEN last.xid ELSE trimmed END,
        emptied = CASE WHEN last.xid < next THEN emptied ELSE pg_current_xact_id() END
    FROM (SELECT xid FROM rows_gone ORDER BY xid DESC LIMIT 1) AS last;
    RETURN NULL;
END $$;
CREATE TRIGGER changes_gone AFTER DELETE ON changes REFERENCING OLD TABLE AS rows_gone
FOR EACH STATEMENT EXECUTE FUNCTION note_gone_changes();

-- Called by followers now and then; does something once in ten minutes, for one of them.
CREATE FUNCTION trim_changes() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    upto xid8;
BEGIN
    SELECT next INTO upto FROM changes_kept
    WHERE marked < clock_timestamp() - interval '10 minutes' FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        DELETE FROM changes WHERE xid < upto;
        UPDATE changes_kept SET next = pg_snapshot_xmin(pg_current_snapshot()), marked = clock_timestamp();
    END IF;
END $$;

CREATE FUNCTION announce_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- Sent when the transaction commits, and once, however many rows it writes. One channel for each schema.
    PERFORM pg_notify('postern_changes', TG_TABLE_SCHEMA);
    RETURN NULL;
END $$;
CREATE TRIGGER announced AFTER INSERT ON changes FOR EACH STATEMENT EXECUTE FUNCTION announce_changes();

-- tell(kind, column): the record that a column names has changed; both, where the column itself has.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was     uuid;
    becomes uuid;
BEGIN
    IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD) ->> TG_ARGV[1]; END IF;
    IF TG_OP <> 'DELETE' THEN becomes := to_jsonb(NEW) ->> TG_ARGV[1]; END IF;
    INSERT INTO changes (kind, id)
    SELECT DISTINCT TG_ARGV[0], told.id FROM (VALUES (was), (becomes)) AS told (id) WHERE told.id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION tell_everything() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind) VALUES ('everything');
    RETURN NULL;
END $$;

CREATE TRIGGER users_told AFTER INSERT OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell('user', 'id');
CREATE TRIGGER users_told_of_updates AFTER UPDATE ON users FOR EACH ROW
WHEN ((NEW.id, NEW.username, NEW.email, NEW.external_id, NEW.password, NEW.is_active, NEW.is_staff, NEW.is_superuser)
      IS DISTINCT FROM
      (OLD.id, OLD.username, OLD.email, OLD.external_id, OLD.password, OLD.is_active, OLD.is_staff, OLD.is_superuser))
EXECUTE FUNCTION tell('user', 'id');

CREATE TRIGGER organizations_told AFTER INSERT OR DELETE ON organizations
FOR EACH ROW EXECUTE FUNCTION tell('organization', 'id');
CREATE TRIGGER organizations_told_of_updates AFTER UPDATE ON organizations FOR EACH ROW
WHEN ((NEW.id, NEW.name, NEW.slug, NEW.external_id, NEW.is_active)
      IS DISTINCT FROM (OLD.id, OLD.name, OLD.slug, OLD.external_id, OLD.is_active))
EXECUTE FUNCTION tell('organization', 'id');

-- A membership and an ownership are facts of their user.
CREATE TRIGGER memberships_told AFTER INSERT OR DELETE ON memberships
FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER memberships_told_of_updates AFTER UPDATE ON memberships FOR EACH ROW
WHEN ((NEW.user_id, NEW.organization_id, NEW.is_admin) IS DISTINCT FROM (OLD.user_id, OLD.organization_id, OLD.is_admin))
EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER owners_told AFTER INSERT OR DELETE ON owners FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER owners_told_of_updates AFTER UPDATE ON owners FOR EACH ROW
WHEN ((NEW.user_id, NEW.organization_id) IS DISTINCT FROM (OLD.user_id, OLD.organization_id))
EXECUTE FUNCTION tell('user', 'user_id');

CREATE TRIGGER tokens_told AFTER INSERT OR DELETE ON tokens FOR EACH ROW EXECUTE FUNCTION tell('token', 'id');
CREATE TRIGGER tokens_told_of_updates AFTER UPDATE ON tokens FOR EACH ROW
WHEN ((NEW.id, NEW.digest, NEW.user_id, NEW.expires_at, NEW.revoked_at)
      IS DISTINCT FROM (OLD.id, OLD.digest, OLD.user_id, OLD.expires_at, OLD.revoked_at))
EXECUTE FUNCTION tell('token', 'id');

-- TRUNCATE fires no row's trigger.
CREATE TRIGGER users_emptied AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
CREATE TRIGGER organizations_emptied AFTER TRUNCATE ON organizations FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
CREATE TRIGGER memberships_emptied AFTER TRUNCATE ON memberships FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
CREATE TRIGGER owners_emptied AFTER TRUNCATE ON owners FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
CREATE TRIGGER tokens_emptied AFTER TRUNCATE ON tokens FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
-- The outbox itself.
CREATE TRIGGER changes_emptied AFTER TRUNCATE ON changes FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
