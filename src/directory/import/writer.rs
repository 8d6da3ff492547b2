//! Keeps an import's records, each of which is judged by itself: what a rule refuses is reported, what the store itself cannot do
//! ends it all.

use super::{
    Import, ImportReport, ImportStream, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken,
    ImportedUser, Micros, SkippedRecord,
};
use crate::directory::sql::{Insert, Param, Value};
use crate::directory::tx::Tx;
use crate::directory::{DirectoryError, StoreError};
use crate::id::TokenId;
use crate::password::PasswordHash;
use std::collections::BTreeSet;

pub(in crate::directory) async fn import(tx: &Tx<'_>, pieces: ImportStream) -> Result<ImportReport, DirectoryError> {
    let begun = tx.begin_import().await?;
    let done = all(tx, pieces).await;
    tx.end_import(begun, done.is_ok()).await?;
    let report = done?;
    tx.created("import", &report);
    Ok(report)
}

async fn all(tx: &Tx<'_>, mut pieces: ImportStream) -> Result<ImportReport, DirectoryError> {
    let mut writer = Writer { tx, report: ImportReport::default() };
    while let Some(piece) = tx.next_piece(&mut pieces).await? {
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
        let refused = self.tx.insert(insert, &rows).await?;
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
        self.each("permission", &PERMISSIONS, &piece.permissions, permission, |(_, codename, _)| codename.clone())
            .await?;
        self.each("group", &GROUPS, &piece.groups, pair, |(_, name)| name.clone()).await?;
        // A group gives what the old installation gives it, and nothing besides.
        let wanted: BTreeSet<(i64, i64)> = piece.group_permissions.iter().copied().collect();
        for (group, _) in &piece.groups {
            prune(self.tx, *group, &wanted).await?;
        }
        let name = |(group, permission): &(i64, i64)| format!("{group}, {permission}");
        self.each("group permission", &GROUP_PERMISSIONS, &piece.group_permissions, pair, name).await?;
        Ok(())
    }

    async fn people(&mut self, piece: &Import) -> Result<(), StoreError> {
        self.each("organization", &ORGANIZATIONS, &piece.organizations, organization, |o| o.slug.clone()).await?;
        self.each("user", &USERS, &piece.users, user, |u| u.username.clone()).await?;
        self.each("membership", &MEMBERSHIPS, &piece.memberships, membership, |m| m.id.to_string()).await?;
        self.each("owner", &OWNERS, &piece.owners, pair, |(organization, _)| organization.to_string()).await?;
        self.each("user group", &USER_GROUPS, &piece.user_groups, pair, |(user, group)| format!("{user}, {group}"))
            .await?;
        let name = |(user, permission): &(_, i64)| format!("{user}, {permission}");
        self.each("user permission", &USER_PERMISSIONS, &piece.user_permissions, pair, name).await?;
        self.each("e-mail address", &EMAILS, &piece.emails, email, |e| e.id.to_string()).await?;
        self.each("token", &TOKENS, &piece.tokens, token, |t| format!("of user {}", t.user)).await
    }
}

const PERMISSIONS: Insert = Insert {
    table: "permissions",
    columns: "id bigint, codename text, name text",
    conflict: Some("(codename) DO UPDATE SET name = excluded.name WHERE permissions.name <> excluded.name"),
};

fn permission((id, codename, name): &(i64, String, String)) -> Vec<Value<'_>> {
    vec![id.value(), codename.value(), name.value()]
}

const GROUPS: Insert = Insert {
    table: "groups",
    columns: "id bigint, name text",
    conflict: Some("(id) DO UPDATE SET name = excluded.name WHERE groups.name <> excluded.name"),
};

const GROUP_PERMISSIONS: Insert = Insert {
    table: "group_permissions",
    columns: "group_id bigint, permission_id bigint",
    conflict: Some("DO NOTHING"),
};

const USER_GROUPS: Insert =
    Insert { table: "group_users", columns: "user_id uuid, group_id bigint", conflict: Some("DO NOTHING") };

const USER_PERMISSIONS: Insert =
    Insert { table: "user_permissions", columns: "user_id uuid, permission_id bigint", conflict: Some("DO NOTHING") };

const OWNERS: Insert = Insert {
    table: "owners",
    columns: "organization_id uuid, user_id uuid",
    conflict: Some(
        "(organization_id) DO UPDATE SET user_id = excluded.user_id WHERE owners.user_id <> excluded.user_id",
    ),
};

/// Who or what belongs to whom or what.
fn pair<A: Param, B: Param>((one, other): &(A, B)) -> Vec<Value<'_>> {
    vec![one.value(), other.value()]
}

const ORGANIZATIONS: Insert = Insert {
    table: "organizations",
    columns: "id uuid, name text, slug text, is_active boolean, description text, email text, url text, created bigint,
              created_micros bigint, modified bigint, modified_micros bigint",
    conflict: None,
};

