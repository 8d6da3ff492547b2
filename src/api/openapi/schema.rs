//! JSON Schemas of what is sent and told, from the fields of endpoints and of records.

use crate::compat::openwisp::serializer::{Access, Field, Keys, Shape};
use crate::directory::{DeclaredFields, Field as RecordField, FieldType, Kind, Resource};
use serde_json::{Map, Value as Json, json};

/// What an endpoint takes: objects of these fields. Where `partial`, none is required.
pub fn sent(fields: &[Field], partial: bool) -> Json {
    let sent: Vec<_> = fields.iter().filter(|field| field.access != Access::ReadOnly).collect();
    let required: Vec<_> = sent.iter().filter(|field| field.required && !partial).map(|field| field.name).collect();
    object(sent.iter().map(|field| (field.name, value_sent(field))), &required)
}

/// What it tells.
pub fn told(fields: &[Field]) -> Json {
    let told: Vec<_> = fields.iter().filter(|field| field.access != Access::WriteOnly).collect();
    let required: Vec<_> = told.iter().map(|field| field.name).collect();
    object(told.iter().map(|field| (field.name, value_told(field))), &required)
}

/// What is told of a record as the directory defines it, and what besides.
pub fn record<R: Resource>(besides: &[Field]) -> Json {
    let fields: Vec<_> = R::FIELDS.iter().filter(|field| field.is_told()).collect();
    let values = fields.iter().map(|field| (field.name, kept(field)));
    let values = values.chain(besides.iter().map(|field| (field.name, value_told(field))));
    let names = fields.iter().map(|field| field.name).chain(besides.iter().map(|field| field.name));
    object(values, &names.collect::<Vec<_>>())
}

/// The same with more fields, which are always there.
pub fn with<'n>(mut schema: Json, fields: impl IntoIterator<Item = (&'n str, Json)>) -> Json {
    for (name, field) in fields {
        if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            properties.insert(name.to_owned(), field);
        }
        if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
            required.push(json!(name));
        }
    }
    schema
}

/// A page of a list.
pub fn page(items: &Json) -> Json {
    let link = json!({ "type": ["string", "null"], "description": "The address of that page." });
    let fields = [
        (
            "count",
            json!({ "type": "integer", "minimum": 0, "description": "How many there are in all.", "examples": [1] }),
        ),
        (
            "count_is_exact",
            json!({ "type": "boolean", "const": false, "description": "There are more than were counted." }),
        ),
        ("next", with_example(link.clone(), Json::Null)),
        ("previous", with_example(link, Json::Null)),
        ("results", json!({ "type": "array", "items": items })),
    ];
    // Pages by cursor count nothing.
    object(fields, &["next", "previous", "results"])
}

