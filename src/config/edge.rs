//! The listeners: where they listen, TLS on the data port, the PROXY protocol.

use super::Config;
use super::keys::{ADDRESS, FILE, Reader, Section, Shape, custom, keys, one_of};
use crate::address::Server;
use crate::net::listen::Address;
use crate::net::tls::{Files, Pair};
use crate::yaml::{Findings, Map, Node, Value};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Who may connect to a Unix socket where nothing is said: the owner and the group.
const MODE: u32 = 0o660;

/// What of listeners must fit together.
pub(super) fn check(tree: &Map, config: &mut Config, findings: &mut Findings) {
    if let (Some(node), Some(said)) = (tree.get("listen_mode"), config.listen_mode) {
        match &mut config.listen {
            Address::Unix { mode, .. } => *mode = said,
            Address::Tcp(_) => {
                let message = "`listen_mode` is for a Unix socket, and `listen` names none";
                findings.error("wrong_value", node.span, message);
            }
        }
    }
    if let (Some(_), Address::Unix { .. }, Some(node)) = (&config.tls, &config.listen, tree.get("tls")) {
        findings.error("wrong_value", node.span, "TLS is not spoken on a Unix socket").help("remove `tls`");
    }
    if let Some(node) = tree.get("proxy_protocol")
        && config.proxy_protocol
        && config.trusted_proxies.is_empty()
    {
        findings
            .error("wrong_value", node.span, "`proxy_protocol` believes `trusted_proxies`, and there are none")
            .help("name the networks that your proxies are in under `trusted_proxies`");
    }
    // Who announces where a connection comes from may say that it is one of those whose word is taken.
    if let (Some(node), Some(header)) = (tree.get("proxy_protocol"), &config.identity.accounts.trusted_header)
        && config.proxy_protocol
        && let Some(proxy) =
            config.trusted_proxies.iter().find(|proxy| !header.from.iter().any(|of| of.contains(*proxy)))
    {
        let message =
            format!("`{proxy}` may announce that a connection comes from a proxy that `trusted_header` believes");
        findings
            .error("wrong_value", node.span, message)
            .help("name the networks of `trusted_proxies` under `from` of `trusted_header` too, where that is meant");
    }
    listeners_differ(tree, config, findings);
}

