//! The way to a MySQL or MariaDB server: its URL, checked; and sessions that only read.

use crate::address::{AddressError, Server};
use crate::net::tls;
use crate::secret::{Renewed, SecretError, SecretSource};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Largest row, and largest question, in bytes.
const MOST_BYTES: usize = 4 << 20;
/// Statements that a session has prepared, at most.
const STATEMENTS: usize = 256;
/// Longest time that an unused session is believed in; the server ends it by its own rules, and a ping tells.
const IDLE: usize = 28_800;
/// The server does not know a variable.
const UNKNOWN_VARIABLE: u16 = 1193;

/// Where the database is, and who we are there. Made of a URL; nothing is looked up or read before it is used.
#[derive(Clone)]
pub struct Target {
    at: At,
    user: String,
    database: String,
    password: Option<SecretString>,
    renewed: Option<Arc<Renewed>>,
    tls: Tls,
    root: Option<PathBuf>,
}

#[derive(Clone)]
enum At {
    Host(String, u16),
    Socket(PathBuf),
}

/// As with PostgreSQL: whoever asks for more than encryption where there is some gets all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    /// Of whoever it is; none where the server has none.
    Opportunistic,
    /// With the server's certificate and name verified.
    Verified,
}

/// The URL is none of a database. Does not repeat it, since it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the URL begins with neither mysql:// nor mariadb://")]
    Scheme,
    #[error("the URL names no {0}")]
    Missing(&'static str),
    #[error("{0}")]
    Server(AddressError),
    #[error("the URL names several servers, and lookups ask one: name the proxy before them, or one of them")]
    Several,
    #[error("the URL is not understood: a name or a password is not UTF-8")]
    Encoding,
    #[error("`sslmode` must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    #[error("the URL has a parameter that there is not: there are `sslmode`, `sslrootcert` and `socket`")]
    Parameter,
    #[error("TLS has no meaning on a Unix socket: leave `sslmode` out")]
    SocketTls,
}

impl Target {
    /// Whether a URL is meant to be one of these.
    #[must_use]
    pub fn is_meant(url: &str) -> bool {
        url.starts_with("mysql://") || url.starts_with("mariadb://")
    }

