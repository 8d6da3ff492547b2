//! `strict_source`: a body must not name again what the query was judged by.
//!
//! Frameworks that join query and body (`$_REQUEST` of PHP, `FormValue` of Go, Rack's `params`) read the body's first. Which of a body's
//! names a framework would find differs among them, so whatever one of them could take for the name is refused, and a body
//! that cannot be read as all of them read it is refused too. Forms and JSON are read as where they decide; of multipart forms the words of any
//! line count that could be the head of a part, and not what one reader takes for parts.

use super::json::{self, Absent, Asked, Expected, Problem};
use super::{Denial, Reason};
use crate::policy::Pointer;
use crate::request_target::query::{self, spells};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

const NAMED_AGAIN: &str = "the body names again what the organization is read from the query by";
const ENCODED: &str = "`strict_source` reads no body with a `Content-Encoding`";
const TYPE_TWICE: &str = "`Content-Type` stands there twice, or is no text";
const CHARSET: &str = "`strict_source` reads forms in UTF-8 or another superset of ASCII";
const UNREADABLE: &str = "`strict_source` cannot read the body as what its `Content-Type` says";
const OTHER_TYPE: &str =
    "`strict_source` reads forms and JSON, and lets pass text, pictures, sound, films, fonts and octet streams";

/// Refuses a body that may name one of these parameters.
///
/// # Errors
/// 400 `ambiguous`: it does. 400 `body_invalid`: nobody can tell.
pub(super) fn check<'n>(
    headers: &HeaderMap,
    body: &[u8],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<(), Denial> {
    if body.is_empty() {
        return Ok(());
    }
    let unreadable = |fault| Denial::new(Reason::BodyInvalid).with_fault(fault);
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unreadable(ENCODED));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let media_type = match (types.next().map(|value| value.to_str()), types.next()) {
        (None, _) => String::new(),
        (Some(Ok(value)), None) => value.to_ascii_lowercase(),
        _ => return Err(unreadable(TYPE_TWICE)),
    };
    let names_again = |found: &[u8]| names.clone().any(|name| spells(found, name));
    // By all that stands anywhere in it: some look for a word, others for the beginning. Rack reads a body of no type as a form.
    let is_multipart = media_type.contains("multipart/");
    let is_json = media_type.contains("json");
    let is_form = media_type.contains("urlencoded") || media_type.trim().is_empty();
    if !(is_multipart || is_json || is_form) {
        let opaque = is_opaque(media_type.trim_start());
        return if opaque { Ok(()) } else { Err(unreadable(OTHER_TYPE)) };
    }
    if !is_ascii_superset(&media_type) {
        return Err(unreadable(CHARSET));
    }
    let is_named = (is_multipart && parts_name(body, names_again))
        || (is_form && names.clone().any(|name| query::is_in(body, name)))
        || (is_json && json_names(body, names.clone()).ok_or_else(|| unreadable(UNREADABLE))?);
    if is_named { Err(Denial::new(Reason::Ambiguous).with_fault(NAMED_AGAIN)) } else { Ok(()) }
}

/// Types that no framework reads parameters from.
fn is_opaque(media_type: &str) -> bool {
    ["text/plain", "text/csv", "image/", "audio/", "video/", "font/", "application/octet-stream", "application/pdf"]
        .iter()
        .any(|opaque| media_type.starts_with(opaque))
}

/// Whether names of ASCII letters are those bytes, whatever charset is named.
fn is_ascii_superset(media_type: &str) -> bool {
    media_type.split("charset").skip(1).all(|charset| {
        let charset = charset.trim_start_matches([' ', '=', '"', '\'', '*']);
        let known = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "windows-125"];
        known.iter().any(|known| charset.starts_with(known))
    })
}

/// Whether the outermost object has one of these keys, in whatever spelling; `None`: it is no JSON.
fn json_names<'n>(body: &[u8], names: impl Iterator<Item = &'n str>) -> Option<bool> {
    // An array, a text, a number: there are no names in it.
    let is_object = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let keys: Vec<Pointer> = names.map(Pointer::to).collect();
    let asked: Vec<_> =
        keys.iter().map(|pointer| Asked { pointer, expected: Expected::one(Absent::Null), through: 0 }).collect();
    json::read(body, &asked).into_iter().try_fold(false, |is_named, said| match said {
        Ok(values) => Some(is_named || (is_object && !values.all.is_empty())),
        Err(Problem::NotUtf8 | Problem::NotJson) => None,
        // It stands there twice, in another spelling, or as what is no text.
        Err(Problem::Twice | Problem::TooManyValues | Problem::NoName | Problem::Missing) => {
            Some(is_named || is_object)
        }
    })
}

