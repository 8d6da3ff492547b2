-- The names of roles are facts too, since services are told them: a new name is told as a change of each user who has the role.

CREATE TRIGGER super_roles_renamed AFTER UPDATE OF name ON super_roles
WHEN NEW.name <> OLD.name
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM super_role_users WHERE super_role_id = NEW.id;
END;
CREATE TRIGGER roles_renamed AFTER UPDATE OF name ON roles
WHEN NEW.name <> OLD.name
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id = NEW.id;
END;
