-- Who is deactivated is out, and stays out when they are activated again.

DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE is_active = 0);

CREATE TRIGGER deactivation_ends_sessions AFTER UPDATE OF is_active ON users
WHEN OLD.is_active <> 0 AND NEW.is_active = 0
BEGIN
    DELETE FROM sessions WHERE user_id = OLD.id;
END;

-- Nor does a session begin for them, whose login was under way.
CREATE TRIGGER sessions_of_inactive_refused BEFORE INSERT ON sessions
WHEN (SELECT is_active FROM users WHERE id = NEW.user_id) = 0
BEGIN
    SELECT RAISE(IGNORE);
END;
