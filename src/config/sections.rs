//! Reads the merged tree, section by section.

use super::part::{count, durations, only, section, set, tcp_address, title_case};
use super::{Compat, Config, Limits, Timeouts, Wider, accounts, database, identity, mail, redis, secret};
use crate::address::{Server, Url};
use crate::directory::audit::Target;
use crate::normalized_name::normalized_key;
use crate::request_target::hop::is_hop_by_hop;
use crate::telemetry::log::Format;
use crate::telemetry::trace;
use crate::yaml::{Findings, Keys, Map, Node, Value};
use http::HeaderName;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const TOP: Keys<'static> = Keys {
    known: &[
        "listen",
        "listen_mode",
        "tls",
        "proxy_protocol",
        "management",
        "management_hosts",
        "probes",
        "upstreams",
        "policy",
        "secrets",
        "identity",
        "public_url",
        "mail",
        "database",
        "schema",
        "compat",
        "header_case",
        "redis",
        "trusted_proxies",
        "keep_headers",
        "cache",
        "log",
        "workers",
        "limits",
        "timeouts",
        "drain",
        "reload",
        "tracing",
        "audit",
    ],
    not_yet: &["ext_authz", "forward_auth", "databases", "assertion"],
};

/// Reads everything; what is wrong is in `findings`, and the default stands in its place.
pub(super) fn read(tree: &Map, base: &Path, findings: &mut Findings) -> Config {
    let mut config = Config::default();
    renamed(tree, findings);
    let entries = tree.entries.iter().filter(|entry| entry.key.text != RENAMED).cloned().collect();
    Map { entries }.expect_keys("the configuration", TOP, findings);
    set(&mut config.management, address(tree, "management", findings));
    if let Some(node) = tree.get("management_hosts") {
        config.management_hosts = management_hosts(node, findings);
    }
    config.probes = match tree.get("probes") {
        Some(node) if node.is_off() => None,
        _ => address(tree, "probes", findings),
    };
    if let Some(node) = tree.get("upstreams") {
        config.upstreams = super::upstreams::read(node, base, findings);
    }
    if let Some(node) = tree.get("policy")
        && let Some(files) = node.expect_strs("`policy`", findings)
    {
        config.policy = files.into_iter().map(|(file, _)| base.join(file)).collect();
    }
    if let Some(node) = tree.get("secrets") {
        config.secrets = secret::read(node, base, findings);
    }
    config.public_url = tree.get("public_url").and_then(|node| mail::public_url(node, findings));
    if let Some(node) = tree.get("mail") {
        config.mail = mail::read(node, base, findings);
        if tree.get("public_url").is_none() {
            findings
                .error(
                    "missing_key",
                    node.span,
                    "letters have links, and there is no `public_url` that they begin with",
                )
                .help("write `public_url: https://app.example.com`");
        }
    }
    config.compat = compat(tree, findings);
    config.title_case = title_case(tree, findings).unwrap_or(config.compat == Compat::Openwisp);
    config.accounts = accounts::Accounts::of(config.compat);
    if let Some(node) = tree.get("identity")
        && let Some(map) = node.expect_map("`identity`", findings)
    {
        let known: Vec<&str> = accounts::KEYS.into_iter().chain(identity::KEYS).collect();
        map.expect_keys("`identity`", Keys { known: &known, not_yet: &[] }, findings);
        config.accounts = accounts::read(map, base, config.compat, findings);
        config.identity = identity::read(node, map, base, findings);
        sessions_begin(map, &config, findings);
    }
    if let Some(node) = tree.get("database") {
        set(&mut config.database, database::read(node, base, findings));
    }
    only(tree, "schema", "postern", &["openwisp"], findings);
    if let Some(node) = tree.get("compat").filter(|_| config.compat == Compat::Openwisp)
        && config.accounts.api
        && config.accounts.token_key.is_none()
    {
        let message = "`compat: openwisp` tells a user the same token at each login, and needs a key to keep it";
        findings
            .error("missing_key", node.span, message)
            .help("write `identity: { token: { key: { env: POSTERN_TOKEN_KEY } } }`, or `api: off`");
    }
    if let Some(node) = tree.get("redis") {
        config.redis = redis::read(node, base, findings);
    }
    if let Some(node) = tree.get("trusted_proxies") {
        config.trusted_proxies = networks(node, findings);
    }
    if let Some(node) = tree.get("keep_headers") {
        config.keep_headers = kept_headers(node, &config.trusted_proxies, findings);
    }
    super::edge::read(tree, base, &mut config, findings);
    listeners_differ(tree, &config, findings);
    cache(tree, &mut config, findings);
    log(tree, &mut config, findings);
    count(tree, "workers", 1..=1024, &mut config.workers, findings);
    limits(tree, &mut config.limits, findings);
    timeouts(tree, &mut config.timeouts, findings);
    config.tracing = tracing(tree, base, findings);
    config.audit = match tree.get("audit") {
        Some(node) if node.is_off() => Some(Target::Off),
        Some(node) => node.expect_str("`audit`", findings).map(|text| match text {
            "stderr" => Target::Stderr,
            file => Target::File(base.join(file)),
        }),
        None => None,
    };
    let keys = Keys { known: &["lame_duck", "limit"], not_yet: &[] };
    let places = [("lame_duck", &mut config.drain.lame_duck), ("limit", &mut config.drain.limit)];
    if let Some(map) = section(tree, "drain", keys, findings) {
        durations(map, places, findings);
    }
    if let Some(map) = section(tree, "reload", Keys { known: &["wider"], not_yet: &[] }, findings)
        && let Some(node) = map.get("wider")
    {
        match node.expect_word("`wider`", findings) {
            Some("allow") => config.wider = Wider::Allow,
            Some("refuse") => config.wider = Wider::Refuse,
            Some(other) => {
                let message = format!("`wider` must be `allow` or `refuse`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
            None => {}
        }
    }
    config
}

/// Sessions begin where people log in, which must be served; or by a link.
fn sessions_begin(map: &Map, config: &Config, findings: &mut Findings) {
    if let Some(node) = map.get("session").filter(|_| config.identity.session.is_some())
        && map.get("api").is_none()
        && config.identity.sesame.is_none()
    {
        let message = "nobody can begin a session: the login page is part of the identity API, which is off";
        findings.warning("no_login", node.span, message).help("write `api: token`; or `api: off`, where that is meant");
    }
}

fn compat(tree: &Map, findings: &mut Findings) -> Compat {
    let words = [("none", Compat::None), ("openwisp", Compat::Openwisp)];
    let said = tree.get("compat").and_then(|node| node.expect_one_of("`compat`", &words, findings));
    said.unwrap_or_default()
}

/// No two listeners on one address; a port of 0 is another one each time.
fn listeners_differ(tree: &Map, config: &Config, findings: &mut Findings) {
    let all = [("listen", config.listen.tcp()), ("management", Some(config.management)), ("probes", config.probes)];
    let all: Vec<_> = all.into_iter().filter_map(|(key, address)| Some((key, address?))).collect();
    let meet = |one: &SocketAddr, other: &SocketAddr| {
        let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
        // `[::]` takes IPv4 as well.
        let is_all = |ip: IpAddr, of: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || of.is_ipv4());
        one.port() == other.port() && one.port() != 0 && (a == b || is_all(a, b) || is_all(b, a))
    };
    for (at, (key, address)) in all.iter().enumerate() {
        let Some((first, _)) = all.iter().take(at).find(|(_, other)| meet(address, other)) else { continue };
        let message = format!("`{key}` and `{first}` would both listen on port {}", address.port());
        let written = tree.get(key).or_else(|| tree.get(first)).map(|node| node.span);
        if let Some(span) = written {
            findings.error("wrong_value", span, message).help(format!("choose another port for `{key}`"));
        }
    }
}

/// What `management` was called before.
const RENAMED: &str = "admin";

/// What had another name before, and now says so.
fn renamed(tree: &Map, findings: &mut Findings) {
    if let Some(entry) = tree.entries.iter().find(|entry| entry.key.text == RENAMED) {
        findings
            .error("renamed_key", entry.key.span, "`admin` is `management` now: the address of metrics and probes")
            .help("write `management: 127.0.0.1:9090`; as a variable, `POSTERN__MANAGEMENT`");
    }
}

/// Names and addresses, without ports: whatever port somebody goes through is theirs to know.
fn management_hosts(node: &Node, findings: &mut Findings) -> Vec<Box<str>> {
    let mut hosts = Vec::new();
    for (text, span) in node.expect_strs("`management_hosts`", findings).unwrap_or_default() {
        let bare = if text.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
        match Server::parse(&bare) {
            Ok(Server { host, port: None }) => hosts.push(host.into()),
            Ok(Server { host, .. }) => {
                let message = "`management_hosts` are names and addresses without a port: all ports are meant";
                findings.error("wrong_value", span, message).help(format!("write `{host}`"));
            }
            Err(error) => {
                findings.error("wrong_value", span, format!("`{text}` is no host: {error}"));
            }
        }
    }
    hosts
}

fn address(tree: &Map, key: &str, findings: &mut Findings) -> Option<SocketAddr> {
    tcp_address(key, tree.get(key)?, findings)
}

fn networks(node: &Node, findings: &mut Findings) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for (text, span) in node.expect_strs("`trusted_proxies`", findings).unwrap_or_default() {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = format!("`{text}` is not a network");
                findings.error("wrong_value", span, message).help("write `10.0.0.0/8`, `fd00::/8` or one address");
            }
        }
    }
    if is_everybody(&networks) {
        let message = "`trusted_proxies` would believe everybody's headers: these networks are the whole world";
        findings.error("wrong_value", node.span, message).help("name the networks that your proxies are in");
    } else if let Some(wide) = IpNet::aggregate(&networks).iter().find(|network| match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => network.prefix_len() < 16,
    }) {
        let message = format!("`trusted_proxies` believes all of {wide}, which is more than anybody's network");
        findings.warning("wide_trust", node.span, message).help("name the networks that your proxies are in");
    }
    networks
}

