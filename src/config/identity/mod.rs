//! `identity:` — who may say who they are, and how.
//!
//! Each scheme has a file: `jwt`, `sesame`, `session`; how people log in is in [`super::accounts`].

mod jwt;
mod sesame;
mod session;

use crate::identity::settings::Settings;
use crate::yaml::{Findings, Map, Node};
use std::path::Path;

/// The keys of `identity` that are read here.
pub(super) const KEYS: [&str; 3] = ["jwt", "sesame", "session"];

/// Reads the section; what was reported is left out.
pub(super) fn read(node: &Node, map: &Map, base: &Path, findings: &mut Findings) -> Settings {
    let mut identity = Settings::default();
    if let Some(node) = map.get("jwt") {
        identity.jwt = jwt::read(node, base, findings);
    }
    if let Some(node) = map.get("session") {
        identity.session = Some(session::read(node, findings));
    }
    if let Some(node) = map.get("sesame") {
        identity.sesame = sesame::read(node, base, findings);
    }
    if let Some(sesame) = &identity.sesame
        && sesame.exchange
        && identity.session.is_none()
    {
        findings
            .error("missing_key", node.span, "`exchange` makes sessions, and `identity` has no `session`")
            .help("write `session: {}`");
    }
    identity
}
