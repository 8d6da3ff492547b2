-- What people log in with besides: an authenticator app's secret, encrypted with a key of the configuration, and recovery codes.

CREATE TABLE second_factors (
    user_id   TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed    BLOB NOT NULL,
    -- Whether somebody has shown that the app has it.
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    -- The last step whose code was used; none is used twice, nor one before it.
    last_step INTEGER NOT NULL,
    created   INTEGER NOT NULL
) STRICT;
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest  BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (user_id, digest)
) STRICT;

CREATE TRIGGER users_take_second_factors_along AFTER DELETE ON users BEGIN
    DELETE FROM second_factors WHERE user_id = OLD.id;
    DELETE FROM recovery_codes WHERE user_id = OLD.id;
END;
