//! The keys of one issuer through time: fetched, rotated, kept for a while when nobody answers.
//!
//! One task an issuer fetches, so there is never more than one fetch at a time. It fetches at its own pace, and when a token
//! names a key that is not there; for strangers' inventions not more often than once in [`Pace::asked`], however many ask.

use super::fetch::{self, fetch};
use super::key::{Algorithm, KeySet, Provenance};
use arc_swap::ArcSwap;
use http::Uri;
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, watch};

pub enum Source {
    /// The configuration: they never change.
    Fixed,
    /// A file of ours, read again when it changes.
    File(PathBuf),
    Url(Uri, ArcSwap<ClientConfig>),
}

/// How often they are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub usual: Duration,
    /// At most, because a token names an unknown key.
    pub asked: Duration,
    /// How long keys are believed without an answer from where they came.
    pub keep: Duration,
}

/// What became of the last fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    None,
    Fetched,
    Failed,
}

/// What came of asking for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// They may have changed: look again.
    Look,
    /// What is there was fetched a moment ago: the key does not exist.
    Same,
    /// Nobody answers: the key may exist.
    Down,
}

#[derive(Debug)]
struct Turn {
    is_under_way: bool,
    /// When the next may be asked for.
    next: Option<Instant>,
}

pub struct Ring {
    issuer: Box<str>,
    source: Source,
    algorithms: Box<[Algorithm]>,
    pace: Pace,
    keys: ArcSwap<KeySet>,
    turn: Mutex<Turn>,
    wanted: Notify,
    outcome: watch::Sender<(u64, Outcome)>,
}

impl Ring {
    /// Keys that are there already, or none until they are fetched.
    #[must_use]
    pub fn new(issuer: &str, source: Source, algorithms: Box<[Algorithm]>, pace: Pace, keys: KeySet) -> Self {
        let is_fixed = matches!(source, Source::Fixed);
        Self {
            issuer: issuer.into(),
            source,
            algorithms,
            pace,
            keys: ArcSwap::from_pointee(keys),
            turn: Mutex::new(Turn { is_under_way: !is_fixed, next: None }),
            wanted: Notify::new(),
            outcome: watch::Sender::new((0, if is_fixed { Outcome::Fetched } else { Outcome::None })),
        }
    }

    /// The keys as they are now.
    #[must_use]
    pub fn keys(&self) -> arc_swap::Guard<Arc<KeySet>> {
        self.keys.load()
    }

    /// These take the place of those that are there; what only those signed is not believed any more.
    pub fn put(&self, keys: KeySet) {
        let keys = keys.after(&self.keys.load());
        tracing::debug!(issuer = %self.issuer, keys = keys.len(), "keys of an issuer");
        self.keys.store(Arc::new(keys));
    }

    /// From now on its address is verified with these.
    pub fn believe(&self, roots: Arc<ClientConfig>) {
        if let Source::Url(_, tls) = &self.source {
            tls.store(roots);
        }
    }

    /// Asks its address now, unless that is under way.
    pub fn look(&self) {
        if matches!(self.source, Source::Url(..)) && !std::mem::replace(&mut self.turn.lock().is_under_way, true) {
            self.wanted.notify_one();
        }
    }

    /// Waits for the fetch that is under way, or for one that this asks for, where it may.
    pub async fn refresh(&self) -> Fresh {
        if matches!(self.source, Source::Fixed) {
            return Fresh::Same;
        }
        let mut outcome = self.outcome.subscribe();
        let (_, last) = *outcome.borrow_and_update();
        {
            let mut turn = self.turn.lock();
            if !turn.is_under_way {
                let now = crate::clock::monotonic();
                if turn.next.is_some_and(|next| now < next) {
                    return if last == Outcome::Fetched { Fresh::Same } else { Fresh::Down };
                }
                *turn = Turn { is_under_way: true, next: Some(now + self.pace.asked) };
                self.wanted.notify_one();
            }
        }
        // A little more than the fetch itself may take.
        match tokio::time::timeout(fetch::PATIENCE + Duration::from_secs(1), outcome.changed()).await {
            Ok(Ok(())) if outcome.borrow().1 == Outcome::Fetched => Fresh::Look,
            _ => Fresh::Down,
        }
    }

    /// Fetches for ever, at its pace and when it is asked to.
    pub async fn follow(self: Arc<Self>) {
        let mut seen = None;
        let mut last_answer = crate::clock::monotonic();
        let mut failing = false;
        loop {
            let got = self.get(&mut seen).await;
            let outcome = match got {
                Ok(new) => {
                    if let Some(new) = new {
                        self.put(new);
                    }
                    if std::mem::take(&mut failing) {
                        tracing::info!(issuer = %self.issuer, "the issuer's keys can be fetched again");
                    }
                    last_answer = crate::clock::monotonic();
                    Outcome::Fetched
                }
                Err(problem) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(issuer = %self.issuer, %problem, "the issuer's keys cannot be fetched; the last good ones stay for a while");
                    }
                    if last_answer.elapsed() > self.pace.keep && !self.keys.load().is_empty() {
                        tracing::error!(issuer = %self.issuer, "the issuer's keys are too old to be believed");
                        self.keys.store(Arc::new(KeySet::default().after(&self.keys.load())));
                    }
                    Outcome::Failed
                }
            };
            self.turn.lock().is_under_way = false;
            self.outcome.send_modify(|(count, last)| (*count, *last) = (count.wrapping_add(1), outcome));
            let pause = match (&self.source, outcome) {
                (Source::Fixed, _) => return,
                // A look at a file costs nothing.
                (Source::File(_), _) => Duration::from_secs(1).min(self.pace.usual),
                (Source::Url(..), Outcome::Failed) => self.pace.asked.min(self.pace.usual),
                (Source::Url(..), _) => self.pace.usual,
            };
            tokio::select! {
                () = tokio::time::sleep(pause.min(self.pace.keep.max(Duration::from_millis(100)))) => self.turn.lock().is_under_way = true,
                () = self.wanted.notified() => {}
            }
        }
    }

    /// The keys that are there; `None` where they are those of last time.
    async fn get(&self, seen: &mut Option<(SystemTime, u64)>) -> Result<Option<KeySet>, String> {
        match &self.source {
            Source::Fixed => Ok(None),
            Source::File(path) => {
                let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
                let about = tokio::fs::metadata(path).await.map_err(unreadable)?;
                let mark = (about.modified().map_err(unreadable)?, about.len());
                if *seen == Some(mark) {
                    return Ok(None);
                }
                let (path, algorithms) = (path.clone(), self.algorithms.clone());
                let read = tokio::task::spawn_blocking(move || KeySet::of_file(&path, &algorithms));
                // A network's file system may never answer.
                let read = tokio::time::timeout(fetch::PATIENCE, read).await;
                let read = read.map_err(|_| format!("it cannot be read within {:?}", fetch::PATIENCE))?;
                let keys = read.map_err(|error| error.to_string())??;
                *seen = Some(mark);
                Ok(Some(keys))
            }
            Source::Url(uri, tls) => {
                let json = fetch(uri, &tls.load_full()).await.map_err(|error| error.to_string())?;
                KeySet::parse(&json, &self.algorithms, Provenance::Published).map(Some)
            }
        }
    }
}
