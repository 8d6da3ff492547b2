//! Questions to MySQL and MariaDB: one prepared statement, arguments as bound texts, at most two rows.
//!
//! Their comparisons are kinder than PostgreSQL's: next to a number, a text counts for the number that it begins with, so that `17abc`
//! finds row 17. They only warn of it. An argument that such a warning is about names no object, and so does one that is a number in an
//! unusual spelling (`1e1`, `017`), of which they do not even warn: see `spelled`.

mod batch;
mod target;
mod value;

pub use target::{Target, TargetError};

use super::database::{Found, Given, NO_CONNECTION, STATEMENT_FAILED, UNREACHABLE, Unanswered, bounded};
use crate::policy;
use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, Timeouts};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Row, ServerError, Value};
use std::fmt;
use std::time::{Duration, Instant};

/// A session that was used as recently as this is still there.
const FRESH: Duration = Duration::from_millis(500);

/// A MySQL or MariaDB database of a service.
pub(super) struct Mysql {
    pool: Pool<Sessions>,
}

impl fmt::Debug for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mysql").field(&self.pool.manager().target).finish()
    }
}

/// Opens sessions.
struct Sessions {
    target: Target,
    limit: Duration,
}

struct Session {
    connection: Conn,
    /// Nothing that was asked is without an answer.
    is_whole: bool,
    used: Instant,
}

impl Manager for Sessions {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        let connection = self.target.session(self.limit).await?;
        Ok(Session { connection, is_whole: true, used: crate::clock::monotonic() })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        if !session.is_whole || session.connection.is_disconnected() {
            return Err(RecycleError::message("its last question had no answer"));
        }
        if crate::clock::monotonic().duration_since(session.used) > FRESH {
            session.connection.ping().await?;
        }
        Ok(())
    }
}

/// Why a question was not answered.
enum Failure {
    Server(ServerError),
    Other(Error),
    Pool(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(error) => Self::Server(error),
            error => Self::Other(error),
        }
    }
}

impl From<PoolError<Error>> for Failure {
    fn from(error: PoolError<Error>) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            other => Self::Pool(other.to_string()),
        }
    }
}

impl Failure {
    /// Whether an argument is no value of the type that it is compared with, or made into: then there is no such object.
    fn is_bad_argument(&self, args: &[Box<str>]) -> bool {
        match self {
            Self::Server(ServerError { code, .. }) => {
                is_bad_value(*code) || *code == MIX_OF_COLLATIONS && !args.iter().all(|arg| arg.is_ascii())
            }
            Self::Other(_) | Self::Pool(_) => false,
        }
    }

    fn unanswered(self, args: &[Box<str>]) -> Unanswered {
        match self {
            Self::Server(error) => {
                // What the server quotes may be the object's name.
                let quotes = args.iter().any(|arg| error.message.contains(&format!("'{arg}")));
                let message = if quotes { "(what it says quotes an argument)" } else { &*error.message };
                let why = format!("{} ({}): {message}", error.code, error.state);
                let told = match error.code {
                    STATEMENT_TIMEOUT | EXECUTION_TIMEOUT => "the lookup took too long",
                    _ => STATEMENT_FAILED,
                };
                Unanswered { told, why }
            }
            Self::Other(error) => Unanswered { told: UNREACHABLE, why: error.to_string() },
            Self::Pool(why) => Unanswered { told: NO_CONNECTION, why },
        }
    }
}

const MIX_OF_COLLATIONS: u16 = 1267;
/// MariaDB's.
const STATEMENT_TIMEOUT: u16 = 1969;
/// MySQL's.
const EXECUTION_TIMEOUT: u16 = 3024;

/// Whether an error, or a warning, says that a text is no value of some type, or none of some character set.
fn is_bad_value(code: u16) -> bool {
    let truncated = [1264, 1265, 1292, 1366, 1411, 1525, 1918];
    let characters = [1300, 1977, 3854, 3988];
    truncated.contains(&code) || characters.contains(&code)
}

