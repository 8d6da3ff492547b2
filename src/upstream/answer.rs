//! An answer's head, whichever version of HTTP it came in.

use http::{HeaderMap, StatusCode};

/// Bytes of a head, at most.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Fields of a head, at most.
pub const FIELDS: usize = 128;

/// An answer's head, as it goes on to the client.
#[derive(Debug)]
pub struct Answer {
    /// Its status: never an interim one but 101.
    pub status: StatusCode,
    /// Its fields, without hop-by-hop ones, those that do not pass, and a length that the body tells by itself.
    pub headers: HeaderMap,
}

/// Reads a length that is one number (RFC 9110, 8.6).
pub(super) fn length_of(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |sum, b| sum * 10 + u64::from(b - b'0')))
}
