//! A file, read through a bounded buffer: where it is, what comes next, and runs of bytes.

use std::io::{self, Read};
use std::ops::Range;

/// Bytes that are read at once.
const BUFFER: usize = 128 * 1024;

pub(super) struct Reader<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What of the buffer is not read yet.
    rest: Range<usize>,
    /// Where the buffer begins in the file.
    offset: u64,
    line: u64,
}

impl<R: Read> Reader<R> {
    /// Reads `source`, which is at this place of its file: bytes from 0, lines from 1.
    pub fn new(source: R, offset: u64, line: u64) -> Self {
        Self { source, buffer: vec![0; BUFFER].into_boxed_slice(), rest: 0..0, offset, line }
    }

    /// The place of what comes next: bytes from 0, lines from 1.
    pub fn place(&self) -> (u64, u64) {
        (self.offset + self.rest.start as u64, self.line)
    }

    /// What is in memory, at least so many bytes but at the end of the file.
    pub fn ahead(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.rest.len() < bytes.min(BUFFER) {
            if self.rest.end == self.buffer.len() {
                self.buffer.copy_within(self.rest.clone(), 0);
                self.offset += self.rest.start as u64;
                self.rest = 0..self.rest.len();
            }
            let read = match self.source.read(self.buffer.get_mut(self.rest.end..).unwrap_or_default()) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                break;
            }
            self.rest.end += read;
        }
        Ok(self.here())
    }

    /// What is in memory already.
    pub fn here(&self) -> &[u8] {
        self.buffer.get(self.rest.clone()).unwrap_or_default()
    }

    /// Passes over so many bytes of it.
    pub fn pass(&mut self, bytes: usize) {
        let passed = self.here().get(..bytes).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.rest.start += bytes.min(self.rest.len());
    }

    /// Passes over what `wanted` says, and hands it to `keep`.
    pub fn run(&mut self, wanted: impl Fn(u8) -> bool, mut keep: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let here = self.ahead(1)?;
            let end = here.iter().position(|byte| !wanted(*byte)).unwrap_or(here.len());
            let (all, done) = (here.len(), end < here.len());
            keep(here.get(..end).unwrap_or_default());
            self.pass(end);
            if done || all == 0 {
                return Ok(());
            }
        }
    }

    /// Passes over all up to `end`, and over it, and hands what is before it to `keep`; `false` where there is no such end.
    pub fn until(&mut self, end: &[u8], mut keep: impl FnMut(&[u8])) -> io::Result<bool> {
        let finder = memchr::memmem::Finder::new(end);
        loop {
            let here = self.ahead(end.len())?;
            if let Some(at) = finder.find(here) {
                keep(here.get(..at).unwrap_or_default());
                self.pass(at + end.len());
                return Ok(true);
            }
            // The last bytes may be the beginning of it.
            let safe = (here.len() + 1).saturating_sub(end.len());
            if safe == 0 {
                return Ok(false);
            }
            keep(here.get(..safe).unwrap_or_default());
            self.pass(safe);
        }
    }
}
