//! `PUT /todos/{id}{?ownerID}`: the request that a question about a resource stands for.
//!
//! A small part of URI templates (RFC 6570): `{name}` is a value, and `{?name,other}` are parameters, of which those that the
//! question does not have are left out. Values are percent-encoded, so that none is more than a segment or a parameter.

use super::question::{Fault, Question};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write;

/// Everything but the unreserved (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub method: Method,
    /// The host, where the policy has several and this is not the first of them that has the path.
    pub host: Option<Box<str>>,
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Box<str>),
    Parameters(Box<[Box<str>]>),
}

impl Template {
    /// Reads `METHOD TARGET`, or `METHOD HOST/TARGET`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (method, target) = text.split_once(' ').ok_or("a method and a path are wanted")?;
        let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| is_method);
        let method = method.ok_or("what stands first is no method in capital letters")?;
        let slash = target.find('/').ok_or("the path begins with `/`")?;
        let (host, target) = target.split_at_checked(slash).unwrap_or_default();
        let mut parts = Vec::new();
        let mut rest = target;
        while let Some((before, behind)) = rest.split_once('{') {
            let (inside, behind) = behind.split_once('}').ok_or("a `{` has no `}`")?;
            parts.push(Part::Text(plain(before)?));
            parts.push(match inside.strip_prefix('?') {
                Some(_) if !behind.is_empty() => return Err("`{?…}` stands at the end"),
                Some(names) => Part::Parameters(names.split(',').map(name).collect::<Result<_, _>>()?),
                None => Part::Value(name(inside)?),
            });
            rest = behind;
        }
        parts.push(Part::Text(plain(rest)?));
        let host = (!host.is_empty()).then(|| host.into());
        Ok(Self { method, host, parts: parts.into() })
    }

    /// The target, with what the question has.
    ///
    /// # Errors
    /// A value is missing, or is no text.
    pub fn fill(&self, question: &Question<'_>) -> Result<String, Fault> {
        let mut target = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => target.push_str(text),
                Part::Value(name) => {
                    let value = question.property(name)?.ok_or("a property that is asked for is missing")?;
                    target.extend(encoded(&value));
                }
                Part::Parameters(names) => {
                    for name in names {
                        if let Some(value) = question.property(name)? {
                            let mark = if target.contains('?') { '&' } else { '?' };
                            // A String takes everything.
                            let _ = write!(target, "{mark}{}={}", encoded(name), encoded(&value));
                        }
                    }
                }
            }
        }
        Ok(target)
    }
}

/// A value as a piece of a target.
pub fn encoded(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

fn plain(text: &str) -> Result<Box<str>, &'static str> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"{}#\\\"<>^`|".contains(&b);
    if text.bytes().all(is_plain) { Ok(text.into()) } else { Err("a character of it stands in no target") }
}

/// `name`, `subject.name`, `action.name`, `context.name`.
fn name(text: &str) -> Result<Box<str>, &'static str> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match text.split_once('.') {
        None if is_word(text) => Ok(text.into()),
        Some(("subject" | "action" | "context", word)) if is_word(word) => Ok(text.into()),
        _ => Err("a name is of letters, digits, `-` and `_`, alone or behind `subject.`, `action.` or `context.`"),
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::authzen::json::Json;
    use crate::authzen::question::Question;

    fn filled(template: &str, resource: &str) -> Result<String, &'static str> {
        let body = format!(
            r#"{{"subject": {{"type": "user", "id": "ann", "properties": {{"role": "admin"}}}},
                "action": {{"name": "x", "properties": {{"soft": true}}}}, "context": {{"n": 7}}, "resource": {resource}}}"#
        );
        let json = Json::read(body.as_bytes()).unwrap();
        let question = Question::read(json.map().unwrap(), None, None).unwrap();
        Template::parse(template).unwrap().fill(&question)
    }

    #[test]
    fn values_are_segments_and_parameters_and_nothing_more() {
        let resource =
            r#"{"type": "t", "id": "a/b?c&d=é%", "properties": {"owner": "x&y=z", "list": [1], "none": null}}"#;
        let all = "PUT /t/{id}/x{?owner,none,subject.role,action.soft,context.n,subject.id}";
        assert_eq!(
            filled(all, resource).unwrap(),
            "/t/a%2Fb%3Fc%26d%3D%C3%A9%25/x?owner=x%26y%3Dz&subject.role=admin&action.soft=true&context.n=7&subject.id=ann"
        );
        assert_eq!(filled("GET /t?a=b{?owner}", resource).unwrap(), "/t?a=b&owner=x%26y%3Dz");
        assert!(filled("GET /t/{none}", resource).is_err() && filled("GET /t{?list}", resource).is_err());
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let host = Template::parse("GET todo.example/t/{id}").unwrap();
        assert_eq!(host.host.as_deref(), Some("todo.example"));
        for bad in [
            "",
            "GET",
            "/t",
            "get /t",
            "GET t",
            "GET /{",
            "GET /{}",
            "GET /{a b}",
            "GET /{?a}/b",
            "GET /{x.y}",
            "GET /ä",
            "GET /a}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
