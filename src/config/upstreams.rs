//! The `upstreams` section: where requests go.

use super::keys::{FILE, Reader, Section, Shape, TEXT, TIME, count, custom, keys, one_of, within};
use crate::address::Server;
use crate::upstream::cluster::{Balance, Eject, Probe, Settings};
use crate::upstream::{Address, HostHeader, Protocol, Scheme, Upstream, tls};
use crate::yaml::{Entry, Findings, Map, Node, Span, Value};
use http::HeaderValue;
use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::time::Duration;

keys! {
    struct Said {
        addresses: Vec<Address> = Vec::new(), custom(Shape::Any(ADDRESSES), addresses),
            "`http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT`, `uwsgi://HOST:PORT`, `unix:///PATH` or `uwsgi+unix:///PATH`, each also as `{ url: URL, weight: N }`; all of one scheme.";
        host: HostHeader = HostHeader::Preserve, custom(Shape::Text, host),
            "The `Host` that it sees: `preserve`, `upstream`, or a host name. [preserve]";
        protocol: Protocol = Protocol::Auto,
            one_of!("auto" => Protocol::Auto, "http1" => Protocol::Http1, "http2" => Protocol::Http2),
            "What is spoken: `auto` goes by the scheme, within TLS by what the handshake agrees on. [auto]";
        title_case ("header_case"): bool = false, one_of!("lower" => false, "title" => true),
            "Names of headers that it is told over HTTP/1.1: in `lower` case, or `title`: `Like-This`. [lower]";
        tls: tls::Settings = tls::Settings::default(), custom(Shape::Map(Tls::KEYS, 0), tls_settings),
            "For https: whom to believe, and who we are.";
        balance: Balance = Balance::RoundRobin, one_of!(
                "round_robin" => Balance::RoundRobin, "user" => Balance::User, "organization" => Balance::Organization,
            ), "`round_robin` by weight; `user` or `organization`: the same address for the same one. [round_robin]";
        health: Option<Probe> = None, custom(Shape::Map(Health::KEYS, 0), health), "Active checks of each address. [none]";
        eject: Eject = Settings::default().eject, within::<Ejection>(),
            "When an address that fails is left out, and for how long.";
        slow_start: Duration = Settings::default().slow_start, TIME,
            "How long an address that is new or well again takes to its full share. [0s]";
        resolve: Duration = Settings::default().resolve, custom(Shape::Time, resolve),
            "How often host names are resolved; at least 1s. [10s]";
        limits: Limits = Limits::default(), within::<Limits>(), "Requests at the upstream at once, over all workers.";
    }
}

const ADDRESSES: &[Shape] = &[
    Shape::Text,
    Shape::Map(Weighted::KEYS, 1),
    Shape::List(&Shape::Any(&[Shape::Text, Shape::Map(Weighted::KEYS, 1)])),
];

pub(super) const SHAPE: Shape = Shape::Named(&Shape::Any(&[Shape::Text, Shape::Map(Said::KEYS, 1)]));

keys! {
    struct Weighted {
        url: Option<Address> = None, custom(Shape::Text, |_, node, reader| {
                address(node.expect_str("`url`", reader.findings)?, node.span, reader.findings)
            }), "`http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT`, `uwsgi://HOST:PORT`, `unix:///PATH` or `uwsgi+unix:///PATH`";
        weight: Option<usize> = None, count::<usize, 1, 1000>(), "Its share beside the others. [1]";
    }
}

keys! {
    struct Tls {
        ca: Option<PathBuf> = None, FILE, "PEM: authorities that are believed instead of the public ones.";
        cert: Option<PathBuf> = None, FILE, "PEM: our own certificate.";
        key: Option<PathBuf> = None, FILE, "PEM: its key.";
        server_name: Option<String> = None, TEXT, "What its certificate must name, where it is not the address.";
    }
}

struct Health;

