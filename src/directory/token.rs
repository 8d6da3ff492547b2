//! Bearer tokens: opaque, random, shown once, kept as a digest.
//!
//! A token of ours is `pst_`, 32 random characters (190 bits) and a checksum of 11 (64 bits), all of them letters and
//! digits. The checksum is keyed: a string that somebody made up is refused without asking the store. Tokens that come from
//! elsewhere (imported) have no checksum and are looked up by digest. Digests need no salt and no slow hash, since nobody
//! guesses 190 random bits.

use super::StoreError;
use crate::facts::Scope;
use crate::id::OrgId;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// How a token of ours begins. No other token may begin so.
pub const PREFIX: &str = "pst_";

const BODY: usize = 32;
const CHECKSUM: usize = 11;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What somebody typed where a name belongs, as an error repeats it; what may be a credential is not repeated.
#[must_use]
pub fn quoted(typed: &str) -> String {
    if may_be_credential(typed) {
        "of that name (not repeated: it may be a credential)".to_owned()
    } else {
        format!("`{typed}`")
    }
}

/// Whether a text could be somebody's token, link or session. Ids, addresses and names that people choose are not.
fn may_be_credential(text: &str) -> bool {
    const LONG: usize = 20;
    let is_of_alphabet = |b: u8| b.is_ascii_alphanumeric() || b"-_.~+/=:$!".contains(&b);
    let is_mixed = text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic())
        || text.bytes().any(|b| b.is_ascii_uppercase()) && text.bytes().any(|b| b.is_ascii_lowercase());
    let is_long = text.len() >= LONG && text.bytes().all(is_of_alphabet) && is_mixed;
    let scheme = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let has_scheme = ["bearer ", "sesame ", "basic ", "token "].into_iter().any(scheme);
    let is_link = text.contains("://") || text.contains('?');
    text.starts_with(PREFIX) || has_scheme || is_link || (is_long && uuid::Uuid::try_parse(text).is_err())
}

/// The key of the checksum: 32 random bytes in the store's settings.
pub struct ChecksumKey(SecretBox<[u8; 32]>);

impl ChecksumKey {
    /// Takes the key's bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// A key for another purpose, which says nothing about this one or about those of other purposes.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        // As below: the error cannot be.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else { return [0; 32] };
        mac.chain_update(b"postern derived key: ").chain_update(purpose.as_bytes()).finalize().into_bytes().into()
    }

    /// The checksum of a token's text before it.
    fn checksum(&self, text: &str) -> [u8; CHECKSUM] {
        // HMAC takes a key of any length, so the error cannot be; a wrong checksum would only refuse.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else { return [0; CHECKSUM] };
        mac.update(b"postern token checksum 1:");
        mac.update(text.as_bytes());
        let tag = mac.finalize().into_bytes();
        let mut number = tag.iter().take(8).fold(0_u64, |n, b| (n << 8) | u64::from(*b));
        let mut checksum = [b'0'; CHECKSUM];
        for place in checksum.iter_mut().rev() {
            *place = letter(number % 62);
            number /= 62;
        }
        checksum
    }
}

impl fmt::Debug for ChecksumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChecksumKey(..)")
    }
}

fn letter(number: u64) -> u8 {
    usize::try_from(number).ok().and_then(|n| ALPHABET.get(n)).copied().unwrap_or(b'0')
}

/// What the store keeps of a token: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// The digest of a token as it was sent.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// A token itself: a secret that is shown once, when it is made.
pub struct Token(SecretString);

impl Token {
    /// Makes a new token.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate(key: &ChecksumKey) -> Result<Self, getrandom::Error> {
        let mut text = String::with_capacity(PREFIX.len() + BODY + CHECKSUM);
        text.push_str(PREFIX);
        while text.len() < PREFIX.len() + BODY {
            let mut random = [0_u8; 48];
            getrandom::fill(&mut random)?;
            // 248 = 4 × 62: bytes above would make the first letters likelier than the last.
            let letters = random.iter().filter(|b| **b < 248).map(|b| char::from(letter(u64::from(*b) % 62)));
            text.extend(letters.take(PREFIX.len() + BODY - text.len()));
        }
        let checksum = key.checksum(&text);
        text.extend(checksum.iter().copied().map(char::from));
        Ok(Self(text.into()))
    }

    /// Makes a new token as Django REST framework makes them: 40 hexadecimal digits, without a checksum.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate_plain() -> Result<Self, getrandom::Error> {
        let mut random = [0_u8; 20];
        getrandom::fill(&mut random)?;
        Ok(Self(data_encoding::HEXLOWER.encode(&random).into()))
    }

    /// Takes a token that was made before.
    #[must_use]
    pub fn from_elsewhere(text: String) -> Self {
        Self(text.into())
    }

    /// The token, to be shown to whom it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the store keeps of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.expose())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The scope of a token, as its record has it.
