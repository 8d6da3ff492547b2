//! The `upstreams` section: where requests go.

use super::part::{count, durations, section, set, title_case};
use crate::address::Server;
use crate::upstream::cluster::{Balance, Eject, Probe, Settings};
use crate::upstream::{Address, HostHeader, Protocol, Scheme, Upstream, tls};
use crate::yaml::{Entry, Findings, Keys, Map, Node, Span, Value};
use http::HeaderValue;
use rustls::pki_types::ServerName;
use std::path::Path;
use std::time::Duration;

const KEYS: Keys<'static> = Keys {
    known: &[
        "addresses",
        "host",
        "protocol",
        "header_case",
        "tls",
        "balance",
        "health",
        "eject",
        "slow_start",
        "resolve",
        "limits",
    ],
    not_yet: &[],
};

/// Those keys that make an upstream a cluster, whatever the number of its addresses.
const OF_CLUSTERS: [&str; 6] = ["balance", "health", "eject", "slow_start", "resolve", "limits"];

/// Reads the section; relative files are looked for in `base`.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Vec<Upstream> {
    let Some(map) = node.expect_map("`upstreams`", findings) else { return Vec::new() };
    map.entries.iter().filter_map(|entry| upstream(entry, base, findings)).collect()
}

fn upstream(entry: &Entry, base: &Path, findings: &mut Findings) -> Option<Upstream> {
    let name = &entry.key.text;
    let what = format!("upstream `{name}`");
    let Value::Map(options) = &entry.value.value else {
        let address = address(entry.value.expect_str(&what, findings)?, entry.value.span, findings)?;
        return Some(Upstream {
            name: name.as_str().into(),
            addresses: vec![address],
            host: HostHeader::Preserve,
            protocol: Protocol::default(),
            title_case: false,
            tls: tls::Settings::default(),
            cluster: None,
        });
    };
    options.expect_keys(&what, KEYS, findings);
    let host = options.get("host").map_or(Some(HostHeader::Preserve), |node| host(node, findings));
    let tls = options.get("tls").map(|_| tls_settings(options, base, findings));
    let cluster = cluster(options, findings);
    let protocol = options.get("protocol").map_or(Some(Protocol::Auto), |node| protocol(node, findings));
    let title_case = title_case(options, findings).unwrap_or(false);
    let Some(node) = options.get("addresses") else {
        findings.error("missing_key", entry.key.span, format!("{what} has no `addresses`"));
        return None;
    };
    let addresses = addresses(node, &what, findings)?;
    let Some(first) = addresses.first() else {
        findings.error("wrong_value", node.span, format!("{what} has no address"));
        return None;
    };
    if addresses.iter().any(|other| other.scheme != first.scheme) {
        let message = format!("{what}: the addresses of one upstream are all http or all https, or all h2c");
        findings.error("wrong_value", node.span, message).help("make two upstreams of them");
    }
    if let (Some(node), Scheme::Http | Scheme::H2c) = (options.get("tls"), first.scheme) {
        findings.error("wrong_value", node.span, format!("{what}: `tls` is for https addresses, and this one is not"));
    }
    if let (Some(node), Scheme::H2c, Some(Protocol::Http1)) = (options.get("protocol"), first.scheme, protocol) {
        findings.error("wrong_value", node.span, "`protocol: http1` contradicts the scheme h2c");
    }
    let several = addresses.len() > 1;
    let cluster = cluster.or_else(|| several.then(Settings::default));
    let tls = tls.unwrap_or_default();
    let (name, host, protocol) = (name.as_str().into(), host?, protocol?);
    let upstream = Upstream { name, addresses, host, protocol, title_case, tls, cluster };
    if let (Some(node), true, Protocol::Http2) = (options.get("header_case"), title_case, upstream.spoken()) {
        findings.error("no_meaning", node.span, "names of headers are in lower case in HTTP/2 (RFC 9113, 8.2)");
    }
    Some(upstream)
}

fn address(url: &str, span: Span, findings: &mut Findings) -> Option<Address> {
    let parsed = Address::parse(url);
    parsed.map_err(|error| findings.error("wrong_value", span, error.to_string())).ok()
}

fn addresses(node: &Node, what: &str, findings: &mut Findings) -> Option<Vec<Address>> {
    let single = std::slice::from_ref(node);
    let items = if let Value::Seq(items) = &node.value { items } else { single };
    let all: Vec<_> = items.iter().map(|item| weighted(item, what, findings)).collect();
    all.into_iter().collect()
}

/// A URL, or `{ url: URL, weight: N }`.
fn weighted(node: &Node, what: &str, findings: &mut Findings) -> Option<Address> {
    let Value::Map(map) = &node.value else {
        return address(node.expect_str(what, findings)?, node.span, findings);
    };
    let what = format!("an address of {what}");
    map.expect_keys(&what, Keys { known: &["url", "weight"], not_yet: &[] }, findings);
    let Some(url) = map.get("url") else {
        findings.error("missing_key", node.span, format!("{what} has no `url`"));
        return None;
    };
    let mut address = address(url.expect_str("`url`", findings)?, url.span, findings)?;
    count(map, "weight", 1..=1000, &mut address.weight, findings);
    Some(address)
}

