//! An import into PostgreSQL: one transaction, each record behind a savepoint of its own.

use super::error::Failure;
use super::transaction::{Params, Tx};
use crate::directory::{DirectoryError, Import, ImportReport, Misfit, Progress};
use crate::id::{OrgId, TokenId, UserId};
use crate::password::PasswordHash;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// How often it is told how far it is, in records.
const TELL: usize = 64;

struct Importer<'t, 'c> {
    tx: &'t Tx<'c>,
    report: ImportReport,
    progress: Progress,
    done: usize,
    /// Of the kind at work.
    kept: usize,
}

pub(super) async fn import(tx: &Tx<'_>, import: &Import, progress: Progress) -> Result<ImportReport, DirectoryError> {
    let report = ImportReport { kept: Vec::new(), misfits: import.misfits.clone() };
    let mut importer = Importer { tx, report, progress, done: 0, kept: 0 };
    renumber(tx, import).await?;
    // Each record is judged by itself, when it is kept, and not all of them at the end.
    tx.execute("SET CONSTRAINTS ALL IMMEDIATE", &[]).await?;
    importer.organizations(import).await?;
    importer.users(import).await?;
    importer.memberships(import).await?;
    importer.rights(import).await?;
    importer.emails_and_tokens(import).await?;
    // Whoever comes next gets a number behind those that came along.
    for table in ["permissions", "groups", "email_addresses"] {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(coalesce(max(id), 1), 1)) FROM {table}"
        );
        tx.execute(&sql, &[]).await?;
    }
    (importer.progress)(importer.done);
    Ok(importer.report)
}

impl Importer<'_, '_> {
    /// Keeps one record. What a rule refuses is reported, what the store itself cannot do ends it all.
    async fn keep(
        &mut self,
        kind: &'static str,
        record: impl Fn() -> String,
        sql: &str,
        values: Params<'_>,
    ) -> Result<(), DirectoryError> {
        self.tx.execute("SAVEPOINT record", &[]).await?;
        match self.tx.execute(sql, values).await {
            Ok(_) => {
                self.kept += 1;
                self.tx.execute("RELEASE SAVEPOINT record", &[]).await?;
            }
            Err(failure) => {
                let problem = refusal(&failure).ok_or(failure)?;
                self.tx.execute("ROLLBACK TO SAVEPOINT record", &[]).await?;
                self.report.misfits.push(Misfit { kind, record: record(), problem });
            }
        }
        self.done += 1;
        if self.done.is_multiple_of(TELL) {
            (self.progress)(self.done);
        }
        Ok(())
    }

    fn end(&mut self, kind: &'static str) {
        self.report.kept.push((kind, std::mem::take(&mut self.kept)));
    }

