//! A transaction on either engine: statements, locks, and the lines of the audit log that go with it.

use super::audit::{Audit, Note, value};
use super::error::StoreError;
use super::import::{Import, ImportStream};
use super::model::Page;
use super::sql::{self, Failure, Insert, Param, Params, Row};
use super::{postgres, sqlite};
use crate::facts::Snapshot;
use crate::id::UserId;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;

/// What an operation does with its transaction.
pub(super) type Work<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// A transaction, and the time that stamps its records.
pub(super) struct Tx<'c> {
    session: Session<'c>,
    /// Whole seconds since the Unix epoch.
    pub(super) now: i64,
    notes: Option<Mutex<Vec<Note>>>,
}

/// The engine's side of a transaction.
pub(super) enum Session<'c> {
    /// Never waits, so a future over it is ready when it is polled once.
    Sqlite(sqlite::Session<'c>),
    Postgres(postgres::Session<'c>),
}

impl<'c> Tx<'c> {
    /// A transaction that has begun; notes are taken where there is an audit log.
    pub(super) fn new(session: Session<'c>, now: i64, audit: Option<&Audit>) -> Self {
        Self { session, now, notes: audit.map(|_| Mutex::default()) }
    }

    /// What is left when the work is done: the engine's side, to end it, and the notes, to be written before.
    pub(super) fn into_parts(self) -> (Session<'c>, Vec<Note>) {
        (self.session, self.notes.map(Mutex::into_inner).unwrap_or_default())
    }

    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        match &self.session {
            Session::Sqlite(session) => session.rows(sql, params),
            Session::Postgres(session) => session.rows(sql, params).await,
        }
    }

    /// The first row, where there is one.
    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows were changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        match &self.session {
            Session::Sqlite(session) => session.execute(sql, params),
            Session::Postgres(session) => session.execute(sql, params).await,
        }
    }

    /// Keeps everybody else from changing a record until this transaction ends. SQLite has one writer at a time anyway.
    pub(super) async fn lock(&self, table: &'static str, id: &dyn Param) -> Result<(), Failure> {
        if let Session::Postgres(session) = &self.session {
            let sql = format!("SELECT 1 FROM {table} WHERE id = $1 FOR NO KEY UPDATE");
            session.execute(&sql, &[id]).await?;
        }
        Ok(())
    }

    /// The same for something that has no record yet, by a name that all who want it use.
    pub(super) async fn lock_name(&self, name: &str) -> Result<(), Failure> {
        if let Session::Postgres(session) = &self.session {
            session.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&name]).await?;
        }
        Ok(())
    }

    /// All facts of a user, within this look.
    pub(super) async fn snapshot(&self, user: UserId) -> Result<Option<Snapshot>, StoreError> {
        match &self.session {
            Session::Sqlite(session) => session.snapshot(user),
            Session::Postgres(session) => session.snapshot(user).await,
        }
    }

    /// Begins an import; what it gives is for its end.
    pub(super) async fn begin_import(&self) -> Result<i64, StoreError> {
        match &self.session {
            Session::Sqlite(session) => session.begin_import(),
            Session::Postgres(session) => session.begin_import().await.map(|()| 0),
        }
    }

    /// The next piece of an import, where there is another. SQLite's thread waits for it.
    pub(super) async fn next_piece(&self, pieces: &mut ImportStream) -> Result<Option<Import>, StoreError> {
        match &self.session {
            Session::Sqlite(_) => pieces.wait(),
            Session::Postgres(_) => pieces.next().await,
        }
    }

    /// Keeps records of an import, in the way that is fast on this engine; says of those that a rule refused which they are, and why.
    pub(super) async fn insert(
        &self,
        insert: &Insert,
        rows: &[Vec<sql::Value<'_>>],
    ) -> Result<Vec<(usize, String)>, StoreError> {
        match &self.session {
            Session::Sqlite(session) => session.insert(insert, rows),
            Session::Postgres(session) => session.insert(insert, rows).await,
        }
    }

    /// Whether references are looked at when all is done, or with each statement. PostgreSQL's follow by themselves.
    pub(super) fn defer_foreign_keys(&self, deferred: bool) -> Result<(), StoreError> {
        match &self.session {
            Session::Sqlite(session) => session.defer_foreign_keys(deferred),
            Session::Postgres(_) => Ok(()),
        }
    }

    /// Ends an import that went well or did not.
    pub(super) async fn end_import(&self, begun: i64, is_good: bool) -> Result<(), StoreError> {
        match &self.session {
            Session::Sqlite(session) => session.end_import(begun),
            Session::Postgres(session) if is_good => session.end_import().await,
            Session::Postgres(_) => Ok(()),
        }
    }

    /// Notes for the audit log that a record was made.
    pub(super) fn created(&self, action: &'static str, record: &impl Serialize) {
        self.note(|| Note::new(action, None, Value::Null, value(record)));
    }

    /// … that a record was changed.
    pub(super) fn changed<R: Serialize>(&self, action: &'static str, before: &R, after: &R) {
        self.note(|| Note::new(action, None, value(before), value(after)));
    }

    /// … that a record was changed, where the records do not tell all that was asked for.
    pub(super) fn changed_as<R: Serialize>(&self, action: &'static str, asked: Value, before: &R, after: &R) {
        self.note(|| Note::new(action, Some(asked), value(before), value(after)));
    }

    /// … that a record was deleted.
    pub(super) fn deleted(&self, action: &'static str, record: &impl Serialize) {
        self.note(|| Note::new(action, None, value(record), Value::Null));
    }

    fn note(&self, note: impl FnOnce() -> Note) {
        if let Some(notes) = &self.notes {
            notes.lock().push(note());
        }
    }
}

/// The limit of a page; where it has none, more than there are.
pub(super) fn limit(page: Page) -> i64 {
    i64::from(page.limit.unwrap_or(u32::MAX))
}

/// How many records to pass over.
pub(super) fn offset(page: Page) -> i64 {
    i64::from(page.offset)
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
