//! Rows of Django's tables to records of the directory, sent on in pieces of a thousand.

use super::{Source, SourceError, TABLES, TELLTALE, table_name};
use crate::directory::encryption::Sealer;
use crate::directory::token::{TokenDigest, is_possible};
use crate::directory::{
    Cell, EmailRecord, Field, Import, ImportedToken, ImportedUser, Kind, MembershipRecord, OrganizationRecord,
    PermissionRecord, Resource, Sender, SkippedRecord, UserRecord, Usernames, record_of,
};
use crate::id::{OrgId, PermissionId, UserId};
use crate::password::PasswordHash;
use ahash::{AHashMap, AHashSet};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use thiserror::Error;
use uuid::Uuid;

/// Records that are sent on at once.
const PIECE: usize = 1000;

/// An installation cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A table of the users' app is missing.
    #[error("there is no table `{0}`: is it openwisp-users' database? --app names its app where it was swapped{1}")]
    NoTable(String, String),
    /// A table of Django's is missing.
    #[error("there is no table `{0}`: dump Django's own tables too")]
    NotDumped(String),
    /// Two records have one id.
    #[error("the {kind} {id} is there twice: are these two dumps? Import one, or one after the other")]
    Twice { kind: &'static str, id: String },
    #[error("the table `{0}` has no column `{1}`")]
    NoColumn(String, &'static str),
    /// It cannot be read at all.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Whoever it was read for has gone.
    #[error("nobody takes what was read")]
    NotWanted,
}

/// One row, by the names of its columns.
struct Row<'t> {
    columns: &'t HashMap<String, usize>,
    values: &'t [Option<String>],
}

/// Why a row does not become a record: the column, and what is wrong there.
type Unfit = (&'static str, &'static str);

