//! Headers that an answer gets besides its own, whoever writes it: the upstream or we.
//!
//! They are known before the answer is there, and few requests have any.

use super::worker::Worker;
use crate::decision::{Denial, Preflight, Reason};
use crate::limit::{Key, Quota, Verdict, Who};
use crate::policy::{Cors, Throttle};
use http::header::{self, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What an upstream may have said to browsers by itself.
const CORS: [HeaderName; 5] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The number of the limit on credentials that the store does not know.
const UNKNOWN_CREDENTIALS: u64 = 0;

/// The headers, for one answer.
#[derive(Debug, Default)]
pub struct ResponseHeaders {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What the upstream says to browsers does not count.
    cors: bool,
}

impl ResponseHeaders {
    /// One more; it stands beside one of that name that the answer has already.
    pub fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.push((name, value));
    }

    /// Nothing of a limit that its request is over, but goes on all the same.
    pub fn without_limits(&mut self) {
        self.headers.retain(|(name, _)| ![RATE_LIMIT, RATE_LIMIT_POLICY, RETRY_AFTER].contains(name));
    }

    /// What browsers are told of an answer: whether a page of that origin may read it.
    pub fn cors(&mut self, cors: &Cors, origin: Option<&HeaderValue>) {
        self.cors = true;
        self.add(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(allowed) = origin.and_then(|origin| cors.allows(origin)) {
            self.allow(cors, allowed);
        }
    }

    fn allow(&mut self, cors: &Cors, origin: HeaderValue) {
        self.add(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if cors.credentials {
            self.add(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The answer to a preflight, or to one of an origin that is not allowed.
    pub fn preflight(&mut self, preflight: &Preflight<'_>) {
        let Preflight { route, cors, verdict } = preflight;
        let asked = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        self.add(header::VARY, HeaderValue::from_static(asked));
        let Ok(origin) = verdict else { return };
        self.allow(cors, origin.clone());
        self.add(header::ACCESS_CONTROL_ALLOW_METHODS, cors.methods.as_ref().unwrap_or(&route.allow).clone());
        if let Some(headers) = &cors.headers {
            self.add(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        if let Some(age) = &cors.max_age {
            self.add(header::ACCESS_CONTROL_MAX_AGE, age.clone());
        }
    }

    /// Puts them into an answer.
    pub fn put(&self, headers: &mut HeaderMap) {
        if self.cors {
            for name in &CORS {
                headers.remove(name);
            }
        }
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Tells what became of a request at its rule's limit.
pub fn throttle(throttle: &Throttle, verdict: Verdict, besides: &mut ResponseHeaders) {
    let (remaining, reset) = match verdict {
        Verdict::Pass { remaining, reset } => (remaining, reset),
        Verdict::Wait(wait) => (0, wait),
    };
    let state = format!("\"{}\";r={remaining};t={}", throttle.by.as_str(), seconds(reset));
    if let Ok(state) = HeaderValue::try_from(state) {
        besides.add(RATE_LIMIT_POLICY, throttle.policy.clone());
        besides.add(RATE_LIMIT, state);
    }
    if let Verdict::Wait(wait) = verdict {
        besides.add(RETRY_AFTER, HeaderValue::from(seconds(wait)));
    }
}

/// Whole seconds, rounded up: whoever comes back then passes.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// So much of one address may be nobody's. Generous: behind one address there may be many, and tokens of before an import look like a
/// stranger's.
fn unauthenticated_quota() -> Quota {
    const EACH_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();
    const AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();
    Quota::new(EACH_SECOND, Duration::from_secs(1)).with_burst(AT_ONCE)
}

fn of_strangers(worker: &Worker, client: IpAddr, now: Instant) -> Verdict {
    let key = Key { limit: UNKNOWN_CREDENTIALS, who: Who::address(client) };
    worker.shared.limits.here().peek(key, unauthenticated_quota(), now)
}

/// Whether too much of that address was nobody's: then the store is asked by the narrow way alone.
#[must_use]
pub fn is_strained(worker: &Worker, client: IpAddr, now: Instant) -> bool {
    matches!(of_strangers(worker, client, now), Verdict::Wait(_))
}

/// What one more is told that is nobody's, where too much of that address was: 429 `throttled`, with `Retry-After` in `besides`.
pub fn too_many(worker: &Worker, client: IpAddr, now: Instant, besides: &mut ResponseHeaders) -> Denial {
    let wait = match of_strangers(worker, client, now) {
        Verdict::Wait(wait) => seconds(wait),
        Verdict::Pass { .. } => 1,
    };
    besides.add(RETRY_AFTER, HeaderValue::from(wait));
    Denial::new(Reason::Throttled).with_hint("too many unknown credentials from this address")
}

/// Counts a credential that the store does not know.
pub fn was_unknown(worker: &Worker, client: IpAddr, now: Instant) {
    let key = Key { limit: UNKNOWN_CREDENTIALS, who: Who::address(client) };
    let _ = worker.shared.limits.here().spend(key, unauthenticated_quota(), now);
}
