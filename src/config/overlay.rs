//! File < environment < flags, in one tree whose values know where they came from.

use super::{ConfigError, Sources};
use crate::yaml::{self, Entry, Findings, Key, Map, Node, Span, Value};

/// What a variable's name begins with. Two underscores: Kubernetes injects `POSTERN_PORT` and its like for a Service that
/// is named postern.
pub(super) const PREFIX: &str = "POSTERN__";

/// Reads all sources into one tree.
pub(super) fn merge(sources: &Sources, findings: &mut Findings) -> Result<Map, ConfigError> {
    let mut tree = Map { entries: Vec::new() };
    if let Some(path) = &sources.file {
        let text = yaml::read(path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        // Every key may be left out, all of them too.
        let says_nothing = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let file = findings.add_source(path.display().to_string(), text);
        if !says_nothing
            && let Some(node) = yaml::parse(findings, file)
            && let Some(map) = node.expect_map("the configuration", findings)
        {
            tree = map.clone();
        }
    }
    for (name, value) in &sources.environment {
        let path = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
        overlay(&mut tree, name, &path, "__", value, findings);
    }
    for (flag, path, value) in &sources.flags {
        overlay(&mut tree, flag, path, ".", value, findings);
    }
    Ok(tree)
}

/// Puts `value` (YAML) at `path`, making the maps on the way.
fn overlay(tree: &mut Map, name: &str, path: &str, separator: &str, value: &str, findings: &mut Findings) {
    let file = findings.add_setting(name, value);
    let Some(node) = yaml::parse(findings, file) else { return };
    let span = node.span;
    let mut map = tree;
    let mut node = Some(node);
    let mut steps = path.split(separator).peekable();
    while let Some(step) = steps.next() {
        let at = map.entries.iter().position(|entry| entry.key.text == step).unwrap_or_else(|| {
            map.entries.push(Entry { key: Key { text: step.to_owned(), span }, value: empty(span) });
            map.entries.len() - 1
        });
        let Some(entry) = map.entries.get_mut(at) else { return };
        if steps.peek().is_none() {
            if let Some(node) = node.take() {
                entry.value = node;
                // An unknown key is reported where it was written: in the variable.
                entry.key.span = span;
            }
            return;
        }
        if !matches!(entry.value.value, Value::Map(_)) {
            entry.value = empty(span);
        }
        let Value::Map(inner) = &mut entry.value.value else { return };
        map = inner;
    }
}

fn empty(span: Span) -> Node {
    Node { value: Value::Map(Map { entries: Vec::new() }), span }
}
