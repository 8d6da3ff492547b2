//! JSON objects whose keys stay in the order in which they are told: clients of the reference see it.

use serde::Serialize;

/// An object that is being written, compact as the reference writes it.
#[derive(Debug)]
pub struct Object(Vec<u8>);

/// What the two ends of lines in JavaScript begin with, in UTF-8.
const LINE_END: u8 = 0xe2;

impl Default for Object {
    fn default() -> Self {
        let mut text = Vec::with_capacity(512);
        text.push(b'{');
        Self(text)
    }
}

impl Object {
    pub fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        let begin = self.0.len();
        // Nothing that is told here has keys that are no texts, or fails to be serialized.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(begin);
            self.0.extend_from_slice(b"null");
        }
        // As Django REST framework does: both end lines in JavaScript.
        if self.0.get(begin..).is_some_and(|json| json.contains(&LINE_END)) {
            let json = String::from_utf8(self.0.split_off(begin)).unwrap_or_default();
            let json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            self.0.extend_from_slice(json.as_bytes());
        }
    }

    /// A value that is JSON already.
    pub fn put_json(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// A list of what is JSON already.
    pub fn put_list(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        self.name(name);
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(item.as_bytes());
        }
        self.0.push(b']');
    }

    /// Another object, filled where it stands.
    pub fn put_object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.object(fill);
    }

    /// A list of objects, each filled where it stands.
    pub fn put_objects<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, fill: impl Fn(&mut Self, T)) {
        self.name(name);
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.object(|object| fill(object, item));
        }
        self.0.push(b']');
    }

    fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
    }

    fn name(&mut self, name: &str) {
        // Only what was just begun has nothing yet.
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    #[must_use]
    pub fn end(mut self) -> String {
        self.0.push(b'}');
        // Nothing but texts was put there.
        String::from_utf8(self.0).unwrap_or_default()
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
