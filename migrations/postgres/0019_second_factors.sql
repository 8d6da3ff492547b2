-- What people log in with besides: an authenticator app's secret, encrypted with a key of the configuration, and recovery codes.

CREATE TABLE second_factors (
    user_id   uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed    bytea NOT NULL,
    -- Whether somebody has shown that the app has it.
    confirmed boolean NOT NULL,
    -- The last step whose code was used; none is used twice, nor one before it.
    last_step bigint NOT NULL,
    created   bigint NOT NULL
);
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest  bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (user_id, digest)
);
