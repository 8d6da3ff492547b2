//! What a request's body says of the organization: a field of a form, or what a JSON pointer leads to.
//!
//! A body that two readers could read in two ways is refused: keys that are there twice or in another spelling, another charset, an
//! encoding, several types. What is judged is what is forwarded, byte for byte.

use super::json::{self, Absent, Expected, Field, Problem};
use super::matching::Hits;
use super::media_type::{self, Unreadable};
use super::{Denial, Reason, RequestView, multipart};
use crate::answers::is_json;
use crate::policy::{Pointer, RelatedField, Source};
use crate::request_target::query;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method};

const ENCODED: &str = "a body that decides has no `Content-Encoding`";
const TYPE_TWICE: &str = "`Content-Type` stands there twice, or is no text";
const CHARSET: &str = "a body that decides is UTF-8";
const NOT_JSON: &str = "the body is not the JSON that its `Content-Type` says";
const TWICE: &str = "the body names what decides twice, or in another spelling";
const SEVERAL: &str = "the body names too many organizations";
const OBJECTS: &str = "the body points at too many objects";
const NO_NAME: &str = "what names the organization in the body is neither a text nor a number nor null";
const NO_OBJECT: &str =
    "what points at an object in the body is neither a text nor a number nor null, nor a list of those";

/// What is read from a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The one organization that it names.
    Organization,
    /// The organizations of its elements.
    Organizations,
    /// The objects that it points at, one or a list.
    Objects,
    /// The same, where it may hold new ones instead.
    ObjectsOrNew,
}

impl Wanted {
    /// Different values at one place, at most.
    pub(super) const MOST: usize = 64;

    pub(super) const fn of(field: &RelatedField) -> Self {
        if field.nested { Self::ObjectsOrNew } else { Self::Objects }
    }

    const fn expected(self) -> Expected {
        match self {
            Self::Organization => Expected::one(Absent::Null),
            Self::Organizations => Expected { absent: Absent::Null, most: Self::MOST, lists: false, objects: false },
            Self::Objects | Self::ObjectsOrNew => {
                let objects = matches!(self, Self::ObjectsOrNew);
                Expected { absent: Absent::Null, most: Self::MOST, lists: true, objects }
            }
        }
    }

    const fn no_name(self) -> (Reason, &'static str) {
        match self {
            Self::Objects | Self::ObjectsOrNew => (Reason::BodyInvalid, NO_OBJECT),
            Self::Organization | Self::Organizations => (Reason::OrgMissing, NO_NAME),
        }
    }

    const fn too_many(self) -> (Reason, &'static str) {
        match self {
            Self::Organization => (Reason::Ambiguous, SEVERAL),
            Self::Organizations => (Reason::BodyInvalid, SEVERAL),
            Self::Objects | Self::ObjectsOrNew => (Reason::BodyInvalid, OBJECTS),
        }
    }
}

/// What is asked of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    pointer: Pointer,
    wanted: Wanted,
    /// See [`json::Asked`].
    through: usize,
}

/// What a body says at a place: [`json::Values`].
pub(super) type Values = json::Values<Field>;

/// All that the rules of a request ask of its body, which is read once for that. Asked for nothing, it says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyFacts(Vec<(Asked, Result<Values, Denial>)>);

impl BodyFacts {
    /// Reads all that the rules ask: sources of organizations, arguments of lookups, fields.
    pub(super) fn read(hits: &Hits<'_>, view: &RequestView<'_>) -> Self {
        let mut asked = Vec::new();
        let mut ask = |pointer: &Pointer, wanted, through| {
            let one = Asked { pointer: pointer.clone(), wanted, through };
            if !asked.contains(&one) {
                asked.push(one);
            }
        };
        for hit in hits.iter() {
            for item in hit.rule.origin.iter() {
                for source in &item.sources {
                    if let Source::Body(pointer, _) = source {
                        ask(pointer, if item.each { Wanted::Organizations } else { Wanted::Organization }, 0);
                    }
                }
            }
            for call in hit.rule.lookups.iter().filter_map(|at| hit.route.lookups.get(*at)) {
                for source in &call.args {
                    if let Source::Body(pointer, _) = source {
                        ask(pointer, Wanted::Organization, 0);
                    }
                }
            }
            for field in hit.rule.fields() {
                let through = hit.rule.elements().map_or(0, |elements| elements.shared_elements(&field.place));
                ask(&field.place, Wanted::of(field), through);
                if let Some(elements) = hit.rule.elements().filter(|_| through > 0) {
                    ask(elements, Wanted::Organizations, through);
                }
            }
        }
        let read = read(view.headers, view.body.unwrap_or_default(), &asked);
        Self(asked.into_iter().zip(read).collect())
    }

