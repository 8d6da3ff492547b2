-- Logins of programs on devices without a browser (RFC 8628): what they ask for, and what somebody said to it.

CREATE TABLE device_logins (
    -- What is kept of its two codes: that of the device, and the one that somebody types.
    device     BLOB PRIMARY KEY NOT NULL CHECK (length(device) = 32),
    code       BLOB NOT NULL CHECK (length(code) = 32),
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    address    TEXT NOT NULL,
    created    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- When the device asked last, and how long it waits until it asks again, in seconds.
    asked_at   INTEGER NOT NULL,
    every      INTEGER NOT NULL,
    answer     TEXT CHECK (answer IN ('approved', 'denied')),
    -- What their password was then, as a digest: with another one the login is over.
    password   BLOB CHECK (length(password) = 32),
    user_id    TEXT REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX device_logins_code ON device_logins (code);
CREATE INDEX device_logins_user ON device_logins (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX device_logins_expires_at ON device_logins (expires_at);

CREATE TRIGGER users_take_device_logins_along AFTER DELETE ON users BEGIN
    DELETE FROM device_logins WHERE user_id = OLD.id;
END;
