//! Fields as Django REST framework takes them: what is text, what is blank, and what is said when it is not.

use super::object::list;
pub use super::value::Fields;
use super::value::{self, Value};
use serde_json::json;

/// Errors by field, in the order in which they were noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(String, FieldError)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum FieldError {
    Message(String),
    /// Of a field's own fields.
    Within(FieldErrors),
    /// Of each of a list.
    Each(Vec<FieldErrors>),
}

impl FieldErrors {
    /// One error that concerns no field of its own.
    #[must_use]
    pub fn of_all(message: &str) -> Self {
        Self::of("non_field_errors", message)
    }

    /// One error of one field.
    #[must_use]
    pub fn of(field: &str, message: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), FieldError::Message(message.into()))])
    }

    /// Notes an error of a field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push((field.to_owned(), FieldError::Message(message.into())));
    }

    /// Notes the errors of a field's own fields, where there are any; before those that are known, since keys stand first in objects.
    pub fn add_within(&mut self, field: &str, errors: Self) {
        let known = self.0.iter_mut().find_map(|(name, error)| match error {
            FieldError::Within(known) if name == field => Some(known),
            _ => None,
        });
        match known {
            Some(known) => drop(known.0.splice(0..0, errors.0)),
            None if errors.is_empty() => {}
            None => self.0.push((field.to_owned(), FieldError::Within(errors))),
        }
    }

    /// Notes the errors of each object of a list.
    pub fn add_each(&mut self, field: &str, each: Vec<Self>) {
        self.0.push((field.to_owned(), FieldError::Each(each)));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn concerns(&self, field: &str) -> bool {
        self.0.iter().any(|(known, _)| known == field)
    }

    /// Brings them into the order of the operation's fields, however they were found.
    #[must_use]
    pub fn in_order_of(mut self, fields: impl Fn(&str) -> usize) -> Self {
        self.0.sort_by_key(|(field, _)| fields(field));
        self
    }

    /// `{"field":["message"]}`, in their order: clients see it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields: Vec<(&str, Vec<&str>, Option<String>)> = Vec::new();
        for (field, error) in &self.0 {
            let at = fields.iter().position(|(known, ..)| known == field).unwrap_or_else(|| {
                fields.push((field, Vec::new(), None));
                fields.len() - 1
            });
            if let Some((_, messages, within)) = fields.get_mut(at) {
                match error {
                    FieldError::Message(message) => messages.push(message),
                    FieldError::Within(errors) => *within = Some(errors.to_json()),
                    FieldError::Each(each) => *within = Some(list(each.iter().map(Self::to_json))),
                }
            }
        }
        let fields = fields.into_iter().map(|(field, messages, within)| {
            let errors = within.unwrap_or_else(|| json!(messages).to_string());
            format!("{}:{errors}", json!(field))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct TextField {
    pub name: &'static str,
    /// Whether it must be there, and not blank.
    pub required: bool,
    /// Whether blanks around it are dropped.
    pub trim: bool,
}

impl TextField {
    /// Reads it; what is wrong is in `errors`.
    pub fn read(&self, fields: &Fields, errors: &mut FieldErrors) -> Option<String> {
        let (text, surrogate) = match self.check(fields.get(self.name)) {
            Ok(Some((text, surrogate))) => (text, surrogate),
            Ok(None) => return None,
            Err(message) => {
                errors.add(self.name, message);
                return None;
            }
        };
        let has_null = text.contains('\0');
        if has_null {
            errors.add(self.name, "Null characters are not allowed.");
        }
        if let Some(surrogate) = surrogate {
            errors.add(self.name, format!("Surrogate characters are not allowed: U+{surrogate:X}."));
        }
        (!has_null && surrogate.is_none()).then_some(text)
    }

    fn check(&self, value: Option<&Value>) -> Result<Option<(String, Option<u16>)>, &'static str> {
        let (text, surrogate) = match value {
            None if self.required => return Err("This field is required."),
            None => return Ok(None),
            Some(Value::Null) if self.required => return Err("This field may not be null."),
            Some(Value::Null) => return Ok(None),
            Some(Value::Text(text)) => (text.text.clone(), text.surrogate),
            Some(Value::Int(digits)) => (digits.clone(), None),
            Some(Value::Float(number)) => (value::float(*number), None),
            Some(_) => return Err("Not a valid string."),
        };
        let text = if self.trim { trimmed(&text).to_owned() } else { text };
        if text.is_empty() {
            return if self.required { Err("This field may not be blank.") } else { Ok(None) };
        }
        Ok(Some((text, surrogate)))
    }
}

/// Without what Python calls blank at its ends: the separators of ASCII are that too.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::{FieldErrors, Fields, TextField};
    use crate::compat::openwisp::charset::Charset;
    use crate::compat::openwisp::json;

    fn fields(text: &str) -> Fields {
        json::fields(text.as_bytes(), Charset::UTF8).unwrap()
    }

    #[test]
    fn a_text_field_takes_texts_and_numbers_and_says_what_it_does_not_take() {
        let trimmed = TextField { name: "x", required: true, trim: true };
        for (body, text) in [
            (r#"{"x": " ann "}"#, Ok("ann")),
            (r#"{"x": "\u001f\u00a0ann\u001c\u3000"}"#, Ok("ann")),
            (r#"{"x": "\u200bann"}"#, Ok("\u{200b}ann")),
            (r#"{"x": 12345}"#, Ok("12345")),
            (r#"{"x": 1e16}"#, Ok("1e+16")),
            (r#"{"x": 12345678901234567890123}"#, Ok("12345678901234567890123")),
            ("{}", Err("This field is required.")),
            (r#"{"x": null}"#, Err("This field may not be null.")),
            (r#"{"x": "  "}"#, Err("This field may not be blank.")),
            (r#"{"x": true}"#, Err("Not a valid string.")),
            (r#"{"x": ["a"]}"#, Err("Not a valid string.")),
            (r#"{"x": "a\u0000b"}"#, Err("Null characters are not allowed.")),
            (r#"{"x": "\ud800b"}"#, Err("Surrogate characters are not allowed: U+D800.")),
            (
                r#"{"x": "\udc00\u0000\ud800"}"#,
                Err("Null characters are not allowed.\",\"Surrogate characters are not allowed: U+DC00."),
            ),
        ] {
            let mut errors = FieldErrors::default();
            let read = trimmed.read(&fields(body), &mut errors);
            match text {
                Ok(text) => assert_eq!((read.as_deref(), errors.is_empty()), (Some(text), true)),
                Err(message) => assert_eq!(errors.to_json(), format!("{{\"x\":[\"{message}\"]}}")),
            }
        }
        let raw = TextField { trim: false, ..trimmed };
        let read = raw.read(&fields(r#"{"x": "   "}"#), &mut FieldErrors::default());
        assert_eq!(read.as_deref(), Some("   "));
    }
}
