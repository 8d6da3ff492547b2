//! Users with what belongs to them: memberships, groups, permissions; read by one statement, and made or changed in one step.

use super::engine::operations;
use super::error::{DirectoryError, Noun, StoreError};
use super::list::{List, Rows, all};
use super::records::Conditions;
use super::resources::{Field, NewEmail, NewUser, Resource, Statements, UserEdit, UserRecord};
use super::sql::{Cells, Param, Value};
use super::tx::Tx;
use super::usernames::Usernames;
use super::viewer::Action;
use super::{emails, groups, lookup, memberships, users};
use crate::id::{GroupId, OrgId, PermissionId, UserId};
use crate::password::PasswordHash;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;
use std::sync::LazyLock;

/// A user, and what belongs to them.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    pub user: UserRecord,
    /// By the name of the organization; those of disabled ones too. Whether they are a manager.
    pub ties: Vec<(OrgId, bool)>,
    pub groups: Vec<GroupId>,
    /// Their own, by application, model and name.
    pub permissions: Vec<PermissionId>,
}

/// What Django orders permissions by: the application, the model and the codename of `app.action_model`, which need not name the model.
#[must_use]
pub fn by_model<'p>(permission: &'p str, model: &'p str) -> [&'p str; 3] {
    let (app, codename) = permission.split_once('.').unwrap_or(("", permission));
    let said = codename.split_once('_').map_or(codename, |(_, model)| model);
    [app, if model.is_empty() { said } else { model }, codename]
}

/// A person to be made.
pub struct NewPerson {
    pub user: NewUser,
    pub password: Option<(PasswordHash, Date)>,
    /// Their address of `users` as one of the addresses of theirs.
    pub email: Option<NewEmail>,
    pub ties: Vec<(OrgId, bool)>,
    pub groups: Vec<GroupId>,
}

/// What to change of a person; what is `None` stays.
#[derive(Default)]
pub struct PersonEdit {
    pub user: UserEdit,
    pub ties: Vec<TieChange>,
    /// Exactly these.
    pub groups: Option<Vec<GroupId>>,
    pub permissions: Option<Vec<PermissionId>>,
}

/// A change of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieChange {
    /// They are a member, and a manager where that is said.
    Set {
        organization: OrgId,
        is_admin: Option<bool>,
    },
    Remove {
        organization: OrgId,
    },
    /// What openwisp-users' API does: makes it, changes it, or, where it would stay the same, takes it away. Nothing happens to one of a
    /// disabled organization.
    Toggle {
        organization: OrgId,
        is_admin: Option<bool>,
    },
}

/// What a [`Person`] has beyond a [`UserRecord`]: memberships, groups, permissions.
const BEYOND: &str = "
    (SELECT string_agg(CAST(m.organization_id AS text) || CASE WHEN m.is_admin THEN '+' ELSE '-' END, ','
            ORDER BY x.name, m.organization_id)
     FROM memberships m JOIN organizations x ON x.id = m.organization_id WHERE m.user_id = u.id),
    (SELECT string_agg(CAST(x.group_id AS text), ',' ORDER BY x.group_id) FROM group_users x WHERE x.user_id = u.id),
    (SELECT string_agg(CAST(p.id AS text) || ':' || p.model || ':' || p.codename, ',') FROM user_permissions x
     JOIN permissions p ON p.id = x.permission_id WHERE x.user_id = u.id)";

