//! An import into SQLite: one transaction, each record on its own feet.

use crate::directory::{
    DirectoryError, Import, ImportReport, ImportedOrganization, ImportedUser, Misfit, Progress, StoreError,
};
use crate::id::TokenId;
use crate::password::PasswordHash;
use rusqlite::{ErrorCode, OptionalExtension, Transaction, named_params};
use std::collections::BTreeSet;

/// How often it is told how far it is, in records.
const TELL: usize = 64;

struct Importer<'t, 'c> {
    tx: &'t Transaction<'c>,
    report: ImportReport,
    progress: Progress,
    done: usize,
}

pub(super) fn import(
    tx: &Transaction<'_>,
    import: &Import,
    progress: Progress,
) -> Result<ImportReport, DirectoryError> {
    let report = ImportReport { kept: Vec::new(), misfits: import.misfits.clone() };
    let mut importer = Importer { tx, report, progress, done: 0 };
    renumber(tx, import)?;
    importer.each("organization", &import.organizations, organization, |o| o.slug.clone())?;
    importer.each("user", &import.users, user, |u| u.username.clone())?;
    importer.each(
        "membership",
        &import.memberships,
        |tx, m| {
            let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT (user_id, organization_id) DO UPDATE SET is_admin = excluded.is_admin
                       WHERE is_admin <> excluded.is_admin";
            let values =
                (m.id.to_string(), m.user, m.organization, m.is_admin, seconds(m.created), seconds(m.modified));
            tx.prepare_cached(sql)?.execute(values)
        },
        |m| m.id.to_string(),
    )?;
    importer.each(
        "owner",
        &import.owners,
        |tx, (organization, membership)| {
            // A membership that was there before has another id: found by whom and where it is.
            let whose = import.memberships.iter().find(|m| m.id == *membership).map(|m| m.user);
            let sql = "INSERT INTO owners (organization_id, user_id) VALUES (?1, ?2)
                       ON CONFLICT (organization_id) DO UPDATE SET user_id = excluded.user_id
                       WHERE user_id <> excluded.user_id";
            tx.prepare_cached(sql)?.execute((organization, whose))
        },
        |(organization, _)| organization.to_string(),
    )?;
    importer.each(
        "permission",
        &import.permissions,
        |tx, (id, codename, name)| {
            let sql = "INSERT INTO permissions (id, codename, name) VALUES (?1, ?2, ?3)
                       ON CONFLICT (codename) DO UPDATE SET name = excluded.name WHERE name <> excluded.name";
            tx.prepare_cached(sql)?.execute((id, codename, name))
        },
        |(_, codename, _)| codename.clone(),
    )?;
    importer.each(
        "group",
        &import.groups,
        |tx, (id, name)| {
            let sql = "INSERT INTO groups (id, name) VALUES (?1, ?2)
                       ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name";
            tx.prepare_cached(sql)?.execute((id, name))
        },
        |(_, name)| name.clone(),
    )?;
    let wanted: BTreeSet<(i64, i64)> = import.group_permissions.iter().copied().collect();
    for (group, _) in &import.groups {
        prune(tx, *group, &wanted)?;
    }
    importer.each(
        "group permission",
        &import.group_permissions,
        |tx, (group, permission)| {
            let sql = "INSERT INTO group_permissions (group_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            tx.prepare_cached(sql)?.execute((group, permission))
        },
        |(group, permission)| format!("{group}, {permission}"),
    )?;
    importer.each(
        "user group",
        &import.user_groups,
        |tx, (user, group)| {
            let sql = "INSERT INTO group_users (group_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            tx.prepare_cached(sql)?.execute((group, user))
        },
        |(user, group)| format!("{user}, {group}"),
    )?;
    importer.each(
        "user permission",
        &import.user_permissions,
        |tx, (user, permission)| {
            let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            tx.prepare_cached(sql)?.execute((user, permission))
        },
        |(user, permission)| format!("{user}, {permission}"),
    )?;
    importer.each(
        "e-mail address",
        &import.emails,
        |tx, e| {
            let sql =
                "INSERT INTO email_addresses (id, user_id, email, verified, is_primary) VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (id) DO UPDATE SET email = excluded.email, verified = excluded.verified,
                           is_primary = excluded.is_primary WHERE user_id = excluded.user_id";
            tx.prepare_cached(sql)?.execute((e.id, e.user, &e.email, e.verified, e.is_primary))
        },
        |e| e.id.to_string(),
    )?;
    importer.each(
        "token",
        &import.tokens,
        |tx, t| {
            let sql =
                "INSERT INTO tokens (id, digest, user_id, name, created, sealed) VALUES (?1, ?2, ?3, 'login', ?4, ?5)
                       ON CONFLICT (digest) DO UPDATE SET sealed = excluded.sealed
                       WHERE user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND sealed IS NULL";
            tx.prepare_cached(sql)?.execute((TokenId::generate(), t.digest.0, t.user, seconds(t.created), &t.sealed))
        },
        |t| format!("of user {}", t.user),
    )?;
    (importer.progress)(importer.done);
    Ok(importer.report)
}

