//! One line of the audit log.

use crate::id::UserId;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "via", rename_all = "lowercase")]
pub enum Who {
    /// Somebody at the command line.
    Cli {
        /// The process's user id, from the system.
        uid: u32,
        /// The name that the environment tells; anybody can set it.
        name: Option<String>,
    },
    /// A user of ours, by the identity API.
    Api {
        user: UserId,
    },
    Server,
}

impl Who {
    #[must_use]
    pub fn at_the_command_line() -> Self {
        use std::os::unix::fs::MetadataExt;
        let uid = std::fs::metadata("/proc/self").map_or(u32::MAX, |of| of.uid());
        let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        Self::Cli { uid, name: name.filter(|name| !name.is_empty()) }
    }
}

/// Fields that change with every edit, and say nothing; and those that follow from others.
const BOOKKEEPING: [&str; 5] = ["modified", "modified_micros", "last_used", "level", "state"];
/// Last words of the names of fields whose values nobody may read here. Records hold none today.
const HIDDEN: [&str; 5] = ["password", "digest", "hash", "secret", "encrypted"];

/// Appends a line: when, who, what, before, after, and which fields differ.
pub fn entry(
    lines: &mut Vec<u8>,
    now: Duration,
    who: &Who,
    action: &str,
    asked: Option<&Value>,
    before: &Value,
    after: &Value,
) {
    let mut line = Map::new();
    line.insert("ts".to_owned(), json!(now.as_secs_f64()));
    line.insert("who".to_owned(), json!(who));
    line.insert("what".to_owned(), json!(action));
    if let Some(asked) = asked {
        line.insert("asked".to_owned(), asked.clone());
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let changed: Vec<&String> = differing(old, new).map(|(key, _)| key).collect();
        line.insert("changed".to_owned(), json!(changed));
    }
    line.insert("before".to_owned(), shown(before));
    line.insert("after".to_owned(), shown(after));
    lines.extend_from_slice(Value::Object(line).to_string().as_bytes());
    lines.push(b'\n');
}

/// The new fields that are others than the old.
fn differing<'r>(
    old: &'r Map<String, Value>,
    new: &'r Map<String, Value>,
) -> impl Iterator<Item = (&'r String, &'r Value)> {
    new.iter().filter(|(key, value)| old.get(*key) != Some(*value) && !BOOKKEEPING.contains(&key.as_str()))
}

/// Which fields a change changes, from what to what; of a new record, its fields.
pub(in crate::directory) fn changes(before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
    let nothing = Map::new();
    let Value::Object(new) = after else { return Vec::new() };
    let old = before.as_object().unwrap_or(&nothing);
    let mut all = Vec::new();
    for (key, value) in differing(old, new) {
        let was = old.get(key).unwrap_or(&Value::Null);
        match (was, value) {
            // The installation's own, each by itself.
            (Value::Object(was), Value::Object(is)) => {
                let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
                let of = |from: &Map<String, Value>, name: &String| from.get(name).cloned().unwrap_or_default();
                let each = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
                all.extend(each.map(|name| (format!("{key}.{name}"), of(was, name), of(is, name))));
            }
            _ => all.push((key.clone(), shown_as(key, was), shown_as(key, value))),
        }
    }
    all
}

fn shown_as(key: &str, value: &Value) -> Value {
    let is_hidden = HIDDEN.iter().any(|word| key.ends_with(word)) && !matches!(value, Value::Null | Value::Bool(_));
    if is_hidden { json!("(hidden)") } else { value.clone() }
}

fn shown(record: &Value) -> Value {
    let Value::Object(fields) = record else { return record.clone() };
    let show = |(key, value): (&String, &Value)| (key.clone(), shown_as(key, value));
    Value::Object(fields.iter().filter(|(key, _)| !BOOKKEEPING.contains(&key.as_str())).map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_what_before_and_after_and_hides_what_is_secret() {
        let mut lines = Vec::new();
        let who = Who::Cli { uid: 7, name: Some("ann".into()) };
        let before = json!({ "id": 1, "name": "a", "password": "old", "modified": 1 });
        let after = json!({ "id": 1, "name": "b\n", "password": "new", "modified": 2 });
        entry(&mut lines, Duration::from_millis(1500), &who, "user.edit", None, &before, &after);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line: Value = serde_json::from_slice(&lines).unwrap();
        assert_eq!(
            line,
            json!({
                "ts": 1.5, "who": { "via": "cli", "uid": 7, "name": "ann" }, "what": "user.edit",
                "changed": ["name", "password"],
                "before": { "id": 1, "name": "a", "password": "(hidden)" },
                "after": { "id": 1, "name": "b\n", "password": "(hidden)" },
            })
        );
    }
}
