//! Follows the store's outbox, so that what changed is no longer believed, and brings the tokens' last use home.

use super::Memberships;
use crate::directory::{Change, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// How often last uses are written.
const BOOK: Duration = Duration::from_secs(60);

impl Memberships {
    /// Looks at the outbox once and notes what changed.
    ///
    /// # Errors
    /// The store cannot be asked; the proof then runs out by itself.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let asked = crate::clock::monotonic();
        let read_to = self.read_to.lock().clone();
        let news = self.store.changes(&read_to).await?;
        // The fence counts the looks that found something: whatever becomes of the store, it never goes back.
        let position = self.fence.position().saturating_add(u64::from(news.lost || !news.changes.is_empty()));
        if news.lost {
            self.fence.forget_all(position);
        }
        for change in &news.changes {
            match *change {
                Change::User(user) => self.fence.user_changed(user, position),
                Change::Token(token) => self.fence.token_changed(token, position),
                Change::Organization(organization) => {
                    self.fence.organization_changed(position);
                    for member in self.store.members_of(organization).await? {
                        self.fence.user_changed(member, position);
                    }
                }
            }
        }
        *self.read_to.lock() = news.position;
        self.fence.caught_up(position, asked);
        Ok(())
    }

    /// Follows the outbox for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut failing = false;
        let mut booked = crate::clock::monotonic();
        loop {
            match self.catch_up().await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("the store answers again");
                }
                Ok(()) => {}
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, "the store's changes cannot be followed; cached facts are used until they are too old");
                }
                Err(_) => {}
            }
            if crate::clock::monotonic().duration_since(booked) >= BOOK {
                booked = crate::clock::monotonic();
                self.book_used().await;
            }
            self.store.wait_for_changes().await;
        }
    }

    /// Writes when tokens were last used.
    pub async fn book_used(&self) {
        let now = crate::clock::unix_seconds();
        let used: Vec<_> = self.take_used().into_iter().map(|token| (token, now)).collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch_tokens(&used).await {
            tracing::warn!(%error, tokens = used.len(), "last uses of tokens were not recorded");
        }
    }
}
