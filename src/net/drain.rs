//! The shutdown: ready → lame duck (not ready, still serving) → draining (no new connections) → stopped.

use std::time::Duration;
use tokio::sync::watch;

/// Where the process is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Starting,
    Ready,
    /// Still serving, but readiness says no: load balancers take their time to notice.
    LameDuck,
    /// The listeners are closed; what is in flight finishes.
    Draining,
}

/// How long the shutdown may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time between "not ready" and closing the listeners.
    pub lame_duck: Duration,
    /// Time for what is in flight.
    pub limit: Duration,
}

/// The stage, for whoever moves it.
#[derive(Debug)]
pub struct Lifecycle(watch::Sender<Stage>);

/// The stage, for whoever follows it.
pub type Follower = watch::Receiver<Stage>;

impl Lifecycle {
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }

    #[must_use]
    pub fn follow(&self) -> Follower {
        self.0.subscribe()
    }

    /// Moves on; never back.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let moved = stage > *now;
            if moved {
                *now = stage;
            }
            moved
        });
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until `stage` is reached (or the process forgets about it, which is the end as well).
pub async fn reached(follower: &mut Follower, stage: Stage) {
    let _ = follower.wait_for(|now| *now >= stage).await;
}
