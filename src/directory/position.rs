//! Where somebody is in a store's outbox: which of its changes they have seen.
//!
//! Transactions get their numbers when they begin and commit in any order, so one number cannot say it: a [`Position`] is
//! what PostgreSQL calls a snapshot, the numbers below which all is seen, from which on nothing is, and those between that
//! were still open. A store with one writer at a time has no such gap. Positions of different stores, or of different lives
//! of one, say nothing of each other.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// What a look at a store saw of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which store, and which life of it: another number after it was replaced, restored, promoted or restarted.
    store: u64,
    /// Every change with a smaller number is seen,
    horizon: u64,
    /// none with this one or a greater one,
    limit: u64,
    /// and none of these in between, sorted: their transactions were open.
    open: Box<[u64]>,
}

impl Position {
    /// After a row of an outbox whose rows are numbered in the order of their commits, from one.
    #[must_use]
    pub fn after_row(store: u64, row: u64) -> Self {
        let next = row.saturating_add(1);
        Self { store, horizon: next, limit: next, open: Box::default() }
    }

    /// From a snapshot as PostgreSQL writes it: `xmin:xmax:xip,xip`. Nothing where it is none.
    #[must_use]
    pub fn of_snapshot(store: u64, text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (horizon, limit) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let open = parts.next()?.split(',').filter(|number| !number.is_empty());
        let mut open = open.map(str::parse).collect::<Result<Vec<u64>, ParseIntError>>().ok()?;
        open.sort_unstable();
        (parts.next().is_none() && horizon <= limit).then(|| Self { store, horizon, limit, open: open.into() })
    }

    #[must_use]
    pub fn snapshot(&self) -> String {
        let open: Vec<_> = self.open.iter().map(u64::to_string).collect();
        format!("{}:{}:{}", self.horizon, self.limit, open.join(","))
    }

    /// Which store, and which life of it.
    #[must_use]
    pub const fn store(&self) -> u64 {
        self.store
    }

    /// Every change with a smaller number was seen.
    #[must_use]
    pub const fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Whoever's horizon is this or a greater one saw all that this look saw.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// As one who saw only what is older than the horizon by so much.
    #[must_use]
    pub fn back(&self, span: u64) -> Self {
        let before = self.horizon.saturating_sub(span).max(1);
        Self { store: self.store, horizon: before, limit: before, open: Box::default() }
    }

    /// Whether the change with this number was seen.
    #[must_use]
    pub fn saw(&self, number: u64) -> bool {
        number < self.horizon || (number < self.limit && self.open.binary_search(&number).is_err())
    }

    /// Whether this look saw all that the other one saw; never, where they are of different stores.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.store == other.store && other.limit <= self.limit && !self.open.iter().any(|number| other.saw(*number))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.store, self.snapshot())
    }
}

/// The text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of an outbox")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    /// Reads what [`Display`](fmt::Display) wrote.
    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (store, snapshot) = text.split_once('/').ok_or(NotAPosition)?;
        let store = u64::from_str_radix(store, 16).map_err(|_| NotAPosition)?;
        Self::of_snapshot(store, snapshot).ok_or(NotAPosition)
    }
}

/// The number of a store's life, of whatever tells it from others.
#[must_use]
pub fn store_number(parts: &[&[u8]]) -> u64 {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn snapshot(text: &str) -> Position {
        Position::of_snapshot(7, text).unwrap()
    }

    #[test]
    fn what_was_open_was_not_seen() {
        let look = snapshot("10:14:10,12");
        let seen: Vec<_> = (8..16).filter(|number| look.saw(*number)).collect();
        assert_eq!(seen, [8, 9, 11, 13]);
        assert!(Position::after_row(7, 4).saw(4) && !Position::after_row(7, 4).saw(5));
    }

    #[test]
    fn a_later_look_covers_an_earlier_one_and_not_the_other_way_round() {
        let (before, after) = (snapshot("10:14:10,12"), snapshot("12:15:12"));
        assert!(after.covers(&before) && before.covers(&before) && !before.covers(&after));
        assert!(!snapshot("10:20:10").covers(&snapshot("11:11:")), "the transaction 10 was open in the one only");
        let elsewhere = Position::of_snapshot(8, "10:14:10,12").unwrap();
        assert!(!elsewhere.covers(&before) && !before.covers(&elsewhere));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", "1", "x/1:2:", "1/2:1:", "1/1:2", "1/1:2:x", "1/1:2::", "1/1:2:3,x", "1/-1:2:"] {
            assert_eq!(text.parse::<Position>(), Err(NotAPosition), "{text}");
        }
    }

    prop_compose! {
        fn any_position()(horizon in 1_u64..12, open in proptest::collection::btree_set(0_u64..8, 0..4)) -> Position {
            // The horizon is the smallest open number, or the limit, as in PostgreSQL.
            let open: BTreeSet<u64> = open.into_iter().map(|n| horizon + n).collect();
            let limit = open.last().map_or(horizon, |last| last + 1);
            let horizon = open.first().copied().unwrap_or(limit);
            Position { store: 1, horizon, limit, open: open.into_iter().collect() }
        }
    }

    proptest! {
        #[test]
        fn one_covers_the_other_exactly_where_it_saw_all_that_the_other_saw(a in any_position(), b in any_position()) {
            let all = (0..40).all(|number| !b.saw(number) || a.saw(number));
            // A look that saw nothing above is never told so by its limit alone.
            prop_assert!(!a.covers(&b) || all);
            prop_assert!(a.covers(&b) || !all || b.limit > a.limit);
        }

        #[test]
        fn a_position_is_read_as_it_was_written(a in any_position()) {
            prop_assert_eq!(a.to_string().parse::<Position>().unwrap(), a);
        }
    }
}