///
/// # Errors
/// Somebody's raw SQL: what cannot be read narrows to nothing, so that the token is good for nothing.
pub(super) fn scope_of(read_only: bool, organizations: &str, permissions: &str) -> Result<Scope, StoreError> {
    let parts = |list: &str| list.split(',').filter(|_| !list.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let organizations = parts(organizations).iter().map(|id| OrgId::parse(id)).collect::<Result<_, _>>();
    let organizations =
        organizations.map_err(|_| StoreError::Broken("the scope of a token cannot be read".to_owned()))?;
    Ok(Scope::new(organizations, parts(permissions).into_iter().map(Arc::from).collect(), read_only))
}

/// What the text of a credential looks like, before anybody asks a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A token that this installation made (it may be revoked or expired by now): look up its digest.
    Ours(TokenDigest),
    /// Begins as a token of ours and is none: refuse it without asking the store.
    BadChecksum,
    /// A token from elsewhere: look up its digest.
    Foreign(TokenDigest),
    /// Not 8 to 512 visible ASCII characters: no token at all.
    Malformed,
}

/// Whether a text may be a token at all: 8 to 512 visible ASCII characters.
#[must_use]
pub fn is_possible(text: &str) -> bool {
    (8..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Tells what the text of a credential looks like. The time that it takes says nothing about the right checksum.
#[must_use]
pub fn parse(text: &str, key: &ChecksumKey) -> Shape {
    if !is_possible(text) {
        return Shape::Malformed;
    }
    let Some(rest) = text.strip_prefix(PREFIX) else { return Shape::Foreign(TokenDigest::of(text)) };
    if rest.len() != BODY + CHECKSUM {
        return Shape::BadChecksum;
    }
    // The text is ASCII, so it splits anywhere.
    let (signed, sent) = text.split_at(PREFIX.len() + BODY);
    if bool::from(key.checksum(signed).as_slice().ct_eq(sent.as_bytes())) {
        Shape::Ours(TokenDigest::of(text))
    } else {
        Shape::BadChecksum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn key(byte: u8) -> ChecksumKey {
        ChecksumKey::new([byte; 32])
    }

    #[test]
    fn what_may_be_a_credential_is_not_repeated() {
        for name in [
            "ann",
            "ANN",
            "ann@example.org",
            "a-very-long-but-lower-case-organization",
            "+39 366 5243702",
            "per.manager@organization-2026.example",
            "5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f",
            "5C1A5D0E9A5E5F3A8A630A1B2C3D4E5F",
            "config.add_device",
            "anna.maria.schmidt",
        ] {
            assert_eq!(super::quoted(name), format!("`{name}`"));
        }
        for secret in [
            "pst_x",
            "pst_0123456789abcdefghijABCDEFGHIJ01abcdefghijk",
            "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAA-bcde",
            "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.MEUCIQDx",
            "Bearer abc",
            "sesame x",
            "AuMTOqeVE-CkE0rfsCnzRDX5:1tAbCd:cVo0VvTlsK0",
            "https://app.example/?sesame=x",
            "dGVzdC1zZXNzaW9uLXRva2VuLW9mLTMyLWJ5dGVzISE",
        ] {
            assert!(!super::quoted(secret).contains(secret), "{secret}");
        }
    }

    #[test]
    fn a_token_of_ours_is_known_by_its_checksum_and_only_with_our_key() {
        let token = Token::generate(&key(1)).unwrap();
        assert_eq!(token.expose().len(), 47);
        assert!(token.expose().starts_with(PREFIX) && !token.expose().contains('.'));
        assert_eq!(parse(token.expose(), &key(1)), Shape::Ours(token.digest()));
        assert_eq!(parse(token.expose(), &key(2)), Shape::BadChecksum);
    }

    #[test]
    fn one_changed_character_anywhere_is_noticed() {
        let token = Token::generate(&key(1)).unwrap();
        for at in PREFIX.len()..token.expose().len() {
            let mut text = token.expose().as_bytes().to_vec();
            text[at] = if text[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(parse(&String::from_utf8(text).unwrap(), &key(1)), Shape::BadChecksum, "at {at}");
        }
    }

    #[test]
    fn tokens_do_not_repeat_and_use_the_whole_alphabet() {
        let tokens: Vec<_> = (0..500).map(|_| Token::generate(&key(1)).unwrap()).collect();
        assert_eq!(tokens.iter().map(Token::expose).collect::<HashSet<_>>().len(), 500);
        let letters: HashSet<u8> = tokens.iter().flat_map(|t| t.expose()[4..].bytes()).collect();
        assert_eq!(letters.len(), 62);
    }

    #[test]
    fn a_token_from_elsewhere_is_8_to_512_visible_characters() {
        let foreign = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
        assert_eq!(parse(foreign, &key(1)), Shape::Foreign(TokenDigest::of(foreign)));
        assert!(matches!(parse(&"x".repeat(512), &key(1)), Shape::Foreign(_)));
        for bad in ["", "short77", "with blank", "tab\tinside", "caf\u{e9}-caf\u{e9}", &"x".repeat(513)] {
            assert_eq!(parse(bad, &key(1)), Shape::Malformed, "{bad:?}");
        }
        assert_eq!(parse("pst_from-another-product", &key(1)), Shape::BadChecksum);
    }

    #[test]
    fn nothing_prints_a_secret() {
        let token = Token::generate(&key(7)).unwrap();
        let printed = format!("{token:?} {:?} {:?}", key(7), token.digest());
        assert_eq!(printed, "Token(..) ChecksumKey(..) TokenDigest(..)");
    }

    proptest! {
        #[test]
        fn no_made_up_string_passes_for_ours(text in "(pst_)?[0-9A-Za-z]{0,60}|\\PC{0,60}") {
            prop_assert!(!matches!(parse(&text, &key(1)), Shape::Ours(_)));
        }
    }
}
