//! What happened to a record: the verb `history` of users, organizations, groups and roles.

use super::moment::stamp_micros;
use super::noun::ListArgs;
use super::output::{Exit, Output, Record};
use crate::directory::{HistoryOf, HistoryRecord, View};
use serde::Serialize;
use serde_json::Value;

/// A line as it is shown.
#[derive(Serialize)]
struct Line {
    id: i64,
    at: String,
    what: String,
    name: String,
    by: Option<String>,
    via: String,
    /// The fields that were changed, for who reads a table.
    changed: String,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    field: String,
    before: Value,
    after: Value,
}

impl Record for Line {
    const COLUMNS: &'static [&'static str] = &["at", "what", "name", "changed", "by", "via"];

    fn fields() -> Vec<&'static str> {
        vec!["id", "at", "what", "name", "by", "via", "changed", "changes"]
    }
}

impl From<HistoryRecord> for Line {
    fn from(record: HistoryRecord) -> Self {
        let changes = record.all_changes().map(|(field, before, after)| Change { field, before, after });
        let changes: Vec<_> = changes.collect();
        let changed: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
        let (changed, by) = (changed.join(", "), record.who().map(str::to_owned));
        let HistoryRecord { id, at, what, name, via, .. } = record;
        Self { id, at: stamp_micros(at), what, name, by, via, changed, changes }
    }
}

/// Shows what happened to a record, the newest first.
///
/// # Errors
/// There is no such record, a word of the list is unknown, or stdout cannot be written.
pub(super) async fn show(store: &View, of: HistoryOf, list: ListArgs, out: &mut Output) -> anyhow::Result<Exit> {
    let found = store.history(&list.into(), of).await?;
    out.list(&found.rows.into_iter().map(Line::from).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}
