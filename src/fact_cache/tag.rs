//! Under which name a credential is remembered: a keyed hash, made once a request.
//!
//! The keys are made at start and never leave the process: without them nobody can make two credentials meet, or tell a
//! credential from its tag. Each kind of credential has its own, so that the same text as another kind is another name.
//! Short ones go through SipHash-2-4 with 128 bits, a pseudo-random function. A JWT has many hundred bytes, and goes through
//! POLYVAL with its length behind it: with a secret key and a secret result, the chance that two texts of n blocks of 16 bytes
//! meet is (n + 1)·2⁻¹²⁸ at most, whoever chooses them (RFC 8452, 3; D. McGrew and J. Viega, "The Security and Performance of
//! GCM", lemma 2), at a third of the price.

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::{BuildHasherDefault, Hasher};

/// What sort of credential a text is. The same text as another sort is another credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An opaque token of the directory.
    Token,
    /// A signed token of an issuer.
    Jwt,
    Sesame,
    /// The token of a session's cookie.
    Session,
    /// A session of Django's.
    Django,
    /// An issuer's word for somebody: no credential, but remembered like one.
    Subject,
}

impl Kind {
    /// Whether it is a session, ours or Django's: a browser sends its cookie whoever wrote the page.
    #[must_use]
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Session | Self::Django)
    }
}

pub struct Tagger {
    token: SipHasher24,
    sesame: SipHasher24,
    session: SipHasher24,
    django: SipHasher24,
    subject: SipHasher24,
    jwt: Polyval,
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
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self {
            token: sip()?,
            sesame: sip()?,
            session: sip()?,
            django: sip()?,
            subject: sip()?,
            jwt: Polyval::new(&key.into()),
        })
    }

    /// The tag of a credential.
    #[must_use]
    pub fn tag(&self, kind: Kind, credential: &[u8]) -> Tag {
        let mut hasher = match kind {
            Kind::Token => self.token,
            Kind::Sesame => self.sesame,
            Kind::Session => self.session,
            Kind::Django => self.django,
            Kind::Subject => self.subject,
            Kind::Jwt => return self.long(credential),
        };
        hasher.write(credential);
        let both = hasher.finish128();
        Tag(both.h1, both.h2)
    }

    /// The last block is filled up with zeros, so the length makes it injective.
    fn long(&self, text: &[u8]) -> Tag {
        let mut hash = self.jwt.clone();
        hash.update_padded(text);
        hash.update(&[(text.len() as u128).to_le_bytes().into()]);
        let whole = u128::from_le_bytes(hash.finalize().into());
        #[allow(clippy::cast_possible_truncation)] // the two halves
        Tag(whole as u64, (whole >> 64) as u64)
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

    const KINDS: [Kind; 6] = [Kind::Token, Kind::Jwt, Kind::Sesame, Kind::Session, Kind::Django, Kind::Subject];

    #[test]
    fn a_tag_is_of_one_credential_of_one_kind_and_one_process() {
        let (one, two) = (Tagger::new().unwrap(), Tagger::new().unwrap());
        for kind in KINDS {
            assert!(one.tag(kind, b"a") == one.tag(kind, b"a"));
            assert!(one.tag(kind, b"a") != one.tag(kind, b"b"));
            assert!(one.tag(kind, b"a") != two.tag(kind, b"a"));
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                assert!(one.tag(kind, b"a") != one.tag(other, b"a"), "{kind:?} {other:?}");
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
                    assert!(
                        tagger.tag(kind, text.as_bytes()) != tagger.tag(kind, other.as_bytes()),
                        "{kind:?} {length}"
                    );
                }
            }
        }
    }
}
