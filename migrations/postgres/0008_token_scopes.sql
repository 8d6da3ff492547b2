-- What a token is narrowed to, whatever its user may do: organizations, permissions, requests that change nothing.
--
-- Lists are texts, separated by commas, and empty where nothing is narrowed. An organization that is deleted leaves its id behind: a
-- list that lost its last element would be as good as none.

ALTER TABLE tokens
    ADD COLUMN read_only boolean NOT NULL DEFAULT false,
    ADD COLUMN organizations text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (organizations ~ '^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(,[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}){0,99})?$'),
    ADD COLUMN permissions text COLLATE "C" NOT NULL DEFAULT ''
        CHECK (permissions ~ '^([A-Za-z0-9_.:-]{1,200}(,[A-Za-z0-9_.:-]{1,200}){0,99})?$');

DROP TRIGGER tokens_told_of_updates ON tokens;
CREATE TRIGGER tokens_told_of_updates AFTER UPDATE ON tokens FOR EACH ROW
WHEN ((NEW.id, NEW.digest, NEW.user_id, NEW.expires_at, NEW.revoked_at, NEW.read_only, NEW.organizations, NEW.permissions)
      IS DISTINCT FROM
      (OLD.id, OLD.digest, OLD.user_id, OLD.expires_at, OLD.revoked_at, OLD.read_only, OLD.organizations, OLD.permissions))
EXECUTE FUNCTION tell('token', 'id');
