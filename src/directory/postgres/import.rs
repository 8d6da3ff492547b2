//! An import into PostgreSQL: one transaction, many records a statement, each of which is judged by itself.
//!
//! Records go in by the hundred, behind a savepoint. Where one of them breaks a rule, its hundred is tried again in two halves,
//! down to the one; so a good dump costs a statement for each hundred, and a bad record some more.

use super::error::Failure;
use super::session::Session;
use crate::directory::{
    DirectoryError, Import, ImportReport, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken,
    ImportedUser, Misfit, Pieces,
};
use crate::id::TokenId;
use crate::password::PasswordHash;
use std::collections::BTreeSet;
use tokio_postgres::types::ToSql;

/// The tables that grow. Without this the planner knows them as they were until autovacuum comes by, and reads them whole for one user.
/// A role that does not own them gets a warning and goes on.
const ANALYZE: &str =
    "ANALYZE users, email_addresses, organizations, memberships, owners, tokens, permissions, user_permissions,
    groups, group_permissions, group_users";

/// Records in one statement, at most.
const AT_ONCE: usize = 500;

struct Importer<'t, 'c> {
    tx: &'t Session<'c>,
    report: ImportReport,
}

pub(super) async fn import(tx: &Session<'_>, mut pieces: Pieces) -> Result<ImportReport, DirectoryError> {
    let mut importer = Importer { tx, report: ImportReport::default() };
    // Each record is judged when it is kept, and not all of them at the end.
    tx.modify("SET CONSTRAINTS ALL IMMEDIATE", &[]).await?;
    while let Some(piece) = pieces.next().await? {
        importer.rights(&piece).await?;
        importer.people(&piece).await?;
        for misfit in piece.misfits {
            importer.report.leave_out(misfit);
        }
    }
    // Whoever comes next gets a number behind those that came along.
    for table in ["permissions", "groups", "email_addresses"] {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(coalesce(max(id), 1), 1)) FROM {table}"
        );
        tx.modify(&sql, &[]).await?;
    }
    tx.modify(ANALYZE, &[]).await?;
    Ok(importer.report)
}

/// A column of many records, as a parameter.
type Column<'r> = Box<dyn ToSql + Sync + Send + 'r>;

fn column<'r, R, T: ToSql + Sync + Send + 'r>(records: &'r [R], of: impl Fn(&'r R) -> T) -> Column<'r> {
    Box::new(records.iter().map(of).collect::<Vec<T>>())
}

