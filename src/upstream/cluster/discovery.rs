//! From configured addresses to endpoints: host names are resolved again and again, without blocking anybody.
//!
//! An address keeps its [`Endpoint`], and so its history, for as long as it is resolved. A name that cannot be resolved now
//! keeps the addresses that it last had: a name server's failure takes no upstream away.

use super::Clock;
use super::endpoint::{Endpoint, Place};
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
    endpoints: HashMap<Place, Arc<Endpoint>>,
    /// What each configured address last was; `None` until it is known.
    places: Vec<Option<Vec<Place>>>,
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
        endpoints.sort_by(|a, b| a.place.cmp(&b.place));
        endpoints
    }
}

impl Discovery {
    pub(super) fn new(name: &str, addresses: Arc<[Address]>, clock: Clock) -> (Self, Discovered) {
        let places = addresses.iter().map(|_| None).collect();
        let state = Arc::new(Mutex::new(State { places, ..State::default() }));
        let discovered = Discovered(Arc::clone(&state));
        (Self { name: name.into(), addresses, clock, state }, discovered)
    }

    async fn resolve(&self, at: usize, address: &Address) {
        let found = match &address.location {
            Location::Unix(path) => Ok(vec![Place::Unix(path.clone())]),
            Location::Host { host, port } => {
                let lookup = tokio::net::lookup_host((&**host, *port));
                match tokio::time::timeout(PATIENCE, lookup).await {
                    Ok(Ok(found)) => Ok(found.take(MOST_OF_ONE_NAME).map(Place::Inet).collect()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("it took too long".to_owned()),
                }
            }
        };
        let found =
            found.and_then(|places| if places.is_empty() { Err("it has no address".into()) } else { Ok(places) });
        let mut state = self.state.lock();
        let Some(known) = state.places.get_mut(at) else { return };
        match found {
            Ok(places) => *known = Some(places),
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
        let State { endpoints, places } = &mut *state;
        // The first addresses start at their full share; those that come later may start slowly.
        let since = if endpoints.is_empty() { None } else { Some(self.clock.now()) };
        let mut current = HashMap::new();
        let mut backends = BTreeSet::new();
        for (origin, (places, address)) in places.iter().zip(&*self.addresses).enumerate() {
            for place in places.iter().flatten() {
                if current.contains_key(place) {
                    continue;
                }
                let Some(addr) = pingora_address(place) else { continue };
                let known = endpoints.get(place).filter(|known| known.origin == origin).cloned();
                let endpoint = known.unwrap_or_else(|| Arc::new(Endpoint::new(place.clone(), origin, since)));
                let mut backend = Backend { addr, weight: address.weight, ext: http::Extensions::new() };
                backend.ext.insert(Arc::clone(&endpoint));
                backends.insert(backend);
                current.insert(place.clone(), endpoint);
            }
        }
        *endpoints = current;
        Ok((backends, HashMap::new()))
    }
}

fn pingora_address(place: &Place) -> Option<PingoraAddress> {
    match place {
        Place::Inet(address) => Some(PingoraAddress::Inet(*address)),
        Place::Unix(path) => std::os::unix::net::SocketAddr::from_pathname(path).ok().map(PingoraAddress::Unix),
    }
}
