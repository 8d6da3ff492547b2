-- The directory: users, organizations, memberships, owners, tokens; and the outbox that tells caches what changed.
--
-- Conventions, the same in every store: ids are UUIDs (here as lower-case text), times are whole seconds since the Unix
-- epoch, flags are 0 or 1. Rules stand here wherever a constraint can say them, so that raw SQL keeps them too.

CREATE TABLE users (
    id           TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    username     TEXT NOT NULL CHECK (length(username) BETWEEN 1 AND 150),
    email        TEXT CHECK (email <> ''),
    phone_number TEXT CHECK (phone_number <> ''),
    first_name   TEXT NOT NULL DEFAULT '',
    last_name    TEXT NOT NULL DEFAULT '',
    external_id  TEXT CHECK (external_id <> ''),
    password     TEXT,
    is_active    INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    is_staff     INTEGER NOT NULL DEFAULT 0 CHECK (is_staff IN (0, 1)),
    is_superuser INTEGER NOT NULL DEFAULT 0 CHECK (is_superuser IN (0, 1)),
    created      INTEGER NOT NULL DEFAULT (unixepoch()),
    modified     INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE UNIQUE INDEX users_username ON users (username);
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE UNIQUE INDEX users_phone_number ON users (phone_number);
CREATE UNIQUE INDEX users_external_id ON users (external_id);

CREATE TABLE organizations (
    id          TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    slug        TEXT NOT NULL CHECK (length(slug) BETWEEN 1 AND 200 AND slug NOT GLOB '*[^A-Za-z0-9_-]*'),
    external_id TEXT CHECK (external_id <> ''),
    is_active   INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    description TEXT NOT NULL DEFAULT '',
    email       TEXT NOT NULL DEFAULT '',
    url         TEXT NOT NULL DEFAULT '',
    created     INTEGER NOT NULL DEFAULT (unixepoch()),
    modified    INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE UNIQUE INDEX organizations_slug ON organizations (slug);
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id);

-- Every slug that an organization ever had. No foreign key: a slug stays taken when its organization is gone.
CREATE TABLE slugs (
    slug            TEXT PRIMARY KEY NOT NULL,
    organization_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER slug_is_not_reused BEFORE INSERT ON organizations
WHEN EXISTS (SELECT 1 FROM slugs WHERE slug = NEW.slug AND organization_id <> NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the slug belongs, or once belonged, to another organization');
END;
-- An organization may take back a slug of its own.
CREATE TRIGGER slug_is_not_reused_either BEFORE UPDATE OF slug ON organizations
WHEN EXISTS (SELECT 1 FROM slugs WHERE slug = NEW.slug AND organization_id <> NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the slug belongs, or once belonged, to another organization');
END;
CREATE TRIGGER slug_is_remembered AFTER INSERT ON organizations BEGIN
    INSERT OR IGNORE INTO slugs (slug, organization_id) VALUES (NEW.slug, NEW.id);
END;
CREATE TRIGGER slug_is_remembered_too AFTER UPDATE OF slug ON organizations BEGIN
    INSERT OR IGNORE INTO slugs (slug, organization_id) VALUES (NEW.slug, NEW.id);
END;

CREATE TABLE memberships (
    id              TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    is_admin        INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1)),
    created         INTEGER NOT NULL DEFAULT (unixepoch()),
    modified        INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE UNIQUE INDEX memberships_user_organization ON memberships (user_id, organization_id);
CREATE INDEX memberships_organization ON memberships (organization_id);

-- One owner for each organization, who is a member of it: the second foreign key has no cascade, on purpose.
CREATE TABLE owners (
    organization_id TEXT PRIMARY KEY NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         TEXT NOT NULL,
    created         INTEGER NOT NULL DEFAULT (unixepoch()),
    FOREIGN KEY (user_id, organization_id) REFERENCES memberships (user_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX owners_member ON owners (user_id, organization_id);

-- The same rules for connections that do not check foreign keys (SQLite's default), and the one about demotion.
CREATE TRIGGER owner_stays_member BEFORE DELETE ON memberships
WHEN EXISTS (SELECT 1 FROM owners WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id)
 AND EXISTS (SELECT 1 FROM organizations WHERE id = OLD.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization cannot be removed until ownership has moved');
END;
CREATE TRIGGER owner_stays_member_too BEFORE UPDATE OF user_id, organization_id ON memberships
WHEN (NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id)
 AND EXISTS (SELECT 1 FROM owners WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization cannot be removed until ownership has moved');
END;
CREATE TRIGGER owner_is_not_deleted BEFORE DELETE ON users
WHEN EXISTS (SELECT 1 FROM owners WHERE user_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization cannot be deleted until ownership has moved');
END;
CREATE TRIGGER owner_is_not_demoted BEFORE UPDATE OF is_admin ON memberships
WHEN OLD.is_admin = 1 AND NEW.is_admin = 0
 AND EXISTS (SELECT 1 FROM owners WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization cannot be demoted until ownership has moved');
END;
CREATE TRIGGER owner_is_a_member BEFORE INSERT ON owners
WHEN NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = NEW.user_id AND organization_id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization must be a member of it');
END;
CREATE TRIGGER owner_is_a_member_too BEFORE UPDATE ON owners
WHEN NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = NEW.user_id AND organization_id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the owner of an organization must be a member of it');
END;

-- The digest (SHA-256) of a token; never the token.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL DEFAULT '',
    created    INTEGER NOT NULL DEFAULT (unixepoch()),
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used  INTEGER
) STRICT;
CREATE UNIQUE INDEX tokens_digest ON tokens (digest);
CREATE INDEX tokens_user ON tokens (user_id);

-- The cascades of the foreign keys, for connections that do not check them.
CREATE TRIGGER users_take_along AFTER DELETE ON users BEGIN
    DELETE FROM memberships WHERE user_id = OLD.id;
    DELETE FROM tokens WHERE user_id = OLD.id;
END;
CREATE TRIGGER organizations_take_along AFTER DELETE ON organizations BEGIN
    DELETE FROM owners WHERE organization_id = OLD.id;
    DELETE FROM memberships WHERE organization_id = OLD.id;
END;

-- Small values of the installation itself, such as the key of the token checksum.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The outbox: what changed, in the order of commits (SQLite has one writer at a time). Filled by triggers, so that a
-- change counts whoever makes it. `kind` is user, organization or token; `id` names the record. Bookkeeping columns
-- (created, modified, last_used) and columns that no decision reads are silent.
CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'organization', 'token')),
    id   TEXT NOT NULL,
    at   INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE TRIGGER users_inserted AFTER INSERT ON users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.id);
END;
CREATE TRIGGER users_deleted AFTER DELETE ON users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.id);
END;
CREATE TRIGGER users_updated
AFTER UPDATE OF id, username, email, external_id, password, is_active, is_staff, is_superuser ON users
WHEN NEW.id <> OLD.id OR NEW.username <> OLD.username OR NEW.email IS NOT OLD.email
  OR NEW.external_id IS NOT OLD.external_id OR NEW.password IS NOT OLD.password
  OR NEW.is_active <> OLD.is_active OR NEW.is_staff <> OLD.is_staff OR NEW.is_superuser <> OLD.is_superuser
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.id WHERE NEW.id <> OLD.id;
END;

CREATE TRIGGER organizations_inserted AFTER INSERT ON organizations BEGIN
    INSERT INTO changes (kind, id) VALUES ('organization', NEW.id);
END;
CREATE TRIGGER organizations_deleted AFTER DELETE ON organizations BEGIN
    INSERT INTO changes (kind, id) VALUES ('organization', OLD.id);
END;
CREATE TRIGGER organizations_updated AFTER UPDATE OF id, name, slug, external_id, is_active ON organizations
WHEN NEW.id <> OLD.id OR NEW.name <> OLD.name OR NEW.slug <> OLD.slug
  OR NEW.external_id IS NOT OLD.external_id OR NEW.is_active <> OLD.is_active
BEGIN
    INSERT INTO changes (kind, id) VALUES ('organization', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'organization', NEW.id WHERE NEW.id <> OLD.id;
END;

-- A membership and an ownership are facts of their user.
CREATE TRIGGER memberships_inserted AFTER INSERT ON memberships BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER memberships_deleted AFTER DELETE ON memberships BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER memberships_updated AFTER UPDATE OF user_id, organization_id, is_admin ON memberships
WHEN NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id OR NEW.is_admin <> OLD.is_admin
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER owners_inserted AFTER INSERT ON owners BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER owners_deleted AFTER DELETE ON owners BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER owners_updated AFTER UPDATE OF organization_id, user_id ON owners
WHEN NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;

CREATE TRIGGER tokens_inserted AFTER INSERT ON tokens BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', NEW.id);
END;
CREATE TRIGGER tokens_deleted AFTER DELETE ON tokens BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
END;
CREATE TRIGGER tokens_updated AFTER UPDATE OF id, digest, user_id, expires_at, revoked_at ON tokens
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.user_id <> OLD.user_id
  OR NEW.expires_at IS NOT OLD.expires_at OR NEW.revoked_at IS NOT OLD.revoked_at
BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'token', NEW.id WHERE NEW.id <> OLD.id;
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE delete the rows in their way without firing those rows' triggers.
CREATE TRIGGER users_replaced BEFORE INSERT ON users BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', id FROM users
    WHERE id = NEW.id OR username = NEW.username OR lower(email) = lower(NEW.email)
       OR phone_number = NEW.phone_number OR external_id = NEW.external_id;
END;
CREATE TRIGGER organizations_replaced BEFORE INSERT ON organizations BEGIN
    INSERT INTO changes (kind, id) SELECT 'organization', id FROM organizations
    WHERE id = NEW.id OR slug = NEW.slug OR external_id = NEW.external_id;
END;
CREATE TRIGGER memberships_replaced BEFORE INSERT ON memberships BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM memberships WHERE id = NEW.id;
END;
CREATE TRIGGER owners_replaced BEFORE INSERT ON owners BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM owners WHERE organization_id = NEW.organization_id;
END;
CREATE TRIGGER tokens_replaced BEFORE INSERT ON tokens BEGIN
    INSERT INTO changes (kind, id) SELECT 'token', id FROM tokens WHERE id = NEW.id OR digest = NEW.digest;
END;
CREATE TRIGGER users_replaced_too BEFORE UPDATE OF id, username, email, phone_number, external_id ON users BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', id FROM users
    WHERE id <> OLD.id AND (id = NEW.id OR username = NEW.username OR lower(email) = lower(NEW.email)
       OR phone_number = NEW.phone_number OR external_id = NEW.external_id);
END;
CREATE TRIGGER organizations_replaced_too BEFORE UPDATE OF id, slug, external_id ON organizations BEGIN
    INSERT INTO changes (kind, id) SELECT 'organization', id FROM organizations
    WHERE id <> OLD.id AND (id = NEW.id OR slug = NEW.slug OR external_id = NEW.external_id);
END;
CREATE TRIGGER memberships_replaced_too BEFORE UPDATE OF id ON memberships BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM memberships WHERE id = NEW.id AND id <> OLD.id;
END;
CREATE TRIGGER owners_replaced_too BEFORE UPDATE OF organization_id ON owners BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM owners
    WHERE organization_id = NEW.organization_id AND organization_id <> OLD.organization_id;
END;
CREATE TRIGGER tokens_replaced_too BEFORE UPDATE OF id, digest ON tokens BEGIN
    INSERT INTO changes (kind, id) SELECT 'token', id FROM tokens
    WHERE id <> OLD.id AND (id = NEW.id OR digest = NEW.digest);
END;
