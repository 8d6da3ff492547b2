//! Changes passed on between replicas through Redis: whoever hears of one first tells the others.
//!
//! A message only voids and wakes: what it names is no longer believed, and the outbox is looked at at once. It proves nothing,
//! so a message that is lost costs no more than the time until the next look; and since it is sealed and names the
//! position that it was read at, neither a stranger nor an old message can do anything.

use crate::directory::{Change, Position};
use crate::id::{OrgId, TokenId, UserId};
use crate::redis::seal::{Name, Seal};
use crate::redis::{Redis, connect};
use crate::telemetry::metrics::Shard;
use futures_util::StreamExt;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Further changes are left out of a message: it makes the others look at the outbox anyway.
const MOST: usize = 1_000;
/// Messages that wait to be noted, at most; the next look finds what further ones would say.
const WAITING: usize = 64;
/// A connection that is silent for so long is tried.
const SILENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);

/// What another replica has heard of.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// Which store, and which life of it: see [`Position::store`].
    pub store: u64,
    /// See [`Position::limit`].
    pub limit: u64,
    /// Users and tokens that changed; members of organizations are among the users. Not all, where there are too many.
    pub changes: Vec<Change>,
}

impl News {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 17 * self.changes.len());
        out.extend(self.store.to_be_bytes());
        out.extend(self.limit.to_be_bytes());
        for change in &self.changes {
            let (kind, id) = match change {
                Change::User(id) => (0, id.0),
                Change::Organization(id) => (1, id.0),
                Change::Token(id) => (2, id.0),
            };
            out.push(kind);
            out.extend(id.as_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (store, rest) = bytes.split_first_chunk()?;
        let (limit, rest) = rest.split_first_chunk()?;
        let (changes, []) = rest.as_chunks::<17>() else { return None };
        let change = |[kind, id @ ..]: &[u8; 17]| {
            let id = Uuid::from_bytes(*id);
            match kind {
                0 => Some(Change::User(UserId(id))),
                1 => Some(Change::Organization(OrgId(id))),
                2 => Some(Change::Token(TokenId(id))),
                _ => None,
            }
        };
        let changes = changes.iter().map(change).collect::<Option<_>>()?;
        Some(Self { store: u64::from_be_bytes(*store), limit: u64::from_be_bytes(*limit), changes })
    }
}

/// The way to the other replicas, and from them.
pub struct Broadcast {
    redis: Arc<Redis>,
    seal: Seal,
    name: Name,
    channel: String,
    counts: Arc<Shard>,
    told: LastTold,
}

/// Which store, and how far, a message has told of last.
#[derive(Default)]
struct LastTold(Mutex<(u64, u64)>);

impl LastTold {
    /// Whether nobody has told of so much of this store yet; from now on somebody has.
    fn is_news(&self, store: u64, limit: u64) -> bool {
        let mut told = self.0.lock();
        let is_news = told.0 != store || told.1 < limit;
        if is_news {
            *told = (store, limit);
        }
        is_news
    }
}

impl Broadcast {
    /// Between all replicas of the installation that `seal` belongs to.
    #[must_use]
    pub fn new(redis: Arc<Redis>, seal: Seal, counts: Arc<Shard>) -> Self {
        let name = seal.name("relay", &[]);
        let channel = format!("{}relay:{}", redis.settings().prefix, name.text());
        Self { redis, seal, name, channel, counts, told: LastTold::default() }
    }

    /// Tells the others what the store has told at `position`, unless one of them was quicker. `members` are those of its
    /// organizations.
    pub async fn tell(&self, position: &Position, changes: &[Change], members: &[UserId]) {
        let (store, limit) = (position.store(), position.limit());
        if !self.told.is_news(store, limit) {
            return;
        }
        let changes = changes.iter().copied().chain(members.iter().map(|user| Change::User(*user)));
        let news = News { store, limit, changes: changes.take(MOST).collect() };
        let Ok(sealed) = self.seal.seal(&self.name, &news.encode()) else { return };
        // Nobody may have listened, and Redis may be away: the next look finds it.
        let _ = self.redis.ask(redis::cmd("PUBLISH").arg(&self.channel).arg(&sealed)).await;
    }

    /// What a message says, where it is another replica's and not known yet.
    fn open(&self, message: &[u8]) -> Option<News> {
        let news = self.seal.open(&self.name, message).and_then(|text| News::decode(&text));
        let Some(news) = news else {
            self.counts.redis_refused.inc_shared();
            self.redis.note_trouble();
            return None;
        };
        self.told.is_news(news.store, news.limit).then_some(news)
    }

    /// Listens for ever. What comes is sent to `heard`; a gap is an empty message, after which the outbox is to be looked at.
    async fn listen(&self, heard: &mpsc::Sender<News>) {
        loop {
            if let Ok(mut link) = connect::listen(self.redis.settings()).await
                && link.subscribe(&self.channel).await.is_ok()
            {
                // What was told before is not heard any more.
                let _ = heard.try_send(News { store: 0, limit: 0, changes: Vec::new() });
                let (mut sink, mut messages) = link.split();
                loop {
                    match tokio::time::timeout(SILENCE, messages.next()).await {
                        Ok(Some(message)) => {
                            if let Some(news) = self.open(message.get_payload_bytes()) {
                                self.counts.relay_heard.inc_shared();
                                let _ = heard.try_send(news);
                            }
                        }
                        Ok(None) => break,
                        // A connection that is half open gives no sign of it but silence.
                        Err(_) => {
                            let pong = tokio::time::timeout(Duration::from_secs(1), sink.ping::<redis::Value>()).await;
                            if !matches!(pong, Ok(Ok(_))) {
                                break;
                            }
                        }
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Begins to listen; what other replicas tell comes out of the channel.
    #[must_use]
    pub fn start(self: &Arc<Self>) -> mpsc::Receiver<News> {
        let (send, receive) = mpsc::channel(WAITING);
        let broadcast = Arc::clone(self);
        tokio::spawn(async move { broadcast.listen(&send).await });
        receive
    }
}

#[cfg(test)]
mod tests {
    use super::{LastTold, News};
    use crate::directory::Change;
    use crate::id::{OrgId, TokenId, UserId};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn change() -> impl Strategy<Value = Change> {
        (0..3_u8, any::<u128>()).prop_map(|(kind, id)| match (kind, Uuid::from_u128(id)) {
            (0, id) => Change::User(UserId(id)),
            (1, id) => Change::Organization(OrgId(id)),
            (_, id) => Change::Token(TokenId(id)),
        })
    }

    #[test]
    fn what_was_told_is_no_news_and_a_replaced_store_begins_anew() {
        let told = LastTold::default();
        assert!(told.is_news(7, 10));
        assert!(!told.is_news(7, 10) && !told.is_news(7, 9));
        assert!(told.is_news(7, 11));
        assert!(told.is_news(8, 3), "another store's positions are not to be compared");
        assert!(!told.is_news(8, 3));
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard(store: u64, limit: u64, changes in proptest::collection::vec(change(), 0..20)) {
            let news = News { store, limit, changes };
            let bytes = news.encode();
            prop_assert_eq!(News::decode(&bytes), Some(news));
            prop_assert_eq!(News::decode(&bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = News::decode(&bytes);
        }
    }
}