    /// What the body says at a place that a rule asks for.
    ///
    /// # Errors
    /// 415 `body_type`: of a type that is not read. 400 `body_invalid`: it is not what its type says. 400 `ambiguous`: two readers could
    /// find two values.
    pub(super) fn said(&self, pointer: &Pointer, wanted: Wanted, through: usize) -> Result<&Values, Denial> {
        let is_it = |asked: &Asked| asked.pointer == *pointer && asked.wanted == wanted && asked.through == through;
        match self.0.iter().find(|(asked, _)| is_it(asked)) {
            Some((_, said)) => said.as_ref().map_err(Denial::clone),
            None => Err(Denial::new(Reason::BodyInvalid).with_hint("the body was not read for this rule")),
        }
    }
}

/// Whether requests of this method are judged by their bodies: nothing says what a body of the others would mean (RFC 9110, 9.3).
pub(super) fn is_read(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE)
}

/// Whether a request brings a form, as its headers say.
pub(super) fn is_form(view: &RequestView<'_>) -> bool {
    is_read(view.method) && matches!(read_type(view.headers), Ok(Type::Form | Type::Multipart(_)))
}

/// What stands once in that field of a form.
pub(super) fn form_field(headers: &HeaderMap, form: &[u8], name: &str) -> Option<Box<str>> {
    let asked = Asked { pointer: Pointer::parse(name)?, wanted: Wanted::Organization, through: 0 };
    match read(headers, form, &[asked]).pop()?.ok()?.all.pop()? {
        Field::Text(text) => Some(text),
        Field::Null => None,
    }
}

/// Reads what a body says at several places; nothing where there is no such place.
fn read(headers: &HeaderMap, body: &[u8], asked: &[Asked]) -> Vec<Result<Values, Denial>> {
    if body.is_empty() || asked.is_empty() {
        return asked.iter().map(|_| Ok(of_form(Vec::new()))).collect();
    }
    match read_type(headers) {
        Ok(Type::Json) => {
            let questions = asked.iter().map(|Asked { pointer, wanted, through }| json::Asked {
                pointer,
                expected: wanted.expected(),
                through: *through,
            });
            json::read(body, &questions.collect::<Vec<_>>())
                .into_iter()
                .zip(asked)
                .map(|(read, asked)| read.map_err(|p| told(p, asked.wanted)))
                .collect()
        }
        Ok(Type::Form) => asked.iter().map(|asked| of_field(asked, |name| form(body, name, asked.wanted))).collect(),
        Ok(Type::Multipart(written)) => {
            let parts = multipart::parts(written, body);
            let named = |name: &str| multipart::values(parts.as_deref().map_err(Denial::clone)?, name);
            asked.iter().map(|asked| of_field(asked, named)).collect()
        }
        Err(denial) => asked.iter().map(|_| Err(denial.clone())).collect(),
    }
}

/// A type that is read.
enum Type<'h> {
    Json,
    Form,
    /// As it is written.
    Multipart(&'h str),
}

fn read_type(headers: &HeaderMap) -> Result<Type<'_>, Denial> {
    let refuse = |fault| Denial::new(Reason::BodyType).with_fault(fault);
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refuse(ENCODED));
    }
    let media_type = match media_type::read(headers) {
        Ok(Some(media_type)) => media_type,
        Ok(None) => return Err(Denial::new(Reason::BodyType)),
        Err(Unreadable::Twice) => return Err(refuse(TYPE_TWICE)),
        Err(Unreadable::Charset) => return Err(refuse(CHARSET)),
    };
    match (media_type.as_str(), media_type::written(headers)) {
        (media_type, _) if is_json(media_type) => Ok(Type::Json),
        ("application/x-www-form-urlencoded", _) => Ok(Type::Form),
        ("multipart/form-data", Ok(Some(written))) => Ok(Type::Multipart(written)),
        _ => Err(Denial::new(Reason::BodyType)),
    }
}

