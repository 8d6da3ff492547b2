//! `throttle:`: how often, and who is counted.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use crate::limit::Quota;
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Keys, Node, Rate, Scalar, Span, Spanned, Value};
use http::HeaderValue;
use serde_json::{Value as Json, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountedBy {
    /// Each user; an anonymous caller by address.
    User,
    /// Each client address, IPv6 by /64.
    Address,
    /// Each organization; a request without one by user.
    Org,
}

impl CountedBy {
    const WORDS: [(&'static str, Self); 3] = [("user", Self::User), ("address", Self::Address), ("org", Self::Org)];

    /// The word of the language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Address => "address",
            Self::Org => "org",
        }
    }

    /// What a rule must be for requests to be told apart.
    const fn needs(self) -> Option<Needs> {
        match self {
            Self::User => Some(Needs::CountableUser),
            Self::Address => None,
            Self::Org => Some(Needs::CountableOrganization),
        }
    }
}

/// A limit of how often.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// Names the limit among all, the same when the policy is loaded again: what was counted stays counted.
    pub id: u64,
    pub quota: Quota,
    pub by: CountedBy,
    /// `RateLimit-Policy` of the answers (draft-ietf-httpapi-ratelimit-headers).
    pub policy: HeaderValue,
    /// The rate as numbers: so many in so long.
    pub rate: (NonZeroU32, Duration),
}

#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct RawThrottle {
    rate: Rate,
    by: CountedBy,
}

impl RawThrottle {
    /// The limit of one place of the policy; `None` where it is turned off.
    fn at(self, place: impl Hash) -> Option<Throttle> {
        let Rate::Each { count, period } = self.rate else { return None };
        let mut hasher = DefaultHasher::new();
        (place, count, period, self.by).hash(&mut hasher);
        let policy = format!("\"{}\";q={count};w={}", self.by.as_str(), period.as_secs());
        Some(Throttle {
            id: hasher.finish(),
            quota: Quota::new(count, period),
            by: self.by,
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
            rate: (count, period),
        })
    }
}

impl PolicyOption for Throttle {
    const ABOUT: &'static str = "How many requests in how long, counted by user, address or organization.";
    const SHOWN_BY_VALUE: bool = true;
    type Raw = RawThrottle;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false, "required": ["rate", "by"],
            "properties": {
                "rate": { "description": "`100/minute`, `20/day`.", "type": "string" },
                "by": { "enum": CountedBy::WORDS.map(|(word, _)| word) },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawThrottle> {
        const EXAMPLE: &str = "write `{ rate: 100/minute, by: user }`";
        let map = match &node.value {
            // The rate alone: who is counted must be said.
            Value::Scalar(Scalar { text, .. }) if text.contains('/') => {
                let help = format!("write `throttle: {{ rate: {text}, by: user }}`; or `by: address`, `by: org`");
                node.expect_map_like("`throttle`", &help, findings)
            }
            _ => node.expect_map_like("`throttle`", "write `throttle: { rate: 100/minute, by: user }`", findings),
        }?;
        map.expect_keys("`throttle`", Keys { known: &["rate", "by"], not_yet: &[] }, findings);
        for key in ["rate", "by"] {
            if map.get(key).is_none() {
                findings.error("missing_key", node.span, format!("`throttle` has no `{key}`")).help(EXAMPLE);
            }
        }
        let rate = map.get("rate").and_then(|rate| rate.expect_rate("`rate`", findings));
        let by = map.get("by").and_then(|node| node.expect_one_of("`by`", &CountedBy::WORDS, findings));
        Some(RawThrottle { rate: rate?, by: by? })
    }

    fn needs(raw: &Spanned<RawThrottle>) -> Vec<(Span, Needs)> {
        raw.value.by.needs().map(|needs| (raw.span, needs)).into_iter().collect()
    }
}

impl Compiled<RuleContext<'_>> for Throttle {
    const JUDGED: Judged = Judged::Throttle;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        // A throttle above the rules is one limit for all of them; a rule's own is its own.
        let (raw, methods) = match (said.own, said.above) {
            (Some(own), _) => (own, rule.methods),
            (None, above) => (above?, None),
        };
        // One from above counts where it could be written: `by: user` no public rule, which knows nobody.
        let can_count = raw.value.by.needs().is_none_or(|needs| rule.place.has(needs));
        let counts = can_count && rule.place.has(Needs::Passage);
        counts.then(|| raw.value.at((rule.hosts, rule.pattern, methods))).flatten()
    }

    fn words(&self) -> String {
        let (count, period) = self.rate;
        format!("{count} in {} s by {}", period.as_secs(), self.by.as_str())
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        match (old, new) {
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                let ((was, before), (now, after)) = (old.rate, new.rate);
                let (was, now) = (u128::from(was.get()), u128::from(now.get()));
                old.by == new.by && now <= was && now * before.as_millis() <= was * after.as_millis()
            }
            (_, None) => false,
        }
    }
}
