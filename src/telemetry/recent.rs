//! What was refused a moment ago, and where rules in shadow mode and services disagree: the last few of each, in this process.
//!
//! Each worker keeps rings of its own, of entries of one size, so that noting one allocates nothing and waits for nobody but a reader. A
//! permitted request leaves nothing here. What is kept holds no credential: a path without its query, and of that only a beginning.

use crate::decision::{Reason, ShadowVerdict};
use crate::id::UserId;
use http::StatusCode;
use parking_lot::Mutex;
use std::sync::Arc;

/// Entries of a ring; a newer one takes the place of the oldest.
const ENTRIES: usize = 256;
/// Bytes that are kept of a path and of a route's pattern.
const LONGEST: usize = 160;

/// The beginning of a text.
#[derive(Clone, Copy)]
pub struct Short<const N: usize> {
    bytes: [u8; N],
    length: u8,
    is_cut: bool,
}

impl<const N: usize> Short<N> {
    /// As much of it as there is room for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(N).min(usize::from(u8::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (mut bytes, kept) = ([0; N], text.as_bytes().get(..end).unwrap_or_default());
        for (place, byte) in bytes.iter_mut().zip(kept) {
            *place = *byte;
        }
        Self { bytes, length: u8::try_from(end).unwrap_or(u8::MAX), is_cut: end < text.len() }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Whether it goes on.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// With a sign at the end where it goes on.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}{}", self.as_str(), if self.is_cut { "…" } else { "" })
    }
}

/// How a rule in shadow mode and the service disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// It would be refused for this reason, and the service has served it.
    Served(Reason),
    /// It would pass, and the service has refused it.
    Refused,
}

impl Disagreement {
    /// What a service's answer says against a rule, if anything: as `postern shadow report` counts it, but for items of lists.
    #[must_use]
    pub fn of(verdict: &ShadowVerdict, answer: StatusCode) -> Option<Self> {
        match (verdict, answer.as_u16()) {
            (ShadowVerdict::Refused(denial), 101..=399) => Some(Self::Served(denial.reason)),
            (ShadowVerdict::Allowed, 401 | 403 | 404) => Some(Self::Refused),
            _ => None,
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Refused(Reason),
    Disagreed(Disagreement),
}

/// A request, as far as it is kept.
#[derive(Clone, Copy)]
pub struct Entry {
    /// When it was refused or answered, in microseconds since the Unix epoch: several in a second stand in their order.
    pub at: u64,
    /// So many of them came one behind the other.
    pub count: u32,
    pub what: What,
    pub status: u16,
    /// Empty, like the path, where the head could not be read.
    pub method: Short<16>,
    pub path: Short<LONGEST>,
    /// The pattern that it fell under; empty where there is none.
    pub route: Short<LONGEST>,
    pub user: Option<UserId>,
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        self.what == other.what
            && self.status == other.status
            && self.user == other.user
            && self.path.as_str() == other.path.as_str()
            && self.route.as_str() == other.route.as_str()
            && self.method.as_str() == other.method.as_str()
    }
}

#[derive(Default)]
struct Ring {
    entries: Vec<Entry>,
    /// Where the next one goes, once it is full.
    next: usize,
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        let last = match self.next {
            0 => self.entries.last_mut(),
            next => self.entries.get_mut(next - 1),
        };
        if let Some(last) = last.filter(|last| last.is_like(&entry)) {
            (last.at, last.count) = (entry.at, last.count.saturating_add(1));
            return;
        }
        if self.entries.len() < ENTRIES {
            self.entries.push(entry);
            return;
        }
        if let Some(place) = self.entries.get_mut(self.next) {
            *place = entry;
        }
        self.next = (self.next + 1) % ENTRIES;
    }
}

/// One worker's rings. Whoever is nobody can send what they like, and washes out nothing of users.
#[derive(Default)]
pub struct Recent {
    refused: Mutex<Ring>,
    refused_to_users: Mutex<Ring>,
    disagreed: Mutex<Ring>,
}

impl Recent {
    #[cold]
    pub fn note(&self, entry: Entry) {
        let ring = match entry.what {
            What::Refused(_) if entry.user.is_some() => &self.refused_to_users,
            What::Refused(_) => &self.refused,
            What::Disagreed(_) => &self.disagreed,
        };
        ring.lock().push(entry);
    }
}

/// The rings of all workers.
#[derive(Default)]
pub struct AllRecent(Mutex<Vec<Arc<Recent>>>);

impl AllRecent {
    /// Those of one more worker.
    pub fn worker(&self) -> Arc<Recent> {
        let recent = Arc::new(Recent::default());
        self.0.lock().push(Arc::clone(&recent));
        recent
    }

    /// What was refused, the newest first.
    #[must_use]
    pub fn refused(&self) -> Vec<Entry> {
        self.read(|recent| vec![&recent.refused, &recent.refused_to_users])
    }

    /// Where rules in shadow mode and services disagree, the newest first.
    #[must_use]
    pub fn disagreed(&self) -> Vec<Entry> {
        self.read(|recent| vec![&recent.disagreed])
    }

    fn read(&self, of: fn(&Recent) -> Vec<&Mutex<Ring>>) -> Vec<Entry> {
        let workers = self.0.lock().clone();
        let rings = workers.iter().flat_map(|recent| of(recent));
        let mut all: Vec<Entry> = rings.flat_map(|ring| ring.lock().entries.clone()).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{AllRecent, ENTRIES, Entry, Recent, Ring, Short, What};
    use crate::decision::Reason;
    use crate::id::UserId;

    fn entry(at: u64, path: &str) -> Entry {
        Entry {
            at,
            count: 1,
            what: What::Refused(Reason::NoRoute),
            status: 404,
            method: Short::new("GET"),
            path: Short::new(path),
            route: Short::new(""),
            user: None,
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_the_same_again_is_counted() {
        let all = AllRecent::default();
        let worker = all.worker();
        for at in 0..1000 {
            worker.note(entry(at, &format!("/{}", at / 2)));
        }
        let kept = all.refused();
        assert_eq!(kept.len(), ENTRIES);
        assert_eq!((kept[0].at, kept[0].count, kept[0].path.as_str()), (999, 2, "/499"));
        assert_eq!(kept.last().unwrap().path.as_str(), format!("/{}", 500 - ENTRIES));
        assert!(all.disagreed().is_empty());
        // A user's is there however much nobody sends.
        worker.note(Entry { user: Some(UserId(uuid::Uuid::nil())), ..entry(1, "/of-a-user") });
        for at in 0..1000 {
            worker.note(entry(2000 + at, &format!("/{at}")));
        }
        assert_eq!(all.refused().last().unwrap().path.as_str(), "/of-a-user");
    }

    #[test]
    fn the_same_path_under_another_route_is_another() {
        let worker = Recent::default();
        for route in ["/a/**", "/a/{x}", "/a/{x}"] {
            worker.note(Entry { route: Short::new(route), ..entry(0, "/a/b") });
        }
        assert_eq!(worker.refused.lock().entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn so_much_of_a_text_is_kept_as_there_is_room_for() {
        let long = Short::<5>::new("aäöü");
        assert_eq!((long.as_str(), long.shown().as_str()), ("aäö", "aäö…"));
        assert_eq!(Short::<5>::new("abc").shown(), "abc");
        assert!(size_of::<Entry>() <= 400 && size_of::<Ring>() <= 64 && size_of::<Recent>() <= 160);
    }
}
