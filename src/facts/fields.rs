//! Fields of a user that the installation declares.

use super::Value;
use http::HeaderValue;

/// The fields of one user, by name.
#[derive(Clone, Debug)]
pub struct UserFields {
    json: Box<str>,
    all: Box<[(Box<str>, FieldValue)]>,
}

/// A field's value.
#[derive(Clone, Debug)]
pub enum FieldValue {
    /// Texts, and dates.
    Text(Value),
    Number(i64, HeaderValue),
    Flag(bool),
}

impl UserFields {
    /// Reads what is kept; `None` where that is nothing.
    #[must_use]
    pub fn parse(json: &str) -> Option<Box<Self>> {
        if json == "{}" {
            return None;
        }
        let kept: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(json).ok()?;
        let value = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Some(FieldValue::Text(Value::new(text))),
            serde_json::Value::Bool(flag) => Some(FieldValue::Flag(*flag)),
            serde_json::Value::Number(number) => number.as_i64().map(|n| FieldValue::Number(n, n.into())),
            _ => None,
        };
        let all = kept.iter().filter_map(|(name, kept)| Some((name.as_str().into(), value(kept)?))).collect();
        Some(Box::new(Self { json: json.into(), all }))
    }

    /// As they are kept.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    #[must_use]
    pub fn all(&self) -> &[(Box<str>, FieldValue)] {
        &self.all
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.all.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}

impl FieldValue {
    /// The bytes of it in a header.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.header().as_bytes(),
            Self::Number(_, header) => header.as_bytes(),
            Self::Flag(true) => b"true",
            Self::Flag(false) => b"false",
        }
    }
}
