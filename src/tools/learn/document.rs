//! An OpenAPI 3 document, as far as a policy can be learnt from it.

use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// So deep references and schemas are followed: a document may refer to itself.
const DEEPEST: usize = 12;

pub(super) struct Document<'d> {
    root: &'d Json,
    /// What stands in front of its paths.
    base: String,
}

pub(super) struct Path<'d> {
    document: &'d Json,
    base: String,
    template: &'d str,
    item: &'d Map<String, Json>,
}

pub(super) struct Operation<'d> {
    document: &'d Json,
    method: &'static str,
    item: &'d Map<String, Json>,
    operation: &'d Json,
}

/// A parameter of an operation.
pub(super) struct Parameter<'d> {
    pub(super) name: &'d str,
    pub(super) is_required: bool,
    schema: Option<&'d Json>,
}

/// Methods of an OpenAPI document that a policy can name.
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("options", "OPTIONS"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
    ("query", "QUERY"),
];

impl<'d> Document<'d> {
    pub(super) fn new(root: &'d Json) -> Result<Self, &'static str> {
        match root.get("openapi").and_then(Json::as_str) {
            Some(version) if version.starts_with("3.") => {}
            _ if root.get("swagger").is_some() => return Err("the document is of Swagger 2: convert it to OpenAPI 3"),
            _ => return Err("it is no OpenAPI 3 document: there is no `openapi: 3.…`"),
        }
        let server = root.pointer("/servers/0/url").and_then(Json::as_str).unwrap_or_default();
        let path = |rest: &'d str| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        let behind = server.split_once("://").map_or(server, |(_, rest)| path(rest));
        let base = behind.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let is_path = base.starts_with('/') && !base.contains('{');
        Ok(Self { root, base: if is_path { base.to_owned() } else { String::new() } })
    }

    /// `Fleet API 1.0`
    pub(super) fn title(&self) -> String {
        let text = |name: &str| self.root.pointer(&format!("/info/{name}")).and_then(Json::as_str).unwrap_or_default();
        let title = super::comment(&format!("{} {}", text("title"), text("version")));
        if title.is_empty() { "a document without a title".to_owned() } else { title }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = Path<'d>> {
        let root = self.root;
        let paths = root.get("paths").and_then(Json::as_object).into_iter().flatten();
        let base = self.base.clone();
        paths.filter(|(template, _)| template.starts_with('/')).filter_map(move |(template, item)| {
            let item = resolved(root, item)?.as_object()?;
            Some(Path { document: root, base: base.clone(), template, item })
        })
    }

    /// What must be sent to be let in: `None` where the document does not say, `Some(false)` for nothing at all.
    pub(super) fn asks_credential(&self, operation: &Operation<'_>) -> Option<bool> {
        let ways = operation.operation.get("security").or(self.root.get("security"))?.as_array()?;
        let is_open = |way: &Json| way.as_object().is_some_and(Map::is_empty);
        Some(!ways.is_empty() && !ways.iter().any(is_open))
    }

    /// The schema of a property.
    pub(super) fn property(&self, schema: &'d Json, name: &str) -> Option<&'d Json> {
        property(self.root, schema, name, DEEPEST)
    }

    /// What a list holds.
    pub(super) fn items(&self, schema: &'d Json) -> Option<&'d Json> {
        let schema = resolved(self.root, schema)?;
        schema.get("items").filter(|_| is_of(schema, "array"))
    }
}

impl<'d> Path<'d> {
    /// The path as a pattern, and what was lost on the way.
    pub(super) fn pattern(&self) -> (String, Vec<String>) {
        let (mut notes, mut names) = (Vec::new(), BTreeSet::new());
        let mut pattern = self.base.clone();
        for segment in self.template.split('/').skip(1) {
            pattern.push('/');
            let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match variable.filter(|name| !name.contains(['{', '}'])) {
                Some(name) => pattern += &self.variable(name, &mut names),
                None if segment.contains('{') => {
                    notes.push(format!("`{segment}` is a variable and more, which no pattern can say"));
                    pattern += "{_}";
                }
                None => pattern += segment,
            }
        }
        (pattern, notes)
    }

    fn variable(&self, name: &str, names: &mut BTreeSet<String>) -> String {
        let own = variable_name(name);
        let own = if names.insert(own.clone()) { own } else { "_".to_owned() };
        let declared = self.operations().find_map(|operation| {
            let mut found = operation.parameters("path").into_iter().filter(|parameter| parameter.name == name);
            found.find_map(|parameter| parameter.kind(self.document))
        });
        match declared {
            Some(kind) => format!("{{{own}:{kind}}}"),
            None => format!("{{{own}}}"),
        }
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'d>> {
        let Self { document, item, .. } = *self;
        METHODS.into_iter().filter_map(move |(key, method)| {
            Some(Operation { document, method, item, operation: item.get(key).filter(|it| it.is_object())? })
        })
    }
}

/// A name as a policy can write it.
pub(super) fn variable_name(name: &str) -> String {
    let mut own: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !own.starts_with(|c: char| c.is_ascii_alphabetic()) {
        own = format!("v{own}");
    }
    own
}

impl<'d> Operation<'d> {
    pub(super) const fn method(&self) -> &'static str {
        self.method
    }

    /// `listDevices: the devices of an organization`
    pub(super) fn about(&self) -> Option<String> {
        let text = |name: &str| self.operation.get(name).and_then(Json::as_str).filter(|text| !text.trim().is_empty());
        let mut parts: Vec<&str> =
            [text("operationId"), text("summary").or(text("description"))].into_iter().flatten().collect();
        if self.operation.get("deprecated") == Some(&Json::Bool(true)) {
            parts.push("deprecated");
        }
        (!parts.is_empty()).then(|| parts.join(": "))
    }

    /// Whether the variable of that name is a whole number.
    pub(super) fn is_number(&self, name: &str) -> bool {
        let found = self.parameters("path").into_iter().find(|parameter| parameter.name == name);
        found.is_some_and(|parameter| parameter.kind(self.document) == Some("int"))
    }

    /// Its parameters in that place; its own count before those of its path.
    pub(super) fn parameters(&self, place: &str) -> Vec<Parameter<'d>> {
        let of = |json: Option<&'d Json>| json.and_then(Json::as_array).into_iter().flatten();
        let all = of(self.operation.get("parameters")).chain(of(self.item.get("parameters")));
        let read = |json: &'d Json| {
            let json =
                resolved(self.document, json).filter(|json| json.get("in").and_then(Json::as_str) == Some(place))?;
            let is_required = json.get("required") == Some(&Json::Bool(true));
            Some(Parameter { name: json.get("name")?.as_str()?, is_required, schema: json.get("schema") })
        };
        all.filter_map(read).collect()
    }

