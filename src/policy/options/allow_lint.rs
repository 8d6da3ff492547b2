//! `allow_lint:` — warnings that are known and meant, each with its reason.

use super::option::PolicyOption;
use crate::yaml::{Findings, Node, suggest};
use serde_json::{Value as Json, json};

pub(in crate::policy) struct AllowLint;

impl PolicyOption for AllowLint {
    const ABOUT: &'static str = "Lints that are silenced here, each with the reason why.";
    type Raw = Vec<&'static str>;

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self::Raw> {
        Some(read(node, findings))
    }
}

/// The lints. The last two speak of what later versions of the language can say.
const LINTS: &[&str] = &[
    "literal_variable",
    "unused_variable",
    "optional_alone",
    "shadowed",
    "unused_level",
    "covers_identity_api",
    "covers_authzen",
    "covers_admin_ui",
    "scheme_unserved",
    "long_list",
    "public_write",
    "write_without_org",
    "wider_than_parent",
    "not_over_uwsgi",
    "rewrite_unmatched",
    "inject_cookie",
    "dotted_claim",
    "lenient_target",
    "websocket_without_origins",
    "query_beside_body",
    "ambiguous_username",
    "cached_lookup",
    "shadow_mode",
    "update_may_move",
    "list_unfiltered",
];

/// Reads names and reasons; what was reported is left out.
fn read(node: &Node, findings: &mut Findings) -> Vec<&'static str> {
    let help = "write the lint and why it is meant: `allow_lint: { public_write: \"a webhook signs its body\" }`";
    let Some(map) = node.expect_map_like("`allow_lint`", help, findings) else { return Vec::new() };
    let mut list = Vec::new();
    for entry in &map.entries {
        let word = entry.key.text.as_str();
        let reason = entry.value.expect_str("the reason", findings);
        if reason.is_some_and(|reason| reason.trim().is_empty()) {
            findings
                .error("wrong_value", entry.value.span, format!("`{word}` is allowed without a reason"))
                .help("say why");
        }
        match LINTS.iter().copied().find(|lint| *lint == word) {
            Some(lint) => list.push(lint),
            None => {
                let near = suggest(word, LINTS.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let help = near.unwrap_or_else(|| format!("the lints are {}", LINTS.join(", ")));
                findings.error("unknown_lint", entry.key.span, format!("`{word}` is not a lint")).help(help);
            }
        }
    }
    list
}
