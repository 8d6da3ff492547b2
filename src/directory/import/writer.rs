//! Keeps an import's records, each of which is judged by itself: what a rule refuses is reported, what the store itself cannot do
//! ends it all.

use super::{Import, ImportReport, ImportStream, ImportedToken, ImportedUser, SkippedRecord};
use crate::directory::error::{DirectoryError, StoreError};
use crate::directory::resources::{
    EmailRecord, Field, MembershipRecord, OrganizationRecord, PermissionRecord, Resource, UserRecord,
};
use crate::directory::sql::{Insert, Param, Value};
use crate::directory::tx::Tx;
use crate::id::TokenId;
use crate::password::PasswordHash;
use std::collections::BTreeSet;

pub(in crate::directory) async fn import(tx: &Tx<'_>, pieces: ImportStream) -> Result<ImportReport, DirectoryError> {
    let begun = tx.session.begin_import().await?;
    let done = all(tx, pieces).await;
    tx.session.end_import(begun, done.is_ok()).await?;
    let report = done?;
    tx.created("import", &report);
    Ok(report)
}

async fn all(tx: &Tx<'_>, mut pieces: ImportStream) -> Result<ImportReport, DirectoryError> {
    let mut writer = Writer { tx, report: ImportReport::default() };
    while let Some(piece) = pieces.next(tx.session.has_thread()).await? {
        writer.rights(&piece).await?;
        writer.people(&piece).await?;
        for skipped_record in piece.skipped {
            writer.report.skip(skipped_record);
        }
    }
    Ok(writer.report)
}

struct Writer<'t, 'c> {
    tx: &'t Tx<'c>,
    report: ImportReport,
}

impl Writer<'_, '_> {
    /// Keeps records of a kind.
    async fn each<R: Sync>(
        &mut self,
        kind: &'static str,
        insert: &Insert,
        records: &[R],
        row: impl for<'r> Fn(&'r R) -> Vec<Value<'r>> + Send,
        name: impl Fn(&R) -> String + Send,
    ) -> Result<(), StoreError> {
        let rows: Vec<Vec<Value<'_>>> = records.iter().map(row).collect();
        let refused = self.tx.session.insert(insert, &rows).await?;
        self.report.keep(kind, records.len().saturating_sub(refused.len()));
        for (at, problem) in refused {
            let record = records.get(at).map(&name).unwrap_or_default();
            self.report.skip(SkippedRecord { kind, record, problem });
        }
        Ok(())
    }

    async fn rights(&mut self, piece: &Import) -> Result<(), DirectoryError> {
        if piece.permissions.is_empty() && piece.groups.is_empty() && piece.group_permissions.is_empty() {
            return Ok(());
        }
        renumber(self.tx, piece).await?;
        let insert = Insert {
            conflict: Some(
                "(codename) DO UPDATE SET name = excluded.name, model = excluded.model
                 WHERE permissions.name <> excluded.name OR permissions.model <> excluded.model"
                    .into(),
            ),
            ..inserted::<PermissionRecord>()
        };
        self.each("permission", &insert, &piece.permissions, values, |p| p.codename.clone()).await?;
        let conflict = "(id) DO UPDATE SET name = excluded.name WHERE groups.name <> excluded.name";
        let insert = tied("groups", ("id", "bigint"), ("name", "text"), conflict);
        self.each("group", &insert, &piece.groups, pair, |(_, name)| name.clone()).await?;
        // A group gives what the old installation gives it, and nothing besides.
        let wanted: BTreeSet<(i64, i64)> = piece.group_permissions.iter().copied().collect();
        for (group, _) in &piece.groups {
            prune(self.tx, *group, &wanted).await?;
        }
        let (group, permission) = (("group_id", "bigint"), ("permission_id", "bigint"));
        let insert = tied("group_permissions", group, permission, "DO NOTHING");
        let name = |(group, permission): &(i64, i64)| format!("{group}, {permission}");
        self.each("group permission", &insert, &piece.group_permissions, pair, name).await?;
        Ok(())
    }

    async fn people(&mut self, piece: &Import) -> Result<(), StoreError> {
        let insert = inserted::<OrganizationRecord>();
        self.each("organization", &insert, &piece.organizations, values, |o| o.slug.clone()).await?;
        self.each("user", &users(), &piece.users, user, |u| u.user.username.clone()).await?;
        // That of a primary organization is there since its user is.
        let conflict = "(user_id, organization_id) DO UPDATE SET id = excluded.id, is_admin = excluded.is_admin
             WHERE memberships.is_admin <> excluded.is_admin OR memberships.id <> excluded.id";
        let insert = Insert { conflict: Some(conflict.into()), ..inserted::<MembershipRecord>() };
        self.each("membership", &insert, &piece.memberships, values, |m| m.id.to_string()).await?;
        let (user, group) = (("user_id", "uuid"), ("group_id", "bigint"));
        let conflict =
            "(organization_id) DO UPDATE SET user_id = excluded.user_id WHERE owners.user_id <> excluded.user_id";
        let insert = tied("owners", ("organization_id", "uuid"), user, conflict);
        self.each("owner", &insert, &piece.owners, pair, |(organization, _)| organization.to_string()).await?;
        let insert = tied("group_users", user, group, "DO NOTHING");
        self.each("user group", &insert, &piece.user_groups, pair, |(user, group)| format!("{user}, {group}")).await?;
        let insert = tied("user_permissions", user, ("permission_id", "bigint"), "DO NOTHING");
        let name = |(user, permission): &(_, i64)| format!("{user}, {permission}");
        self.each("user permission", &insert, &piece.user_permissions, pair, name).await?;
        let conflict =
            "(id) DO UPDATE SET email = excluded.email, verified = excluded.verified, is_primary = excluded.is_primary
             WHERE email_addresses.user_id = excluded.user_id";
        let insert = Insert { conflict: Some(conflict.into()), ..inserted::<EmailRecord>() };
        self.each("e-mail address", &insert, &piece.emails, values, |e| e.id.to_string()).await?;
        self.each("token", &tokens(), &piece.tokens, token, |t| format!("of user {}", t.user)).await
    }
}

