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

/// Sixteen lower-case hexadecimal digits, eight of them at a time.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // the two halves
pub fn hex(number: u64) -> [u8; 16] {
    /// Each of eight nibbles in a byte of its own, then each byte as its digit.
    fn eight(nibbles: u32) -> [u8; 8] {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let mut spread = u64::from(nibbles);
        spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
        spread = (spread | spread << 4) & (ONES * 0x0f);
        let is_letter = ((spread + ONES * 6) >> 4) & ONES;
        (spread + ONES * u64::from(b'0') + is_letter * u64::from(b'a' - b'0' - 10)).to_be_bytes()
    }
    let mut text = [b'0'; 16];
    let (high, low) = text.split_at_mut(8);
    high.copy_from_slice(&eight((number >> 32) as u32));
    low.copy_from_slice(&eight(number as u32));
    text
}

#[cfg(test)]
mod tests {
    use super::{Entropy, hex};
    use std::collections::HashSet;

    #[test]
    fn ids_are_sixteen_digits_and_do_not_repeat() {
        for number in [0x0123_4567_89ab_cdef, 0, u64::MAX, 0xfedc_ba98_7654_3210] {
            assert_eq!(hex(number), *format!("{number:016x}").as_bytes());
        }
        let entropy = Entropy::seeded().unwrap();
        let many: HashSet<u64> = (0..100_000).map(|_| entropy.next()).collect();
        assert_eq!(many.len(), 100_000);
    }
}
