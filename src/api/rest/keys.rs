//! Keys of records: in paths as Django's converters take them, and in bodies as its related fields do.

use crate::compat::openwisp::value::Value;
use crate::id::OrgId;
use crate::phone::digit;
use std::collections::HashSet;
use uuid::Uuid;

/// `<uuid:pk>`: in lower case, with its dashes.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    let is_lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36 && is_lower)
}

/// `<int:pk>`: digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A number of a path; one that no record can have where it is too great.
pub(super) fn number(text: &str) -> i64 {
    text.parse().unwrap_or(i64::MAX)
}

/// The numbers that a list of keys may mean.
pub(super) fn numbers(keys: &[Value]) -> impl Iterator<Item = i64> {
    keys.iter().filter_map(as_number)
}

/// Numbers as Python's `int()` reads them; what is too great is the greatest.
fn as_number(key: &Value) -> Option<i64> {
    match key {
        Value::Int(digits) => whole(digits),
        Value::Text(text) => whole(&text.text),
        #[allow(clippy::cast_possible_truncation)]
        Value::Float(number) if number.is_finite() => Some(number.trunc() as i64),
        _ => None,
    }
}

/// A whole number as Python's `int()` reads it: blanks around it, a sign, digits of any script, `_` between them. What is too great is the
/// greatest.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text: String = text.trim().chars().map(|c| digit(c).unwrap_or(c)).collect();
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text.as_str()),
    };
    let is_number = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_number.then(|| digits.replace('_', "").parse::<i64>().map_or(i64::MAX, |number| sign * number))
}

/// The keys of a list, in their order and each once, where there are records with them; otherwise what is wrong with the first that is.
pub(super) fn known(keys: &[Value], there: &HashSet<i64>) -> Result<Vec<i64>, String> {
    let mut known = Vec::new();
    for key in keys {
        match as_number(key) {
            Some(number) if there.contains(&number) => {
                if !known.contains(&number) {
                    known.push(number);
                }
            }
            None if !matches!(key, Value::Null) => return Err(wrong_type(key)),
            _ => return Err(unknown(key)),
        }
    }
    Ok(known)
}

pub(super) fn wrong_type(key: &Value) -> String {
    format!("Incorrect type. Expected pk value, received {}.", key.kind())
}

fn unknown(key: &Value) -> String {
    format!("Invalid pk \"{}\" - object does not exist.", written(key))
}

fn written(key: &Value) -> String {
    match key {
        Value::Int(digits) => digits.clone(),
        Value::Float(number) => crate::compat::openwisp::value::float(*number),
        Value::Text(text) => text.text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        other => other.kind().to_owned(),
    }
}

/// A UUID that a body names, and how it is told where there is no such record.
///
/// # Errors
/// It is none.
pub(super) fn named(keys: &[Value]) -> Result<(Uuid, String), String> {
    match keys.first() {
        Some(Value::Bool(_)) => Err("Incorrect type. Expected pk value, received bool.".to_owned()),
        Some(key @ Value::Int(digits)) => match digits.parse() {
            Ok(number) => Ok((Uuid::from_u128(number), unknown(key))),
            Err(_) => Err(format!("“{digits}” is not a valid UUID.")),
        },
        Some(key) => {
            let text = written(key);
            let plain = text.replace("urn:", "").replace("uuid:", "");
            let digits = plain.trim_matches(['{', '}']).replace('-', "");
            match Uuid::try_parse(&digits).ok().filter(|_| digits.len() == 32) {
                Some(id) => Ok((id, format!("Invalid pk \"{text}\" - object does not exist."))),
                None => Err(format!("“{text}” is not a valid UUID.")),
            }
        }
        None => Err("This field is required.".to_owned()),
    }
}

/// The same, of an organization.
pub(super) fn organization(keys: &[Value]) -> Result<(OrgId, String), String> {
    named(keys).map(|(id, unknown)| (OrgId(id), unknown))
}

#[cfg(test)]
mod tests {
    use super::{is_number, known, named, uuid};
    use crate::compat::openwisp::value::Value;
    use std::collections::HashSet;

    #[test]
    fn keys_of_paths_are_those_of_django_s_converters() {
        assert!(uuid("10000000-0000-4000-8000-0000000000aa").is_some());
        for text in ["10000000-0000-4000-8000-0000000000AA", "10000000000040008000000000000001", "x", ""] {
            assert!(uuid(text).is_none(), "{text}");
        }
        assert!(is_number("007") && !is_number("-1") && !is_number("") && !is_number("x"));
    }

    #[test]
    fn keys_of_bodies_are_told_by_the_first_that_is_wrong() {
        let there = HashSet::from([1, 2]);
        let int = |digits: &str| Value::Int(digits.to_owned());
        assert_eq!(known(&[int("1"), " +0_2 ".into(), int("1")], &there), Ok(vec![1, 2]));
        // As Python 3.11 and Django 5.2 read them: Arabic, full width, mathematical.
        assert_eq!(known(&["\u{661}".into(), "\u{ff12}".into(), "\u{1d7d9}".into()], &there), Ok(vec![1, 2]));
        for (key, problem) in [
            (int("999"), "Invalid pk \"999\" - object does not exist."),
            ("x".into(), "Incorrect type. Expected pk value, received str."),
            (Value::Bool(true), "Incorrect type. Expected pk value, received bool."),
            (Value::Null, "Invalid pk \"None\" - object does not exist."),
            ("1\u{b2}".into(), "Incorrect type. Expected pk value, received str."),
            ("".into(), "Incorrect type. Expected pk value, received str."),
            ("99999999999999999999".into(), "Invalid pk \"99999999999999999999\" - object does not exist."),
        ] {
            assert_eq!(known(&[key, int("777")], &there), Err(problem.to_owned()));
        }
        assert_eq!(named(&["x".into()]), Err("“x” is not a valid UUID.".to_owned()));
        assert!(named(&["{10000000-0000-4000-8000-0000000000AA}".into()]).is_ok());
    }
}
