//! What a request's body says of the organization: a field of a form, or what a JSON pointer leads to.
//!
//! A body that two readers could read in two ways is refused: keys that are there twice or in another spelling, another charset, an
//! encoding, several types. What is judged is what is forwarded, byte for byte.

use super::{Denial, Reason};
use crate::policy::Pointer;
use crate::request_target::query::{self, spells};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

const ENCODED: &str = "a body that decides has no `Content-Encoding`";
const TYPE_TWICE: &str = "`Content-Type` stands there twice, or is no text";
const CHARSET: &str = "a body that decides is UTF-8";
const NOT_JSON: &str = "the body is not the JSON that its `Content-Type` says";
const TWICE: &str = "the body names the organization twice, or in another spelling";
const NO_NAME: &str = "what names the organization in the body is neither a text nor a number nor null";
/// Different values that one pointer may lead to: two are too many for a rule, but which they are is for it to say.
const MOST_VALUES: usize = 4;

/// What a body says at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    Text(Box<str>),
}

/// Whether requests of this method are judged by their bodies: nothing says what a body of the others would mean (RFC 9110, 9.3).
pub(super) fn is_read(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE)
}

/// Reads what a body says at a place, each of its values once; nothing where there is no such place.
///
/// # Errors
/// 415 `body_type`: of a type that is not read. 400 `body_invalid`: it is not what its type says. 400 `ambiguous`: two readers could
/// find two values.
pub(super) fn read(headers: &HeaderMap, body: &[u8], pointer: &Pointer) -> Result<Vec<Field>, Denial> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let refuse = |reason, fault| Denial::new(reason).with_fault(fault);
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refuse(Reason::BodyType, ENCODED));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let written = match (types.next().map(|value| value.to_str()), types.next()) {
        (Some(Ok(value)), None) => value.to_ascii_lowercase(),
        (None, _) => return Err(Denial::new(Reason::BodyType)),
        _ => return Err(refuse(Reason::BodyType, TYPE_TWICE)),
    };
    let mut parts = written.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let charset =
            parameter.strip_prefix("charset").map(|rest| rest.trim_start_matches([' ', '=']).trim_matches('"'));
        if charset.is_some_and(|charset| !matches!(charset, "utf-8" | "utf8" | "us-ascii")) {
            return Err(refuse(Reason::BodyType, CHARSET));
        }
    }
    let is_json =
        media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    let mut found = Vec::new();
    if is_json {
        json(body, pointer, &mut found)?;
    } else if media_type == "application/x-www-form-urlencoded" {
        form(body, pointer, &mut found)?;
    } else {
        return Err(Denial::new(Reason::BodyType));
    }
    Ok(found)
}

/// An empty field of a form is null: forms have no other way to say it.
fn form(body: &[u8], pointer: &Pointer, found: &mut Vec<Field>) -> Result<(), Denial> {
    // A form has no depth: no pointer leads further than to a field.
    let [name] = pointer.steps() else { return Ok(()) };
    let text = std::str::from_utf8(body).map_err(|_| Denial::new(Reason::BodyInvalid).with_fault(CHARSET))?;
    if let Some(value) = query::single(Some(text), name)? {
        found.push(if value.is_empty() { Field::Null } else { Field::Text(value.into()) });
    }
    Ok(())
}

fn json(body: &[u8], pointer: &Pointer, found: &mut Vec<Field>) -> Result<(), Denial> {
    // What is skipped is not looked at: not whether it is UTF-8, so that is asked first.
    let text = std::str::from_utf8(body).map_err(|_| Denial::new(Reason::BodyInvalid).with_fault(CHARSET))?;
    let mut problem = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let walk = Walk { steps: pointer.steps(), is_element: false, found, problem: &mut problem };
    let read = walk.deserialize(&mut reader).and_then(|()| reader.end());
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err(Denial::new(Reason::BodyInvalid).with_fault(NOT_JSON)),
    }
}

/// The way of a pointer through a document. All of the document is read, so that what is no JSON behind it is refused too.
struct Walk<'w> {
    steps: &'w [Box<str>],
    /// It is on its way through one of several elements, each of which says something: null, where there is nothing.
    is_element: bool,
    found: &'w mut Vec<Field>,
    /// The first thing that is wrong, where the document itself is JSON so far.
    problem: &'w mut Option<Denial>,
}