    /// Reads `mysql://USER@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=PATH`, or `mysql://USER@/DATABASE?socket=PATH`.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let (_, rest) = url.split_once("://").filter(|_| Self::is_meant(url)).ok_or(TargetError::Scheme)?;
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = base.split_once('/').ok_or(TargetError::Missing("database"))?;
        let (credentials, server) = authority.rsplit_once('@').ok_or(TargetError::Missing("user"))?;
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?.into())),
            None => (credentials, None),
        };
        let (mut tls, mut root, mut socket) = (None, None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decoded(value)?;
            match name {
                "sslmode" => {
                    tls = Some(match &*value {
                        "disable" => Tls::Off,
                        "prefer" => Tls::Opportunistic,
                        "require" | "verify-ca" | "verify-full" => Tls::Verified,
                        _ => return Err(TargetError::SslMode),
                    });
                }
                "sslrootcert" => root = Some(PathBuf::from(value)),
                "socket" => socket = Some(PathBuf::from(value)),
                _ => return Err(TargetError::Parameter),
            }
        }
        let at = match socket {
            Some(_) if !matches!(tls, None | Some(Tls::Off)) => return Err(TargetError::SocketTls),
            Some(path) => At::Socket(path),
            None if server.is_empty() => return Err(TargetError::Missing("host")),
            None if server.contains(',') => return Err(TargetError::Several),
            None => {
                let server = Server::parse(server).map_err(TargetError::Server)?;
                At::Host(server.host.to_owned(), server.port.unwrap_or(3306))
            }
        };
        let (user, database) = (decoded(user)?, decoded(database)?);
        if user.is_empty() {
            return Err(TargetError::Missing("user"));
        }
        if database.is_empty() {
            return Err(TargetError::Missing("database"));
        }
        let tls = if matches!(at, At::Socket(_)) { Tls::Off } else { tls.unwrap_or(Tls::Opportunistic) };
        Ok(Self { at, user, database, password, renewed: None, tls, root })
    }

    /// Whether the URL itself holds a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The same with the password that is there: now, and at each new connection, so that a new one is used without a restart.
    ///
    /// # Errors
    /// There is none now.
    pub fn with_password_of(mut self, source: &SecretSource) -> Result<Self, SecretError> {
        self.renewed = Some(Arc::new(Renewed::new(source)?));
        Ok(self)
    }

    /// The same with root certificates for TLS, where the URL names none.
    #[must_use]
    pub fn with_root(mut self, root: Option<PathBuf>) -> Self {
        self.root = self.root.or(root);
        self
    }

    /// Whether the certificates can be read; they are read again at each connection.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.root.as_deref().filter(|_| self.tls == Tls::Verified) {
            Some(root) => tls::roots(root).map(drop).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// One session, which reads and does not write, and ends what takes longer than `limit`.
    pub(super) async fn session(&self, limit: Duration) -> Result<Conn, Error> {
        let mut session = match Conn::new(self.options(self.tls)).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if self.tls == Tls::Opportunistic => {
                Conn::new(self.options(Tls::Off)).await?
            }
            session => session?,
        };
        // Whatever the server's defaults are: a snapshot that stays would show objects as they were.
        session.query_drop("SET NAMES utf8mb4, SESSION autocommit = 1, SESSION max_error_count = 64").await?;
        session.query_drop("SET SESSION TRANSACTION READ ONLY").await?;
        // MariaDB's variable, in seconds; then MySQL's, in milliseconds.
        let told = session.query_drop(format!("SET SESSION max_statement_time = {:.3}", limit.as_secs_f64())).await;
        match told {
            Err(Error::Server(error)) if error.code == UNKNOWN_VARIABLE => {
                session.query_drop(format!("SET SESSION max_execution_time = {}", limit.as_millis())).await?;
            }
            told => told?,
        }
        Ok(session)
    }

    fn options(&self, tls: Tls) -> Opts {
        let password = self.renewed.as_ref().map(|renewed| renewed.current());
        let password = password.as_ref().or(self.password.as_ref()).map(|password| password.expose_secret());
        let options = OptsBuilder::default()
            .user(Some(&*self.user))
            .pass(password)
            .db_name(Some(&*self.database))
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(10)))
            .max_allowed_packet(Some(MOST_BYTES))
            .wait_timeout(Some(IDLE))
            .stmt_cache_size(STATEMENTS)
            .ssl_opts(self.ssl(tls));
        match &self.at {
            At::Host(host, port) => options.ip_or_hostname(host).tcp_port(*port),
            At::Socket(path) => options.socket(Some(path.to_string_lossy())),
        }
        .into()
    }

    fn ssl(&self, tls: Tls) -> Option<SslOpts> {
        match tls {
            Tls::Off => None,
            Tls::Opportunistic => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
            Tls::Verified => Some(match &self.root {
                Some(root) => {
                    SslOpts::default().with_disable_built_in_roots(true).with_root_certs(vec![root.clone().into()])
                }
                None => SslOpts::default(),
            }),
        }
    }

    fn place(&self) -> String {
        match &self.at {
            At::Host(host, port) => format!("{host}:{port}/{}", self.database),
            At::Socket(path) => format!("{}/{}", path.display(), self.database),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.place()).finish()
    }
}

fn decoded(text: &str) -> Result<String, TargetError> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| TargetError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_tells_its_place_and_never_its_password() {
        for (url, place, tls) in [
            ("mysql://reader@db/legacy", "db:3306/legacy", Tls::Opportunistic),
            ("mariadb://u:hunter2@db:3307/d?sslmode=disable", "db:3307/d", Tls::Off),
            ("mysql://u:hunter2%40x@[::1]:7/d?sslmode=verify-full&sslrootcert=%2Fca.pem", "::1:7/d", Tls::Verified),
            ("mysql://u:hunter2@/d?socket=/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock/d", Tls::Off),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.place(), target.tls), (place.to_owned(), tls), "{url}");
            assert_eq!(target.has_password(), url.contains("hunter2"));
            assert!(!format!("{target:?}").contains("hunter2"));
        }
        let target = Target::parse("mysql://u:hunter2%40x@[::1]:7/d?sslmode=require&sslrootcert=%2Fca.pem").unwrap();
        assert_eq!(target.root.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert_eq!(target.options(target.tls).pass(), Some("hunter2@x"));
        assert!(target.check().unwrap_err().contains("/ca.pem"));
    }

    #[test]
    fn a_url_that_says_too_little_or_nonsense_is_refused_without_repeating_it() {
        for url in [
            "postgres://u:hunter2@h/d",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2@h/",
            "mysql://u:hunter2@/d",
            "mysql://:hunter2@h/d",
            "mysql://h/d",
            "mysql://u:hunter2@h:port/d",
            "mysql://u:hunter2@h:+3306/d",
            "mysql://u:hunter2@a:1,b:2/d",
            "mysql://u:hunter2%FF@h/d",
            "mysql://u:hunter2@h/d?sslmode=maybe",
            "mysql://u:hunter2@h/d?require_ssl=true",
            "mysql://u:hunter2@/d?socket=/s&sslmode=require",
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
