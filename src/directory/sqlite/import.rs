//! An import into SQLite: one transaction, each record on its own feet.

use super::feed;
use crate::clock;
use crate::directory::{
    DirectoryError, Import, ImportReport, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken,
    ImportedUser, Misfit, Pieces, StoreError,
};
use crate::id::TokenId;
use crate::password::PasswordHash;
use rusqlite::{Connection, ErrorCode, OptionalExtension, named_params};
use std::collections::BTreeSet;

/// Kibibytes of page cache meanwhile. Indexes of random ids are touched everywhere, again and again; what does not fit is
/// written to the log and read again each time.
const CACHE: i32 = 256 * 1024;

pub(super) fn import(tx: &Connection, pieces: Pieces) -> Result<ImportReport, DirectoryError> {
    let usual: i64 = tx.pragma_query_value(None, "cache_size", |row| row.get(0))?;
    tx.pragma_update(None, "cache_size", -CACHE)?;
    let done = Importer { tx, report: ImportReport::default() }.all(pieces);
    tx.pragma_update(None, "cache_size", usual)?;
    done
}

struct Importer<'t> {
    tx: &'t Connection,
    report: ImportReport,
}

impl Importer<'_> {
    fn all(mut self, mut pieces: Pieces) -> Result<ImportReport, DirectoryError> {
        while let Some(piece) = pieces.wait()? {
            self.piece(piece)?;
        }
        Ok(self.report)
    }

    fn piece(&mut self, piece: Import) -> Result<(), DirectoryError> {
        self.rights(&piece)?;
        self.each("organization", &piece.organizations, organization, |o| o.slug.clone())?;
        self.each("user", &piece.users, user, |u| u.username.clone())?;
        self.each("membership", &piece.memberships, membership, |m| m.id.to_string())?;
        let sql = "INSERT INTO owners (organization_id, user_id) VALUES (?1, ?2)
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = excluded.user_id
                   WHERE user_id <> excluded.user_id";
        self.each(
            "owner",
            &piece.owners,
            |tx, (organization, user)| tx.prepare_cached(sql)?.execute((organization, user)),
            |(organization, _)| organization.to_string(),
        )?;
        let sql = "INSERT INTO group_users (group_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.each(
            "user group",
            &piece.user_groups,
            |tx, (user, group)| tx.prepare_cached(sql)?.execute((group, user)),
            |(user, group)| format!("{user}, {group}"),
        )?;
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.each(
            "user permission",
            &piece.user_permissions,
            |tx, (user, permission)| tx.prepare_cached(sql)?.execute((user, permission)),
            |(user, permission)| format!("{user}, {permission}"),
        )?;
        self.each("e-mail address", &piece.emails, email, |e| e.id.to_string())?;
        self.each("token", &piece.tokens, token, |t| format!("of user {}", t.user))?;
        for misfit in piece.misfits {
            self.report.leave_out(misfit);
        }
        // Each record is told in the outbox, which must not outgrow the directory meanwhile.
        Ok(feed::trim(self.tx, clock::unix_seconds())?)
    }

    fn rights(&mut self, piece: &Import) -> Result<(), DirectoryError> {
        if piece.permissions.is_empty() && piece.groups.is_empty() && piece.group_permissions.is_empty() {
            return Ok(());
        }
        renumber(self.tx, piece)?;
        let sql = "INSERT INTO permissions (id, codename, name) VALUES (?1, ?2, ?3)
                   ON CONFLICT (codename) DO UPDATE SET name = excluded.name WHERE name <> excluded.name";
        self.each(
            "permission",
            &piece.permissions,
            |tx, (id, codename, name)| tx.prepare_cached(sql)?.execute((id, codename, name)),
            |(_, codename, _)| codename.clone(),
        )?;
        let sql = "INSERT INTO groups (id, name) VALUES (?1, ?2)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name";
        self.each(
            "group",
            &piece.groups,
            |tx, (id, name)| tx.prepare_cached(sql)?.execute((id, name)),
            |(_, name)| name.clone(),
        )?;
        let wanted: BTreeSet<(i64, i64)> = piece.group_permissions.iter().copied().collect();
        for (group, _) in &piece.groups {
            prune(self.tx, *group, &wanted)?;
        }
        let sql = "INSERT INTO group_permissions (group_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.each(
            "group permission",
            &piece.group_permissions,
            |tx, (group, permission)| tx.prepare_cached(sql)?.execute((group, permission)),
            |(group, permission)| format!("{group}, {permission}"),
        )
    }

    /// Keeps each record. What a rule refuses is reported, what the store itself cannot do ends it all.
    fn each<R>(
        &mut self,
        kind: &'static str,
        records: &[R],
        keep: impl Fn(&Connection, &R) -> rusqlite::Result<usize>,
        name: impl Fn(&R) -> String,
    ) -> Result<(), DirectoryError> {
        for record in records {
            match keep(self.tx, record) {
                Ok(_) => self.report.keep(kind, 1),
                Err(rusqlite::Error::SqliteFailure(code, message)) if code.code == ErrorCode::ConstraintViolation => {
                    let problem = message.unwrap_or_default();
                    self.report.leave_out(Misfit { kind, record: name(record), problem });
                }
                Err(error) => return Err(StoreError::from(error).into()),
            }
        }
        Ok(())
    }
}

fn organization(tx: &Connection, o: &ImportedOrganization) -> rusqlite::Result<usize> {
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

fn user(tx: &Connection, u: &ImportedUser) -> rusqlite::Result<usize> {
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

fn membership(tx: &Connection, m: &ImportedMembership) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (user_id, organization_id) DO UPDATE SET is_admin = excluded.is_admin
               WHERE is_admin <> excluded.is_admin";
    let values = (m.id.to_string(), m.user, m.organization, m.is_admin, seconds(m.created), seconds(m.modified));
    tx.prepare_cached(sql)?.execute(values)
}

fn email(tx: &Connection, e: &ImportedEmail) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO email_addresses (id, user_id, email, verified, is_primary) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (id) DO UPDATE SET email = excluded.email, verified = excluded.verified,
                   is_primary = excluded.is_primary WHERE user_id = excluded.user_id";
    tx.prepare_cached(sql)?.execute((e.id, e.user, &e.email, e.verified, e.is_primary))
}

fn token(tx: &Connection, t: &ImportedToken) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, sealed) VALUES (?1, ?2, ?3, 'login', ?4, ?5)
               ON CONFLICT (digest) DO UPDATE SET sealed = excluded.sealed
               WHERE user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND sealed IS NULL";
    tx.prepare_cached(sql)?.execute((TokenId::generate(), t.digest.0, t.user, seconds(t.created), &t.sealed))
}

fn seconds(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

/// Takes from a group what the old installation does not give it.
fn prune(tx: &Connection, group: i64, wanted: &BTreeSet<(i64, i64)>) -> Result<(), DirectoryError> {
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
fn renumber(tx: &Connection, import: &Import) -> Result<(), DirectoryError> {
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
    tx: &Connection,
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
