//! `docs/`: the description as pages for people, which need no script and ask for nothing from elsewhere: what there is, each subject, and
//! the schemas.

use crate::api::page::policy_of;
use askama::Template;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

const STYLE: &str = include_str!("../templates/docs.css");
/// In the order in which operations of a path are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    style: &'static str,
    title: String,
    /// The way to the first page: empty there.
    base: &'static str,
    about: Prose,
    version: &'a str,
    /// What there is, of whatever page.
    groups: &'a [Group],
    /// What the page tells.
    operations: &'a [Operation],
    schemes: &'a [Row],
    errors: &'a [Answer],
    schemas: &'a [Schema],
}

struct Group {
    tag: String,
    /// As it stands in an address.
    name: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Prose,
    who: String,
    /// Where a browser does the same: an address, and what is there.
    page: Option<(String, &'static str)>,
    parameters: Vec<Row>,
    body: Option<Content>,
    answers: Vec<Answer>,
    /// Each status, and what it is called among all errors.
    errors: Vec<(String, String)>,
}

/// A parameter, or a field.
struct Row {
    name: String,
    place: String,
    required: bool,
    kind: Vec<Piece>,
    about: Prose,
}

struct Answer {
    name: String,
    about: Prose,
    headers: String,
    contents: Vec<Content>,
}

struct Content {
    media: String,
    kind: Vec<Piece>,
    example: String,
}

struct Schema {
    name: String,
    about: Prose,
    kind: Vec<Piece>,
    fields: Vec<Row>,
}

/// A part of what is said of a type: words, or the name of a schema.
struct Piece {
    text: String,
    is_schema: bool,
}

/// What is said, in parts: every other is written as in a program.
struct Prose(Vec<String>);

impl Prose {
    fn of(value: Option<&Json>) -> Self {
        Self(value.and_then(Json::as_str).into_iter().flat_map(|text| text.split('`')).map(str::to_owned).collect())
    }

