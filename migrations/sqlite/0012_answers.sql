-- What was answered to requests that may be sent again (`Idempotency-Key`): kept with what they did, for a day.

CREATE TABLE answers (
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Keyed digests of the client's key, which is nowhere, and of the request.
    key         BLOB NOT NULL CHECK (length(key) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- Sealed: whoever has not the client's key reads none.
    answer      BLOB,
    created     INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;
CREATE INDEX answers_created ON answers (created);

CREATE TRIGGER users_take_answers_along AFTER DELETE ON users BEGIN
    DELETE FROM answers WHERE user_id = OLD.id;
END;
