-- Passkeys: credentials of Web Authentication, of which only public keys are kept. Who has one is a fact of theirs, as another second
-- factor is.

CREATE TABLE passkeys (
    id              uuid PRIMARY KEY,
    -- What the authenticator calls it; nobody else's has the same name.
    credential      bytea NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 1023),
    user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name            text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    public_key      bytea NOT NULL,
    sign_count      bigint NOT NULL,
    backup_eligible boolean NOT NULL,
    backed_up       boolean NOT NULL,
    created         bigint NOT NULL,
    last_used       bigint
);
CREATE UNIQUE INDEX passkeys_credential ON passkeys (credential);
CREATE INDEX passkeys_user ON passkeys (user_id);

CREATE TRIGGER passkeys_told AFTER INSERT OR DELETE ON passkeys FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER passkeys_emptied AFTER TRUNCATE ON passkeys FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
