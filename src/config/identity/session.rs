//! `identity.session` — sessions of people.

use crate::identity::session::Settings;
use crate::yaml::{Findings, Keys, Node};
use std::time::Duration;

/// Reads the section; what was reported is left out.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Settings {
    let mut settings = Settings::default();
    let Some(map) = node.expect_map("`session`", findings) else { return settings };
    map.expect_keys("`session`", Keys { known: &["lifetime", "same_site", "secure"], not_yet: &[] }, findings);
    if let Some(lifetime) = map.get("lifetime").and_then(|node| node.expect_duration("`lifetime`", findings)) {
        settings.lifetime = lifetime;
    }
    if settings.lifetime < Duration::from_secs(60) {
        findings.error("wrong_value", node.span, "`lifetime` of a session is at least 1m");
    }
    if let Some(node) = map.get("same_site") {
        let strict = node.expect_one_of("`same_site`", &[("lax", false), ("strict", true)], findings);
        settings.strict = strict.unwrap_or_default();
    }
    if let Some(secure) = map.get("secure").and_then(|node| node.expect_bool("`secure`", findings)) {
        settings.secure = secure;
    }
    settings
}
