//! Single flight: whoever misses the same key at the same time waits for one load.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use tokio::sync::OnceCell;

/// Loads under way. Bounded by those who wait for them.
#[derive(Debug)]
pub struct Flights<K, V>(Mutex<HashMap<K, Weak<OnceCell<V>>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// One who waits; the last to leave takes the entry away.
struct Seat<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    key: K,
    flight: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        let ours = flights.get(&self.key).is_some_and(|entry| std::ptr::eq(entry.as_ptr(), Arc::as_ptr(&self.flight)));
        // A flight that has landed takes no more passengers: what was read is in the cache, or was not to be kept.
        if ours && (self.flight.initialized() || Arc::strong_count(&self.flight) == 1) {
            flights.remove(&self.key);
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    /// Waits for the load of `key` that is under way, or performs it. If the one who performs it goes away, another takes
    /// over.
    pub async fn join<F: Future<Output = V>>(&self, key: K, load: impl FnOnce() -> F) -> V {
        let flight = {
            let mut flights = self.0.lock();
            match flights.get(&key).and_then(Weak::upgrade) {
                Some(flight) => flight,
                None => {
                    let flight = Arc::new(OnceCell::new());
                    flights.insert(key.clone(), Arc::downgrade(&flight));
                    flight
                }
            }
        };
        let seat = Seat { flights: self, key, flight };
        seat.flight.get_or_init(load).await.clone()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether no load is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Flights;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn a_thousand_misses_of_one_key_make_one_load() {
        let flights: Arc<Flights<u32, u32>> = Arc::default();
        let loads = Arc::new(AtomicUsize::new(0));
        let waiters: Vec<_> = (0..1000)
            .map(|_| {
                let (flights, loads) = (Arc::clone(&flights), Arc::clone(&loads));
                tokio::spawn(async move {
                    let load = || async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        7
                    };
                    flights.join(1, load).await
                })
            })
            .collect();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 7);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn if_the_loader_goes_away_another_takes_over() {
        let flights: Arc<Flights<u32, u32>> = Arc::default();
        let first = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.join(1, std::future::pending).await }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.join(1, || async { 2 }).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.unwrap(), 2);
        assert!(flights.is_empty());
    }
}
