//! What sections of the configuration have in common: how a part of the tree is read into its place, and what is said where it does
//! not fit.

use crate::yaml::{Findings, Keys, Map, Node};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

pub(super) fn section<'t>(tree: &'t Map, name: &str, keys: Keys<'_>, findings: &mut Findings) -> Option<&'t Map> {
    let map = tree.get(name)?.expect_map(&format!("`{name}`"), findings)?;
    map.expect_keys(&format!("`{name}`"), keys, findings);
    Some(map)
}

/// How names of headers are written: whether `Like-This`.
pub(super) fn title_case(map: &Map, findings: &mut Findings) -> Option<bool> {
    map.get("header_case")?.expect_one_of("`header_case`", &[("lower", false), ("title", true)], findings)
}

pub(super) fn count(
    map: &Map,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
    place: &mut usize,
    findings: &mut Findings,
) {
    let Some(node) = map.get(key) else { return };
    let number = node.expect_u64(&format!("`{key}`"), range, findings);
    set(place, number.and_then(|number| usize::try_from(number).ok()));
}

pub(super) fn durations<const N: usize>(map: &Map, places: [(&str, &mut Duration); N], findings: &mut Findings) {
    for (key, place) in places {
        if let Some(node) = map.get(key) {
            set(place, node.expect_duration(&format!("`{key}`"), findings));
        }
    }
}

pub(super) fn tcp_address(key: &str, node: &Node, findings: &mut Findings) -> Option<SocketAddr> {
    let text = node.expect_word(&format!("`{key}`"), findings)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let message = format!("`{key}` must be an address and a port, not `{text}`");
        findings.error("wrong_value", node.span, message).help("write `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`");
    }
    parsed
}

/// A key of which this version does one value alone.
pub(super) fn only(tree: &Map, key: &str, this: &str, not_yet: &[&str], findings: &mut Findings) {
    let Some(node) = tree.get(key) else { return };
    let Some(text) = node.expect_word(&format!("`{key}`"), findings) else { return };
    if not_yet.contains(&text) {
        let message = format!("`{key}: {text}` is not yet supported by this version of postern");
        findings.error("not_yet", node.span, message);
    } else if text != this {
        findings.error("wrong_value", node.span, format!("`{key}` must be `{this}`, not `{text}`"));
    }
}
