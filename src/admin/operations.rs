//! `/operations/`: how this replica is: its readiness, its caches, its replicas, what reloads came to; and what `postern doctor` finds.

use super::frame::Frame;
use super::gate::Visit;
use crate::api::error::ApiError;
use crate::api::words::{self, filters};
use crate::management::Check;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const OPERATIONS: &str = "/operations/";
const DOCTOR: &str = "/operations/doctor/";

/// What was looked at by a doctor.
#[derive(Clone, Debug)]
pub struct Looked {
    pub check: String,
    /// `ok`, `warning` or `failed`.
    pub state: &'static str,
    pub detail: String,
}

/// Looks a deployment over, as `postern doctor` does, but for what changes anything; takes its time, and not longer than it may.
pub type Doctor = Arc<dyn Fn() -> Vec<Looked> + Send + Sync>;

pub(super) fn router() -> Router {
    Router::new().route(OPERATIONS, get(show)).route(DOCTOR, post(doctor))
}

/// Figures under a heading: what each is, and the metric that it is.
const FIGURES: [(&str, &[(&str, &str)]); 4] = [
    (
        "Cache",
        &[
            ("credentials in memory", "postern_cache_credentials"),
            ("answered from memory", "postern_cache_hits_total"),
            ("asked of the store", "postern_cache_misses_total"),
            ("being asked for", "postern_cache_loads"),
            ("age of the proof, seconds", "postern_cache_proof_age_seconds"),
            ("greatest age of a fact, seconds", "postern_max_staleness_seconds"),
        ],
    ),
    (
        "Redis",
        &[
            ("answered from Redis", "postern_redis_hits_total"),
            ("not there, or no answer", "postern_redis_misses_total"),
            ("older than a change", "postern_redis_stale_total"),
            ("not ours, or damaged", "postern_redis_refused_total"),
            ("failures", "postern_redis_failures"),
            ("changes heard from another replica first", "postern_relay_heard_total"),
        ],
    ),
    (
        "Connections",
        &[
            ("client connections open", "postern_connections_open"),
            ("client connections at most", "postern_limit_connections"),
            ("idle connections to upstreams", "postern_upstream_connections_idle"),
            ("WebSockets open", "postern_websockets_open"),
            ("answers that broke off", "postern_answers_aborted_total"),
            ("access lines dropped", "postern_access_log_dropped_total"),
        ],
    ),
    (
        "Logins",
        &[
            ("passwords computed", "postern_password_computations"),
            ("passwords waiting", "postern_password_waiting"),
            ("passwords refused, too many waiting", "postern_password_refusals"),
        ],
    ),
];

struct Stand {
    name: String,
    state: &'static str,
    detail: String,
}

#[derive(Template)]
#[template(path = "admin_operations.html")]
struct Page {
    frame: Frame,
    action: String,
    csrf: String,
    ready: bool,
    checks: Vec<Stand>,
    facts: Vec<(&'static str, String)>,
    figures: Vec<(&'static str, Vec<(&'static str, String)>)>,
    looked: Option<Vec<Looked>>,
}

async fn show(visit: Visit) -> Response {
    page(&visit, None).await
}

async fn doctor(visit: Visit) -> Response {
    let Ok(permit) = Arc::clone(&visit.admin.kept.at_the_doctor).try_acquire_owned() else {
        return visit.refused(&ApiError::Busy);
    };
    let doctor = Arc::clone(&visit.admin.doctor);
    let looked = visit.aside(move || {
        let looked = doctor();
        drop(permit);
        looked
    });
    match looked.await {
        Ok(looked) => page(&visit, Some(looked)).await,
        Err(error) => visit.refused(&error),
    }
}

async fn page(visit: &Visit, looked: Option<Vec<Looked>>) -> Response {
    let admin = &visit.admin;
    // All metrics of thousands of routes are some megabytes of text.
    let metrics = Arc::clone(&admin.metrics);
    let samples = match visit.aside(move || samples(&metrics.render().unwrap_or_default())).await {
        Ok(samples) => samples,
        Err(error) => return visit.refused(&error),
    };
    let figure = |(name, metric): &(&'static str, &str)| Some((*name, samples.get(*metric)?.clone()));
    let policy = (admin.policy)();
    let replicas = admin.limits.replicas().get();
    let replicas = match admin.has_redis {
        true => words::fill("{0} share Redis, as far as this one knows", replicas),
        false => {
            words::t("not known: replicas know of each other by Redis alone, which is not configured").into_owned()
        }
    };
    let checks = admin.readiness.checks().into_iter().map(|(name, check)| {
        let (state, detail) = match check {
            Check::Ok => ("ok", String::new()),
            Check::Degraded(why) => ("warning", why),
            Check::Failed(why) => ("failed", why.to_owned()),
        };
        Stand { name: name.to_owned(), state, detail }
    });
    let page = Page {
        frame: visit.frame("Operations"),
        action: admin.at(DOCTOR),
        csrf: visit.csrf.as_str().to_owned(),
        ready: admin.readiness.is_ready(),
        checks: checks.collect(),
        facts: vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("replicas", replicas),
            ("store", admin.store.clone()),
            ("policy", words::fill_each("{0} routes, {1}", &[&policy.routes().len(), &policy.fingerprint()])),
        ],
        figures: FIGURES.iter().map(|(head, list)| (*head, list.iter().filter_map(figure).collect())).collect(),
        looked,
    };
    visit.page(StatusCode::OK, &page)
}

/// The metrics without labels, by their names.
fn samples(text: &str) -> HashMap<String, String> {
    let sample = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        let value = value.parse::<f64>().ok()?;
        let value = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        Some((name.to_owned(), value))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.contains('{')).filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn a_metric_is_read_by_its_whole_name() {
        let text = "# TYPE a counter\na_total 5\na_b_total 7\nc 0.25\nd{x=\"y\"} 1\n";
        let samples = samples(text);
        assert_eq!(
            (samples["a_total"].as_str(), samples["a_b_total"].as_str(), samples["c"].as_str()),
            ("5", "7", "0.250")
        );
        assert_eq!(samples.len(), 3);
    }
}
