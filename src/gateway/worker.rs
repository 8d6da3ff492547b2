//! What the gate is made of: the part that all workers share, and each worker's own.

use super::active_policy::{ActivePolicy, Rules};
use super::authzen::Authzen;
use super::entropy::Entropy;
use super::login_page::LoginPages;
use super::problems::Problems;
use crate::admin;
use crate::api;
use crate::assertion::{Assertions, Signing};
use crate::fact_cache::FactCache;
use crate::fronts::Front;
use crate::identity::Identity;
use crate::limit::{Lane, Limiter};
use crate::lookup::Lookups;
use crate::net::deadline::Ticker;
use crate::net::descriptors::Descriptors;
use crate::telemetry::access::{AccessLog, LineBuffer};
use crate::telemetry::metrics::{Metrics, Shard};
use crate::telemetry::recent::{AllRecent, Recent};
use crate::telemetry::trace::Tracer;
use crate::upstream::h1::Memory;
use crate::upstream::{Destination, Pool, Timeouts};
use bytes::Bytes;
use http::{HeaderName, Method};
use ipnet::IpNet;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Shared by all workers, and read only.
pub struct Shared {
    /// The policy in force and its upstreams, which a reload exchanges.
    pub live: Arc<ActivePolicy>,
    pub fact_cache: Arc<FactCache>,
    /// Who is who, where memory does not know.
    pub identity: Arc<Identity>,
    /// What objects belong to, where databases of services must say it.
    pub lookups: Arc<Lookups>,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which identity headers of theirs pass.
    pub keep_headers: Vec<HeaderName>,
    /// What signs whose a request is, where services are told that.
    pub assertions: Option<Arc<Assertions>>,
    /// What postern answers itself, under the prefix of its identity API.
    pub api: Option<api::Service>,
    /// What shows the admin UI, where it is on.
    pub admin: Option<admin::Service>,
    /// What answers services that ask, where they may.
    pub authzen: Option<Authzen>,
    /// What paths begin with that it answers besides.
    pub pages: &'static [&'static str],
    /// Where people log in, if they can.
    pub login_pages: Option<LoginPages>,
    /// What a session is told whose password has grown old.
    pub password_expired: Bytes,
    pub limits: Arc<Limiter>,
    /// How the store is asked where an address has sent too much that was nobody's.
    pub unauthenticated_quota: Lane,
    /// Bytes of a request body, at most.
    pub body_limit: u64,
    pub timeouts: Timeouts,
    /// What connections to upstreams may take, of all workers together.
    pub descriptors: Descriptors,
    pub metrics: Arc<Metrics>,
    /// Where access lines go, if anywhere.
    pub access: Option<AccessLog>,
    /// Where spans go, if anywhere.
    pub tracer: Option<Tracer>,
    /// Where what was refused a moment ago is kept, where somebody can look at it.
    pub recent: Option<Arc<AllRecent>>,
}

/// Sums of pools that a reload has closed, so that counters never fall.
#[derive(Debug, Default)]
struct Gone {
    opened: Cell<u64>,
    reused: Cell<u64>,
}

pub struct Worker {
    pub shared: Arc<Shared>,
    /// What is in force, as it was when it was last looked at.
    rules: RefCell<Rc<Rules>>,
    ticker: Ticker,
    /// What all its pools read into.
    memory: Memory,
    /// What pools counted that are gone.
    gone: Gone,
    pub shard: Arc<Shard>,
    pub lines: Option<LineBuffer>,
    pub recent: Option<Arc<Recent>>,
    pub entropy: Entropy,
    /// Bodies of refusals that were written before.
    pub problems: Problems,
    pub websockets: Cell<u64>,
    /// Who asks, where its listener answers questions and forwards nothing.
    pub front: Option<Front>,
    /// Its listener is that of the admin UI, and has nothing else.
    pub is_for_admin: bool,
}