/// Whether the networks are the whole world together, as `0.0.0.0/1` and `128.0.0.0/1` are: all addresses that a client can have,
/// of IPv4, of IPv6, or of IPv4 as IPv6 writes it.
fn is_everybody(networks: &[IpNet]) -> bool {
    // From these nobody comes (RFC 6890).
    let nobody = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"].iter().filter_map(|network| network.parse().ok());
    let all: Vec<IpNet> = networks.iter().copied().chain(nobody).collect();
    let worlds: Vec<IpNet> =
        ["0.0.0.0/0", "2000::/3", "::ffff:0.0.0.0/96"].iter().filter_map(|network| network.parse().ok()).collect();
    IpNet::aggregate(&all).iter().any(|network| worlds.iter().any(|world| network.contains(world)))
}

/// Names of headers that only postern says, or that belong to one connection: no proxy can set them.
const NEVER_KEPT: [&str; 11] = [
    "authorization",
    "contentlength",
    "forwarded",
    "host",
    "traceparent",
    "tracestate",
    "xforwardedfor",
    "xforwardedhost",
    "xforwardedprefix",
    "xforwardedproto",
    "xrequestid",
];

fn kept_headers(node: &Node, proxies: &[IpNet], findings: &mut Findings) -> Vec<HeaderName> {
    if proxies.is_empty() {
        findings
            .error("wrong_value", node.span, "`keep_headers` believes `trusted_proxies`, and there are none")
            .help("name the networks that your proxies are in under `trusted_proxies`");
    }
    let mut names = Vec::new();
    for (text, span) in node.expect_strs("`keep_headers`", findings).unwrap_or_default() {
        let normalized = normalized_key(text);
        match HeaderName::from_bytes(text.as_bytes()) {
            Err(_) => {
                let message = format!("`{text}` is not the name of a header");
                findings.error("wrong_value", span, message).help("name each in full: `X-SSL-Client-Verify`");
            }
            Ok(name)
                if NEVER_KEPT.contains(&&*normalized)
                    || normalized.starts_with("xpostern")
                    || is_hop_by_hop(name.as_str()) =>
            {
                let message = format!("`{text}` is told by postern alone, and cannot be kept");
                findings.error("wrong_value", span, message).help("leave it out");
            }
            Ok(name) => names.push(name),
        }
    }
    names
}

