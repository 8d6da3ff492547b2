//! How usernames are unique: among all users, or among those of one primary organization. The directory keeps which, and every rule
//! about primary organizations asks it here.

use super::View;
use super::engine::Directory;
use super::error::{DirectoryError, StoreError};
use super::resources::UserRecord;
use super::sql::Row;
use super::tx::Tx;
use super::viewer::Action;
use serde::Serialize;
use serde_json::json;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Usernames {
    /// Unique among all, whoever has a primary organization.
    Global,
    /// Unique among those of one primary organization, which everybody has but superusers, and which a login names.
    PerOrganization,
}

impl Usernames {
    /// The word of the configuration, which is also what the directory keeps.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::PerOrganization => "per_organization",
        }
    }

    pub(super) async fn of(tx: &Tx<'_>) -> Result<Self, StoreError> {
        let row = tx.row("SELECT value FROM settings WHERE name = 'usernames'", &[]).await?;
        let kept: Option<Vec<u8>> = row.map(|row| row.get("value")).transpose()?;
        let known = [Self::Global, Self::PerOrganization];
        let known = known.into_iter().find(|mode| kept.as_deref() == Some(mode.word().as_bytes()));
        known.ok_or_else(|| StoreError::Broken("how usernames are unique is not kept among the settings".to_owned()))
    }
}

impl fmt::Display for Usernames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Names are told so many times of each kind; the others are counted.
const NAMED: i64 = 1_000;

/// People of a kind: how many, and the first of them as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct People {
    pub count: u64,
    pub first: Vec<String>,
}

/// What it takes to change how usernames are unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsernamesChange {
    pub from: Usernames,
    pub to: Usernames,
    /// Whose only organization becomes their primary one.
    pub placed: People,
    /// Who stands in the way, since their names are others' too.
    pub collisions: People,
    /// Who stands in the way, since they belong to several organizations and have no primary one …
    pub undecided: People,
    /// … or belong to none.
    pub homeless: People,
    /// Who will not log in by name, since their primary organization is disabled.
    pub locked_out: People,
    /// Whether it was done.
    pub done: bool,
}

impl UsernamesChange {
    /// Whether nobody stands in the way.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        [&self.collisions, &self.undecided, &self.homeless].iter().all(|people| people.count == 0)
    }
}

impl Directory {
    /// How usernames are unique here.
    ///
    /// # Errors
    /// The store failed.
    pub async fn usernames(&self) -> Result<Usernames, StoreError> {
        self.read(|tx| Box::pin(Usernames::of(tx))).await
    }
}

impl View {
    /// Changes how usernames are unique, unless somebody stands in the way; whoever belongs to one organization alone gets that as the
    /// primary one. A dry run changes nothing.
    ///
    /// # Errors
    /// The viewer is no superuser; the store failed.
    pub async fn change_usernames(&self, to: Usernames, dry_run: bool) -> Result<UsernamesChange, DirectoryError> {
        if dry_run {
            return self.read(move |tx| Box::pin(look(tx, to))).await;
        }
        self.write(move |tx| Box::pin(change(tx, to))).await
    }

    /// Who has no primary organization and is no superuser.
    ///
    /// # Errors
    /// The store failed.
    pub async fn without_primary(&self) -> Result<People, DirectoryError> {
        self.read(|tx| {
            Box::pin(async move {
                tx.viewer.must_be_superuser("look over the directory")?;
                Ok(people(tx, &format!("{WITHOUT} true")).await?)
            })
        })
        .await
    }
}

