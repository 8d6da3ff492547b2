-- What was answered to requests that may be sent again (`Idempotency-Key`): kept with what they did, for a day.
--
-- The twin of the embedded store's step with the same number.

CREATE TABLE answers (
    user_id     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Keyed digests of the client's key, which is nowhere, and of the request.
    key         bytea NOT NULL CHECK (octet_length(key) = 32),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- Sealed: whoever has not the client's key reads none.
    answer      bytea,
    created     bigint NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX answers_created ON answers (created);