impl Walk<'_> {
    fn refuse(&mut self, reason: Reason, fault: &'static str) {
        self.problem.get_or_insert_with(|| Denial::new(reason).with_fault(fault));
    }

    fn find(&mut self, field: Field) {
        if self.found.contains(&field) {
            return;
        }
        match self.found.len() < MOST_VALUES {
            true => self.found.push(field),
            false => self.refuse(Reason::Ambiguous, "the body names several organizations"),
        }
    }

    /// There is nothing where the rest of the pointer would lead.
    fn miss(mut self) {
        if self.is_element {
            self.find(Field::Null);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, reader: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            return reader.deserialize_any(self);
        }
        let raw: &RawValue = serde::Deserialize::deserialize(reader)?;
        match leaf(raw.get()) {
            Some(field) => self.find(field),
            None => self.refuse(Reason::OrgMissing, NO_NAME),
        }
        Ok(())
    }
}

/// A text, a number as it is written, or null.
fn leaf(raw: &str) -> Option<Field> {
    match raw.as_bytes().first()? {
        b'n' => Some(Field::Null),
        b'"' => serde_json::from_str::<Cow<'_, str>>(raw).ok().map(|text| Field::Text(text.into())),
        b'-' | b'0'..=b'9' => Some(Field::Text(raw.into())),
        _ => None,
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else { return Ok(()) };
        let mut is_there = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if *key == **step && !is_there {
                is_there = true;
                let (found, problem) = (&mut *self.found, &mut *self.problem);
                map.next_value_seed(Walk { steps: rest, is_element: self.is_element, found, problem })?;
                continue;
            }
            // Some readers take the first of two, some the last, and some any spelling.
            if spells(key.as_bytes(), step) {
                self.refuse(Reason::Ambiguous, TWICE);
            }
            map.next_value::<IgnoredAny>()?;
        }
        if !is_there {
            self.miss();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let each = self.steps.split_first().filter(|(step, _)| &***step == "*").map(|(_, rest)| rest);
        let mut at = 0_usize;
        loop {
            let is_it = || self.steps.first().is_some_and(|step| **step == *at.to_string());
            let steps = match (each, self.steps.split_first()) {
                (Some(rest), _) => Some(rest),
                (None, Some((_, rest))) if is_it() => Some(rest),
                _ => None,
            };
            let more = match steps {
                Some(steps) => {
                    let is_element = self.is_element || each.is_some();
                    let (found, problem) = (&mut *self.found, &mut *self.problem);
                    list.next_element_seed(Walk { steps, is_element, found, problem })?.is_some()
                }
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.miss();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, read};
    use crate::decision::Reason;
    use crate::policy::Pointer;
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn said(media_type: &str, body: &[u8], pointer: &str) -> Result<Vec<Field>, Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        read(&headers, body, &Pointer::parse(pointer).unwrap()).map_err(|denial| denial.reason)
    }

    fn text(text: &str) -> Field {
        Field::Text(text.into())
    }

    #[test]
    fn a_pointer_leads_to_what_a_body_says() {
        for (pointer, body, found) in [
            ("org", r#"{"org": "a"}"#, vec![text("a")]),
            ("org", r#"{"x": {"org": "b"}, "org": "a", "y": [1]}"#, vec![text("a")]),
            ("org", r#"{"or\u0067": "\u0061"}"#, vec![text("a")]),
            ("org", r#"{"org": 17}"#, vec![text("17")]),
            ("org", r#"{"org": 12345678901234567890123}"#, vec![text("12345678901234567890123")]),
            ("org", r#"{"org": null}"#, vec![Field::Null]),
            ("org", r#"{"x": 1}"#, vec![]),
            ("org", r"[]", vec![]),
            ("org", r#""org""#, vec![]),
            ("/a/b", r#"{"a": {"b": "x"}}"#, vec![text("x")]),
            ("/a/b", r#"{"a": null}"#, vec![]),
            ("/a~1b", r#"{"a/b": "x"}"#, vec![text("x")]),
            ("/*/org", r#"[{"org": "a"}, {"org": "a"}, {"org": null}]"#, vec![text("a"), Field::Null]),
            // An element that does not say it says null.
            ("/items/*/org", r#"{"items": [{"org": "a"}, {"org": "b"}]}"#, vec![text("a"), text("b")]),
            ("/items/*/org", r#"{"items": [{"org": "a"}, {}, 7]}"#, vec![text("a"), Field::Null]),
            ("/items/*/org", r#"{"items": []}"#, vec![]),
            ("/items/1/org", r#"{"items": [{"org": "a"}, {"org": "b"}]}"#, vec![text("b")]),
        ] {
            assert_eq!(said(JSON, body.as_bytes(), pointer), Ok(found), "{pointer} {body}");
        }
        assert_eq!(said(FORM, b"a=1&org=x%20y", "org"), Ok(vec![text("x y")]));
        assert_eq!(said(FORM, b"org=", "org"), Ok(vec![Field::Null]));
        assert_eq!(said(FORM, b"a=1", "org"), Ok(vec![]));
        assert_eq!(said("application/vnd.api+json; charset=\"UTF-8\"", br#"{"org":"a"}"#, "org"), Ok(vec![text("a")]));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (media_type, body, reason) in [
            (JSON, r#"{"org": "a", "org": "b"}"#, Reason::Ambiguous),
            (JSON, r#"{"org": "a", "or\u0067": "a"}"#, Reason::Ambiguous),
            (JSON, r#"{"Org": "b", "org": "a"}"#, Reason::Ambiguous),
            (JSON, r#"{"ORG": "b"}"#, Reason::Ambiguous),
            (JSON, r#"{"org": ["a"]}"#, Reason::OrgMissing),
            (JSON, r#"{"org": {"id": "a"}}"#, Reason::OrgMissing),
            (JSON, r#"{"org": true}"#, Reason::OrgMissing),
            (JSON, r#"{"org": "a"} {"org": "b"}"#, Reason::BodyInvalid),
            (JSON, r#"{"org": "a""#, Reason::BodyInvalid),
            (JSON, r#"{"org": 'a'}"#, Reason::BodyInvalid),
            (JSON, "{\"org\": \"a\", \"x\": NaN}", Reason::BodyInvalid),
            (JSON, "\u{feff}{\"org\": \"a\"}", Reason::BodyInvalid),
            (JSON, "{\"org\": \"\\ud800\"}", Reason::OrgMissing),
            (FORM, "org=a&org=b", Reason::Ambiguous),
            (FORM, "org=a&Org=b", Reason::Ambiguous),
            (FORM, "org[]=a", Reason::Ambiguous),
            (FORM, "org=%zz", Reason::Ambiguous),
            ("text/plain", "org=a", Reason::BodyType),
            ("multipart/form-data; boundary=x", "--x--", Reason::BodyType),
            ("application/json; charset=utf-16", r#"{"org": "a"}"#, Reason::BodyType),
            ("application/json, text/plain", r#"{"org": "a"}"#, Reason::BodyType),
        ] {
            let found = said(media_type, body.as_bytes(), "org");
            assert_eq!(found, Err(reason), "{media_type} {body}");
        }
        assert_eq!(said(JSON, b"{\"org\": \"a\", \"x\": \"\xff\"}", "org"), Err(Reason::BodyInvalid));
        let deep = "[".repeat(100_000);
        assert_eq!(said(JSON, deep.as_bytes(), "org"), Err(Reason::BodyInvalid));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(read(&headers, b"x", &Pointer::parse("org").unwrap()).unwrap_err().reason, Reason::BodyType);
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "[a-c]{0,2}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map("[a-c]", inner, 0..3)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// serde_json's own pointer is the judge.
        #[test]
        fn a_pointer_finds_what_another_reader_finds(body in document(), steps in prop::collection::vec("[a-c]|0|1", 1..4)) {
            let pointer = format!("/{}", steps.join("/"));
            let found = said(JSON, body.to_string().as_bytes(), &pointer);
            match body.pointer(&pointer) {
                None => prop_assert_eq!(found, Ok(vec![])),
                Some(serde_json::Value::Null) => prop_assert_eq!(found, Ok(vec![Field::Null])),
                Some(serde_json::Value::String(there)) => prop_assert_eq!(found, Ok(vec![text(there)])),
                Some(serde_json::Value::Number(there)) => prop_assert_eq!(found, Ok(vec![text(&there.to_string())])),
                Some(_) => prop_assert_eq!(found, Err(Reason::OrgMissing)),
            }
        }

        #[test]
        fn no_body_is_too_odd_to_be_refused_or_read(body: Vec<u8>, pointer in "[a-z*]{1,3}|/[a-z*/]{1,6}") {
            for media_type in [JSON, FORM].into_iter().filter(|_| Pointer::parse(&pointer).is_some()) {
                let _ = said(media_type, &body, &pointer);
            }
        }
    }
}
