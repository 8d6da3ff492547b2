-- Accounts of organizations: codes whatever their case, how usernames are unique, and primary organizations that are their users' own.

-- A slug is unique, and never reused, whatever its case. Two that differ in case alone must be told apart before this step.
CREATE UNIQUE INDEX organizations_slug_any_case ON organizations (lower(slug));
CREATE INDEX slugs_any_case ON slugs (lower(slug));

DROP TRIGGER slug_is_not_reused;
CREATE TRIGGER slug_is_not_reused BEFORE INSERT ON organizations
WHEN EXISTS (SELECT 1 FROM slugs WHERE lower(slug) = lower(NEW.slug) AND organization_id <> NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the slug belongs, or once belonged, to another organization');
END;
-- An organization may take back a slug of its own.
DROP TRIGGER slug_is_not_reused_either;
CREATE TRIGGER slug_is_not_reused_either BEFORE UPDATE OF slug ON organizations
WHEN NEW.slug <> OLD.slug
 AND EXISTS (SELECT 1 FROM slugs WHERE lower(slug) = lower(NEW.slug) AND organization_id <> NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the slug belongs, or once belonged, to another organization');
END;

-- People are named by id too, so a name is never one.
CREATE TRIGGER username_is_no_id BEFORE INSERT ON users
WHEN length(replace(NEW.username, '-', '')) = 32 AND replace(NEW.username, '-', '') NOT GLOB '*[^0-9A-Fa-f]*'
 AND (length(NEW.username) = 32 OR NEW.username LIKE '________-____-____-____-____________')
BEGIN
    SELECT RAISE(ABORT, 'a username is never a UUID');
END;
CREATE TRIGGER username_is_no_id_either BEFORE UPDATE OF username ON users
WHEN NEW.username <> OLD.username
 AND length(replace(NEW.username, '-', '')) = 32 AND replace(NEW.username, '-', '') NOT GLOB '*[^0-9A-Fa-f]*'
 AND (length(NEW.username) = 32 OR NEW.username LIKE '________-____-____-____-____________')
BEGIN
    SELECT RAISE(ABORT, 'a username is never a UUID');
END;

-- Whoever has a primary organization belongs to it. Until now raw SQL could say otherwise.
UPDATE users SET organization_id = NULL
WHERE organization_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id AND m.organization_id = users.organization_id)
  AND NOT EXISTS (SELECT 1 FROM users other WHERE other.username = users.username AND other.id <> users.id);

-- `usernames` among the settings says how they are unique: `global`, or `per_organization`, where everybody but superusers has a
-- primary organization. It is what the names are now; from here on it changes when the directory allows.
INSERT INTO settings (name, value)
SELECT 'usernames', CAST(CASE WHEN EXISTS (SELECT 1 FROM users GROUP BY username HAVING count(*) > 1)
                         THEN 'per_organization' ELSE 'global' END AS BLOB);

-- One row where they are per organization.
CREATE VIEW usernames_are_per_organization AS
SELECT 1 FROM settings WHERE name = 'usernames' AND value = CAST('per_organization' AS BLOB);

CREATE TRIGGER usernames_changed BEFORE UPDATE ON settings WHEN OLD.name = 'usernames' BEGIN
    SELECT RAISE(ABORT, 'usernames are global or per_organization')
    WHERE NEW.name <> 'usernames' OR CAST(NEW.value AS TEXT) NOT IN ('global', 'per_organization');
    SELECT RAISE(ABORT, 'some users have no primary organization')
    WHERE CAST(NEW.value AS TEXT) = 'per_organization'
      AND EXISTS (SELECT 1 FROM users WHERE organization_id IS NULL AND is_superuser = 0);
    SELECT RAISE(ABORT, 'a user with this username exists')
    WHERE CAST(NEW.value AS TEXT) = 'global' AND EXISTS (SELECT 1 FROM users GROUP BY username HAVING count(*) > 1);
END;

-- Where they are not per organization, the index of before lets those of different ones pass. There is one writer at a time, who sees
-- all others' names.
CREATE TRIGGER username_is_unique BEFORE INSERT ON users
WHEN NOT EXISTS (SELECT 1 FROM usernames_are_per_organization)
 AND EXISTS (SELECT 1 FROM users
             WHERE username = NEW.username AND id <> NEW.id AND organization_id IS NOT NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'a user with this username exists');
END;
CREATE TRIGGER username_is_unique_too BEFORE UPDATE OF username ON users
WHEN NEW.username <> OLD.username
 AND NOT EXISTS (SELECT 1 FROM usernames_are_per_organization)
 AND EXISTS (SELECT 1 FROM users
             WHERE username = NEW.username AND id <> OLD.id AND organization_id IS NOT NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'a user with this username exists');
END;

-- A user who is made with a primary organization becomes a member of it; whoever is there already belongs to it before.
CREATE TRIGGER primary_organization_is_there BEFORE INSERT ON users
WHEN NEW.organization_id IS NULL AND NEW.is_superuser = 0 AND EXISTS (SELECT 1 FROM usernames_are_per_organization)
BEGIN
    SELECT RAISE(ABORT, 'where usernames are per organization, every user has a primary organization');
END;
CREATE TRIGGER primary_organization_is_there_too BEFORE UPDATE OF organization_id, is_superuser ON users
WHEN NEW.organization_id IS NULL AND NEW.is_superuser = 0 AND (OLD.organization_id IS NOT NULL OR OLD.is_superuser <> 0)
 AND EXISTS (SELECT 1 FROM usernames_are_per_organization)
BEGIN
    SELECT RAISE(ABORT, 'where usernames are per organization, every user has a primary organization');
END;
CREATE TRIGGER primary_organization_is_known BEFORE INSERT ON users
WHEN NEW.organization_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM organizations WHERE id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the primary organization of a user does not exist');
END;
CREATE TRIGGER primary_organization_is_theirs BEFORE UPDATE OF organization_id ON users
WHEN NEW.organization_id IS NOT OLD.organization_id AND NEW.organization_id IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = NEW.id AND organization_id = NEW.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'the primary organization of a user is one that they belong to');
END;
CREATE TRIGGER primary_organization_is_joined AFTER INSERT ON users WHEN NEW.organization_id IS NOT NULL BEGIN
    INSERT INTO memberships (id, user_id, organization_id, created, modified)
    SELECT printf('%s-%s-4%s-a%s-%s', lower(hex(randomblob(4))), lower(hex(randomblob(2))),
                  substr(lower(hex(randomblob(2))), 2), substr(lower(hex(randomblob(2))), 2), lower(hex(randomblob(6)))),
           NEW.id, NEW.organization_id, NEW.created, NEW.created
    WHERE NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = NEW.id AND organization_id = NEW.organization_id);