    /// The schema of its body, where that is JSON.
    pub(super) fn body(&self) -> Option<&'d Json> {
        self.json(self.operation.get("requestBody")?)
    }

    /// The schema of its answer, where that is JSON.
    pub(super) fn answer(&self) -> Option<&'d Json> {
        let responses = self.operation.get("responses")?;
        let found = ["200", "2XX", "2xx", "default"].iter().find_map(|status| responses.get(status))?;
        self.json(found)
    }

    fn json(&self, of: &'d Json) -> Option<&'d Json> {
        let content = resolved(self.document, of)?.get("content")?.as_object()?;
        let is_json = |name: &str| name.starts_with("application/json") || name.contains("+json");
        content.iter().find(|(name, _)| is_json(name))?.1.get("schema")
    }
}

impl Parameter<'_> {
    /// The type of a variable of the path, where the schema has one that policies have.
    fn kind(&self, document: &Json) -> Option<&'static str> {
        let schema = resolved(document, self.schema?)?;
        match schema.get("format").and_then(Json::as_str) {
            Some("uuid") => Some("uuid"),
            _ if is_of(schema, "integer") => Some("int"),
            _ => None,
        }
    }

    /// Whether its value is a UUID.
    pub(super) fn is_uuid(&self) -> bool {
        self.schema.and_then(|schema| schema.get("format")).and_then(Json::as_str) == Some("uuid")
    }
}

/// Whether a schema is of a type; from 3.1 on there may be several.
fn is_of(schema: &Json, kind: &str) -> bool {
    match schema.get("type") {
        Some(Json::String(one)) => one == kind,
        Some(Json::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

/// What a reference within the document stands for.
fn resolved<'d>(root: &'d Json, mut json: &'d Json) -> Option<&'d Json> {
    for _ in 0..DEEPEST {
        match json.get("$ref").and_then(Json::as_str) {
            Some(place) => json = root.pointer(place.strip_prefix('#')?)?,
            None => return Some(json),
        }
    }
    None
}

fn property<'d>(root: &'d Json, schema: &'d Json, name: &str, depth: usize) -> Option<&'d Json> {
    let depth = depth.checked_sub(1)?;
    let schema = resolved(root, schema)?;
    let own = schema.get("properties").and_then(|properties| properties.get(name));
    let parts = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|word| schema.get(word)?.as_array());
    own.or_else(|| parts.flatten().take(50).find_map(|part| property(root, part, name, depth)))
}