impl Mysql {
    /// With so many connections at most, and so long for one answer. Connects to nothing yet.
    pub(super) fn new(target: Target, connections: usize, limit: Duration) -> Result<Self, String> {
        target.check()?;
        let timeouts = Timeouts { wait: Some(limit), create: Some(limit), recycle: Some(limit) };
        let pool = Pool::builder(Sessions { target, limit })
            .max_size(connections)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { pool })
    }

    /// The first two rows.
    pub(super) async fn objects(&self, statement: &policy::Statement, args: &[Box<str>]) -> Result<Found, Unanswered> {
        let sql = bounded(statement);
        match self.on_a_session(async |connection| found(connection, &sql, args).await).await {
            Ok(rows) => Ok(rows.iter().map(|row| value::object(row, 0)).collect()),
            Err(failure) if failure.is_bad_argument(args) => Ok(Found::new()),
            Err(failure) => Err(failure.unanswered(args)),
        }
    }

    /// The columns that the statement gives.
    pub(super) async fn columns(&self, statement: &policy::Statement) -> Result<Vec<Given>, Unanswered> {
        let sql = bounded(statement);
        let prepared = self.on_a_session(async |connection| Ok(connection.prep(sql).await?)).await;
        let prepared = prepared.map_err(|failure| failure.unanswered(&[]))?;
        let (wanted, args) = (usize::from(prepared.num_params()), statement.args);
        if wanted != args {
            let why = format!("it has {wanted} parameters, and `args` gives {args}");
            return Err(Unanswered { told: STATEMENT_FAILED, why });
        }
        let columns = prepared.columns();
        let given =
            columns.iter().map(|column| Given { name: column.name_str().into_owned(), unread: value::unread(column) });
        Ok(given.collect())
    }

    /// Whether the account may do more than read.
    pub(super) async fn may_write(&self) -> Result<bool, Unanswered> {
        let asked = self.on_a_session(async |connection| Ok(connection.query::<String, _>("SHOW GRANTS").await?));
        let grants = asked.await.map_err(|failure| failure.unanswered(&[]))?;
        Ok(grants.iter().any(|grant| is_for_more_than_reading(grant)))
    }

    /// A session that is left before it has answered, or that fails otherwise than by what the server says, is used no more.
    async fn on_a_session<T>(&self, ask: impl AsyncFnOnce(&mut Conn) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut session = self.pool.get().await?;
        session.is_whole = false;
        let answer = ask(&mut session.connection).await;
        session.is_whole = matches!(answer, Ok(_) | Err(Failure::Server(_)));
        session.used = crate::clock::monotonic();
        answer
    }
}

/// Whether `GRANT …, … ON …` names a right beside those of a reader. A role (`GRANT … TO …`) is not looked into.
fn is_for_more_than_reading(grant: &str) -> bool {
    let reading = ["USAGE", "SELECT", "EXECUTE", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "PROXY"];
    let Some((rights, _)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
        return false;
    };
    // Columns stand behind a right, in parentheses.
    let mut rights = rights.split([',', '(']).map(str::trim).filter(|right| !right.starts_with('`'));
    rights.any(|right| !right.is_empty() && !reading.contains(&right))
}

/// The rows, but for those that only a kind comparison finds.
async fn found(connection: &mut Conn, sql: &str, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
    for (at, arg) in args.iter().enumerate().filter(|(_, arg)| spelled(arg)) {
        // With a letter behind it, it is the same number, of which they warn where it is one to them.
        let mut marked = args.to_vec();
        if let Some(place) = marked.get_mut(at) {
            *place = format!("{arg}x").into();
        }
        rows(connection, sql, &marked).await?;
        if has_bad_value(connection).await? {
            return Ok(Vec::new());
        }
    }
    let rows = rows(connection, sql, args).await?;
    Ok(if has_bad_value(connection).await? { Vec::new() } else { rows })
}

/// Whether a text is a number, in another spelling than the usual one of whole numbers.
fn spelled(arg: &str) -> bool {
    let is_usual = arg.parse::<i128>().is_ok_and(|number| number.to_string() == arg);
    !is_usual && arg.trim().parse::<f64>().is_ok()
}

async fn rows(connection: &mut Conn, sql: &str, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
    let values = args.iter().map(|arg| Value::Bytes(arg.as_bytes().to_vec())).collect::<Vec<_>>();
    let values = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
    Ok(connection.exec(sql, values).await?)
}

/// Whether the last statement warned of a value that is none.
async fn has_bad_value(connection: &mut Conn) -> Result<bool, Failure> {
    let count = connection.get_warnings();
    if count == 0 {
        return Ok(false);
    }
    let warnings: Vec<(String, u16, String)> = connection.query("SHOW WARNINGS").await?;
    // The server keeps the first ones alone (`max_error_count`): what was not kept may be one.
    let is_cut = warnings.len() < usize::from(count);
    Ok(is_cut || warnings.iter().any(|(_, code, _)| is_bad_value(*code)))
}

#[cfg(test)]
mod tests {
    use super::{is_for_more_than_reading, spelled};

    #[test]
    fn grants_of_a_reader_are_told_from_others() {
        for grant in [
            "GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*1'",
            "GRANT SELECT, EXECUTE ON `legacy`.* TO `reader`@`%`",
            "GRANT SELECT (`id`, `name`), SHOW VIEW ON `legacy`.`device` TO `reader`@`%`",
            "GRANT `readers` TO `reader`@`%`",
        ] {
            assert!(!is_for_more_than_reading(grant), "{grant}");
        }
        for grant in [
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
            "GRANT SELECT, INSERT ON `legacy`.* TO `reader`@`%`",
            "GRANT UPDATE (`name`) ON `legacy`.`device` TO `reader`@`%`",
        ] {
            assert!(is_for_more_than_reading(grant), "{grant}");
        }
    }

    #[test]
    fn numbers_in_unusual_spellings_are_looked_at_twice() {
        for usual in ["17", "-3", "0", "9007199254740993", "abc", "17abc", "1e1x", "", "0x11"] {
            assert!(!spelled(usual), "{usual}");
        }
        for unusual in ["1e1", "017", "+17", " 17", "17 ", "17.0", "17.", ".5", "-0"] {
            assert!(spelled(unusual), "{unusual}");
        }
    }
}