fn host(node: &Node, findings: &mut Findings) -> Option<HostHeader> {
    match node.expect_str("`host`", findings)? {
        "preserve" => Some(HostHeader::Preserve),
        "upstream" => Some(HostHeader::Upstream),
        text => {
            let valid = Server::parse(text).is_ok();
            let value = HeaderValue::from_str(text).ok().filter(|_| valid);
            if value.is_none() {
                let message = format!("`host` must be `preserve`, `upstream` or a host name, not `{text}`");
                findings.error("wrong_value", node.span, message);
            }
            value.map(HostHeader::Text)
        }
    }
}

fn protocol(node: &Node, findings: &mut Findings) -> Option<Protocol> {
    match node.expect_str("`protocol`", findings)? {
        "auto" => Some(Protocol::Auto),
        "http1" => Some(Protocol::Http1),
        "http2" => Some(Protocol::Http2),
        other => {
            let message = format!("`protocol` must be `auto`, `http1` or `http2`, not `{other}`");
            findings.error("wrong_value", node.span, message);
            None
        }
    }
}

fn tls_settings(options: &Map, base: &Path, findings: &mut Findings) -> tls::Settings {
    let keys = Keys { known: &["ca", "cert", "key", "server_name"], not_yet: &[] };
    let Some(map) = section(options, "tls", keys, findings) else { return tls::Settings::default() };
    let mut text = |key: &str| map.get(key).and_then(|node| node.expect_str(&format!("`{key}`"), findings));
    let [ca, cert, key, name] = ["ca", "cert", "key", "server_name"].map(|key| text(key).map(str::to_owned));
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((base.join(cert), base.join(key))),
        (None, None) => None,
        _ => {
            let at = map.get("cert").or_else(|| map.get("key")).map(|node| node.span);
            if let Some(span) = at {
                findings.error("missing_key", span, "a client certificate needs both `cert` and `key`");
            }
            None
        }
    };
    let server_name = name.and_then(|name| {
        let parsed = ServerName::try_from(name.clone()).ok();
        if let (None, Some(node)) = (&parsed, map.get("server_name")) {
            findings.error("wrong_value", node.span, format!("`server_name` must be a host name, not `{name}`"));
        }
        parsed
    });
    tls::Settings { ca: ca.map(|ca| base.join(ca)), identity, server_name }
}

fn cluster(options: &Map, findings: &mut Findings) -> Option<Settings> {
    if !OF_CLUSTERS.iter().any(|key| options.get(key).is_some()) {
        return None;
    }
    let mut settings = Settings::default();
    if let Some(node) = options.get("balance") {
        set(&mut settings.balance, balance(node, findings));
    }
    settings.health = health(options, findings);
    let keys = Keys { known: &["after", "time"], not_yet: &[] };
    if let Some(map) = section(options, "eject", keys, findings) {
        let Eject { after, time } = &mut settings.eject;
        let mut number = *after as usize;
        count(map, "after", 0..=1_000_000, &mut number, findings);
        *after = u32::try_from(number).unwrap_or(*after);
        durations(map, [("time", time)], findings);
    }
    durations(options, [("slow_start", &mut settings.slow_start), ("resolve", &mut settings.resolve)], findings);
    at_least(options, "resolve", settings.resolve, Duration::from_secs(1), findings);
    let keys = Keys { known: &["connections", "pending"], not_yet: &[] };
    if let Some(map) = section(options, "limits", keys, findings) {
        count(map, "connections", 1..=1_000_000, &mut settings.connections, findings);
        count(map, "pending", 0..=1_000_000, &mut settings.pending, findings);
    }
    Some(settings)
}

fn balance(node: &Node, findings: &mut Findings) -> Option<Balance> {
    match node.expect_str("`balance`", findings)? {
        "round_robin" => Some(Balance::RoundRobin),
        "user" => Some(Balance::User),
        "organization" => Some(Balance::Organization),
        other => {
            let message = format!("`balance` must be `round_robin`, `user` or `organization`, not `{other}`");
            findings.error("wrong_value", node.span, message);
            None
        }
    }
}

fn health(options: &Map, findings: &mut Findings) -> Option<Probe> {
    let keys = Keys { known: &["path", "every", "timeout", "healthy", "unhealthy"], not_yet: &[] };
    let map = section(options, "health", keys, findings)?;
    let mut probe = Probe::default();
    if let Some(node) = map.get("path")
        && let Some(path) = node.expect_str("`path`", findings)
    {
        if crate::request_target::Target::parse(path).is_ok() {
            probe.path = Some(path.into());
        } else {
            findings.error("wrong_value", node.span, format!("`path` must be a path such as `/ok`, not `{path}`"));
        }
    }
    durations(map, [("every", &mut probe.every), ("timeout", &mut probe.timeout)], findings);
    at_least(map, "every", probe.every, Duration::from_millis(100), findings);
    at_least(map, "timeout", probe.timeout, Duration::from_millis(1), findings);
    count(map, "healthy", 1..=1000, &mut probe.healthy, findings);
    count(map, "unhealthy", 1..=1000, &mut probe.unhealthy, findings);
    Some(probe)
}

fn at_least(map: &Map, key: &str, value: Duration, least: Duration, findings: &mut Findings) {
    if let (Some(node), true) = (map.get(key), value < least) {
        findings.error("wrong_value", node.span, format!("`{key}` must be at least {} ms", least.as_millis()));
    }
}
