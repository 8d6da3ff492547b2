//! Redis, as something that helps and is never needed.
//!
//! [`Redis::ask`] gives an answer within a small budget, or says that there is none; what it means that there is none
//! (a miss, a local limit) is the caller's business. [`Redis::keep`] holds the connection: when Redis is away or slow, nobody
//! waits for it any more, and one task alone tries whether it is back. [`address`] is where it is, [`connect`] the ways
//! to it (one server, Sentinel, cluster; TLS), [`seal`] what makes names and values in it ours alone.

pub mod address;
pub mod connect;
pub mod seal;

pub use address::{Address, Node, Topology};
pub use connect::{ConnectError, Link, Settings};

use parking_lot::RwLock;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// So many answers in a row that come too late, and Redis counts as away.
const PATIENCE: u32 = 3;
/// How often an idle connection is tried, so that one that is only half open is noticed.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// Pauses between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// What went wrong is told for so long.
const REMEMBER: Duration = Duration::from_secs(5);

/// There is no answer, or none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Redis is away, or too slow.
    Away,
    /// Redis answers, with an error: a key of another type, no memory left, no permission.
    Refused,
    /// It does not know the script.
    NoScript,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Good,
    /// It answers, but not everything that was asked of late went well.
    Troubled,
    /// It does not answer, or too slowly.
    Away,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Questions that went without a usable answer.
    pub failures: AtomicU64,
    pub connections: AtomicU64,
}

pub struct Redis {
    settings: Settings,
    link: RwLock<Option<(u64, Link)>>,
    lost: Notify,
    late: AtomicU32,
    /// Milliseconds after `start` of the last trouble; 0 is none.
    trouble: AtomicU64,
    start: Instant,
    made: AtomicU64,
    quiet: AtomicBool,
    /// What has happened so far.
    pub counts: Counts,
}

impl Redis {
    /// Knows where Redis is; [`keep`](Self::keep) connects.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            link: RwLock::new(None),
            lost: Notify::new(),
            late: AtomicU32::new(0),
            trouble: AtomicU64::new(0),
            start: crate::clock::monotonic(),
            made: AtomicU64::new(0),
            quiet: AtomicBool::new(false),
            counts: Counts::default(),
        }
    }

    /// Where it is, and how long a caller waits at most.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    #[must_use]
    pub fn health(&self) -> Health {
        if self.link.read().is_none() {
            return Health::Away;
        }
        let trouble = self.trouble.load(Ordering::Relaxed);
        let recent = Duration::from_millis(self.millis().saturating_sub(trouble)) < REMEMBER;
        if trouble > 0 && recent { Health::Troubled } else { Health::Good }
    }

    fn millis(&self) -> u64 {
        u64::try_from(crate::clock::monotonic().duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// Something about what was found or answered is wrong; [`health`](Self::health) tells for a while.
    pub fn note_trouble(&self) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        self.trouble.store(self.millis().max(1), Ordering::Relaxed);
    }

    /// One round trip, within the budget; none at all while Redis is away.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub async fn ask(&self, command: &Cmd) -> Result<Value, NoAnswer> {
        let Some((number, mut link)) = self.link.read().clone() else { return Err(NoAnswer::Away) };
        match tokio::time::timeout(self.settings.budget, link.send(command)).await {
            Ok(Ok(value)) => {
                self.late.store(0, Ordering::Relaxed);
                Ok(value)
            }
            Ok(Err(error)) => Err(self.failed(number, &error)),
            Err(_) => Err(self.was_late(number)),
        }
    }

    fn was_late(&self, number: u64) -> NoAnswer {
        // One that comes late now and then is no trouble yet.
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
            self.drop_link(number, "it is too slow");
        }
        NoAnswer::Away
    }

    fn failed(&self, number: u64, error: &RedisError) -> NoAnswer {
        if error.is_timeout() {
            return self.was_late(number);
        }
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            return NoAnswer::NoScript;
        }
        self.note_trouble();
        // A server that was demoted, loads a dump or has lost its master is not the one to ask.
        let elsewhere = [
            ServerErrorKind::ReadOnly,
            ServerErrorKind::BusyLoading,
            ServerErrorKind::MasterDown,
            ServerErrorKind::ClusterDown,
        ];
        // So is one that wants a new password: the next connection brings it.
        let wants_password = matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        let is_elsewhere = wants_password || elsewhere.iter().any(|kind| error.kind() == ErrorKind::Server(*kind));
        let is_answer = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
        if is_answer && !is_elsewhere {
            if !self.quiet.swap(true, Ordering::Relaxed) {
                tracing::warn!(code = error.code().unwrap_or("?"), "Redis refuses a command; postern does without");
            }
            return NoAnswer::Refused;
        }
        self.drop_link(number, error.category());
        NoAnswer::Away
    }

    /// Nobody waits for this connection any more.
    fn drop_link(&self, number: u64, why: &str) {
        let mut link = self.link.write();
        if link.as_ref().is_some_and(|(current, _)| *current == number) {
            *link = None;
            drop(link);
            tracing::warn!(why, "Redis is away: memory, the database and local limits stand in for it");
            self.lost.notify_one();
        }
    }

    /// Connects, and connects again, for ever.
    pub async fn keep(&self) {
        let mut pause = PAUSES.0;
        let mut said = false;
        loop {
            if self.link.read().is_some() {
                let _ = tokio::time::timeout(TRY_EVERY, self.lost.notified()).await;
                let _ = self.ask(&redis::cmd("PING")).await;
                continue;
            }
            match self.connect().await {
                Ok(link) => {
                    self.late.store(0, Ordering::Relaxed);
                    self.quiet.store(false, Ordering::Relaxed);
                    self.counts.connections.fetch_add(1, Ordering::Relaxed);
                    let number = self.made.fetch_add(1, Ordering::Relaxed);
                    *self.link.write() = Some((number, link));
                    tracing::info!("Redis answers");
                    (pause, said) = (PAUSES.0, false);
                }
                Err(error) => {
                    if !said {
                        said = true;
                        tracing::warn!(%error, "Redis cannot be used; memory, the database and local limits stand in for it");
                    }
                    // Replicas that lost it together do not come back together.
                    let jitter = pause.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX));
                    tokio::time::sleep(pause + jitter).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// A connection that answers within the budget.
    async fn connect(&self) -> Result<Link, ConnectError> {
        let mut link = connect::connect(&self.settings).await?;
        match tokio::time::timeout(self.settings.budget, link.send(&redis::cmd("PING"))).await {
            Ok(Ok(_)) => Ok(link),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ConnectError::Slow),
        }
    }
}
