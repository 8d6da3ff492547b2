//! The fields that an upstream says again and again, as it said them last: they need not be read anew.
//!
//! A field is looked for where it stood in the last answer. Its value is remembered until it changes once, if it is short
//! and no cookie; so what changes with each answer costs one comparison, once.

use http::header::{self, HeaderName, HeaderValue};

/// Fields that are remembered, at most.
const FIELDS: usize = 24;

/// A longer value is not remembered.
const VALUE: usize = 64;

/// A longer name is not remembered.
const NAME: usize = 64;

struct Field {
    /// The name as it was written.
    written: Box<[u8]>,
    name: HeaderName,
    value: Option<HeaderValue>,
}

/// What the last answers of one upstream said.
#[derive(Default)]
pub struct Known(Vec<Field>);

impl Known {
    /// The name of the field at a place of the head, and its value where it is known.
    pub(super) fn read(&mut self, at: usize, name: &[u8], value: &[u8]) -> Option<(HeaderName, Option<HeaderValue>)> {
        if let Some(field) = self.0.get_mut(at).filter(|field| *field.written == *name) {
            if field.value.as_ref().is_some_and(|known| known.as_bytes() != value) {
                field.value = None;
            }
            return Some((field.name.clone(), field.value.clone()));
        }
        let read = HeaderName::from_bytes(name).ok()?;
        let short = value.len() <= VALUE && read != header::SET_COOKIE;
        let known = if short { HeaderValue::from_bytes(value).ok() } else { None };
        let field = Field { written: name.into(), name: read.clone(), value: known };
        if name.len() <= NAME {
            if let Some(place) = self.0.get_mut(at) {
                *place = field;
            } else if at == self.0.len() && at < FIELDS {
                self.0.push(field);
            }
        }
        Some((read, None))
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn what_is_said_again_is_known_and_what_changes_is_not_kept() {
        let mut known = Known::default();
        let mut read = |name: &str, value: &str| {
            let (name, value) = known.read(0, name.as_bytes(), value.as_bytes()).unwrap();
            (name.to_string(), value.map(|value| value.to_str().unwrap().to_owned()))
        };
        assert_eq!(read("Server", "a"), ("server".into(), None));
        assert_eq!(read("Server", "a"), ("server".into(), Some("a".into())));
        assert_eq!(read("Server", "b"), ("server".into(), None));
        assert_eq!(read("Server", "a"), ("server".into(), None), "it changes");
        assert_eq!(read("SERVER", "a"), ("server".into(), None), "written in another way");
        assert_eq!(read("Set-Cookie", "a"), ("set-cookie".into(), None));
        assert_eq!(read("Set-Cookie", "a"), ("set-cookie".into(), None), "a cookie is somebody's");
        assert!(Known::default().read(0, b"a b", b"").is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut known = Known::default();
        for at in (0..1000).chain([5, 900]) {
            assert!(known.read(at, b"x-a", b"b").is_some());
        }
        assert_eq!(known.0.len(), super::FIELDS);
    }
}
