//! An import's records into PostgreSQL, many a statement.
//!
//! Records go in by the hundred, behind a savepoint. Where one of them breaks a rule, its hundred is tried again in two halves,
//! down to the one; so a good dump costs a statement for each hundred, and a bad record some more.

use super::error::Failure;
use super::session::Session;
use crate::directory::StoreError;
use crate::directory::import::in_words;
use crate::directory::sql::{Insert, Value};
use tokio_postgres::types::ToSql;

/// The tables that grow. Without this the planner knows them as they were until autovacuum comes by, and reads them whole for one user.
/// A role that does not own them gets a warning and goes on.
const ANALYZE: &str =
    "ANALYZE users, email_addresses, organizations, memberships, owners, tokens, permissions, user_permissions,
    groups, group_permissions, group_users";

/// Records in one statement, at most.
const AT_ONCE: usize = 500;

pub(super) async fn begin(session: &Session<'_>) -> Result<(), StoreError> {
    // Each record is judged when it is kept, and not all of them at the end.
    session.modify("SET CONSTRAINTS ALL IMMEDIATE", &[]).await?;
    Ok(())
}

pub(super) async fn end(session: &Session<'_>) -> Result<(), StoreError> {
    // Whoever comes next gets a number behind those that came along.
    for table in ["permissions", "groups", "email_addresses"] {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(coalesce(max(id), 1), 1)) FROM {table}"
        );
        session.modify(&sql, &[]).await?;
    }
    session.modify(ANALYZE, &[]).await?;
    Ok(())
}

pub(super) async fn insert(
    session: &Session<'_>,
    insert: &Insert,
    rows: &[Vec<Value<'_>>],
) -> Result<Vec<(usize, String)>, StoreError> {
    let sql = statement(insert);
    let mut refused = Vec::new();
    // Where each begins; the last is the next.
    let mut left: Vec<(usize, &[Vec<Value<'_>>])> =
        rows.chunks(AT_ONCE).enumerate().map(|(chunk, some)| (chunk * AT_ONCE, some)).rev().collect();
    while let Some((at, some)) = left.pop() {
        session.modify("SAVEPOINT records", &[]).await?;
        let columns = columns(some);
        let params: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
        if let Err(failure) = session.modify(&sql, &params).await {
            let problem = refusal(&failure).ok_or(failure)?;
            session.roll_back_to("records").await?;
            if some.len() == 1 {
                refused.push((at, problem));
            } else {
                let half = some.len() / 2;
                let (first, second) = some.split_at(half);
                left.extend([(at + half, second), (at, first)]);
            }
        }
        session.modify("RELEASE SAVEPOINT records", &[]).await?;
    }
    Ok(refused)
}

/// Takes an array for each column.
fn statement(insert: &Insert) -> String {
    let (mut names, mut values, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (name, ty)) in insert.columns.iter().enumerate() {
        names.push(*name);
        values.push(format!("{name}::{ty}"));
        arrays.push(format!("${}::{ty}[]", at + 1));
    }
    let conflict = match (&insert.conflict, names.as_slice()) {
        (None, [key, others @ ..]) => {
            let set: Vec<String> = others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
            format!("({key}) DO UPDATE SET {}", set.join(", "))
        }
        (conflict, _) => conflict.clone().unwrap_or_default(),
    };
    let (table, names, values, arrays) = (insert.table, names.join(", "), values.join(", "), arrays.join(", "));
    format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS new ({names}) ON CONFLICT {conflict}"
    )
}

fn columns<'r>(rows: &'r [Vec<Value<'r>>]) -> Vec<Vec<&'r Value<'r>>> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(|at| rows.iter().filter_map(|row| row.get(at)).collect()).collect()
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
    ["21", "22", "23", "P0"].contains(&class).then(|| in_words(db.constraint(), db.message()))
}
