//! Names and sealed values: whoever can read Redis learns nothing from them, and whoever can write to it can forge none.
//!
//! The key comes from the store's own secret, so it is the same in every replica and another in every installation. A name is
//! a keyed hash of what it is of, each part with its length in front. A value is sealed with its name, so that it cannot be
//! moved to another, and with its kind and version.

use crate::directory::Directory;
use crate::directory::token::ChecksumKey;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

/// The version of everything in Redis; another one is not ours to read.
const VERSION: u8 = 5;
const NONCE: usize = 24;

pub struct Seal {
    names: SecretBox<[u8; 32]>,
    cipher: XChaCha20Poly1305,
    scope: Box<[u8]>,
}

/// The name of a value in Redis, behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; 16]);

impl Name {
    #[must_use]
    pub fn text(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0)
    }
}

impl Seal {
    /// Of the installation that a store belongs to.
    #[must_use]
    pub fn of(store: &Directory) -> Self {
        Self::new(store.checksum_key(), &[&store.identity(), "postern"])
    }

    /// For one installation: its secret, and what else tells its store from others (which store, which schema).
    #[must_use]
    pub fn new(key: &ChecksumKey, scope: &[&str]) -> Self {
        let cipher = XChaCha20Poly1305::new(&key.derive("postern redis values 1").into());
        let names = SecretBox::new(Box::new(key.derive("postern redis names 1")));
        let mut bytes = Vec::new();
        for part in scope {
            lengthy(&mut bytes, part.as_bytes());
        }
        Self { names, cipher, scope: bytes.into() }
    }

    /// The name of something: its kind, and parts that no two of a kind share.
    #[must_use]
    pub fn name(&self, kind: &str, parts: &[&[u8]]) -> Name {
        let mut bytes = self.scope.to_vec();
        lengthy(&mut bytes, kind.as_bytes());
        for part in parts {
            lengthy(&mut bytes, part);
        }
        // HMAC takes a key of any length, so the error cannot be.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.names.expose_secret()) else { return Name([0; 16]) };
        let long: [u8; 32] = mac.chain_update(&bytes).finalize().into_bytes().into();
        let mut short = [0; 16];
        short.copy_from_slice(long.split_at(16).0);
        Name(short)
    }

    /// Seals a value under its name.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, name: &Name, text: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: text, aad: &bound(name) });
        let mut value = Vec::with_capacity(1 + NONCE + text.len() + 16);
        value.push(VERSION);
        value.extend(nonce);
        value.extend(sealed.unwrap_or_default());
        Ok(value)
    }

    /// What a value holds; `None` where it was not sealed by this installation, under this name, in this version.
    #[must_use]
    pub fn open(&self, name: &Name, value: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = value.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &bound(name) }).ok()
    }
}

fn bound(name: &Name) -> [u8; 17] {
    let mut bound = [VERSION; 17];
    bound.split_at_mut(16).0.copy_from_slice(&name.0);
    bound
}

fn lengthy(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    bytes.extend(part);
}

#[cfg(test)]
mod tests {
    use super::Seal;
    use crate::directory::token::ChecksumKey;
    use proptest::prelude::*;

    fn seal(byte: u8, scope: &[&str]) -> Seal {
        Seal::new(&ChecksumKey::new([byte; 32]), scope)
    }

    #[test]
    fn a_value_opens_under_its_own_name_in_its_own_installation() {
        let ours = seal(1, &["store", "postern"]);
        let (ann, bob) = (ours.name("user", &[b"ann"]), ours.name("user", &[b"bob"]));
        let value = ours.seal(&ann, b"a superuser").unwrap();
        assert_eq!(ours.open(&ann, &value).unwrap(), b"a superuser");
        assert!(ours.open(&bob, &value).is_none(), "moved to another name");
        assert!(seal(2, &["store", "postern"]).open(&ann, &value).is_none(), "of another installation");
        assert!(!value.windows(5).any(|part| part == b"super"), "readable");
        assert_ne!(ours.seal(&ann, b"a superuser").unwrap(), value, "told apart from the same value");
        for cut in 0..value.len() {
            assert!(ours.open(&ann, &value[..cut]).is_none(), "cut at {cut}");
            let mut other = value.clone();
            other[cut] ^= 1;
            assert!(ours.open(&ann, &other).is_none(), "changed at {cut}");
        }
    }

    #[test]
    fn names_do_not_meet() {
        let ours = seal(1, &["a", "b"]);
        assert_ne!(ours.name("t", &[b"ab", b"c"]), ours.name("t", &[b"a", b"bc"]));
        assert_ne!(ours.name("t", &[b"a"]), ours.name("ta", &[b""]));
        assert_ne!(ours.name("t", &[b"a"]), seal(1, &["ab", ""]).name("t", &[b"a"]));
        assert_ne!(ours.name("t", &[b"a"]), seal(2, &["a", "b"]).name("t", &[b"a"]));
        assert_eq!(ours.name("t", &[b"a"]).text().len(), 22);
    }

    proptest! {
        #[test]
        fn no_bytes_that_somebody_made_up_open(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let ours = seal(1, &[]);
            prop_assert!(ours.open(&ours.name("t", &[b"x"]), &bytes).is_none());
        }
    }
}
