-- What happened to each record: the lines of the audit log, as they are shown beside the record. Written in the transaction of the change;
-- forgotten when they are old.
--
-- Nothing refers to a record by a foreign key: what happened stays when the record is gone.

CREATE TABLE history (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Microseconds since the Unix epoch.
    at              INTEGER NOT NULL,
    -- What was done, such as `user.edit`, and to which record.
    what            TEXT NOT NULL,
    kind            TEXT NOT NULL,
    record          TEXT NOT NULL,
    name            TEXT NOT NULL,
    -- Whose record it is, and of which organization.
    user_id         TEXT,
    organization_id TEXT,
    -- Who did it: a user by the API, somebody at the command line, postern itself.
    via             TEXT NOT NULL CHECK (via IN ('api', 'cli', 'server')),
    actor_id        TEXT,
    actor           TEXT NOT NULL,
    -- JSON: which fields, from what to what. The second part is for those who see everything.
    changes         TEXT NOT NULL,
    private         TEXT NOT NULL
) STRICT;
CREATE INDEX history_record ON history (kind, record, id);
CREATE INDEX history_user ON history (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX history_organization ON history (organization_id, id) WHERE organization_id IS NOT NULL;
CREATE INDEX history_at ON history (at);
