//! What tells one state of a record from another: strong ETags, and what requests ask of them (RFC 9110, 8.8.3 and 13).
//!
//! A tag is a keyed digest of the record as it is told to who asks. So it needs no statement of its own, tells nothing of what they do not
//! see, and changes whenever what they see does.

use super::Call;
use crate::compat::openwisp::negotiate::Representation;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use sha2::Sha256;
use std::sync::Arc;

/// Bytes of the digest that are told.
const LENGTH: usize = 16;

/// The key of an installation's tags.
#[derive(Clone)]
pub struct TagKey(Arc<[u8; 32]>);

impl TagKey {
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(key))
    }

    /// What stands between the quotes for a record that is told so; a page, or JSON with lines, is told apart behind a dot.
    fn opaque(&self, told: &str, shown: Representation) -> String {
        // HMAC takes a key of any length, so the error cannot be.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return String::new() };
        let digest = mac.chain_update(told.as_bytes()).finalize().into_bytes();
        let state = BASE64URL_NOPAD.encode(digest.get(..LENGTH).unwrap_or_default());
        match (shown.html, shown.indent) {
            (false, None) => state,
            (html, indent) => format!("{state}.{}{}", if html { "html" } else { "" }, indent.unwrap_or_default()),
        }
    }
}

/// Tags that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever there is.
    Any,
    /// Whether each is weak, and what stands between its quotes.
    These(Vec<(bool, String)>),
}

impl Tags {
    /// What a header says, all of its lines; what is no tag is none that a record has.
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Vec::new();
        for line in headers.get_all(name) {
            let line = line.to_str().unwrap_or_default().trim();
            if line == "*" {
                return Some(Self::Any);
            }
            let mut rest = line;
            while let Some((before, behind)) = rest.split_once('"') {
                let Some((opaque, behind)) = behind.split_once('"') else { break };
                tags.push((before.trim_start_matches([',', ' ', '\t']) == "W/", opaque.to_owned()));
                rest = behind;
            }
        }
        headers.contains_key(name).then_some(Self::These(tags))
    }

    /// Whether one of them is strong, and of this state, in whatever form it was shown.
    fn has(&self, state: &str) -> bool {
        let of_state = |tag: &str| tag.split('.').next() == Some(state);
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|(is_weak, tag)| !is_weak && of_state(tag)),
        }
    }

    /// Whether one of them is this tag, weak or not.
    fn has_weakly(&self, opaque: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|(_, tag)| tag == opaque),
        }
    }
}

/// The tags of one request's answers, and what the request asks of the record that there is.
#[derive(Clone)]
pub(super) struct Versions {
    key: TagKey,
    shown: Representation,
    /// `If-Match`, `If-None-Match`.
    wanted: Option<Tags>,
    unwanted: Option<Tags>,
}

impl Versions {
    /// `None` where records have no tags.
    pub(super) fn of(call: &Call, shown: Representation) -> Option<Self> {
        let (key, headers) = (call.api.tags.clone()?, &call.request.headers);
        let (wanted, unwanted) = (Tags::of(headers, &IF_MATCH), Tags::of(headers, &IF_NONE_MATCH));
        Some(Self { key, shown, wanted, unwanted })
    }

    /// The tag of a record that is told so.
    pub(super) fn tag(&self, told: &str) -> String {
        format!("\"{}\"", self.key.opaque(told, self.shown))
    }

    /// Whether who asks has read what they change, as far as they say.
    pub(super) const fn has_condition(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether anything is asked of the record that is to be changed.
    pub(super) const fn is_conditional(&self) -> bool {
        self.wanted.is_some() || self.unwanted.is_some()
    }

    /// Whether a record that is told so may be changed.
    pub(super) fn hold(&self, told: &str) -> bool {
        let state = self.key.opaque(told, Representation::default());
        let is_wanted = self.wanted.as_ref().is_none_or(|tags| tags.has(&state));
        is_wanted && !self.unwanted.as_ref().is_some_and(|tags| tags.has_weakly(&state))
    }

    /// Whether who asks has a record that is told so already.
    pub(super) fn is_known(&self, told: &str) -> bool {
        self.unwanted.as_ref().is_some_and(|tags| tags.has_weakly(&self.key.opaque(told, self.shown)))
    }

    /// Whether a record that is told so is what who reads it asks for.
    pub(super) fn is_wanted(&self, told: &str) -> bool {
        let state = self.key.opaque(told, Representation::default());
        self.wanted.as_ref().is_none_or(|tags| tags.has(&state))
    }
}

#[cfg(test)]
mod tests {
    use super::{TagKey, Tags};
    use crate::compat::openwisp::negotiate::Representation;
    use http::HeaderMap;
    use http::header::IF_MATCH;

    fn tags(lines: &[&str]) -> Option<Tags> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, line.parse().unwrap());
        }
        Tags::of(&headers, &IF_MATCH)
    }

    #[test]
    fn tags_are_read_as_the_rfc_writes_them() {
        assert_eq!(tags(&[]), None);
        assert_eq!(tags(&[" * "]), Some(Tags::Any));
        let read = tags(&["\"a\", W/\"b\"", ",,\"c,d\" ,\"\""]).unwrap();
        let written = [(false, "a"), (true, "b"), (false, "c,d"), (false, "")];
        assert_eq!(read, Tags::These(written.map(|(is_weak, tag)| (is_weak, tag.to_owned())).to_vec()));
        assert!(read.has("a") && !read.has("b") && read.has_weakly("b") && !read.has("x"));
        for nothing in ["", "a", "\"a", "a\"", "W/*", "*x"] {
            let read = tags(&[nothing]).unwrap();
            assert!(!read.has("a") && !read.has_weakly("a"), "{nothing}");
        }
    }

    #[test]
    fn a_tag_is_of_a_state_a_form_and_an_installation() {
        let (ours, other) = (TagKey::new([1; 32]), TagKey::new([2; 32]));
        let plain = Representation::default();
        let page = Representation { html: true, indent: None };
        let lines = Representation { html: false, indent: Some(4) };
        let tag = ours.opaque("{}", plain);
        assert_eq!(tag.len(), 22);
        assert_eq!(tag, ours.opaque("{}", plain));
        for different in
            [ours.opaque("[]", plain), other.opaque("{}", plain), ours.opaque("{}", page), ours.opaque("{}", lines)]
        {
            assert_ne!(tag, different);
        }
        assert!(Tags::These(vec![(false, ours.opaque("{}", page))]).has(&tag), "of the same state");
    }
}
