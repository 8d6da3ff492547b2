//! Access logs that a tool reads: files, or `-` for standard input.

use super::policies::{Early, Pages};
use crate::tools::access_log::{AccessLine, read};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Reads the lines of all logs, one at a time; gives back how many were no access lines. What cannot be read is said, and ends the
/// tool with 2.
pub(super) fn each(
    logs: &[PathBuf],
    pages: &mut Pages<'_>,
    mut take: impl FnMut(&AccessLine<'_>),
) -> Result<u64, Early> {
    let mut others = 0;
    for path in logs {
        let done = open(path).and_then(|mut log| read(&mut *log, &mut take));
        match done {
            Ok(unread) => others += unread,
            Err(error) => {
                writeln!(pages.err, "error: cannot read {}: {error}", path.display())?;
                return Err(Early::Exit(2));
            }
        }
    }
    Ok(others)
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 20, File::open(path)?)))
}
