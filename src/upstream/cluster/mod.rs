//! An upstream with several addresses, or one that is watched: which address serves, which are well, how much it may hold.
//!
//! pingora's load balancer selects, resolves and checks, driven on the control plane by [`Cluster::run`]; workers only
//! [`choose`](Cluster::choose), without a lock. On top of it an address whose answers fail is left out for a while, one
//! that comes back starts slowly, and the whole cluster takes so many requests at once ([`admission`]).

pub mod admission;
mod discovery;
pub mod endpoint;
mod probe;
mod report;
pub(super) mod settings;

pub use endpoint::{Endpoint, ResolvedAddress};
pub use report::Report;
pub use settings::{Balance, Eject, Probe, Settings};

use super::Upstream;
use super::dial::Dial;
use admission::Admission;
use discovery::{Discovered, Discovery};
use pingora_load_balancing::selection::{Consistent, RoundRobin};
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Candidates looked at before giving up; the ring of a consistent selection repeats each address many times.
const MOST_STEPS: usize = 1024;

/// Milliseconds since the cluster was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    fn now(self) -> u64 {
        self.at(crate::clock::monotonic())
    }

    fn at(self, now: Instant) -> u64 {
        endpoint::millis(now.saturating_duration_since(self.0))
    }
}

enum Balancer {
    RoundRobin(LoadBalancer<RoundRobin>),
    Consistent(LoadBalancer<Consistent>),
}

/// Calls the same method of either balancer.
macro_rules! either {
    ($balancer:expr, $name:ident => $call:expr) => {
        match $balancer {
            Balancer::RoundRobin($name) => $call,
            Balancer::Consistent($name) => $call,
        }
    };
}

/// The addresses of one upstream and how they do; shared by all workers.
pub struct Cluster {
    upstream: Arc<Upstream>,
    settings: Settings,
    clock: Clock,
    balancer: Balancer,
    discovered: Discovered,
    /// How many requests it takes.
    pub admission: Admission,
}

impl Cluster {
    /// A cluster that has resolved nothing yet: see [`Cluster::find`] and [`Cluster::run`].
    #[must_use]
    pub fn new(upstream: &Arc<Upstream>, settings: Settings, dial: Dial) -> Arc<Self> {
        let clock = Clock(crate::clock::monotonic());
        let (discovery, discovered) = Discovery::new(&upstream.name, upstream.addresses.clone().into(), clock);
        let mut backends = Backends::new(Box::new(discovery));
        let every = settings.health.as_ref().map(|probe| probe.every);
        if let Some(probe) = settings.health.clone() {
            backends.set_health_check(Box::new(probe::Check { probe, upstream: Arc::clone(upstream), dial, clock }));
        }
        macro_rules! balancer {
            ($kind:ident) => {{
                let mut balancer = LoadBalancer::<$kind>::from_backends(backends);
                balancer.update_frequency = Some(settings.resolve);
                balancer.health_check_frequency = every;
                balancer.parallel_health_check = true;
                Balancer::$kind(balancer)
            }};
        }
        let balancer = match settings.balance {
            Balance::RoundRobin => balancer!(RoundRobin),
            Balance::User | Balance::Organization => balancer!(Consistent),
        };
        let admission = Admission::new(settings.connections, settings.pending);
        Arc::new(Self { upstream: Arc::clone(upstream), settings, clock, balancer, discovered, admission })
    }

    /// Resolves every address once: until then there is none to choose.
    pub async fn find(&self) {
        let found = either!(&self.balancer, balancer => balancer.update().await);
        if let Err(error) = found {
            tracing::warn!(upstream = %self.upstream.name, %error, "the upstream's addresses cannot be read");
        }
    }

    /// Resolves and checks for ever, until `stop` says true.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        use pingora_core::services::background::BackgroundService;
        either!(&self.balancer, balancer => BackgroundService::start(balancer, stop).await);
    }

    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every address as it is known now, in order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.discovered.endpoints()
    }

    /// An address that serves, other than those that were `tried`; with a consistent balance, `key` says which.
    ///
    /// One that checks find unhealthy is never chosen. One that is left out for its failures, or starts slowly, is chosen
    /// when there is no other: an answer that may fail is better than one that must.
    #[must_use]
    pub fn choose(&self, key: &[u8], tried: &[Arc<Endpoint>], now: Instant) -> Option<Arc<Endpoint>> {
        let now = self.clock.at(now);
        let well = |backend: &Backend, healthy| {
            usable(backend, healthy, tried).is_some_and(|endpoint| endpoint.takes(&self.settings, now))
        };
        let at_all = |backend: &Backend, healthy| usable(backend, healthy, tried).is_some();
        let chosen = either!(&self.balancer, balancer => {
            balancer.select_with(key, MOST_STEPS, well).or_else(|| balancer.select_with(key, MOST_STEPS, at_all))
        });
        chosen?.ext.get::<Arc<Endpoint>>().cloned()
    }

    /// An answer of this address arrived whole enough to be believed.
    pub fn succeeded(&self, endpoint: &Endpoint) {
        endpoint.succeeded();
    }

    /// This address did not answer, or said that it cannot.
    pub fn failed(&self, endpoint: &Endpoint) {
        if endpoint.failed(self.settings.eject, self.clock.now()) {
            tracing::warn!(
                upstream = %self.upstream.name, address = %endpoint.address,
                "the upstream's address fails and is left out for a while"
            );
        }
    }

    /// Whether this address is left out for its failures.
    #[must_use]
    pub fn is_ejected(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_ejected(self.clock.now())
    }
}

fn usable<'b>(backend: &'b Backend, healthy: bool, tried: &[Arc<Endpoint>]) -> Option<&'b Arc<Endpoint>> {
    let endpoint = backend.ext.get::<Arc<Endpoint>>()?;
    (healthy && !tried.iter().any(|tried| tried.address == endpoint.address)).then_some(endpoint)
}

#[cfg(test)]
mod tests;