impl Importer<'_, '_> {
    /// Keeps records. What a rule refuses is reported, what the store itself cannot do ends it all.
    async fn each<R: Sync>(
        &mut self,
        kind: &'static str,
        records: &[R],
        sql: &str,
        columns: impl for<'r> Fn(&'r [R]) -> Vec<Column<'r>> + Sync,
        name: impl Fn(&R) -> String + Sync,
    ) -> Result<(), DirectoryError> {
        // The last is the next.
        let mut left: Vec<&[R]> = records.chunks(AT_ONCE).rev().collect();
        while let Some(some) = left.pop() {
            self.tx.modify("SAVEPOINT records", &[]).await?;
            let columns = columns(some);
            let params: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as _).collect();
            match self.tx.modify(sql, &params).await {
                Ok(_) => self.report.keep(kind, some.len()),
                Err(failure) => {
                    let problem = refusal(&failure).ok_or(failure)?;
                    self.tx.modify("ROLLBACK TO SAVEPOINT records", &[]).await?;
                    if let [one] = some {
                        self.report.leave_out(Misfit { kind, record: name(one), problem });
                    } else {
                        let (first, second) = some.split_at(some.len() / 2);
                        left.extend([second, first]);
                    }
                }
            }
            self.tx.modify("RELEASE SAVEPOINT records", &[]).await?;
        }
        Ok(())
    }

    async fn rights(&mut self, piece: &Import) -> Result<(), DirectoryError> {
        if piece.permissions.is_empty() && piece.groups.is_empty() && piece.group_permissions.is_empty() {
            return Ok(());
        }
        renumber(self.tx, piece).await?;
        let sql =
            "INSERT INTO permissions (id, codename, name) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
                   ON CONFLICT (codename) DO UPDATE SET name = excluded.name WHERE permissions.name <> excluded.name";
        self.each("permission", &piece.permissions, sql, of_permissions, |(_, codename, _)| codename.clone()).await?;
        let sql = "INSERT INTO groups (id, name) SELECT * FROM unnest($1::bigint[], $2::text[])
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE groups.name <> excluded.name";
        self.each("group", &piece.groups, sql, of_groups, |(_, name)| name.clone()).await?;
        // A group gives what the old installation gives it, and nothing besides.
        let wanted: BTreeSet<(i64, i64)> = piece.group_permissions.iter().copied().collect();
        for (group, _) in &piece.groups {
            let given: Vec<i64> = wanted.iter().filter(|(of, _)| of == group).map(|(_, given)| *given).collect();
            let sql = "DELETE FROM group_permissions WHERE group_id = $1 AND NOT permission_id = ANY ($2)";
            self.tx.modify(sql, &[group, &given]).await?;
        }
        let sql =
            "INSERT INTO group_permissions (group_id, permission_id) SELECT * FROM unnest($1::bigint[], $2::bigint[])
                   ON CONFLICT DO NOTHING";
        let name = |(group, permission): &(i64, i64)| format!("{group}, {permission}");
        self.each("group permission", &piece.group_permissions, sql, pairs, name).await
    }

    async fn people(&mut self, piece: &Import) -> Result<(), DirectoryError> {
        let organizations = &piece.organizations;
        self.each("organization", organizations, ORGANIZATIONS, of_organizations, |o| o.slug.clone()).await?;
        self.each("user", &piece.users, USERS, of_users, |u| u.username.clone()).await?;
        self.each("membership", &piece.memberships, MEMBERSHIPS, of_memberships, |m| m.id.to_string()).await?;
        let sql = "INSERT INTO owners (organization_id, user_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = excluded.user_id
                   WHERE owners.user_id <> excluded.user_id";
        self.each("owner", &piece.owners, sql, pairs, |(organization, _)| organization.to_string()).await?;
        let sql = "INSERT INTO group_users (user_id, group_id) SELECT * FROM unnest($1::uuid[], $2::bigint[])
                   ON CONFLICT DO NOTHING";
        self.each("user group", &piece.user_groups, sql, pairs, |(user, group)| format!("{user}, {group}")).await?;
        let sql = "INSERT INTO user_permissions (user_id, permission_id) SELECT * FROM unnest($1::uuid[], $2::bigint[])
                   ON CONFLICT DO NOTHING";
        self.each("user permission", &piece.user_permissions, sql, pairs, |(user, permission)| {
            format!("{user}, {permission}")
        })
        .await?;
        self.each("e-mail address", &piece.emails, EMAILS, of_emails, |e| e.id.to_string()).await?;
        self.each("token", &piece.tokens, TOKENS, of_tokens, |t| format!("of user {}", t.user)).await
    }
}

fn of_permissions(some: &[(i64, String, String)]) -> Vec<Column<'_>> {
    vec![column(some, |p| p.0), column(some, |p| p.1.as_str()), column(some, |p| p.2.as_str())]
}

fn of_groups(some: &[(i64, String)]) -> Vec<Column<'_>> {
    vec![column(some, |g| g.0), column(some, |g| g.1.as_str())]
}

/// Who or what belongs to whom or what.
fn pairs<A: ToSql + Sync + Send, B: ToSql + Sync + Send>(some: &[(A, B)]) -> Vec<Column<'_>> {
    vec![column(some, |pair| &pair.0), column(some, |pair| &pair.1)]
}

const ORGANIZATIONS: &str = "
    INSERT INTO organizations (id, name, slug, is_active, description, email, url, created, modified, created_micros,
        modified_micros)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::integer[], $11::integer[])
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, slug = excluded.slug, is_active = excluded.is_active,
        description = excluded.description, email = excluded.email, url = excluded.url, created = excluded.created,
        modified = excluded.modified, created_micros = excluded.created_micros,
        modified_micros = excluded.modified_micros";

