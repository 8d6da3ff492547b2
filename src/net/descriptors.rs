//! Who may use the process's file descriptors, so that none of its parts takes those of another.
//!
//! Each client's connection takes one, and so does each to an upstream; one client of HTTP/2 can ask for a hundred of the latter. What
//! probes, the store and files need is set aside first; clients have three fifths of the rest at most, since most of them ask for nothing
//! at any time, and upstreams what is left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set aside for listeners, probes, files, the embedded store, Redis, collectors and mail.
const RESERVE: usize = 128;

/// And for each worker: its runtime's, and what is being resolved.
const EACH_WORKER: usize = 8;

/// Fewer for clients and upstreams together are none worth starting with.
const LEAST: usize = 32;

/// How the descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// What the system lets the process have.
    pub allowed: usize,
    /// Set aside for everything else.
    pub reserve: usize,
    pub clients: usize,
    pub upstreams: usize,
}

impl Shares {
    /// Shares out what the system allows, where `wanted` clients may be connected and `others` descriptors are used elsewhere; `None`
    /// where that is too little.
    #[must_use]
    pub fn of(allowed: usize, wanted: usize, workers: usize, others: usize) -> Option<Self> {
        let reserve = RESERVE + workers * EACH_WORKER + others;
        let left = allowed.checked_sub(reserve).filter(|left| *left >= LEAST)?;
        let clients = wanted.min(left / 5 * 3);
        Some(Self { allowed, reserve, clients, upstreams: left - clients })
    }

    /// What the system would have to allow, so that `wanted` clients may be connected.
    #[must_use]
    pub const fn needed(&self, wanted: usize) -> usize {
        self.reserve + wanted.div_ceil(3) * 5
    }
}

/// Raises the limit as far as an unprivileged process may (RLIMIT_NOFILE, from soft to hard), and says what it is then. Many systems give
/// 1,024 to those who do not ask, for programs that use `select`.
#[must_use]
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused, it stays as it was, which is looked at next.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let current = getrlimit(Resource::Nofile).current;
    // `None` is no limit.
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(1 << 30)
}

/// There is no descriptor left for what was asked.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();
    const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Descriptors that one use has, of all workers together. Clones are the same.
#[derive(Clone, Debug)]
pub struct Descriptors(Arc<Share>);

#[derive(Debug)]
struct Share {
    most: usize,
    taken: AtomicUsize,
}

impl Descriptors {
    /// At most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Share { most, taken: AtomicUsize::new(0) }))
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none left: the system's own error for that.
    pub fn take(&self) -> io::Result<Descriptor> {
        // Counted first, so that two who come at once do not both have the last.
        let taken = Descriptor(self.clone());
        if self.0.taken.fetch_add(1, Ordering::Relaxed) < self.0.most {
            return Ok(taken);
        }
        Err(rustix::io::Errno::MFILE.into())
    }
}

/// One descriptor's place; given back when dropped.
#[derive(Debug)]
pub struct Descriptor(Descriptors);

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Descriptors, Shares, is_exhausted};

    #[test]
    fn clients_have_what_is_configured_or_their_share_of_what_is_left() {
        let many = Shares::of(1 << 20, 10_000, 2, 0).unwrap();
        assert_eq!((many.clients, many.upstreams), (10_000, (1 << 20) - 144 - 10_000));
        let few = Shares::of(1024, 10_000, 2, 0).unwrap();
        assert_eq!((few.clients, few.upstreams, few.reserve), (528, 352, 144));
        assert_eq!(few.needed(10_000), 16_814);
        assert!(Shares::of(few.needed(10_000), 10_000, 2, 0).is_some_and(|shares| shares.clients == 10_000));
        assert_eq!(Shares::of(160, 10, 2, 0), None);
    }

    #[test]
    fn a_share_is_never_exceeded_and_comes_back() {
        let share = Descriptors::new(2);
        let first = share.take().unwrap();
        let _second = share.take().unwrap();
        for _ in 0..3 {
            assert!(is_exhausted(&share.take().unwrap_err()));
        }
        drop(first);
        assert!(share.take().is_ok());
    }
}
