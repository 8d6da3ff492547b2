//! What a configuration says, key by key, so that two of them can be compared without keeping either.

use crate::yaml::{Map, Node, Value};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A digest of every value by its key: the first step of its path, or the first two (`limits.body`). For this process alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(BTreeMap<String, u64>);

impl Written {
    /// What a merged tree says.
    pub(super) fn of(tree: &Map) -> Self {
        let mut digests = BTreeMap::new();
        for entry in &tree.entries {
            let key = &entry.key.text;
            match &entry.value.value {
                Value::Map(inner) => {
                    let path = |inner: &str| format!("{key}.{inner}");
                    digests.extend(inner.entries.iter().map(|e| (path(&e.key.text), digest(&e.value))));
                }
                _ => drop(digests.insert(key.clone(), digest(&entry.value))),
            }
        }
        Self(digests)
    }

    /// The keys that only one of them has, or that have another value in the other.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut keys: Vec<&String> =
            self.0.iter().filter(|(key, d)| other.0.get(*key) != Some(*d)).map(|(k, _)| k).collect();
        keys.extend(other.0.keys().filter(|key| !self.0.contains_key(*key)));
        keys.sort();
        keys.into_iter().cloned().collect()
    }
}

fn digest(node: &Node) -> u64 {
    fn add(node: &Node, hasher: &mut DefaultHasher) {
        match &node.value {
            Value::Scalar(scalar) => (1, &scalar.text).hash(hasher),
            Value::Seq(list) => {
                (2, list.len()).hash(hasher);
                list.iter().for_each(|node| add(node, hasher));
            }
            Value::Map(map) => {
                (3, map.entries.len()).hash(hasher);
                for entry in &map.entries {
                    entry.key.text.hash(hasher);
                    add(&entry.value, hasher);
                }
            }
            Value::Null | Value::Faulty => 4.hash(hasher),
        }
    }
    let mut hasher = DefaultHasher::new();
    add(node, &mut hasher);
    hasher.finish()
}