END;
CREATE TRIGGER primary_membership_stays BEFORE DELETE ON memberships
WHEN EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND organization_id = OLD.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'nobody is removed from their primary organization until it has moved');
END;
CREATE TRIGGER primary_membership_stays_too BEFORE UPDATE OF user_id, organization_id ON memberships
WHEN (NEW.user_id <> OLD.user_id OR NEW.organization_id <> OLD.organization_id)
 AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND organization_id = OLD.organization_id)
BEGIN
    SELECT RAISE(ABORT, 'nobody is removed from their primary organization until it has moved');
END;

-- The primary organization is a fact of its user: policies ask for it.
DROP TRIGGER users_updated;
CREATE TRIGGER users_updated
AFTER UPDATE OF id, username, email, external_id, password, password_updated, is_active, is_staff, is_superuser, organization_id
ON users
WHEN NEW.id <> OLD.id OR NEW.username <> OLD.username OR NEW.email IS NOT OLD.email
  OR NEW.external_id IS NOT OLD.external_id OR NEW.password IS NOT OLD.password
  OR NEW.password_updated IS NOT OLD.password_updated
  OR NEW.is_active <> OLD.is_active OR NEW.is_staff <> OLD.is_staff OR NEW.is_superuser <> OLD.is_superuser
  OR NEW.organization_id IS NOT OLD.organization_id
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', OLD.id);
    INSERT INTO changes (kind, id) SELECT 'user', NEW.id WHERE NEW.id <> OLD.id;
END;
