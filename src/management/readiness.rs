//! Whether the process can serve, and what stands in the way.

use crate::fact_cache::FactCache;
use crate::net::drain::{Follower, Stage};
use crate::redis::{Health, Redis};
use crate::reload::Status;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    Ok,
    /// It holds well enough to serve, but somebody should look: why, in one line.
    Degraded(String),
    /// It does not: not ready.
    Failed(&'static str),
}

/// Everything that readiness rests on.
pub struct Readiness {
    stage: Follower,
    fact_cache: Arc<FactCache>,
    reloads: Arc<Status>,
    redis: Option<Arc<Redis>>,
}

impl Readiness {
    /// Readiness of a process in these stages over this store.
    #[must_use]
    pub fn new(stage: Follower, fact_cache: Arc<FactCache>, reloads: Arc<Status>, redis: Option<Arc<Redis>>) -> Self {
        Self { stage, fact_cache, reloads, redis }
    }

    /// What it rests on, and how that is.
    #[must_use]
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        let stage = match *self.stage.borrow() {
            Stage::Starting => Check::Failed("starting"),
            Stage::Ready => Check::Ok,
            Stage::LameDuck | Stage::Draining => Check::Failed("going down"),
        };
        // While the proof holds, cached facts can be used; when it has run out, every request would be a 503.
        let proof = self.fact_cache.versions().has_lease(crate::clock::monotonic());
        let store = match self.needs_restart() {
            _ if proof => Check::Ok,
            Some(why) => Check::Failed(why),
            None => Check::Failed("the store's changes cannot be followed"),
        };
        let mut checks = vec![("stage", stage), ("store", store)];
        checks.extend(self.reloads.problems().into_iter().map(|(what, problem)| (what, Check::Degraded(problem))));
        if let Some(redis) = &self.redis {
            let redis = match redis.health() {
                Health::Good => Check::Ok,
                Health::Troubled => {
                    Check::Degraded("degraded: not everything that was asked of it went well".to_owned())
                }
                Health::Away => Check::Degraded("degraded: away, or too slow".to_owned()),
            };
            checks.push(("redis", redis));
        }
        checks
    }

    /// Why nothing but a restart helps, where it is so.
    #[must_use]
    pub fn needs_restart(&self) -> Option<&'static str> {
        let ended = self.fact_cache.versions().has_ended();
        ended.then_some("the store's file was replaced or removed: only a restart helps")
    }

    /// Ready or not.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        is_ready(&self.checks())
    }

    /// Ready or not, and the conditions as JSON.
    #[must_use]
    pub fn report(&self) -> (bool, String) {
        let checks = self.checks();
        let ready = is_ready(&checks);
        let detail: serde_json::Map<String, serde_json::Value> = checks
            .iter()
            .map(|(name, check)| {
                let text = match check {
                    Check::Ok => "ok",
                    Check::Degraded(why) => why.as_str(),
                    Check::Failed(why) => why,
                };
                ((*name).to_owned(), text.into())
            })
            .collect();
        (ready, serde_json::json!({ "ready": ready, "checks": detail }).to_string() + "\n")
    }
}

fn is_ready(checks: &[(&str, Check)]) -> bool {
    checks.iter().all(|(_, check)| !matches!(check, Check::Failed(_)))
}
