//! Rows of Django's tables to records of the directory.

use super::{TABLES, Table, Tables, table_name};
use crate::directory::seal::Sealer;
use crate::directory::token::{TokenDigest, is_possible};
use crate::directory::{
    Import, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken, ImportedUser, Misfit,
};
use crate::id::{OrgId, UserId};
use crate::password::PasswordHash;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;
use uuid::Uuid;

/// This is no installation that we know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotOpenwisp {
    /// A table is missing.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// A column is missing.
    #[error("the table `{0}` has no column `{1}`")]
    NoColumn(String, &'static str),
}

/// One row, by the names of its columns.
struct Row<'t> {
    columns: &'t HashMap<&'t str, usize>,
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
        match self.text(column)? {
            "t" | "true" | "TRUE" | "1" => Ok(true),
            "f" | "false" | "FALSE" | "0" => Ok(false),
            _ => Err((column, "it is neither true nor false")),
        }
    }

    /// `2024-01-02 12:00:00.123456+00`; without a zone, as Django has it in SQLite, in UTC.
    fn moment(&self, column: &'static str) -> Result<i64, Unfit> {
        let text = self.text(column)?;
        let moment: Result<Timestamp, _> = text.parse();
        let moment =
            moment.or_else(|_| text.parse::<DateTime>()?.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()));
        Ok(moment.map_err(|_| (column, "it is not a time"))?.as_microsecond())
    }

    fn optional_moment(&self, column: &'static str) -> Result<Option<i64>, Unfit> {
        self.optional(column).map(|_| self.moment(column)).transpose()
    }

    fn date(&self, column: &'static str) -> Result<Option<String>, Unfit> {
        let Some(text) = self.optional(column) else { return Ok(None) };
        let date: jiff::civil::Date = text.parse().map_err(|_| (column, "it is not a date"))?;
        Ok(Some(date.to_string()))
    }
}

struct Reading<'t> {
    tables: &'t Tables,
    app: &'t str,
    misfits: Vec<Misfit>,
}

impl<'t> Reading<'t> {
    fn table(&self, name: (&str, &str)) -> Result<(String, &'t Table), NotOpenwisp> {
        let name = table_name(name, self.app);
        let table = self.tables.get(&name).ok_or_else(|| NotOpenwisp::NoTable(name.clone()))?;
        Ok((name, table))
    }

    /// Makes a record of each row; `key` is the column that names it in the report.
    fn each<R>(
        &mut self,
        name: (&str, &str),
        kind: &'static str,
        needs: &[&'static str],
        key: &str,
        read: impl for<'r> Fn(&Row<'r>) -> Result<R, Unfit>,
    ) -> Result<Vec<R>, NotOpenwisp> {
        let (name, table) = self.table(name)?;
        let columns: HashMap<&str, usize> = table.columns.iter().map(String::as_str).zip(0..).collect();
        if let Some(missing) = needs.iter().find(|need| !columns.contains_key(**need)) {
            return Err(NotOpenwisp::NoColumn(name, missing));
        }
        let mut records = Vec::with_capacity(table.rows.len());
        for values in &table.rows {
            let row = Row { columns: &columns, values };
            match read(&row) {
                Ok(record) => records.push(record),
                Err((column, problem)) => {
                    let record = row.owned(key);
                    self.misfits.push(Misfit { kind, record, problem: format!("{column}: {problem}") });
                }
            }
        }
        Ok(records)
    }
}