fn told(problem: Problem, wanted: Wanted) -> Denial {
    let (reason, fault) = match problem {
        Problem::NotUtf8 => (Reason::BodyInvalid, CHARSET),
        Problem::NotJson => (Reason::BodyInvalid, NOT_JSON),
        Problem::Twice => (Reason::Ambiguous, TWICE),
        Problem::TooManyValues => wanted.too_many(),
        Problem::NoName | Problem::Missing => wanted.no_name(),
    };
    Denial::new(reason).with_fault(fault)
}

/// What a form says at a place. It has no depth: no pointer leads further than to a field.
fn of_field(asked: &Asked, read: impl Fn(&str) -> Result<Vec<Field>, Denial>) -> Result<Values, Denial> {
    let [name] = asked.pointer.steps() else { return Ok(of_form(Vec::new())) };
    let found = read(name)?;
    // Where several may stand, a form repeats the field.
    match (asked.wanted, found.len()) {
        (Wanted::Objects | Wanted::ObjectsOrNew, 0..=Wanted::MOST) | (_, 0 | 1) => Ok(of_form(found)),
        (Wanted::Objects | Wanted::ObjectsOrNew, _) => Err(told(Problem::TooManyValues, asked.wanted)),
        (Wanted::Organization | Wanted::Organizations, _) => Err(told(Problem::Twice, asked.wanted)),
    }
}

const fn of_form(all: Vec<Field>) -> Values {
    Values { all, places: Vec::new() }
}

/// An empty field of a form is null: forms have no other way to say it.
fn form(body: &[u8], name: &str, wanted: Wanted) -> Result<Vec<Field>, Denial> {
    let text = std::str::from_utf8(body).map_err(|_| Denial::new(Reason::BodyInvalid).with_fault(CHARSET))?;
    let values = match wanted {
        Wanted::Objects | Wanted::ObjectsOrNew => query::each(text, name, Wanted::MOST + 1)?,
        Wanted::Organization | Wanted::Organizations => query::single(Some(text), name)?.into_iter().collect(),
    };
    Ok(values.into_iter().map(|text| if text.is_empty() { Field::Null } else { Field::Text(text.into()) }).collect())
}

#[cfg(test)]
mod tests {
    use super::super::json::Field;
    use super::{Asked, Wanted};
    use crate::decision::{Denial, Reason};
    use crate::policy::Pointer;
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=x";
    const PART: &str = "\r\nContent-Disposition: form-data; name=\"org\"\r\n\r\n";

    fn read(headers: &HeaderMap, body: &[u8], pointer: &Pointer, wanted: Wanted) -> Result<Vec<Field>, Denial> {
        let asked = [Asked { pointer: pointer.clone(), wanted, through: 0 }];
        super::read(headers, body, &asked).pop().unwrap().map(|values| values.all)
    }

