-- Passwords grow old: a session that began with one is then good for little, and a change of the day counts at once.

ALTER TABLE sessions ADD COLUMN by_password INTEGER NOT NULL DEFAULT 0 CHECK (by_password IN (0, 1));

DROP TRIGGER users_updated;
CREATE TRIGGER users_updated
AFTER UPDATE OF id, username, email, external_id, password, password_updated, is_active, is_staff, is_superuser ON users
WHEN NEW.id <> OLD.id OR NEW.username <> OLD.username OR NEW.email IS NOT OLD.email
  OR NEW.external_id IS NOT OLD.external_id OR NEW.password IS NOT OLD.password
  OR NEW.password_updated IS NOT OLD.password_updated
  OR NEW.is_active <> OLD.is_active OR NEW.is_staff <> OLD.is_staff OR NEW.is_superuser <> OLD.is_superuser
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.id WHERE NEW.id <> OLD.id;
END;
