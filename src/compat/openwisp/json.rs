//! JSON bodies, as Python's reader takes them.

use super::RequestError;
use super::charset::Charset;
use super::fields::{FieldErrors, Fields};
use super::value::{Text, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt::{self, Display};

/// Objects and lists in each other that are read: no operation has a field that is deeper.
const DEEPEST: usize = 8;
/// Of a whole number: Python, and so the reference, reads no longer one.
const MOST_DIGITS: usize = 4300;

/// The fields of a body.
///
/// # Errors
/// [`RequestError::Parse`] where it is no JSON, [`RequestError::Fields`] where it is no object.
pub(super) fn fields(body: &[u8], charset: Charset) -> Result<Fields, RequestError> {
    let text = charset.strict(body).ok_or_else(|| parse_error("the body is not in the charset that it names"))?;
    let document: &RawValue = serde_json::from_str(&text).map_err(parse_error)?;
    let message = match value(document, DEEPEST)? {
        Value::Object(fields) => return Ok(fields),
        Value::Null => "No data provided".to_owned(),
        other => format!("Invalid data. Expected a dictionary, but got {}.", other.kind()),
    };
    Err(RequestError::Fields(FieldErrors::of_all(&message)))
}

fn parse_error(problem: impl Display) -> RequestError {
    RequestError::Parse(format!("JSON parse error - {problem}"))
}

/// From the text and not by serde's types: numbers have any size, and texts may hold half a surrogate pair.
///
/// `deeper`: the levels of it that are read; what is deeper is taken for empty. Raw values are split without recursion, so that nothing
/// else bounds ours.
fn value(raw: &RawValue, deeper: usize) -> Result<Value, RequestError> {
    let json = raw.get();
    let inner = deeper.saturating_sub(1);
    Ok(match json.as_bytes().first() {
        Some(b'{') if deeper == 0 => Value::Object(Fields::default()),
        Some(b'[') if deeper == 0 => Value::List(Vec::new()),
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(json).map_err(parse_error)?;
            let fields = entries.into_iter().map(|(name, raw)| Ok((name.text, value(raw, inner)?)));
            Value::Object(fields.collect::<Result<_, RequestError>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(parse_error)?;
            Value::List(items.into_iter().map(|raw| value(raw, inner)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(json).map_err(parse_error)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ if json.contains(['.', 'e', 'E']) => Value::Float(json.parse().map_err(parse_error)?),
        _ if json == "-0" => Value::Int("0".to_owned()),
        _ if json.trim_start_matches('-').len() > MOST_DIGITS => {
            return Err(parse_error(format!("a whole number of more than {MOST_DIGITS} digits")));
        }
        _ => Value::Int(json.to_owned()),
    })
}

/// The entries of an object, in their order.
struct Entries<'r>(Vec<(Text, &'r RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::fields;
    use crate::compat::openwisp::charset::Charset;
    use crate::compat::openwisp::value::{Fields, Text, Value};
    use proptest::prelude::*;

    #[test]
    fn what_is_no_json_is_a_parse_error() {
        let nested = format!("{{\"a\": {}}}", "[".repeat(60_000));
        let long = format!("{{\"a\": -{}}}", "9".repeat(4301));
        for text in [
            "{bad",
            "",
            "{\"a\" 1}",
            "{\"a\": 1,}",
            "{} x",
            "{\"a\": \"b",
            "{\"a\": \"b\nc\"}",
            "{\"a\nb\": 1}",
            "{\"a\": \"\\x\"}",
            "{\"a\": \"\\u12g4\"}",
            "{\"a\": NaN}",
            "{\"a\": -Infinity}",
            "{\"a\": 1.e5}",
            "{\"a\": 01}",
            "\u{FEFF}{}",
            &nested,
            &long,
        ] {
            let error = fields(text.as_bytes(), Charset::UTF8).unwrap_err().to_string();
            assert!(error.starts_with("JSON parse error - "), "{text}: {error}");
        }
        assert!(fields(b"{\"a\": \"\xff\"}", Charset::UTF8).is_err());
    }

    #[test]
    fn values_are_kept_as_python_keeps_them() {
        let text = |text: &str, surrogate| Value::Text(Text { text: text.to_owned(), surrogate });
        let longest = "9".repeat(4300);
        for (json, value) in [
            ("-0", Value::Int("0".into())),
            ("12345678901234567890123", Value::Int("12345678901234567890123".into())),
            (longest.as_str(), Value::Int(longest.clone())),
            ("1e400", Value::Float(f64::INFINITY)),
            ("-1.50", Value::Float(-1.5)),
            ("\"\\ud83d\\ude00\\/\"", text("\u{1F600}/", None)),
            ("\"\\ud83dx\"", text("\u{FFFD}\u{FFFD}\u{FFFD}x", Some(0xd83d))),
            ("\"\u{d7ff}\\udbff\"", text("\u{d7ff}\u{FFFD}\u{FFFD}\u{FFFD}", Some(0xdbff))),
            ("[1, null]", Value::List(vec![Value::Int("1".into()), Value::Null])),
            ("{\"b\": {}}", Value::Object([("b".to_owned(), Value::Object(Fields::default()))].into_iter().collect())),
            ("null", Value::Null),
            ("false", Value::Bool(false)),
            ("1, \"a\": true", Value::Bool(true)),
            ("1, \"\\ud800\": 1", Value::Int("1".into())),
        ] {
            let body = format!(" {{\"a\" : {json} }}\n");
            assert_eq!(fields(body.as_bytes(), Charset::UTF8).unwrap().get("a"), Some(&value), "{json}");
        }
        let Value::Text(two) =
            fields(br#"{"a": "\udc00\ud800\u0041"}"#, Charset::UTF8).unwrap().get("a").unwrap().clone()
        else {
            panic!("a text")
        };
        assert_eq!((two.surrogate, two.text.ends_with('A')), (Some(0xdc00), true));
    }

    #[test]
    fn what_nobody_reads_may_be_as_deep_as_it_likes() {
        let lists = format!("{{\"a\": {}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        for (text, kind) in [(lists, "list"), (objects, "dict")] {
            assert_eq!(fields(text.as_bytes(), Charset::UTF8).unwrap().get("a").map(Value::kind), Some(kind));
        }
    }

    #[test]
    fn only_an_object_has_fields() {
        for (json, message) in [
            ("null", "No data provided"),
            ("1.5", "Invalid data. Expected a dictionary, but got float."),
            ("[1]", "Invalid data. Expected a dictionary, but got list."),
            ("\"x\"", "Invalid data. Expected a dictionary, but got str."),
        ] {
            let error = format!("{:?}", fields(json.as_bytes(), Charset::UTF8).unwrap_err());
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "[\\[\\]{}\",:0-9a-zA-Z\\\\ \n.+-]{0,60}|\\PC{0,40}") {
            let _ = fields(text.as_bytes(), Charset::UTF8);
        }
    }
}
