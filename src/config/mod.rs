//! `postern.yaml`: the file, then the environment, then flags; every finding at once, with its place.
//!
//! `overlay` brings the three together into one tree, in which each value knows where it came from. `keys` reads the tree by rows, one
//! for each key, which are here and in the files of the sections. What comes out is [`Config`], about which nothing is left to check.

pub mod accounts;
pub mod admin_ui;
mod assertion;
mod authzen;
pub mod database;
mod edge;
mod export;
pub mod forward_auth;
mod headers;
mod identity;
pub mod jobs;
mod keys;
pub mod mail;
mod openwisp;
mod overlay;
mod redis;
pub mod schema;
mod secret;
mod tracing;
mod upstreams;
mod written;

pub use database::{Database, Postgres};
pub use identity::Identity;
pub use redis::RedisConfig;
pub use secret::{are_filled, fill};
pub use written::Written;

use self::admin_ui::AdminUi;
use crate::directory::{Usernames, audit};
use crate::identity::django;
use crate::net;
use crate::net::deadline::Rate;
use crate::password::Algorithm;
use crate::policy::Names;
use crate::secret::SecretSource;
use crate::telemetry::{self, log::Format};
use crate::upstream::{self, Upstream};
use crate::yaml::{Findings, Map, Node, Value};
use forward_auth::ForwardAuth;
use http::HeaderName;
use ipnet::IpNet;
use keys::{ADDRESS, FLAG, Kind, Reader, SIZE, Shape, TIME, count, custom, keys, one_of, within};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
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

/// Whose tables the database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Postern,
    Openwisp,
}

/// What a reload does with a policy that lets more through than the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wider {
    /// It comes into force, and the log says what became wider.
    Allow,
    /// It does not come into force before the next start.
    Refuse,
}

