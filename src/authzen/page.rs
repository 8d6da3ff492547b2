//! Pages of a search: a token is where the next one begins, encrypted, and good for whoever was given it and for the same search.

use super::json::{Json, Map};
use super::question::{Fault, Wanted};
use crate::directory::token::ChecksumKey;
use crate::id::UserId;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

const NONCE: usize = 24;
/// Results of a page, where nobody says how many, and at most.
const USUAL: u32 = 100;
pub const MOST: u32 = 1_000;

/// What encrypts tokens: the same for all replicas.
pub struct PageKey(XChaCha20Poly1305);

/// Which part of the results is wanted.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub limit: u32,
    /// Behind this one; at the beginning where it is empty.
    pub after: String,
    /// What the search is: who asks, and for what.
    pub of: [u8; 32],
}

impl PageKey {
    pub fn new(key: &ChecksumKey) -> Self {
        Self(XChaCha20Poly1305::new(&key.derive("pages of searches").into()))
    }

    /// Reads what a search says of its page.
    ///
    /// # Errors
    /// The token is not of this search, or something else is wrong.
    pub fn read(&self, wanted: Wanted, asked: &Map<'_>, asker: UserId) -> Result<Page, Fault> {
        let page = asked.get("page").map(|page| page.map().ok_or("`page` is not an object")).transpose()?;
        let of = fingerprint(wanted, asked, page, asker);
        let get = |name| page.and_then(|page| page.get(name));
        let limit = match get("limit") {
            None => None,
            Some(Json::Number(limit)) => {
                let limit = limit.as_u64().ok_or("`page.limit` is a whole number, from 0")?;
                Some(u32::try_from(limit).unwrap_or(MOST).min(MOST))
            }
            Some(_) => return Err("`page.limit` is a whole number, from 0"),
        };
        let token = get("token").map(|token| token.text().ok_or("`page.token` is no text")).transpose()?;
        match token.filter(|token| !token.is_empty()) {
            None => Ok(Page { limit: limit.unwrap_or(USUAL), after: String::new(), of }),
            Some(token) => {
                let (first, after) = self.open(token, &of).ok_or("`page.token` is not of this search")?;
                if limit.is_some_and(|limit| limit != first) {
                    return Err("`page.limit` is another than at the first page");
                }
                Ok(Page { limit: first, after, of })
            }
        }
    }

    /// The token of the page that begins behind `after`; `None` where the system has no randomness.
    pub fn token(&self, page: &Page, after: &str) -> Option<String> {
        let mut nonce = [0_u8; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let message = [&page.limit.to_be_bytes()[..], after.as_bytes()].concat();
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: &message, aad: &page.of }).ok()?;
        Some(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    fn open(&self, token: &str, of: &[u8]) -> Option<(u32, String)> {
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let message = self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: of }).ok()?;
        let (limit, after) = message.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*limit), std::str::from_utf8(after).ok()?.to_owned()))
    }
}

/// Everything that must be the same on each page but the limit, which the token has.
fn fingerprint(wanted: Wanted, asked: &Map<'_>, page: Option<&Map<'_>>, asker: UserId) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([wanted as u8]);
    digest.update(asker.0.as_bytes());
    let parts = ["subject", "action", "resource", "context"].map(|name| asked.get(name));
    for part in parts.into_iter().chain([page.and_then(|page| page.get("properties"))]) {
        part.unwrap_or(&Json::Null).hash(&mut digest);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Page, PageKey};
    use crate::authzen::json::Json;
    use crate::authzen::question::Wanted;
    use crate::directory::token::ChecksumKey;
    use crate::id::UserId;

    fn read(key: &PageKey, wanted: Wanted, body: &str, asker: UserId) -> Result<Page, &'static str> {
        let json = Json::read(body.as_bytes()).unwrap();
        key.read(wanted, json.map().unwrap(), asker)
    }

    #[test]
    fn a_token_is_good_for_its_asker_and_its_search_alone() {
        let (key, other) = (PageKey::new(&ChecksumKey::new([1; 32])), PageKey::new(&ChecksumKey::new([2; 32])));
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let body = |query: &str, page: &str| format!(r#"{{"action": {{"name": "{query}"}}, "page": {page}}}"#);
        let first = read(&key, Wanted::Subject, &body("a", r#"{"limit": 2}"#), ann).unwrap();
        assert_eq!((first.limit, first.after.as_str()), (2, ""));
        let token = key.token(&first, "0190").unwrap();
        let next = |key: &PageKey, wanted, query: &str, page: &str, asker| {
            read(key, wanted, &body(query, &page.replace("TOKEN", &token)), asker)
        };
        let page = r#"{"token": "TOKEN"}"#;
        let second = next(&key, Wanted::Subject, "a", page, ann).unwrap();
        assert_eq!((second.limit, second.after.as_str()), (2, "0190"));
        assert!(next(&key, Wanted::Subject, "a", r#"{"token": "TOKEN", "limit": 2}"#, ann).is_ok());
        assert!(next(&key, Wanted::Subject, "a", r#"{"token": "TOKEN", "limit": 3}"#, ann).is_err());
        assert!(next(&key, Wanted::Subject, "a", r#"{"token": "TOKEN", "properties": {}}"#, ann).is_err());
        assert!(next(&key, Wanted::Subject, "b", page, ann).is_err());
        assert!(next(&key, Wanted::Resource, "a", page, ann).is_err());
        assert!(next(&key, Wanted::Subject, "a", page, bob).is_err());
        assert!(next(&other, Wanted::Subject, "a", page, ann).is_err());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = format!(r#"{{"token": "{}"}}"#, String::from_utf8(changed).unwrap());
            assert!(read(&key, Wanted::Subject, &body("a", &changed), ann).is_err(), "at {at}");
        }
        for bad in [r#"{"limit": -1}"#, r#"{"limit": 1.5}"#, r#"{"limit": "1"}"#, r#"{"token": 1}"#, "[]"] {
            assert!(read(&key, Wanted::Subject, &body("a", bad), ann).is_err(), "{bad}");
        }
        assert_eq!(read(&key, Wanted::Subject, &body("a", "{}"), ann).unwrap().limit, 100);
        assert_eq!(read(&key, Wanted::Subject, &body("a", r#"{"limit": 9e9}"#), ann).ok(), None);
        assert_eq!(read(&key, Wanted::Subject, &body("a", r#"{"limit": 9000000000}"#), ann).unwrap().limit, 1_000);
    }
}
