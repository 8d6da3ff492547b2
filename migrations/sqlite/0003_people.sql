-- People: what a login needs, what the identity API shows, and what an existing installation brings along.
--
-- Dates are text (2026-01-31). last_login is in microseconds, and created_micros and modified_micros are what created and
-- modified (whole seconds) leave out: clients of an imported installation compare such times as text.

ALTER TABLE users ADD COLUMN bio TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN url TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN company TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT 'en-gb';
ALTER TABLE users ADD COLUMN birth_date TEXT CHECK (birth_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]');
ALTER TABLE users ADD COLUMN expiration_date TEXT
    CHECK (expiration_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]');
-- When a person last chose the password; an upgrade of its hash does not count.
ALTER TABLE users ADD COLUMN password_updated TEXT
    CHECK (password_updated GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]');
ALTER TABLE users ADD COLUMN last_login INTEGER;
-- Whether the user's token was got by password.
ALTER TABLE users ADD COLUMN password_based_token INTEGER CHECK (password_based_token IN (0, 1));
-- The primary organization, where usernames are per organization. It cannot go while it is somebody's.
ALTER TABLE users ADD COLUMN organization_id TEXT REFERENCES organizations (id);
ALTER TABLE users ADD COLUMN created_micros INTEGER NOT NULL DEFAULT 0 CHECK (created_micros BETWEEN 0 AND 999999);
ALTER TABLE users ADD COLUMN modified_micros INTEGER NOT NULL DEFAULT 0 CHECK (modified_micros BETWEEN 0 AND 999999);
ALTER TABLE organizations ADD COLUMN created_micros INTEGER NOT NULL DEFAULT 0
    CHECK (created_micros BETWEEN 0 AND 999999);
ALTER TABLE organizations ADD COLUMN modified_micros INTEGER NOT NULL DEFAULT 0
    CHECK (modified_micros BETWEEN 0 AND 999999);

-- A username is unique in its primary organization; without one, among those without one.
DROP INDEX users_username;
CREATE UNIQUE INDEX users_username ON users (username, coalesce(organization_id, ''));
CREATE INDEX users_organization ON users (organization_id) WHERE organization_id IS NOT NULL;

CREATE TRIGGER primary_organization_stays BEFORE DELETE ON organizations
WHEN EXISTS (SELECT 1 FROM users WHERE organization_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'the organization is the primary one of users');
END;

-- All addresses of a user; the one that logs in is users.email. A verified address is one user's.
CREATE TABLE email_addresses (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email      TEXT NOT NULL CHECK (length(email) BETWEEN 1 AND 254),
    verified   INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),
    is_primary INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX email_addresses_user_email ON email_addresses (user_id, lower(email));
CREATE UNIQUE INDEX email_addresses_primary ON email_addresses (user_id) WHERE is_primary = 1;
CREATE UNIQUE INDEX email_addresses_verified ON email_addresses (lower(email)) WHERE verified = 1;

CREATE TRIGGER users_take_addresses_along AFTER DELETE ON users BEGIN
    DELETE FROM email_addresses WHERE user_id = OLD.id;
END;
-- Whether an address is verified decides who a foreign token may be: a fact of the user.
CREATE TRIGGER email_addresses_inserted AFTER INSERT ON email_addresses BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER email_addresses_deleted AFTER DELETE ON email_addresses BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER email_addresses_updated AFTER UPDATE ON email_addresses
WHEN NEW.user_id <> OLD.user_id OR NEW.email <> OLD.email OR NEW.verified <> OLD.verified
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;

-- The token of a user whose clients expect the same one at each login: encrypted, with a key that is not in the database.
ALTER TABLE tokens ADD COLUMN sealed BLOB CHECK (length(sealed) <= 1024);
CREATE UNIQUE INDEX tokens_sealed ON tokens (user_id) WHERE sealed IS NOT NULL;