keys! {
    #[derive(Clone, Debug)]
    pub struct Config {
        listen: net::listen::Address = loopback(8080).into(), custom(Shape::Text, edge::listen),
            "The data port: `ADDRESS:PORT`, or `unix:///PATH`. [127.0.0.1:8080]";
        listen_mode: Option<u32> = None, custom(Shape::Mode, edge::mode),
            "Permissions of the Unix socket, in octal digits. [0660]";
        tls: Option<net::tls::Files> = None, custom(edge::TLS, edge::tls),
            "TLS on the data port; without it the port speaks plain HTTP. [none]";
        proxy_protocol: bool = false, FLAG,
            "Connections of `trusted_proxies` must begin with a PROXY header, version 1 or 2. [false]";
        management: SocketAddr = loopback(9090), ADDRESS,
            "The address of /metrics, /livez and /readyz. [127.0.0.1:9090]";
        management_hosts: Vec<Box<str>> = Vec::new(), custom(Shape::Texts, edge::management_hosts),
            "Names and addresses that /metrics answers to, besides the listener's own addresses and localhost. [none]";
        probes: Option<SocketAddr> = None, custom(Shape::Text, edge::probes),
            "An address for /livez and /readyz alone, or `off`. [off]";
        forward_auth: Option<ForwardAuth> = None, custom(forward_auth::SHAPE, forward_auth::read),
            "A listener where another proxy asks whether a request may pass, and forwards it itself; needs `trusted_proxies`. [off]";
        assertion: Option<crate::assertion::Settings> = None, custom(assertion::SHAPE, assertion::read),
            "A signed header that says whose a request is; services verify it with the keys of /.well-known/jwks.json of `management`. [none]";
        ext_authz: Option<net::listen::Address> = None, custom(forward_auth::EXT_AUTHZ, forward_auth::read_ext_authz),
            "A listener where Envoy asks over gRPC whether a request may pass, and forwards it itself; needs `trusted_proxies`. [off]";
        admin_ui: Option<AdminUi> = None, custom(admin_ui::SHAPE, admin_ui::read),
            "Pages for staff and superusers; needs `identity.session` and `identity.api`. [off]";
        upstreams: Vec<Upstream> = Vec::new(), custom(upstreams::SHAPE, upstreams::read),
            "Services behind the gate, by the names that policies use.";
        policy: Vec<PathBuf> = Vec::new(), FILES, "Policy files, together one policy. Without any, nothing is served.";
        secrets: Vec<SecretSource> = Vec::new(), custom(Shape::Named(&Shape::Secret), secret::read),
            "Secrets that policies may send, by name: `inject: { X-Key: { secret: NAME } }`. Read at the start and at each reload.";
        identity: Identity = Identity::default(), within::<Identity>(), "Who may say who they are, and how.";
        public_url: Option<Box<str>> = None, custom(Shape::Text, mail::public_url),
            "What addresses of this service begin with, as people know them: `https://app.example.com`.";
        authzen: Option<crate::authzen::settings::Settings> = None, custom(authzen::SHAPE, authzen::read),
            "Whether services may ask what would be decided (AuthZEN 1.0): `on`, a map, or `off`. [off]";
        mail: Option<mail::Mail> = None, custom(mail::SHAPE, mail::read),
            "The server that sends letters; needs `public_url`. [none are sent]";
        database: Database = Database::default(), custom(database::SHAPE, database::read),
            "The directory: `sqlite:///PATH` for one replica, `postgres://USER@HOST/DATABASE` for many. [postern.db in the data directory]";
        databases: Vec<database::Source> = Vec::new(), custom(database::SOURCES, database::sources),
            "Databases of services, by the names that lookups of policies use.";
        schema: Schema = Schema::Postern, one_of!("postern" => Schema::Postern, "openwisp" => Schema::Openwisp),
            "Whose tables the database has: its own, or `openwisp`: those of an OpenWISP installation, as Django keeps them. [postern]";
        openwisp: openwisp::Installation = openwisp::Installation::default(), within::<openwisp::Installation>(),
            "Where the tables are, with `schema: openwisp`.";
        compat: Compat = Compat::None, one_of!("none" => Compat::None, "openwisp" => Compat::Openwisp),
            "Whose manner answers follow, quirks included; `openwisp` needs `identity.token.key`. [none]";
        title_case ("header_case"): bool = false, one_of!("lower" => false, "title" => true),
            "Names of headers that clients of HTTP/1.1 are told: in `lower` case, or `title`: `Like-This`. [lower; with `compat: openwisp`, title]";
        redis: Option<RedisConfig> = None, custom(redis::SHAPE, redis::read),
            "Redis, where replicas share what they have read: a URL, a map, or `off`. [off]";
        trusted_proxies: Vec<IpNet> = Vec::new(), custom(Shape::Texts, headers::trusted_proxies),
            "Networks whose X-Forwarded-*, X-Request-Id and traceparent are believed; never the whole world. [none]";
        keep_headers: Vec<HeaderName> = Vec::new(), custom(Shape::Texts, headers::kept),
            "Identity headers that `trusted_proxies` may set: they go on as they came. Of anybody else they are removed.";
        cache: Cache = Cache::default(), within::<Cache>(), "Facts in memory.";
        log: Log = Log::default(), within::<Log>(), "Operational lines and access lines.";
        workers: usize = std::thread::available_parallelism().map_or(1, std::num::NonZero::get), count::<usize, 1, 1024>(),
            "Data-plane threads. [one for each processor]";
        limits: Limits = Limits::default(), within::<Limits>(), "What a stranger can hold or grow.";
        timeouts: Timeouts = Timeouts::default(), within::<Timeouts>(), "Time limits; 0 is none.";
        drain: net::drain::Timing = DRAIN, within::<Drain>(), "The way down, at SIGTERM.";
        reload: Reload = Reload::default(), within::<Reload>(), "New files while it serves.";
        tracing: Option<telemetry::trace::Settings> = None, custom(tracing::SHAPE, tracing::read),
            "Spans for an OpenTelemetry collector, by OTLP over gRPC. [none]";
        jobs: jobs::Jobs = jobs::Jobs::default(), within::<jobs::Jobs>(), "What one of the replicas does once a day.";
        export_users: export::Export = export::Export::default(), within::<export::Export>(), "What `postern export-users` writes.";
        audit: Option<audit::Target> = None, custom(Shape::Text, audit_target),
            "Where changes of the directory are written down: a file, `stderr` or `off`. [audit.jsonl beside the embedded store, else in the data directory]";
    } and {
        /// Whoever started the process said that it has no policy, and that every active user may do everything.
        any_authenticated: bool = false;
        /// What was written, for whoever asks what has changed.
        written: Written = Written::default();
    }
}