fn of_organizations(some: &[ImportedOrganization]) -> Vec<Column<'_>> {
    vec![
        column(some, |o| o.id),
        column(some, |o| o.name.as_str()),
        column(some, |o| o.slug.as_str()),
        column(some, |o| o.is_active),
        column(some, |o| o.description.as_str()),
        column(some, |o| o.email.as_str()),
        column(some, |o| o.url.as_str()),
        column(some, |o| split(o.created).0),
        column(some, |o| split(o.modified).0),
        column(some, |o| split(o.created).1),
        column(some, |o| split(o.modified).1),
    ]
}

const USERS: &str = "
    INSERT INTO users (id, username, email, phone_number, first_name, last_name, password, is_active, is_staff,
        is_superuser, created, created_micros, modified, modified_micros, last_login, bio, url, company, location, notes,
        language, birth_date, password_updated, expiration_date, password_based_token)
    SELECT id, username, email, phone_number, first_name, last_name, password, is_active, is_staff, is_superuser, joined,
        micros, joined, micros, last_login, bio, url, company, location, notes, language, birth_date::date,
        password_updated::date, expiration_date::date, password_based_token
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[],
        $9::boolean[], $10::boolean[], $11::bigint[], $12::integer[], $13::bigint[], $14::text[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::boolean[])
        AS u (id, username, email, phone_number, first_name, last_name, password, is_active, is_staff, is_superuser,
        joined, micros, last_login, bio, url, company, location, notes, language, birth_date, password_updated,
        expiration_date, password_based_token)
    ON CONFLICT (id) DO UPDATE SET username = excluded.username, email = excluded.email,
        phone_number = excluded.phone_number, first_name = excluded.first_name, last_name = excluded.last_name,
        password = excluded.password, is_active = excluded.is_active, is_staff = excluded.is_staff,
        is_superuser = excluded.is_superuser, created = excluded.created, created_micros = excluded.created_micros,
        last_login = excluded.last_login, bio = excluded.bio, url = excluded.url, company = excluded.company,
        location = excluded.location, notes = excluded.notes, language = excluded.language,
        birth_date = excluded.birth_date, password_updated = excluded.password_updated,
        expiration_date = excluded.expiration_date, password_based_token = excluded.password_based_token";

fn of_users(some: &[ImportedUser]) -> Vec<Column<'_>> {
    vec![
        column(some, |u| u.id),
        column(some, |u| u.username.as_str()),
        column(some, |u| u.email.as_deref()),
        column(some, |u| u.phone_number.as_deref()),
        column(some, |u| u.first_name.as_str()),
        column(some, |u| u.last_name.as_str()),
        column(some, |u| u.password.as_ref().map(PasswordHash::expose)),
        column(some, |u| u.is_active),
        column(some, |u| u.is_staff),
        column(some, |u| u.is_superuser),
        column(some, |u| split(u.joined).0),
        column(some, |u| split(u.joined).1),
        column(some, |u| u.last_login),
        column(some, |u| u.bio.as_str()),
        column(some, |u| u.url.as_str()),
        column(some, |u| u.company.as_str()),
        column(some, |u| u.location.as_str()),
        column(some, |u| u.notes.as_str()),
        column(some, |u| u.language.as_str()),
        column(some, |u| u.birth_date.as_deref()),
        column(some, |u| u.password_updated.as_deref()),
        column(some, |u| u.expiration_date.as_deref()),
        column(some, |u| u.password_based_token),
    ]
}

const MEMBERSHIPS: &str = "
    INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[], $5::bigint[], $6::bigint[])
    ON CONFLICT (user_id, organization_id) DO UPDATE SET is_admin = excluded.is_admin
    WHERE memberships.is_admin <> excluded.is_admin";

fn of_memberships(some: &[ImportedMembership]) -> Vec<Column<'_>> {
    vec![
        column(some, |m| m.id),
        column(some, |m| m.user),
        column(some, |m| m.organization),
        column(some, |m| m.is_admin),
        column(some, |m| split(m.created).0),
        column(some, |m| split(m.modified).0),
    ]
}

