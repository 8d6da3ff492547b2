//! The description of the records' endpoints, from [`ROUTES`]: what is sent and told, and by whom.

use super::routes::{About, ROUTES, Route, Shape};
use super::{Audience, Verb};
use crate::api::openapi::{Described, Extent, answers, capital, operation, schema};
use crate::api::paths::PREFIX;
use crate::compat::openwisp::serializer::Access;
use crate::directory::{DeclaredFields, Field as RecordField, Kind};
use http::Method;
use serde_json::{Map, Value as Json, json};

/// What each page of lists has at most.
const LONGEST_PAGE: u32 = super::paging::LONGEST;

/// Describes each path.
pub(in super::super) fn paths(extent: &Extent, described: &mut Described) {
    for route in &*ROUTES {
        let path = extent.links.at(&format!("{PREFIX}{}", route.path));
        described.path(&path, &keys(route));
        for (method, verb) in route.about.methods.verbs.iter().filter(|(method, _)| *method != Method::HEAD) {
            let operation = describe(route, *verb, method, extent, described);
            described.operation(&path, method, operation);
        }
    }
}

fn keys(route: &Route) -> Json {
    let names = route.path.split(['{', '}']).skip(1).step_by(2);
    let keys = names.zip(&route.shapes).map(|(name, shape)| {
        let schema = match shape {
            Shape::Uuid => json!({ "type": "string", "format": "uuid" }),
            Shape::Number => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    keys.collect()
}

/// A method of a route, while it is described.
struct Operation<'d> {
    route: &'d Route,
    verb: Verb,
    extent: &'d Extent,
    /// What schemas of it are called.
    name: String,
    is_list: bool,
    has_versions: bool,
}

fn describe(
    route: &Route,
    verb: Verb,
    method: &Method,
    extent: &Extent,
    described: &mut Described,
) -> Map<String, Json> {
    let about = &route.about;
    let words: Vec<&str> =
        route.path.split(['/', '-']).filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    let name: String = words.iter().map(|word| capital(word)).collect();
    let is_list = about.methods.verbs.iter().any(|(_, verb)| *verb == Verb::List);
    let (doing, id) = match verb {
        Verb::List => ("list", format!("list{name}")),
        Verb::Create if is_list => ("make one", format!("create{name}")),
        Verb::Create => ("do it", format!("do{name}")),
        Verb::Read => ("read", format!("read{name}")),
        Verb::Update { partial: false } => ("replace", format!("replace{name}")),
        Verb::Update { partial: true } => ("edit", format!("edit{name}")),
        Verb::Delete => ("delete", format!("delete{name}")),
    };
    let summary = format!("{}: {doing}", capital(&words.join(" ")));
    let mut told = operation(&id, &summary, route.path.split('/').next().unwrap_or_default());
    if !about.permission.is_empty() {
        told.insert("description".to_owned(), json!(permission(about, method)));
    }
    let has_versions = about.has_versions && extent.has_tags;
    let operation = Operation { route, verb, extent, name, is_list, has_versions };
    told.insert("parameters".to_owned(), json!(operation.parameters()));
    if let Some(body) = operation.body(described) {
        told.insert("requestBody".to_owned(), body);
    }
    told.insert("responses".to_owned(), json!(operation.responses(described)));
    told.insert("security".to_owned(), answers::security(extent, method));
    told
}

impl Operation<'_> {
    fn parameters(&self) -> Vec<Json> {
        let mut parameters = vec![answers::format()];
        match self.verb {
            Verb::List => {
                parameters.extend(paging());
                if !self.extent.compat {
                    parameters.push(cursor());
                    parameters.extend(filters(self.route.about.listed, &self.extent.declared));
                }
            }
            Verb::Create if !self.extent.compat => {
                let about = "Sent again under the same key, it is done once and told the same.";
                parameters.push(answers::asked("Idempotency-Key", about, false));
            }
            Verb::Read if self.has_versions => {
                parameters.push(answers::asked("If-None-Match", "The `ETag` of what is known already.", false));
            }
            Verb::Update { .. } | Verb::Delete if self.has_versions => {
                let about = "The `ETag` of what is to be changed.";
                parameters.push(answers::asked("If-Match", about, self.extent.require_if_match));
            }
            _ => {}
        }
        parameters
    }

    fn body(&self, described: &mut Described) -> Option<Json> {
        let suffix = match self.verb {
            Verb::Create => "New",
            Verb::Update { partial: false } => "Edit",
            Verb::Update { partial: true } => "Patch",
            Verb::Delete => "Delete",
            _ => return None,
        };
        let fields = match self.verb {
            Verb::Delete => self.route.about.deleted_with,
            _ => (self.route.about.fields)(self.extent.audience(true)),
        };
        if fields.iter().all(|field| field.access == Access::ReadOnly) {
            return None;
        }
        let sent = self.extent.own(schema::sent(fields, self.verb == Verb::Update { partial: true }), false);
        let (example, required) = (schema::example(&sent), sent.get("required").is_some());
        Some(answers::body(&described.schema(&[&format!("{}{suffix}", self.name)], sent), example, required))
    }

    fn responses(&self, described: &mut Described) -> Map<String, Json> {
        let (status, answer) = self.done(described);
        let mut all = answers::errors(&[400, 401, 403, 404, 405, 406, 413, 429, 503]);
        let takes_body = self.verb != Verb::Delete || !self.route.about.deleted_with.is_empty();
        if takes_body && matches!(self.verb, Verb::Create | Verb::Update { .. } | Verb::Delete) {
            all.extend(answers::errors(&[415]));
        }
        match self.verb {
            Verb::Create if !self.extent.compat => all.extend(answers::errors(&[409, 422])),
            Verb::Read if self.has_versions => {
                all.extend(answers::errors(&[412]));
                let known = json!({ "description": "Who asks has it already." });
                all.insert("304".to_owned(), answers::with_tag(known));
            }
            Verb::Update { .. } | Verb::Delete if self.has_versions => {
                all.extend(answers::errors(if self.extent.require_if_match { &[412, 428] } else { &[412] }));
            }
            _ => {}
        }
        let is_made = self.verb == Verb::Create && self.is_list && self.extent.has_tags;
        let has_tag = is_made || self.has_versions && self.verb != Verb::Delete;
        all.insert(status.to_owned(), if has_tag { answers::with_tag(answer) } else { answer });
        all
    }

    /// What is answered once it is done.
    fn done(&self, described: &mut Described) -> (&'static str, Json) {
        let of = |is_superuser| {
            self.extent.own((self.route.about.told)(self.extent.audience(is_superuser), self.verb), true)
        };
        let told = schema::at_least(of(true), &of(false));
        let mut named = |suffix| described.schema(&[&self.name, &format!("{}{suffix}", self.name)], told.clone());
        match self.verb {
            Verb::Delete => ("204", answers::nothing()),
            Verb::List => {
                let page = schema::page(&named("InList"));
                let page = described.schema(&[&format!("{}Page", self.name)], page);
                ("200", answers::told("A page of the list.", &page, schema::example(&schema::page(&told))))
            }
            Verb::Create => {
                let answer = answers::told("It is done.", &named("Made"), schema::example(&told));
                if self.is_list { ("201", answers::with_location(answer)) } else { ("200", answer) }
            }
            _ => ("200", answers::told("What is there now.", &named("Detail"), schema::example(&told))),
        }
    }
}

/// Who may do it.
fn permission(about: &About, method: &Method) -> String {
    let of = |action: &str| format!("`{}`", about.permission.replace("{}", action));
    let needed = match *method {
        _ if about.action.is_some() => about.action.map(of).unwrap_or_default(),
        Method::GET => format!("{} or {}", of("view"), of("change")),
        Method::POST => of("add"),
        Method::DELETE => of("delete"),
        _ => of("change"),
    };
    format!("Permitted by {needed}; to superusers always. Who asks sees what is theirs to see; all else is not there.")
}

fn paging() -> [Json; 2] {
    let parameter = |name: &str, schema: Json, about: String| json!({ "name": name, "in": "query", "description": about, "schema": schema });
    let page = json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "last" }] });
    let size = json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_PAGE });
    [
        parameter("page", page, "The number of the page, or `last`.".to_owned()),
        parameter("page_size", size, format!("Records of a page, at most {LONGEST_PAGE}.")),
    ]
}

