//! [`Directory`]: the operations' way to whichever engine keeps the records.

use super::audit::{self, Audit, Who};
use super::error::{BatchError, DirectoryError, StoreError};
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::tx::{Tx, Work};
use std::sync::Arc;

/// The engines that there are.
pub(super) enum Engine {
    Sqlite(SqliteStore),
    /// A server that many replicas share.
    Postgres(PostgresStore),
}

/// The directory: users, organizations, memberships, rights and credentials.
///
/// Each operation is one transaction, with the rules that it keeps; it stands in the file of its noun. Callers may be on any
/// async runtime. Clones share the engine.
#[derive(Clone)]
pub struct Directory {
    pub(super) engine: Arc<Engine>,
    audit: Option<Arc<Audit>>,
}

impl From<SqliteStore> for Directory {
    fn from(store: SqliteStore) -> Self {
        Self { engine: Arc::new(Engine::Sqlite(store)), audit: None }
    }
}

impl From<PostgresStore> for Directory {
    fn from(store: PostgresStore) -> Self {
        Self { engine: Arc::new(Engine::Postgres(store)), audit: None }
    }
}

impl Directory {
    /// The same directory, in which everything is changed by `who`, and written down.
    #[must_use]
    pub fn audited(&self, target: audit::Target, who: Who) -> Self {
        let audit = (target != audit::Target::Off).then(|| Arc::new(Audit { target, who }));
        Self { engine: Arc::clone(&self.engine), audit }
    }

    pub(super) async fn read<T, E>(
        &self,
        look: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(store) => store.transaction(true, None, look).await,
            Engine::Postgres(store) => store.transaction(true, None, look).await,
        }
    }

    /// All of it or nothing, with its lines in the audit log.
    pub(super) async fn write<T, E>(
        &self,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let audit = self.audit.clone();
        match &*self.engine {
            Engine::Sqlite(store) => store.transaction(false, audit, work).await,
            Engine::Postgres(store) => store.transaction(false, audit, work).await,
        }
    }

    /// Does the same to every item, in one transaction.
    pub(super) async fn write_all<N, T>(
        &self,
        items: Vec<N>,
        work: impl for<'t, 'c> Fn(&'t Tx<'c>, N) -> Work<'t, T, DirectoryError> + Send + Sync + 'static,
    ) -> Result<Vec<T>, BatchError>
    where
        N: Send + 'static,
        T: Send + 'static,
    {
        self.write(move |tx| {
            Box::pin(async move {
                let mut done = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    done.push(work(tx, item).await.map_err(|error| BatchError { index, error })?);
                }
                Ok(done)
            })
        })
        .await
    }
}
