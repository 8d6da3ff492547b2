//! Names a place in a document: a member of the outermost object, or what a JSON pointer (RFC 6901) leads to; `*` is every element of a
//! list.

use std::fmt;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(Box<[Box<str>]>);

/// Steps of a pointer, at most.
const MOST: usize = 16;

impl Pointer {
    /// Reads what stands behind `body.` in a policy; `None` where that is no place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | ',');
        if !text.chars().all(is_plain) {
            return None;
        }
        let steps: Box<[Box<str>]> = match text.strip_prefix('/') {
            Some(path) => path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect(),
            None => [text.into()].into(),
        };
        let is_good = !steps.is_empty() && steps.len() <= MOST && steps.iter().all(|step| !step.is_empty());
        is_good.then_some(Self(steps))
    }

    /// The member of the outermost object that has this name.
    #[must_use]
    pub fn to(name: &str) -> Self {
        Self([name.into()].into())
    }

    #[must_use]
    pub const fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether it leads through all elements of a list.
    #[must_use]
    pub fn has_elements(&self) -> bool {
        self.0.iter().any(|step| &**step == "*")
    }

    /// How many lists both lead through the same elements of.
    #[must_use]
    pub fn shared_elements(&self, other: &Self) -> usize {
        let shared = self.0.iter().zip(&other.0).take_while(|(own, other)| own == other);
        shared.filter(|(step, _)| &***step == "*").count()
    }

    /// Puts a value where it leads to, into a document that is made up for a tool.
    pub fn put(&self, document: &mut serde_json::Value, value: serde_json::Value) {
        let mut place = document;
        for step in &self.0 {
            if &**step == "*" {
                if !place.is_array() {
                    *place = serde_json::Value::Array(vec![serde_json::Value::Null]);
                }
                let Some(first) = place.get_mut(0) else { return };
                place = first;
                continue;
            }
            if !place.is_object() {
                *place = serde_json::Value::Object(serde_json::Map::new());
            }
            let serde_json::Value::Object(map) = place else { return };
            place = map.entry(&**step).or_insert(serde_json::Value::Null);
        }
        *place = value;
    }
}

/// As a policy writes it, behind `body.`.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [name] if !name.contains(['/', '~']) && &**name != "*" => f.write_str(name),
            steps => steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))),
        }
    }
}
