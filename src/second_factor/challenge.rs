//! What a browser is asked to have signed by a passkey. It keeps it, sealed, in a cookie that only we read; no replica keeps anything but
//! that it was used.

use crate::clock;
use crate::id::UserId;
use crate::redis::seal::{Name, Seal};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// How long a page may lie open, in seconds.
pub const PATIENCE: u32 = 600;
/// Longest cookie that is looked at.
const LONGEST: usize = 256;

/// What a passkey is asked for. What was asked for one thing is no answer to another.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// To be kept for this user.
    Make(UserId),
    /// To show who somebody is, or that they are this user.
    Use(Option<UserId>),
}

pub struct Challenge {
    pub bytes: [u8; 32],
    /// It is good until this second (Unix).
    pub expires_at: i64,
}

impl Challenge {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self { bytes, expires_at: clock::unix_seconds().saturating_add(i64::from(PATIENCE)) })
    }

    /// What the cookie holds.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, seal: &Seal, purpose: Purpose) -> Result<String, getrandom::Error> {
        let text = [&self.bytes[..], &self.expires_at.to_be_bytes()].concat();
        Ok(BASE64URL_NOPAD.encode(&seal.seal(&name(seal, purpose), &text)?))
    }

    /// What a cookie holds; `None` where it is none of ours, for something else, or too old.
    #[must_use]
    pub fn open(seal: &Seal, purpose: Purpose, cookie: &str) -> Option<Self> {
        if cookie.len() > LONGEST {
            return None;
        }
        let text = seal.open(&name(seal, purpose), &BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?)?;
        let (bytes, expires_at) = text.split_first_chunk::<32>()?;
        let expires_at = i64::from_be_bytes(expires_at.try_into().ok()?);
        (clock::unix_seconds() < expires_at).then_some(Self { bytes: *bytes, expires_at })
    }

    /// What the directory notes, so that it is used once.
    #[must_use]
    pub fn once(&self) -> ([u8; 32], i64) {
        let digest = Sha256::new().chain_update("postern challenge 1:").chain_update(self.bytes).finalize();
        (digest.into(), self.expires_at)
    }
}

fn name(seal: &Seal, purpose: Purpose) -> Name {
    match purpose {
        Purpose::Make(user) => seal.name("passkey to make", &[user.0.as_bytes()]),
        Purpose::Use(Some(user)) => seal.name("passkey of a user", &[user.0.as_bytes()]),
        Purpose::Use(None) => seal.name("passkey of anybody", &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, Purpose};
    use crate::directory::token::ChecksumKey;
    use crate::id::UserId;
    use crate::redis::seal::Seal;
    use uuid::Uuid;

    #[test]
    fn a_cookie_holds_one_challenge_for_one_purpose_for_a_while() {
        let seal = Seal::new(&ChecksumKey::new([7; 32]), &["a"]);
        let (ann, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let mut challenge = Challenge::new().unwrap();
        let purposes = [
            Purpose::Make(ann),
            Purpose::Make(bob),
            Purpose::Use(Some(ann)),
            Purpose::Use(Some(bob)),
            Purpose::Use(None),
        ];
        for (at, purpose) in purposes.into_iter().enumerate() {
            let cookie = challenge.seal(&seal, purpose).unwrap();
            for (other, purpose) in purposes.into_iter().enumerate() {
                let opened = Challenge::open(&seal, purpose, &cookie);
                assert_eq!(opened.map(|opened| opened.once()), (at == other).then(|| challenge.once()));
            }
            assert!(Challenge::open(&Seal::new(&ChecksumKey::new([8; 32]), &["a"]), purpose, &cookie).is_none());
            assert!(Challenge::open(&seal, purpose, &cookie[1..]).is_none());
        }
        challenge.expires_at = 1;
        assert!(Challenge::open(&seal, purposes[0], &challenge.seal(&seal, purposes[0]).unwrap()).is_none());
        assert_ne!(challenge.once().0, Challenge::new().unwrap().once().0);
    }
}
