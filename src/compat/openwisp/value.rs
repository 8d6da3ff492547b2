//! What a body says, as Python would hold it: that is what error texts and numbers used as texts come from.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A whole number of any size, in its digits.
    Int(String),
    Float(f64),
    Text(Text),
    List(Vec<Value>),
    Object(Fields),
    /// A part of a multipart form that is a file.
    File,
}

/// A text. Half a surrogate pair, which JSON can name but no text can hold, stands in it as U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text {
    pub text: String,
    pub surrogate: Option<u16>,
}

/// Fields in the order in which they came; where one came twice, the last counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    entries: Vec<(String, Value)>,
    /// They are of a form, in which what was not ticked is not there.
    is_form: bool,
}

impl Fields {
    /// The fields of a form.
    #[must_use]
    pub fn of_form(entries: Vec<(String, Value)>) -> Self {
        Self { entries, is_form: true }
    }

    #[must_use]
    pub fn is_form(&self) -> bool {
        self.is_form
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.entries.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// What a form says of a field's own fields: `owner.user` is `user` of `owner`.
    #[must_use]
    pub fn nested(&self, name: &str) -> Self {
        let inner = |(field, value): &(String, Value)| {
            let inner = field.strip_prefix(name)?.strip_prefix('.').filter(|inner| !inner.is_empty())?;
            Some((inner.to_owned(), value.clone()))
        };
        Self { entries: self.entries.iter().filter_map(inner).collect(), is_form: self.is_form }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// What was written into a field of a form; nothing where it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Value {
    /// The text, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// What Python calls its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Object(_) => "dict",
            Self::File => "InMemoryUploadedFile",
        }
    }
}

/// As bytes, in which `serde_json` leaves half pairs as if they were characters (WTF-8).
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                let surrogate = bytes.windows(3).find_map(|bytes| match *bytes {
                    [0xed, second @ 0xa0..=0xbf, third] => {
                        Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
                    }
                    _ => None,
                });
                Ok(Text { text: String::from_utf8_lossy(bytes).into_owned(), surrogate })
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Text { text, surrogate: None })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Fields {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn insert(&mut self, name: String, value: Value) {
        self.entries.push((name, value));
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self { entries: fields.into_iter().collect(), is_form: false }
    }
}

/// A number as Python's `str()` writes it: the shortest digits that mean it, with an exponent from 1e16 on and below 1e-4.
#[must_use]
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) || number == 0.0 {
        let plain = format!("{number}");
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::float;

    /// As Python 3.11 writes them.
    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e5, "100000.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (1e-5, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (f64::INFINITY, "inf"),
            (-f64::INFINITY, "-inf"),
        ] {
            assert_eq!(float(number), text);
        }
    }
}