/// Makes records of the tables. `app` is the users' app, `openwisp_users` where nothing was swapped; tokens are encrypted
/// besides where there is a `sealer`.
///
/// # Errors
/// See [`NotOpenwisp`].
pub fn read(tables: &Tables, app: &str, sealer: Option<&Sealer>) -> Result<Import, NotOpenwisp> {
    let mut reading = Reading { tables, app, misfits: Vec::new() };
    let organizations = reading.each(TABLES[1], "organization", &["id", "slug", "is_active"], "slug", |row| {
        Ok(ImportedOrganization {
            id: OrgId(row.uuid("id")?),
            name: row.owned("name"),
            slug: row.text("slug")?.to_owned(),
            is_active: row.truth("is_active")?,
            description: row.owned("description"),
            email: row.owned("email"),
            url: row.owned("url"),
            created: row.moment("created")?,
            modified: row.moment("modified")?,
        })
    })?;
    let mut users = reading.each(TABLES[0], "user", &["id", "username", "password", "is_active"], "username", user)?;
    one_address_each(&mut users, &mut reading.misfits);
    let memberships = reading.each(TABLES[2], "membership", &["id", "user_id", "organization_id"], "id", |row| {
        Ok(ImportedMembership {
            id: row.uuid("id")?,
            user: UserId(row.uuid("user_id")?),
            organization: OrgId(row.uuid("organization_id")?),
            is_admin: row.truth("is_admin")?,
            created: row.moment("created")?,
            modified: row.moment("modified")?,
        })
    })?;
    let owners =
        reading.each(TABLES[3], "owner", &["organization_id", "organization_user_id"], "organization_id", |row| {
            Ok((OrgId(row.uuid("organization_id")?), row.uuid("organization_user_id")?))
        })?;
    let apps: HashMap<i64, String> = reading
        .each(TABLES[11], "content type", &["id", "app_label"], "id", |row| {
            Ok((row.number("id")?, row.text("app_label")?.to_owned()))
        })?
        .into_iter()
        .collect();
    let permissions =
        reading.each(TABLES[8], "permission", &["id", "codename", "content_type_id"], "codename", |row| {
            let app = apps
                .get(&row.number("content_type_id")?)
                .ok_or(("content_type_id", "there is no such content type"))?;
            Ok((row.number("id")?, format!("{app}.{}", row.text("codename")?), row.owned("name")))
        })?;
    let (permissions, number) = one_codename_each(permissions);
    let groups = reading.each(TABLES[7], "group", &["id", "name"], "name", |row| {
        Ok((row.number("id")?, row.text("name")?.to_owned()))
    })?;
    let group_permissions =
        reading.each(TABLES[9], "group permission", &["group_id", "permission_id"], "id", |row| {
            Ok((row.number("group_id")?, number(row.number("permission_id")?)))
        })?;
    let user_groups = reading.each(TABLES[4], "user group", &["user_id", "group_id"], "id", |row| {
        Ok((UserId(row.uuid("user_id")?), row.number("group_id")?))
    })?;
    let user_permissions = reading.each(TABLES[5], "user permission", &["user_id", "permission_id"], "id", |row| {
        Ok((UserId(row.uuid("user_id")?), number(row.number("permission_id")?)))
    })?;
    let emails = reading.each(TABLES[6], "e-mail address", &["id", "email", "user_id"], "id", |row| {
        Ok(ImportedEmail {
            id: row.number("id")?,
            user: UserId(row.uuid("user_id")?),
            email: row.text("email")?.to_owned(),
            verified: row.truth("verified")?,
            is_primary: row.truth("primary")?,
        })
    })?;
    let tokens = reading.each(TABLES[10], "token", &["key", "user_id"], "user_id", |row| {
        let (user, key) = (UserId(row.uuid("user_id")?), row.text("key")?);
        if !is_possible(key) {
            return Err(("key", "it is too short for a token, or not of visible ASCII characters"));
        }
        let sealed = sealer.map(|sealer| sealer.seal(user, key)).transpose();
        Ok(ImportedToken {
            user,
            digest: TokenDigest::of(key),
            sealed: sealed.map_err(|_| ("key", "it cannot be encrypted"))?,
            created: row.moment("created")?,
        })
    })?;
    let Reading { misfits, .. } = reading;
    Ok(Import {
        organizations,
        users,
        memberships,
        owners,
        permissions,
        groups,
        group_permissions,
        user_groups,
        user_permissions,
        emails,
        tokens,
        misfits,
    })
}

fn user(row: &Row<'_>) -> Result<ImportedUser, Unfit> {
    let truth_if_there = |column: &'static str| row.optional(column).map(|_| row.truth(column)).transpose();
    Ok(ImportedUser {
        id: UserId(row.uuid("id")?),
        username: row.text("username")?.to_owned(),
        email: row.filled("email"),
        phone_number: row.filled("phone_number"),
        first_name: row.owned("first_name"),
        last_name: row.owned("last_name"),
        password: row.filled("password").map(PasswordHash::from_stored),
        is_active: row.truth("is_active")?,
        is_staff: row.truth("is_staff")?,
        is_superuser: row.truth("is_superuser")?,
        joined: row.moment("date_joined")?,
        last_login: row.optional_moment("last_login")?,
        bio: row.owned("bio"),
        url: row.owned("url"),
        company: row.owned("company"),
        location: row.owned("location"),
        notes: row.owned("notes"),
        language: row.filled("language").unwrap_or_else(|| "en-gb".to_owned()),
        birth_date: row.date("birth_date")?,
        password_updated: row.date("password_updated")?,
        expiration_date: row.date("expiration_date")?,
        password_based_token: truth_if_there("password_based_token")?,
    })
}

/// Two models of one app may have permissions with the same codename, and Django asks for them by `app.codename` alone: they are one,
/// with the number of the first. Returns what is left, and the number of each.
fn one_codename_each(all: Vec<(i64, String, String)>) -> (Vec<(i64, String, String)>, impl Fn(i64) -> i64) {
    let mut first: BTreeMap<String, i64> = BTreeMap::new();
    let mut same: HashMap<i64, i64> = HashMap::new();
    let mut left = Vec::with_capacity(all.len());
    for permission in all {
        match first.get(&permission.1) {
            Some(number) => drop(same.insert(permission.0, *number)),
            None => {
                first.insert(permission.1.clone(), permission.0);
                left.push(permission);
            }
        }
    }
    (left, move |number| same.get(&number).copied().unwrap_or(number))
}

/// Django keeps addresses that differ in case alone as two; a login cannot tell them apart, so the first user keeps it.
fn one_address_each(users: &mut [ImportedUser], misfits: &mut Vec<Misfit>) {
    let mut taken = std::collections::HashSet::new();
    for user in users {
        if user.email.as_ref().is_some_and(|email| !taken.insert(email.to_lowercase())) {
            let problem = "email: another user has the same address in another case; left out".to_owned();
            misfits.push(Misfit { kind: "user", record: user.username.clone(), problem });
            user.email = None;
        }
    }
}
