-- The names of roles are facts too, since services are told them: a new name is told as a change of each user who has the role.

CREATE FUNCTION tell_renamed_super_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM super_role_users WHERE super_role_id = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION tell_renamed_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER super_roles_told_of_updates AFTER UPDATE ON super_roles
FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION tell_renamed_super_role();
CREATE TRIGGER roles_told_of_updates AFTER UPDATE ON roles
FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION tell_renamed_role();
REVOKE ALL ON FUNCTION tell_renamed_role(), tell_renamed_super_role() FROM PUBLIC;
