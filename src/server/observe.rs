//! What the rooms of the process count, as metrics.

use crate::api::Api;
use crate::config::Config;
use crate::fact_cache::FactCache;
use crate::lookup::{self, Lookups};
use crate::net::counts::Counts;
use crate::net::tls::Tls;
use crate::redis::{Health, Redis};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Questions of lookups.
pub(super) fn lookups(metrics: &Metrics, lookups: &Arc<Lookups>) {
    let of = |read: fn(&lookup::Counts) -> &AtomicU64| {
        let lookups = Arc::clone(lookups);
        move || read(&lookups.counts).load(Ordering::Relaxed)
    };
    metrics.counter(
        "postern_lookups",
        "Questions of lookups that were put to a database or a service",
        of(|counts| &counts.asked),
    );
    metrics.counter("postern_lookups_failed", "Lookups without a usable answer", of(|counts| &counts.failed));
}

/// Whether Redis answers.
#[allow(clippy::cast_precision_loss)]
pub(super) fn redis(metrics: &Metrics, redis: Option<&Arc<Redis>>) {
    let of = |read: fn(&Redis) -> f64| {
        let redis = redis.cloned();
        move || redis.as_deref().map_or(0.0, read)
    };
    metrics.labelled(
        "postern_degraded",
        "Whether postern does without something that is away or in trouble",
        &[("dependency", "redis")],
        of(|redis| if redis.health() == Health::Good { 0.0 } else { 1.0 }),
    );
    metrics.gauge(
        "postern_redis_failures",
        "Questions to Redis without a usable answer, since the start",
        of(|redis| redis.counts.failures.load(Ordering::Relaxed) as f64),
    );
}

/// Passwords, limits and letters.
#[allow(clippy::cast_precision_loss)]
pub(super) fn logins(metrics: &Metrics, api: &Arc<Api>) {
    let of = |read: fn(&Api) -> f64| {
        let api = Arc::clone(api);
        move || read(&api)
    };
    metrics.gauge(
        "postern_password_computations",
        "Passwords computed since the start",
        of(|api| api.login.pool().hasher().computed() as f64),
    );
    metrics.gauge(
        "postern_password_refusals",
        "Passwords refused since the start because too many were waiting",
        of(|api| api.login.pool().refused() as f64),
    );
    metrics.gauge(
        "postern_password_waiting",
        "Passwords being computed or waiting for it",
        of(|api| api.login.pool().occupied() as f64),
    );
    metrics.gauge(
        "postern_login_limits",
        "Addresses and users whose attempts to log in are counted in this process",
        of(|api| api.login.limits().len() as f64),
    );
    metrics.gauge(
        "postern_mails_waiting",
        "Letters asked for that are neither sent nor given up yet",
        of(|api| api.letters_waiting() as f64),
    );
}

/// Facts in memory, and the limits that hold.
#[allow(clippy::cast_precision_loss)]
pub(super) fn facts(metrics: &Metrics, fact_cache: &Arc<FactCache>, config: &Config) {
    let of = |read: fn(&FactCache) -> f64| {
        let fact_cache = Arc::clone(fact_cache);
        move || read(&fact_cache)
    };
    metrics.gauge("postern_cache_credentials", "Known credentials in memory", of(|m| m.len() as f64));
    metrics.gauge("postern_cache_loads", "Credentials being looked up in the store", of(|m| m.loads() as f64));
    metrics.gauge(
        "postern_cache_proof_age_seconds",
        "Age of the proof that cached facts are current; negative when there is none",
        of(|m| m.versions().lease_age(crate::clock::monotonic()).map_or(-1.0, |age| age.as_secs_f64())),
    );
    let limit = |value: f64| move || value;
    metrics.gauge(
        "postern_limit_connections",
        "Greatest number of client connections",
        limit(config.limits.connections as f64),
    );
    metrics.gauge("postern_limit_body_bytes", "Greatest request body", limit(config.limits.body as f64));
    metrics.gauge(
        "postern_max_staleness_seconds",
        "Greatest age of a fact",
        limit(config.cache.max_staleness.as_secs_f64()),
    );
}

/// What the data port counts, and its limits.
#[allow(clippy::cast_precision_loss)]
pub(super) fn edge(metrics: &Metrics, counts: &Arc<Counts>, tls: Option<&Arc<Tls>>, config: &Config) {
    for (name, help, read) in Counts::DESCRIBED {
        let counts = Arc::clone(counts);
        metrics.counter(name, help, move || read(&counts));
    }
    let limits = config.limits;
    for (name, help, value) in [
        (
            "postern_limit_connections_per_address",
            "Greatest number of client connections of one address",
            limits.per_address as f64,
        ),
        (
            "postern_limit_http2_streams",
            "Greatest number of open streams of an HTTP/2 connection",
            f64::from(limits.streams),
        ),
        (
            "postern_limit_http2_resets",
            "Streams that an HTTP/2 client may reset in ten seconds",
            f64::from(limits.resets),
        ),
    ] {
        metrics.gauge(name, help, move || value);
    }
    let tls = tls.cloned();
    let help = "When the first certificate expires, in seconds of Unix time; 0 without TLS";
    let expires = move || tls.as_ref().map_or(0.0, |tls| tls.expires() as f64);
    metrics.gauge("postern_tls_certificate_expires_seconds", help, expires);
}
