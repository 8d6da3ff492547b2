-- Passkeys: credentials of Web Authentication, of which only public keys are kept. Who has one is a fact of theirs, as another second
-- factor is.

CREATE TABLE passkeys (
    id              TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    -- What the authenticator calls it; nobody else's has the same name.
    credential      BLOB NOT NULL CHECK (length(credential) BETWEEN 1 AND 1023),
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name            TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    public_key      BLOB NOT NULL,
    sign_count      INTEGER NOT NULL,
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up       INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    created         INTEGER NOT NULL,
    last_used       INTEGER
) STRICT;
CREATE UNIQUE INDEX passkeys_credential ON passkeys (credential);
CREATE INDEX passkeys_user ON passkeys (user_id);

CREATE TRIGGER users_take_passkeys_along AFTER DELETE ON users BEGIN
    DELETE FROM passkeys WHERE user_id = OLD.id;
END;
CREATE TRIGGER passkeys_inserted AFTER INSERT ON passkeys BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER passkeys_deleted AFTER DELETE ON passkeys BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
