//! How many requests may be at an upstream at once, and how many may wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permission for a request to be at the upstream; dropping it gives it back. `None` where their number is not limited.
pub type ConcurrencyPermit = Option<OwnedSemaphorePermit>;

/// More are waiting than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// The limits of one cluster, over all workers.
#[derive(Debug)]
pub struct Admission {
    permits: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Counts a request that waits, for as long as it does: also when its caller goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    /// So many at once (zero is any number), so many waiting.
    #[must_use]
    pub fn new(permits: usize, most_waiting: usize) -> Self {
        let permits = (permits != 0).then(|| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))));
        Self { permits, waiting: AtomicUsize::new(0), most_waiting }
    }

    /// A permit, where one is free now.
    #[must_use]
    pub fn try_enter(&self) -> Option<ConcurrencyPermit> {
        let Some(permits) = &self.permits else { return Some(None) };
        Arc::clone(permits).try_acquire_owned().ok().map(Some)
    }

    /// A permit, when one is free.
    ///
    /// # Errors
    /// None is free, and too many are waiting.
    pub async fn enter(&self) -> Result<ConcurrencyPermit, Overloaded> {
        let Some(permits) = &self.permits else { return Ok(None) };
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Relaxed) >= self.most_waiting {
            return Err(Overloaded);
        }
        let permit = Arc::clone(permits).acquire_owned().await;
        drop(waiting);
        // Nobody closes the semaphore; if somebody did, a refusal would be right.
        permit.map(Some).map_err(|_| Overloaded)
    }

    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Overloaded};
    use std::time::Duration;

    #[tokio::test]
    async fn more_than_may_wait_are_refused_and_permits_come_back() {
        let admission = Admission::new(1, 1);
        let first = admission.enter().await.unwrap();
        let second = admission.enter();
        tokio::pin!(second);
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut second).await.is_err());
        assert_eq!((admission.waiting(), admission.enter().await.unwrap_err()), (1, Overloaded));
        drop(first);
        assert!(second.await.unwrap().is_some());
        assert_eq!(admission.waiting(), 0);
        assert!(admission.enter().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_waits_no_more() {
        let admission = Admission::new(1, 1);
        let _first = admission.enter().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(10), admission.enter()).await.is_err());
        assert_eq!(admission.waiting(), 0);
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let admission = Admission::new(0, 0);
        assert!(admission.enter().await.unwrap().is_none());
    }
}
