//! What a service's answer says of the object that a lookup asks for: read as strictly as a body that decides.
//!
//! Whatever is not exactly what the lookup expects is a failure, and never an object that belongs to nobody.

use super::json::{self, Absent, Expected, Field, Problem};
use super::media_type;
use super::need::LookupFailure;
use crate::answers::is_json;
use crate::facts::{Column, Object};
use crate::policy::{Pointer, Resource};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

const EXPECTED: Expected = Expected::one(Absent::Problem);

/// Reads an answer that was found.
///
/// # Errors
/// It cannot be read, or does not say what it should.
pub fn looked_up(headers: &HeaderMap, body: &[u8], resource: &Resource) -> Result<Object, LookupFailure> {
    let is_plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(LookupFailure("the answer to the lookup is encoded, which was not asked for"));
    }
    match media_type::read(headers) {
        Ok(Some(media_type)) if is_json(&media_type) => {}
        _ => return Err(LookupFailure("the answer to the lookup is not `application/json` in UTF-8")),
    }
    let organization = match one(json::read_one(body, &resource.organization, EXPECTED, json::leaf))? {
        Field::Null => Column::Null,
        Field::Text(text) => Column::Text(text),
    };
    let mut columns = Vec::with_capacity(resource.columns.len() + 1);
    columns.push(("organization".into(), organization));
    for (name, pointer) in &resource.columns {
        columns.push((name.clone(), column(body, pointer)?));
    }
    Ok(Object::new(columns))
}

fn column(body: &[u8], pointer: &Pointer) -> Result<Column, LookupFailure> {
    one(json::read_one(body, pointer, EXPECTED, |raw| {
        Some(match raw {
            "null" => Column::Null,
            "true" => Column::Flag(true),
            "false" => Column::Flag(false),
            _ if raw.starts_with(['"', '{', '[']) => Column::Text(serde_json::from_str(raw).ok()?),
            _ => match (raw.parse(), raw.parse::<f64>()) {
                (Ok(whole), _) => Column::Whole(whole),
                // A key that is too long for a number is not rounded to another one.
                _ if raw.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Column::Text(raw.into()),
                (Err(_), Ok(number)) if number.is_finite() => Column::Number(number),
                _ => return None,
            },
        })
    }))
}

/// The one value at a place: where there is none, nothing is known.
fn one<T>(found: Result<Vec<T>, Problem>) -> Result<T, LookupFailure> {
    let mut found = found.map_err(|problem| {
        LookupFailure(match problem {
            Problem::NotUtf8 | Problem::NotJson => "the answer to the lookup is not one JSON document",
            Problem::Twice => "the answer to the lookup says twice what is asked of it, or in another spelling",
            Problem::NoName => "what the answer to the lookup says is neither a text nor a number nor null",
            Problem::TooManyValues | Problem::Missing => ABSENT,
        })
    })?;
    found.pop().ok_or(LookupFailure(ABSENT))
}

const ABSENT: &str = "the answer to the lookup does not say what is asked of it";
