//! The way to the server: its URL, checked; and connections.

use super::Options;
use super::openwisp::Openwisp;
use super::problem::{OpenError, OpenProblem};
use super::tls::{Assurance, connector};
use crate::address::{self, AddressError, Server};
use crate::secret::{Renewed, SecretError, SecretSource};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connection to be driven.
pub type Driven = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Where the database is, and who we are there. Made of a URL; nothing is looked up or read before it is used.
#[derive(Clone)]
pub struct Target {
    config: Config,
    password: Option<Arc<Renewed>>,
    assurance: Assurance,
    root: Option<PathBuf>,
    place: String,
    /// Whose tables the directory is, where they are not its own.
    openwisp: Option<Arc<Openwisp>>,
}

/// The URL is none of a database. Does not repeat it, since it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the URL is not understood: {0}")]
    Malformed(String),
    /// A value of `sslmode` that there is not.
    #[error("`sslmode` must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// A host or a port is none.
    #[error("{0}")]
    Server(AddressError),
    /// No host, or no database.
    #[error("the URL names no {0}")]
    Missing(&'static str),
}

impl Target {
    /// Reads `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=PATH`; several hosts with commas. Other
    /// parameters are libpq's, as far as tokio-postgres knows them.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut assurance, mut root) = (SslMode::Prefer, Assurance::Opportunistic, None);
        let mut rest = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => {
                    (mode, assurance) = match &*value() {
                        "disable" => (SslMode::Disable, Assurance::Opportunistic),
                        "allow" | "prefer" => (SslMode::Prefer, Assurance::Opportunistic),
                        "require" | "verify-ca" | "verify-full" => (SslMode::Require, Assurance::Verified),
                        _ => return Err(TargetError::SslMode),
                    };
                }
                "sslrootcert" => root = Some(PathBuf::from(value())),
                // The parser behind takes `+5432`.
                "port" => {
                    for port in value().split(',').filter(|port| !port.is_empty()) {
                        address::port(port).map_err(TargetError::Server)?;
                    }
                    rest.push(parameter);
                }
                _ => rest.push(parameter),
            }
        }
        servers(base)?;
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|error: tokio_postgres::Error| TargetError::Malformed(super::error::describe(&error)))?;
        config.ssl_mode(mode);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(TargetError::Missing("host"));
        }
        let database = config.get_dbname().ok_or(TargetError::Missing("database"))?.to_owned();
        if config.get_application_name().is_none() {
            config.application_name("postern");
        }
        // Of several hosts, the one that takes writes: after a failover that is another.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        // A server that has vanished is noticed in seconds, not in hours.
        config
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(10));
        let place = format!("{}/{database}", hosts(&config));
        Ok(Self { config, password: None, assurance, root, place, openwisp: None })
    }

    /// Whether the URL itself holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same with a password from elsewhere.
    #[must_use]
    pub fn with_password(mut self, password: &SecretString) -> Self {
        self.config.password(password.expose_secret());
        self
    }

    /// The same with the password that is there: now, and at each new connection, so that a new one is used without a restart.
    ///
    /// # Errors
    /// There is none now.
    pub fn with_password_of(mut self, source: &SecretSource) -> Result<Self, SecretError> {
        self.password = Some(Arc::new(Renewed::new(source)?));
        Ok(self)
    }

    /// The same with root certificates for TLS, where the URL names none; relative to `base` they may be.
    #[must_use]
    pub fn with_root(mut self, root: Option<PathBuf>) -> Self {
        self.root = self.root.or(root);
        self
    }

    /// The same, where the directory is OpenWISP's.
    #[must_use]
    pub fn with_openwisp(mut self, openwisp: &Openwisp) -> Self {
        let said = self.config.get_options().unwrap_or_default();
        self.config.options(format!("{said} -c search_path={}", openwisp.search_path()).trim_start());
        self.openwisp = Some(Arc::new(openwisp.clone()));
        self
    }

    /// Whose tables the directory is, where they are not its own.
    #[must_use]
    pub fn openwisp(&self) -> Option<&Openwisp> {
        self.openwisp.as_deref()
    }

    /// The file of root certificates, where one is named.
    #[must_use]
    pub fn root(&self) -> Option<&std::path::Path> {
        self.root.as_deref()
    }

    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("the user of this process")
    }

    pub(super) fn refused(&self, problem: OpenProblem) -> OpenError {
        OpenError { place: self.place.clone(), user: self.user().to_owned(), problem }
    }

    /// One connection, which somebody must drive.
    pub(super) async fn connect(&self, limit: Duration) -> Result<(Client, Driven), OpenProblem> {
        self.connect_as(&self.config, limit).await
    }

    /// Whether a connection is a session of the server's for as long as it lives, and nobody stands between who gives every
    /// transaction another one: a session keeps what it was told when it began, which a pooler refuses or forgets.
    pub(super) async fn is_direct(&self, limit: Duration) -> Result<bool, OpenProblem> {
        let mut config = self.config.clone();
        config.options(format!("{} -c postern.direct=yes", self.config.get_options().unwrap_or_default()));
        let (client, connection) = match self.connect_as(&config, limit).await {
            Err(OpenProblem::Other(text)) if text.contains("startup parameter") => return Ok(false),
            connected => connected?,
        };
        tokio::spawn(async move { drop(connection.await) });
        let told = client.query_typed_one("SELECT coalesce(current_setting('postern.direct', true), '')", &[]).await;
        Ok(told.and_then(|row| row.try_get::<_, String>(0)).map_err(OpenProblem::of)? == "yes")
    }

    async fn connect_as(&self, config: &Config, limit: Duration) -> Result<(Client, Driven), OpenProblem> {
        let mut config = self.with_current_password(config);
        config.connect_timeout(limit);
        let tls = connector(self.assurance, self.root.as_deref())?;
        match tokio::time::timeout(limit.saturating_mul(2), config.connect(tls)).await {
            Ok(connected) => connected.map_err(OpenProblem::of),
            Err(_) => Err(OpenProblem::Unreachable(format!("no answer within {:?}", limit.saturating_mul(2)))),
        }
    }

    fn with_current_password(&self, config: &Config) -> Config {
        let mut config = config.clone();
        if let Some(password) = &self.password {
            config.password(password.current().expose_secret());
        }
        config
    }

    /// One connection for questions of another kind than the store's; it ends with the client.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn client(&self, limit: Duration) -> Result<Client, OpenError> {
        let (client, driven) = self.connect(limit).await.map_err(|problem| self.refused(problem))?;
        tokio::spawn(async move {
            let _ = driven.await;
        });
        Ok(client)
    }

    /// A connection of its own that is told what others notify of; whoever has it polls the second part.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn listener(&self, limit: Duration) -> Result<(Client, Driven), OpenError> {
        let mut config = self.config.clone();
        config.target_session_attrs(TargetSessionAttrs::Any);
        self.connect_as(&config, limit).await.map_err(|problem| self.refused(problem))
    }

    /// A bounded pool for statements that only read: its sessions cannot write, and end what takes longer than `limit`.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn reading_pool(&self, connections: usize, limit: Duration) -> Result<Pool, OpenError> {
        let mut target = self.clone();
        // A standby will do.
        target.config.target_session_attrs(TargetSessionAttrs::Any);
        let options = format!(
            "{} -c default_transaction_read_only=on -c statement_timeout={}",
            self.config.get_options().unwrap_or_default(),
            limit.as_millis()
        );
        target.config.options(options.trim());
        let options = Options { connections, connect: limit, answer: limit, ..Options::default() };
        target.pool(&options).map_err(|problem| self.refused(problem))
    }

    /// A bounded pool, which connects when it is used.
    pub(super) fn pool(&self, options: &Options) -> Result<Pool, OpenProblem> {
        let mut config = self.config.clone();
        config.connect_timeout(options.connect);
        let connecting = Connecting { target: self.clone(), tls: connector(self.assurance, self.root.as_deref())? };
        let manager =
            Manager::from_connect(config, connecting, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        Pool::builder(manager)
            .max_size(options.connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(options.answer),
                create: Some(options.connect),
                recycle: Some(options.answer),
            })
            .build()
            .map_err(|error| OpenProblem::Other(error.to_string()))
    }
}

