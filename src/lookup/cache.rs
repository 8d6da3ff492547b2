//! Answers that are kept: for a time, and while nothing told that their object has changed.

use crate::facts::Object;
use crate::policy::LookupKey;
use quick_cache::sync::Cache;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use uuid::Uuid;

/// Answers in memory, at most.
const MOST: usize = 100_000;
/// Counters of changes. Objects share them by hash: a change of one drops, beside its own answers, few others.
const COUNTERS: usize = 4096;

#[derive(Clone)]
struct Answer {
    object: Arc<Object>,
    until: Instant,
    /// What its counter said when it was asked for.
    version: Version,
}

/// How many changes were told of an object and its like, and of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// Which counter is the object's, if it has one.
    counter: Option<usize>,
    of_object: u64,
    of_all: u64,
}

/// See the module.
pub(super) struct Kept {
    answers: Cache<LookupKey, Answer>,
    changes: Box<[AtomicU64]>,
    /// By which an object finds its counter.
    hash: ahash::RandomState,
    /// Of what is not one object's.
    all: AtomicU64,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("len", &self.answers.len()).finish_non_exhaustive()
    }
}

impl Default for Kept {
    fn default() -> Self {
        let changes = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        Self { answers: Cache::new(MOST), changes, hash: ahash::RandomState::new(), all: AtomicU64::new(0) }
    }
}

impl Kept {
    pub(super) fn get(&self, key: &LookupKey, now: Instant) -> Option<Arc<Object>> {
        let answer = self.answers.get(key)?;
        (now < answer.until && self.is_current(answer.version)).then_some(answer.object)
    }

    /// What changes were told so far: to be taken before the question is put.
    pub(super) fn version(&self, key: &LookupKey) -> Version {
        let counter = key.args.first().map(|arg| self.counter(&key.lookup.name, arg));
        Version { counter, of_object: self.changes_of(counter), of_all: self.all.load(Ordering::Acquire) }
    }

    /// Whether no change was told since. The version knows its counter, so that whoever finds an answer hashes its object once.
    fn is_current(&self, version: Version) -> bool {
        self.changes_of(version.counter) == version.of_object && self.all.load(Ordering::Acquire) == version.of_all
    }

    fn changes_of(&self, counter: Option<usize>) -> u64 {
        counter.and_then(|at| self.changes.get(at)).map_or(0, |changes| changes.load(Ordering::Acquire))
    }

    /// Keeps an answer; one that a change overtook is found no more.
    pub(super) fn put(&self, key: &LookupKey, object: Arc<Object>, version: Version, until: Instant) {
        self.answers.insert(key.clone(), Answer { object, until, version });
    }

    /// The object that a lookup finds by this first argument has changed.
    pub(super) fn changed(&self, lookup: &str, arg: &str) {
        let changes = self.changes.get(self.counter(lookup, arg)).unwrap_or(&self.all);
        changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    fn counter(&self, lookup: &str, arg: &str) -> usize {
        // A UUID has several spellings, and the database tells it in its own.
        let hash = match Uuid::try_parse(arg) {
            Ok(id) => self.hash.hash_one((lookup, id.as_u128())),
            Err(_) => self.hash.hash_one((lookup, arg)),
        };
        usize::try_from(hash % COUNTERS as u64).unwrap_or_default()
    }
}