fn cache(tree: &Map, config: &mut Config, findings: &mut Findings) {
    let keys = Keys { known: &["max_staleness", "credentials"], not_yet: &[] };
    let Some(map) = section(tree, "cache", keys, findings) else { return };
    durations(map, [("max_staleness", &mut config.max_staleness)], findings);
    if let Some(node) = map.get("max_staleness")
        && config.max_staleness < Duration::from_millis(250)
    {
        let message =
            "`max_staleness` must be at least 250ms: below that, ordinary scheduling would make every fact too old";
        findings.error("wrong_value", node.span, message);
    }
    count(map, "credentials", 1..=100_000_000, &mut config.cache_credentials, findings);
}

fn log(tree: &Map, config: &mut Config, findings: &mut Findings) {
    let keys = Keys { known: &["format", "access"], not_yet: &[] };
    let Some(map) = section(tree, "log", keys, findings) else { return };
    if let Some(node) = map.get("format") {
        match node.expect_word("`format`", findings) {
            Some("json") => config.log.format = Format::Json,
            Some("text") => config.log.format = Format::Text,
            Some(other) => {
                let message = format!("`format` must be `json` or `text`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
            None => {}
        }
    }
    if let Some(node) = map.get("access") {
        set(&mut config.log.access, node.expect_bool("`access`", findings));
    }
}

/// `None` where there is no collector.
fn tracing(tree: &Map, base: &Path, findings: &mut Findings) -> Option<trace::Settings> {
    let keys = Keys { known: &["otlp", "sample", "service", "ca"], not_yet: &[] };
    let map = section(tree, "tracing", keys, findings)?;
    let mut text = |key: &str| map.get(key).and_then(|node| node.expect_str(&format!("`{key}`"), findings));
    let service = text("service").unwrap_or("postern").to_owned();
    let ca = text("ca").map(|file| base.join(file));
    let sample = map.get("sample").map_or(Some(trace::Ratio::ALL), |node| {
        let written = if let Value::Scalar(scalar) = &node.value { scalar.text.as_str() } else { "a list or a map" };
        let ratio = trace::Ratio::parse(written);
        if ratio.is_none() {
            let message = format!("`sample` must be a number from 0 to 1, not `{written}`");
            findings.error("wrong_value", node.span, message).help("write `0.1` for one trace in ten");
        }
        ratio
    });
    let node = map.get("otlp").filter(|node| !node.is_off())?;
    let otlp = node.expect_str("`otlp`", findings)?.to_owned();
    let is_collector = |url: &Url<'_>| {
        (url.has_scheme("http") || url.has_scheme("https")) && url.server.port.is_some() && url.is_origin()
    };
    let url = Url::parse(&otlp);
    if !url.as_ref().is_ok_and(is_collector) {
        let why = url.err().map(|error| format!(": {error}")).unwrap_or_default();
        let message = format!("`otlp` must be scheme, host and port of a collector{why}");
        findings.error("wrong_value", node.span, message).help("write `http://collector:4317`, or `off`");
        return None;
    }
    Some(trace::Settings { otlp, ca, sample: sample?, service })
}

fn limits(tree: &Map, limits: &mut Limits, findings: &mut Findings) {
    let keys = Keys {
        known: &[
            "connections",
            "per_address",
            "streams",
            "resets",
            "header_bytes",
            "headers",
            "body",
            "identity_header",
            "min_rate",
        ],
        not_yet: &[],
    };
    let Some(map) = section(tree, "limits", keys, findings) else { return };
    count(map, "connections", 1..=1_000_000, &mut limits.connections, findings);
    count(map, "per_address", 1..=1_000_000, &mut limits.per_address, findings);
    count(map, "headers", 1..=1_000, &mut limits.headers, findings);
    for (key, place) in [("streams", &mut limits.streams), ("resets", &mut limits.resets)] {
        if let Some(node) = map.get(key) {
            let number = node.expect_u64(&format!("`{key}`"), 1..=10_000, findings);
            set(place, number.and_then(|number| u32::try_from(number).ok()));
        }
    }
    if let Some(node) = map.get("header_bytes")
        && let Some(bytes) = node.expect_size("`header_bytes`", findings)
    {
        if (1024..=1 << 20).contains(&bytes) {
            limits.header_bytes = usize::try_from(bytes).unwrap_or(limits.header_bytes);
        } else {
            findings.error("wrong_value", node.span, "`header_bytes` must be from 1KiB to 1MiB");
        }
    }
    if let Some(node) = map.get("identity_header")
        && let Some(bytes) = node.expect_size("`identity_header`", findings)
    {
        if (1024..=64 << 10).contains(&bytes) {
            limits.identity_header = usize::try_from(bytes).unwrap_or(limits.identity_header);
        } else {
            findings.error("wrong_value", node.span, "`identity_header` must be from 1KiB to 64KiB");
        }
    }
    if let Some(node) = map.get("body") {
        set(&mut limits.body, node.expect_size("`body`", findings));
    }
    if let Some(node) = map.get("min_rate")
        && let Some(bytes) = node.expect_size("`min_rate`", findings)
    {
        match u32::try_from(bytes).ok().filter(|bytes| *bytes <= 1 << 20) {
            Some(bytes) => limits.min_rate = bytes,
            None => {
                findings.error("wrong_value", node.span, "`min_rate` must be from 0B (none) to 1MiB a second");
            }
        }
    }
}

fn timeouts(tree: &Map, timeouts: &mut Timeouts, findings: &mut Findings) {
    let known = &["idle", "head", "stall", "connect", "first_byte", "upstream_idle", "keep"];
    let Some(map) = section(tree, "timeouts", Keys { known, not_yet: &["total"] }, findings) else { return };
    let places = [
        ("idle", &mut timeouts.idle),
        ("head", &mut timeouts.head),
        ("stall", &mut timeouts.stall),
        ("connect", &mut timeouts.connect),
        ("first_byte", &mut timeouts.first_byte),
        ("upstream_idle", &mut timeouts.upstream_idle),
        ("keep", &mut timeouts.keep),
    ];
    durations(map, places, findings);
}
