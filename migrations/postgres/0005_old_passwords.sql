-- Passwords grow old: a session that began with one is then good for little, and a change of the day counts at once.

ALTER TABLE sessions ADD COLUMN by_password boolean NOT NULL DEFAULT false;

DROP TRIGGER users_told_of_updates ON users;
CREATE TRIGGER users_told_of_updates AFTER UPDATE ON users FOR EACH ROW
WHEN ((NEW.id, NEW.username, NEW.email, NEW.external_id, NEW.password, NEW.password_updated, NEW.is_active, NEW.is_staff,
       NEW.is_superuser)
      IS DISTINCT FROM
      (OLD.id, OLD.username, OLD.email, OLD.external_id, OLD.password, OLD.password_updated, OLD.is_active, OLD.is_staff,
       OLD.is_superuser))
EXECUTE FUNCTION tell('user', 'id');