impl Importer<'_, '_> {
    /// Keeps each record. What a rule refuses is reported, what the store itself cannot do ends it all.
    fn each<R>(
        &mut self,
        kind: &'static str,
        records: &[R],
        keep: impl Fn(&Transaction<'_>, &R) -> rusqlite::Result<usize>,
        name: impl Fn(&R) -> String,
    ) -> Result<(), DirectoryError> {
        let mut kept = 0;
        for record in records {
            match keep(self.tx, record) {
                Ok(_) => kept += 1,
                Err(rusqlite::Error::SqliteFailure(code, message)) if code.code == ErrorCode::ConstraintViolation => {
                    let problem = message.unwrap_or_default();
                    self.report.misfits.push(Misfit { kind, record: name(record), problem });
                }
                Err(error) => return Err(StoreError::from(error).into()),
            }
            self.done += 1;
            if self.done.is_multiple_of(TELL) {
                (self.progress)(self.done);
            }
        }
        self.report.kept.push((kind, kept));
        Ok(())
    }
}

fn organization(tx: &Transaction<'_>, o: &ImportedOrganization) -> rusqlite::Result<usize> {
    // No upsert: its conflict rule would reach into the triggers, which ignore a slug that is known already.
    let update = "UPDATE organizations SET name = :name, slug = :slug, is_active = :is_active,
                      description = :description, email = :email, url = :url, created = :created, modified = :modified,
                      created_micros = :created_micros, modified_micros = :modified_micros WHERE id = :id";
    let insert = "INSERT INTO organizations (id, name, slug, is_active, description, email, url, created, modified,
                                             created_micros, modified_micros)
                  VALUES (:id, :name, :slug, :is_active, :description, :email, :url, :created, :modified,
                          :created_micros, :modified_micros)";
    let values = named_params! {
        ":id": o.id,
        ":name": o.name,
        ":slug": o.slug,
        ":is_active": o.is_active,
        ":description": o.description,
        ":email": o.email,
        ":url": o.url,
        ":created": seconds(o.created),
        ":modified": seconds(o.modified),
        ":created_micros": o.created.rem_euclid(1_000_000),
        ":modified_micros": o.modified.rem_euclid(1_000_000),
    };
    match tx.prepare_cached(update)?.execute(values)? {
        0 => tx.prepare_cached(insert)?.execute(values),
        updated => Ok(updated),
    }
}

fn user(tx: &Transaction<'_>, u: &ImportedUser) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO users (id, username, email, phone_number, first_name, last_name, password, is_active, is_staff,
                   is_superuser, created, created_micros, modified, modified_micros, last_login, bio, url, company,
                   location, notes, language, birth_date, password_updated, expiration_date, password_based_token)
               VALUES (:id, :username, :email, :phone_number, :first_name, :last_name, :password, :is_active, :is_staff,
                   :is_superuser, :joined, :micros, :joined, :micros, :last_login, :bio, :url, :company,
                   :location, :notes, :language, :birth_date, :password_updated, :expiration_date, :password_based_token)
               ON CONFLICT (id) DO UPDATE SET username = excluded.username, email = excluded.email,
                   phone_number = excluded.phone_number, first_name = excluded.first_name,
                   last_name = excluded.last_name, password = excluded.password, is_active = excluded.is_active,
                   is_staff = excluded.is_staff, is_superuser = excluded.is_superuser, created = excluded.created,
                   created_micros = excluded.created_micros, last_login = excluded.last_login, bio = excluded.bio,
                   url = excluded.url, company = excluded.company, location = excluded.location,
                   notes = excluded.notes, language = excluded.language, birth_date = excluded.birth_date,
                   password_updated = excluded.password_updated, expiration_date = excluded.expiration_date,
                   password_based_token = excluded.password_based_token";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": u.id,
        ":username": u.username,
        ":email": u.email,
        ":phone_number": u.phone_number,
        ":first_name": u.first_name,
        ":last_name": u.last_name,
        ":password": u.password.as_ref().map(PasswordHash::expose),
        ":is_active": u.is_active,
        ":is_staff": u.is_staff,
        ":is_superuser": u.is_superuser,
        ":joined": seconds(u.joined),
        ":micros": u.joined.rem_euclid(1_000_000),
        ":last_login": u.last_login,
        ":bio": u.bio,
        ":url": u.url,
        ":company": u.company,
        ":location": u.location,
        ":notes": u.notes,
        ":language": u.language,
        ":birth_date": u.birth_date,
        ":password_updated": u.password_updated,
        ":expiration_date": u.expiration_date,
        ":password_based_token": u.password_based_token,
    })
}

