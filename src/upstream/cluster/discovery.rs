//! From configured addresses to endpoints: host names are resolved again and again, without blocking anybody.
//!
//! An address keeps its [`Endpoint`], and so its history, for as long as it is resolved. A name that cannot be resolved now
//! keeps the addresses that it last had: a name server's failure takes no upstream away.

use super::Clock;
use super::endpoint::{Endpoint, ResolvedAddress};
use crate::upstream::address::{Address, Location};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora_load_balancing::Backend;
use pingora_load_balancing::discovery::ServiceDiscovery;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long one resolution may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// More addresses than this of one name are not used.
const MOST_OF_ONE_NAME: usize = 256;

#[derive(Default)]
struct State {
    endpoints: HashMap<ResolvedAddress, Arc<Endpoint>>,
    /// What each configured address last was; `None` until it is known.
    resolved: Vec<Option<Vec<ResolvedAddress>>>,
}

pub(super) struct Discovery {
    name: Box<str>,
    addresses: Arc<[Address]>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
pub(super) struct Discovered(Arc<Mutex<State>>);

impl Discovered {
    pub(super) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let mut endpoints: Vec<_> = self.0.lock().endpoints.values().cloned().collect();
        endpoints.sort_by(|a, b| a.address.cmp(&b.address));
        endpoints
    }
}

impl Discovery {
    pub(super) fn new(name: &str, addresses: Arc<[Address]>, clock: Clock) -> (Self, Discovered) {
        let resolved = addresses.iter().map(|_| None).collect();
        let state = Arc::new(Mutex::new(State { resolved, ..State::default() }));
        let discovered = Discovered(Arc::clone(&state));
        (Self { name: name.into(), addresses, clock, state }, discovered)
    }

    async fn resolve(&self, at: usize, address: &Address) {
        let found = match &address.location {
            Location::Unix(path) => Ok(vec![ResolvedAddress::Unix(path.clone())]),
            Location::Host { host, port } => {
                let lookup = tokio::net::lookup_host((&**host, *port));
                match tokio::time::timeout(PATIENCE, lookup).await {
                    Ok(Ok(found)) => Ok(found.take(MOST_OF_ONE_NAME).map(ResolvedAddress::Inet).collect()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("it took too long".to_owned()),
                }
            }
        };
        let found = found.and_then(|found| if found.is_empty() { Err("it has no address".into()) } else { Ok(found) });
        let mut state = self.state.lock();
        let Some(known) = state.resolved.get_mut(at) else { return };
        match found {
            Ok(found) => *known = Some(found),
            Err(error) if known.is_none() => {
                tracing::warn!(upstream = %self.name, address = %address, %error, "the upstream's name cannot be resolved");
            }
            Err(error) => {
                tracing::warn!(
                    upstream = %self.name, address = %address, %error,
                    "the upstream's name cannot be resolved now; its last addresses stay in use"
                );
            }
        }
    }
}

#[async_trait]
impl ServiceDiscovery for Discovery {
    async fn discover(&self) -> pingora_core::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let resolving = self.addresses.iter().enumerate().map(|(at, address)| self.resolve(at, address));
        futures_util::future::join_all(resolving).await;
        let mut state = self.state.lock();
        let State { endpoints, resolved } = &mut *state;
        // The first addresses start at their full share; those that come later may start slowly.
        let since = if endpoints.is_empty() { None } else { Some(self.clock.now()) };
        let mut current = HashMap::new();
        let mut backends = BTreeSet::new();
        for (origin, (resolved, configured)) in resolved.iter().zip(&*self.addresses).enumerate() {
            for address in resolved.iter().flatten() {
                if current.contains_key(address) {
                    continue;
                }
                let Some(addr) = pingora_address(address) else { continue };
                let known = endpoints.get(address).filter(|known| known.origin == origin).cloned();
                let endpoint = known.unwrap_or_else(|| Arc::new(Endpoint::new(address.clone(), origin, since)));
                let mut backend = Backend { addr, weight: configured.weight, ext: http::Extensions::new() };
                backend.ext.insert(Arc::clone(&endpoint));
                backends.insert(backend);
                current.insert(address.clone(), endpoint);
            }
        }
        *endpoints = current;
        Ok((backends, HashMap::new()))
    }
}

fn pingora_address(address: &ResolvedAddress) -> Option<PingoraAddress> {
    match address {
        ResolvedAddress::Inet(address) => Some(PingoraAddress::Inet(*address)),
        ResolvedAddress::Unix(path) => {
            std::os::unix::net::SocketAddr::from_pathname(path).ok().map(PingoraAddress::Unix)
        }
    }
}
