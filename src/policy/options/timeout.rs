//! `timeout:`: how long, where a route needs other limits than the rest.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::yaml::{Findings, Keys, Node};
use serde_json::{Value as Json, json};
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

impl PolicyOption for Timeout {
    const ABOUT: &'static str = "Time limits towards the upstream: `500ms`, `5s`.";
    type Raw = Self;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "connect": { "type": "string" }, "first_byte": { "type": "string" },
                "idle": { "type": "string" }, "total": { "type": "string" },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let known = ["connect", "first_byte", "idle", "total"];
        let help = "write `timeout: { total: 30s }`; the limits are connect, first_byte, idle and total";
        let map = node.expect_map_like("`timeout`", help, findings)?;
        map.expect_keys("`timeout`", Keys { known: &known, not_yet: &[] }, findings);
        if map.entries.is_empty() {
            let detail = findings.error("wrong_value", node.span, "`timeout` says nothing");
            detail.help("write for example `{ first_byte: 5s, total: 1m }`");
        }
        let mut limit = |key: &str| map.get(key).and_then(|n| n.expect_duration(&format!("`{key}`"), findings));
        Some(Self {
            connect: limit("connect"),
            first_byte: limit("first_byte"),
            idle: limit("idle"),
            total: limit("total"),
        })
    }

    fn over(own: &Self, above: &Self) -> Self {
        Self {
            connect: own.connect.or(above.connect),
            first_byte: own.first_byte.or(above.first_byte),
            idle: own.idle.or(above.idle),
            total: own.total.or(above.total),
        }
    }
}

impl Compiled<RuleContext<'_>> for Timeout {
    fn compile(said: &Said<'_, Self>, _: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged()
    }

    fn words(&self) -> String {
        let Self { connect, first_byte, idle, total } = *self;
        let all = [("connect", connect), ("first_byte", first_byte), ("idle", idle), ("total", total)];
        let said = all.into_iter().filter_map(|(name, limit)| Some(format!("{name} {:?}", limit?)));
        said.collect::<Vec<_>>().join(", ")
    }
}
