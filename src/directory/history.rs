//! What happened to a record, the newest first: the notes of the audit log, kept beside the records in the transaction that changed them.
//!
//! Managers see what concerns what they see: nothing of other organizations, nothing from before a user came to one of theirs, and
//! of nobody's record the fields that name others.

use super::audit::{Note, Who, changes};
use super::engine::{Directory, operations};
use super::error::{DirectoryError, StoreError};
use super::list::{List, Rows, list};
use super::resources::{
    EmailRecord, GroupRecord, HistoryRecord, MembershipRecord, OrganizationRecord, Resource, RoleRecord, UserRecord,
};
use super::selector::RoleSelector;
use super::sql::Value;
use super::tx::{Session, Tx};
use super::viewer::Action;
use super::{groups, organizations, roles, users};
use crate::id::{GroupId, OrgId, UserId};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// Seconds that it is kept: 400 days.
pub const KEPT: i64 = 400 * 86_400;
/// Lines that are forgotten in one transaction.
const PIECE: i64 = 5_000;
/// What a value is cut to, and a list.
const LONGEST: usize = 300;
const MOST: usize = 50;

/// Of which record.
#[derive(Clone, Debug)]
pub enum HistoryOf {
    /// With what is theirs: memberships, addresses, tokens, sessions.
    User(UserId),
    /// With its memberships and roles.
    Organization(OrgId),
    Group(GroupId),
    Role(RoleSelector),
}

operations! {
    /// What happened to a record that the viewer sees; the newest first, where nothing else is asked for.
    look history(list: &List; of: HistoryOf) -> Rows<HistoryRecord> = read;
}

impl HistoryRecord {
    /// Who did it, as far as the viewer sees them: a username, or a name of the operating system.
    #[must_use]
    pub fn who(&self) -> Option<&str> {
        self.by.as_deref().or(Some(&*self.actor).filter(|actor| !actor.is_empty()))
    }

    /// Each field that was changed, what it was and what it is.
    pub fn all_changes(&self) -> impl Iterator<Item = (String, Json, Json)> {
        let parts = |text: &str| serde_json::from_str::<Vec<_>>(text).unwrap_or_default();
        parts(&self.changes).into_iter().chain(parts(&self.private))
    }
}

impl Directory {
    /// Forgets some of what is too old; how many lines.
    ///
    /// # Errors
    /// The store fails.
    pub async fn forget_history(&self) -> Result<u64, StoreError> {
        self.write(|tx| {
            Box::pin(async move {
                let sql = "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE at < $1 ORDER BY at LIMIT $2)";
                let before = tx.now.saturating_sub(KEPT).saturating_mul(1_000_000);
                Ok(tx.execute(sql, &[&before, &PIECE]).await?)
            })
        })
        .await
    }
}

async fn read(tx: &Tx<'_>, wanted: &List, of: HistoryOf) -> Result<Rows<HistoryRecord>, DirectoryError> {
    let text;
    let (condition, value) = match &of {
        HistoryOf::User(id) => {
            users::show(tx, &(*id).into()).await?;
            ("h.user_id = $?", Value::Uuid(Some(id.0)))
        }
        HistoryOf::Organization(id) => {
            organizations::show(tx, &(*id).into()).await?;
            ("h.organization_id = $?", Value::Uuid(Some(id.0)))
        }
        HistoryOf::Group(id) => {
            text = groups::show(tx, &(*id).into()).await?.id.0.to_string();
            ("h.kind = 'group' AND h.record = $?", Value::Text(Some(&text)))
        }
        HistoryOf::Role(by) => {
            text = roles::show(tx, by).await?.id.to_string();
            ("h.kind = 'role' AND h.record = $?", Value::Text(Some(&text)))
        }
    };
    let condition = match tx.viewer.is_unbounded() {
        true => condition.to_owned(),
        false => format!("{condition} AND h.kind IN ({})", kinds(tx)),
    };
    let mut wanted = wanted.clone();
    if wanted.order.is_empty() {
        wanted.order.push("-id".to_owned());
    }
    let mut found = list::<HistoryRecord>(tx, &wanted, Some((&condition, value))).await?;
    if !tx.viewer.is_unbounded() {
        for record in &mut found.rows {
            record.private.clear();
            record.actor.clear();
        }
    }
    Ok(found)
}

/// The kinds of records of which the viewer may see any, as a list of SQL. Tokens, sessions and second factors are for superusers.
fn kinds(tx: &Tx<'_>) -> String {
    fn may<R: Resource>(tx: &Tx<'_>) -> bool {
        tx.viewer.may::<R>(Action::View).is_ok()
    }
    let all = [
        ("user", may::<UserRecord>(tx)),
        ("organization", may::<OrganizationRecord>(tx)),
        ("membership", may::<MembershipRecord>(tx)),
        ("email", may::<EmailRecord>(tx)),
        ("group", may::<GroupRecord>(tx)),
        ("role", may::<RoleRecord>(tx)),
    ];
    let seen: Vec<String> = all.iter().filter(|(_, may)| *may).map(|(kind, _)| format!("'{kind}'")).collect();
    // Whoever sees one of these sees its record's kind.
    if seen.is_empty() { "''".to_owned() } else { seen.join(", ") }
}