/// Whether a line that could be a part's `Content-Disposition` has a `name` that is it. Where parts begin and end is
/// read in too many ways to go by it.
fn parts_name(body: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    const FIELD: &[u8] = b"content-disposition";
    let mut in_field = false;
    body.split(|b| matches!(b, b'\r' | b'\n')).any(|line| {
        let begins = line.trim_ascii_start().get(..FIELD.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(FIELD));
        // Between CR and LF there is a line too, which is empty.
        let goes_on = line.first().is_none_or(|b| matches!(b, b' ' | b'\t'));
        in_field = begins || (in_field && goes_on);
        in_field && disposition_names(line, &is_it)
    })
}

/// Whether some `name=` in this line has that value, read in each way that there is. `name*` and its pieces, which RFC 7578, 4.2
/// forbids, may be anything.
pub(super) fn disposition_names(line: &[u8], is_it: &impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = line;
    while let Some(at) = rest.windows(4).position(|word| word.eq_ignore_ascii_case(b"name")) {
        let (before, after) = rest.split_at_checked(at).unwrap_or_default();
        rest = after.get(4..).unwrap_or_default();
        // `filename`
        if before.last().is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let value = match rest.trim_ascii_start() {
            [b'*', ..] => return true,
            [b'=', value @ ..] => value.trim_ascii_start(),
            _ => continue,
        };
        let token = value.split(|b| matches!(b, b';' | b' ' | b'\t' | b',')).next().unwrap_or_default();
        let quoted = match value {
            [quote @ (b'"' | b'\''), text @ ..] => text.split(|b| b == quote).next().unwrap_or_default(),
            _ => b"",
        };
        // Escapes are no letters, and fall away with all that is none.
        let escaped = match value {
            [b'"', text @ ..] => text.get(..end_of_quoted(text)).unwrap_or_default(),
            _ => b"",
        };
        if value.windows(2).any(|word| word == b"=?") || [token, quoted, escaped].into_iter().any(is_it) {
            return true;
        }
    }
    false
}

