//! `timeout:` and `body_limit:`: how long and how much, where a route needs other limits than the rest.

use crate::yaml::{Findings, Keys, Node};
use std::time::Duration;

/// Time limits towards the upstream. `None`: as the configuration has it; zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout {
    pub connect: Option<Duration>,
    /// Until the answer begins, once the request has been sent.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer.
    pub idle: Option<Duration>,
    /// For the whole exchange, from the request's head to the answer's end.
    pub total: Option<Duration>,
}

impl Timeout {
    /// Puts `self` over what stands above it.
    pub(super) fn over(self, above: Self) -> Self {
        Self {
            connect: self.connect.or(above.connect),
            first_byte: self.first_byte.or(above.first_byte),
            idle: self.idle.or(above.idle),
            total: self.total.or(above.total),
        }
    }

    /// The limits that are said, by name.
    pub fn said(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { connect, first_byte, idle, total } = *self;
        let all = [("connect", connect), ("first_byte", first_byte), ("idle", idle), ("total", total)];
        all.into_iter().filter_map(|(name, limit)| Some((name, limit?)))
    }
}

/// Reads `timeout:`; `None` when it was reported.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Timeout> {
    let known = ["connect", "first_byte", "idle", "total"];
    let help = "write `timeout: { total: 30s }`; the limits are connect, first_byte, idle and total";
    let map = node.expect_map_like("`timeout`", help, findings)?;
    map.expect_keys("`timeout`", Keys { known: &known, not_yet: &[] }, findings);
    if map.entries.is_empty() {
        let detail = findings.error("wrong_value", node.span, "`timeout` says nothing");
        detail.help("write for example `{ first_byte: 5s, total: 1m }`");
    }
    let mut limit = |key: &str| map.get(key).and_then(|n| n.expect_duration(&format!("`{key}`"), findings));
    Some(Timeout {
        connect: limit("connect"),
        first_byte: limit("first_byte"),
        idle: limit("idle"),
        total: limit("total"),
    })
}