impl Resource for Person {
    const NOUN: Noun = UserRecord::NOUN;
    const PERMISSION: &'static str = UserRecord::PERMISSION;
    const TABLE: &'static str = UserRecord::TABLE;
    const ALIAS: &'static str = UserRecord::ALIAS;
    const JOINS: &'static str = UserRecord::JOINS;
    const ORDER: &'static [&'static str] = UserRecord::ORDER;
    const FIELDS: &'static [Field] = UserRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = UserRecord::COLUMNS;
    const IS_TOTALLED: bool = UserRecord::IS_TOTALLED;
    const OF_USER: &'static str = UserRecord::OF_USER;
    const OF_ORGANIZATION: &'static str = UserRecord::OF_ORGANIZATION;
    const SEEN_BY_MANAGER: &'static str = UserRecord::SEEN_BY_MANAGER;
    const SEEN_BY_ONESELF: &'static str = UserRecord::SEEN_BY_ONESELF;

    fn take(cells: &mut Cells) -> Result<Self, StoreError> {
        let user = UserRecord::take(cells)?;
        let tie = |tie: &str| {
            let (id, is_admin) = tie.split_at_checked(tie.len().saturating_sub(1))?;
            Some((OrgId::parse(id).ok()?, is_admin == "+"))
        };
        let broken = |what: &str| StoreError::Broken(format!("{what} of a user cannot be read"));
        let number = |text: &str| text.parse().ok().map(GroupId);
        let named = |text| {
            let mut parts = str::splitn(text, 3, ':');
            let (id, model, name) = (parts.next()?, parts.next()?, parts.next()?);
            Some((by_model(name, model), PermissionId(id.parse().ok()?)))
        };
        let mut joined = |name| cells.next::<Option<String>>(name);
        let (ties, groups) = (joined("memberships")?, joined("groups")?);
        let permissions = joined("permissions")?;
        let permissions = parts(permissions.as_ref()).map(named).collect::<Option<Vec<_>>>();
        let mut permissions = permissions.ok_or_else(|| broken("a permission"))?;
        permissions.sort_unstable();
        Ok(Self {
            user,
            ties: parts(ties.as_ref()).map(tie).collect::<Option<_>>().ok_or_else(|| broken("a membership"))?,
            groups: parts(groups.as_ref()).map(number).collect::<Option<_>>().ok_or_else(|| broken("a group"))?,
            permissions: permissions.into_iter().map(|(_, id)| id).collect(),
        })
    }

    fn values(&self) -> Vec<Value<'_>> {
        self.user.values()
    }

    fn statements() -> &'static Statements {
        static STATEMENTS: LazyLock<Statements> = LazyLock::new(|| {
            let mut statements = Statements::of::<UserRecord>();
            statements.fields += ", ";
            statements.fields += BEYOND;
            statements
        });
        &STATEMENTS
    }
}

/// What was joined by commas.
fn parts(joined: Option<&String>) -> impl Iterator<Item = &str> {
    joined.into_iter().flat_map(|joined| joined.split(','))
}

impl Person {
    fn beyond(&self) -> serde_json::Value {
        json!({ "id": self.user.id, "memberships": self.ties, "groups": self.groups, "permissions": self.permissions })
    }
}

operations! {
    look person(; user: UserId) -> Person = show;
    look people(list: &List) -> Rows<Person> = all;
    /// What other users have of what only one may have.
    read taken(; words: UserWords, but: Option<UserId>) -> Taken = taken;
    /// Which of these keys there are.
    read existing(; of: Keyed, keys: Vec<i64>) -> Vec<i64> = existing;
    write create_person(; new: NewPerson) -> Person = create;
    write edit_person(; user: UserId, new: PersonEdit) -> Person = edit;
}

/// Texts that only one user may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserWords {
    pub username: Option<String>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
}

/// Which of them other users have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub username: bool,
    pub email: bool,
    pub email_in_another_case: bool,
    pub phone_number: bool,
}

/// Records whose keys are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    Groups,
    Permissions,
}

