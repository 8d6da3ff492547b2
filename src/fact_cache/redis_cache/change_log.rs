//! At which position of the store each user and token last changed, as far as this replica has followed.
//!
//! [`ChangeVersions`](super::super::change_versions::ChangeVersions) counts in steps of its own, which only this process knows. What replicas share names the
//! store's positions, which all of them know. An entry says "read when every change up to here was visible"; it is believed
//! where none of its subjects changed later, this replica has followed all changes since, and has followed at least as far.
//! So a writer that is slow, a copy that is old, a Redis that was put back: none of them brings an old fact back.

use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// A power of two; half a megabyte. A collision costs a query, never a stale answer.
const SLOTS: usize = 1 << 16;

/// Seconds in which every replica has noticed that the store was put back, clocks that differ included.
const NOTICED_BY_ALL: u64 = 10;

pub struct ChangeLog {
    /// All changes after this one are noted.
    floor: AtomicU64,
    /// As far as the store has been followed.
    position: AtomicU64,
    /// What was written before this second (Unix) may be of a store that is no more.
    written_since: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl ChangeLog {
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self::with_slots(position, SLOTS)
    }

    /// The same with another number of slots.
    pub(crate) fn with_slots(position: u64, slots: usize) -> Self {
        Self {
            floor: AtomicU64::new(position),
            position: AtomicU64::new(position),
            written_since: AtomicU64::new(0),
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn slot(&self, id: Uuid) -> Option<&AtomicU64> {
        let [.., a, b] = id.into_bytes();
        let at = usize::from(u16::from_le_bytes([a, b])).checked_rem(self.slots.len())?;
        self.slots.get(at)
    }

    /// A load that begins now sees every change up to here.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Somebody or something changed; whoever reads at `visible_at` or later has seen it.
    pub fn changed(&self, id: Uuid, visible_at: u64) {
        if let Some(slot) = self.slot(id) {
            slot.fetch_max(visible_at, Ordering::AcqRel);
        }
    }

    /// Everything up to `position` is noted.
    pub fn followed(&self, position: u64) {
        self.position.store(position, Ordering::Release);
    }

    /// Changes up to `position` were missed, as was noticed at `now` (Unix seconds). The store may have been put back to an
    /// older copy: then what it counts from here on are other changes than those that were counted before.
    pub fn missed(&self, position: u64, now: u64) {
        self.written_since.store(now.saturating_add(NOTICED_BY_ALL), Ordering::Release);
        // First the floor: between the two stores nothing is believed that should not be.
        self.floor.store(position, Ordering::Release);
        self.position.store(position, Ordering::Release);
    }

    /// Too many changed to note them one by one; whoever reads at `visible_at` or later has seen it.
    pub fn much_changed(&self, visible_at: u64) {
        self.floor.fetch_max(visible_at, Ordering::AcqRel);
    }

    /// Changes after `since`, which lies before the beginning, have been noted too.
    pub fn knows_since(&self, since: u64) {
        self.floor.fetch_min(since, Ordering::AcqRel);
    }

    /// Whether what was read at `read_at` of these, and written at the second `written`, still stands.
    #[must_use]
    pub fn believes(&self, read_at: u64, written: u64, ids: [Uuid; 2]) -> bool {
        let within = self.floor.load(Ordering::Acquire) <= read_at && read_at <= self.position();
        let unchanged = |id| self.slot(id).is_some_and(|slot| slot.load(Ordering::Acquire) <= read_at);
        within && written >= self.written_since.load(Ordering::Acquire) && ids.into_iter().all(unchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::ChangeLog;
    use uuid::Uuid;

    #[test]
    fn an_entry_is_believed_while_nothing_of_it_changed_since() {
        let change_log = ChangeLog::new(10);
        let (ann, token) = (Uuid::from_u128(1), Uuid::from_u128(2 << 64));
        assert!(change_log.believes(10, 100, [ann, ann]));
        assert!(!change_log.believes(9, 100, [ann, ann]), "what changed between 9 and 10 is not known");
        assert!(!change_log.believes(11, 100, [ann, ann]), "whoever wrote it is ahead of us");
        change_log.changed(token, 12);
        change_log.followed(12);
        let other = Uuid::from_u128(7 << 112 | 0x0707);
        assert!(change_log.believes(10, 100, [other, other]));
        assert!(!change_log.believes(11, 100, [ann, token]) && change_log.believes(12, 100, [ann, token]));
        change_log.knows_since(4);
        assert!(change_log.believes(4, 100, [other, other]));
        change_log.much_changed(13);
        assert!(!change_log.believes(12, 100, [other, other]));
        change_log.missed(20, 200);
        assert!(!change_log.believes(12, 300, [other, other]) && change_log.believes(20, 300, [ann, token]));
        assert!(!change_log.believes(20, 200, [ann, token]), "perhaps of a store that is no more");
    }
}
