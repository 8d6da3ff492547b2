//! `admin_ui:` — whether there are pages for administrators, and where.

use super::accounts::{self, Served};
use super::keys::{FILE, Reader, Section, Shape, TEXT, custom, keys};
use super::{Compat, Config, edge};
use crate::net::listen::Address;
use crate::policy;
use crate::yaml::{Findings, Map, Node, Value};
use std::path::PathBuf;

/// Where the pages are, where nothing else is said.
pub const PREFIX: &str = "/postern/";

#[derive(Clone, Debug)]
pub struct AdminUi {
    /// What its paths begin with; a slash at both ends.
    pub prefix: Box<str>,
    /// An address of its own, in the place of the data port.
    pub listen: Option<Address>,
    /// A style sheet behind ours.
    pub style: Option<PathBuf>,
    /// A folder with templates for the places of the pages.
    pub templates: Option<PathBuf>,
    /// What the pages call themselves.
    pub name: String,
}

impl Default for AdminUi {
    fn default() -> Self {
        Self { prefix: PREFIX.into(), listen: None, style: None, templates: None, name: "postern".to_owned() }
    }
}

struct Said;

keys! {
    Said for AdminUi {
        prefix, custom(Shape::Text, prefix), "What its paths begin with. [/postern/]";
        listen, custom(Shape::Text, edge::listen),
            "An address of its own, `ADDRESS:PORT` or `unix:///PATH`; it is not on the data port then. [the data port]";
        style, FILE, "A style sheet of one's own, which counts behind the built-in one. [none]";
        templates, FILE, "A folder with templates of one's own for the places of the pages. [none]";
        name, TEXT, "What the pages call themselves. [postern]";
    }
}

pub(super) const SHAPE: Shape = Shape::Any(&[Shape::Words(&["on", "off"]), Shape::Map(Said::KEYS, 0)]);

#[allow(clippy::option_option)] // `Some(None)`: it is off
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<AdminUi>> {
    if node.is_off() {
        return Some(None);
    }
    if !matches!(node.value, Value::Map(_)) {
        let word = node.expect_one_of("`admin_ui`", &[("on", true), ("off", false)], reader.findings);
        return word.map(|is| is.then(AdminUi::default));
    }
    let map = node.expect_map("`admin_ui`", reader.findings)?;
    Some(Some(reader.read::<Said>(key, "`admin_ui`", map)))
}

fn prefix(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    accounts::steps(node, "/postern/", reader)
}

/// People log in for it on the pages of the identity API, and its paths are no one else's.
pub(super) fn check(tree: &Map, config: &Config, findings: &mut Findings) {
    let (Some(admin), Some(node)) = (&config.admin_ui, tree.get("admin_ui")) else { return };
    let accounts = &config.identity.accounts;
    if config.identity.settings.session.is_none() || accounts.api == Served::Off {
        findings
            .error(
                "missing_key",
                node.span,
                "people log in for `admin_ui` with a session, on the pages of the identity API, and one of them is off",
            )
            .help("write `identity: { api: all, session: {} }`");
    }
    let accounts_of_django = (config.compat == Compat::Openwisp).then_some("/accounts/");
    let places = policy::places_beside(&accounts.prefix);
    let others = places.iter().map(String::as_str).chain(accounts_of_django);
    let meets = |other: &&str| admin.prefix.starts_with(*other) || other.starts_with(&*admin.prefix);
    if let Some(other) = others.into_iter().find(meets) {
        let message = format!("`admin_ui` would be at `{}`, and `{other}` is postern's already", admin.prefix);
        findings.error("wrong_value", node.span, message).help("write another `prefix`");
    }
}
