//! `unfiltered:` — media types of answers that nobody can filter, and that go on all the same.

use crate::answers::is_read;
use crate::yaml::{Findings, Node};
use std::sync::Arc;

/// `[text/csv, text/html]`
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Arc<[Box<str>]>> {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let is_type = |text: &str| text.split_once('/').is_some_and(|(kind, rest)| is_part(kind) && is_part(rest));
    let mut types = Vec::new();
    for (text, span) in node.expect_strs("`unfiltered`", findings)? {
        let text = text.to_ascii_lowercase();
        if !is_type(&text) {
            findings.error("wrong_value", span, format!("`{text}` is no media type")).help("write `text/csv`");
        } else if is_read(&text) {
            let message = format!("answers of the type `{text}` are filtered");
            findings
                .error("wrong_value", span, message)
                .help("name types alone that cannot be: `text/csv`, `text/html`");
        } else {
            types.push(text.into());
        }
    }
    Some(types.into())
}
