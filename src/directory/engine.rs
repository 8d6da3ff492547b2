//! [`Directory`]: the operations' way to whichever engine keeps the records.

use super::audit::{self, Audit, Who};
use super::error::{BatchError, DirectoryError, StoreError};
use super::fields::DeclaredFields;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::terms::Terms;
use super::tx::{Caller, Sight, Tx, Work};
use super::viewer::Viewer;
use std::sync::Arc;
use std::time::Duration;

/// The engines that there are.
pub(super) enum Engine {
    Sqlite(SqliteStore),
    /// A server that many replicas share.
    Postgres(PostgresStore),
}

/// The directory: users, organizations, memberships, rights and credentials.
///
/// What the data path and logins ask is here; the operations on records are those of a [`View`], since who asks decides what they do.
/// Each is one transaction. Callers may be on any async runtime. Clones share the engine.
#[derive(Clone)]
pub struct Directory {
    pub(super) engine: Arc<Engine>,
    audit: Option<Arc<Audit>>,
    longest_token: Option<i64>,
    declared: DeclaredFields,
}

impl From<SqliteStore> for Directory {
    fn from(store: SqliteStore) -> Self {
        Self {
            engine: Arc::new(Engine::Sqlite(store)),
            audit: None,
            longest_token: None,
            declared: DeclaredFields::default(),
        }
    }
}

impl From<PostgresStore> for Directory {
    fn from(store: PostgresStore) -> Self {
        Self {
            engine: Arc::new(Engine::Postgres(store)),
            audit: None,
            longest_token: None,
            declared: DeclaredFields::default(),
        }
    }
}

impl Directory {
    /// The same directory, in which everything is changed by `who`, and written down.
    #[must_use]
    pub fn audited(&self, target: audit::Target, who: Who) -> Self {
        let audit = (target != audit::Target::Off).then(|| Arc::new(Audit { target, who }));
        Self { audit, ..self.clone() }
    }

    /// Whether it is shown by Django's tables (`schema: openwisp`), which Django works on too.
    #[must_use]
    pub fn is_of_django(&self) -> bool {
        matches!(&*self.engine, Engine::Postgres(store) if store.is_of_django())
    }

    /// Whether what is changed is written down.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        self.audit.is_some()
    }

    /// The same directory, in which `who` changes everything from here on; what is not written down stays so.
    #[must_use]
    pub fn changed_by(&self, who: Who) -> Self {
        let audit = self.audit.as_ref().map(|audit| Arc::new(Audit { target: audit.target.clone(), who }));
        Self { audit, ..self.clone() }
    }

    /// The same directory, in which every token that is made from now on ends within this time, where there is one.
    #[must_use]
    pub fn with_longest_token(&self, longest: Option<Duration>) -> Self {
        let longest_token = longest.map(|longest| i64::try_from(longest.as_secs()).unwrap_or(i64::MAX));
        Self { longest_token, ..self.clone() }
    }

    /// The same directory, whose users have these fields besides.
    #[must_use]
    pub fn declaring(&self, declared: DeclaredFields) -> Self {
        Self { declared, ..self.clone() }
    }

    /// What fields users have besides.
    #[must_use]
    pub fn declared(&self) -> &DeclaredFields {
        &self.declared
    }

    /// The same directory, as somebody sees it and may change it.
    #[must_use]
    pub fn as_seen_by(&self, viewer: Viewer) -> View {
        View { directory: self.clone(), viewer, terms: Terms::default() }
    }

    pub(super) async fn read<T, E>(
        &self,
        look: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.transaction(Sight::Moment, Caller::default(), look).await
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
        let Self { audit, longest_token, declared, .. } = self.clone();
        let caller = Caller { audit, longest_token, declared, ..Caller::default() };
        self.transaction(Sight::Change, caller, work).await
    }

    async fn transaction<T, E>(
        &self,
        sight: Sight,
        caller: Caller,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(store) => store.transaction(sight, caller, work).await,
            Engine::Postgres(store) => store.transaction(sight, caller, work).await,
        }
    }
}

/// The directory as one viewer sees it and may change it.
#[derive(Clone)]
pub struct View {
    directory: Directory,
    viewer: Viewer,
    terms: Terms,
}

impl View {
    /// The directory without anybody who asks. Not by `Deref`: what stands there would be done as if nobody had to be asked.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The same, as somebody else sees it, on the same terms.
    #[must_use]
    pub fn as_seen_by(&self, viewer: Viewer) -> Self {
        Self { viewer, ..self.clone() }
    }

    /// The same, in which something is changed on these terms alone.
    pub(super) fn on(&self, terms: Terms) -> Self {
        Self { terms, ..self.clone() }
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms.clone()
    }

    pub(super) async fn read<T, E>(
        &self,
        look: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.see(Sight::Moment, look).await
    }

    /// A look that is one statement, or tells of one: it needs no transaction.
    pub(super) async fn look<T, E>(
        &self,
        look: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.see(Sight::Statement, look).await
    }

    async fn see<T, E>(
        &self,
        sight: Sight,
        look: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (viewer, declared) = (self.viewer.clone(), self.directory.declared.clone());
        let caller = Caller { viewer, declared, ..Caller::default() };
        self.directory.transaction(sight, caller, look).await
    }

    pub(super) async fn write<T, E>(
        &self,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<DirectoryError> + Send + 'static,
    {
        let Directory { audit, longest_token, declared, .. } = self.directory.clone();
        let caller = Caller { viewer: self.viewer.clone(), audit, longest_token, declared };
        let terms = self.terms.clone();
        let on_terms = self.directory.transaction(Sight::Change, caller, move |tx| {
            Box::pin(async move {
                terms.begin(tx).await?;
                let done = work(tx).await?;
                let answer = terms.answer(&done)?;
                terms.end(tx, answer).await?;
                Ok(done)
            })
        });
        on_terms.await
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

/// Operations of a [`View`], which look, read or write: what each takes, first what is borrowed, and the rule that does it in a transaction.
macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident($($by:ident: &$by_type:ty),* $(; $($arg:ident: $arg_type:ty),+)?) -> $done:ty = $rule:path;
    )*) => {
        impl $crate::directory::engine::View {$(
            $(#[$doc])*
            pub async fn $name(
                &self,
                $($by: &$by_type,)*
                $($($arg: $arg_type,)+)?
            ) -> Result<$done, $crate::directory::DirectoryError> {
                $(let $by = $by.clone();)*
                self.$kind(move |tx| Box::pin(async move { $rule(tx, $(&$by,)* $($($arg),+)?).await })).await
            }
        )*}
    };
}
pub(super) use operations;