/// Keeps what notes tell of records.
pub(super) async fn keep(session: &dyn Session, who: &Who, notes: &[Note]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO history
        (at, what, kind, record, name, user_id, organization_id, via, actor_id, actor, changes, private)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let at = i64::try_from(crate::clock::unix().as_micros()).unwrap_or(i64::MAX);
    let (via, id, actor) = match who {
        Who::Api { user } => ("api", Some(user.0), String::new()),
        Who::Cli { uid, name } => ("cli", None, name.clone().unwrap_or_else(|| uid.to_string())),
        Who::Server => ("server", None, String::new()),
    };
    for (note, line) in notes.iter().filter_map(|note| Some((note, Line::of(note)?))) {
        let Line { kind, record, name, user, organization, changes, private } = &line;
        let (changes, private) = (json!(changes).to_string(), json!(private).to_string());
        session
            .execute(
                SQL,
                &[&at, &note.action, kind, record, name, user, organization, &via, &id, &actor, &changes, &private],
            )
            .await?;
    }
    Ok(())
}

/// What is kept of a note.
struct Line<'n> {
    kind: &'n str,
    record: String,
    name: String,
    user: Option<Uuid>,
    organization: Option<Uuid>,
    changes: Vec<Json>,
    private: Vec<Json>,
}

/// Kinds of records that have a history, or whose owner has one.
const KINDS: [&str; 10] =
    ["user", "organization", "membership", "email", "group", "role", "token", "session", "second-factor", "subject"];
/// Fields that tell of other organizations or of other users, or that records tell superusers alone.
const PRIVATE: [&str; 7] =
    ["organization_slug", "user_org", "owner_org", "external_id", "memberships", "users", "is_superuser"];
/// Fields that say nothing to people.
const TECHNICAL: [&str; 11] = [
    "id",
    "created",
    "created_micros",
    "user",
    "organization",
    "owner",
    "owner_membership",
    "email_blank",
    "phone_blank",
    "password_based_token",
    "last_login",
];

impl<'n> Line<'n> {
    fn of(note: &'n Note) -> Option<Self> {
        let kind = note.action.split('.').next().filter(|kind| KINDS.contains(kind))?;
        let asked = note.asked.as_ref().unwrap_or(&Json::Null);
        let get = |name: &str| {
            [&note.after, &note.before, asked].into_iter().find_map(|of| of.get(name).filter(|value| !value.is_null()))
        };
        let uuid = |name: &str| get(name).and_then(Json::as_str).and_then(|text| Uuid::try_parse(text).ok());
        let text = |name: &str| get(name).map(plain).unwrap_or_default();
        let (user, organization) = match kind {
            "user" => (uuid("id"), None),
            "organization" => (None, uuid("id")),
            "membership" | "role" => (uuid("user"), uuid("organization")),
            _ => (uuid("user"), None),
        };
        let name = match kind {
            "membership" => format!("{}, {}", text("username"), text("slug")),
            "user" | "session" | "second-factor" => text("username"),
            "email" => text("email"),
            _ => text("name"),
        };
        let (mut told, mut private) = (Vec::new(), Vec::new());
        let all = match (&note.before, &note.after) {
            (Json::Array(old), Json::Array(new)) => vec![differences(old, new)],
            (before, after) => changes(before, after),
        };
        let is_new = note.before.is_null();
        for (field, old, new) in all {
            if TECHNICAL.contains(&field.as_str()) || is_new && is_blank(&new) || old == new {
                continue;
            }
            // Permissions of a user are given by superusers alone.
            let is_private = PRIVATE.contains(&field.as_str()) || kind == "user" && field == "permissions";
            let change = json!([field, short(&field, &old), short(&field, &new)]);
            if is_private { &mut private } else { &mut told }.push(change);
        }
        for (field, new) in asked.as_object().into_iter().flatten() {
            if !is_blank(new) && !matches!(field.as_str(), "user" | "id") {
                private.push(json!([field, null, short(field, new)]));
            }
        }
        let is_edit = !note.before.is_null() && !note.after.is_null();
        if is_edit && told.is_empty() && private.is_empty() {
            return None;
        }
        let record = if kind == "session" || get("id").is_none() { text("user") } else { text("id") };
        Some(Self { kind, record, name, user, organization, changes: told, private })
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Of two lists of grants, those that went and those that came.
fn differences(old: &[Json], new: &[Json]) -> (String, Json, Json) {
    let name = |grant: &Json| grant.get("permission").unwrap_or(grant).clone();
    let without = |all: &[Json], but: &[Json]| all.iter().filter(|one| !but.contains(one)).map(name).collect();
    ("permissions".to_owned(), Json::Array(without(old, new)), Json::Array(without(new, old)))
}

/// A value as it is kept: cut where it is long, times as people read them.
fn short(field: &str, value: &Json) -> Json {
    match value {
        Json::Number(seconds) if field.ends_with("_at") || field == "last_used" => {
            let time = seconds.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok());
            time.map_or_else(|| value.clone(), |time| json!(time.to_string()))
        }
        Json::String(text) if text.chars().count() > LONGEST => {
            json!(text.chars().take(LONGEST).chain(['…']).collect::<String>())
        }
        Json::Array(items) => {
            let mut kept: Vec<Json> = items.iter().take(MOST).map(|item| short(field, item)).collect();
            if items.len() > MOST {
                kept.push(json!("…"));
            }
            Json::Array(kept)
        }
        Json::Object(_) => short(field, &json!(value.to_string())),
        _ => value.clone(),
    }
}
