-- What a token is narrowed to, whatever its user may do: organizations, permissions, requests that change nothing.
--
-- Lists are texts, separated by commas, and empty where nothing is narrowed. An organization that is deleted leaves its id behind: a
-- list that lost its last element would be as good as none.

ALTER TABLE tokens ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1));
ALTER TABLE tokens ADD COLUMN organizations TEXT NOT NULL DEFAULT ''
    CHECK (organizations NOT GLOB '*[^0-9a-f,-]*' AND (organizations = '' OR (length(organizations) + 1) % 37 = 0)
           AND length(organizations) < 3700);
ALTER TABLE tokens ADD COLUMN permissions TEXT NOT NULL DEFAULT ''
    CHECK (permissions NOT GLOB '*[^A-Za-z0-9_.:,-]*' AND permissions NOT GLOB ',*' AND permissions NOT GLOB '*,'
           AND permissions NOT GLOB '*,,*' AND length(permissions) <= 20100);

DROP TRIGGER tokens_updated;
CREATE TRIGGER tokens_updated
AFTER UPDATE OF id, digest, user_id, expires_at, revoked_at, read_only, organizations, permissions ON tokens
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.user_id <> OLD.user_id
  OR NEW.expires_at IS NOT OLD.expires_at OR NEW.revoked_at IS NOT OLD.revoked_at
  OR NEW.read_only <> OLD.read_only OR NEW.organizations <> OLD.organizations OR NEW.permissions <> OLD.permissions
BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'token', NEW.id WHERE NEW.id <> OLD.id;
END;