/// Where the quote is that no backslash stands before.
fn end_of_quoted(text: &[u8]) -> usize {
    let mut is_escaped = false;
    text.iter()
        .position(|&b| {
            let ends = b == b'"' && !is_escaped;
            is_escaped = b == b'\\' && !is_escaped;
            ends
        })
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::decision::Reason;
    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    fn verdict(media_type: &str, body: &[u8]) -> Option<Reason> {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        }
        check(&headers, body, ["tenant"].into_iter()).err().map(|denial| denial.reason)
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=x";

    #[test]
    fn a_body_that_names_the_parameter_again_is_refused_in_every_spelling() {
        for body in [
            "tenant=b",
            "a=1&tenant=b",
            "a=1;tenant=b",
            "TENANT=b",
            "tenant[]=b",
            "tenant[0]=b",
            "%74enant=b",
            "te%256eant=b",
            "+tenant",
            "ten_ant=b",
            "\u{feff}tenant=b",
            "tenant%00x=b",
            "&&tenant",
        ] {
            for media_type in [
                FORM,
                "",
                "Application/X-WWW-Form-Urlencoded; charset=utf-8",
                "text/plain, application/x-www-form-urlencoded",
            ] {
                assert_eq!(verdict(media_type, body.as_bytes()), Some(Reason::Ambiguous), "{media_type} {body}");
            }
        }
        for body in [
            r#"{"tenant": 1}"#,
            r#" {"a": {}, "\u0074enant": null}"#,
            r#"{"Tenant": 1, "tenant": 2}"#,
            r#"{"tenant[]": []}"#,
        ] {
            for media_type in ["application/json", "application/vnd.api+json", "text/json; charset=utf-8"] {
                assert_eq!(verdict(media_type, body.as_bytes()), Some(Reason::Ambiguous), "{media_type} {body}");
            }
        }
        // One reader goes by one word of it, and another by the other.
        let two = "application/json; also=multipart/form-data";
        assert_eq!(verdict(two, br#"{"tenant": 1}"#), Some(Reason::Ambiguous));
        for field in [
            "Content-Disposition: form-data; name=\"tenant\"",
            "content-disposition:form-data;name=tenant",
            "CONTENT-DISPOSITION: form-data; NAME = 'tenant'",
            "Content-Disposition: form-data;\r\n name=tenant",
            "Content-Disposition: form-data;\n\tname=tenant",
            "Content-Disposition: form-data; name=\"te\\nant\"",
            "Content-Disposition: form-data; filename=x; name=\"tenant[]\"",
            "Content-Disposition: form-data; filename=\"x; name=tenant\"",
            "Content-Disposition: form-data; name*=utf-8''tenant",
            "Content-Disposition: form-data; name*0=ten; name*1=ant",
            "Content-Disposition: form-data; name=\"=?utf-8?q?tenant?=\"",
            "Content-Disposition: form-data; name=\"%74enant\"",
        ] {
            for end in ["\r\n", "\n"] {
                let body = format!("--x{end}{field}{end}{end}b{end}--x--");
                assert_eq!(verdict(MULTIPART, body.as_bytes()), Some(Reason::Ambiguous), "{body}");
            }
        }
    }

    #[test]
    fn a_body_that_names_other_things_passes() {
        for (media_type, body) in [
            (FORM, "a=tenant&tenants=1&x=%"),
            ("", "a=1"),
            ("application/json", r#"{"a": {"tenant": 1}}"#),
            ("application/json", r#"[{"tenant": 1}]"#),
            ("application/json", "\"tenant\""),
            (MULTIPART, "--x\r\nContent-Disposition: form-data; name=a; filename=\"tenant\"\r\n\r\ntenant\r\n--x--"),
            (MULTIPART, "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nname=tenant\r\n--x--"),
            ("image/png", "tenant=b"),
            ("application/octet-stream", "tenant=b"),
            ("text/xml", ""),
        ] {
            assert_eq!(verdict(media_type, body.as_bytes()), None, "{media_type} {body}");
        }
    }

    #[test]
    fn a_body_that_nobody_can_read_alike_is_refused() {
        for (media_type, body) in [
            ("application/json", "{\"a\": 1,}"),
            ("application/json", "{\"a\": 1} {\"tenant\": 2}"),
            ("application/json", "{'tenant': 1}"),
            ("application/json", "\u{feff}{}"),
            ("application/xml", "<tenant>b</tenant>"),
            ("application/msgpack", "x"),
            ("application/x-www-form-urlencoded; charset=utf-16", "t\0e\0"),
            ("multipart/form-data; boundary=x; charset=utf-7", "x"),
            ("application/x-www-form-urlencoded; charset=utf-8; charset=utf-16", "t\0e\0"),
            ("application/form", "tenant=b"),
        ] {
            assert_eq!(verdict(media_type, body.as_bytes()), Some(Reason::BodyInvalid), "{media_type} {body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        let gzip = check(&headers, b"x", ["tenant"].into_iter()).map_err(|denial| denial.reason);
        assert_eq!(gzip, Err(Reason::BodyInvalid));
        headers.clear();
        headers.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.append(CONTENT_TYPE, HeaderValue::from_static(FORM));
        let twice = check(&headers, b"x", ["tenant"].into_iter()).map_err(|denial| denial.reason);
        assert_eq!(twice, Err(Reason::BodyInvalid));
    }

    proptest! {
        /// `form_urlencoded` is what Rust's services read forms with.
        #[test]
        fn no_form_that_a_reader_finds_it_in_passes(body in "(tenant|Tenant|%74|ten|ant|[&=;+\\[\\]]|%5B|%00|x){0,12}") {
            let found = form_urlencoded::parse(body.as_bytes()).any(|(name, _)| name == "tenant");
            prop_assert!(!found || verdict(FORM, body.as_bytes()) == Some(Reason::Ambiguous), "{body}");
        }

        #[test]
        fn no_object_that_a_reader_finds_it_in_passes(body in r#"(\{|\}|"tenant"|"\\u0074enant"|"a"|:|,|1|\[|\]| ){0,14}"#) {
            let found = serde_json::from_str::<serde_json::Value>(&body).is_ok_and(|value| value.get("tenant").is_some());
            prop_assert!(!found || verdict("application/json", body.as_bytes()) == Some(Reason::Ambiguous), "{body}");
        }
    }
}
