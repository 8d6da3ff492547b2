-- Logins that began at a provider and have ended: none ends twice.

CREATE TABLE used_logins (
    digest     BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX used_logins_expires_at ON used_logins (expires_at);
