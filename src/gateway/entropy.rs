//! Numbers for ids of requests and spans: unique, not secret.

use std::cell::Cell;

/// One worker's generator (splitmix64), seeded by the system.
#[derive(Debug)]
pub struct Entropy(Cell<u64>);

impl Entropy {
    /// A generator with a seed of its own.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seeded() -> std::io::Result<Self> {
        Ok(Self(Cell::new(getrandom::u64()?)))
    }

    /// The next number; never zero, which trace ids may not be.
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }
}

/// Sixteen lower-case hexadecimal digits.
#[must_use]
pub fn hex(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 16];
    for (at, digit) in text.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * at)) & 15;
        *digit = DIGITS.get(usize::try_from(nibble).unwrap_or(0)).copied().unwrap_or(b'0');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Entropy, hex};
    use std::collections::HashSet;

    #[test]
    fn ids_are_sixteen_digits_and_do_not_repeat() {
        assert_eq!(&hex(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        let entropy = Entropy::seeded().unwrap();
        let many: HashSet<u64> = (0..100_000).map(|_| entropy.next()).collect();
        assert_eq!(many.len(), 100_000);
    }
}