keys! {
    #[derive(Clone, Copy, Debug)]
    pub struct Cache {
        max_staleness: Duration = Duration::from_secs(5), custom(Shape::Time, max_staleness),
            "Greatest age of the proof behind a cached fact: it bounds how late a revocation can take effect; at least 250ms. [5s]";
        credentials: usize = 100_000, count::<usize, 1, 100_000_000>(), "Credentials kept in memory. [100000]";
    }
}

keys! {
    #[derive(Clone, Copy, Debug)]
    pub struct Log {
        format: Format = Format::Text, one_of!("text" => Format::Text, "json" => Format::Json),
            "Operational lines on standard error. [text]";
        access: bool = true, FLAG, "One JSON line a request on standard output. [true]";
    }
}

keys! {
    /// Limits of what a stranger can hold or grow.
    #[derive(Clone, Copy, Debug)]
    pub struct Limits {
        connections: usize = 10_000, count::<usize, 1, 1_000_000>(),
            "Client connections; further ones wait in the kernel's queue. [10000]";
        per_address: usize = 7_500, count::<usize, 1, 1_000_000>(),
            "Of one address (IPv6: one /64), but for `trusted_proxies`. [7500]";
        streams: u32 = 100, count::<u32, 1, 10_000>(), "Open streams of an HTTP/2 connection. [100]";
        resets: u32 = 200, count::<u32, 1, 10_000>(), "Streams that an HTTP/2 client may reset in ten seconds. [200]";
        header_bytes: usize = 32 << 10, custom(Shape::Size, header_bytes),
            "A request head, 1KiB to 1MiB; more is 431. [32KiB]";
        headers: usize = 100, count::<usize, 1, 1_000>(), "Header fields; more is 431. [100]";
        identity_header: usize = crate::policy::LIST_LIMIT, custom(Shape::Size, identity_header),
            "A header that lists all organizations of a caller (`inject: orgs.…`), 1KiB to 64KiB; more is 431. [8KiB]";
        body: u64 = crate::policy::BODY_LIMIT, SIZE, "A request body; more is 413. [100MiB]";
        min_rate: u32 = 2 << 10, custom(Shape::Size, min_rate),
            "Bytes a second that a body must have on average, both ways; `0B` is none. [2KiB]";
    }
}

keys! {
    /// Time limits; zero is none.
    #[derive(Clone, Copy, Debug)]
    pub struct Timeouts, not yet "total" {
        idle: Duration = Duration::from_secs(75), TIME, "A client connection between requests. [75s]";
        head: Duration = Duration::from_secs(10), TIME, "A request head, from its first byte to its last. [10s]";
        stall: Duration = Duration::from_secs(30), TIME,
            "What a client may stall over a body before it must keep `limits.min_rate`. [30s]";
        connect: Duration = Duration::from_secs(5), TIME, "To be connected to the upstream. [5s]";
        first_byte: Duration = Duration::from_secs(60), TIME, "Until the upstream begins its answer. [60s]";
        upstream_idle: Duration = Duration::from_secs(60), TIME, "Between two pieces of the upstream's answer. [60s]";
        keep: Duration = Duration::from_secs(4), TIME, "An unused upstream connection is kept. [4s]";
    }
}

struct Drain;
const DRAIN: net::drain::Timing =
    net::drain::Timing { lame_duck: Duration::from_secs(3), limit: Duration::from_secs(25) };

keys! {
    Drain for net::drain::Timing {
        lame_duck, TIME, "Not ready, still serving: load balancers take their time to notice. [3s]";
        limit, TIME, "For what is in flight. [25s]";
    }
}

