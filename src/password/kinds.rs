//! Of which kinds the stored passwords of a directory are, so that a name that means nobody costs what somebody's would.

use super::stored::{Kind, Stored};
use super::{Hasher, PasswordHash};
use std::collections::BTreeMap;
use std::fmt;

/// One stored text of each kind, and how many there are of it.
#[derive(Clone, Default)]
pub struct Kinds(BTreeMap<Kind, (PasswordHash, u64)>);

/// Says nothing of the stored texts.
impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kinds").field(&self.0.len()).finish()
    }
}

impl Kinds {
    /// Counts so many stored texts that are of a kind with this one; what stands for no password is of none.
    pub fn add(&mut self, text: &str, count: u64) {
        let Some(kind) = Stored::parse(text).map(|stored| stored.kind()) else { return };
        self.0.entry(kind).or_insert_with(|| (PasswordHash::from_stored(text), 0)).1 += count;
    }

    /// The text that a choice out of all numbers falls on: each kind as often as the directory has it, and the same choice on
    /// the same one while their shares change little. `None` where no password is believed at all.
    #[must_use]
    pub fn chosen(&self, hasher: &Hasher, choice: u64) -> Option<&PasswordHash> {
        let believed = || self.0.values().filter(|(text, _)| hasher.believes(text.expose()));
        let all: u128 = believed().map(|(_, count)| u128::from(*count)).sum();
        let mut at = (u128::from(choice) * all) >> 64;
        for (text, count) in believed() {
            match at.checked_sub(u128::from(*count)) {
                Some(rest) => at = rest,
                None => return Some(text),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Kinds;
    use crate::password::Hasher;

    #[test]
    fn each_kind_is_chosen_as_often_as_it_is_there() {
        let hash = "AAAAAAAAAAAAAAAAAAAAAA";
        let mut kinds = Kinds::default();
        assert!(kinds.chosen(&Hasher::default(), 7).is_none());
        kinds.add(&format!("pbkdf2_sha256$1000$one${hash}"), 20);
        kinds.add(&format!("pbkdf2_sha256$1000$two${hash}"), 10);
        kinds.add(&format!("pbkdf2_sha256$2000$one${hash}"), 60);
        kinds.add(&format!("argon2$argon2id$v=19$m=64,t=1,p=1${hash}${hash}"), 10);
        for none in ["!unusable", "", "md5$x$y", "pbkdf2_sha256$0$x$y", "unknown$1$x$y"] {
            kinds.add(none, 1_000);
        }
        let hasher = Hasher::default();
        let mut found = [0_u32; 3];
        for n in 0..1_000_u64 {
            let choice = n * (u64::MAX / 1_000) + 1_000;
            let text = kinds.chosen(&hasher, choice).unwrap();
            assert_eq!(kinds.chosen(&hasher, choice).unwrap().expose(), text.expose());
            let at = ["pbkdf2_sha256$1000$", "pbkdf2_sha256$2000$", "argon2$"]
                .iter()
                .position(|kind| text.expose().starts_with(kind));
            found[at.unwrap()] += 1;
        }
        assert_eq!(found, [300, 600, 100]);
        assert!(kinds.chosen(&hasher, 0).is_some() && kinds.chosen(&hasher, u64::MAX).is_some());
        assert!(!format!("{kinds:?}").contains('$'));
    }
}
