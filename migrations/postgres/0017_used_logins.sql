-- Logins that began at a provider and have ended: none ends twice.

CREATE TABLE used_logins (
    digest     bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    expires_at bigint NOT NULL
);
CREATE INDEX used_logins_expires_at ON used_logins (expires_at);
