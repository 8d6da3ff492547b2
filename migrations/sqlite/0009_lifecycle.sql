-- Accounts' lifecycle: users by age, what is done once a day, what people are told, and what an installation knows of them besides.

-- In the order in which they joined, however many there are: for lists and exports.
CREATE INDEX users_created ON users (created, created_micros, id);

-- What is done once a day by one of the processes, and what people are to be told by letter.

CREATE TABLE jobs (
    name          TEXT PRIMARY KEY,
    -- The day of the last run.
    day           TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    started       INTEGER NOT NULL,
    -- Whoever runs it has it until then, and longer as long as it goes on.
    claimed_until INTEGER NOT NULL,
    finished      INTEGER,
    outcome       TEXT NOT NULL DEFAULT ''
) STRICT;

-- Each is told once, however often a job is run: the day that it is about is part of it.
CREATE TABLE notices (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL,
    about   TEXT NOT NULL CHECK (about GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    sent    INTEGER,
    PRIMARY KEY (user_id, kind, about)
) STRICT;
CREATE INDEX notices_waiting ON notices (kind, user_id) WHERE sent IS NULL;

CREATE TRIGGER users_take_notices_along AFTER DELETE ON users BEGIN
    DELETE FROM notices WHERE user_id = OLD.id;
END;

CREATE INDEX users_expiring ON users (expiration_date) WHERE expiration_date IS NOT NULL AND is_active = 1;

-- What an installation knows of its users besides: an object, whose members the configuration declares.

ALTER TABLE users ADD COLUMN fields TEXT NOT NULL DEFAULT '{}' CHECK (json_type(fields) = 'object');

CREATE TRIGGER users_told_of_fields AFTER UPDATE OF fields ON users WHEN NEW.fields <> OLD.fields
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.id);
END;
