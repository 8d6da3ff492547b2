-- Logins of programs on devices without a browser (RFC 8628): what they ask for, and what somebody said to it.

CREATE TABLE device_logins (
    -- What is kept of its two codes: that of the device, and the one that somebody types.
    device     bytea PRIMARY KEY CHECK (octet_length(device) = 32),
    code       bytea NOT NULL CHECK (octet_length(code) = 32),
    name       text NOT NULL,
    scope      text NOT NULL,
    address    text NOT NULL,
    created    bigint NOT NULL,
    expires_at bigint NOT NULL,
    -- When the device asked last, and how long it waits until it asks again, in seconds.
    asked_at   bigint NOT NULL,
    every      bigint NOT NULL,
    answer     text CHECK (answer IN ('approved', 'denied')),
    -- What their password was then, as a digest: with another one the login is over.
    password   bytea CHECK (octet_length(password) = 32),
    user_id    uuid REFERENCES users (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX device_logins_code ON device_logins (code);
CREATE INDEX device_logins_user ON device_logins (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX device_logins_expires_at ON device_logins (expires_at);
