//! A database that lookups ask, of whichever kind: how long it has, how many rows are an answer, and what is said of one that is none.

use super::mysql::{self, Mysql};
use super::postgres::Postgres;
use crate::decision::{LookupAnswer, LookupFailure};
use crate::directory::postgres::{OpenError, Target};
use crate::facts::Object;
use crate::policy::{self, Lookup};
use crate::secret::SecretError;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

pub(super) const NO_CONNECTION: &str = "no connection to the lookup's database is free, or none can be made";
pub(super) const STATEMENT_FAILED: &str = "the lookup's statement failed";
pub(super) const UNREACHABLE: &str = "the lookup's database cannot be reached";

/// A database of a service.
#[derive(Debug)]
pub struct Database {
    pub name: Box<str>,
    timeout: Duration,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Postgres(Box<Postgres>),
    Mysql(Mysql),
}

/// Why a database cannot be used as configured.
#[derive(Debug, Error)]
pub enum DatabaseError {
    #[error("databases.{0}: {1}")]
    Password(Box<str>, SecretError),
    #[error("databases.{0}: {1}")]
    Open(Box<str>, OpenError),
    #[error("databases.{0}: {1}")]
    Certificates(Box<str>, String),
}

/// The first rows; of one that cannot be read, the column.
pub(super) type Found = Vec<Result<Object, String>>;

/// A column that a statement gives.
pub(super) struct Given {
    pub(super) name: String,
    /// Its type, where values of it are not read.
    pub(super) unread: Option<String>,
}

/// Why a question was not answered.
pub(super) struct Unanswered {
    /// For the operator who looks at one request.
    pub(super) told: &'static str,
    /// For the log: never about which object.
    pub(super) why: String,
}

impl Database {
    /// A database with so many connections at most, that has so long for one answer. Connects to nothing yet.
    ///
    /// # Errors
    /// Certificates cannot be read.
    pub fn postgres(
        name: Box<str>,
        target: Target,
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        match Postgres::new(target, connections, timeout) {
            Ok(postgres) => Ok(Self { name, timeout, engine: Engine::Postgres(Box::new(postgres)) }),
            Err(error) => Err(DatabaseError::Open(name, error)),
        }
    }

    /// The same, of MySQL or MariaDB.
    ///
    /// # Errors
    /// Certificates cannot be read.
    pub fn mysql(
        name: Box<str>,
        target: mysql::Target,
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        match Mysql::new(target, connections, timeout) {
            Ok(mysql) => Ok(Self { name, timeout, engine: Engine::Mysql(mysql) }),
            Err(why) => Err(DatabaseError::Certificates(name, why)),
        }
    }

    /// Where it tells of changes, if it does.
    pub(super) const fn tells(&self) -> Option<&Target> {
        match &self.engine {
            Engine::Postgres(postgres) => Some(postgres.target()),
            Engine::Mysql(_) => None,
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks; what is wrong is logged, and never told to the caller.
    pub(super) async fn ask(&self, lookup: &Lookup, statement: &policy::Statement, args: &[Box<str>]) -> LookupAnswer {
        let found = self.in_time(async {
            match &self.engine {
                Engine::Postgres(postgres) => postgres.objects(statement, args).await,
                Engine::Mysql(mysql) => mysql.objects(statement, args).await,
            }
        });
        let found = found.await.map_err(|unanswered| self.failed(lookup, unanswered))?;
        self.only(lookup, found)
    }

    /// The same of objects that one argument each names, by one statement; the answers are in their order.
    pub(super) async fn ask_all(
        &self,
        lookup: &Lookup,
        statement: &policy::Statement,
        args: &[Box<str>],
    ) -> Result<Vec<Option<Arc<Object>>>, LookupFailure> {
        let found = self.in_time(async {
            match &self.engine {
                Engine::Postgres(postgres) => postgres.objects_of_all(statement, args).await,
                Engine::Mysql(mysql) => mysql.objects_of_all(statement, args).await,
            }
        });
        let found = found.await.map_err(|unanswered| self.failed(lookup, unanswered))?;
        found.into_iter().map(|found| self.only(lookup, found)).collect()
    }

    fn failed(&self, lookup: &Lookup, Unanswered { told, why }: Unanswered) -> LookupFailure {
        tracing::warn!(lookup = &*lookup.name, database = &*self.name, error = why, "a lookup has no answer");
        LookupFailure(told)
    }

    /// The object of an answer that has no more than one.
    fn only(&self, lookup: &Lookup, found: Found) -> LookupAnswer {
        let (lookup, database) = (&*lookup.name, &*self.name);
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(Ok(object)), None) => Ok(Some(Arc::new(object))),
            (Some(Err(column)), None) => {
                tracing::warn!(
                    lookup,
                    database,
                    column,
                    "a lookup's column has a type that is not read: cast it to text"
                );
                Err(LookupFailure("a column of the lookup has a type that is not read: cast it to text"))
            }
            (Some(_), Some(_)) => {
                tracing::warn!(lookup, database, "a lookup found two rows for one object");
                Err(LookupFailure("the lookup found two rows"))
            }
        }
    }

    /// Whether the statement can be asked as it is written: prepares it, and names the columns that it gives.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn check(&self, statement: &policy::Statement) -> Result<Vec<String>, String> {
        let columns = self.in_time(async {
            match &self.engine {
                Engine::Postgres(postgres) => postgres.columns(statement).await,
                Engine::Mysql(mysql) => mysql.columns(statement).await,
            }
        });
        let columns = columns.await.map_err(|unanswered| unanswered.why)?;
        if columns.is_empty() {
            return Err("it gives no column".to_owned());
        }
        let read = columns.into_iter().map(|Given { name, unread }| match unread {
            Some(of) => Err(format!("its column `{name}` is of the type {of}: cast it to text")),
            None => Ok(name),
        });
        read.collect()
    }

    /// Whether the account that is asked as may do more than read, as far as that can be told.
    pub(super) async fn may_write(&self) -> bool {
        let asked = self.in_time(async {
            match &self.engine {
                Engine::Postgres(postgres) => postgres.may_write().await,
                Engine::Mysql(mysql) => mysql.may_write().await,
            }
        });
        asked.await.unwrap_or(false)
    }

    /// Whether some table has the trigger of this lookup.
    pub(super) async fn has_trigger(&self, lookup: &str) -> bool {
        match &self.engine {
            Engine::Postgres(postgres) => postgres.has_trigger(lookup).await,
            Engine::Mysql(_) => false,
        }
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
        let slow =
            || Unanswered { told: "the lookup took too long", why: format!("no answer within {:?}", self.timeout) };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or_else(|_| Err(slow()))
    }
}

/// Two rows tell already that there are too many.
pub(super) fn bounded(statement: &policy::Statement) -> String {
    format!("SELECT * FROM (\n{}\n) AS object LIMIT 2", statement.text)
}