fn seconds(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

/// Takes from a group what the old installation does not give it.
fn prune(tx: &Transaction<'_>, group: i64, wanted: &BTreeSet<(i64, i64)>) -> Result<(), DirectoryError> {
    let given: Vec<i64> = tx
        .prepare_cached("SELECT permission_id FROM group_permissions WHERE group_id = ?1")?
        .query_map([group], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for permission in given.into_iter().filter(|permission| !wanted.contains(&(group, *permission))) {
        tx.prepare_cached("DELETE FROM group_permissions WHERE group_id = ?1 AND permission_id = ?2")?
            .execute((group, permission))?;
    }
    Ok(())
}

/// Clients know permissions and groups by number: ours, which the schema brought, take the numbers of the old installation.
fn renumber(tx: &Transaction<'_>, import: &Import) -> Result<(), DirectoryError> {
    let permissions: Vec<(i64, &str)> =
        import.permissions.iter().map(|(id, codename, _)| (*id, codename.as_str())).collect();
    let links = ["group_permissions", "user_permissions", "role_permissions", "super_role_permissions"];
    take_numbers(tx, "permissions", "codename", "permission_id", &links, &permissions)?;
    let groups: Vec<(i64, &str)> = import.groups.iter().map(|(id, name)| (*id, name.as_str())).collect();
    take_numbers(tx, "groups", "name", "group_id", &["group_permissions", "group_users"], &groups)?;
    // From here on each record is judged by itself, when it is kept, and not all of them at the end.
    Ok(tx.execute_batch("PRAGMA defer_foreign_keys = OFF")?)
}

/// Gives each record of `table` whose `word` is wanted its wanted number, and whoever has that one a free number.
fn take_numbers(
    tx: &Transaction<'_>,
    table: &str,
    word: &str,
    column: &str,
    links: &[&str],
    wanted: &[(i64, &str)],
) -> Result<(), DirectoryError> {
    let number_of = format!("SELECT id FROM {table} WHERE {word} = ?1");
    let highest = format!("SELECT max(coalesce(max(id), 0), ?1) FROM {table}");
    let highest_wanted = wanted.iter().map(|(id, _)| *id).max().unwrap_or(0);
    tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    let renumber = |from: i64, to: i64| -> Result<(), DirectoryError> {
        tx.prepare_cached(&format!("UPDATE {table} SET id = ?2 WHERE id = ?1"))?.execute((from, to))?;
        for link in links {
            tx.prepare_cached(&format!("UPDATE {link} SET {column} = ?2 WHERE {column} = ?1"))?.execute((from, to))?;
        }
        Ok(())
    };
    for (number, text) in wanted {
        let now: Option<i64> = tx.prepare_cached(&number_of)?.query_row([text], |row| row.get(0)).optional()?;
        if now == Some(*number) {
            continue;
        }
        let taken = tx.prepare_cached(&format!("SELECT 1 FROM {table} WHERE id = ?1"))?.exists([number])?;
        if taken {
            let free: i64 = tx.prepare_cached(&highest)?.query_row([highest_wanted], |row| row.get(0))?;
            renumber(*number, free + 1)?;
        }
        if let Some(now) = now {
            renumber(now, *number)?;
        }
    }
    Ok(())
}