keys! {
    Health for Probe {
        path, custom(Shape::Text, path), "Asked with GET: 2xx is well. Without it, a connection is.";
        every, custom(Shape::Time, |key, node, reader| at_least(key, node, Duration::from_millis(100), reader)),
            "Between two checks; at least 100ms. [5s]";
        timeout, custom(Shape::Time, |key, node, reader| at_least(key, node, Duration::from_millis(1), reader)),
            "For one check. [2s]";
        healthy, count::<usize, 1, 1000>(), "Good ones in a row to be well again. [1]";
        unhealthy, count::<usize, 1, 1000>(), "Bad ones in a row to be left out. [2]";
    }
}

struct Ejection;

keys! {
    Ejection for Eject {
        after, count::<u32, 0, 1_000_000>(), "Failures in a row; 0 is never. [5]";
        time, TIME, "For how long; each further time longer, ten times at most. [10s]";
    }
}

keys! {
    struct Limits {
        connections: usize = Settings::default().connections, count::<usize, 1, 1_000_000>(),
            "Requests at once. [any number]";
        pending: usize = Settings::default().pending, count::<usize, 0, 1_000_000>(),
            "Requests that wait for that; more are refused. [100]";
    }
}

/// Those keys that make an upstream a cluster, whatever the number of its addresses.
const OF_CLUSTERS: [&str; 6] = ["balance", "health", "eject", "slow_start", "resolve", "limits"];

