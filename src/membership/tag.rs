//! Under which name a credential is remembered: a keyed hash, made once a request.
//!
//! SipHash-2-4 with 128 bits is a pseudo-random function; its key is made at start and never leaves the process. Without the
//! key nobody can make two credentials meet, or tell a credential from its tag; and it costs a tenth of the digest that the
//! store knows the credential by, which is only needed when the store is asked.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::{BuildHasherDefault, Hasher};

/// Makes tags.
pub struct Tagger(SipHasher24);

/// A credential's name in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u64, u64);

impl Tagger {
    /// With a new key.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self(SipHasher24::new_with_keys(getrandom::u64()?, getrandom::u64()?)))
    }

    /// The tag of a credential.
    #[must_use]
    pub fn tag(&self, credential: &str) -> Tag {
        let mut hasher = self.0;
        hasher.write(credential.as_bytes());
        let both = hasher.finish128();
        Tag(both.h1, both.h2)
    }
}

/// A tag is random already: half of it is its hash.
#[derive(Default)]
pub struct TagHasher(u64);

impl Hasher for TagHasher {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For maps whose keys are tags.
pub type TagState = BuildHasherDefault<TagHasher>;

#[cfg(test)]
mod tests {
    use super::Tagger;

    #[test]
    fn a_tag_is_of_one_credential_and_one_process() {
        let (one, two) = (Tagger::new().unwrap(), Tagger::new().unwrap());
        assert!(one.tag("a") == one.tag("a"));
        assert!(one.tag("a") != one.tag("b"));
        assert!(one.tag("a") != two.tag("a"));
    }
}
