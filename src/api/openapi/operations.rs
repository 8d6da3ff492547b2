//! The operations that are no records': logins, and passwords that are renewed.

use super::{Described, Extent, answers, capital, operation, schema};
use crate::api::{password, paths, token};
use crate::compat::openwisp::serializer::Field;
use http::Method;
use serde_json::{Value as Json, json};

struct Operation {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// What `OPTIONS` tells: its fields are those that are sent.
    description: &'static str,
    told: Field,
    /// Whether somebody must be logged in.
    asks: bool,
    /// Whether it finds people by their names.
    names: bool,
}

const DETAIL: Field = Field::text("detail").help("What was done");

const OPERATIONS: [Operation; 4] = [
    Operation {
        path: paths::TOKEN,
        id: "createToken",
        summary: "A password for a token",
        description: token::DESCRIPTION,
        told: Field::text("token").help("A bearer token; it is told this once, unless `compat: openwisp` keeps it"),
        asks: false,
        names: true,
    },
    Operation {
        path: paths::CHANGE,
        id: "changePassword",
        summary: "A new password of one's own",
        description: password::change::DESCRIPTION,
        told: DETAIL,
        asks: true,
        names: false,
    },
    Operation {
        path: paths::RESET,
        id: "resetPassword",
        summary: "A link to a new password, by a letter; the answer is the same whoever is meant",
        description: password::reset::DESCRIPTION,
        told: DETAIL,
        asks: false,
        names: true,
    },
    Operation {
        path: paths::CONFIRM,
        id: "confirmPassword",
        summary: "A new password, by a letter's link",
        description: password::confirm::DESCRIPTION,
        told: DETAIL,
        asks: false,
        names: false,
    },
];

pub(super) fn paths(extent: &Extent, described: &mut Described) {
    for Operation { path, id, summary, description, told, asks, names } in OPERATIONS {
        let path = extent.links.at(path);
        described.path(&path, &json!([]));
        let mut operation = operation(id, summary, "password");
        operation.insert("parameters".to_owned(), json!([answers::format()]));
        let sent = sent(description, names && extent.per_organization);
        let name = capital(id);
        let example = schema::example(&sent);
        operation.insert(
            "requestBody".to_owned(),
            answers::body(&described.schema(&[&format!("{name}New")], sent), example, true),
        );
        let told = schema::told(&[told]);
        let example = schema::example(&told);
        let answer = answers::told("It is done.", &described.schema(&[&name], told), example);
        let mut all = answers::errors(&[400, 401, 403, 404, 405, 406, 413, 415, 429, 503]);
        all.insert("200".to_owned(), answer);
        operation.insert("responses".to_owned(), json!(all));
        operation
            .insert("security".to_owned(), if asks { answers::security(extent, &Method::POST) } else { json!([]) });
        described.operation(&path, &Method::POST, operation);
    }
}

/// The schema of the fields that `OPTIONS` tells.
fn sent(description: &str, of_organization: bool) -> Json {
    let description: Json = serde_json::from_str(description).unwrap_or_default();
    let fields = description.pointer("/actions/POST").and_then(Json::as_object);
    let fields = fields.into_iter().flatten().filter(|(_, field)| field.get("read_only") != Some(&json!(true)));
    let text = |name: &str, field: &Json| {
        let mut schema = schema::text(name);
        if let (Some(longest), Some(schema)) = (field.get("max_length"), schema.as_object_mut()) {
            schema.insert("maxLength".to_owned(), longest.clone());
        }
        schema
    };
    let mut properties: Vec<(&str, Json)> =
        fields.clone().map(|(name, field)| (name.as_str(), text(name, field))).collect();
    let required: Vec<&str> = fields
        .filter(|(_, field)| field.get("required") == Some(&json!(true)))
        .map(|(name, _)| name.as_str())
        .collect();
    if of_organization {
        properties.push(("organization", text("organization", &Json::Null)));
    }
    schema::object(properties, &required)
}