    async fn organizations(&mut self, import: &Import) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO organizations (id, name, slug, is_active, description, email, url, created, modified,
                                              created_micros, modified_micros)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, slug = excluded.slug,
                       is_active = excluded.is_active, description = excluded.description, email = excluded.email,
                       url = excluded.url, created = excluded.created, modified = excluded.modified,
                       created_micros = excluded.created_micros, modified_micros = excluded.modified_micros";
        for o in &import.organizations {
            let (created, modified) = (split(o.created), split(o.modified));
            let values: Params<'_> = &[
                &o.id,
                &o.name,
                &o.slug,
                &o.is_active,
                &o.description,
                &o.email,
                &o.url,
                &created.0,
                &modified.0,
                &created.1,
                &modified.1,
            ];
            self.keep("organization", || o.slug.clone(), sql, values).await?;
        }
        self.end("organization");
        Ok(())
    }

    async fn users(&mut self, import: &Import) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO users (id, username, email, phone_number, first_name, last_name, password, is_active,
                       is_staff, is_superuser, created, created_micros, modified, modified_micros, last_login, bio, url,
                       company, location, notes, language, birth_date, password_updated, expiration_date,
                       password_based_token)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $12, $13, $14, $15, $16, $17, $18,
                       $19, $20::text::date, $21::text::date, $22::text::date, $23)
                   ON CONFLICT (id) DO UPDATE SET username = excluded.username, email = excluded.email,
                       phone_number = excluded.phone_number, first_name = excluded.first_name,
                       last_name = excluded.last_name, password = excluded.password, is_active = excluded.is_active,
                       is_staff = excluded.is_staff, is_superuser = excluded.is_superuser, created = excluded.created,
                       created_micros = excluded.created_micros, last_login = excluded.last_login, bio = excluded.bio,
                       url = excluded.url, company = excluded.company, location = excluded.location,
                       notes = excluded.notes, language = excluded.language, birth_date = excluded.birth_date,
                       password_updated = excluded.password_updated, expiration_date = excluded.expiration_date,
                       password_based_token = excluded.password_based_token";
        for u in &import.users {
            let joined = split(u.joined);
            let password = u.password.as_ref().map(PasswordHash::expose);
            let values: Params<'_> = &[
                &u.id,
                &u.username,
                &u.email,
                &u.phone_number,
                &u.first_name,
                &u.last_name,
                &password,
                &u.is_active,
                &u.is_staff,
                &u.is_superuser,
                &joined.0,
                &joined.1,
                &u.last_login,
                &u.bio,
                &u.url,
                &u.company,
                &u.location,
                &u.notes,
                &u.language,
                &u.birth_date,
                &u.password_updated,
                &u.expiration_date,
                &u.password_based_token,
            ];
            self.keep("user", || u.username.clone(), sql, values).await?;
        }
        self.end("user");
        Ok(())
    }

    async fn memberships(&mut self, import: &Import) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (user_id, organization_id) DO UPDATE SET is_admin = excluded.is_admin
                   WHERE memberships.is_admin <> excluded.is_admin";
        for m in &import.memberships {
            let (created, modified) = (split(m.created).0, split(m.modified).0);
            let values: Params<'_> = &[&m.id, &m.user, &m.organization, &m.is_admin, &created, &modified];
            self.keep("membership", || m.id.to_string(), sql, values).await?;
        }
        self.end("membership");
        let whose: HashMap<Uuid, UserId> = import.memberships.iter().map(|m| (m.id, m.user)).collect();
        // The rule that an owner is a member is looked at with the commit; here it must be looked at now.
        let sql = "INSERT INTO owners (organization_id, user_id)
                   SELECT m.organization_id, m.user_id FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = excluded.user_id
                   WHERE owners.user_id <> excluded.user_id";
        let there = "SELECT 1 FROM memberships WHERE organization_id = $1 AND user_id = $2";
        for (organization, membership) in &import.owners {
            let user: Option<&UserId> = whose.get(membership);
            if self.tx.row(there, &[organization, &user]).await?.is_none() {
                self.misfit("owner", *organization, "the owner of an organization must be a member of it");
                continue;
            }
            self.keep("owner", || organization.to_string(), sql, &[organization, &user]).await?;
        }
        self.end("owner");
        Ok(())
    }

    fn misfit(&mut self, kind: &'static str, organization: OrgId, problem: &str) {
        self.done += 1;
        self.report.misfits.push(Misfit { kind, record: organization.to_string(), problem: problem.to_owned() });
    }

    async fn rights(&mut self, import: &Import) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO permissions (id, codename, name) VALUES ($1, $2, $3)
                   ON CONFLICT (codename) DO UPDATE SET name = excluded.name WHERE permissions.name <> excluded.name";
        for (id, codename, name) in &import.permissions {
            self.keep("permission", || codename.clone(), sql, &[id, codename, name]).await?;
        }
        self.end("permission");
        let sql = "INSERT INTO groups (id, name) VALUES ($1, $2)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE groups.name <> excluded.name";
        for (id, name) in &import.groups {
            self.keep("group", || name.clone(), sql, &[id, name]).await?;
        }
        self.end("group");
        // A group gives what the old installation gives it, and nothing besides.
        let wanted: BTreeSet<(i64, i64)> = import.group_permissions.iter().copied().collect();
        for (group, _) in &import.groups {
            let given: Vec<i64> = wanted.iter().filter(|(of, _)| of == group).map(|(_, given)| *given).collect();
            let sql = "DELETE FROM group_permissions WHERE group_id = $1 AND NOT permission_id = ANY ($2)";
            self.tx.execute(sql, &[group, &given]).await?;
        }
        let sql = "INSERT INTO group_permissions (group_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        for (group, permission) in &import.group_permissions {
            let record = || format!("{group}, {permission}");
            self.keep("group permission", record, sql, &[group, permission]).await?;
        }
        self.end("group permission");
        let sql = "INSERT INTO group_users (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        for (user, group) in &import.user_groups {
            self.keep("user group", || format!("{user}, {group}"), sql, &[group, user]).await?;
        }
        self.end("user group");
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        for (user, permission) in &import.user_permissions {
            let record = || format!("{user}, {permission}");
            self.keep("user permission", record, sql, &[user, permission]).await?;
        }
        self.end("user permission");
        Ok(())
    }

    async fn emails_and_tokens(&mut self, import: &Import) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO email_addresses (id, user_id, email, verified, is_primary) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (id) DO UPDATE SET email = excluded.email, verified = excluded.verified,
                       is_primary = excluded.is_primary WHERE email_addresses.user_id = excluded.user_id";
        for e in &import.emails {
            let values: Params<'_> = &[&e.id, &e.user, &e.email, &e.verified, &e.is_primary];
            self.keep("e-mail address", || e.id.to_string(), sql, values).await?;
        }
        self.end("e-mail address");
        let sql = "INSERT INTO tokens (id, digest, user_id, name, created, sealed) VALUES ($1, $2, $3, 'login', $4, $5)
                   ON CONFLICT (digest) DO UPDATE SET sealed = excluded.sealed
                   WHERE tokens.user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND tokens.sealed IS NULL";
        for t in &import.tokens {
            let (id, digest, created) = (TokenId::generate(), t.digest.0.as_slice(), split(t.created).0);
            let values: Params<'_> = &[&id, &digest, &t.user, &created, &t.sealed];
            self.keep("token", || format!("of user {}", t.user), sql, values).await?;
        }
        self.end("token");
        Ok(())
    }
}

