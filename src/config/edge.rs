//! The data port: where it listens, TLS, the PROXY protocol.

use super::part::{section, set};
use super::{Config, tcp_address};
use crate::net::listen::Address;
use crate::net::tls::{Files, Pair};
use crate::yaml::{Findings, Keys, Map, Node, Value};
use std::path::Path;

/// Who may connect to a Unix socket where nothing is said: the owner and the group.
const MODE: u32 = 0o660;

pub(super) fn read(tree: &Map, base: &Path, config: &mut Config, findings: &mut Findings) {
    if let Some(node) = tree.get("listen") {
        set(&mut config.listen, listen(node, base, findings));
    }
    mode(tree, config, findings);
    config.tls = tls(tree, base, findings);
    if let (Some(_), Address::Unix { .. }, Some(node)) = (&config.tls, &config.listen, tree.get("tls")) {
        findings.error("wrong_value", node.span, "TLS is not spoken on a Unix socket").help("remove `tls`");
    }
    if let Some(node) = tree.get("proxy_protocol") {
        set(&mut config.proxy_protocol, node.expect_bool("`proxy_protocol`", findings));
        if config.proxy_protocol && config.trusted_proxies.is_empty() {
            findings
                .error("wrong_value", node.span, "`proxy_protocol` believes `trusted_proxies`, and there are none")
                .help("name the networks that your proxies are in under `trusted_proxies`");
        }
    }
}

fn listen(node: &Node, base: &Path, findings: &mut Findings) -> Option<Address> {
    let text = node.expect_word("`listen`", findings)?;
    let Some(path) = text.strip_prefix("unix:") else {
        return tcp_address("listen", node, findings).map(Address::Tcp);
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    // The system's limit for the name of a socket, its end included.
    if path.is_empty() || path.len() > 107 {
        let message = "the path of a Unix socket has 1 to 107 bytes";
        findings.error("wrong_value", node.span, message).help("write `unix:///run/postern/postern.sock`");
        return None;
    }
    Some(Address::Unix { path: base.join(path), mode: MODE })
}

fn mode(tree: &Map, config: &mut Config, findings: &mut Findings) {
    let Some(node) = tree.get("listen_mode") else { return };
    let text = if let Value::Scalar(scalar) = &node.value { scalar.text.as_str() } else { "" };
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let read = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    match (read, &mut config.listen) {
        (Some(read), Address::Unix { mode, .. }) => *mode = read,
        (Some(_), Address::Tcp(_)) => {
            findings.error("wrong_value", node.span, "`listen_mode` is for a Unix socket, and `listen` names none");
        }
        (None, _) => {
            let message = "`listen_mode` must be three octal digits";
            findings.error("wrong_value", node.span, message).help("write `0660`: the owner and the group");
        }
    }
}

fn tls(tree: &Map, base: &Path, findings: &mut Findings) -> Option<Files> {
    let keys = Keys { known: &["cert", "key", "certificates", "client_ca", "client_certificate"], not_yet: &[] };
    let map = section(tree, "tls", keys, findings)?;
    let mut pairs: Vec<Pair> = pair("`tls`", map, base, findings).into_iter().collect();
    if let Some(Node { value: Value::Seq(items), .. }) = map.get("certificates") {
        for item in items {
            let Some(map) = item.expect_map("a certificate", findings) else { continue };
            map.expect_keys("a certificate", Keys { known: &["cert", "key"], not_yet: &[] }, findings);
            pairs.extend(pair("a certificate", map, base, findings));
        }
    } else if let Some(node) = map.get("certificates") {
        findings.error("wrong_type", node.span, "`certificates` must be a list of `{ cert: FILE, key: FILE }`");
    }
    if pairs.is_empty()
        && !findings.has_errors()
        && let Some(node) = tree.get("tls")
    {
        findings.error("missing_key", node.span, "`tls` has no certificate").help("write `cert: FILE` and `key: FILE`");
    }
    let file = |key: &str, findings: &mut Findings| {
        map.get(key).and_then(|node| node.expect_str(&format!("`{key}`"), findings)).map(|file| base.join(file))
    };
    let client_ca = file("client_ca", findings);
    let mut client_optional = false;
    if let Some(node) = map.get("client_certificate") {
        match node.expect_word("`client_certificate`", findings) {
            _ if client_ca.is_none() => {
                let message = "`client_certificate` needs `client_ca`: whose certificates are good?";
                findings.error("wrong_value", node.span, message);
            }
            Some("required") | None => {}
            Some("optional") => client_optional = true,
            Some(other) => {
                let message = format!("`client_certificate` must be `required` or `optional`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
        }
    }
    Some(Files { pairs, client_ca, client_optional })
}

/// A certificate and its key; either alone is a mistake.
fn pair(what: &str, map: &Map, base: &Path, findings: &mut Findings) -> Option<Pair> {
    let (cert, key) = match (map.get("cert"), map.get("key")) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return None,
        (Some(node), None) | (None, Some(node)) => {
            findings.error("missing_key", node.span, format!("{what} needs both `cert` and `key`"));
            return None;
        }
    };
    let cert = base.join(cert.expect_str("`cert`", findings)?);
    Some(Pair { cert, key: base.join(key.expect_str("`key`", findings)?) })
}
