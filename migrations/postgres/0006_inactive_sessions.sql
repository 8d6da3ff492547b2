-- Who is deactivated is out, and stays out when they are activated again.

DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE NOT is_active);

CREATE TRIGGER deactivation_ends_sessions AFTER UPDATE OF is_active ON users FOR EACH ROW
WHEN (OLD.is_active AND NOT NEW.is_active) EXECUTE FUNCTION end_sessions();

-- Nor does a session begin for them, whose login was under way.
CREATE FUNCTION refuse_sessions_of_inactive() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM users WHERE id = NEW.user_id AND is_active FOR SHARE;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_of_inactive_refused BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION refuse_sessions_of_inactive();
