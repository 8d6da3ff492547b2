//! What `django.core.signing` signs, with SHA-256 as it does from Django 3.1 on.

use super::super::sesame::from_base_62;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use flate2::read::ZlibDecoder;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::io::Read;
use subtle::ConstantTimeEq;

/// A text that is compressed is not longer than this.
const LONGEST: u64 = 1 << 20;

/// Keys of one purpose, derived of Django's secrets (`salted_hmac`): the one that signs now, and those of before.
pub struct Keys(Vec<[u8; 32]>);

impl Keys {
    pub fn new(salt: &str, secrets: &[SecretString]) -> Self {
        let key = |secret: &SecretString| Sha256::digest(format!("{salt}{}", secret.expose_secret())).into();
        Self(secrets.iter().map(key).collect())
    }

    fn is_any(&self, message: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
        self.0.iter().filter_map(|key| Hmac::<Sha256>::new_from_slice(key).ok()).any(|mac| {
            let mac = mac.chain_update(message).finalize().into_bytes();
            is(&mac)
        })
    }

    /// Whether this is the digest of a message, in hexadecimal.
    #[must_use]
    pub fn is_digest(&self, message: &[u8], digest: &str) -> bool {
        self.is_any(message, |mac| HEXLOWER.encode(mac).as_bytes().ct_eq(digest.as_bytes()).into())
    }

    /// What `signing.dumps` has signed, and in which second (Unix); `None` where none of these keys did.
    #[must_use]
    pub fn loads(&self, text: &str) -> Option<(Vec<u8>, i64)> {
        let (message, signature) = text.rsplit_once(':')?;
        // Compared as text: unused bits of the last character count.
        let is = |mac: &[u8]| BASE64URL_NOPAD.encode(mac).as_bytes().ct_eq(signature.as_bytes()).into();
        if !self.is_any(message.as_bytes(), is) {
            return None;
        }
        let (data, time) = message.rsplit_once(':')?;
        let bytes = BASE64URL_NOPAD.decode(data.trim_start_matches('.').as_bytes()).ok()?;
        let bytes = if data.starts_with('.') { inflated(&bytes)? } else { bytes };
        Some((bytes, from_base_62(time)?))
    }
}

fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(bytes).take(LONGEST + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= LONGEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use secrecy::SecretString;

    /// Of `signing.dumps(…, salt="django.contrib.sessions.SessionStore", compress=True)` of Django 4.2: a short one, and one that is compressed.
    const SHORT: &str = "eyJhIjoiYiJ9:1xY2zi:Uk1MjNqD9dPfgwVemhnZ11GHLkX42oQR7lgV-GDAgc0";
    const LONG: &str = ".eJyrVkpUslJKGiZAqRYA3O5OrA:1xY2zi:4jQvRxoVdIguzLUg-mDVpomeQGJFs7RFCbAHXPWAe9c";

    fn keys(secrets: &[&str]) -> Keys {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        Keys::new("django.contrib.sessions.SessionStoresigner", &secrets)
    }

    #[test]
    fn what_django_has_signed_is_read() {
        let (text, made) = keys(&["s3cret"]).loads(SHORT).unwrap();
        assert_eq!((String::from_utf8(text).unwrap().as_str(), made), (r#"{"a":"b"}"#, 1_796_051_322));
        let (text, _) = keys(&["new", "s3cret"]).loads(LONG).unwrap();
        assert_eq!(text, format!(r#"{{"a":"{}"}}"#, "b".repeat(200)).into_bytes());
    }

    #[test]
    fn what_django_has_not_signed_is_nothing() {
        let changed = SHORT.replacen("ey", "ez", 1);
        for text in [changed.as_str(), &SHORT[1..], &SHORT[..SHORT.len() - 1], "", ":", "::", "a:b:c"] {
            assert!(keys(&["s3cret"]).loads(text).is_none(), "{text}");
        }
        assert!(keys(&["other"]).loads(SHORT).is_none());
        assert!(keys(&[]).loads(SHORT).is_none());
        assert!(
            Keys::new("django.contrib.sessions.backends.signed_cookiessigner", &["s3cret".into()])
                .loads(SHORT)
                .is_none()
        );
    }
}
