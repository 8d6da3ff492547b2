//! The store that many replicas share: PostgreSQL 13 or newer.
//!
//! A bounded pool of connections, whose statements are prepared once; one more connection follows the feed of changes, so
//! that a crowd of cold credentials never keeps it waiting (`feed`). All of them live on the control plane's runtime,
//! whoever asks. `session` runs the directory's operations, `facts` and `gateway` are what the data path asks. `open` has
//! the checks at the beginning, `connect` the way to the server, `migrate` the schema.

mod connect;
mod error;
mod facts;
mod feed;
mod gateway;
mod ids;
mod import;
mod inspect;
pub mod migrate;
mod open;
mod openwisp;
mod outage;
mod problem;
mod session;
mod statement;
mod tls;
mod value;
mod work;

pub use connect::{Target, TargetError};
pub use error::describe;
pub use feed::{KEEP, LOOK_OVER};
pub use inspect::{Inspection, inspect};
pub use open::{migrate, plan, status, uninstall};
pub use openwisp::{Openwisp, TABLES, Watch};
pub use problem::{OpenError, OpenProblem};

use super::StoreError;
use super::token::ChecksumKey;
use super::tx::{Caller, Sight, Tx, Work};
use crate::clock;
use deadpool_postgres::{Object, Pool};
use feed::Feed;
use outage::Outage;
use session::Session;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections besides the one that follows the changes.
    pub connections: usize,
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
    /// Our tables are views of Django's.
    bridged: bool,
    options: Options,
    feed: Feed,
}

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
        let bridged = target.openwisp().is_some();
        let inner = Arc::new(Inner { pool, outage, direct, bridged, options, feed });
        Ok(Self { key, identity, inner, runtime: Handle::current() })
    }

    /// Our tables are views of Django's.
    pub(super) fn is_of_django(&self) -> bool {
        self.inner.bridged
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

    /// An operation on the directory: one consistent look, or all of it or nothing.
    pub(super) async fn transaction<T, E>(
        &self,
        sight: Sight,
        caller: Caller,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.transaction(sight, &caller, work).await }).await
    }
}

impl Inner {
    async fn transaction<T, E>(
        &self,
        sight: Sight,
        caller: &Caller,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut connection = self.connection().await.map_err(StoreError::from)?;
        let limit = self.options.statement;
        let mut is_spoilt = true;
        let done = async {
            let now = (self.options.now)();
            let session = Session::begin(&mut connection, (self.direct, self.bridged), sight, limit)
                .await
                .map_err(StoreError::from)?;
            let tx = Tx::new(&session, now, caller);
            let done = match work(&tx).await {
                Ok(done) => tx.end().await.map(|()| done).map_err(E::from),
                Err(error) => Err(error),
            };
            is_spoilt = session.is_spoilt();
            let done = done?;
            session.commit().await.map_err(StoreError::from)?;
            Ok(done)
        };
        let done = done.await;
        if done.is_err() && is_spoilt {
            // It may still be busy with what nobody waits for any more. Refusals are rare, and a connection is quickly made.
            drop(Object::take(connection));
        }
        done
    }
}
