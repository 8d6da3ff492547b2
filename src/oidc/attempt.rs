//! A login that is under way at a provider. Its browser keeps it, sealed, in a cookie that only we read; no replica keeps anything.
//!
//! One random secret makes the rest: the state that comes back, the nonce of the ID token, PKCE's verifier. Who does not have the
//! cookie knows none of them, and what another browser began fits no cookie but that browser's.

use crate::clock;
use crate::redis::seal::{Name, Seal};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long somebody may take at the provider, in seconds.
pub const PATIENCE: u32 = 600;
/// Longest cookie that is looked at.
const LONGEST: usize = 4096;

pub struct Attempt {
    secret: [u8; 32],
    /// The name of the provider.
    pub provider: String,
    /// Where to go on; empty: nowhere in particular.
    pub next: String,
    /// It is good until this second (Unix).
    pub expires_at: i64,
}

impl Attempt {
    /// Begins one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn begin(provider: &str, next: &str) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let expires_at = clock::unix_seconds().saturating_add(i64::from(PATIENCE));
        Ok(Self { secret, provider: provider.to_owned(), next: next.to_owned(), expires_at })
    }

    /// What the cookie holds.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, seal: &Seal) -> Result<String, getrandom::Error> {
        let mut text = self.secret.to_vec();
        text.extend(self.expires_at.to_be_bytes());
        text.extend(self.provider.bytes());
        text.push(b'\n');
        text.extend(self.next.bytes());
        Ok(BASE64URL_NOPAD.encode(&seal.seal(&name(seal), &text)?))
    }

    /// What a cookie holds; `None` where it is none of ours, or too old.
    #[must_use]
    pub fn open(seal: &Seal, cookie: &str) -> Option<Self> {
        if cookie.len() > LONGEST {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
        let text = seal.open(&name(seal), &sealed)?;
        let (secret, rest) = text.split_first_chunk::<32>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (provider, next) = std::str::from_utf8(rest).ok()?.split_once('\n')?;
        let expires_at = i64::from_be_bytes(*expires_at);
        let attempt = Self { secret: *secret, provider: provider.to_owned(), next: next.to_owned(), expires_at };
        (clock::unix_seconds() < expires_at).then_some(attempt)
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        // HMAC takes a key of any length, so the error cannot be.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        mac.chain_update(purpose).finalize().into_bytes().into()
    }

    fn text(&self, purpose: &str) -> String {
        BASE64URL_NOPAD.encode(&self.derive(purpose))
    }

    /// What must come back with the browser (RFC 6749, 10.12).
    #[must_use]
    pub fn state(&self) -> String {
        self.text("state")
    }

    /// Whether this came back, in constant time.
    #[must_use]
    pub fn has_state(&self, state: &str) -> bool {
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// What must stand in the ID token (OpenID Connect Core, 3.1.2.1).
    #[must_use]
    pub fn nonce(&self) -> String {
        self.text("nonce")
    }

    /// Whether this stands in it, in constant time.
    #[must_use]
    pub fn has_nonce(&self, nonce: &str) -> bool {
        self.nonce().as_bytes().ct_eq(nonce.as_bytes()).into()
    }

    /// What shows the token endpoint that the code is ours (RFC 7636, 4.1).
    #[must_use]
    pub fn verifier(&self) -> String {
        self.text("verifier")
    }

    /// What is shown of it beforehand, by S256.
    #[must_use]
    pub fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.verifier()))
    }

    /// What the directory notes, so that no other login comes of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.derive("used")
    }
}

fn name(seal: &Seal) -> Name {
    seal.name("login at a provider", &[])
}

#[cfg(test)]
mod tests {
    use super::Attempt;
    use crate::directory::token::ChecksumKey;
    use crate::redis::seal::Seal;

    #[test]
    fn a_cookie_holds_one_attempt_of_one_installation_for_a_while() {
        let seal = Seal::new(&ChecksumKey::new([7; 32]), &["a"]);
        let mut attempt = Attempt::begin("example", "/app?x=1").unwrap();
        let cookie = attempt.seal(&seal).unwrap();
        let opened = Attempt::open(&seal, &cookie).unwrap();
        assert_eq!((opened.provider.as_str(), opened.next.as_str()), ("example", "/app?x=1"));
        assert!(opened.has_state(&attempt.state()) && opened.has_nonce(&attempt.nonce()));
        assert!(opened.verifier() == attempt.verifier() && opened.challenge().len() == 43);
        for text in [&attempt.state(), &attempt.nonce(), &attempt.verifier()] {
            assert!(text.len() == 43 && !cookie.contains(text.as_str()));
        }
        assert!(!opened.has_state(&attempt.nonce()) && !opened.has_state(""));
        assert_ne!(attempt.state(), Attempt::begin("example", "").unwrap().state());
        assert!(Attempt::open(&Seal::new(&ChecksumKey::new([8; 32]), &["a"]), &cookie).is_none());
        assert!(Attempt::open(&seal, &cookie[1..]).is_none() && Attempt::open(&seal, "").is_none());
        attempt.expires_at = 1;
        assert!(Attempt::open(&seal, &attempt.seal(&seal).unwrap()).is_none());
    }
}