/// No two listeners on one address; a port of 0 is another one each time.
fn listeners_differ(tree: &Map, config: &Config, findings: &mut Findings) {
    let all = [
        ("listen", Some(&config.listen)),
        ("forward_auth", config.forward_auth.as_ref().map(|asked| &asked.listen)),
        ("ext_authz", config.ext_authz.as_ref()),
        ("admin_ui", config.admin_ui.as_ref().and_then(|admin| admin.listen.as_ref())),
    ];
    let path = |address: &Option<&Address>| match address {
        Some(Address::Unix { path, .. }) => Some(path.clone()),
        _ => None,
    };
    for (at, (key, address)) in all.iter().enumerate().filter(|(_, (_, address))| path(address).is_some()) {
        let Some((first, _)) = all.iter().take(at).find(|(_, other)| path(other) == path(address)) else { continue };
        if let Some(node) = tree.get(key) {
            findings.error("wrong_value", node.span, format!("`{key}` and `{first}` would be one socket"));
        }
    }
    let all = all.map(|(key, address)| (key, address.and_then(Address::tcp)));
    let others = [("management", Some(config.management)), ("probes", config.probes)];
    let [data, asked @ ..] = all;
    let all = [data].into_iter().chain(others).chain(asked);
    let all: Vec<_> = all.filter_map(|(key, address)| Some((key, address?))).collect();
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

pub(super) fn listen(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Address> {
    let text = node.expect_word("`listen`", reader.findings)?;
    let Some(path) = text.strip_prefix("unix:") else {
        return (ADDRESS.read)(key, node, reader).map(Address::Tcp);
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    // The system's limit for the name of a socket, its end included.
    if path.is_empty() || path.len() > 107 {
        let message = "the path of a Unix socket has 1 to 107 bytes";
        reader.findings.error("wrong_value", node.span, message).help("write `unix:///run/postern/postern.sock`");
        return None;
    }
    Some(Address::Unix { path: reader.base.join(path), mode: MODE })
}

pub(super) fn mode(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<u32> {
    let text = if let Value::Scalar(scalar) = &node.value { scalar.text.as_str() } else { "" };
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let read = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    if read.is_none() {
        let message = "`listen_mode` must be three octal digits";
        reader.findings.error("wrong_value", node.span, message).help("write `0660`: the owner and the group");
    }
    read
}

pub(super) fn probes(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    if node.is_off() { None } else { (ADDRESS.read)(key, node, reader) }
}

/// Names and addresses, without ports: whatever port somebody goes through is theirs to know.
pub(super) fn management_hosts(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Box<str>>> {
    let findings = &mut *reader.findings;
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
    Some(hosts)
}

keys! {
    struct Tls {
        cert: Option<PathBuf> = None, FILE,
            "PEM: the certificate and its chain; shown for names that no other certificate has.";
        key: Option<PathBuf> = None, FILE, "PEM: its key.";
        certificates: Vec<Pair> = Vec::new(), custom(Shape::List(&Shape::Map(Certificate::KEYS, 2)), certificates),
            "Further ones, chosen by the name that the client asks for.";
        client_ca: Option<PathBuf> = None, FILE,
            "PEM: authorities of clients' certificates; without it none is asked for.";
        client_optional ("client_certificate"): bool = false, one_of!("required" => false, "optional" => true),
            "Whether a client must have one; a wrong one is always refused. [required]";
    }
}

keys! {
    struct Certificate {
        cert: Option<PathBuf> = None, FILE, "PEM: the certificate and its chain.";
        key: Option<PathBuf> = None, FILE, "PEM: its key.";
    }
}

pub(super) const TLS: Shape = Shape::Map(Tls::KEYS, 0);

pub(super) fn tls(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Files> {
    let map = node.expect_map("`tls`", reader.findings)?;
    let Tls { cert, key, certificates, client_ca, client_optional } = reader.read::<Tls>(key, "`tls`", map);
    let mut pairs: Vec<Pair> = pair("`tls`", map, cert, key, reader.findings).into_iter().collect();
    pairs.extend(certificates);
    if pairs.is_empty() && !reader.findings.has_errors() {
        let detail = reader.findings.error("missing_key", node.span, "`tls` has no certificate");
        detail.help("write `cert: FILE` and `key: FILE`");
    }
    if let (Some(node), None) = (map.get("client_certificate"), &client_ca) {
        let message = "`client_certificate` needs `client_ca`: whose certificates are good?";
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(Files { pairs, client_ca, client_optional })
}

fn certificates(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Pair>> {
    let Value::Seq(items) = &node.value else {
        let message = "`certificates` must be a list of `{ cert: FILE, key: FILE }`";
        reader.findings.error("wrong_type", node.span, message);
        return None;
    };
    let one = |item: &Node| {
        let map = item.expect_map("a certificate", reader.findings)?;
        let Certificate { cert, key } = reader.read::<Certificate>("", "a certificate", map);
        pair("a certificate", map, cert, key, reader.findings)
    };
    Some(items.iter().filter_map(one).collect())
}

/// A certificate and its key; either alone is a mistake.
fn pair(what: &str, map: &Map, cert: Option<PathBuf>, key: Option<PathBuf>, findings: &mut Findings) -> Option<Pair> {
    if let (Some(node), None) | (None, Some(node)) = (map.get("cert"), map.get("key")) {
        findings.error("missing_key", node.span, format!("{what} needs both `cert` and `key`"));
    }
    Some(Pair { cert: cert?, key: key? })
}