/// That each server of the URL is one, before a more lenient parser reads them: a name, an address, or the directory of a socket.
fn servers(base: &str) -> Result<(), TargetError> {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let list = rest.split_once('/').map_or(rest, |(list, _)| list);
    for server in list.split(',').filter(|server| !server.is_empty()) {
        let checked = match server.to_ascii_lowercase().starts_with("%2f") {
            true => server.split_once(':').map_or(Ok(()), |(_, port)| address::port(port).map(drop)),
            false => Server::parse(server).map(drop),
        };
        checked.map_err(TargetError::Server)?;
    }
    Ok(())
}

/// How the pool connects: with the password and the certificates that are there by then.
struct Connecting {
    target: Target,
    tls: MakeRustlsConnect,
}

impl Connect for Connecting {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let config = self.target.with_current_password(config);
        Box::pin(async move {
            let tls = connector(self.target.assurance, self.target.root.as_deref()).unwrap_or_else(|error| {
                tracing::warn!(%error, "the certificates that were read first are used for the database");
                self.tls.clone()
            });
            let (client, connection) = config.connect(tls).await?;
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the database ended");
                }
            });
            Ok((client, driver))
        })
    }
}

fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        #[cfg(unix)]
        Host::Unix(path) => format!("{}:{}", path.display(), port(at)),
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        let addresses: Vec<_> =
            config.get_hostaddrs().iter().enumerate().map(|(n, a)| format!("{a}:{}", port(n))).collect();
        return addresses.join(",");
    }
    named.join(",")
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.place).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_tells_its_place_and_never_its_password() {
        for (url, place) in [
            ("postgres://postern@db/postern", "db:5432/postern"),
            ("postgresql://u:hunter2@db:6000/d", "db:6000/d"),
            ("postgres://u:hunter2@a:1,b:2/d?sslmode=verify-full", "a:1,b:2/d"),
            ("postgres://u:hunter2@%2Frun%2Fpostgresql/d", "/run/postgresql:5432/d"),
            ("postgres://u@[::1]:7/d?connect_timeout=3", "::1:7/d"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.place(), place);
            assert_eq!(target.has_password(), url.contains("hunter2"));
            let shown = format!("{target:?} {:?}", target.refused(OpenProblem::KeyMissing));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn tls_is_verified_where_it_is_asked_for() {
        let of = |mode: &str| Target::parse(&format!("postgres://u@h/d?sslmode={mode}&sslrootcert=%2Fca.pem")).unwrap();
        for mode in ["require", "verify-ca", "verify-full"] {
            assert_eq!((of(mode).config.get_ssl_mode(), of(mode).assurance), (SslMode::Require, Assurance::Verified));
            assert_eq!(of(mode).root.as_deref(), Some(std::path::Path::new("/ca.pem")));
        }
        assert_eq!(of("disable").config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(of("prefer").assurance, Assurance::Opportunistic);
    }

    #[test]
    fn a_url_that_says_too_little_or_nonsense_is_refused_without_repeating_it() {
        for url in [
            "postgres://u:hunter2@h",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hunter2@h:+5432/d",
            "postgres://u:hunter2@h:/d",
            "postgres://u:hunter2@a:1,b:99999/d",
            "postgres://u:hunter2@%2Frun:0/d",
            "postgres://u:hun/ter2@h:+1/d",
            "postgres://u:hunter2@h/d?port=%2B5432",
            "postgres://u:hunter2@h/d?sslmode=maybe",
            "postgres://u:hunter2@h/d?nonsense=1",
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
