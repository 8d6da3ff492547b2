//! What was let through and refused in each of the last minutes, and what logged in: read from the counters once a minute, so that
//! requests pay nothing for it.

use super::metrics::Metrics;
use crate::decision::Reason;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Minutes that are kept: a day.
pub const KEPT: usize = 1_440;
const EACH: Duration = Duration::from_secs(60);

/// One minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// When it ended, in seconds since the Unix epoch.
    pub at: u64,
    pub allowed: u32,
    pub refused: u32,
    pub logins: u32,
}

#[derive(Default)]
struct State {
    minutes: VecDeque<Minute>,
    before: (u64, u64, u64),
}

/// The last minutes of this process.
#[derive(Default)]
pub struct Minutes {
    state: Mutex<State>,
}

impl Minutes {
    /// Keeps them, for as long as the process runs.
    pub async fn keep(self: Arc<Self>, metrics: Arc<Metrics>, logins: impl Fn() -> u64) {
        let mut interval = tokio::time::interval(EACH);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        interval.tick().await;
        loop {
            interval.tick().await;
            let (allowed, refused) = metrics.outcomes();
            self.note(crate::clock::unix().as_secs(), (allowed, refused, logins()));
        }
    }

    /// Notes a minute's end, of these sums since the start.
    fn note(&self, at: u64, now: (u64, u64, u64)) {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.before, now);
        // The counters of routes that are gone are gone with them.
        let more = |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        let minute = Minute {
            at,
            allowed: more(now.0, before.0),
            refused: more(now.1, before.1),
            logins: more(now.2, before.2),
        };
        if state.minutes.len() == KEPT {
            state.minutes.pop_front();
        }
        state.minutes.push_back(minute);
    }

    /// The last of them, the oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<Minute> {
        let state = self.state.lock();
        let skipped = state.minutes.len().saturating_sub(count);
        state.minutes.iter().skip(skipped).copied().collect()
    }
}

/// How often requests of a route were refused for a reason, since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    pub route: String,
    pub reason: Reason,
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Minute, Minutes};

    #[test]
    fn each_minute_is_what_was_counted_in_it_and_a_day_is_kept() {
        let minutes = Minutes::default();
        minutes.note(60, (10, 1, 0));
        minutes.note(120, (15, 1, 2));
        minutes.note(180, (3, 0, 2));
        assert_eq!(
            minutes.last(2),
            [
                Minute { at: 120, allowed: 5, refused: 0, logins: 2 },
                Minute { at: 180, allowed: 0, refused: 0, logins: 0 }
            ]
        );
        (0..2000).for_each(|at| minutes.note(at, (0, 0, 0)));
        assert_eq!(minutes.last(usize::MAX).len(), KEPT);
    }
}
