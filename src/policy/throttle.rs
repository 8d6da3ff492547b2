//! `throttle:`: how often, and who is counted.

use crate::limit::Quota;
use crate::yaml::{Findings, Keys, Node, Rate, Scalar, Spanned, Value};
use http::HeaderValue;
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
pub(super) struct RawThrottle {
    rate: Rate,
    pub(super) by: CountedBy,
}

impl RawThrottle {
    /// The limit of one place of the policy; `None` where it is turned off.
    pub(super) fn at(self, place: impl Hash) -> Option<Throttle> {
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

/// Reads `throttle:`; `None` when it was reported.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Spanned<RawThrottle>> {
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
    Some(Spanned { value: RawThrottle { rate: rate?, by: by? }, span: node.span })
}
