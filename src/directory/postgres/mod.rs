//! The store that many replicas share: PostgreSQL 13 or newer.
//!
//! A bounded pool of connections, whose statements are prepared once; one more connection follows the feed of changes, so
//! that a crowd of cold credentials never keeps it waiting (`feed`). All of them live on the control plane's runtime,
//! whoever asks. Every operation is a function of a transaction, in the file of its noun; `store` only runs it. `open` has
//! the checks at the beginning, `connect` the way to the server, `migrate` the schema.

mod bundle;
mod connect;
mod credentials;
mod error;
mod feed;
mod gateway;
mod groups;
mod ids;
mod import;
mod inspect;
mod memberships;
pub mod migrate;
mod open;
mod organizations;
mod outage;
mod owners;
mod people;
mod permissions;
mod problem;
mod roles;
mod statement;
mod store;
mod tls;
mod tokens;
mod transaction;
mod users;

pub use connect::{Target, TargetError};
pub use feed::KEEP;
pub use inspect::{Inspection, inspect};
pub use open::{migrate, status};
pub use problem::{OpenError, OpenProblem};

use super::token::ChecksumKey;
use super::{BatchError, DirectoryError, Page, StoreError};
use crate::clock;
use deadpool_postgres::{Object, Pool};
use feed::Feed;
use outage::Outage;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use transaction::Tx;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections besides the one that follows the changes.
    pub connections: usize,
    /// To be connected.
    pub connect: Duration,
    /// For the gateway's questions: a free connection, and the answer.
    pub answer: Duration,
    /// For one statement of an operation on the directory.
    pub statement: Duration,
    /// The clock that stamps records: whole seconds since the Unix epoch.
    pub now: fn() -> i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(3),
            statement: Duration::from_secs(30),
            now: clock::unix_seconds,
        }
    }
}

/// The shared store. Its work is done on the runtime that it was opened on.
pub struct PostgresStore {
    key: ChecksumKey,
    identity: String,
    inner: Arc<Inner>,
    runtime: Handle,
}

struct Inner {
    pool: Pool,
    outage: Arc<Outage>,
    /// Connections are sessions of our own: no pooler stands between.
    direct: bool,
    options: Options,
    feed: Feed,
}

/// What an operation does with its transaction.
type Work<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

impl PostgresStore {
    /// Connects, and brings the schema up to date where that is not done and this role may.
    ///
    /// # Errors
    /// [`OpenError`], which names the server and the remedy.
    pub async fn open(target: &Target, options: Options) -> Result<Self, OpenError> {
        let open::Opened { key, identity, direct } = open::database(target, &options).await?;
        let pool = target.pool(&options).map_err(|problem| target.refused(problem))?;
        let outage = Arc::<Outage>::default();
        let feed = Feed::new(target.clone(), options, direct, Arc::clone(&outage));
        let inner = Arc::new(Inner { pool, outage, direct, options, feed });
        Ok(Self { key, identity, inner, runtime: Handle::current() })
    }

    /// Does some work on the store's own runtime, to its end even if the caller goes away: a connection is never given back
    /// in the middle of something.
    async fn run<T, E>(&self, work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let gone = |_| Err(StoreError::Unavailable("it has stopped".to_owned()).into());
        self.runtime.spawn(work).await.unwrap_or_else(gone)
    }

    /// One consistent look.
    async fn read<T, E>(&self, look: impl for<'t> FnOnce(&'t Tx<'t>) -> Work<'t, T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.transaction(true, look).await }).await
    }

    /// All of it or nothing.
    async fn write<T, E>(
        &self,
        work: impl for<'t> FnOnce(&'t Tx<'t>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.transaction(false, work).await }).await
    }

    /// Does the same to every item, in one transaction.
    async fn write_all<N, T>(
        &self,
        items: Vec<N>,
        work: impl for<'t> Fn(&'t Tx<'t>, N) -> Work<'t, T, DirectoryError> + Send + Sync + 'static,
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

impl Inner {
    async fn transaction<T, E>(
        &self,
        read_only: bool,
        work: impl for<'t> FnOnce(&'t Tx<'t>) -> Work<'t, T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut connection = self.connection().await.map_err(StoreError::from)?;
        let limit = self.options.statement;
        let done = async {
            let now = (self.options.now)();
            let tx = Tx::begin(&mut connection, self.direct, read_only, limit, now).await.map_err(StoreError::from)?;
            let done = work(&tx).await?;
            tx.commit().await.map_err(StoreError::from)?;
            Ok(done)
        };
        let done = done.await;
        if done.is_err() {
            // It may still be busy with what nobody waits for any more. Refusals are rare, and a connection is quickly made.
            drop(Object::take(connection));
        }
        done
    }
}

/// PostgreSQL's word for no limit is NULL.
fn limit(page: Page) -> Option<i64> {
    page.limit.map(i64::from)
}

/// How many records to pass over.
fn offset(page: Page) -> i64 {
    i64::from(page.offset)
}
