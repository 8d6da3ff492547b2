-- Accounts' lifecycle: users by age, what is done once a day, what people are told, and what an installation knows of them besides.
--
-- The twin of the embedded store's step with the same number.

-- In the order in which they joined, however many there are: for lists and exports.
CREATE INDEX users_created ON users (created, created_micros, id);

-- What is done once a day by one of the replicas, and what people are to be told by letter.

CREATE TABLE jobs (
    name          text COLLATE "C" PRIMARY KEY,
    -- The day of the last run.
    day           date NOT NULL,
    started       bigint NOT NULL,
    -- Whoever runs it has it until then, and longer as long as it goes on.
    claimed_until bigint NOT NULL,
    finished      bigint,
    outcome       text NOT NULL DEFAULT ''
);

-- Each is told once, however often a job is run: the day that it is about is part of it.
CREATE TABLE notices (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    text COLLATE "C" NOT NULL,
    about   date NOT NULL,
    sent    bigint,
    PRIMARY KEY (user_id, kind, about)
);
CREATE INDEX notices_waiting ON notices (kind, user_id) WHERE sent IS NULL;

CREATE INDEX users_expiring ON users (expiration_date) WHERE expiration_date IS NOT NULL AND is_active;

-- What an installation knows of its users besides: an object, whose members the configuration declares.

ALTER TABLE users ADD COLUMN fields text NOT NULL DEFAULT '{}' CHECK (json_typeof(fields::json) = 'object');

CREATE TRIGGER users_told_of_fields AFTER UPDATE OF fields ON users FOR EACH ROW
WHEN (NEW.fields IS DISTINCT FROM OLD.fields) EXECUTE FUNCTION tell('user', 'id');
