//! What is asked: a subject, an action, a resource and a context (AuthZEN 1.0, 5).

use super::json::{Json, Map};
use std::borrow::Cow;

/// A subject or a resource.
#[derive(Clone, Copy)]
pub struct Entity<'q> {
    pub kind: &'q str,
    /// Empty where a search asks for it.
    pub id: &'q str,
    pub properties: Option<&'q Map<'q>>,
}

#[derive(Clone, Copy)]
pub struct Action<'q> {
    /// Empty where a search asks for it.
    pub name: &'q str,
    pub properties: Option<&'q Map<'q>>,
}

/// May the subject do this to the resource?
#[derive(Clone, Copy)]
pub struct Question<'q> {
    pub subject: Entity<'q>,
    pub action: Action<'q>,
    pub resource: Entity<'q>,
    pub context: Option<&'q Map<'q>>,
}

/// What of a question a search asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Subject,
    Action,
    Resource,
}

/// What is wrong with a question, for whoever asked it.
pub type Fault = &'static str;

macro_rules! entity {
    ($json:expr, $name:literal, wants id: $wants_id:expr) => {{
        let map = $json.ok_or(concat!("`", $name, "` is missing"))?;
        let map = map.map().ok_or(concat!("`", $name, "` is not an object"))?;
        let text = |key, missing: Fault| map.get(key).and_then(Json::text).ok_or(missing);
        let kind = text("type", concat!("`", $name, ".type` is missing, or is no text"))?;
        let id = if $wants_id { text("id", concat!("`", $name, ".id` is missing, or is no text"))? } else { "" };
        let properties = object(map, "properties", concat!("`", $name, ".properties` is not an object"))?;
        Entity { kind, id, properties }
    }};
}

impl<'q> Question<'q> {
    /// Reads a question of a map, where what it lacks stands in another.
    ///
    /// # Errors
    /// What must be there is not, or is of another type.
    pub fn read(map: &'q Map<'q>, defaults: Option<&'q Map<'q>>, wanted: Option<Wanted>) -> Result<Self, Fault> {
        let get = |name: &str| map.get(name).or_else(|| defaults?.get(name));
        let subject = entity!(get("subject"), "subject", wants id: wanted != Some(Wanted::Subject));
        let action = if wanted == Some(Wanted::Action) {
            Action { name: "", properties: None }
        } else {
            let map = get("action").ok_or("`action` is missing")?.map().ok_or("`action` is not an object")?;
            let name = map.get("name").and_then(Json::text).ok_or("`action.name` is missing, or is no text")?;
            Action { name, properties: object(map, "properties", "`action.properties` is not an object")? }
        };
        let resource = entity!(get("resource"), "resource", wants id: wanted != Some(Wanted::Resource));
        let context = get("context").map(|context| context.map().ok_or("`context` is not an object")).transpose()?;
        Ok(Self { subject, action, resource, context })
    }

    /// A property as a text: of the resource where nothing else is said, else `subject.NAME`, `action.NAME`, `context.NAME`.
    ///
    /// # Errors
    /// It is neither a text nor a number nor a flag.
    pub fn property(&self, name: &str) -> Result<Option<Cow<'q, str>>, Fault> {
        let (map, name) = match name.split_once('.') {
            Some(("subject", "id")) => return Ok(Some(Cow::Borrowed(self.subject.id))),
            Some(("subject", name)) => (self.subject.properties, name),
            Some(("action", name)) => (self.action.properties, name),
            Some(("context", name)) => (self.context, name),
            None if name == "id" => return Ok(Some(Cow::Borrowed(self.resource.id))),
            _ => (self.resource.properties, name),
        };
        let value = map.and_then(|map| map.get(name));
        value.map(|value| value.scalar().ok_or("a property that is asked for is a list or an object")).transpose()
    }
}

fn object<'q>(map: &'q Map<'q>, key: &str, fault: Fault) -> Result<Option<&'q Map<'q>>, Fault> {
    map.get(key).map(|value| value.map().ok_or(fault)).transpose()
}