const EMAILS: &str = "
    INSERT INTO email_addresses (id, user_id, email, verified, is_primary)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::boolean[], $5::boolean[])
    ON CONFLICT (id) DO UPDATE SET email = excluded.email, verified = excluded.verified, is_primary = excluded.is_primary
    WHERE email_addresses.user_id = excluded.user_id";

fn of_emails(some: &[ImportedEmail]) -> Vec<Column<'_>> {
    vec![
        column(some, |e| e.id),
        column(some, |e| e.user),
        column(some, |e| e.email.as_str()),
        column(some, |e| e.verified),
        column(some, |e| e.is_primary),
    ]
}

const TOKENS: &str = "
    INSERT INTO tokens (id, digest, user_id, name, created, sealed)
    SELECT id, digest, user_id, 'login', created, sealed
    FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::bigint[], $5::bytea[]) AS t (id, digest, user_id, created, sealed)
    ON CONFLICT (digest) DO UPDATE SET sealed = excluded.sealed
    WHERE tokens.user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND tokens.sealed IS NULL";

fn of_tokens(some: &[ImportedToken]) -> Vec<Column<'_>> {
    vec![
        column(some, |_| TokenId::generate()),
        column(some, |t| t.digest.0.as_slice()),
        column(some, |t| t.user),
        column(some, |t| split(t.created).0),
        column(some, |t| t.sealed.as_deref()),
    ]
}

/// What the server says where a rule refused a record; `None` where it failed otherwise.
fn refusal(failure: &Failure) -> Option<String> {
    let Failure::Postgres(error) = failure else { return None };
    let db = error.as_db_error()?;
    if db.constraint() == Some("owner_is_a_member") {
        return Some("the owner of an organization must be a member of it".to_owned());
    }
    let class = db.code().code().get(..2)?;
    // One record twice in a statement, broken rules, values that do not fit, and what our own triggers raise.
    ["21", "22", "23", "P0"].contains(&class).then(|| db.message().to_owned())
}

/// Seconds, and the microseconds that they leave out.
fn split(micros: i64) -> (i64, i32) {
    (micros.div_euclid(1_000_000), i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0))
}

/// Clients know permissions and groups by number: ours, which the schema brought, take the numbers of the old installation.
async fn renumber(tx: &Session<'_>, import: &Import) -> Result<(), DirectoryError> {
    let permissions: Vec<(i64, &str)> = import.permissions.iter().map(|(id, word, _)| (*id, word.as_str())).collect();
    take_numbers(tx, "permissions", "codename", &permissions).await?;
    let groups: Vec<(i64, &str)> = import.groups.iter().map(|(id, name)| (*id, name.as_str())).collect();
    take_numbers(tx, "groups", "name", &groups).await
}

/// Gives each record of `table` whose `word` is wanted its wanted number, and whoever has that one a free number. Whatever
/// refers to them follows (ON UPDATE CASCADE).
async fn take_numbers(tx: &Session<'_>, table: &str, word: &str, wanted: &[(i64, &str)]) -> Result<(), DirectoryError> {
    let number_of = format!("SELECT id FROM {table} WHERE {word} = $1");
    let there = format!("SELECT 1 FROM {table} WHERE id = $1");
    let free = format!("SELECT greatest(coalesce(max(id), 0), $1) + 1 FROM {table}");
    let renumber = format!("UPDATE {table} SET id = $2 WHERE id = $1");
    let highest = wanted.iter().map(|(id, _)| *id).max().unwrap_or(0);
    for (number, text) in wanted {
        let now: Option<i64> = match tx.first(&number_of, &[text]).await? {
            Some(row) => Some(row.try_get(0)?),
            None => None,
        };
        if now == Some(*number) {
            continue;
        }
        if tx.first(&there, &[number]).await?.is_some() {
            let row = tx.first(&free, &[&highest]).await?;
            let Some(free) = row.map(|row| row.try_get::<_, i64>(0)).transpose()? else { continue };
            tx.modify(&renumber, &[number, &free]).await?;
        }
        if let Some(now) = now {
            tx.modify(&renumber, &[&now, number]).await?;
        }
    }
    Ok(())
}