impl<'t> Row<'t> {
    fn optional(&self, column: &str) -> Option<&'t str> {
        self.values.get(*self.columns.get(column)?)?.as_deref()
    }

    fn text(&self, column: &'static str) -> Result<&'t str, Unfit> {
        self.optional(column).ok_or((column, "it is missing"))
    }

    /// Text, where NULL and nothing are the same.
    fn filled(&self, column: &str) -> Option<String> {
        self.optional(column).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn owned(&self, column: &str) -> String {
        self.optional(column).unwrap_or_default().to_owned()
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, Unfit> {
        Uuid::try_parse(self.text(column)?).map_err(|_| (column, "it is not a UUID"))
    }

    fn number(&self, column: &'static str) -> Result<i64, Unfit> {
        self.text(column)?.parse().map_err(|_| (column, "it is not a number"))
    }

    fn truth(&self, column: &'static str) -> Result<bool, Unfit> {
        match self.text(column)?.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" => Ok(true),
            "f" | "false" | "0" => Ok(false),
            _ => Err((column, "it is neither true nor false")),
        }
    }

    /// `2024-01-02 12:00:00.123456+00`; without a zone, as Django has it in SQLite, in UTC.
    fn moment(&self, column: &'static str) -> Result<i64, Unfit> {
        let text = self.text(column)?;
        let moment: Result<Timestamp, _> = text.parse();
        let moment = moment
            .or_else(|_| text.parse::<DateTime>()?.to_zoned_datetime(TimeZone::UTC).map(|zoned| zoned.timestamp()));
        Ok(moment.map_err(|_| (column, "it is not a time"))?.as_microsecond())
    }

    fn date(&self, column: &'static str) -> Result<Option<Date>, Unfit> {
        let parse = |text: &str| text.parse().map_err(|_| (column, "it is not a date"));
        self.optional(column).map(parse).transpose()
    }

    /// The record of the row, by its definition; `renamed` are the fields whose columns have other names here.
    fn record<R: Resource>(&self, renamed: &[(&str, &'static str)]) -> Result<R, Unfit> {
        let cells = R::FIELDS.iter().map(|field| {
            let is_there = field.is_column() && field.imported;
            let of = field.name.strip_suffix("_micros").unwrap_or(field.name);
            let column = renamed.iter().find(|(name, _)| *name == of).map(|(_, column)| *column);
            let column = column.unwrap_or_else(|| if of == field.name { field.column() } else { of });
            if is_there { self.cell(field, column) } else { Ok(nothing(field)) }
        });
        record_of(cells.collect::<Result<_, _>>()?).map_err(|_| ("id", "it does not fit"))
    }

    fn cell(&self, field: &Field, column: &'static str) -> Result<Cell, Unfit> {
        let is_absent = field.nullable && self.optional(column).is_none_or(str::is_empty);
        Ok(match field.kind {
            _ if is_absent => Cell::Null,
            Kind::Text if field.required || !field.unique.is_empty() => Cell::Text(self.text(column)?.to_owned()),
            Kind::Text | Kind::Words | Kind::Map => {
                Cell::Text(self.filled(column).unwrap_or_else(|| field.blank.to_owned()))
            }
            // That a text was taken away, which is not that it never was there.
            Kind::Flag if field.name.ends_with("_blank") => Cell::Bool(self.optional(column) == Some("")),
            Kind::Flag => Cell::Bool(self.truth(column)?),
            Kind::Id => Cell::Uuid(self.uuid(column)?),
            Kind::Date => self.date(column)?.map_or(Cell::Null, Cell::Date),
            Kind::Time => Cell::Int(self.moment(column)?.div_euclid(1_000_000)),
            Kind::Moment => Cell::Int(self.moment(column)?),
            // What the seconds of a time leave out.
            Kind::Number if field.name.ends_with("_micros") => Cell::Int(self.moment(column)?.rem_euclid(1_000_000)),
            Kind::Number => Cell::Int(self.number(column)?),
        })
    }
}

/// What stands for a field that the tables do not have.
fn nothing(field: &Field) -> Cell {
    match field.kind {
        _ if field.nullable => Cell::Null,
        Kind::Flag => Cell::Bool(false),
        Kind::Words => Cell::Null,
        Kind::Map => Cell::Text("{}".to_owned()),
        Kind::Number | Kind::Time | Kind::Moment => Cell::Int(0),
        _ => Cell::Text(String::new()),
    }
}

/// Which columns fields of users are in, where those have other names.
const USER_COLUMNS: [(&str, &str); 4] = [
    ("created", "date_joined"),
    ("modified", "date_joined"),
    ("email_blank", "email"),
    ("phone_blank", "phone_number"),
];

/// An installation on its way.
struct Reading<'s> {
    source: &'s mut dyn Source,
    app: &'s str,
    usernames: Usernames,
    to: &'s Sender,
    tell: &'s mut dyn FnMut(u64, u64),
    piece: Import,
    waiting: usize,
    /// What comes now need not be in one piece.
    may_be_cut: bool,
    /// Tables that an installation need not have, and this one has not.
    absent: Vec<String>,
    /// Of permissions that are the same as another: whose number counts.
    same: HashMap<i64, i64>,
}

impl Reading<'_> {
    /// Reads each row of a table and lets `take` make a record of it; `key` is the column that names it in the report.
    fn each(
        &mut self,
        name: (&str, &str),
        kind: &'static str,
        needs: &[&'static str],
        key: &str,
        mut take: impl for<'r> FnMut(&Row<'r>, &mut Import) -> Result<(), Unfit>,
    ) -> Result<(), ReadError> {
        let table = table_name(name, self.app);
        let Some(columns) = self.source.open(&table)? else { return self.missing(name, table) };
        let name = table;
        let columns: HashMap<String, usize> = columns.into_iter().zip(0..).collect();
        if let Some(missing) = needs.iter().find(|need| !columns.contains_key(**need)) {
            return Err(ReadError::NoColumn(name, missing));
        }
        while let Some(values) = self.source.row()? {
            let row = Row { columns: &columns, values: &values };
            if let Err((column, problem)) = take(&row, &mut self.piece) {
                self.piece.skipped.push(SkippedRecord {
                    kind,
                    record: row.owned(key),
                    problem: format!("{column}: {problem}"),
                });
            }
            self.waiting += 1;
            if self.waiting >= PIECE && self.may_be_cut {
                self.send()?;
            }
        }
        Ok(())
    }

    /// A table is not there. Tokens and addresses are of apps that an installation need not have.
    fn missing(&mut self, name: (&str, &str), table: String) -> Result<(), ReadError> {
        match name {
            ("authtoken" | "account", _) => {
                self.absent.push(table);
                Ok(())
            }
            ("APP", _) => {
                let tables = self.source.tables();
                let mut apps: Vec<&str> = tables.iter().filter_map(|table| table.strip_suffix(TELLTALE)).collect();
                apps.retain(|app| *app != self.app);
                apps.sort_unstable();
                let found = apps.first().map_or_else(String::new, |app| format!("; --app {app} may be it"));
                Err(ReadError::NoTable(table, found))
            }
            _ => Err(ReadError::NotDumped(table)),
        }
    }

    /// Sends on what has been read.
    fn send(&mut self) -> Result<(), ReadError> {
        (self.waiting, self.may_be_cut) = (0, true);
        let (done, total) = self.source.progress();
        (self.tell)(done, total);
        if self.to.send(std::mem::take(&mut self.piece)) { Ok(()) } else { Err(ReadError::NotWanted) }
    }

    /// Permissions, groups and what they give: a few hundred, which go together.
    fn rights(&mut self) -> Result<(), ReadError> {
        self.may_be_cut = false;
        let mut models: HashMap<i64, (String, String)> = HashMap::new();
        self.each(TABLES[11], "content type", &["id", "app_label", "model"], "id", |row, _| {
            models.insert(row.number("id")?, (row.text("app_label")?.to_owned(), row.text("model")?.to_owned()));
            Ok(())
        })?;
        let (mut first, mut same) = (HashMap::<String, i64>::new(), HashMap::new());
        self.each(TABLES[8], "permission", &["id", "codename", "content_type_id"], "codename", |row, piece| {
            let (app, model) = models
                .get(&row.number("content_type_id")?)
                .ok_or(("content_type_id", "there is no such content type"))?;
            let (id, codename) = (row.number("id")?, format!("{app}.{}", row.text("codename")?));
            // Two models of one app may have permissions with the same codename, and Django asks for `app.codename` alone.
            match first.get(&codename) {
                Some(known) => drop(same.insert(id, *known)),
                None => {
                    first.insert(codename.clone(), id);
                    piece.permissions.push(PermissionRecord {
                        id: PermissionId(id),
                        codename,
                        name: row.owned("name"),
                        model: model.clone(),
                    });
                }
            }
            Ok(())
        })?;
        self.each(TABLES[7], "group", &["id", "name"], "name", |row, piece| {
            piece.groups.push((row.number("id")?, row.text("name")?.to_owned()));
            Ok(())
        })?;
        self.each(TABLES[9], "group permission", &["group_id", "permission_id"], "id", |row, piece| {
            piece.group_permissions.push((row.number("group_id")?, one(&same, row.number("permission_id")?)));
            Ok(())
        })?;
        self.same = same;
        self.send()
    }

    fn organizations(&mut self) -> Result<(), ReadError> {
        let mut ids = Ids::of("organization");
        self.each(TABLES[1], "organization", &["id", "slug", "is_active"], "slug", |row, piece| {
            let organization: OrganizationRecord = row.record(&[])?;
            ids.note(organization.id.0);
            piece.organizations.push(organization);
            Ok(())
        })?;
        ids.once()
    }

    /// Which organization everybody's name is of: the one that they joined first.
    fn primaries(&mut self) -> Result<AHashMap<Uuid, (i64, Uuid, OrgId)>, ReadError> {
        let mut primaries = AHashMap::new();
        self.each(TABLES[2], "membership", &["id", "user_id", "organization_id"], "id", |row, _| {
            // What does not fit is told where memberships are kept.
            let (Ok(id), Ok(user), Ok(organization)) =
                (row.uuid("id"), row.uuid("user_id"), row.uuid("organization_id"))
            else {
                return Ok(());
            };
            let new = (row.moment("created").unwrap_or_default(), id, OrgId(organization));
            let first = primaries.entry(user).or_insert(new);
            *first = new.min(*first);
            Ok(())
        })?;
        Ok(primaries)
    }

    fn users(&mut self) -> Result<(), ReadError> {
        let primaries = match self.usernames {
            Usernames::Global => None,
            Usernames::PerOrganization => Some(self.primaries()?),
        };
        let (mut addresses, mut ids) = (AHashSet::new(), Ids::of("user"));
        self.each(TABLES[0], "user", &["id", "username", "password", "is_active"], "username", |row, piece| {
            let mut user: UserRecord = row.record(&USER_COLUMNS)?;
            ids.note(user.id.0);
            user.organization = primaries.as_ref().and_then(|primaries| Some(primaries.get(&user.id.0)?.2));
            if primaries.is_some() && user.organization.is_none() && !user.is_superuser {
                return Err(("organization", "they belong to none, and usernames are per organization"));
            }
            // Django keeps addresses that differ in case alone as two; a login cannot tell them apart, so the first user keeps
            // it. What is remembered of each is short, since there may be millions.
            if user.email.as_ref().is_some_and(|email| !addresses.insert(short(&email.to_lowercase()))) {
                let problem = "email: another user has the same address in another case; left out".to_owned();
                piece.skipped.push(SkippedRecord { kind: "user", record: user.username.clone(), problem });
                user.email = None;
            }
            let password = row.filled("password").map(PasswordHash::from_stored);
            piece.users.push(ImportedUser { user, password });
            Ok(())
        })?;
        ids.once()
    }

    /// Owners are memberships there, which have to be remembered from one table to the other.
    fn memberships(&mut self) -> Result<(), ReadError> {
        let needs = ["organization_id", "organization_user_id"];
        let mut owned: Vec<(OrgId, Uuid)> = Vec::new();
        self.each(TABLES[3], "owner", &needs, "organization_id", |row, _| {
            owned.push((OrgId(row.uuid("organization_id")?), row.uuid("organization_user_id")?));
            Ok(())
        })?;
        let mut owners: AHashMap<Uuid, Option<UserId>> =
            owned.iter().map(|(_, membership)| (*membership, None)).collect();
        self.each(TABLES[2], "membership", &["id", "user_id", "organization_id"], "id", |row, piece| {
            let membership: MembershipRecord = row.record(&[])?;
            if let Some(owner) = owners.get_mut(&membership.id) {
                *owner = Some(membership.user);
            }
            piece.memberships.push(membership);
            Ok(())
        })?;
        for some in owned.chunks(PIECE) {
            for (organization, membership) in some {
                match owners.get(membership).copied().flatten() {
                    Some(user) => self.piece.owners.push((*organization, user)),
                    None => self.piece.skipped.push(SkippedRecord {
                        kind: "owner",
                        record: organization.to_string(),
                        problem: "the owner of an organization must be a member of it".to_owned(),
                    }),
                }
            }
            self.send()?;
        }
        Ok(())
    }

    fn belongings(&mut self, sealer: Option<&Sealer>) -> Result<(), ReadError> {
        self.each(TABLES[4], "user group", &["user_id", "group_id"], "id", |row, piece| {
            piece.user_groups.push((UserId(row.uuid("user_id")?), row.number("group_id")?));
            Ok(())
        })?;
        let same = std::mem::take(&mut self.same);
        self.each(TABLES[5], "user permission", &["user_id", "permission_id"], "id", |row, piece| {
            piece.user_permissions.push((UserId(row.uuid("user_id")?), one(&same, row.number("permission_id")?)));
            Ok(())
        })?;
        self.each(TABLES[6], "e-mail address", &["id", "email", "user_id"], "id", |row, piece| {
            let email: EmailRecord = row.record(&[("is_primary", "primary")])?;
            piece.emails.push(email);
            Ok(())
        })?;
        self.each(TABLES[10], "token", &["key", "user_id"], "user_id", |row, piece| {
            let (user, key) = (UserId(row.uuid("user_id")?), row.text("key")?);
            if !is_possible(key) {
                return Err(("key", "it is too short for a token, or not of visible ASCII characters"));
            }
            let sealed = sealer.map(|sealer| sealer.seal(user, key)).transpose();
            piece.tokens.push(ImportedToken {
                user,
                digest: TokenDigest::of(key),
                sealed: sealed.map_err(|_| ("key", "it cannot be encrypted"))?,
                created: row.moment("created")?,
            });
            Ok(())
        })
    }
}

/// The ids of a table, each of which is there once: where not, rows of two installations, or of two days, are mixed, and nobody knows
/// which of them counts.
struct Ids {
    kind: &'static str,
    known: AHashSet<Uuid>,
    twice: Option<Uuid>,
}

impl Ids {
    fn of(kind: &'static str) -> Self {
        Self { kind, known: AHashSet::new(), twice: None }
    }

    fn note(&mut self, id: Uuid) {
        if !self.known.insert(id) {
            self.twice = Some(id);
        }
    }

    fn once(&self) -> Result<(), ReadError> {
        self.twice.map_or(Ok(()), |id| Err(ReadError::Twice { kind: self.kind, id: id.to_string() }))
    }
}

/// Makes records of the tables and sends them on, to the end. The tables that are not there and need not be. `app` is the users' app, `openwisp_users` where nothing was
/// swapped; tokens are encrypted besides where there is a `sealer`; where `usernames` are per organization, each is of the one that its user
/// joined first; `tell` hears how much is read, and of how much.
///
/// # Errors
/// See [`ReadError`].
pub fn read(
    source: &mut dyn Source,
    app: &str,
    sealer: Option<&Sealer>,
    usernames: Usernames,
    to: Sender,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Vec<String>, ReadError> {
    let (piece, same, absent) = (Import::default(), HashMap::new(), Vec::new());
    let mut reading =
        Reading { source, app, usernames, to: &to, tell, piece, waiting: 0, may_be_cut: true, absent, same };
    reading.organizations()?;
    reading.rights()?;
    reading.users()?;
    reading.memberships()?;
    reading.belongings(sealer)?;
    reading.send()?;
    let absent = reading.absent;
    to.end();
    Ok(absent)
}

/// The number that counts for a permission's.
fn one(same: &HashMap<i64, i64>, number: i64) -> i64 {
    same.get(&number).copied().unwrap_or(number)
}

/// Enough of a text to tell it from millions of others.
fn short(text: &str) -> [u8; 16] {
    let digest = Sha256::digest(text.as_bytes());
    let mut short = [0; 16];
    short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    short
}

#[cfg(test)]
mod tests {
    use super::Row;
    use std::collections::HashMap;

    #[test]
    fn a_time_without_zone_is_in_utc() {
        let columns = HashMap::from([("at".to_owned(), 0)]);
        let at = |text: &str| {
            let values = [Some(text.to_owned())];
            Row { columns: &columns, values: &values }.moment("at")
        };
        let wanted = at("2024-01-02 12:00:00.1+00").unwrap();
        for same in ["2024-01-02 12:00:00.100000", "2024-01-02 17:30:00.1+05:30", "2024-01-02 12:00:00.1+00:00"] {
            assert_eq!(at(same), Ok(wanted), "{same}");
        }
        assert!(at("infinity").is_err() && at("").is_err());
    }
}
