//! Under which name a credential is remembered: a keyed hash, made once a request.
//!
//! The keys are made at start and never leave the process: without them nobody can make two credentials meet, or tell a
//! credential from its tag. Each kind of credential has its own, so that the same text as another kind is another name.
//! Short ones go through SipHash-2-4 with 128 bits, a pseudo-random function. A JWT has many hundred bytes, and goes through
//! Poly1305: with a secret key and a secret result, the chance that two texts of a KiB meet is below 2⁻⁹⁶, whoever
//! chooses them (D. J. Bernstein, "The Poly1305-AES message-authentication code", theorem 3.3), at a fifth of the price.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::{BuildHasherDefault, Hasher};

/// What sort of credential a text is. The same text as another sort is another credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An opaque token of the directory.
    Token,
    /// A signed token of an issuer.
    Jwt,
    /// A sesame token.
    Sesame,
    /// The token of a session's cookie.
    Session,
    /// An issuer's word for somebody: no credential, but remembered like one.
    Subject,
}

/// Makes tags.
pub struct Tagger {
    token: SipHasher24,
    sesame: SipHasher24,
    session: SipHasher24,
    subject: SipHasher24,
    jwt: Poly1305,
}

/// A credential's name in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u64, u64);

impl Tagger {
    /// With new keys.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let sip = || Ok(SipHasher24::new_with_keys(getrandom::u64()?, getrandom::u64()?));
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { token: sip()?, sesame: sip()?, session: sip()?, subject: sip()?, jwt: Poly1305::new(&key.into()) })
    }

    /// The tag of a credential.
    #[must_use]
    pub fn tag(&self, kind: Kind, credential: &str) -> Tag {
        let mut hasher = match kind {
            Kind::Token => self.token,
            Kind::Sesame => self.sesame,
            Kind::Session => self.session,
            Kind::Subject => self.subject,
            Kind::Jwt => {
                // Whole blocks and the rest with a one behind it, as a message authentication code does it: injective.
                let whole = u128::from_le_bytes(self.jwt.clone().compute_unpadded(credential.as_bytes()).into());
                #[allow(clippy::cast_possible_truncation)] // the two halves
                return Tag(whole as u64, (whole >> 64) as u64);
            }
        };
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
    use super::{Kind, Tagger};

    const KINDS: [Kind; 5] = [Kind::Token, Kind::Jwt, Kind::Sesame, Kind::Session, Kind::Subject];

    #[test]
    fn a_tag_is_of_one_credential_of_one_kind_and_one_process() {
        let (one, two) = (Tagger::new().unwrap(), Tagger::new().unwrap());
        for kind in KINDS {
            assert!(one.tag(kind, "a") == one.tag(kind, "a"));
            assert!(one.tag(kind, "a") != one.tag(kind, "b"));
            assert!(one.tag(kind, "a") != two.tag(kind, "a"));
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                assert!(one.tag(kind, "a") != one.tag(other, "a"), "{kind:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_stands_at_the_end_counts() {
        let tagger = Tagger::new().unwrap();
        for kind in KINDS {
            for length in [15, 16, 17, 32, 700] {
                let text = "x".repeat(length);
                for other in
                    [format!("{text}\0"), format!("{text}\u{1}"), text.replacen('x', "y", 1), text[1..].to_owned()]
                {
                    assert!(tagger.tag(kind, &text) != tagger.tag(kind, &other), "{kind:?} {length}");
                }
            }
        }
    }
}