/// What the listener of a worker is there for.
#[derive(Clone, Copy, Debug)]
pub enum Port {
    Data,
    /// Where a proxy asks, and forwards itself.
    Front(Front),
    /// Where the admin UI has an address of its own.
    Admin,
}

fn pool(shared: &Shared, destination: &Arc<Destination>, ticker: &Ticker, memory: &Memory) -> Rc<Pool> {
    let descriptors = shared.descriptors.clone();
    Rc::new(Pool::new(Arc::clone(destination), shared.timeouts, ticker.clone(), memory.of_another(), descriptors))
}

impl Worker {
    /// What signs whose a request of this head is, which goes to the service of that name; `None` where nothing is signed.
    #[must_use]
    pub fn signing<'a>(&'a self, method: &'a Method, target: &'a str, audience: &'a str) -> Option<Signing<'a>> {
        let assertions = self.shared.assertions.as_deref()?;
        Some(Signing { assertions, now: crate::clock::unix_seconds(), method, target, audience })
    }

    /// A worker's part; call it on the worker's own thread, within its runtime.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(shared: Arc<Shared>, ticker: &Ticker, port: Port) -> std::io::Result<Rc<Self>> {
        let memory = Memory::default();
        let rules = Rules::new(&shared.live, &[], |upstream| pool(&shared, upstream, ticker, &memory));
        let worker = Rc::new(Self {
            rules: RefCell::new(Rc::new(rules)),
            ticker: ticker.clone(),
            memory,
            gone: Gone::default(),
            shard: shared.metrics.shard(),
            lines: shared.access.clone().map(LineBuffer::new),
            recent: shared.recent.as_ref().map(|all| all.worker()),
            entropy: Entropy::seeded()?,
            problems: Problems::default(),
            websockets: Cell::new(0),
            front: match port {
                Port::Front(front) => Some(front),
                Port::Data | Port::Admin => None,
            },
            is_for_admin: matches!(port, Port::Admin),
            shared,
        });
        tokio::task::spawn_local(Rc::clone(&worker).run_maintenance());
        Ok(worker)
    }

    /// The rules for a request that begins now.
    #[must_use]
    pub fn rules(&self) -> Rc<Rules> {
        let known = self.rules.borrow();
        if self.shared.live.is(&known) {
            return Rc::clone(&known);
        }
        drop(known);
        self.renew()
    }

    #[cold]
    fn renew(&self) -> Rc<Rules> {
        let before = Rc::clone(&self.rules.borrow());
        let rules = Rc::new(Rules::new(&self.shared.live, &before.pools, |upstream| {
            pool(&self.shared, upstream, &self.ticker, &self.memory)
        }));
        for pool in before.pools.iter().filter(|pool| !rules.pools.iter().any(|kept| Rc::ptr_eq(kept, pool))) {
            self.gone.opened.set(self.gone.opened.get() + pool.counts().opened.get());
            self.gone.reused.set(self.gone.reused.get() + pool.counts().reused.get());
        }
        self.rules.replace(Rc::clone(&rules));
        rules
    }

    /// What is done several times a second and not once a request: access lines go out, stale connections are closed,
    /// gauges are set; and a worker without requests lets go of a policy that is no longer in force.
    async fn run_maintenance(self: Rc<Self>) {
        let mut interval = tokio::time::interval(Duration::from_millis(200));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Some(lines) = &self.lines {
                lines.flush(&self.shard.log_dropped);
            }
            let pools = &self.rules().pools;
            for pool in pools {
                pool.sweep();
            }
            let sum = |of: fn(&Pool) -> u64| pools.iter().map(|pool| of(pool)).sum::<u64>();
            self.shard.upstream_opened.set(self.gone.opened.get() + sum(|pool| pool.counts().opened.get()));
            self.shard.upstream_reused.set(self.gone.reused.get() + sum(|pool| pool.counts().reused.get()));
            self.shard.upstream_idle.set(sum(|pool| pool.idle() as u64));
            self.shard.websockets_open.set(self.websockets.get());
            self.shard.connections_open.set(self.ticker.connections() as u64);
        }
    }
}
