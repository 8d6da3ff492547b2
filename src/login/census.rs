//! Of which kinds the directory's passwords are, as of some minutes ago.
//!
//! A hash of an old installation may take ten times as long as one of today, and everybody has such a one after an import. If
//! nobody always cost what a new hash costs, a clock would tell who exists; so a name that means nobody costs what one of the
//! kinds costs, each as likely as the directory has it, and always the same one.

use crate::clock;
use crate::directory::Directory;
use crate::password::Kinds;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The directory's passwords are counted this often, while people log in.
const EVERY: Duration = Duration::from_secs(300);

#[derive(Default)]
pub(super) struct Census {
    kinds: ArcSwapOption<Kinds>,
    counted: Mutex<Option<Instant>>,
}

impl Census {
    /// As it was counted last; who comes first waits for it, whomever they mean.
    pub(super) async fn kinds(self: &Arc<Self>, store: &Arc<Directory>) -> Arc<Kinds> {
        let is_due = {
            let (now, mut counted) = (clock::monotonic(), self.counted.lock());
            let is_due = counted.is_none_or(|at| now.saturating_duration_since(at) >= EVERY);
            if is_due {
                *counted = Some(now);
            }
            is_due
        };
        match self.kinds.load_full() {
            Some(kinds) if is_due => {
                let (census, store) = (Arc::clone(self), Arc::clone(store));
                tokio::spawn(async move { census.count(&store).await });
                kinds
            }
            Some(kinds) => kinds,
            None => self.count(store).await,
        }
    }

    /// Without an answer, what was counted before stands.
    async fn count(&self, store: &Arc<Directory>) -> Arc<Kinds> {
        match store.password_kinds().await {
            Ok(kinds) => {
                let kinds = Arc::new(kinds);
                self.kinds.store(Some(Arc::clone(&kinds)));
                kinds
            }
            Err(error) => {
                tracing::warn!(%error, "the kinds of passwords could not be counted");
                Arc::default()
            }
        }
    }
}