pub fn object<'n>(fields: impl IntoIterator<Item = (&'n str, Json)>, required: &[&str]) -> Json {
    let fields: Map<String, Json> = fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut schema = json!({ "type": "object", "properties": fields });
    if let Some(schema) = schema.as_object_mut().filter(|_| !required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The same of whoever sees less: what they do not see need not be there.
pub fn at_least(mut schema: Json, less: &Json) -> Json {
    if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
        let of_all: Vec<&Json> = less.get("required").and_then(Json::as_array).into_iter().flatten().collect();
        required.retain(|name| of_all.contains(&name));
    }
    schema
}

/// An example of what a schema describes, of the examples of its parts.
pub fn example(schema: &Json) -> Json {
    if let Some(example) = schema.pointer("/examples/0") {
        return example.clone();
    }
    if let Some(fields) = schema.get("properties").and_then(Json::as_object) {
        let required: Vec<&Json> = schema.get("required").and_then(Json::as_array).into_iter().flatten().collect();
        let all = fields.iter().map(|(name, schema)| (name.clone(), example(schema)));
        // What need not be there is shown where there is an example of it.
        let shown = all.filter(|(name, example)| !example.is_null() || required.iter().any(|one| *one == name));
        return shown.collect::<Map<_, _>>().into();
    }
    if let Some(items) = schema.get("items").map(example) {
        return if items.is_null() { json!([]) } else { json!([items]) };
    }
    if schema.get("type").is_some_and(|kind| kind == "object") {
        return json!({});
    }
    schema.get("anyOf").and_then(|each| each.get(0)).map_or(Json::Null, example)
}

fn value_sent(field: &Field) -> Json {
    let mut schema = match field.shape {
        Shape::Text | Shape::Phone => json!({ "type": "string" }),
        Shape::Untrimmed => json!({ "type": "string" }),
        Shape::Username => json!({ "type": "string", "pattern": r"^[\w.@+-]+$" }),
        Shape::Email => json!({ "type": "string", "format": "email" }),
        Shape::Url => json!({ "type": "string", "format": "uri" }),
        Shape::Slug => json!({ "type": "string", "pattern": "^[-a-zA-Z0-9_]+$" }),
        Shape::Keys(keys) => json!({ "type": "array", "items": key_sent(keys) }),
        Shape::Key => json!({ "type": "string", "format": "uuid" }),
        Shape::Map => json!({ "type": "object" }),
        Shape::Nested(fields) => sent(fields, false),
        Shape::First(fields) => {
            let one = sent(fields, false);
            json!({ "anyOf": [{ "type": "array", "items": one }, one] })
        }
        Shape::Each(fields) => {
            let one = sent(fields, false);
            json!({ "anyOf": [{ "type": "array", "items": one }, one] })
        }
        Shape::Flag | Shape::Date | Shape::Moment | Shape::Number | Shape::Uuid => shown(field),
    };
    let is_text = schema.get("type").is_some_and(|kind| kind == "string");
    if let Some(schema) = schema.as_object_mut() {
        if let Some(longest) = field.longest {
            schema.insert("maxLength".to_owned(), json!(longest));
        }
        if is_text && !field.blank && !schema.contains_key("format") && !schema.contains_key("pattern") {
            schema.insert("minLength".to_owned(), json!(1));
        }
        if field.access == Access::WriteOnly {
            schema.insert("writeOnly".to_owned(), json!(true));
        }
    }
    let mut schema = described(schema, field);
    if is_text && field.blank && schema.get("format").is_some() {
        schema = json!({ "anyOf": [schema, { "const": "" }] });
    }
    or_null(schema, field.nullable)
}

/// What it is, by its shape alone.
fn shown(field: &Field) -> Json {
    match field.shape {
        Shape::Text | Shape::Untrimmed | Shape::Username | Shape::Email | Shape::Url | Shape::Slug | Shape::Phone => {
            json!({ "type": "string" })
        }
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Date => json!({ "type": "string", "format": "date" }),
        Shape::Moment => json!({ "type": "string", "format": "date-time" }),
        Shape::Number => json!({ "type": "integer" }),
        Shape::Uuid | Shape::Key => json!({ "type": "string", "format": "uuid" }),
        Shape::Keys(keys) => json!({ "type": "array", "items": key_told(keys) }),
        Shape::Map => json!({ "type": "object" }),
        Shape::Nested(fields) => told(fields),
        Shape::First(fields) | Shape::Each(fields) => json!({ "type": "array", "items": told(fields) }),
    }
}

fn value_told(field: &Field) -> Json {
    let mut schema = described(shown(field), field);
    if let Some(schema) = schema.as_object_mut().filter(|_| field.access == Access::ReadOnly) {
        schema.insert("readOnly".to_owned(), json!(true));
    }
    or_null(schema, field.nullable || field.may_be_none)
}

fn key_sent(keys: Keys) -> Json {
    match keys {
        Keys::Numbered => json!({ "anyOf": [{ "type": "integer", "examples": [12] }, { "type": "string" }] }),
        other => key_told(other),
    }
}

fn key_told(keys: Keys) -> Json {
    match keys {
        Keys::Numbers => json!({ "type": "integer", "examples": [1] }),
        Keys::Uuids => json!({ "type": "string", "format": "uuid", "examples": [ID] }),
        Keys::Words => json!({ "type": "string", "minLength": 1, "examples": ["config.add_device"] }),
        Keys::Numbered => json!({ "type": "string", "examples": ["12: device | Can add device"] }),
    }
}

/// A field as the directory keeps it.
fn kept(field: &RecordField) -> Json {
    let mut schema = match field.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Words => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Map => json!({ "type": "object" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "integer" }),
        Kind::Id => json!({ "type": "string", "format": "uuid" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Time | Kind::Moment => json!({ "type": "string", "format": "date-time" }),
    };
    if let Some(schema) = schema.as_object_mut().filter(|_| !field.help.is_empty()) {
        schema.insert("description".to_owned(), json!(field.help));
    }
    or_null(exemplified(schema, field.name), field.nullable)
}

/// The value of a filter: a text of the field's kind, in which nothing means that it is absent.
pub fn filter(field: &RecordField) -> Json {
    let schema = match field.kind {
        Kind::Text | Kind::Words | Kind::Map => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        Kind::Time | Kind::Moment => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        Kind::Id => json!({ "type": "string", "format": "uuid" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
    };
    exemplified(schema, field.name)
}

/// The fields of users that an installation declares: all are told, and null takes one away.
pub fn declared(fields: &DeclaredFields, is_told: bool) -> Json {
    let names: Vec<&str> = fields.iter().map(|(name, _)| name).collect();
    let values = fields.iter().map(|(name, of)| {
        let mut schema = or_null(declared_type(of), true);
        if let Some(choices) = schema.get_mut("enum").and_then(Json::as_array_mut) {
            choices.push(Json::Null);
        }
        (name, schema)
    });
    object(values, if is_told { &names } else { &[] })
}

/// What a field of the installation's own is.
pub fn declared_type(of: &FieldType) -> Json {
    match of {
        FieldType::Text { max_length, choices } => match choices.first() {
            Some(first) => json!({ "type": "string", "enum": choices, "examples": [first] }),
            None => {
                json!({ "type": "string", "maxLength": max_length.unwrap_or(FieldType::LONGEST), "examples": ["…"] })
            }
        },
        FieldType::Number { min, max } => {
            let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
            json!({ "type": "integer", "minimum": min, "maximum": max, "examples": [7.clamp(min, max.max(min))] })
        }
        FieldType::Flag => json!({ "type": "boolean", "examples": [true] }),
        FieldType::Date => json!({ "type": "string", "format": "date", "examples": ["2026-01-31"] }),
    }
}

fn described(schema: Json, field: &Field) -> Json {
    let mut schema = exemplified(schema, field.name);
    if let Some(schema) = schema.as_object_mut().filter(|_| !field.help.is_empty()) {
        schema.insert("description".to_owned(), json!(field.help));
    }
    schema
}

fn or_null(mut schema: Json, nullable: bool) -> Json {
    if !nullable {
        return schema;
    }
    let Some(kind) = schema.get_mut("type") else {
        if let Some(any) = schema.get_mut("anyOf").and_then(Json::as_array_mut) {
            any.push(json!({ "type": "null" }));
        }
        return schema;
    };
    *kind = json!([kind.take(), "null"]);
    schema
}

/// The schema of a text of this name.
pub fn text(name: &str) -> Json {
    exemplified(json!({ "type": "string", "minLength": 1 }), name)
}

const ID: &str = "5c1a5d0e-9a5e-4f3a-8a63-0a1b2c3d4e5f";

/// The schema with an example of a field of this name, or of this type.
fn exemplified(schema: Json, name: &str) -> Json {
    let kind = schema.get("type").and_then(Json::as_str).unwrap_or_default();
    let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
    let example = match (kind, format, name) {
        ("array" | "object" | "", ..) => return schema,
        ("boolean", _, "is_active") => json!(true),
        ("boolean", ..) => json!(false),
        ("integer", ..) => json!(7),
        (_, "uuid", _) => json!(ID),
        (_, "date", "birth_date") => json!("1990-12-31"),
        (_, "date", _) => json!("2031-12-31"),
        (_, "date-time", "expires_at") => json!("2031-01-31T12:00:00Z"),
        (_, "date-time", _) => json!("2026-01-31T12:00:00Z"),
        (_, _, "email" | "input") => json!("ann@example.com"),
        (_, _, "username" | "user") => json!("ann"),
        (_, _, "first_name") => json!("Ann"),
        (_, _, "last_name") => json!("Lee"),
        (_, _, "phone_number") => json!("+390612345678"),
        (_, _, "url") => json!("https://example.com/"),
        (_, _, "slug" | "organization" | "user_org") => json!("acme"),
        (_, _, "codename") => json!("config.add_device"),
        (_, _, "level") => json!("manager"),
        (_, _, "state") => json!("active"),
        (_, _, "expires_at") => json!("2031-01-31T12:00:00Z"),
        (_, _, "company" | "name") => json!("Acme"),
        (_, _, "location") => json!("Rome"),
        (_, _, "detail") => json!("It is done."),
        (_, _, "token") => json!("pst_…"),
        (_, _, "uid") => json!(ID),
        (_, _, "scope") => json!("reports"),
        (_, _, "max_age") => json!("5m"),
        (_, _, "next") => json!("/app/"),
        _ if name.contains("password") => json!("correct-horse-battery"),
        _ => json!("…"),
    };
    with_example(schema, example)
}

fn with_example(mut schema: Json, example: Json) -> Json {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("examples".to_owned(), json!([example]));
    }
    schema
}