async fn taken(tx: &Tx<'_>, words: UserWords, but: Option<UserId>) -> Result<Taken, DirectoryError> {
    let UserWords { username, email, phone_number } = words;
    let usernames = Usernames::of(tx).await?;
    // A name of one organization is free in others, about which nobody hears anything here; the store refuses it where it is not.
    let username = username.filter(|_| usernames == Usernames::Global);
    let sql = "SELECT username, email, phone_number FROM users
               WHERE (username = $1 OR lower(email) = lower($2) OR phone_number = $3) AND id <> $4 LIMIT 3";
    let but = but.unwrap_or(UserId(uuid::Uuid::nil()));
    let mut taken = Taken::default();
    for row in tx.rows(sql, &[&username, &email, &phone_number, &but]).await? {
        let has = |column: &str, text: &Option<String>| -> Result<bool, StoreError> {
            Ok(text.is_some() && row.get::<Option<String>>(column)? == *text)
        };
        taken.username |= has("username", &username)?;
        taken.phone_number |= has("phone_number", &phone_number)?;
        let same = has("email", &email)?;
        let theirs: Option<String> = row.get("email")?;
        let folded = |text: Option<&String>| text.map(|text| text.to_lowercase());
        taken.email |= same;
        taken.email_in_another_case |= !same && email.is_some() && folded(theirs.as_ref()) == folded(email.as_ref());
    }
    Ok(taken)
}

async fn existing(tx: &Tx<'_>, of: Keyed, keys: Vec<i64>) -> Result<Vec<i64>, DirectoryError> {
    let table = match of {
        Keyed::Groups => "groups",
        Keyed::Permissions => "permissions",
    };
    let mut found = Vec::new();
    for keys in keys.chunks(500) {
        let places: Vec<String> = (1..=keys.len()).map(|number| format!("${number}")).collect();
        let params: Vec<&dyn Param> = keys.iter().map(|key| key as _).collect();
        let sql = format!("SELECT id FROM {table} WHERE id IN ({})", places.join(", "));
        for row in tx.rows(&sql, &params).await? {
            found.push(row.get("id")?);
        }
    }
    Ok(found)
}

async fn show(tx: &Tx<'_>, user: UserId) -> Result<Person, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::View)?;
    find(tx, user).await
}

pub(super) async fn find(tx: &Tx<'_>, user: UserId) -> Result<Person, DirectoryError> {
    tx.find("u.id = $1", &[&user], user).await
}

async fn create(tx: &Tx<'_>, mut new: NewPerson) -> Result<Person, DirectoryError> {
    let primary = &mut new.user.organization_slug;
    let has_sight = tx.viewer.is_unchecked() || !new.ties.is_empty() || primary.is_some();
    tx.viewer.unless(has_sight, || "make a user without an organization".to_owned())?;
    if let (None, [(first, _), ..]) = (&primary, new.ties.as_slice())
        && Usernames::of(tx).await? == Usernames::PerOrganization
    {
        *primary = Some((*first).into());
    }
    let user = users::create(tx, new.user).await?;
    for (organization, is_admin) in &new.ties {
        // Those alone that the viewer sees.
        let organization = lookup::organization(tx, &(*organization).into()).await?;
        if user.organization == Some(organization.id) {
            memberships::promote(tx, &user, &organization, *is_admin).await?;
        } else {
            memberships::add(tx, &user, &organization, *is_admin).await?;
        }
    }
    give_groups(tx, user.id, &[], &new.groups).await?;
    if let Some((password, chosen)) = &new.password {
        let sql = "UPDATE users SET password = $2, password_updated = $3 WHERE id = $1";
        tx.execute(sql, &[&user.id, &password.expose(), chosen]).await?;
    }
    if let Some(email) = new.email {
        emails::insert(tx, user.id, email, tx.viewer.is_unchecked()).await?;
    }
    as_it_is(tx, user.id).await
}

/// Whoever makes a user without an organization, or takes the last one away, does not see them any more, and is told once what they
/// have done.
async fn as_it_is(tx: &Tx<'_>, user: UserId) -> Result<Person, DirectoryError> {
    let mut conditions = Conditions::default();
    conditions.and("u.id = $?", user.value());
    let fields = tx.told::<Person>(&mut conditions);
    let sql = format!("SELECT {fields} FROM {} {}", Person::statements().from, conditions.clause());
    let row = tx.row(&sql, &conditions.params()).await?;
    let row = row.ok_or_else(|| DirectoryError::NotFound { noun: Noun::User, reference: user.to_string() })?;
    Ok(tx.read(row)?)
}