/// How records are kept by their definition.
fn inserted<R: Resource>() -> Insert {
    let columns = R::FIELDS.iter().filter(|field| is_imported(field)).map(|field| (field.column(), field.sql_type));
    Insert { table: R::TABLE, columns: columns.collect(), conflict: None }
}

/// The values of a record for it.
fn values<R: Resource>(record: &R) -> Vec<Value<'_>> {
    let fields = R::FIELDS.iter().zip(record.values());
    fields.filter(|(field, _)| is_imported(field)).map(|(_, value)| value).collect()
}

const fn is_imported(field: &Field) -> bool {
    field.is_column() && field.imported
}

/// How it is kept who or what belongs to whom or what.
fn tied(
    table: &'static str,
    one: (&'static str, &'static str),
    other: (&'static str, &'static str),
    conflict: &str,
) -> Insert {
    Insert { table, columns: vec![one, other], conflict: Some(conflict.to_owned()) }
}

fn pair<A: Param, B: Param>((one, other): &(A, B)) -> Vec<Value<'_>> {
    vec![one.value(), other.value()]
}

/// Who is there already takes all of the new values, but for when the record was changed.
fn users() -> Insert {
    let mut insert = inserted::<UserRecord>();
    insert.columns.push(("password", "text"));
    // Their name stays where it has been put.
    let stays = ["id", "modified", "modified_micros", "organization_id"];
    let set = insert.columns.iter().filter(|(name, _)| !stays.contains(name));
    let set: Vec<String> = set.map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    Insert { conflict: Some(format!("(id) DO UPDATE SET {}", set.join(", "))), ..insert }
}

fn user(u: &ImportedUser) -> Vec<Value<'_>> {
    let mut values = values(&u.user);
    values.push(Value::Text(u.password.as_ref().map(PasswordHash::expose)));
    values
}

