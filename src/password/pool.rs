//! Where passwords are computed: a few threads of the control plane, a queue that ends, and nobody waits for ever.
//!
//! A login flood costs what the few threads cost, and no more memory than they need; the excess is refused at once and
//! told to come back.

use super::{HashError, Hasher, PasswordHash, Verdict};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;

/// Too many passwords are waiting to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are being computed")]
pub struct Busy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Computed at the same time.
    pub workers: usize,
    /// Waiting, at most.
    pub queue: usize,
    pub wait: Duration,
}

/// The threads and the queue before them. Its methods run within a tokio runtime.
#[derive(Debug)]
pub struct Pool {
    hasher: Arc<Hasher>,
    /// One permit for each computation at a time.
    working: Arc<Semaphore>,
    /// One permit for each that works or waits.
    admitted: Arc<Semaphore>,
    settings: PoolSettings,
    refused: AtomicU64,
}

impl Pool {
    /// A pool of its own.
    #[must_use]
    pub fn new(hasher: Hasher, settings: PoolSettings) -> Self {
        let workers = settings.workers.max(1);
        Self {
            hasher: Arc::new(hasher),
            working: Arc::new(Semaphore::new(workers)),
            admitted: Arc::new(Semaphore::new(workers.saturating_add(settings.queue).min(Semaphore::MAX_PERMITS))),
            settings,
            refused: AtomicU64::new(0),
        }
    }

    /// What the passwords are compared by.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// So many were refused for want of room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// So many work or wait now.
    #[must_use]
    pub fn occupied(&self) -> usize {
        self.settings
            .workers
            .max(1)
            .saturating_add(self.settings.queue)
            .saturating_sub(self.admitted.available_permits())
    }

    /// Compares a password with several stored texts, in their order, until one matches: its place, and what is to be done
    /// with it. Where none of them can be compared at all, the `decoy` is, of whom nobody is told that it matches; without one, as
    /// long is worked as for a new one.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn first_match(
        &self,
        password: SecretString,
        stored: Vec<PasswordHash>,
        decoy: Option<PasswordHash>,
    ) -> Result<Option<(usize, Verdict)>, Busy> {
        self.run(move |hasher| {
            let password = password.expose_secret();
            let mut pretend = true;
            for (at, stored) in stored.iter().enumerate() {
                pretend &= !hasher.believes(stored.expose());
                let verdict = hasher.verify(password, stored.expose());
                if verdict.is_right() {
                    return Some((at, verdict));
                }
            }
            match decoy.filter(|_| pretend) {
                Some(decoy) => {
                    let _ = std::hint::black_box(hasher.verify(password, decoy.expose()));
                }
                None if pretend => hasher.pretend(password),
                None => {}
            }
            None
        })
        .await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Busy`], or within it, that it cannot be hashed.
    pub async fn hash(&self, password: SecretString) -> Result<Result<PasswordHash, HashError>, Busy> {
        self.run(move |hasher| hasher.hash(password.expose_secret())).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Hasher) -> T + Send + 'static) -> Result<T, Busy> {
        let refused = || {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Busy
        };
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| refused())?;
        let waiting = Arc::clone(&self.working).acquire_owned();
        let Ok(Ok(working)) = tokio::time::timeout(self.settings.wait, waiting).await else { return Err(refused()) };
        let hasher = Arc::clone(&self.hasher);
        // The permits go along: whoever hangs up does not make room for one more at the same time.
        let done = tokio::task::spawn_blocking(move || {
            let (_admitted, _working) = (admitted, working);
            work(&hasher)
        });
        done.await.map_err(|_| refused())
    }
}
