//! What editors should know of `postern.yaml`: a JSON Schema (draft 07, which YAML language servers read best).
//!
//! The rows of the keys (`keys!`) say each once, with its words and its shape; here shapes become JSON. That the readers take what shapes
//! say, a test finds out by asking them. What a schema cannot say, `postern check --config` does.

mod settings;

pub use settings::{Setting, settings};

#[cfg(test)]
mod tests;

use super::keys::{Key, Section, Shape};
use super::{Config, secret};
use serde_json::{Map, Value as Json, json};

#[must_use]
pub fn config() -> Json {
    let Json::Object(mut schema) = Shape::Map(Config::KEYS, 0).json() else { return Json::Null };
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "postern configuration",
        "description": "Every key may be left out. A variable POSTERN__<PATH> overrides a key.",
    });
    if let Json::Object(head) = head {
        schema.extend(head);
    }
    Json::Object(schema)
}

impl Shape {
    fn json(&self) -> Json {
        let texts = |item: Json| json!({ "anyOf": [item, { "type": "array", "items": item }] });
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Texts => texts(json!({ "type": "string" })),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Count(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
            Self::Ratio => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            Self::Time => json!({ "anyOf": [{ "const": 0 }, { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }] }),
            Self::Size => json!({
                "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" }],
            }),
            Self::Rate => {
                json!({ "type": "string", "pattern": "^(none|[0-9]+/(s|sec|second|m|min|minute|h|hour|d|day))$" })
            }
            Self::Mode => json!({ "type": ["integer", "string"], "pattern": "^[0-7]{3,4}$" }),
            Self::Words(words) => json!({ "enum": words }),
            Self::SomeOf(words) => texts(json!({ "enum": words })),
            Self::Secret => json!({
                "anyOf": [Self::Map(secret::KEYS, 0).json(), { "description": "The secret itself, against advice.", "type": "string" }],
            }),
            Self::Map(keys, required) => {
                let property = |Key(name, words, shape): &Key| ((*name).to_owned(), described(shape.json(), words));
                let required: Vec<&str> = keys.iter().take(*required).map(|Key(name, ..)| *name).collect();
                let properties: Map<String, Json> = keys.iter().map(property).collect();
                let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
                if let (Some(object), false) = (schema.as_object_mut(), required.is_empty()) {
                    object.insert("required".to_owned(), json!(required));
                }
                schema
            }
            Self::Named(shape) => json!({ "type": "object", "additionalProperties": shape.json() }),
            Self::List(shape) => json!({ "type": "array", "items": shape.json() }),
            Self::Any(shapes) => json!({ "anyOf": shapes.iter().map(Self::json).collect::<Vec<_>>() }),
        }
    }
}

fn described(mut schema: Json, words: &str) -> Json {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), words.into());
    }
    schema
}
