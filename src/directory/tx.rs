//! A transaction on either engine: statements, locks, and the lines of the audit log that go with it.

use super::audit::{Audit, Note, value};
use super::error::StoreError;
use super::fields::DeclaredFields;
use super::history;
use super::sql::{Failure, Insert, Param, Params, Row, Value as Parameter};
use super::viewer::Viewer;
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What an operation does with its transaction.
pub(super) type Work<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// An engine's side of a transaction. SQLite's never waits, so a future over it is ready when it is polled once.
#[async_trait]
pub(super) trait Session: Send + Sync {
    async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure>;

    /// The same of a statement that is planned for these values, and not kept for others.
    async fn rows_anew(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.rows(sql, params).await
    }

    /// How many rows were changed.
    async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure>;

    /// Keeps everybody else from changing a record until this transaction ends.
    async fn lock(&self, table: &'static str, id: &dyn Param) -> Result<(), Failure>;

    /// The same for something that has no record yet, by a name that all who want it use.
    async fn lock_name(&self, name: &str) -> Result<(), Failure>;

    /// That a JSON object has a member of this value, as JSON, or none where there is none: all are expressions of a statement.
    fn has_member(&self, object: &str, name: &str, value: Option<&str>) -> String;

    /// All facts of a user, within this look.
    async fn snapshot(&self, user: UserId) -> Result<Option<Snapshot>, StoreError>;

    /// Whether the work has a thread of its own, which may wait.
    fn has_thread(&self) -> bool;

    /// Begins an import; what it gives is for its end.
    async fn begin_import(&self) -> Result<i64, StoreError>;

    /// Keeps records of an import, in the way that is fast on this engine; says of those that a rule refused which they are, and why.
    async fn insert(&self, insert: &Insert, rows: &[Vec<Parameter<'_>>]) -> Result<Vec<(usize, String)>, StoreError>;

    /// Whether references are looked at when all is done, or with each statement.
    fn defer_foreign_keys(&self, deferred: bool) -> Result<(), StoreError>;

    /// Ends an import that went well or did not.
    async fn end_import(&self, begun: i64, is_good: bool) -> Result<(), StoreError>;
}

/// What the statements of an operation see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Each the moment that it is run at: for what is one statement, or tells of one.
    Statement,
    /// All of them the same moment.
    Moment,
    /// What others have committed, and what it changes itself.
    Change,
}

/// Who asks for an operation, and where it is written down.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) viewer: Viewer,
    pub(super) audit: Option<Arc<Audit>>,
    /// Seconds that a token is good for at most, where tokens must end.
    pub(super) longest_token: Option<i64>,
    /// What fields users have besides.
    pub(super) declared: DeclaredFields,
}

/// Nobody but postern itself, for what needs no log.
impl Default for Caller {
    fn default() -> Self {
        Self { viewer: Viewer::Operator, audit: None, longest_token: None, declared: DeclaredFields::default() }
    }
}

/// A transaction, and the time that stamps its records.
pub(super) struct Tx<'c> {
    pub(super) session: &'c dyn Session,
    pub(super) viewer: &'c Viewer,
    /// Whole seconds since the Unix epoch.
    pub(super) now: i64,
    /// What that leaves out, in microseconds: clients of an imported installation compare such times.
    pub(super) micros: u32,
    /// Seconds that a token is good for at most, where tokens must end.
    pub(super) longest_token: Option<i64>,
    /// What fields users have besides.
    pub(super) declared: &'c DeclaredFields,
    audit: Option<&'c Audit>,
    notes: Mutex<Vec<Note>>,
}

impl<'c> Tx<'c> {
    /// A transaction that has begun; notes are taken where there is an audit log.
    pub(super) fn new(session: &'c dyn Session, now: i64, caller: &'c Caller) -> Self {
        let Caller { viewer, audit, longest_token, declared } = caller;
        let (micros, longest_token) = (crate::clock::unix().subsec_micros(), *longest_token);
        let audit = audit.as_deref();
        Self { session, viewer, now, micros, longest_token, declared, audit, notes: Mutex::default() }
    }