    /// Each part, and whether it is written so.
    fn parts(&self) -> impl Iterator<Item = (bool, &String)> {
        self.0.iter().enumerate().map(|(number, part)| (number % 2 == 1, part))
    }
}

/// All pages, by their names; that of the first is empty.
pub type Pages = BTreeMap<String, Bytes>;

/// The name of the page of schemas.
const SCHEMAS: &str = "schemas";

/// The pages of a description; `browsable`: they lead to those of the records.
pub fn render(document: &Json, browsable: bool) -> Result<Pages, askama::Error> {
    let mut groups: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for (path, item) in members(document, "paths") {
        for (method, operation) in METHODS.iter().filter_map(|method| Some((method, item.get(method)?))) {
            let tag = text(operation.pointer("/tags/0"));
            groups.entry(tag).or_default().push(self::operation(path, item, method, operation, browsable));
        }
    }
    let components = document.get("components").unwrap_or(&Json::Null);
    let named = |tag: &str| tag.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let groups = groups.into_iter().map(|(tag, operations)| Group { name: named(&tag), tag, operations });
    let groups: Vec<Group> = groups.collect();
    let schemes: Vec<Row> = members(components, "securitySchemes").map(|(name, told)| scheme(name, told)).collect();
    let errors: Vec<Answer> = members(components, "responses").map(|(name, told)| self::told(name, told)).collect();
    let schemas: Vec<Schema> = members(components, "schemas").map(|(name, told)| schema(name, told)).collect();
    let (title, version) = (text(document.pointer("/info/title")), text(document.get("openapi")));
    let page = |of: &str| Page {
        style: STYLE,
        title: if of.is_empty() { title.clone() } else { format!("{of} · {title}") },
        base: if of.is_empty() { "" } else { "../" },
        about: Prose(Vec::new()),
        version: &version,
        groups: &groups,
        operations: &[],
        schemes: &[],
        errors: &[],
        schemas: &[],
    };
    let about = Prose::of(document.pointer("/info/description"));
    let first = Page { about, schemes: &schemes, errors: &errors, ..page("") };
    let mut pages = Pages::from([
        (String::new(), first.render()?.into()),
        (SCHEMAS.to_owned(), Page { schemas: &schemas, ..page("Schemas") }.render()?.into()),
    ]);
    for group in &groups {
        let told = Page { operations: &group.operations, ..page(&group.tag) };
        pages.insert(group.name.clone(), told.render()?.into());
    }
    Ok(pages)
}

/// The page as an answer.
pub fn answer(html: Bytes) -> Response {
    let mut response = (StatusCode::OK, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy_of(STYLE));
    response
}

/// The page of an operation on records: its own, its form, or, where it is of one record, the list in which that is found.
fn browser_page(path: &str, method: &str, operation: &Json) -> Option<(String, &'static str)> {
    let is_of_records = operation.pointer("/tags/0") != Some(&"password".into());
    let has_pages = list(operation, "parameters").any(|known| known.get("name") == Some(&"format".into()));
    if !is_of_records || !has_pages {
        return None;
    }
    Some(match (path.split_once('{'), method) {
        (Some((list, _)), _) => (list.to_owned(), "Choose a record in the browser"),
        (None, "post") => (format!("{path}?_form=create"), "Open the form in the browser"),
        (None, _) => (path.to_owned(), "Open in the browser"),
    })
}

fn operation(path: &str, item: &Json, method: &str, operation: &Json, browsable: bool) -> Operation {
    let (errors, answers): (Vec<_>, Vec<_>) =
        members(operation, "responses").partition(|(_, told)| told.get("$ref").is_some());
    let parameters = list(item, "parameters").chain(list(operation, "parameters"));
    Operation {
        id: text(operation.get("operationId")),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(operation.get("summary")),
        about: Prose::of(operation.get("description")),
        who: who(operation),
        page: browsable.then(|| browser_page(path, method, operation)).flatten(),
        parameters: parameters.map(parameter).collect(),
        body: operation.get("requestBody").map(body),
        answers: answers.into_iter().map(|(status, told)| self::told(status, told)).collect(),
        errors: errors.into_iter().map(|(status, told)| (status.clone(), referred(told).unwrap_or_default())).collect(),
    }
}

/// The ways to say who asks, each of which may be several things at once.
fn who(operation: &Json) -> String {
    let ways = list(operation, "security").filter_map(Json::as_object);
    let ways: Vec<String> = ways.map(|way| way.keys().map(String::as_str).collect::<Vec<_>>().join(" and ")).collect();
    if ways.is_empty() { "anybody".to_owned() } else { ways.join(", or ") }
}

fn parameter(told: &Json) -> Row {
    Row {
        name: text(told.get("name")),
        place: text(told.get("in")),
        required: told.get("required") == Some(&Json::Bool(true)),
        kind: kind(told.get("schema").unwrap_or(&Json::Null)),
        about: Prose::of(told.get("description")),
    }
}

fn scheme(name: &str, told: &Json) -> Row {
    let place = told.get("in").or_else(|| told.get("scheme"));
    let kind = vec![Piece { text: text(told.get("name").or_else(|| told.get("type"))), is_schema: false }];
    Row { name: name.to_owned(), place: text(place), required: false, kind, about: Prose::of(told.get("description")) }
}

/// One body for all types that it may be sent as.
fn body(told: &Json) -> Content {
    let media: Vec<&str> = members(told, "content").map(|(media, _)| media.as_str()).collect();
    let first = members(told, "content").find(|(_, content)| content.get("example").is_some());
    let (kind, example) = first.map(|(_, content)| (kind_of(content), example(content))).unwrap_or_default();
    Content { media: media.join(", "), kind, example }
}

fn told(name: &str, told: &Json) -> Answer {
    let headers: Vec<&str> = members(told, "headers").map(|(name, _)| name.as_str()).collect();
    // A page of the same is there of all, and is told where there is nothing else.
    let is_told = |media: &str| media != "text/html" || members(told, "content").count() == 1;
    let contents = members(told, "content").filter(|(media, _)| is_told(media)).map(|(media, told)| Content {
        media: media.clone(),
        kind: kind_of(told),
        example: example(told),
    });
    Answer {
        name: name.to_owned(),
        about: Prose::of(told.get("description")),
        headers: headers.join(", "),
        contents: contents.collect(),
    }
}

fn schema(name: &str, schema: &Json) -> Schema {
    let required: Vec<&Json> = list(schema, "required").collect();
    let fields = members(schema, "properties").map(|(name, field)| Row {
        name: name.clone(),
        place: String::new(),
        required: required.iter().any(|one| one.as_str() == Some(name)),
        kind: kind(field),
        about: Prose::of(field.get("description")),
    });
    Schema {
        name: name.to_owned(),
        about: Prose::of(schema.get("description")),
        kind: kind(schema),
        fields: fields.collect(),
    }
}

fn kind_of(content: &Json) -> Vec<Piece> {
    kind(content.get("schema").unwrap_or(&Json::Null))
}

fn example(content: &Json) -> String {
    content.get("example").map(|example| format!("{example:#}")).unwrap_or_default()
}

/// What a schema says, in words.
fn kind(schema: &Json) -> Vec<Piece> {
    let mut pieces = Vec::new();
    say(schema, &mut pieces);
    pieces
}

fn say(schema: &Json, pieces: &mut Vec<Piece>) {
    let mut word = |text: String| pieces.push(Piece { text, is_schema: false });
    if let Some(name) = referred(schema) {
        pieces.push(Piece { text: name, is_schema: true });
    } else if let Some(only) = schema.get("const") {
        word(only.to_string());
    } else if schema.get("enum").is_some() {
        word(list(schema, "enum").map(Json::to_string).collect::<Vec<_>>().join(" or "));
    } else if schema.get("anyOf").is_some() {
        for (number, one) in list(schema, "anyOf").enumerate() {
            if number > 0 {
                pieces.push(Piece { text: " or ".to_owned(), is_schema: false });
            }
            say(one, pieces);
        }
    } else {
        word(simple(schema));
        if let Some(items) = schema.get("items") {
            pieces.push(Piece { text: " of ".to_owned(), is_schema: false });
            say(items, pieces);
        } else if let Some(values) = schema.get("additionalProperties") {
            pieces.push(Piece { text: " by name, of ".to_owned(), is_schema: false });
            say(values, pieces);
        } else {
            for (number, (name, field)) in members(schema, "properties").enumerate() {
                let before = if number == 0 { ": " } else { "; " };
                pieces.push(Piece { text: format!("{before}{name}, "), is_schema: false });
                say(field, pieces);
            }
        }
    }
}

/// A type with its bounds.
fn simple(schema: &Json) -> String {
    let kinds = match schema.get("type") {
        Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
        kind => vec![kind.and_then(Json::as_str).unwrap_or("anything")],
    };
    let format = schema.get("format").and_then(Json::as_str);
    let kinds: Vec<&str> =
        kinds.into_iter().map(|kind| if kind == "string" { format.unwrap_or(kind) } else { kind }).collect();
    let mut text = kinds.join(" or ");
    for (name, words) in [("maxLength", "characters at most"), ("maxItems", "at most")] {
        if let Some(most) = schema.get(name) {
            text += &format!(", {most} {words}");
        }
    }
    text
}

fn referred(value: &Json) -> Option<String> {
    value.get("$ref").and_then(Json::as_str).and_then(|target| target.rsplit('/').next()).map(str::to_owned)
}

fn text(value: Option<&Json>) -> String {
    value.and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn list<'j>(value: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> + use<'j> {
    value.get(name).and_then(Json::as_array).into_iter().flatten()
}

fn members<'j>(value: &'j Json, name: &str) -> impl Iterator<Item = (&'j String, &'j Json)> + use<'j> {
    value.get(name).and_then(Json::as_object).into_iter().flat_map(Map::iter)
}