fn tokens() -> Insert {
    Insert {
        table: "tokens",
        columns: vec![
            ("id", "uuid"),
            ("digest", "bytea"),
            ("user_id", "uuid"),
            ("name", "text"),
            ("created", "bigint"),
            ("sealed", "bytea"),
        ],
        conflict: Some(
            "(digest) DO UPDATE SET sealed = excluded.sealed
             WHERE tokens.user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND tokens.sealed IS NULL"
                .into(),
        ),
    }
}

fn token(t: &ImportedToken) -> Vec<Value<'_>> {
    let id = Value::Uuid(Some(TokenId::generate().0));
    let created = Value::Int(Some(t.created.div_euclid(1_000_000)));
    vec![id, Value::Bytes(Some(&t.digest.0)), t.user.value(), "login".value(), created, t.sealed.value()]
}

/// Takes from a group what the old installation does not give it.
async fn prune(tx: &Tx<'_>, group: i64, wanted: &BTreeSet<(i64, i64)>) -> Result<(), StoreError> {
    for row in tx.rows("SELECT permission_id FROM group_permissions WHERE group_id = $1", &[&group]).await? {
        let permission: i64 = row.get("permission_id")?;
        if !wanted.contains(&(group, permission)) {
            let sql = "DELETE FROM group_permissions WHERE group_id = $1 AND permission_id = $2";
            tx.execute(sql, &[&group, &permission]).await?;
        }
    }
    Ok(())
}

/// Clients know permissions and groups by number: ours, which the schema brought, take the numbers of the old installation.
async fn renumber(tx: &Tx<'_>, import: &Import) -> Result<(), StoreError> {
    tx.session.defer_foreign_keys(true)?;
    let permissions: Vec<(i64, &str)> = import.permissions.iter().map(|p| (p.id.0, p.codename.as_str())).collect();
    let links = ["group_permissions", "user_permissions", "role_permissions", "super_role_permissions"];
    take_numbers(tx, "permissions", "codename", "permission_id", &links, &permissions).await?;
    let groups: Vec<(i64, &str)> = import.groups.iter().map(|(id, name)| (*id, name.as_str())).collect();
    take_numbers(tx, "groups", "name", "group_id", &["group_permissions", "group_users"], &groups).await?;
    tx.session.defer_foreign_keys(false)
}

/// Gives each record of `table` whose `word` is wanted its wanted number, and whoever has that one a free number. The `links`
/// follow; in PostgreSQL they have by then (ON UPDATE CASCADE).
async fn take_numbers(
    tx: &Tx<'_>,
    table: &str,
    word: &str,
    column: &str,
    links: &[&str],
    wanted: &[(i64, &str)],
) -> Result<(), StoreError> {
    let number_of = format!("SELECT id FROM {table} WHERE {word} = $1");
    let holder = format!("SELECT id FROM {table} WHERE id = $1");
    let highest = format!("SELECT coalesce(max(id), 0) AS id FROM {table}");
    let renumber = async |from: i64, to: i64| -> Result<(), StoreError> {
        tx.execute(&format!("UPDATE {table} SET id = $2 WHERE id = $1"), &[&from, &to]).await?;
        for link in links {
            let sql = format!("UPDATE {link} SET {column} = $2 WHERE {column} = $1");
            tx.execute(&sql, &[&from, &to]).await?;
        }
        Ok(())
    };
    let highest_wanted = wanted.iter().map(|(id, _)| *id).max().unwrap_or(0);
    for (number, text) in wanted {
        let now: Option<i64> = tx.row(&number_of, &[text]).await?.map(|row| row.get("id")).transpose()?;
        if now == Some(*number) {
            continue;
        }
        if tx.row(&holder, &[number]).await?.is_some() {
            let there: i64 = tx.row(&highest, &[]).await?.map_or(Ok(0), |row| row.get("id"))?;
            renumber(*number, there.max(highest_wanted).saturating_add(1)).await?;
        }
        if let Some(now) = now {
            renumber(now, *number).await?;
        }
    }
    Ok(())
}