async fn edit(tx: &Tx<'_>, user: UserId, edit: PersonEdit) -> Result<Person, DirectoryError> {
    users::edit(tx, &user.into(), edit.user).await?;
    let before = find(tx, user).await?;
    if let Some(groups) = &edit.groups {
        give_groups(tx, user, &before.groups, groups).await?;
    }
    if let Some(permissions) = &edit.permissions {
        give_permissions(tx, user, &before.permissions, permissions).await?;
    }
    for change in edit.ties {
        change_tie(tx, &before, change).await?;
    }
    let after = as_it_is(tx, user).await?;
    if before.beyond() != after.beyond() {
        tx.changed("user.belongings", &before.beyond(), &after.beyond());
    }
    Ok(after)
}

/// Whoever gives a group gives all of what it permits.
async fn give_groups(tx: &Tx<'_>, user: UserId, old: &[GroupId], new: &[GroupId]) -> Result<(), DirectoryError> {
    for group in new.iter().filter(|group| !old.contains(group)) {
        groups::may_be_given(tx, *group).await?;
        tx.execute("INSERT INTO group_users (group_id, user_id) VALUES ($1, $2)", &[group, &user]).await?;
    }
    for group in old.iter().filter(|group| !new.contains(group)) {
        tx.execute("DELETE FROM group_users WHERE group_id = $1 AND user_id = $2", &[group, &user]).await?;
    }
    Ok(())
}

async fn give_permissions(
    tx: &Tx<'_>,
    user: UserId,
    old: &[PermissionId],
    new: &[PermissionId],
) -> Result<(), DirectoryError> {
    tx.viewer.must_be_superuser("give permissions to users")?;
    for permission in new.iter().filter(|permission| !old.contains(permission)) {
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES ($1, $2)";
        tx.execute(sql, &[&user, permission]).await?;
    }
    for permission in old.iter().filter(|permission| !new.contains(permission)) {
        let sql = "DELETE FROM user_permissions WHERE user_id = $1 AND permission_id = $2";
        tx.execute(sql, &[&user, permission]).await?;
    }
    Ok(())
}

async fn change_tie(tx: &Tx<'_>, person: &Person, change: TieChange) -> Result<(), DirectoryError> {
    let (TieChange::Set { organization, .. }
    | TieChange::Remove { organization }
    | TieChange::Toggle { organization, .. }) = change;
    let known = person.ties.iter().find(|(id, _)| *id == organization).map(|(_, is_admin)| *is_admin);
    let organization = lookup::organization(tx, &organization.into()).await?;
    let (by, user) = (organization.id.into(), person.user.id.into());
    match (change, known) {
        (TieChange::Set { is_admin, .. } | TieChange::Toggle { is_admin, .. }, None) => {
            memberships::add(tx, &person.user, &organization, is_admin.unwrap_or(false)).await?;
        }
        (TieChange::Set { is_admin: Some(is_admin), .. }, Some(known)) if known != is_admin => {
            memberships::edit(tx, &by, &user, is_admin).await?;
        }
        (TieChange::Remove { .. }, Some(_)) => drop(memberships::delete(tx, &by, &user).await?),
        (TieChange::Toggle { is_admin, .. }, Some(known)) if organization.is_active => match is_admin {
            Some(is_admin) if is_admin != known => drop(memberships::edit(tx, &by, &user, is_admin).await?),
            Some(_) => drop(memberships::delete(tx, &by, &user).await?),
            None => return Err(DirectoryError::invalid("is_admin", "it is missing")),
        },
        _ => {}
    }
    Ok(())
}