fn organization(o: &ImportedOrganization) -> Vec<Value<'_>> {
    vec![
        o.id.value(),
        o.name.value(),
        o.slug.value(),
        o.is_active.value(),
        o.description.value(),
        o.email.value(),
        o.url.value(),
        seconds(o.created),
        micros(o.created),
        seconds(o.modified),
        micros(o.modified),
    ]
}

const USERS: Insert = Insert {
    table: "users",
    columns: "id uuid, username text, email text, phone_number text, first_name text, last_name text, password text,
              is_active boolean, is_staff boolean, is_superuser boolean, created bigint, created_micros bigint,
              modified bigint, modified_micros bigint, last_login bigint, bio text, url text, company text,
              location text, notes text, language text, birth_date date, password_updated date, expiration_date date,
              password_based_token boolean",
    conflict: Some(
        "(id) DO UPDATE SET username = excluded.username, email = excluded.email,
             phone_number = excluded.phone_number, first_name = excluded.first_name, last_name = excluded.last_name,
             password = excluded.password, is_active = excluded.is_active, is_staff = excluded.is_staff,
             is_superuser = excluded.is_superuser, created = excluded.created,
             created_micros = excluded.created_micros, last_login = excluded.last_login, bio = excluded.bio,
             url = excluded.url, company = excluded.company, location = excluded.location, notes = excluded.notes,
             language = excluded.language, birth_date = excluded.birth_date,
             password_updated = excluded.password_updated, expiration_date = excluded.expiration_date,
             password_based_token = excluded.password_based_token",
    ),
};

fn user(u: &ImportedUser) -> Vec<Value<'_>> {
    vec![
        u.id.value(),
        u.username.value(),
        u.email.value(),
        u.phone_number.value(),
        u.first_name.value(),
        u.last_name.value(),
        Value::Text(u.password.as_ref().map(PasswordHash::expose)),
        u.is_active.value(),
        u.is_staff.value(),
        u.is_superuser.value(),
        seconds(u.joined),
        micros(u.joined),
        seconds(u.joined),
        micros(u.joined),
        u.last_login.value(),
        u.bio.value(),
        u.url.value(),
        u.company.value(),
        u.location.value(),
        u.notes.value(),
        u.language.value(),
        u.birth_date.value(),
        u.password_updated.value(),
        u.expiration_date.value(),
        u.password_based_token.value(),
    ]
}

const MEMBERSHIPS: Insert = Insert {
    table: "memberships",
    columns: "id uuid, user_id uuid, organization_id uuid, is_admin boolean, created bigint, modified bigint",
    conflict: Some(
        "(user_id, organization_id) DO UPDATE SET is_admin = excluded.is_admin
         WHERE memberships.is_admin <> excluded.is_admin",
    ),
};

fn membership(m: &ImportedMembership) -> Vec<Value<'_>> {
    vec![
        m.id.value(),
        m.user.value(),
        m.organization.value(),
        m.is_admin.value(),
        seconds(m.created),
        seconds(m.modified),
    ]
}

const EMAILS: Insert = Insert {
    table: "email_addresses",
    columns: "id bigint, user_id uuid, email text, verified boolean, is_primary boolean",
    conflict: Some(
        "(id) DO UPDATE SET email = excluded.email, verified = excluded.verified, is_primary = excluded.is_primary
         WHERE email_addresses.user_id = excluded.user_id",
    ),
};

fn email(e: &ImportedEmail) -> Vec<Value<'_>> {
    vec![e.id.value(), e.user.value(), e.email.value(), e.verified.value(), e.is_primary.value()]
}

const TOKENS: Insert = Insert {
    table: "tokens",
    columns: "id uuid, digest bytea, user_id uuid, name text, created bigint, sealed bytea",
    conflict: Some(
        "(digest) DO UPDATE SET sealed = excluded.sealed
         WHERE tokens.user_id = excluded.user_id AND excluded.sealed IS NOT NULL AND tokens.sealed IS NULL",
    ),
};

fn token(t: &ImportedToken) -> Vec<Value<'_>> {
    let id = Value::Uuid(Some(TokenId::generate().0));
    vec![id, Value::Bytes(Some(&t.digest.0)), t.user.value(), "login".value(), seconds(t.created), t.sealed.value()]
}

const fn seconds(at: Micros) -> Value<'static> {
    Value::Int(Some(at.div_euclid(1_000_000)))
}

/// What the seconds leave out.
const fn micros(at: Micros) -> Value<'static> {
    Value::Int(Some(at.rem_euclid(1_000_000)))
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
    tx.defer_foreign_keys(true)?;
    let permissions: Vec<(i64, &str)> = import.permissions.iter().map(|(id, word, _)| (*id, word.as_str())).collect();
    let links = ["group_permissions", "user_permissions", "role_permissions", "super_role_permissions"];
    take_numbers(tx, "permissions", "codename", "permission_id", &links, &permissions).await?;
    let groups: Vec<(i64, &str)> = import.groups.iter().map(|(id, name)| (*id, name.as_str())).collect();
    take_numbers(tx, "groups", "name", "group_id", &["group_permissions", "group_users"], &groups).await?;
    tx.defer_foreign_keys(false)
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
