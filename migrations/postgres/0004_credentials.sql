-- Who somebody is by other words than a token: subjects of issuers, sessions of people, and what sesame tokens rest on.

-- An issuer's subject is this user.
CREATE TABLE subjects (
    issuer  text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 512),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX subjects_user ON subjects (user_id);

-- A person's session: the digest (SHA-256) of what the cookie holds; never the cookie.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created    bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint,
    expires_at bigint NOT NULL
);
CREATE UNIQUE INDEX sessions_digest ON sessions (digest);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Whoever knew the old password is out.
CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM sessions WHERE user_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER passwords_end_sessions AFTER UPDATE OF password ON users FOR EACH ROW
WHEN (NEW.password IS DISTINCT FROM OLD.password) EXECUTE FUNCTION end_sessions();

-- The outbox. A subject is a fact of its user; a session is told as a token is.
CREATE TRIGGER subjects_told AFTER INSERT OR DELETE ON subjects FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER subjects_told_of_updates AFTER UPDATE ON subjects FOR EACH ROW
WHEN ((NEW.issuer, NEW.subject, NEW.user_id) IS DISTINCT FROM (OLD.issuer, OLD.subject, OLD.user_id))
EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER sessions_told AFTER INSERT OR DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION tell('token', 'id');
CREATE TRIGGER sessions_told_of_updates AFTER UPDATE ON sessions FOR EACH ROW
WHEN ((NEW.id, NEW.digest, NEW.user_id, NEW.expires_at) IS DISTINCT FROM (OLD.id, OLD.digest, OLD.user_id, OLD.expires_at))
EXECUTE FUNCTION tell('token', 'id');
CREATE TRIGGER subjects_emptied AFTER TRUNCATE ON subjects FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
CREATE TRIGGER sessions_emptied AFTER TRUNCATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
