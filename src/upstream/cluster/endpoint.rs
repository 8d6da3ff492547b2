//! One resolved address of a cluster, and how it has done of late.

use super::settings::{Eject, Settings};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResolvedAddress {
    /// An IP address and a port.
    Inet(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for ResolvedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// One address; shared by all workers. Times are milliseconds of the cluster's own clock.
#[derive(Debug)]
pub struct Endpoint {
    pub address: ResolvedAddress,
    /// Which of the configured addresses it was resolved from.
    pub origin: usize,
    /// What the last active check found; true until one has failed.
    pub(super) healthy: AtomicBool,
    failures: AtomicU32,
    ejections: AtomicU32,
    ejected_until: AtomicU64,
    since: AtomicU64,
    draws: AtomicU32,
}

/// Which address of an upstream: `None` where it has but one.
pub type EndpointRef = Option<Arc<Endpoint>>;

/// Whether both are the same address.
pub(in crate::upstream) fn is_same(a: &EndpointRef, b: &EndpointRef) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The greatest multiple of the first ejection's time.
const LONGEST: u32 = 10;

impl Endpoint {
    /// An address that nothing is known of; `since` is when it begins to serve, `None` at its full share.
    pub(super) fn new(address: ResolvedAddress, origin: usize, since: Option<u64>) -> Self {
        Self {
            address,
            origin,
            healthy: AtomicBool::new(true),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            // Long ago enough for any slow start.
            since: AtomicU64::new(since.map_or(0, |since| since.max(1))),
            draws: AtomicU32::new(0),
        }
    }

    /// Whether active checks find it well, or there are none.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Whether its failures have put it out of service for now.
    #[must_use]
    pub fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until.load(Relaxed)
    }

    pub(super) fn succeeded(&self) {
        // A load first: stores from many workers to one line cost more than they are worth.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// It failed; says whether it is out of service from now on.
    pub(super) fn failed(&self, eject: Eject, now: u64) -> bool {
        if eject.after == 0 || self.is_ejected(now) {
            return false;
        }
        if self.failures.fetch_add(1, Relaxed) + 1 < eject.after {
            return false;
        }
        self.failures.store(0, Relaxed);
        let times = self.ejections.fetch_add(1, Relaxed).saturating_add(1).min(LONGEST);
        let until = now.saturating_add(millis(eject.time).saturating_mul(u64::from(times)));
        self.ejected_until.store(until, Relaxed);
        self.since.store(until, Relaxed);
        true
    }

    /// An active check found it well again.
    pub(super) fn recovered(&self, now: u64) {
        self.healthy.store(true, Relaxed);
        self.failures.store(0, Relaxed);
        self.ejections.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
        self.since.store(now.max(1), Relaxed);
    }

    /// Whether it takes this request: not when it is out of service, and only its share while it starts slowly.
    pub(super) fn takes(&self, settings: &Settings, now: u64) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        let (since, whole) = (self.since.load(Relaxed), millis(settings.slow_start));
        let age = now.saturating_sub(since);
        if since == 0 || age >= whole {
            return true;
        }
        // The first tenth at once, so that it is warmed at all; then in proportion.
        let share = (age.saturating_mul(100) / whole).max(10);
        // An odd step smaller than 100 and prime to it visits every remainder: draws are spread evenly.
        let draw = self.draws.fetch_add(37, Relaxed) % 100;
        u64::from(draw) < share
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, ResolvedAddress};
    use crate::upstream::cluster::settings::{Eject, Settings};
    use std::time::Duration;

    fn endpoint(since: Option<u64>) -> Endpoint {
        Endpoint::new(ResolvedAddress::Inet(([127, 0, 0, 1], 1).into()), 0, since)
    }

    #[test]
    fn failures_in_a_row_put_it_out_of_service_longer_each_time() {
        let (endpoint, eject) = (endpoint(None), Eject { after: 3, time: Duration::from_secs(1) });
        assert!(!endpoint.failed(eject, 0));
        assert!(!endpoint.failed(eject, 0));
        endpoint.succeeded();
        assert!(!endpoint.failed(eject, 0) && !endpoint.failed(eject, 0), "a success begins the count again");
        assert!(endpoint.failed(eject, 0));
        assert!(endpoint.is_ejected(999) && !endpoint.is_ejected(1000));
        for _ in 0..2 {
            assert!(!endpoint.failed(eject, 1000));
        }
        assert!(endpoint.failed(eject, 1000));
        assert!(endpoint.is_ejected(2999) && !endpoint.is_ejected(3000), "twice as long");
        endpoint.recovered(1500);
        assert!(!endpoint.is_ejected(1500));
    }

    #[test]
    fn no_failures_count_where_none_are_to() {
        let (endpoint, eject) = (endpoint(None), Eject { after: 0, time: Duration::from_secs(1) });
        assert!((0..100).all(|_| !endpoint.failed(eject, 0)));
    }

    #[test]
    fn a_slow_start_gives_a_growing_share() {
        let settings = Settings { slow_start: Duration::from_secs(10), ..Settings::default() };
        let endpoint = endpoint(Some(1000));
        let share = |now| (0..100).filter(|_| endpoint.takes(&settings, now)).count();
        assert_eq!([share(1000), share(3000), share(6000), share(10_999), share(11_000)], [10, 20, 50, 99, 100]);
        let at_once = Settings::default();
        assert_eq!((0..100).filter(|_| endpoint.takes(&at_once, 1000)).count(), 100);
    }
}