async fn change(tx: &Tx<'_>, to: Usernames) -> Result<UsernamesChange, DirectoryError> {
    let mut change = look(tx, to).await?;
    if !change.is_possible() {
        return Ok(change);
    }
    if change.placed.count > 0 {
        tx.execute(&format!("UPDATE users SET organization_id = {ONLY} WHERE id IN (SELECT u.id {PLACED})"), &[])
            .await?;
    }
    if change.from != to {
        // The store's own rule looks again, for whoever came meanwhile, and puts the names in order.
        let sql = "UPDATE settings SET value = $1 WHERE name = 'usernames'";
        tx.execute(sql, &[&to.word().as_bytes()]).await?;
    }
    change.done = true;
    tx.changed("usernames.edit", &json!({ "usernames": change.from }), &json!({ "usernames": to }));
    Ok(change)
}

/// The only organization of a user.
const ONLY: &str = "(SELECT m.organization_id FROM memberships m WHERE m.user_id = users.id)";
const MEMBERSHIPS: &str = "(SELECT count(*) FROM memberships m WHERE m.user_id = u.id)";
/// Those who have no primary organization and need one.
const WITHOUT: &str = "FROM users u WHERE u.organization_id IS NULL AND NOT u.is_superuser AND";
const PLACED: &str = "FROM users u WHERE u.organization_id IS NULL AND NOT u.is_superuser
    AND (SELECT count(*) FROM memberships m WHERE m.user_id = u.id) = 1";
/// Where everybody's name would be, once it is per organization.
const HOME: &str = "CASE WHEN u.organization_id IS NOT NULL OR u.is_superuser THEN u.organization_id
    ELSE (SELECT m.organization_id FROM memberships m WHERE m.user_id = u.id ORDER BY m.id LIMIT 1) END";

async fn look(tx: &Tx<'_>, to: Usernames) -> Result<UsernamesChange, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Change)?;
    tx.viewer.must_be_superuser("change how usernames are unique")?;
    let from = Usernames::of(tx).await?;
    let none = People::default;
    let mut change = UsernamesChange {
        from,
        to,
        placed: none(),
        collisions: none(),
        undecided: none(),
        homeless: none(),
        locked_out: none(),
        done: false,
    };
    match to {
        _ if from == to => {}
        Usernames::Global => {
            let among = "SELECT username FROM users GROUP BY username HAVING count(*) > 1";
            change.collisions = people(tx, &format!("FROM users u WHERE u.username IN ({among})")).await?;
        }
        Usernames::PerOrganization => {
            change.placed = people(tx, PLACED).await?;
            change.undecided = people(tx, &format!("{WITHOUT} {MEMBERSHIPS} > 1")).await?;
            change.homeless = people(tx, &format!("{WITHOUT} {MEMBERSHIPS} = 0")).await?;
            let disabled = format!(
                "FROM users u WHERE u.is_active AND ({HOME}) IN (SELECT id FROM organizations WHERE NOT is_active)"
            );
            change.locked_out = people(tx, &disabled).await?;
        }
    }
    Ok(change)
}

/// How many those are, and the first of them.
async fn people(tx: &Tx<'_>, of: &str) -> Result<People, StoreError> {
    let row = tx.row(&format!("SELECT count(*) AS people {of}"), &[]).await?;
    let count = row.map_or(Ok(0), |row| row.get::<i64>("people"))?.unsigned_abs();
    if count == 0 {
        return Ok(People::default());
    }
    let sql = format!(
        "SELECT u.username, (SELECT o.slug FROM organizations o WHERE o.id = u.organization_id) AS slug {of}
         ORDER BY u.username, u.id LIMIT $1"
    );
    let first = tx.rows(&sql, &[&NAMED]).await?;
    Ok(People { count, first: first.iter().map(written).collect::<Result<_, _>>()? })
}

fn written(row: &Row) -> Result<String, StoreError> {
    Ok(login_of(row.get::<Option<String>>("slug")?.as_deref(), &row.get::<String>("username")?))
}

/// A user as they are written where a name alone may be several people's: `acme/ann`.
#[must_use]
pub fn login_of(organization: Option<&str>, username: &str) -> String {
    organization.map_or_else(|| username.to_owned(), |slug| format!("{slug}/{username}"))
}
