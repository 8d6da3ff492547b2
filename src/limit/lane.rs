//! A narrow way to what strangers may ask for only so often.
//!
//! An address whose strangers have used up what they may ask for may be that of a balancer or of a whole office: whoever is good there
//! still gets an answer, one of few at a time. So what the store is asked because of strangers is bounded, whatever they send, and
//! waits only for what was asked before it.

use super::Who;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Asked at the same time.
const AT_ONCE: usize = 8;
/// Of one address, asking and waiting.
const EACH: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);

/// The way. Its memory is that of those who wait.
#[derive(Debug)]
pub struct Lane {
    turns: Semaphore,
    seats: Mutex<HashMap<Who, usize>>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), seats: Mutex::default() }
    }
}

/// Somebody's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'l> {
    _turn: SemaphorePermit<'l>,
    _seat: Seat<'l>,
}

#[derive(Debug)]
struct Seat<'l> {
    lane: &'l Lane,
    who: Who,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut seats = self.lane.seats.lock();
        if let Some(taken) = seats.get_mut(&self.who) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                seats.remove(&self.who);
            }
        }
    }
}

impl Lane {
    /// Waits for a turn; `None` where too many of that address wait already, or it does not come in time.
    pub async fn turn(&self, who: Who) -> Option<Turn<'_>> {
        let seat = {
            let mut seats = self.seats.lock();
            let taken = seats.entry(who).or_default();
            if *taken >= EACH {
                return None;
            }
            *taken += 1;
            Seat { lane: self, who }
        };
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await.ok()?.ok()?;
        Some(Turn { _turn: turn, _seat: seat })
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, EACH, Lane, Who};
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn one_address_takes_its_seats_and_leaves_the_others_theirs() {
        let lane = Arc::new(Lane::default());
        let address = |text: &str| Who::address(text.parse().unwrap());
        let turns: Vec<_> = futures_util::future::join_all((0..AT_ONCE).map(|_| lane.turn(address("192.0.2.1")))).await;
        assert!(turns.iter().all(Option::is_some));
        let wait = |who| {
            let lane = Arc::clone(&lane);
            tokio::spawn(async move { lane.turn(who).await.is_some() })
        };
        let waiting: Vec<_> = (AT_ONCE..EACH).map(|_| wait(address("192.0.2.1"))).collect();
        let other = wait(address("192.0.2.2"));
        tokio::task::yield_now().await;
        assert!(lane.turn(address("192.0.2.1")).await.is_none(), "no seat is left");
        drop(turns);
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert!(other.await.unwrap());
        assert!(lane.seats.lock().is_empty());
        // Where nobody is done, nobody waits for ever.
        let turns: Vec<_> = futures_util::future::join_all((0..AT_ONCE).map(|_| lane.turn(address("192.0.2.1")))).await;
        assert!(lane.turn(address("192.0.2.2")).await.is_none());
        drop(turns);
        assert!(lane.turn(address("192.0.2.2")).await.is_some());
    }
}
