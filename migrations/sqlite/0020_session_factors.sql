-- When a session showed its second factor, and which: one that has not is asked for it. Who has a second factor is a fact of theirs.

ALTER TABLE sessions ADD COLUMN factor_at INTEGER;
ALTER TABLE sessions ADD COLUMN factor TEXT;

DROP TRIGGER sessions_updated;
CREATE TRIGGER sessions_updated AFTER UPDATE OF id, digest, user_id, expires_at, factor_at, factor ON sessions
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.user_id <> OLD.user_id OR NEW.expires_at <> OLD.expires_at
     OR NEW.factor_at IS NOT OLD.factor_at OR NEW.factor IS NOT OLD.factor
BEGIN
    INSERT INTO changes (kind, id) VALUES ('token', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'token', NEW.id WHERE NEW.id <> OLD.id;
END;

-- Each login uses a step of the app, which is no fact.
CREATE TRIGGER second_factors_inserted AFTER INSERT ON second_factors BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER second_factors_deleted AFTER DELETE ON second_factors BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER second_factors_updated AFTER UPDATE OF user_id, confirmed ON second_factors
WHEN NEW.user_id <> OLD.user_id OR NEW.confirmed <> OLD.confirmed
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
