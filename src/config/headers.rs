//! `trusted_proxies:` and `keep_headers:` — whose headers are believed, and which.

use super::Config;
use super::keys::Reader;
use crate::normalized_name::normalized_key;
use crate::request_target::hop::is_hop_by_hop;
use crate::yaml::{Findings, Map, Node};
use http::HeaderName;
use ipnet::IpNet;
use std::net::IpAddr;

/// Headers are kept of proxies that are trusted.
pub(super) fn check(tree: &Map, config: &Config, findings: &mut Findings) {
    if let Some(node) = tree.get("keep_headers").filter(|_| config.trusted_proxies.is_empty()) {
        findings
            .error("wrong_value", node.span, "`keep_headers` believes `trusted_proxies`, and there are none")
            .help("name the networks that your proxies are in under `trusted_proxies`");
    }
}

pub(super) fn trusted_proxies(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    Some(networks(key, node, reader.findings))
}

/// Networks whose headers are believed, which are not the whole world.
pub(super) fn networks(key: &str, node: &Node, findings: &mut Findings) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for (text, span) in node.expect_strs(&format!("`{key}`"), findings).unwrap_or_default() {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = format!("`{text}` is not a network");
                findings.error("wrong_value", span, message).help("write `10.0.0.0/8`, `fd00::/8` or one address");
            }
        }
    }
    if is_everybody(&networks) {
        let message = format!("`{key}` would believe everybody's headers: these networks are the whole world");
        findings.error("wrong_value", node.span, message).help("name the networks that your proxies are in");
    } else if let Some(wide) = IpNet::aggregate(&networks).iter().find(|network| match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => network.prefix_len() < 16,
    }) {
        let message = format!("`{key}` believes all of {wide}, which is more than anybody's network");
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

pub(super) fn kept(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<HeaderName>> {
    let findings = &mut *reader.findings;
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
    Some(names)
}