keys! {
    #[derive(Clone, Copy, Debug)]
    pub struct Reload {
        wider: Wider = Wider::Allow, one_of!("allow" => Wider::Allow, "refuse" => Wider::Refuse),
            "What becomes of a policy that lets more through than the one in force. [allow]";
    }
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
        let mut config = Self::read(&tree, &base, &mut findings);
        config.written = Written::of(&tree);
        findings.sort();
        if findings.has_errors() { Err(ConfigError::Findings(findings)) } else { Ok((config, findings)) }
    }

    /// Reads everything; what is wrong is in `findings`, and the default stands in its place.
    fn read(tree: &Map, base: &Path, findings: &mut Findings) -> Self {
        let tree = &renamed(tree, findings);
        let mut quiet = Findings::new();
        let compat = one_of!("none" => Compat::None, "openwisp" => Compat::Openwisp);
        let said = tree
            .get("compat")
            .and_then(|node| (compat.read)("compat", node, &mut Reader::new(base, Compat::None, &mut quiet)));
        let compat = said.unwrap_or_default();
        let mut config =
            Self { identity: Identity::of(compat), title_case: compat == Compat::Openwisp, ..Self::default() };
        Reader::new(base, compat, findings).section::<Self>(&mut config, "", "the configuration", tree);
        if let Some(node) = tree.get("mail").filter(|_| tree.get("public_url").is_none()) {
            findings
                .error(
                    "missing_key",
                    node.span,
                    "letters have links, and there is no `public_url` that they begin with",
                )
                .help("write `public_url: https://app.example.com`");
        }
        if let Some(node) = tree.get("compat").filter(|_| compat == Compat::Openwisp)
            && config.identity.accounts.api != accounts::Served::Off
            && config.identity.accounts.token_key.is_none()
            && config.schema != Schema::Openwisp
        {
            let message = "`compat: openwisp` tells a user the same token at each login, and needs a key to keep it";
            findings
                .error("missing_key", node.span, message)
                .help("write `identity: { token: { key: { env: POSTERN_TOKEN_KEY } } }`, or `api: off`");
        }
        identity::check(tree, &config.identity, findings);
        config.live(tree, findings);
        edge::check(tree, &mut config, findings);
        headers::check(tree, &config, findings);
        forward_auth::check(tree, &config, findings);
        admin_ui::check(tree, &config, findings);
        config
    }

    /// With `schema: openwisp` the directory is Django's.
    fn live(&mut self, tree: &Map, findings: &mut Findings) {
        let Some(node) = tree.get("schema").filter(|_| self.schema == Schema::Openwisp) else {
            if let (Some(_), Some(node)) = (&self.identity.settings.django, tree.get("identity")) {
                let message = "`django_session` is for `schema: openwisp`: sessions of Django's are of Django's users";
                findings.error("no_meaning", node.span, message);
            }
            return;
        };
        let mut wrong = |message: &str, help: &str| {
            findings.error("wrong_value", node.span, message).help(help);
        };
        if let Some(django) = &mut self.identity.settings.django {
            django.table = self.openwisp.table_of_sessions();
            django.prefix.clone_from(&self.openwisp.cache_prefix);
            if django.engine == django::Engine::Cache && self.openwisp.cache().is_none() {
                wrong("the sessions of Django are in its cache, which is not named", "name it with `openwisp.cache`");
            }
        }
        if self.openwisp.is_mixed() {
            wrong(
                "`openwisp.schema` is the schema of Django's tables",
                "name one that is postern's alone, as `postern`",
            );
        }
        if self.identity.accounts.usernames == Usernames::PerOrganization {
            wrong("usernames of OpenWISP are `global`", "take `usernames: per_organization` away");
        }
        // Django reads what it writes itself, and whether hashes are upgraded is its own affair.
        let said = |key: &str| {
            let passwords =
                ["identity", "passwords"].into_iter().try_fold(tree, |map, key| match &map.get(key)?.value {
                    Value::Map(map) => Some(map),
                    _ => None,
                });
            passwords.is_some_and(|map| map.get(key).is_some())
        };
        let passwords = &mut self.identity.accounts.passwords;
        if !said("algorithm") {
            passwords.algorithm = Algorithm::Pbkdf2Sha256 { iterations: 1_000_000 };
        }
        passwords.upgrade &= said("upgrade");
        match &mut self.database {
            Database::Postgres(postgres) => postgres.live(&self.openwisp.openwisp()),
            Database::Sqlite(_) => wrong(
                "`schema: openwisp` works on the PostgreSQL database of OpenWISP",
                "write `database: postgres://postern@HOST/DATABASE`",
            ),
        }
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
        let uwsgi = self.upstreams.iter().filter(|upstream| upstream.is_uwsgi());
        let accounts = &self.identity.accounts;
        Names::new(self.upstreams.iter().map(|upstream| upstream.name.to_string()))
            .with_uwsgi(uwsgi.map(|upstream| upstream.name.to_string()))
            .with_secrets(secrets)
            .with_databases(self.databases.iter().map(|source| (source.name.clone(), source.dialect())))
            .with_schemes(self.identity.settings.schemes())
            .with_second_factors(accounts.mfa.is_some())
            .with_list_limit(self.limits.identity_header)
            .with_body_limit(self.limits.body)
            .with_shared_docs(self.compat == Compat::Openwisp)
            .with_identity_api((accounts.api != accounts::Served::Off).then(|| accounts.prefix.clone()))
            .with_authzen(self.authzen.is_some())
            .with_admin_ui(
                self.admin_ui.as_ref().filter(|admin| admin.listen.is_none()).map(|admin| admin.prefix.clone()),
            )
            .with_appointed_managers(self.compat == Compat::Openwisp)
            .with_shared_usernames(accounts.usernames == Usernames::PerOrganization)
            .with_assertion(self.assertion.as_ref().map(|assertion| assertion.header.clone()))
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

const FILES: Kind<Vec<PathBuf>> = Kind {
    shape: Shape::Texts,
    read: |key, node, reader| {
        let files = node.expect_strs(&format!("`{key}`"), reader.findings)?;
        Some(files.into_iter().map(|(file, _)| reader.base.join(file)).collect())
    },
};

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn max_staleness(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let age = (TIME.read)(key, node, reader)?;
    if age < Duration::from_millis(250) {
        let message =
            "`max_staleness` must be at least 250ms: below that, ordinary scheduling would make every fact too old";
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(age)
}

fn header_bytes(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<usize> {
    size(key, node, 1024..=1 << 20, "from 1KiB to 1MiB", reader)?.try_into().ok()
}

fn identity_header(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<usize> {
    size(key, node, 1024..=64 << 10, "from 1KiB to 64KiB", reader)?.try_into().ok()
}

fn min_rate(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<u32> {
    size(key, node, 0..=1 << 20, "from 0B (none) to 1MiB a second", reader)?.try_into().ok()
}

fn size(key: &str, node: &Node, range: RangeInclusive<u64>, words: &str, reader: &mut Reader<'_>) -> Option<u64> {
    let bytes = (SIZE.read)(key, node, reader)?;
    if !range.contains(&bytes) {
        reader.findings.error("wrong_value", node.span, format!("`{key}` must be {words}"));
    }
    range.contains(&bytes).then_some(bytes)
}

fn audit_target(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<audit::Target> {
    if node.is_off() {
        return Some(audit::Target::Off);
    }
    Some(match node.expect_str("`audit`", reader.findings)? {
        "stderr" => audit::Target::Stderr,
        file => audit::Target::File(reader.base.join(file)),
    })
}

/// Reports what had another name before, and says the new one.
fn renamed(tree: &Map, findings: &mut Findings) -> Map {
    const OLD: &str = "admin";
    if let Some(entry) = tree.entries.iter().find(|entry| entry.key.text == OLD) {
        findings
            .error("renamed_key", entry.key.span, "`admin` is `management` now: the address of metrics and probes")
            .help("write `management: 127.0.0.1:9090`; as a variable, `POSTERN__MANAGEMENT`");
    }
    Map { entries: tree.entries.iter().filter(|entry| entry.key.text != OLD).cloned().collect() }
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
