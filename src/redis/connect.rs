//! The ways to Redis.

use super::address::{Address, Node, Topology};
use crate::secret::{SecretError, SecretSource};
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, TlsCertificates, TlsMode, Value,
};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// For a connection to be there, with TLS and a log-in.
const CONNECT: Duration = Duration::from_secs(1);

/// Everything that a connection needs. Passwords and certificates are read again for each, so that new ones are used without a restart.
#[derive(Clone)]
pub struct Settings {
    pub address: Address,
    /// Instead of the address's own.
    pub password: Option<SecretSource>,
    /// The password of the sentinels.
    pub sentinel_password: Option<SecretSource>,
    /// A file of PEM certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// How every key of ours begins.
    pub prefix: Box<str>,
    /// How long a caller waits for an answer, at most.
    pub budget: Duration,
}

/// Why there is no connection. Nothing of this holds a password.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("it answers too slowly")]
    Slow,
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// A password is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates cannot be read.
    #[error("cannot read `redis.ca` {path}: {source}")]
    Ca { path: PathBuf, source: std::io::Error },
}

/// A connection that many use at once.
#[derive(Clone)]
pub enum Link {
    Single(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Link {
    pub(super) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }
}

/// The same, read now for one connection.
struct Access<'s> {
    address: &'s Address,
    password: Option<SecretString>,
    sentinel_password: Option<SecretString>,
    ca: Option<Vec<u8>>,
}

impl Settings {
    /// Whether everything is there that a connection needs.
    ///
    /// # Errors
    /// A password or the certificates cannot be read.
    pub fn check(&self) -> Result<(), ConnectError> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<Access<'_>, ConnectError> {
        let text = |secret: &Option<SecretSource>| secret.as_ref().map(SecretSource::text).transpose();
        let pem =
            |path: &PathBuf| std::fs::read(path).map_err(|source| ConnectError::Ca { path: path.clone(), source });
        Ok(Access {
            address: &self.address,
            password: text(&self.password)?.or_else(|| self.address.password.clone()),
            sentinel_password: text(&self.sentinel_password)?,
            ca: self.ca.as_ref().map(pem).transpose()?,
        })
    }
}

impl Access<'_> {
    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }

    fn info(&self, node: &Node) -> RedisResult<ConnectionInfo> {
        let mut redis = RedisConnectionInfo::default().set_db(self.address.database).set_skip_set_lib_name();
        if let Some(username) = &self.address.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.set_password(password.expose_secret());
        }
        Ok(place(node, self.address.tls).into_connection_info()?.set_redis_settings(redis))
    }

    fn client(&self, node: &Node) -> RedisResult<Client> {
        let info = self.info(node)?;
        if self.address.tls { Client::build_with_tls(info, self.certificates()) } else { Client::open(info) }
    }

    /// The client of the one server, or of the master that the sentinels name, or of some node of the cluster.
    async fn some_client(&self) -> RedisResult<Client> {
        match &self.address.topology {
            Topology::Single(node) => self.client(node),
            Topology::Cluster(nodes) => {
                let at = getrandom::u32().unwrap_or(0) as usize % nodes.len().max(1);
                let node = nodes.get(at).ok_or((redis::ErrorKind::InvalidClientConfig, "no nodes"))?;
                self.client(node)
            }
            Topology::Sentinel { nodes, master } => self.master(nodes, master).await,
        }
    }

    async fn master(&self, nodes: &[Node], master: &str) -> RedisResult<Client> {
        let places = nodes.iter().map(|node| place(node, self.address.tls));
        let mut builder = SentinelClientBuilder::new(places, master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.address.database);
        if self.address.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates())
                .set_client_to_sentinel_certificates(self.certificates());
        }
        if let Some(username) = &self.address.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password.expose_secret());
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
        }
        builder.build()?.async_get_client().await
    }
}

fn place(node: &Node, tls: bool) -> ConnectionAddr {
    let (host, port) = (node.host.clone(), node.port);
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// A new connection for commands.
///
/// # Errors
/// It cannot be made in time.
pub async fn connect(settings: &Settings) -> Result<Link, ConnectError> {
    let connecting = async {
        let access = settings.read()?;
        if let Topology::Cluster(nodes) = &settings.address.topology {
            let infos = nodes.iter().map(|node| access.info(node)).collect::<RedisResult<Vec<_>>>()?;
            let mut builder = ClusterClientBuilder::new(infos)
                .retries(1)
                .connection_timeout(CONNECT)
                .response_timeout(settings.budget);
            if settings.address.tls {
                builder = builder.tls(TlsMode::Secure).certs(access.certificates());
            }
            return Ok(Link::Cluster(builder.build()?.get_async_connection().await?));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(settings.budget));
        let client = access.some_client().await?;
        Ok(Link::Single(client.get_multiplexed_async_connection_with_config(&config).await?))
    };
    // Sentinel asks several servers, one after the other.
    tokio::time::timeout(CONNECT * 3, connecting).await.unwrap_or(Err(ConnectError::Slow))
}

/// A new connection for messages.
///
/// # Errors
/// It cannot be made in time.
pub async fn listen(settings: &Settings) -> Result<PubSub, ConnectError> {
    let connecting = async { Ok(settings.read()?.some_client().await?.get_async_pubsub().await?) };
    tokio::time::timeout(CONNECT * 3, connecting).await.unwrap_or(Err(ConnectError::Slow))
}
