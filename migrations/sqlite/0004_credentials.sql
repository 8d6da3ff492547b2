-- Who somebody is by other words than a token: subjects of issuers, sessions of people, and what sesame tokens rest on.

-- An issuer's subject is this user.
CREATE TABLE subjects (
    issuer  TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 512),
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX subjects_user ON subjects (user_id);

-- A person's session: the digest (SHA-256) of what the cookie holds; never the cookie.
CREATE TABLE sessions (
    id         TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created    INTEGER NOT NULL DEFAULT (unixepoch()),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_digest ON sessions (digest);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TRIGGER users_take_credentials_along AFTER DELETE ON users BEGIN
    DELETE FROM subjects WHERE user_id = OLD.id;
    DELETE FROM sessions WHERE user_id = OLD.id;
END;
-- Whoever knew the old password is out.
CREATE TRIGGER passwords_end_sessions AFTER UPDATE OF password ON users
WHEN NEW.password IS NOT OLD.password
BEGIN
    DELETE FROM sessions WHERE user_id = OLD.id;
END;

-- The outbox. A subject is a fact of its user; a session is told as a token is.
CREATE TRIGGER subjects_inserted AFTER INSERT ON subjects BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER subjects_deleted AFTER DELETE ON subjects BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER subjects_updated AFTER UPDATE ON subjects
WHEN NEW.issuer <> OLD.issuer OR NEW.subject <> OLD.subject OR NEW.user_id <> OLD.user_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER sessions_inserted AFTER INSERT ON sessions BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', NEW.id);
END;
CREATE TRIGGER sessions_deleted AFTER DELETE ON sessions BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
END;
CREATE TRIGGER sessions_updated AFTER UPDATE OF id, digest, user_id, expires_at ON sessions
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.user_id <> OLD.user_id OR NEW.expires_at <> OLD.expires_at
BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'token', NEW.id WHERE NEW.id <> OLD.id;
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE delete the rows in their way without firing those rows' triggers.
CREATE TRIGGER subjects_replaced BEFORE INSERT ON subjects BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM subjects WHERE issuer = NEW.issuer AND subject = NEW.subject;
END;
CREATE TRIGGER subjects_replaced_too BEFORE UPDATE OF issuer, subject ON subjects BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM subjects WHERE issuer = NEW.issuer AND subject = NEW.subject;
END;
CREATE TRIGGER sessions_replaced BEFORE INSERT ON sessions BEGIN
    INSERT INTO changes (kind, id) SELECT 'token', id FROM sessions WHERE id = NEW.id OR digest = NEW.digest;
END;
CREATE TRIGGER sessions_replaced_too BEFORE UPDATE OF id, digest ON sessions BEGIN
    INSERT INTO changes (kind, id) SELECT 'token', id FROM sessions WHERE id <> OLD.id AND (id = NEW.id OR digest = NEW.digest);
END;
