//! Tokens that must be told again: encrypted, with a key from the configuration.
//!
//! Clients of an existing installation expect the same token at each login, so a digest is not enough. XChaCha20-Poly1305
//! with a random nonce; the user's id is authenticated along, so that a row copied to another user opens nothing. Whoever
//! has the database alone has no token.

use super::token::Token;
use crate::id::UserId;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

const NONCE: usize = 24;
const LABEL: &[u8] = b"postern sealed token 1:";
/// Shortest secret that a key is made of, in bytes.
const SHORTEST: usize = 16;

/// Why tokens cannot be encrypted.
#[derive(Debug, Error)]
pub enum SealError {
    /// The key is too easily guessed.
    #[error("the key of tokens must have at least {SHORTEST} characters")]
    ShortKey,
    /// The system has no random bytes.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the token cannot be encrypted")]
    Cipher,
}

/// Without a cipher where tokens are another program's, which keeps them in the plain.
pub struct Sealer(Option<XChaCha20Poly1305>);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// Makes a key of the configured secret: long random text, such as `openssl rand -base64 32` prints.
    ///
    /// # Errors
    /// [`SealError::ShortKey`].
    pub fn new(secret: &SecretString) -> Result<Self, SealError> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < SHORTEST {
            return Err(SealError::ShortKey);
        }
        let key: [u8; 32] = Sha256::new().chain_update(LABEL).chain_update(secret).finalize().into();
        Ok(Self(Some(XChaCha20Poly1305::new(&key.into()))))
    }

    /// One that keeps tokens as Django does.
    #[must_use]
    pub const fn plain() -> Self {
        Self(None)
    }

    /// Encrypts a user's token.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, user: UserId, token: &str) -> Result<Vec<u8>, SealError> {
        let Some(cipher) = &self.0 else { return Ok(token.as_bytes().to_vec()) };
        let mut nonce = [0_u8; NONCE];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: token.as_bytes(), aad: user.0.as_bytes() };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Cipher)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts a user's token; `None` where it was encrypted with another key, or for another user, or was changed.
    #[must_use]
    pub fn open(&self, user: UserId, sealed: &[u8]) -> Option<Token> {
        let text = match &self.0 {
            Some(cipher) => {
                let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
                let payload = Payload { msg: sealed, aad: user.0.as_bytes() };
                cipher.decrypt(&XNonce::from(*nonce), payload).ok()?
            }
            None => sealed.to_vec(),
        };
        String::from_utf8(text).ok().map(Token::from_elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::Sealer;
    use crate::id::UserId;

    #[test]
    fn a_token_opens_with_its_key_for_its_user_and_unchanged() {
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let sealer = Sealer::new(&"a-long-secret-of-a-config".into()).unwrap();
        let sealed = sealer.seal(ann, "8da77808c09c424591c4c30c5c9de8e6076f1150").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"8da77808"));
        assert_ne!(sealed, sealer.seal(ann, "8da77808c09c424591c4c30c5c9de8e6076f1150").unwrap());
        assert_eq!(sealer.open(ann, &sealed).unwrap().expose(), "8da77808c09c424591c4c30c5c9de8e6076f1150");
        assert!(sealer.open(bob, &sealed).is_none());
        assert!(Sealer::new(&"another-secret-of-a-config".into()).unwrap().open(ann, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(ann, &changed).is_none(), "byte {at}");
        }
        assert!(sealer.open(ann, &[]).is_none());
        assert!(Sealer::new(&"short".into()).is_err());
        assert_eq!(format!("{sealer:?}"), "Sealer(..)");
    }
}
