-- Rights: permissions, and the bundles of them that users hold: groups and super roles, which count everywhere, and
-- roles, which count in one organization and for its members only.
--
-- A super role is not a role without an organization: a value that is missing must never give more. Ids of permissions
-- and groups are numbers, as Django's clients know them, and never used twice.

CREATE TABLE permissions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    codename TEXT NOT NULL CHECK (length(codename) <= 200 AND codename GLOB '[A-Za-z_]*.?*'
                                  AND codename NOT GLOB '*[^A-Za-z0-9_.:-]*'), -- the whole of it: app.codename
    name     TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 255)
) STRICT;
CREATE UNIQUE INDEX permissions_codename ON permissions (codename);

CREATE TABLE user_permissions (
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_permissions_permission ON user_permissions (permission_id);

CREATE TABLE groups (
    id   INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 150)
) STRICT;
CREATE UNIQUE INDEX groups_name ON groups (name);

CREATE TABLE group_permissions (
    group_id      INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_permissions_permission ON group_permissions (permission_id);

CREATE TABLE group_users (
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_users_group ON group_users (group_id);

CREATE TABLE super_roles (
    id   TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 150)
) STRICT;
CREATE UNIQUE INDEX super_roles_name ON super_roles (name);

CREATE TABLE super_role_permissions (
    super_role_id TEXT NOT NULL REFERENCES super_roles (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (super_role_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX super_role_permissions_permission ON super_role_permissions (permission_id);

CREATE TABLE super_role_users (
    super_role_id TEXT NOT NULL REFERENCES super_roles (id) ON DELETE CASCADE,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, super_role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX super_role_users_super_role ON super_role_users (super_role_id);

CREATE TABLE roles (
    id              TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36 AND id = lower(id)),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name            TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 150)
) STRICT;
CREATE UNIQUE INDEX roles_organization_name ON roles (organization_id, name);
-- What role_users refers to.
CREATE UNIQUE INDEX roles_id_organization ON roles (id, organization_id);

CREATE TABLE role_permissions (
    role_id       TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX role_permissions_permission ON role_permissions (permission_id);

-- Who holds a role. The organization is here too, so that the two foreign keys say it: of one's own organizations only.
CREATE TABLE role_users (
    role_id         TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    PRIMARY KEY (user_id, role_id),
    FOREIGN KEY (role_id, organization_id) REFERENCES roles (id, organization_id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, organization_id) REFERENCES memberships (user_id, organization_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX role_users_role ON role_users (role_id);

-- The same rules for connections that do not check foreign keys (SQLite's default).
CREATE TRIGGER role_is_for_members BEFORE INSERT ON role_users
WHEN NOT EXISTS (SELECT 1 FROM roles r JOIN memberships m ON m.organization_id = r.organization_id
                 WHERE r.id = NEW.role_id AND m.user_id = NEW.user_id AND m.organization_id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'a role is for members of its organization');
END;
CREATE TRIGGER role_is_for_members_too BEFORE UPDATE ON role_users
WHEN NOT EXISTS (SELECT 1 FROM roles r JOIN memberships m ON m.organization_id = r.organization_id
                 WHERE r.id = NEW.role_id AND m.user_id = NEW.user_id AND m.organization_id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'a role is for members of its organization');
END;
CREATE TRIGGER role_stays_in_its_organization BEFORE UPDATE OF organization_id ON roles
WHEN NEW.organization_id <> OLD.organization_id
BEGIN
    SELECT RAISE(ABORT, 'a role cannot move to another organization');
END;
-- Who joins again begins without roles.
CREATE TRIGGER memberships_take_roles_along AFTER DELETE ON memberships BEGIN
    DELETE FROM role_users WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id;
END;
CREATE TRIGGER memberships_leave_roles_behind BEFORE UPDATE OF user_id, organization_id ON memberships
WHEN NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id
BEGIN
    DELETE FROM role_users WHERE user_id = OLD.user_id AND organization_id = OLD.organization_id;
END;
CREATE TRIGGER organizations_take_roles_along AFTER DELETE ON organizations BEGIN
    DELETE FROM roles WHERE organization_id = OLD.id;
END;
CREATE TRIGGER users_take_rights_along AFTER DELETE ON users BEGIN
    DELETE FROM user_permissions WHERE user_id = OLD.id;
    DELETE FROM group_users WHERE user_id = OLD.id;
    DELETE FROM super_role_users WHERE user_id = OLD.id;
END;
-- Before, and the users first: each of them is told once.
CREATE TRIGGER permissions_take_along BEFORE DELETE ON permissions BEGIN
    DELETE FROM user_permissions WHERE permission_id = OLD.id;
    DELETE FROM group_permissions WHERE permission_id = OLD.id;
    DELETE FROM role_permissions WHERE permission_id = OLD.id;
    DELETE FROM super_role_permissions WHERE permission_id = OLD.id;
END;
CREATE TRIGGER groups_take_along BEFORE DELETE ON groups BEGIN
    DELETE FROM group_users WHERE group_id = OLD.id;
    DELETE FROM group_permissions WHERE group_id = OLD.id;
END;
CREATE TRIGGER roles_take_along BEFORE DELETE ON roles BEGIN
    DELETE FROM role_users WHERE role_id = OLD.id;
    DELETE FROM role_permissions WHERE role_id = OLD.id;
END;
CREATE TRIGGER super_roles_take_along BEFORE DELETE ON super_roles BEGIN
    DELETE FROM super_role_users WHERE super_role_id = OLD.id;
    DELETE FROM super_role_permissions WHERE super_role_id = OLD.id;
END;

-- The outbox. A right is a fact of every user who has it: a change of a group is told as a change of each of its users. A
-- change of more users than a follower reads at once makes it forget everybody, which is as true. The names of
-- permissions and roles are silent; a group's name is a fact, since policies may ask for it.

-- Who has a permission, as often as they have it.
CREATE VIEW permission_users AS
    SELECT permission_id, user_id FROM user_permissions
    UNION ALL SELECT p.permission_id, u.user_id FROM group_permissions p JOIN group_users u ON u.group_id = p.group_id
    UNION ALL SELECT p.permission_id, u.user_id FROM role_permissions p JOIN role_users u ON u.role_id = p.role_id
    UNION ALL SELECT p.permission_id, u.user_id FROM super_role_permissions p
              JOIN super_role_users u ON u.super_role_id = p.super_role_id;

CREATE TRIGGER user_permissions_inserted AFTER INSERT ON user_permissions BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER user_permissions_deleted AFTER DELETE ON user_permissions BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER user_permissions_updated AFTER UPDATE ON user_permissions
WHEN NEW.user_id <> OLD.user_id OR NEW.permission_id <> OLD.permission_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER group_users_inserted AFTER INSERT ON group_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER group_users_deleted AFTER DELETE ON group_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER group_users_updated AFTER UPDATE ON group_users
WHEN NEW.user_id <> OLD.user_id OR NEW.group_id <> OLD.group_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER super_role_users_inserted AFTER INSERT ON super_role_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER super_role_users_deleted AFTER DELETE ON super_role_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER super_role_users_updated AFTER UPDATE ON super_role_users
WHEN NEW.user_id <> OLD.user_id OR NEW.super_role_id <> OLD.super_role_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER role_users_inserted AFTER INSERT ON role_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER role_users_deleted AFTER DELETE ON role_users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
END;
CREATE TRIGGER role_users_updated AFTER UPDATE ON role_users
WHEN NEW.user_id <> OLD.user_id OR NEW.role_id <> OLD.role_id OR NEW.organization_id <> OLD.organization_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.user_id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;

CREATE TRIGGER group_permissions_inserted AFTER INSERT ON group_permissions BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users WHERE group_id = NEW.group_id;
END;
CREATE TRIGGER group_permissions_deleted AFTER DELETE ON group_permissions BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users WHERE group_id = OLD.group_id;
END;
CREATE TRIGGER group_permissions_updated AFTER UPDATE ON group_permissions
WHEN NEW.group_id <> OLD.group_id OR NEW.permission_id <> OLD.permission_id
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users WHERE group_id IN (OLD.group_id, NEW.group_id);
END;
CREATE TRIGGER super_role_permissions_inserted AFTER INSERT ON super_role_permissions BEGIN
    INSERT INTO changes (kind, id)
    SELECT 'user', user_id FROM super_role_users WHERE super_role_id = NEW.super_role_id;
END;
CREATE TRIGGER super_role_permissions_deleted AFTER DELETE ON super_role_permissions BEGIN
    INSERT INTO changes (kind, id)
    SELECT 'user', user_id FROM super_role_users WHERE super_role_id = OLD.super_role_id;
END;
CREATE TRIGGER super_role_permissions_updated AFTER UPDATE ON super_role_permissions
WHEN NEW.super_role_id <> OLD.super_role_id OR NEW.permission_id <> OLD.permission_id
BEGIN
    INSERT INTO changes (kind, id)
    SELECT 'user', user_id FROM super_role_users WHERE super_role_id IN (OLD.super_role_id, NEW.super_role_id);
END;
CREATE TRIGGER role_permissions_inserted AFTER INSERT ON role_permissions BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id = NEW.role_id;
END;
CREATE TRIGGER role_permissions_deleted AFTER DELETE ON role_permissions BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id = OLD.role_id;
END;
CREATE TRIGGER role_permissions_updated AFTER UPDATE ON role_permissions
WHEN NEW.role_id <> OLD.role_id OR NEW.permission_id <> OLD.permission_id
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users WHERE role_id IN (OLD.role_id, NEW.role_id);
END;

-- A change of the thing itself, and INSERT OR REPLACE and UPDATE OR REPLACE, which delete the rows in their way without
-- firing those rows' triggers.
CREATE TRIGGER permissions_updated BEFORE UPDATE OF id, codename ON permissions
WHEN NEW.id <> OLD.id OR NEW.codename <> OLD.codename
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM permission_users
    WHERE permission_id IN (OLD.id, NEW.id)
       OR permission_id IN (SELECT id FROM permissions WHERE codename = NEW.codename);
END;
CREATE TRIGGER permissions_replaced BEFORE INSERT ON permissions BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM permission_users
    WHERE permission_id = NEW.id OR permission_id IN (SELECT id FROM permissions WHERE codename = NEW.codename);
END;
CREATE TRIGGER groups_updated BEFORE UPDATE OF id, name ON groups
WHEN NEW.id <> OLD.id OR NEW.name <> OLD.name
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users
    WHERE group_id IN (OLD.id, NEW.id) OR group_id IN (SELECT id FROM groups WHERE name = NEW.name);
END;
CREATE TRIGGER groups_replaced BEFORE INSERT ON groups BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM group_users
    WHERE group_id = NEW.id OR group_id IN (SELECT id FROM groups WHERE name = NEW.name);
END;
CREATE TRIGGER super_roles_updated BEFORE UPDATE OF id, name ON super_roles
WHEN NEW.id <> OLD.id OR NEW.name <> OLD.name
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM super_role_users
    WHERE NEW.id <> OLD.id AND super_role_id IN (OLD.id, NEW.id)
       OR super_role_id IN (SELECT id FROM super_roles WHERE name = NEW.name AND id <> OLD.id);
END;
CREATE TRIGGER super_roles_replaced BEFORE INSERT ON super_roles BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM super_role_users
    WHERE super_role_id = NEW.id OR super_role_id IN (SELECT id FROM super_roles WHERE name = NEW.name);
END;
CREATE TRIGGER roles_updated BEFORE UPDATE OF id, name ON roles
WHEN NEW.id <> OLD.id OR NEW.name <> OLD.name
BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users
    WHERE NEW.id <> OLD.id AND role_id IN (OLD.id, NEW.id)
       OR role_id IN (SELECT id FROM roles
                      WHERE organization_id = NEW.organization_id AND name = NEW.name AND id <> OLD.id);
END;
CREATE TRIGGER roles_replaced BEFORE INSERT ON roles BEGIN
    INSERT INTO changes (kind, id) SELECT 'user', user_id FROM role_users
    WHERE role_id = NEW.id
       OR role_id IN (SELECT id FROM roles WHERE organization_id = NEW.organization_id AND name = NEW.name);
END;

-- What OpenWISP's user administration asks for, and its two default groups.
INSERT OR IGNORE INTO permissions (codename, name)
SELECT model.app || '.' || verb.word || '_' || model.word, 'Can ' || verb.word || ' ' || model.name
FROM (SELECT 1 AS place, 'account' AS app, 'emailaddress' AS word, 'email address' AS name
      UNION ALL SELECT 2, 'openwisp_users', 'apikey', 'API key'
      UNION ALL SELECT 3, 'openwisp_users', 'group', 'group'
      UNION ALL SELECT 4, 'openwisp_users', 'organization', 'organization'
      UNION ALL SELECT 5, 'openwisp_users', 'organizationowner', 'organization owner'
      UNION ALL SELECT 6, 'openwisp_users', 'organizationuser', 'organization user'
      UNION ALL SELECT 7, 'openwisp_users', 'user', 'user') AS model,
     (SELECT 1 AS place, 'add' AS word
      UNION ALL SELECT 2, 'change' UNION ALL SELECT 3, 'delete' UNION ALL SELECT 4, 'view') AS verb
ORDER BY model.place, verb.place;

INSERT OR IGNORE INTO groups (name) VALUES ('Operator'), ('Administrator');
INSERT OR IGNORE INTO group_permissions (group_id, permission_id)
SELECT g.id, p.id FROM groups g JOIN permissions p
WHERE g.name = 'Operator' AND p.codename = 'openwisp_users.view_organization'
   OR g.name = 'Administrator' AND p.codename IN (
        'account.view_emailaddress', 'account.change_emailaddress', 'account.delete_emailaddress',
        'openwisp_users.add_apikey', 'openwisp_users.change_apikey', 'openwisp_users.delete_apikey',
        'openwisp_users.view_apikey', 'openwisp_users.view_group', 'openwisp_users.change_organization',
        'openwisp_users.change_organizationowner', 'openwisp_users.add_organizationuser',
        'openwisp_users.change_organizationuser', 'openwisp_users.delete_organizationuser',
        'openwisp_users.view_organizationuser', 'openwisp_users.add_user', 'openwisp_users.change_user',
        'openwisp_users.delete_user', 'openwisp_users.view_user');
