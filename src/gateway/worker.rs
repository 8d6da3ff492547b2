//! What the gate is made of: the part that all workers share, and each worker's own.

use super::Gateway;
use super::entropy::Entropy;
use super::reply::Bodies;
use crate::limit::Limiter;
use crate::membership::Memberships;
use crate::net::deadline::Ticker;
use crate::net::io::Connection;
use crate::net::worker::Serve;
use crate::policy::Policy;
use crate::telemetry::access::{AccessLog, LineBuffer};
use crate::telemetry::metrics::{Metrics, RouteShard, Shard};
use crate::upstream::h1::scratch;
use crate::upstream::{Pool, Timeouts, Upstream};
use ipnet::IpNet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Shared by all workers, and read only.
pub struct Shared {
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// The upstreams, in the order of [`Policy::upstreams`].
    pub upstreams: Vec<Arc<Upstream>>,
    /// Who is who.
    pub memberships: Arc<Memberships>,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who came how often.
    pub limits: Arc<Limiter>,
    /// Bytes of a request body, at most.
    pub body_limit: u64,
    /// Time limits towards upstreams.
    pub timeouts: Timeouts,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// The routes' labels in metrics, by their indexes.
    pub labels: Arc<[Box<str>]>,
    /// Where access lines go, if anywhere.
    pub access: Option<AccessLog>,
}

/// One worker's part.
pub struct Worker {
    /// What all share.
    pub shared: Arc<Shared>,
    /// This worker's connections to each upstream.
    pub pools: Vec<Rc<Pool>>,
    /// This worker's counters.
    pub shard: Arc<Shard>,
    /// This worker's counters by route.
    pub routes: Arc<RouteShard>,
    /// This worker's access lines.
    pub lines: Option<LineBuffer>,
    /// Numbers for ids.
    pub entropy: Entropy,
    /// Bodies of refusals that were written before.
    pub bodies: Bodies,
}

impl Worker {
    /// A worker's part; call it on the worker's own thread, within its runtime.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(shared: Arc<Shared>, ticker: &Ticker) -> std::io::Result<Rc<Self>> {
        let scratch = scratch();
        let pool = |upstream: &Arc<Upstream>| {
            Rc::new(Pool::new(Arc::clone(upstream), shared.timeouts, ticker.clone(), Rc::clone(&scratch)))
        };
        let worker = Rc::new(Self {
            pools: shared.upstreams.iter().map(pool).collect(),
            shard: shared.metrics.shard(),
            routes: shared.metrics.route_shard(&shared.labels),
            lines: shared.access.clone().map(LineBuffer::new),
            entropy: Entropy::seeded()?,
            bodies: Bodies::default(),
            shared,
        });
        tokio::task::spawn_local(Rc::clone(&worker).keep_house(ticker.clone()));
        Ok(worker)
    }

    /// What is done several times a second and not once a request: access lines go out, stale connections are closed,
    /// gauges are set.
    async fn keep_house(self: Rc<Self>, ticker: Ticker) {
        let mut interval = tokio::time::interval(Duration::from_millis(200));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Some(lines) = &self.lines {
                lines.flush(&self.shard.log_dropped);
            }
            for pool in &self.pools {
                pool.sweep();
            }
            let sum = |of: fn(&Pool) -> u64| self.pools.iter().map(|pool| of(pool)).sum();
            self.shard.upstream_opened.set(sum(|pool| pool.counts().opened.get()));
            self.shard.upstream_reused.set(sum(|pool| pool.counts().reused.get()));
            self.shard.upstream_idle.set(sum(|pool| pool.idle() as u64));
            self.shard.connections_open.set(ticker.watched() as u64);
        }
    }
}

impl Serve for Rc<Worker> {
    type Body = super::body::AnswerBody;
    type Service = Gateway;

    fn connection(&self, connection: Rc<Connection>) -> Gateway {
        Gateway::new(Rc::clone(self), connection)
    }
}
