//! `postern.yaml`: the file, then the environment, then flags; every finding at once, with its place.
//!
//! `overlay` brings the three together into one tree, in which each value knows where it came from; `sections` reads
//! the tree. What comes out is [`Config`], about which nothing is left to check.

pub mod accounts;
mod database;
mod edge;
mod identity;
pub mod mail;
mod overlay;
mod part;
mod redis;
pub mod schema;
mod secret;
mod sections;
mod upstreams;
mod written;

pub use database::{Database, Postgres};
pub use redis::RedisConfig;
pub use secret::{are_filled, fill};
pub use written::Written;

use crate::directory::audit;
use crate::identity::settings::Settings;
use crate::net;
use crate::net::deadline::Rate;
use crate::policy::Names;
use crate::secret::SecretSource;
use crate::telemetry;
use crate::upstream::{self, Protocol, Upstream};
use crate::yaml::Findings;
use http::HeaderName;
use ipnet::IpNet;
use part::tcp_address;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The configuration's name where none is given.
pub const DEFAULT_FILE: &str = "postern.yaml";

/// Where values come from; later ones win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`, or `postern.yaml` where there is one.
    pub file: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    /// Flags, as (flag, path in the tree, YAML value).
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// What this process was given: `--config` or `./postern.yaml`, and its environment.
    #[must_use]
    pub fn of_process(config: Option<PathBuf>) -> Self {
        let file =
            config.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.try_exists().unwrap_or(true)));
        let environment = std::env::vars().filter(|(name, _)| name.starts_with(overlay::PREFIX)).collect();
        Self { file, environment, flags: Vec::new() }
    }

    /// Adds `--upstream`: the only one.
    pub fn upstream(&mut self, url: Option<&str>) {
        if let Some(url) = url {
            self.flags.push(("--upstream", "upstreams", serde_json::json!({ "upstream": url }).to_string()));
        }
    }

    /// Adds a flag that stands for the text at `path`.
    pub fn flag(&mut self, flag: &'static str, path: &'static str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            // A flag's value is a text, whatever YAML would make of it; JSON's quoting is YAML's.
            let text = value.to_string();
            self.flags.push((flag, path, serde_json::Value::String(text).to_string()));
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// What it says cannot be used.
    #[error("the configuration has errors")]
    Findings(Findings),
}

/// Whose manner answers follow, where the documented and safe rule is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    #[default]
    None,
    Openwisp,
}

#[derive(Clone, Copy, Debug)]
pub struct Log {
    pub format: telemetry::log::Format,
    /// Whether there is an access line for each request.
    pub access: bool,
}

/// Limits of what a stranger can hold or grow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// Open client connections of one address.
    pub per_address: usize,
    /// Open streams of an HTTP/2 connection.
    pub streams: u32,
    /// Streams of an HTTP/2 connection that its client may reset in ten seconds.
    pub resets: u32,
    /// Bytes of a request head.
    pub header_bytes: usize,
    pub headers: usize,
    /// Bytes of a request body.
    pub body: u64,
    /// Bytes of a header that lists the organizations of a caller.
    pub identity_header: usize,
    /// Bytes a second that a body must have on average, whoever sends or takes it; zero is none.
    pub min_rate: u32,
}

/// Time limits; zero is none.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub idle: Duration,
    /// For a whole request head.
    pub head: Duration,
    /// What a client may stall while sending or receiving.
    pub stall: Duration,
    /// To be connected to the upstream.
    pub connect: Duration,
    pub first_byte: Duration,
    /// Between two pieces of the upstream's answer.
    pub upstream_idle: Duration,
    /// How long an unused upstream connection is kept.
    pub keep: Duration,
}

/// What a reload does with a policy that lets more through than the one in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wider {
    /// It comes into force, and the log says what became wider.
    #[default]
    Allow,
    /// It does not come into force before the next start.
    Refuse,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub listen: net::listen::Address,
    /// TLS on the data port.
    pub tls: Option<net::tls::Files>,
    /// Connections of trusted proxies begin with a PROXY header.
    pub proxy_protocol: bool,
    pub management: SocketAddr,
    /// Names that the listeners of metrics and probes answer to, besides their addresses.
    pub management_hosts: Vec<Box<str>>,
    pub probes: Option<SocketAddr>,
    pub upstreams: Vec<Upstream>,
    /// Policy files; without any nothing is served.
    pub policy: Vec<PathBuf>,
    /// Whoever started the process said that it has no policy, and that every active user may do everything.
    pub any_authenticated: bool,
    /// Secrets that policies may name.
    pub secrets: Vec<SecretSource>,
    /// Who may say who they are.
    pub identity: Settings,
    /// How people log in, and what they get.
    pub accounts: accounts::Accounts,
    /// Who sends letters for us.
    pub mail: Option<mail::Mail>,
    /// What addresses of this service begin with, as people know them: no slash behind.
    pub public_url: Option<Box<str>>,
    pub compat: Compat,
    /// Clients of HTTP/1.1 are told names of headers `Like-This`.
    pub title_case: bool,
    pub database: Database,
    /// Redis, where there is one.
    pub redis: Option<RedisConfig>,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which identity headers they may set.
    pub keep_headers: Vec<HeaderName>,
    /// How old a proven fact may be.
    pub max_staleness: Duration,
    pub cache_credentials: usize,
    pub log: Log,
    pub workers: usize,
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// Where spans go, if anywhere.
    pub tracing: Option<telemetry::trace::Settings>,
    /// Where changes of the directory are written down, where the configuration says it.
    pub audit: Option<audit::Target>,
    pub drain: net::drain::Timing,
    /// What a reload does with a wider policy.
    pub wider: Wider,
    /// What was written, for whoever asks what has changed.
    pub written: Written,
}

