-- When a session showed its second factor, and which: one that has not is asked for it. Who has a second factor is a fact of theirs.

ALTER TABLE sessions ADD COLUMN factor_at bigint;
ALTER TABLE sessions ADD COLUMN factor text;

DROP TRIGGER sessions_told_of_updates ON sessions;
CREATE TRIGGER sessions_told_of_updates AFTER UPDATE ON sessions FOR EACH ROW
WHEN ((NEW.id, NEW.digest, NEW.user_id, NEW.expires_at, NEW.factor_at, NEW.factor)
      IS DISTINCT FROM (OLD.id, OLD.digest, OLD.user_id, OLD.expires_at, OLD.factor_at, OLD.factor))
EXECUTE FUNCTION tell('token', 'id');

-- Each login uses a step of the app, which is no fact.
CREATE TRIGGER second_factors_told AFTER INSERT OR DELETE ON second_factors FOR EACH ROW EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER second_factors_told_of_updates AFTER UPDATE ON second_factors FOR EACH ROW
WHEN ((NEW.user_id, NEW.confirmed) IS DISTINCT FROM (OLD.user_id, OLD.confirmed)) EXECUTE FUNCTION tell('user', 'user_id');
CREATE TRIGGER second_factors_emptied AFTER TRUNCATE ON second_factors FOR EACH STATEMENT EXECUTE FUNCTION tell_everything();
