//! `identity.session` — sessions of people.

use crate::config::keys::{FLAG, Reader, Section, Shape, TIME, keys, one_of};
use crate::identity::session::Settings;
use crate::yaml::Node;
use std::time::Duration;

struct Session;

keys! {
    Session for Settings {
        lifetime, TIME, "At least 1m. [12h]";
        strict ("same_site"), one_of!("lax" => false, "strict" => true), "The cookie's SameSite. [lax]";
        secure, FLAG, "Whether the cookie needs TLS; `false` is for trying things out. [true]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Session::KEYS, 0);

/// Reads the section; what was reported is left out.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Settings> {
    let Some(map) = node.expect_map("`session`", reader.findings) else { return Some(Settings::default()) };
    let settings = reader.read::<Session>(key, "`session`", map);
    if settings.lifetime < Duration::from_secs(60) {
        reader.findings.error("wrong_value", node.span, "`lifetime` of a session is at least 1m");
    }
    Some(settings)
}
