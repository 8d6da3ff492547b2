//! JSON objects whose keys stay in the order in which they are told: clients of the reference see it.

use serde::Serialize;

/// An object that is being written, compact as the reference writes it.
#[derive(Debug)]
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self("{".to_owned())
    }
}

impl Object {
    pub fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        // Nothing that is told here has keys that are no texts, or fails to be serialized.
        let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        // As Django REST framework does: both end lines in JavaScript.
        if json.contains(['\u{2028}', '\u{2029}']) {
            return self.put_json(name, &json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
        }
        self.put_json(name, &json);
    }

    /// A value that is JSON already.
    pub fn put_json(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    #[must_use]
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of what is JSON already.
#[must_use]
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut text = "[".to_owned();
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text + "]"
}
