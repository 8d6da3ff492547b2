//! JSON as I-JSON has it (RFC 7493): names are unique, texts are Unicode, and how deep it goes is bounded.
//!
//! Two readers of one body must not read two questions, so nothing is skipped: what nobody asks for is checked too.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// A value, borrowed from the body where that has no escapes.
pub enum Json<'b> {
    Null,
    Flag(bool),
    Number(Number),
    Text(Cow<'b, str>),
    List(Vec<Self>),
    Map(Map<'b>),
}

/// An object, whose names are sorted and unique.
pub struct Map<'b>(Vec<(Cow<'b, str>, Json<'b>)>);

impl<'b> Json<'b> {
    /// Reads a body; `None` where it is no such JSON. serde_json refuses what is deeper than 128.
    pub fn read(body: &'b [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
    }

    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A text as it is, a number or a flag as it is written.
    pub fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Flag(true) => Some(Cow::Borrowed("true")),
            Self::Flag(false) => Some(Cow::Borrowed("false")),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    pub fn map(&self) -> Option<&Map<'b>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// Takes the value in, so that two that differ in more than the order of names never give one digest.
    pub fn hash(&self, digest: &mut Sha256) {
        fn bytes(digest: &mut Sha256, tag: u8, bytes: &[u8]) {
            digest.update([tag]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        match self {
            Self::Null => digest.update([0]),
            Self::Flag(is) => digest.update([1, u8::from(*is)]),
            Self::Number(number) => bytes(digest, 2, number.to_string().as_bytes()),
            Self::Text(text) => bytes(digest, 3, text.as_bytes()),
            Self::List(list) => {
                bytes(digest, 4, &(list.len() as u64).to_be_bytes());
                list.iter().for_each(|one| one.hash(digest));
            }
            Self::Map(map) => {
                bytes(digest, 5, &(map.0.len() as u64).to_be_bytes());
                for (name, value) in &map.0 {
                    bytes(digest, 3, name.as_bytes());
                    value.hash(digest);
                }
            }
        }
    }
}

impl<'b> Map<'b> {
    /// What stands under a name; null is nothing (AuthZEN 1.0, 11.5).
    pub fn get(&self, name: &str) -> Option<&Json<'b>> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value).filter(|value| !matches!(value, Json::Null))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'b>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(is))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("a number is none"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some((Name(name), value)) = entries.next_entry()? {
            map.push((name, value));
        }
        map.sort_by(|(one, _), (other, _)| one.cmp(other));
        if map.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(A::Error::custom("a name stands twice in an object"));
        }
        Ok(Json::Map(Map(map)))
    }
}

/// A name of an object's, borrowed where it has no escapes.
struct Name<'b>(Cow<'b, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Reader)? {
            Json::Text(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a name is a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Json;
    use sha2::{Digest, Sha256};

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        for good in [r#"{"a": 1, "b": {"a": 2}}"#, r#"{"a\u0041": "\ud83d\ude00"}"#, "[1e300, -0.5, null]", &deep(100)]
        {
            assert!(Json::read(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": [{"y": {"a": 1, "a": 1}}]}"#,
            r#"{"a": "\ud83d"}"#,
            r#"{"\udc00": 1}"#,
            "[1e999]",
            "[01]",
            "[NaN]",
            "{} {}",
            "{\"a\": 1,}",
            "\u{feff}{}",
            "",
            &deep(200),
        ] {
            assert!(Json::read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Json::read(b"{\"a\": \"\xff\"}").is_none());
    }

    #[test]
    fn a_digest_is_of_what_is_said_and_not_of_its_spelling() {
        let digest = |text: &str| {
            let mut digest = Sha256::new();
            Json::read(text.as_bytes()).unwrap().hash(&mut digest);
            digest.finalize()
        };
        assert_eq!(digest(r#"{"a": 1, "b": "x"}"#), digest(r#"{ "b":"\u0078","a":1 }"#));
        for (one, other) in [(r#"{"a":"b"}"#, r#"{"ab":""}"#), ("[1,[2]]", "[[1],2]"), ("[\"1\"]", "[1]"), ("[]", "{}")]
        {
            assert_ne!(digest(one), digest(other), "{one} {other}");
        }
    }
}