/// What the server says where a rule refused a record; `None` where it failed otherwise.
fn refusal(failure: &Failure) -> Option<String> {
    let Failure::Postgres(error) = failure else { return None };
    let db = error.as_db_error()?;
    let class = db.code().code().get(..2)?;
    // Broken rules, values that do not fit, and what our own triggers raise.
    ["22", "23", "P0"].contains(&class).then(|| db.message().to_owned())
}

/// Seconds, and the microseconds that they leave out.
fn split(micros: i64) -> (i64, i32) {
    (micros.div_euclid(1_000_000), i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0))
}

/// Clients know permissions and groups by number: ours, which the schema brought, take the numbers of the old installation.
async fn renumber(tx: &Tx<'_>, import: &Import) -> Result<(), DirectoryError> {
    let permissions: Vec<(i64, &str)> = import.permissions.iter().map(|(id, word, _)| (*id, word.as_str())).collect();
    take_numbers(tx, "permissions", "codename", &permissions).await?;
    let groups: Vec<(i64, &str)> = import.groups.iter().map(|(id, name)| (*id, name.as_str())).collect();
    take_numbers(tx, "groups", "name", &groups).await
}

/// Gives each record of `table` whose `word` is wanted its wanted number, and whoever has that one a free number. Whatever
/// refers to them follows (ON UPDATE CASCADE).
async fn take_numbers(tx: &Tx<'_>, table: &str, word: &str, wanted: &[(i64, &str)]) -> Result<(), DirectoryError> {
    let number_of = format!("SELECT id FROM {table} WHERE {word} = $1");
    let there = format!("SELECT 1 FROM {table} WHERE id = $1");
    let free = format!("SELECT greatest(coalesce(max(id), 0), $1) + 1 FROM {table}");
    let renumber = format!("UPDATE {table} SET id = $2 WHERE id = $1");
    let highest = wanted.iter().map(|(id, _)| *id).max().unwrap_or(0);
    for (number, text) in wanted {
        let now: Option<i64> = match tx.row(&number_of, &[text]).await? {
            Some(row) => Some(row.try_get(0)?),
            None => None,
        };
        if now == Some(*number) {
            continue;
        }
        if tx.row(&there, &[number]).await?.is_some() {
            let row = tx.row(&free, &[&highest]).await?;
            let Some(free) = row.map(|row| row.try_get::<_, i64>(0)).transpose()? else { continue };
            tx.execute(&renumber, &[number, &free]).await?;
        }
        if let Some(now) = now {
            tx.execute(&renumber, &[&now, number]).await?;
        }
    }
    Ok(())
}
