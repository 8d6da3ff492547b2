//! What a document suggests of a rule: where the organization may come from, and who may be meant.

use super::document::{Document, Operation, variable_name};
use serde_json::Value as Json;

/// Names that stand for an organization in many services.
const ORGANIZATION: [&str; 8] =
    ["organization", "organisation", "org", "tenant", "account", "workspace", "company", "team"];

/// Where lists keep their items, beside those that are nothing else.
const CONTAINERS: [&str; 6] = ["results", "items", "data", "features", "objects", "records"];

/// Whether a name is one of an organization: `org`, `organization_id`, `orgSlug`.
fn is_organization(name: &str) -> bool {
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let folded =
        folded.strip_prefix('x').filter(|_| name.starts_with(['X', 'x']) && name.contains('-')).unwrap_or(&folded);
    let endings = ["id", "uuid", "pk", "slug", "key", "name", ""];
    ORGANIZATION.iter().any(|word| folded.strip_prefix(word).is_some_and(|rest| endings.contains(&rest)))
}

/// How an organization is named by something of that name.
fn by(name: &str, is_uuid: bool, is_number: bool) -> &'static str {
    match (is_uuid || name.ends_with("uuid"), is_number) {
        (true, _) => "",
        (_, true) => " as external",
        _ => " as slug",
    }
}

/// The property of a schema that names an organization.
fn organization_of<'d>(document: &Document<'d>, schema: &'d Json) -> Option<&'static str> {
    ["organization", "organization_id", "organisation", "org", "org_id", "tenant", "tenant_id"]
        .into_iter()
        .find(|name| document.property(schema, name).is_some())
}

/// A list's place in an answer, and where its items name their organization.
fn list<'d>(document: &Document<'d>, schema: &'d Json) -> Option<(String, Option<String>)> {
    let of = |items: &'d Json| {
        let own = organization_of(document, items).map(|name| format!("/{name}"));
        // GeoJSON keeps what a feature says of itself below that.
        let nested =
            || Some(format!("/properties/{}", organization_of(document, document.property(items, "properties")?)?));
        own.or_else(nested)
    };
    if let Some(items) = document.items(schema) {
        return Some((String::new(), of(items)));
    }
    CONTAINERS.into_iter().find_map(|name| {
        let items = document.items(document.property(schema, name)?)?;
        Some((format!("/{name}"), of(items)))
    })
}

fn is_read(operation: &Operation<'_>) -> bool {
    matches!(operation.method(), "GET" | "HEAD" | "OPTIONS")
}

/// Rules that the document suggests, the best first; each is the value of a method.
pub(super) fn guess<'d>(document: &Document<'d>, operation: &Operation<'d>) -> Vec<String> {
    if document.asks_credential(operation) == Some(false) {
        return vec![if is_read(operation) { "public" } else { "optional" }.to_owned()];
    }
    let level = if is_read(operation) { "member" } else { "manager" };
    let mut guesses = Vec::new();
    let mut with = |source: String| guesses.push(format!("{{ level: {level}, org: {source} }}"));
    for parameter in operation.parameters("path").iter().filter(|parameter| is_organization(parameter.name)) {
        let is_number = operation.is_number(parameter.name);
        let name = variable_name(parameter.name);
        with(format!("path.{name}{}", by(&name, parameter.is_uuid(), is_number)));
    }
    for parameter in operation.parameters("header").iter().filter(|parameter| is_organization(parameter.name)) {
        with(format!("header.{}{}", parameter.name, by(parameter.name, parameter.is_uuid(), false)));
    }
    let required = |place| operation.parameters(place).into_iter().filter(|parameter| parameter.is_required);
    for parameter in required("query").filter(|parameter| is_organization(parameter.name)) {
        with(format!("query.{}{}", parameter.name, by(parameter.name, parameter.is_uuid(), false)));
    }
    if operation.method() == "POST"
        && let Some(name) = operation.body().and_then(|body| organization_of(document, body))
    {
        with(format!("body.{name}"));
    }
    if operation.method() == "GET"
        && let Some(answer) = operation.answer()
    {
        match list(document, answer) {
            Some((items, Some(org))) => {
                guesses.push(format!("{{ level: member, list: {{ items: \"{items}\", org: {org} }} }}"));
            }
            Some((_, None)) => {}
            None => {
                if let Some(org) = organization_of(document, answer) {
                    guesses.push(format!("{{ level: member, org: response./{org} }}"));
                }
            }
        }
    }
    guesses.push(if is_read(operation) { "authenticated" } else { "superuser" }.to_owned());
    guesses
}

/// What somebody should know who chooses.
pub(super) fn notes<'d>(document: &Document<'d>, operation: &Operation<'d>) -> Vec<String> {
    let mut notes = Vec::new();
    let names_it = operation.parameters("path").iter().any(|parameter| is_organization(parameter.name));
    if operation.method() == "GET"
        && !names_it
        && let Some((_, None)) = operation.answer().and_then(|answer| list(document, answer))
    {
        notes.push(
            "the answer is a list, and the document does not say whose its items are: `list:`, docs/policy.md#lists"
                .to_owned(),
        );
    }
    if matches!(operation.method(), "PUT" | "PATCH")
        && let Some(name) = operation.body().and_then(|body| organization_of(document, body))
    {
        notes.push(format!("the body may move the object to another organization: `org: [lookup.…, body.{name} optional]`, docs/policy.md#bodies"));
    }
    notes
}
