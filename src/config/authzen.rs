//! `authzen:` — whether services may ask what would be decided, and what their words mean.

use super::keys::{FLAG, Reader, Section, Shape, custom, keys, one_of};
use crate::authzen::settings::{Ids, ResourceType, Settings, SubjectIs};
use crate::authzen::template::Template;
use crate::directory::name::PermissionName;
use crate::yaml::{Map, Node};

pub(super) struct Said;

keys! {
    Said for Settings {
        permission, custom(Shape::Text, permission),
            "Who asks has it everywhere, or is a superuser. [authzen.evaluate]";
        search_permission, custom(Shape::Text, permission),
            "The same for searches, which tell who there is. [authzen.search]";
        subject, one_of!("id" => SubjectIs::Id, "username" => SubjectIs::Username, "email" => SubjectIs::Email,
                         "external_id" => SubjectIs::ExternalId),
            "What the ids of subjects are; `username` takes ids too. [username]";
        reasons, FLAG, "Whether a refusal says why, as `context.reason`. [false]";
        resources, custom(Shape::Named(&Shape::Named(&Shape::Text)), resources),
            "The requests that types of resources stand for: `todo: { can_update: 'PUT /todos/{id}{?owner}' }`.";
    }
}

pub(super) const SHAPE: Shape = Shape::Any(&[Shape::Words(&["on", "off"]), Shape::Map(Said::KEYS, 0)]);

/// What the words of AuthZEN are, which no type of resource takes on.
const TAKEN: [&str; 4] = ["route", "organization", "permission", "role"];

/// What the ids of a type are, among its actions.
const IDS: &str = "ids";

#[allow(clippy::option_option)] // `Some(None)`: it is off
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<Settings>> {
    if node.is_off() {
        return Some(None);
    }
    if !matches!(node.value, crate::yaml::Value::Map(_)) {
        return node
            .expect_one_of("`authzen`", &[("on", true), ("off", false)], reader.findings)
            .map(|is| is.then(Settings::default));
    }
    let map = node.expect_map("`authzen`", reader.findings)?;
    Some(Some(reader.read::<Said>(key, "`authzen`", map)))
}

fn permission(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str(&format!("`{key}`"), reader.findings)?;
    if PermissionName::new(text).is_err() {
        let message = format!("`{key}` must be a permission: `app.codename`");
        reader.findings.error("wrong_value", node.span, message).help("write `authzen.evaluate`");
        return None;
    }
    Some(text.into())
}

fn resources(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<ResourceType>> {
    let map = node.expect_map("`resources`", reader.findings)?;
    let mut list = Vec::new();
    for entry in &map.entries {
        let name = entry.key.text.as_str();
        if TAKEN.contains(&name) {
            let message = format!("`{name}` is a type of AuthZEN's own here");
            reader.findings.error("wrong_value", entry.key.span, message).help("give it another name");
        } else if let Some(actions) = entry.value.expect_map(&format!("`{name}`"), reader.findings) {
            let ids = actions.get(IDS).and_then(|node| {
                let known = [("organizations", Ids::Organizations), ("users", Ids::Users)];
                node.expect_one_of(&format!("`{name}.{IDS}`"), &known, reader.findings)
            });
            list.push(ResourceType { name: name.into(), ids, actions: self::actions(actions, reader) });
        }
    }
    Some(list)
}

fn actions(map: &Map, reader: &mut Reader<'_>) -> Vec<(Box<str>, Template)> {
    let mut list: Vec<(Box<str>, Template)> = Vec::new();
    for entry in map.entries.iter().filter(|entry| entry.key.text != IDS) {
        let name = entry.key.text.as_str();
        let Some(text) = entry.value.expect_str(&format!("`{name}`"), reader.findings) else { continue };
        match Template::parse(text) {
            Ok(template) => list.push((name.into(), template)),
            Err(error) => {
                let message = format!("`{name}` must be a request: {error}");
                reader.findings.error("wrong_value", entry.value.span, message).help("write 'PUT /todos/{id}{?owner}'");
            }
        }
    }
    list.sort_by(|(one, _), (other, _)| one.cmp(other));
    list
}