    fn said(media_type: &str, body: &[u8], pointer: &str) -> Result<Vec<Field>, Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        read(&headers, body, &Pointer::parse(pointer).unwrap(), Wanted::Organization).map_err(|denial| denial.reason)
    }

    fn pointed(media_type: &str, body: &str, pointer: &str) -> Result<Vec<Field>, Reason> {
        pointed_or_new(media_type, body, pointer, Wanted::Objects)
    }

    fn pointed_or_new(media_type: &str, body: &str, pointer: &str, wanted: Wanted) -> Result<Vec<Field>, Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        let read = read(&headers, body.as_bytes(), &Pointer::parse(pointer).unwrap(), wanted);
        read.map_err(|denial| denial.reason)
    }

    #[test]
    fn a_new_object_points_at_nothing_where_it_may_stand() {
        for (body, found) in [
            (r#"{"t": {"id": 1}}"#, Ok(vec![Field::Null])),
            (r#"{"t": [{}, 1, {"id": 2}]}"#, Ok(vec![Field::Null, text("1")])),
            (r#"{"t": 1}"#, Ok(vec![text("1")])),
            (r#"{"t": [[{}]]}"#, Err(Reason::BodyInvalid)),
            (r#"{"t": {}, "T": 2}"#, Err(Reason::Ambiguous)),
        ] {
            assert_eq!(pointed_or_new(JSON, body, "t", Wanted::ObjectsOrNew), found, "{body}");
        }
    }

    #[test]
    fn a_field_may_point_at_several_objects() {
        let (one, two) = (text("1"), text("2"));
        for (media_type, pointer, body, found) in [
            (JSON, "t", r#"{"t": [1, "2", 1]}"#, vec![one.clone(), two.clone()]),
            (JSON, "t", r#"{"t": 1}"#, vec![one.clone()]),
            (JSON, "t", r#"{"t": []}"#, vec![Field::Null]),
            (JSON, "t", r#"{"t": [null]}"#, vec![Field::Null]),
            (JSON, "/*/t", r#"[{"t": [1]}, {"t": 2}, {}]"#, vec![one.clone(), two.clone(), Field::Null]),
            (FORM, "t", "t=1&x=3&t=2", vec![one.clone(), two.clone()]),
            (FORM, "t", "t=", vec![Field::Null]),
            (MULTIPART, "org", &format!("--x{PART}1\r\n--x{PART}2\r\n--x--"), vec![one, two]),
        ] {
            assert_eq!(pointed(media_type, body, pointer), Ok(found), "{body}");
        }
        let many: Vec<usize> = (0..65).collect();
        let form: String = many.iter().map(|i| format!("t={i}&")).collect();
        for (media_type, body, reason) in [
            (JSON, r#"{"t": {"id": 1}}"#.to_owned(), Reason::BodyInvalid),
            (JSON, r#"{"t": [[1]]}"#.to_owned(), Reason::BodyInvalid),
            (JSON, r#"{"t": [true]}"#.to_owned(), Reason::BodyInvalid),
            (JSON, r#"{"t": 1, "T": 2}"#.to_owned(), Reason::Ambiguous),
            (JSON, format!("{{\"t\": {many:?}}}"), Reason::BodyInvalid),
            (FORM, form, Reason::BodyInvalid),
            (FORM, "t=1&t[]=2".to_owned(), Reason::Ambiguous),
            (FORM, "t=1&x;t=2".to_owned(), Reason::Ambiguous),
            (FORM, "t=1%26t=2".to_owned(), Reason::Ambiguous),
            (FORM, "t=%zz".to_owned(), Reason::Ambiguous),
        ] {
            assert_eq!(pointed(media_type, &body, "t"), Err(reason), "{body}");
        }
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
        let multipart = format!("--x{PART}a\r\n--x--");
        assert_eq!(said(MULTIPART, multipart.as_bytes(), "org"), Ok(vec![text("a")]));
        assert_eq!(said(MULTIPART, multipart.as_bytes(), "/org/id"), Ok(vec![]));
        assert_eq!(said(MULTIPART, b"--x--", "org"), Ok(vec![]));
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
            ("multipart/mixed; boundary=x", "--x--", Reason::BodyType),
            (MULTIPART, "--x", Reason::BodyInvalid),
            (MULTIPART, &format!("--x{PART}a\r\n--x{PART}a\r\n--x--"), Reason::Ambiguous),
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
        assert_eq!(
            read(&headers, b"x", &Pointer::parse("org").unwrap(), Wanted::Organization).unwrap_err().reason,
            Reason::BodyType
        );
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

        /// Also where one pointer ends on the way of another, and in bodies that are no JSON behind all of them.
        #[test]
        fn what_is_asked_for_at_once_is_what_is_asked_for_one_by_one(
            body in document(), behind in "|]", pointers in prop::collection::vec(prop::collection::vec("[a-c]|0|\\*", 1..4), 1..5),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            let body = format!("{body}{behind}");
            let wanted = [Wanted::Organization, Wanted::Organizations, Wanted::Objects, Wanted::ObjectsOrNew];
            let asked: Vec<Asked> = pointers.iter().zip(wanted.iter().cycle()).map(|(steps, wanted)| {
                let pointer = Pointer::parse(&format!("/{}", steps.join("/"))).unwrap();
                Asked { pointer, wanted: *wanted, through: 0 }
            }).collect();
            let told = |read: Result<super::Values, Denial>| read.map(|values| values.all).map_err(|denial| denial.reason);
            let at_once = super::read(&headers, body.as_bytes(), &asked).into_iter().map(told);
            let one_by_one = asked.iter().map(|asked| told(super::read(&headers, body.as_bytes(), std::slice::from_ref(asked)).remove(0)));
            prop_assert_eq!(at_once.collect::<Vec<_>>(), one_by_one.collect::<Vec<_>>());
        }

        #[test]
        fn no_body_is_too_odd_to_be_refused_or_read(body: Vec<u8>, pointer in "[a-z*]{1,3}|/[a-z*/]{1,6}") {
            for media_type in [JSON, FORM, MULTIPART].into_iter().filter(|_| Pointer::parse(&pointer).is_some()) {
                let _ = said(media_type, &body, &pointer);
            }
        }
    }
}