fn cursor() -> Json {
    json!({
        "name": "cursor", "in": "query", "schema": { "type": "string" },
        "description": "Empty for the first of pages that nothing which comes and goes moves; the others are in `next` and `previous`.",
    })
}

fn filters(fields: &[RecordField], declared: &DeclaredFields) -> Vec<Json> {
    let mut parameters: Vec<Json> = fields
        .iter()
        .filter(|field| field.filter)
        .flat_map(|field| match field.kind {
            Kind::Map => {
                let of = |(name, of)| (format!("{}.{name}", field.name), schema::declared_type(of));
                declared.iter().map(of).collect()
            }
            _ => vec![(field.name.to_owned(), schema::filter(field))],
        })
        .map(|(name, schema)| {
            let about = format!("Those alone whose `{name}` is this.");
            json!({ "name": name, "in": "query", "description": about, "schema": schema })
        })
        .collect();
    let names = |can: fn(&RecordField) -> bool| {
        fields.iter().filter(|field| can(field)).map(|field| field.name).collect::<Vec<_>>()
    };
    let searched = names(|field| field.search);
    if !searched.is_empty() {
        let about = format!("Words that must all be found in `{}`, whatever their case.", searched.join("`, `"));
        parameters
            .push(json!({ "name": "search", "in": "query", "description": about, "schema": { "type": "string" } }));
    }
    let sorted: Vec<String> =
        names(|field| field.sort).iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect();
    if !sorted.is_empty() {
        parameters.push(json!({
            "name": "ordering", "in": "query", "style": "form", "explode": false,
            "description": "By which fields, the first first; one behind `-` from high to low.",
            "schema": { "type": "array", "items": { "enum": sorted }, "minItems": 1, "maxItems": 20 },
        }));
    }
    parameters
}

impl Extent {
    fn audience(&self, is_superuser: bool) -> Audience {
        Audience { is_superuser, is_compat: self.compat, has_fields: !self.declared.is_empty() }
    }

    /// A schema in which the installation's own fields are.
    fn own(&self, mut schema: Json, is_told: bool) -> Json {
        if let Some(fields) = schema.pointer_mut("/properties/fields") {
            *fields = schema::declared(&self.declared, is_told);
        }
        schema
    }
}