    /// Writes the notes down: the work is done, and the engine commits next.
    pub(super) async fn end(self) -> Result<(), StoreError> {
        let Self { session, audit, notes, .. } = self;
        let Some(audit) = audit else { return Ok(()) };
        let notes = notes.into_inner();
        history::keep(session, &audit.who, &notes).await?;
        audit.write(&notes)
    }

    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.session.rows(sql, params).await
    }

    /// The first row, where there is one.
    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows were changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        self.session.execute(sql, params).await
    }

    /// Notes for the audit log that a record was made.
    pub(super) fn created(&self, action: &str, record: &impl Serialize) {
        self.note(|| Note::new(action.to_owned(), None, Value::Null, value(record)));
    }

    /// … that a record was changed.
    pub(super) fn changed<R: Serialize>(&self, action: &str, before: &R, after: &R) {
        self.note(|| Note::new(action.to_owned(), None, value(before), value(after)));
    }

    /// … that a record was changed, where the records do not tell all that was asked for.
    pub(super) fn changed_as<R: Serialize>(&self, action: &str, asked: Value, before: &R, after: &R) {
        self.note(|| Note::new(action.to_owned(), Some(asked), value(before), value(after)));
    }

    /// … that a record was deleted.
    pub(super) fn deleted(&self, action: &str, record: &impl Serialize) {
        self.note(|| Note::new(action.to_owned(), None, value(record), Value::Null));
    }

    fn note(&self, note: impl FnOnce() -> Note) {
        if self.audit.is_some() {
            self.notes.lock().push(note());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::audit::Target;
    use crate::directory::memory::Memory;
    use crate::directory::{DirectoryError, NewUser, users};

    #[test]
    fn audit_line_is_written_with_its_change() {
        let home = tempfile::TempDir::new().unwrap();
        let file = home.path().join("audit.jsonl");
        let memory = Memory::new().audited(Target::File(file.clone())).users(&["ann"]);
        assert_eq!(memory.count("users"), 1);
        let line: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(line["what"], "user.create");
        assert_eq!(line["after"]["username"], "ann");
    }

    #[test]
    fn change_is_rolled_back_where_its_audit_line_cannot_be_written() {
        let home = tempfile::TempDir::new().unwrap();
        let mut memory = Memory::new().audited(Target::File(home.path().to_owned()));
        let new = NewUser::named("ann").unwrap();
        let refused = memory.write(|tx| Box::pin(users::create(tx, new)));
        assert!(matches!(refused, Err(DirectoryError::Store(StoreError::Unaudited(_)))), "{refused:?}");
        assert_eq!(memory.count("users"), 0);
    }

    #[test]
    fn refused_change_leaves_no_audit_line() {
        let home = tempfile::TempDir::new().unwrap();
        let file = home.path().join("audit.jsonl");
        let mut memory = Memory::new().users(&["ann"]).audited(Target::File(file.clone()));
        // The second is refused, so the first is not made either.
        let names = [NewUser::named("bob").unwrap(), NewUser::named("ann").unwrap()];
        let refused = memory.write(|tx| {
            Box::pin(async move {
                for new in names {
                    users::create(tx, new).await?;
                }
                Ok::<_, DirectoryError>(())
            })
        });
        assert!(refused.is_err_and(|error| error.is_there_already()));
        assert_eq!(memory.count("users"), 1);
        assert!(!file.exists());
    }

    #[test]
    fn bookkeeping_needs_no_audit_log() {
        let home = tempfile::TempDir::new().unwrap();
        let mut memory = Memory::new().users(&["ann"]).audited(Target::File(home.path().to_owned()));
        let touched = memory.write(|tx| {
            Box::pin(async move { Ok::<_, StoreError>(tx.execute("UPDATE users SET last_login = 1", &[]).await?) })
        });
        assert_eq!(touched, Ok(1));
    }
}
