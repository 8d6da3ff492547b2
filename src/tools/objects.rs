//! `given: lookups:` — the objects that a tests file speaks of, as lookups would find them.

use super::ask::Facts;
use super::world::{World, id_of, text};
use crate::decision::{LookupAnswer, OrgKey};
use crate::facts::{Column, Organization};
use crate::policy::{LookupKey, Policy, is_slug};
use crate::yaml::{Entry, Findings, Map, Node, Value as Yaml};
use std::collections::HashMap;
use std::sync::Arc;

/// What an object's map says besides its columns.
const ORGANIZATION: &str = "organization";

/// An object of a tests file.
#[derive(Debug)]
struct Object {
    organization: Option<Arc<Organization>>,
    columns: Vec<(Box<str>, Column)>,
}

/// The objects of all lookups, by the name of the lookup and their own.
#[derive(Debug, Default)]
pub(super) struct Objects(HashMap<Box<str>, HashMap<Box<str>, Object>>);

impl Objects {
    /// Reads the map; the names that `<name>` may stand for go to `name`.
    pub(super) fn read(map: &Map, world: &World, mut name: impl FnMut(&str), findings: &mut Findings) -> Self {
        let mut all = Self::default();
        for Entry { key, value } in &map.entries {
            let Some(objects) = value.expect_map(&format!("`{}`", key.text), findings) else { continue };
            let list = all.0.entry(key.text.as_str().into()).or_default();
            for Entry { key, value } in &objects.entries {
                if is_slug(&key.text) {
                    name(&key.text);
                }
                if let Some(object) = object(value, world, findings) {
                    list.insert(key.text.as_str().into(), object);
                }
            }
        }
        all
    }

    /// The object that a lookup finds by these arguments: its name, or the id that `<name>` stands for.
    fn find(&self, lookup: &str, args: &[Box<str>]) -> Option<&Object> {
        let objects = self.0.get(lookup)?;
        let by_id = || objects.iter().find(|(name, _)| are_named(name, args)).map(|(_, object)| object);
        objects.get(args.join("/").as_str()).or_else(by_id)
    }
}

/// Whether each part of a name stands for its argument.
fn are_named(name: &str, args: &[Box<str>]) -> bool {
    let is_named = |part: &str, arg: &str| part == arg || uuid::Uuid::try_parse(arg).is_ok_and(|id| id == id_of(part));
    name.split('/').count() == args.len() && name.split('/').zip(args).all(|(part, arg)| is_named(part, arg))
}

/// `acme`, `null`, or a map with the organization and other columns.
fn object(node: &Node, world: &World, findings: &mut Findings) -> Option<Object> {
    let Yaml::Map(map) = &node.value else {
        return Some(Object { organization: organization(node, world, findings)?, columns: Vec::new() });
    };
    let mut object = Object { organization: None, columns: Vec::new() };
    for Entry { key, value } in &map.entries {
        if key.text == ORGANIZATION {
            object.organization = organization(value, world, findings)?;
        } else {
            object.columns.push((key.text.as_str().into(), column(value, findings)?));
        }
    }
    Some(object)
}

fn organization(node: &Node, world: &World, findings: &mut Findings) -> Option<Option<Arc<Organization>>> {
    if matches!(node.value, Yaml::Null) {
        return Some(None);
    }
    let name = text(node, "an organization", findings)?;
    world.named(name, node.span, findings).map(Some)
}

fn column(node: &Node, findings: &mut Findings) -> Option<Column> {
    Some(match &node.value {
        Yaml::Null => Column::Null,
        Yaml::Scalar(scalar) if scalar.plain => match scalar.text.as_str() {
            "true" => Column::Flag(true),
            "false" => Column::Flag(false),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => Column::Whole(number),
                (_, Ok(number)) => Column::Number(number),
                _ => Column::Text(text.into()),
            },
        },
        _ => Column::Text(text(node, "a column", findings)?.into()),
    })
}

/// What a tests file says, put to the evaluation of a policy.
pub struct WorldFacts<'a> {
    pub(super) world: &'a World,
    pub(super) policy: &'a Policy,
}

impl Facts for WorldFacts<'_> {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        self.world.organization(key)
    }

    fn object(&mut self, key: &LookupKey) -> LookupAnswer {
        let found = self.world.objects().find(&key.lookup.name, &key.args);
        Ok(found.map(|object| {
            Arc::new(self.policy.sample_object(&key.lookup, object.organization.as_deref(), &object.columns))
        }))
    }
}
