//! Passwords: is this the one that the stored text stands for, and should that text be written anew?
//!
//! `stored` reads Django's forms and computes them; a form that it does not know, or whose cost is beyond all reason, is
//! never right. [`Hasher`] holds what the installation wants: with what new passwords are hashed, what older forms are
//! still believed; [`validate`] says which may be new ones. [`Pool`] is the only way in for servers: few threads, a short queue, and for a user who does not exist the
//! work of one of the [`Kinds`] that the directory has.

mod kinds;
mod pool;
mod settings;
mod stored;
#[cfg(test)]
mod tests;
pub mod validate;

pub use kinds::Kinds;
pub use pool::{Busy, Pool, PoolSettings};
pub use settings::Passwords;

use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use stored::Stored;

/// How new passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 9106, the default: OWASP's 19 MiB, two passes, one lane.
    Argon2id {
        memory: u32,
        /// How often memory is passed over.
        passes: u32,
        lanes: u32,
    },
    /// RFC 8018 with SHA-256, which is what Django itself writes.
    Pbkdf2Sha256 {
        /// How often the function is iterated.
        iterations: u32,
    },
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::Argon2id { memory: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl Algorithm {
    /// What Django 5.2 writes.
    pub const DJANGO: Self = Self::Pbkdf2Sha256 { iterations: 1_000_000 };

    /// Whether its cost is within the bounds that a stored password may have.
    #[must_use]
    pub fn is_bounded(self) -> bool {
        match self {
            Self::Argon2id { memory, passes, lanes } => stored::argon2_bounded(memory, passes, lanes),
            Self::Pbkdf2Sha256 { iterations } => (1..=stored::MAX_ITERATIONS).contains(&iterations),
        }
    }
}

/// What became of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the one, or the stored text stands for none.
    Wrong,
    Right {
        /// The stored text is not what would be written today.
        rehash: bool,
    },
}

impl Verdict {
    /// Whether it was the one.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

/// A password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The system has no random bytes.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The configured cost is none that the algorithm takes.
    #[error("the configured cost of password hashes cannot be used")]
    Cost,
}

/// A hashed password, in Django's form. It is a secret: whoever has it can try passwords at leisure.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Takes a text from elsewhere as it is; what stands for no password never matches one.
    #[must_use]
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether some password may match it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        Stored::parse(self.expose()).is_some()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What an installation wants of passwords.
#[derive(Debug)]
pub struct Hasher {
    algorithm: Algorithm,
    md5: bool,
    /// Expensive computations so far, for metrics and tests.
    computed: AtomicU64,
    /// What they took, in the units of their kinds.
    work: AtomicU64,
}

impl Hasher {
    /// `md5`: whether salted MD5, which Django's own default leaves out, is believed.
    #[must_use]
    pub fn new(algorithm: Algorithm, md5: bool) -> Self {
        Self { algorithm, md5, computed: AtomicU64::new(0), work: AtomicU64::new(0) }
    }

    /// Compares a password with a stored text. Slow on purpose; bounded whatever the text says.
    #[must_use]
    pub fn verify(&self, password: &str, stored: &str) -> Verdict {
        let Some(stored) = self.parse(stored) else { return Verdict::Wrong };
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.work.fetch_add(stored.work(), Ordering::Relaxed);
        if stored.matches(password) {
            Verdict::Right { rehash: stored.is_outdated(self.algorithm) }
        } else {
            Verdict::Wrong
        }
    }

    /// Whether comparing a password with this text would compute anything.
    #[must_use]
    pub fn believes(&self, stored: &str) -> bool {
        self.parse(stored).is_some()
    }

    fn parse<'s>(&self, stored: &'s str) -> Option<Stored<'s>> {
        Stored::parse(stored).filter(|stored| self.md5 || !matches!(stored, Stored::Md5 { .. }))
    }

    /// Hashes a new password with a salt of its own.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn hash(&self, password: &str) -> Result<PasswordHash, HashError> {
        self.computed.fetch_add(1, Ordering::Relaxed);
        stored::encode(self.algorithm, password).map(PasswordHash::from_stored)
    }

    /// Works as long as a new hash takes, where nobody has a password yet.
    pub fn pretend(&self, password: &str) {
        self.computed.fetch_add(1, Ordering::Relaxed);
        let _ = std::hint::black_box(stored::encode(self.algorithm, password));
    }

    /// What comparing has taken so far: rounds of PBKDF2, KiB that Argon2 and scrypt wrote, rounds of bcrypt. Two kinds are told
    /// apart by it, which is what a clock would tell.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(Algorithm::default(), false)
    }
}
