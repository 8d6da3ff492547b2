//! Files as text.

use super::MAX_BYTES;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Reads a file; never more of it than the parser takes.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read(file: &Path) -> Result<String> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            memchr::memchr_iter(b'\n', error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default());
        Error::new(ErrorKind::InvalidData, format!("line {} is not UTF-8: save it as that", line.count() + 1))
    })
}