/// Reads the section.
pub(super) fn read(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Upstream>> {
    let map = node.expect_map("`upstreams`", reader.findings)?;
    Some(map.entries.iter().filter_map(|entry| upstream(entry, reader)).collect())
}

fn upstream(entry: &Entry, reader: &mut Reader<'_>) -> Option<Upstream> {
    let what = format!("upstream `{}`", entry.key.text);
    let nothing = Map::default();
    let (said, options) = match &entry.value.value {
        Value::Map(options) => (reader.read::<Said>("", &what, options), options),
        _ => {
            let url = entry.value.expect_str(&what, reader.findings)?;
            let addresses = vec![address(url, entry.value.span, reader.findings)?];
            (Said { addresses, ..Said::default() }, &nothing)
        }
    };
    let findings = &mut *reader.findings;
    let Said { addresses, host, protocol, title_case, tls, .. } = said;
    let Some(first) = addresses.first() else {
        match options.get("addresses") {
            None => findings.error("missing_key", entry.key.span, format!("{what} has no `addresses`")),
            Some(node) => findings.error("wrong_value", node.span, format!("{what} has no address")),
        };
        return None;
    };
    if let Some(node) = options.get("addresses")
        && addresses.iter().any(|other| other.scheme != first.scheme)
    {
        let message =
            format!("{what}: the addresses of one upstream are all http or all https, or all h2c, or all uwsgi");
        findings.error("wrong_value", node.span, message).help("make two upstreams of them");
    }
    if let (Some(node), Scheme::Http | Scheme::H2c | Scheme::Uwsgi) = (options.get("tls"), first.scheme) {
        findings.error("wrong_value", node.span, format!("{what}: `tls` is for https addresses, and this one is not"));
    }
    if let (Some(node), Scheme::H2c, Protocol::Http1) = (options.get("protocol"), first.scheme, protocol) {
        findings.error("wrong_value", node.span, "`protocol: http1` contradicts the scheme h2c");
    }
    if let (Some(node), Scheme::Uwsgi, Protocol::Http1 | Protocol::Http2) =
        (options.get("protocol"), first.scheme, protocol)
    {
        findings.error("wrong_value", node.span, "`protocol` is a version of HTTP, and contradicts the scheme uwsgi");
    }
    let is_cluster = addresses.len() > 1 || OF_CLUSTERS.iter().any(|key| options.get(key).is_some());
    let cluster = is_cluster.then_some(Settings {
        balance: said.balance,
        health: said.health,
        eject: said.eject,
        slow_start: said.slow_start,
        resolve: said.resolve,
        connections: said.limits.connections,
        pending: said.limits.pending,
    });
    let upstream =
        Upstream { name: entry.key.text.as_str().into(), addresses, host, protocol, title_case, tls, cluster };
    if let (Some(node), true, Protocol::Http2) = (options.get("header_case"), title_case, upstream.spoken()) {
        findings.error("no_meaning", node.span, "names of headers are in lower case in HTTP/2 (RFC 9113, 8.2)");
    }
    if let (Some(node), true, true) = (options.get("header_case"), title_case, upstream.is_uwsgi()) {
        findings.error("no_meaning", node.span, "over uwsgi names of headers are those of variables: `HTTP_LIKE_THIS`");
    }
    Some(upstream)
}

fn address(url: &str, span: Span, findings: &mut Findings) -> Option<Address> {
    let parsed = Address::parse(url);
    parsed.map_err(|error| findings.error("wrong_value", span, error.to_string())).ok()
}

fn addresses(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Address>> {
    let items = if let Value::Seq(items) = &node.value { items } else { std::slice::from_ref(node) };
    let all: Vec<_> = items.iter().map(|item| weighted(item, reader)).collect();
    all.into_iter().collect()
}

/// A URL, or `{ url: URL, weight: N }`.
fn weighted(node: &Node, reader: &mut Reader<'_>) -> Option<Address> {
    let what = reader.what.clone();
    let Value::Map(map) = &node.value else {
        return address(node.expect_str(&what, reader.findings)?, node.span, reader.findings);
    };
    let what = format!("an address of {what}");
    let Weighted { url, weight } = reader.read::<Weighted>("", &what, map);
    if map.get("url").is_none() {
        reader.findings.error("missing_key", node.span, format!("{what} has no `url`"));
    }
    let url = url?;
    Some(Address { weight: weight.unwrap_or(url.weight), ..url })
}

fn host(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<HostHeader> {
    match node.expect_str("`host`", reader.findings)? {
        "preserve" => Some(HostHeader::Preserve),
        "upstream" => Some(HostHeader::Upstream),
        text => {
            let valid = Server::parse(text).is_ok();
            let value = HeaderValue::from_str(text).ok().filter(|_| valid);
            if value.is_none() {
                let message = format!("`host` must be `preserve`, `upstream` or a host name, not `{text}`");
                reader.findings.error("wrong_value", node.span, message);
            }
            value.map(HostHeader::Text)
        }
    }
}

fn tls_settings(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<tls::Settings> {
    let map = node.expect_map("`tls`", reader.findings)?;
    let Tls { ca, cert, key, server_name } = reader.read::<Tls>(key, "`tls`", map);
    if let (Some(node), None) | (None, Some(node)) = (map.get("cert"), map.get("key")) {
        let message = "a client certificate needs both `cert` and `key`";
        reader.findings.error("missing_key", node.span, message);
    }
    let server_name = server_name.and_then(|name| {
        let parsed = ServerName::try_from(name.clone()).ok();
        if let (None, Some(node)) = (&parsed, map.get("server_name")) {
            let message = format!("`server_name` must be a host name, not `{name}`");
            reader.findings.error("wrong_value", node.span, message);
        }
        parsed
    });
    Some(tls::Settings { ca, identity: cert.zip(key), server_name })
}

fn health(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Probe> {
    let map = node.expect_map("`health`", reader.findings)?;
    Some(reader.read::<Health>(key, "`health`", map))
}

fn path(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let path = node.expect_str("`path`", reader.findings)?;
    if crate::request_target::Target::parse(path).is_err() {
        let message = format!("`path` must be a path such as `/ok`, not `{path}`");
        reader.findings.error("wrong_value", node.span, message);
        return None;
    }
    Some(path.into())
}

fn resolve(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    at_least(key, node, Duration::from_secs(1), reader)
}

fn at_least(key: &str, node: &Node, least: Duration, reader: &mut Reader<'_>) -> Option<Duration> {
    let value = (TIME.read)(key, node, reader)?;
    if value < least {
        let message = format!("`{key}` must be at least {} ms", least.as_millis());
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(value)
}
