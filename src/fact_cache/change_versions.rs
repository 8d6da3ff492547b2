//! What divides old facts from the present: at which position of the outbox each user and token last changed, and until
//! when postern knows that it has caught up.
//!
//! They share 4096 slots by the last bytes of their ids: a collision costs a needless load, never a stale answer. The check
//! on the hot path is a few atomic loads, and nothing is written there.

use crate::id::{TokenId, UserId};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A power of two; 32 KiB of positions.
const SLOTS: u16 = 4096;

/// Where the last change of a user or a token is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

pub struct ChangeVersions {
    start: Instant,
    max_staleness: Duration,
    /// Nothing but a restart brings a proof again.
    ended: AtomicBool,
    /// Milliseconds after `start` until which the proof holds.
    proof_until: AtomicU64,
    /// Wall clock, as of the last proof.
    unix_seconds: AtomicI64,
    /// Position up to which changes are noted below.
    position: AtomicU64,
    /// Entries read before this position are void, whatever they are of.
    floor: AtomicU64,
    /// Position of the last change to any token.
    tokens: AtomicU64,
    /// Position of the last change to any organization.
    organizations: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl ChangeVersions {
    /// What has caught up with `position`, and holds no proof yet.
    #[must_use]
    pub fn new(position: u64, max_staleness: Duration) -> Self {
        Self {
            start: crate::clock::monotonic(),
            max_staleness,
            ended: AtomicBool::new(false),
            proof_until: AtomicU64::new(0),
            unix_seconds: AtomicI64::new(crate::clock::unix_seconds()),
            position: AtomicU64::new(position),
            floor: AtomicU64::new(position),
            tokens: AtomicU64::new(position),
            organizations: AtomicU64::new(position),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Notes whether nothing but a restart brings a proof again.
    pub fn ends(&self, ended: bool) {
        self.ended.store(ended, Ordering::Relaxed);
    }

    /// Whether nothing but a restart brings a proof again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The slot of a user's or a token's id.
    #[must_use]
    pub fn slot(id: Uuid) -> Slot {
        // A version 7 id begins with the time and ends with randomness; any other version is random (or hashed) there too.
        let [.., a, b] = id.into_bytes();
        Slot(u16::from_le_bytes([a, b]) % SLOTS)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether the changes noted here are known to be all, as of a moment no longer ago than the greatest staleness.
    #[must_use]
    pub fn has_lease(&self, now: Instant) -> bool {
        self.millis(now) < self.proof_until.load(Ordering::Acquire)
    }

    /// Whether what was read at `read_at` of whoever these slots belong to still stands.
    #[must_use]
    pub fn holds(&self, slots: [Slot; 2], read_at: u64) -> bool {
        let unchanged =
            |slot: Slot| self.slots.get(usize::from(slot.0)).is_some_and(|at| read_at >= at.load(Ordering::Acquire));
        let [user, token] = slots;
        unchanged(user) && unchanged(token) && read_at >= self.floor.load(Ordering::Acquire)
    }

    /// Whether no token was made or changed since `read_at`.
    #[must_use]
    pub fn no_token_since(&self, read_at: u64) -> bool {
        read_at >= self.tokens.load(Ordering::Acquire) && read_at >= self.floor.load(Ordering::Acquire)
    }

    /// Whether no organization changed since `read_at`.
    #[must_use]
    pub fn no_organization_since(&self, read_at: u64) -> bool {
        read_at >= self.organizations.load(Ordering::Acquire) && read_at >= self.floor.load(Ordering::Acquire)
    }

    /// The position that a load which begins now reads at, at least.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Seconds since the Unix epoch, as of the last proof.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.unix_seconds.load(Ordering::Relaxed)
    }

    /// Whether what was asked for at `asked` and has come just now is too old to be used: changes since then may be unknown.
    #[must_use]
    pub fn is_late(&self, asked: Instant, now: Instant) -> bool {
        now.saturating_duration_since(asked) >= self.max_staleness && !self.has_lease(now)
    }

    /// How long ago the proof was made, where there is one.
    #[must_use]
    pub fn lease_age(&self, now: Instant) -> Option<Duration> {
        let until = self.proof_until.load(Ordering::Acquire);
        let left = until.checked_sub(self.millis(now)).filter(|_| until > 0)?;
        self.max_staleness.checked_sub(Duration::from_millis(left))
    }

    /// A user changed at `position`.
    pub fn user_changed(&self, user: UserId, position: u64) {
        self.changed(user.0, position);
    }

    /// A token was made or changed at `position`.
    pub fn token_changed(&self, token: TokenId, position: u64) {
        self.changed(token.0, position);
        self.tokens.fetch_max(position, Ordering::AcqRel);
    }

    /// An organization changed at `position`; its members are noted one by one.
    pub fn organization_changed(&self, position: u64) {
        self.organizations.fetch_max(position, Ordering::AcqRel);
    }

    fn changed(&self, id: Uuid, position: u64) {
        if let Some(slot) = self.slots.get(usize::from(Self::slot(id).0)) {
            slot.fetch_max(position, Ordering::AcqRel);
        }
    }

    /// Changes up to `position` are noted, and there may be others: it proves nothing.
    pub fn advance(&self, position: u64) {
        self.position.fetch_max(position, Ordering::AcqRel);
    }

    /// Changes were missed: nothing read before `position` stands.
    pub fn forget_all(&self, position: u64) {
        self.floor.fetch_max(position, Ordering::AcqRel);
    }

    /// All changes up to `position` are noted; the question was asked at `asked`.
    pub fn caught_up(&self, position: u64, asked: Instant) {
        self.position.fetch_max(position, Ordering::AcqRel);
        self.unix_seconds.store(crate::clock::unix_seconds(), Ordering::Relaxed);
        let until =
            self.millis(asked).saturating_add(u64::try_from(self.max_staleness.as_millis()).unwrap_or(u64::MAX));
        self.proof_until.fetch_max(until, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::ChangeVersions;
    use crate::id::{TokenId, UserId};
    use std::time::Duration;

    #[test]
    fn a_load_that_began_before_a_change_is_never_believed_after_it() {
        let versions = ChangeVersions::new(10, Duration::from_secs(5));
        let (ann, token) = (UserId::generate(), TokenId::generate());
        let slots = [ChangeVersions::slot(ann.0), ChangeVersions::slot(token.0)];
        let began = versions.position();
        assert!(versions.holds(slots, began));
        versions.user_changed(ann, 11);
        assert!(!versions.holds(slots, began), "stored late, and void at once");
        versions.caught_up(11, crate::clock::monotonic());
        let again = versions.position();
        assert!(versions.holds(slots, again));
        versions.token_changed(token, 12);
        assert!(!versions.holds(slots, again), "the token alone was revoked");
    }

    #[test]
    fn the_proof_ends_with_the_greatest_staleness() {
        let versions = ChangeVersions::new(0, Duration::from_secs(5));
        let now = crate::clock::monotonic();
        assert!(!versions.has_lease(now), "no proof before the first look");
        versions.caught_up(0, now);
        assert!(versions.has_lease(now + Duration::from_millis(4900)));
        assert!(!versions.has_lease(now + Duration::from_millis(5100)));
    }

    #[test]
    fn an_answer_that_took_longer_than_the_greatest_staleness_is_late_without_a_proof() {
        let versions = ChangeVersions::new(0, Duration::from_secs(5));
        let asked = crate::clock::monotonic();
        assert!(!versions.is_late(asked, asked + Duration::from_millis(4900)));
        assert!(versions.is_late(asked, asked + Duration::from_millis(5100)));
        versions.caught_up(0, asked + Duration::from_millis(400));
        assert!(!versions.is_late(asked, asked + Duration::from_millis(5100)), "whatever changed meanwhile is noted");
    }

    #[test]
    fn missed_changes_void_everything() {
        let versions = ChangeVersions::new(10, Duration::from_secs(5));
        versions.forget_all(500);
        let slot = ChangeVersions::slot(UserId::generate().0);
        assert!(!versions.holds([slot, slot], 499));
        assert!(!versions.no_token_since(499));
        assert!(!versions.no_organization_since(499));
    }

    #[test]
    fn what_was_read_at_a_change_has_seen_it_and_what_was_read_before_has_not() {
        let versions = ChangeVersions::new(10, Duration::from_secs(5));
        assert!(versions.no_token_since(10) && versions.no_organization_since(10));
        versions.token_changed(TokenId::generate(), 12);
        assert!(!versions.no_token_since(11) && versions.no_token_since(12) && versions.no_token_since(13));
        assert!(versions.no_organization_since(11), "a token is no organization");
        versions.organization_changed(14);
        assert!(!versions.no_organization_since(13) && versions.no_organization_since(14));
        assert!(versions.no_token_since(13), "and the other way round");
        versions.forget_all(20);
        let slot = ChangeVersions::slot(UserId::generate().0);
        assert!(versions.holds([slot, slot], 20) && versions.no_token_since(20) && versions.no_organization_since(20));
    }

    #[test]
    fn the_position_moves_forward_alone_and_an_end_is_kept() {
        let versions = ChangeVersions::new(10, Duration::from_secs(5));
        versions.advance(12);
        versions.advance(11);
        assert_eq!(versions.position(), 12);
        assert!(!versions.has_ended());
        versions.ends(true);
        assert!(versions.has_ended());
        versions.ends(false);
        assert!(!versions.has_ended());
    }

    #[test]
    fn a_lease_is_as_old_as_the_question_that_it_came_of() {
        let versions = ChangeVersions::new(0, Duration::from_secs(5));
        let asked = crate::clock::monotonic();
        assert_eq!(versions.lease_age(asked), None, "there is none yet");
        versions.caught_up(0, asked);
        let age = versions.lease_age(asked + Duration::from_secs(2)).unwrap();
        assert!((1990..=2010).contains(&age.as_millis()), "{age:?}");
        assert_eq!(versions.lease_age(asked + Duration::from_secs(6)), None, "it has ended");
    }
}
