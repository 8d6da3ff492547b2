//! Follows the store's outbox, so that what changed is no longer believed, and brings the tokens' last use home.

use super::FactCache;
use super::broadcast::{Broadcast, News};
use super::redis_cache::change_log::ChangeLog;
use crate::directory::{Change, MEMBERS_AT_MOST, StoreError};
use crate::id::{OrgId, UserId};
use ahash::AHashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often last uses are written.
const BOOK: Duration = Duration::from_secs(60);
/// For a look that somebody waits for.
const HEARD: Duration = Duration::from_secs(1);
/// Minutes for which a token's last use is not written again: every replica writes for every token in use.
const BOOK_AGAIN: u32 = 10;
/// So many looks back at the beginning, each twice as far as the one before.
const LOOKS_BACK: u32 = 14;

/// What another replica tells next; never, where nobody tells anything.
async fn next(heard: &mut Option<mpsc::Receiver<News>>) -> News {
    if let Some(messages) = heard
        && let Some(news) = messages.recv().await
    {
        return news;
    }
    *heard = None;
    std::future::pending().await
}

impl FactCache {
    /// Looks at the outbox once and notes what changed.
    ///
    /// # Errors
    /// The store cannot be asked; the proof then runs out by itself.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let asked = crate::clock::monotonic();
        let read_to = self.read_to.lock().clone();
        let news = self.store.changes(&read_to).await?;
        let members = self.members_of(&news.changes).await?;
        if let Some(django) = &self.django_cache {
            // Who looks for themselves does not know what changed, and scans nothing for that every two seconds.
            if news.lost && !news.looked_over || members.len() > MEMBERS_AT_MOST {
                django.all();
            }
            let user = |change: &Change| if let Change::User(user) = change { Some(*user) } else { None };
            django.tell(news.changes.iter().filter_map(user).chain(members.iter().copied()).collect());
        }
        // From here on nothing is waited for: a load that begins meanwhile would be void before it ends, again and again.
        // The change versions count the looks that found something: whatever becomes of the store, it never goes back.
        let position = self.versions.position().saturating_add(u64::from(news.lost || !news.changes.is_empty()));
        if news.lost {
            self.versions.forget_all(position);
            self.in_change_log(|change_log| change_log.missed(news.position.horizon(), crate::clock::unix().as_secs()));
            if let Some(redis_cache) = &self.redis_cache {
                // After the change log: whoever sees this store's number sees its position.
                redis_cache.follow(news.position.store());
            }
        }
        if members.len() > MEMBERS_AT_MOST {
            self.versions.forget_all(position);
            self.in_change_log(|change_log| change_log.much_changed(news.position.limit()));
        }
        for change in &news.changes {
            match *change {
                Change::User(user) => self.user_changed(user, position, news.position.limit()),
                Change::Token(token) => {
                    self.versions.token_changed(token, position);
                    self.in_change_log(|change_log| change_log.changed(token.0, news.position.limit()));
                }
                Change::Organization(_) => self.versions.organization_changed(position),
            }
        }
        for member in &members {
            self.user_changed(*member, position, news.position.limit());
        }
        self.in_change_log(|change_log| change_log.followed(news.position.horizon()));
        *self.read_to.lock() = news.position.clone();
        self.versions.caught_up(position, asked);
        let before = self.looked.send_replace(asked);
        if !news.changes.is_empty() {
            // What took time since the answer counts too.
            let noting = crate::clock::monotonic().saturating_duration_since(asked);
            let age = news.age.map(|age| age.saturating_add(noting));
            self.lag.learnt(age, crate::clock::monotonic().saturating_duration_since(before));
        }
        if let Some(broadcast) = &self.broadcast
            && !news.changes.is_empty()
        {
            broadcast.tell(&news.position, &news.changes, &members).await;
        }
        Ok(())
    }

    /// Waits for a look that begins from now on: whoever is told that their change was made finds it made. Not for long, since it was.
    pub async fn hear(&self) {
        let now = crate::clock::monotonic();
        let mut looked = self.looked.subscribe();
        self.wanted.notify_one();
        let _ = tokio::time::timeout(HEARD, looked.wait_for(|began| *began >= now)).await;
    }

    /// Whom the organizations among these changes concern.
    async fn members_of(&self, changes: &[Change]) -> Result<Vec<UserId>, StoreError> {
        let organization = |change: &Change| if let Change::Organization(id) = change { Some(*id) } else { None };
        let organizations: Vec<OrgId> = changes.iter().filter_map(organization).collect();
        if organizations.is_empty() { Ok(Vec::new()) } else { self.store.members_of(&organizations).await }
    }

    /// Notes what another replica has heard of. It has committed, so a load that begins now sees it; that this is all
    /// that has changed, only the store can tell.
    fn note(&self, news: &News) {
        if news.store != self.read_to.lock().store() {
            return;
        }
        let position = self.versions.position().saturating_add(1);
        for change in &news.changes {
            match *change {
                Change::User(user) => self.user_changed(user, position, news.limit),
                Change::Token(token) => {
                    self.versions.token_changed(token, position);
                    self.in_change_log(|change_log| change_log.changed(token.0, news.limit));
                }
                Change::Organization(_) => self.versions.organization_changed(position),
            }
        }
        self.versions.advance(position);
    }

    fn user_changed(&self, user: UserId, position: u64, visible_at: u64) {
        self.versions.user_changed(user, position);
        self.in_change_log(|change_log| change_log.changed(user.0, visible_at));
    }

    fn in_change_log(&self, note: impl FnOnce(&ChangeLog)) {
        if let Some(redis_cache) = &self.redis_cache {
            note(&redis_cache.change_log);
        }
    }

    /// Notes in the change log what changed before the beginning, as far back as the store tells: so that a replica that has
    /// just started can use what the others have left in Redis.
    ///
    /// Each look goes twice as far back as the one before. What it tells anew has not changed since the one before began.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub(super) async fn look_back(&self) -> Result<(), StoreError> {
        let Some(redis_cache) = &self.redis_cache else { return Ok(()) };
        let start = self.read_to.lock().clone();
        let mut seen: AHashSet<Change> = AHashSet::new();
        let mut visible_at = None;
        for span in (0..LOOKS_BACK).map(|look| 1 << look) {
            let since = start.back(span);
            let news = self.store.changes(&since).await?;
            if news.lost {
                break;
            }
            let at = visible_at.unwrap_or(news.position.limit());
            let new: Vec<Change> = news.changes.into_iter().filter(|change| seen.insert(*change)).collect();
            let members = self.members_of(&new).await?;
            if members.len() > MEMBERS_AT_MOST {
                break;
            }
            for change in new {
                match change {
                    Change::User(user) => redis_cache.change_log.changed(user.0, at),
                    Change::Token(token) => redis_cache.change_log.changed(token.0, at),
                    Change::Organization(_) => {}
                }
            }
            for member in members {
                redis_cache.change_log.changed(member.0, at);
            }
            redis_cache.change_log.knows_since(since.horizon());
            visible_at = Some(since.horizon());
            if since.horizon() <= 1 {
                break;
            }
        }
        Ok(())
    }

    /// Follows the outbox for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut heard = self.broadcast.as_ref().map(Broadcast::start);
        let mut failing = false;
        let mut booked = crate::clock::monotonic();
        let mut booking: Option<JoinHandle<()>> = None;
        loop {
            let mut told = false;
            let looked = {
                let look = self.catch_up();
                tokio::pin!(look);
                loop {
                    // Another replica may know while the database does not answer this one.
                    tokio::select! {
                        looked = &mut look => break looked,
                        news = next(&mut heard) => {
                            told = true;
                            self.note(&news);
                        }
                    }
                }
            };
            self.versions.ends(matches!(looked, Err(StoreError::Replaced)));
            match looked {
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
            // Beside this: it may wait for the pool's connections, or for somebody's lock on a token, and no change may.
            if crate::clock::monotonic().duration_since(booked) >= BOOK
                && booking.as_ref().is_none_or(JoinHandle::is_finished)
            {
                booked = crate::clock::monotonic();
                let memberships = Arc::clone(&self);
                booking = Some(tokio::spawn(async move { memberships.flush_last_used(BOOK_AGAIN).await }));
            }
            if !told {
                tokio::select! {
                    () = self.store.wait_for_changes() => {}
                    () = self.wanted.notified() => {}
                    news = next(&mut heard) => self.note(&news),
                }
            }
        }
    }

    /// Writes when tokens were last used, but for those for which that was done less than `pause` minutes ago.
    pub async fn flush_last_used(&self, pause: u32) {
        let now = crate::clock::unix_seconds();
        let minute = u32::try_from(now / 60).unwrap_or_default();
        let used: Vec<_> = self.take_used(minute, pause).into_iter().map(|token| (token, now)).collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch_tokens(&used).await {
            tracing::warn!(%error, tokens = used.len(), "last uses of tokens were not recorded");
        }
    }
}