impl Config {
    /// Reads the sources.
    ///
    /// # Errors
    /// The file cannot be read, or something in it (or in a variable or flag) cannot be used: then all of it is reported.
    pub fn load(sources: &Sources) -> Result<(Self, Findings), ConfigError> {
        let mut findings = Findings::new();
        let base = sources.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let tree = overlay::merge(sources, &mut findings)?;
        let mut config = sections::read(&tree, &base, &mut findings);
        config.written = Written::of(&tree);
        if findings.has_errors() {
            findings.sort();
            return Err(ConfigError::Findings(findings));
        }
        Ok((config, findings))
    }

    /// Where changes of the directory are written down: as configured; else `audit.jsonl` beside the embedded store, or in the
    /// data directory.
    #[must_use]
    pub fn audit(&self) -> audit::Target {
        let beside = || match &self.database {
            Database::Sqlite(url) => {
                Path::new(url.strip_prefix("sqlite:").unwrap_or(url)).with_file_name("audit.jsonl")
            }
            Database::Postgres(_) => data_dir().join("audit.jsonl"),
        };
        self.audit.clone().unwrap_or_else(|| audit::Target::File(beside()))
    }

    /// The names that policies may use.
    #[must_use]
    pub fn names(&self) -> Names {
        let secrets = self.secrets.iter().map(|secret| secret.name.to_string());
        let http2_only = self.upstreams.iter().filter(|upstream| upstream.spoken() == Protocol::Http2);
        Names::new(self.upstreams.iter().map(|upstream| upstream.name.to_string()))
            .with_http2_only(http2_only.map(|upstream| upstream.name.to_string()))
            .with_secrets(secrets)
            .with_schemes(self.identity.schemes())
            .with_list_limit(self.limits.identity_header)
            .with_body_limit(self.limits.body)
            .with_identity_api(self.accounts.api.then(|| self.accounts.prefix.clone()))
            .with_appointed_managers(self.compat == Compat::Openwisp)
    }

    /// Limits and times of client connections, as the network's edge wants them.
    #[must_use]
    pub fn connections(
        &self,
        tls: Option<Arc<net::tls::Tls>>,
        counts: Arc<net::counts::Counts>,
    ) -> net::worker::Settings {
        net::worker::Settings {
            connections: self.limits.connections,
            per_address: self.limits.per_address,
            http2: net::http2::Limits { streams: self.limits.streams, resets: self.limits.resets },
            tls,
            proxies: self.trusted_proxies.clone().into(),
            proxy_protocol: self.proxy_protocol,
            title_case: self.title_case,
            counts,
            head: net::framing::Limits { head_bytes: self.limits.header_bytes, headers: self.limits.headers },
            timeouts: net::connection::Timeouts {
                idle: self.timeouts.idle.into(),
                head: self.timeouts.head.into(),
                stall: self.timeouts.stall.into(),
                rate: Rate::per_second(self.limits.min_rate),
                linger: Duration::from_secs(2).into(),
            },
        }
    }

    #[must_use]
    pub fn upstream_timeouts(&self) -> upstream::Timeouts {
        upstream::Timeouts {
            connect: self.timeouts.connect.into(),
            first_byte: self.timeouts.first_byte.into(),
            idle: self.timeouts.upstream_idle.into(),
            rate: Rate::per_second(self.limits.min_rate),
            keep: self.timeouts.keep.into(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            listen: loopback(8080).into(),
            tls: None,
            proxy_protocol: false,
            management: loopback(9090),
            management_hosts: Vec::new(),
            probes: None,
            upstreams: Vec::new(),
            policy: Vec::new(),
            any_authenticated: false,
            secrets: Vec::new(),
            identity: Settings::default(),
            accounts: accounts::Accounts::default(),
            mail: None,
            public_url: None,
            compat: Compat::default(),
            title_case: false,
            database: Database::Sqlite(format!("sqlite:{}", data_dir().join("postern.db").display())),
            redis: None,
            trusted_proxies: Vec::new(),
            keep_headers: Vec::new(),
            max_staleness: Duration::from_secs(5),
            cache_credentials: 100_000,
            log: Log { format: telemetry::log::Format::Text, access: true },
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            limits: Limits {
                connections: 10_000,
                per_address: 7_500,
                streams: 100,
                resets: 200,
                header_bytes: 32 * 1024,
                headers: 100,
                body: crate::policy::BODY_LIMIT,
                identity_header: crate::policy::LIST_LIMIT,
                min_rate: 2 * 1024,
            },
            timeouts: Timeouts {
                idle: Duration::from_secs(75),
                head: Duration::from_secs(10),
                stall: Duration::from_secs(30),
                connect: Duration::from_secs(5),
                first_byte: Duration::from_secs(60),
                upstream_idle: Duration::from_secs(60),
                keep: Duration::from_secs(4),
            },
            tracing: None,
            audit: None,
            drain: net::drain::Timing { lame_duck: Duration::from_secs(3), limit: Duration::from_secs(25) },
            wider: Wider::default(),
            written: Written::default(),
        }
    }
}

/// Where the embedded store lives: `POSTERN_DATA_DIR`; else `/var/lib/postern` where that is a directory (a container, a
/// package); else the user's own data directory.
#[must_use]
pub fn data_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("POSTERN_DATA_DIR").filter(|dir| !dir.is_empty()) {
        return dir.into();
    }
    let system = Path::new("/var/lib/postern");
    if system.is_dir() {
        return system.to_owned();
    }
    let set = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.map_or_else(|| PathBuf::from("."), |data| data.join("postern"))
}

#[cfg(test)]
mod tests;
