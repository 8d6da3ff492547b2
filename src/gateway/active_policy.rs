//! The policy in force, and its exchange for another one while requests are served.
//!
//! [`ActivePolicy`] is shared; each worker keeps what it made of it ([`Rules`]: its pools, its counters) and looks at one number per
//! request to see whether it is still the one. A request holds the rules that it was begun with until it ends: it is judged,
//! sent and counted by one policy, whatever is exchanged meanwhile.

use crate::policy::Policy;
use crate::telemetry::metrics::{Metrics, RouteShard};
use crate::upstream::{Destination, Pool};
use arc_swap::ArcSwap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A policy and what it goes to, as one.
pub struct InForce {
    pub policy: Policy,
    /// Where requests go, in the order of [`Policy::upstreams`].
    pub destinations: Vec<Arc<Destination>>,
    /// The routes' labels in metrics, by their indexes.
    pub labels: Arc<[Box<str>]>,
    generation: u64,
}

/// What is in force now.
pub struct ActivePolicy {
    current: ArcSwap<InForce>,
    /// That of `current`, or for a moment the one before.
    generation: AtomicU64,
    metrics: Arc<Metrics>,
}

impl ActivePolicy {
    #[must_use]
    pub fn new(policy: Policy, destinations: Vec<Arc<Destination>>, metrics: Arc<Metrics>) -> Self {
        let first = InForce::new(policy, destinations, 0);
        metrics.routes_are(&first.labels);
        Self { current: ArcSwap::from_pointee(first), generation: AtomicU64::new(0), metrics }
    }

    #[must_use]
    pub fn load(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// Puts another policy in force for every request that begins from now on; gives back the one before, which requests
    /// may still hold. One caller at a time.
    pub fn swap(&self, policy: Policy, destinations: Vec<Arc<Destination>>) -> Arc<InForce> {
        let generation = self.generation.load(Ordering::Relaxed).wrapping_add(1);
        let next = Arc::new(InForce::new(policy, destinations, generation));
        self.metrics.routes_are(&next.labels);
        let before = self.current.swap(next);
        self.generation.store(generation, Ordering::Release);
        before
    }

    /// Whether these rules are still those in force: one load.
    pub(super) fn is(&self, rules: &Rules) -> bool {
        self.generation.load(Ordering::Acquire) == rules.in_force.generation
    }
}

impl InForce {
    fn new(policy: Policy, destinations: Vec<Arc<Destination>>, generation: u64) -> Self {
        let labels = policy.routes().iter().map(|route| route.pattern.clone()).collect();
        Self { policy, destinations, labels, generation }
    }
}

/// What one worker makes of what is in force.
pub struct Rules {
    /// The policy and its upstreams.
    pub in_force: Arc<InForce>,
    /// This worker's connections to each upstream.
    pub pools: Vec<Rc<Pool>>,
    /// This worker's counters by route.
    pub routes: Arc<RouteShard>,
}

impl Rules {
    /// What is in force, with the pools of upstreams that were there before: their connections stay. `make` makes the others.
    pub(super) fn new(live: &ActivePolicy, before: &[Rc<Pool>], make: impl Fn(&Arc<Destination>) -> Rc<Pool>) -> Self {
        let in_force = live.load();
        let pool = |destination: &Arc<Destination>| {
            let known = before.iter().find(|pool| Arc::ptr_eq(pool.destination(), destination));
            known.cloned().unwrap_or_else(|| make(destination))
        };
        let pools = in_force.destinations.iter().map(pool).collect();
        let routes = live.metrics.route_shard(&in_force.labels);
        Self { in_force, pools, routes }
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.in_force.policy
    }
}

/// The policy of a worker's rules, for what outlives a borrow of them.
#[derive(Clone)]
pub struct PolicyHandle(Rc<Rules>);

impl PolicyHandle {
    #[must_use]
    pub fn new(rules: &Rc<Rules>) -> Self {
        Self(Rc::clone(rules))
    }
}

/// The policy in force, for what goes on on another thread.
#[derive(Clone)]
pub struct SharedPolicy(Arc<InForce>);

impl SharedPolicy {
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self(Arc::clone(&rules.in_force))
    }

    #[must_use]
    pub fn of(active: &ActivePolicy) -> Self {
        Self(active.load())
    }
}

impl Deref for SharedPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.0.policy
    }
}

impl Deref for PolicyHandle {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        self.0.policy()
    }
}
