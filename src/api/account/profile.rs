//! What people say of themselves: the fields of a user that the directory lets them write, as a form and back. A field that becomes theirs
//! in the directory is in the form by that.

use crate::compat::openwisp::value::Fields;
use crate::directory::{DirectoryError, Field, Given, Input, Kind, UserEdit, UserRecord, Writer};
use crate::phone;

/// A field with what is in it.
pub(super) struct Line {
    pub name: &'static str,
    pub label: &'static str,
    pub value: String,
    /// The type of its input.
    pub kind: &'static str,
    pub autocomplete: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

fn theirs() -> impl Iterator<Item = &'static Field> {
    UserEdit::fields().filter(|field| field.writer == Writer::Oneself && matches!(field.kind, Kind::Text | Kind::Date))
}

/// The form as it was sent, or with what is kept; and what is wrong of it.
pub(super) fn lines(kept: &UserRecord, sent: Option<&Fields>, wrong: Option<(&str, &str)>) -> Vec<Line> {
    let kept = serde_json::to_value(kept).unwrap_or_default();
    let line = |field: &'static Field| {
        let value = || kept.get(field.name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let problem = wrong.filter(|(name, _)| *name == field.name || *name == field.word);
        Line {
            name: field.name,
            label: field.help,
            value: sent.map_or_else(value, |sent| sent.text(field.name).to_owned()),
            kind: match field.name {
                "phone_number" => "tel",
                _ if field.kind == Kind::Date => "date",
                _ => "text",
            },
            autocomplete: match field.name {
                "first_name" => "given-name",
                "last_name" => "family-name",
                "birth_date" => "bday",
                "phone_number" => "tel",
                "company" => "organization",
                "url" => "url",
                "language" => "language",
                _ => "off",
            },
            problem: problem.map(|(_, problem)| problem.to_owned()).unwrap_or_default(),
        }
    };
    theirs().map(line).collect()
}

/// What the form changes. A phone number is one that some country has, as the API wants it; what was kept may stay as it is.
///
/// # Errors
/// [`DirectoryError::Invalid`]: a field is not of its shape.
pub(super) fn edit(sent: &Fields, kept: &UserRecord) -> Result<UserEdit, DirectoryError> {
    let mut given = Vec::new();
    for field in theirs() {
        let mut text = sent.text(field.name).trim().to_owned();
        if field.name == "phone_number" {
            if text == kept.phone_number.as_deref().unwrap_or_default() {
                continue;
            }
            if !text.is_empty() {
                let number = phone::e164(&text);
                text = number
                    .ok_or_else(|| DirectoryError::invalid(field.name, "The phone number entered is not valid."))?;
            }
            given.push(("phone_blank", Given::Flag(false)));
        }
        given.push((field.name, Given::Text(text)));
    }
    UserEdit::read(given)
}
