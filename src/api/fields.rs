//! Fields as Django REST framework takes them: what is text, what is blank, and what is said when it is not.

use serde_json::{Map, Value, json};

/// What a body says, by field; where a field came twice, the last.
pub type Fields = Map<String, Value>;

/// Errors by field, in the order of the operation's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(String, String)>);

impl FieldErrors {
    /// One error that concerns no field of its own.
    #[must_use]
    pub fn of_all(message: &str) -> Self {
        Self(vec![("non_field_errors".to_owned(), message.to_owned())])
    }

    /// Notes an error of a field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push((field.to_owned(), message.into()));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `{"field":["message"]}`, in the order of the fields: clients see it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
        for (field, message) in &self.0 {
            match fields.iter_mut().find(|(known, _)| known == field) {
                Some((_, messages)) => messages.push(message),
                None => fields.push((field, vec![message])),
            }
        }
        let fields = fields.iter().map(|(field, messages)| format!("{}:{}", json!(field), json!(messages)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

/// A text field.
#[derive(Clone, Copy, Debug)]
pub struct TextField {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there, and not blank.
    pub required: bool,
    /// Whether blanks around it are dropped.
    pub trim: bool,
}

impl TextField {
    /// Reads it; what is wrong is in `errors`.
    pub fn read(&self, fields: &Fields, errors: &mut FieldErrors) -> Option<String> {
        match self.check(fields.get(self.name)) {
            Ok(text) => text,
            Err(message) => {
                errors.add(self.name, message);
                None
            }
        }
    }

    fn check(&self, value: Option<&Value>) -> Result<Option<String>, &'static str> {
        let text = match value {
            None if self.required => return Err("This field is required."),
            None => return Ok(None),
            Some(Value::Null) if self.required => return Err("This field may not be null."),
            Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err("Not a valid string."),
        };
        let text = if self.trim { text.trim().to_owned() } else { text };
        if text.is_empty() {
            return if self.required { Err("This field may not be blank.") } else { Ok(None) };
        }
        if text.contains('\0') { Err("Null characters are not allowed.") } else { Ok(Some(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldErrors, TextField};
    use serde_json::json;

    #[test]
    fn a_text_field_takes_texts_and_numbers_and_says_what_it_does_not_take() {
        let trimmed = TextField { name: "x", required: true, trim: true };
        for (value, text) in [
            (json!({ "x": " ann " }), Ok("ann")),
            (json!({ "x": 12345 }), Ok("12345")),
            (json!({}), Err("This field is required.")),
            (json!({ "x": null }), Err("This field may not be null.")),
            (json!({ "x": "  " }), Err("This field may not be blank.")),
            (json!({ "x": true }), Err("Not a valid string.")),
            (json!({ "x": ["a"] }), Err("Not a valid string.")),
            (json!({ "x": "a\u{0}b" }), Err("Null characters are not allowed.")),
        ] {
            let mut errors = FieldErrors::default();
            let read = trimmed.read(value.as_object().unwrap(), &mut errors);
            match text {
                Ok(text) => assert_eq!((read.as_deref(), errors.is_empty()), (Some(text), true)),
                Err(message) => assert_eq!(errors.to_json(), format!("{{\"x\":[\"{message}\"]}}")),
            }
        }
        let raw = TextField { trim: false, ..trimmed };
        let read = raw.read(json!({ "x": "   " }).as_object().unwrap(), &mut FieldErrors::default());
        assert_eq!(read.as_deref(), Some("   "));
    }
}
