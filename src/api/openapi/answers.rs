//! What operations have in common: representations, errors and who asks.

use super::Extent;
use crate::api::error::ApiError;
use crate::compat::openwisp::RequestError;
use crate::decision::{Denial, Reason};
use http::Method;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const HTML: &str = "text/html";

/// An error: its status, its name among the components, what it means, and what is told.
struct Error {
    status: u16,
    name: &'static str,
    about: &'static str,
    reason: Option<Reason>,
    /// As Django REST framework tells it.
    detail: Option<ApiError>,
    /// Told as `detail`, whatever `compat` says.
    always_detail: bool,
}

fn all() -> Vec<Error> {
    let error = |status, name, about, reason, detail, always_detail| Error {
        status,
        name,
        about,
        reason,
        detail,
        always_detail,
    };
    vec![
        error(
            400,
            "BadRequest",
            "Fields are wrong: what is wrong of each; or the request cannot be read.",
            Some(Reason::BadTarget),
            Some(ApiError::Request(RequestError::TooManyFields)),
            true,
        ),
        error(
            401,
            "Unauthorized",
            "Nobody says who they are, or what they say is not good.",
            Some(Reason::CredentialsMissing),
            Some(ApiError::Unauthenticated(
                Reason::CredentialsMissing,
                "Authentication credentials were not provided.",
            )),
            false,
        ),
        error(
            403,
            "Forbidden",
            "It is clear who asks, and they may not.",
            Some(Reason::PermissionMissing),
            Some(ApiError::Forbidden(Reason::PermissionMissing, "You do not have permission to perform this action.")),
            false,
        ),
        error(
            404,
            "NotFound",
            "It is not there, for who asks.",
            Some(Reason::LookupNotFound),
            Some(ApiError::Missing),
            true,
        ),
        error(
            405,
            "MethodNotAllowed",
            "`Allow` tells the methods.",
            None,
            Some(ApiError::Method("TRACE".to_owned())),
            true,
        ),
        error(
            406,
            "NotAcceptable",
            "Answers are JSON, or pages of HTML.",
            None,
            Some(ApiError::Request(RequestError::NotAcceptable)),
            true,
        ),
        error(
            409,
            "Conflict",
            "The same is being answered under this `Idempotency-Key`.",
            None,
            Some(ApiError::Repeated),
            true,
        ),
        error(412, "PreconditionFailed", "It has changed since it was read.", None, Some(ApiError::Changed), true),
        error(
            422,
            "UnprocessableContent",
            "The `Idempotency-Key` was sent with another request.",
            None,
            Some(ApiError::KeyOfAnother),
            true,
        ),
        error(
            428,
            "PreconditionRequired",
            "`If-Match` must say which state is changed.",
            None,
            Some(ApiError::NoCondition),
            true,
        ),
        error(413, "ContentTooLarge", "The body is too long.", Some(Reason::BodyTooLarge), None, false),
        error(
            415,
            "UnsupportedMediaType",
            "The body is neither JSON nor a form.",
            None,
            Some(ApiError::Request(RequestError::MediaType("text/plain".to_owned()))),
            true,
        ),
        error(
            429,
            "TooManyRequests",
            "`Retry-After` tells in how many seconds to come back.",
            Some(Reason::Throttled),
            Some(ApiError::Throttled { wait: Duration::from_secs(42), state: None }),
            false,
        ),
        error(
            503,
            "ServiceUnavailable",
            "Try again, in as many seconds as `Retry-After` tells.",
            Some(Reason::StoreUnavailable),
            Some(ApiError::Busy),
            true,
        ),
    ]
}

/// The errors, as components, and refusals for these reasons.
pub fn responses(extent: &Extent, reasons: &[Reason]) -> Json {
    let mut named: Map<_, _> =
        all().into_iter().map(|error| (error.name.to_owned(), response(extent, error))).collect();
    named.extend(reasons.iter().map(|reason| (name_of(*reason), refused(*reason))));
    named.into()
}

fn response(extent: &Extent, error: Error) -> Json {
    let mut content = Map::new();
    if let Some(detail) = error.detail.filter(|_| extent.compat || error.always_detail) {
        let (schema, example) = if error.status == 400 {
            let schema = json!({ "anyOf": [reference("FieldErrors"), reference("Detail")] });
            (schema, json!({ "username": ["This field is required."] }))
        } else {
            (reference("Detail"), json!({ "detail": detail.to_string() }))
        };
        content.insert(JSON.to_owned(), json!({ "schema": schema, "example": example }));
    }
    if let Some(reason) = error.reason {
        let example = problem(&Denial::new(reason));
        content.insert(PROBLEM.to_owned(), json!({ "schema": reference("Problem"), "example": example }));
    }
    content.insert(HTML.to_owned(), html());
    with_headers(json!({ "description": error.about, "content": content }), error.status)
}

/// With the headers that answers of this status have.
fn with_headers(mut response: Json, status: u16) -> Json {
    let headers = match status {
        401 => json!({ "WWW-Authenticate": header("string") }),
        405 => json!({ "Allow": header("string") }),
        429 => {
            json!({ "Retry-After": header("integer"), "RateLimit": header("string"), "RateLimit-Policy": header("string") })
        }
        409 | 503 => json!({ "Retry-After": header("integer") }),
        _ => return response,
    };
    if let Some(response) = response.as_object_mut() {
        response.insert("headers".to_owned(), headers);
    }
    response
}

/// Errors that are problem+json alone.
pub fn problems(reasons: &[Reason]) -> Map<String, Json> {
    let one = |reason: &Reason| {
        let named = json!({ "$ref": format!("#/components/responses/{}", name_of(*reason)) });
        (Denial::new(*reason).status.as_u16().to_string(), named)
    };
    reasons.iter().map(one).collect()
}

/// What such an error is called among the components.
fn name_of(reason: Reason) -> String {
    format!("{}Problem", reason.code().split('_').map(super::capital).collect::<String>())
}

fn refused(reason: Reason) -> Json {
    let denial = Denial::new(reason);
    let told = json!({ PROBLEM: { "schema": reference("Problem"), "example": problem(&denial) } });
    with_headers(json!({ "description": reason.detail(), "content": told }), denial.status.as_u16())
}

fn problem(denial: &Denial) -> Json {
    serde_json::from_str(&denial.problem()).unwrap_or_default()
}

fn header(kind: &str) -> Json {
    json!({ "schema": { "type": kind } })
}

fn reference(schema: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn html() -> Json {
    json!({ "schema": { "type": "string" } })
}

/// A page for people.
pub fn page(about: &str) -> Json {
    json!({ "description": about, "content": { HTML: html() } })
}

/// Those errors, of an operation.
pub fn errors(statuses: &[u16]) -> Map<String, Json> {
    let named = all().into_iter().filter(|error| statuses.contains(&error.status));
    named
        .map(|error| (error.status.to_string(), json!({ "$ref": format!("#/components/responses/{}", error.name) })))
        .collect()
}

/// What errors look like.
pub fn schemas() -> [(&'static str, Json); 3] {
    let text = |example: &str| json!({ "type": "string", "examples": [example] });
    let problem = json!({
        "description": "RFC 9457. `code` is one of a list that stays.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": text("urn:postern:reason:no_route"),
            "title": text("No route"),
            "status": { "type": "integer" },
            "detail": text("No route matches."),
            "code": text("no_route"),
            "web_password_change_url": { "type": "string" },
            "api_password_change_url": { "type": "string" },
            "api_password_reset_url": { "type": "string" },
        },
    });
    let detail = json!({ "type": "object", "required": ["detail"], "properties": { "detail": text("Not found.") } });
    let errors = json!({
        "description": "By field, in the order of the operation's fields; `non_field_errors` and `__all__` concern no field of its own.",
        "type": "object",
        "additionalProperties": { "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "$ref": "#/components/schemas/FieldErrors" },
            { "type": "array", "items": { "$ref": "#/components/schemas/FieldErrors" } },
        ] },
    });
    [("Problem", problem), ("Detail", detail), ("FieldErrors", errors)]
}

/// What is sent: the same fields as JSON and in forms.
pub fn body(schema: &Json, example: Json, required: bool) -> Json {
    json!({
        "required": required,
        "content": {
            JSON: { "schema": schema, "example": example },
            "application/x-www-form-urlencoded": { "schema": schema },
            "multipart/form-data": { "schema": schema },
        },
    })
}

/// The same, as JSON alone.
pub fn json_body(schema: &Json, example: Json) -> Json {
    json!({ "required": true, "content": { JSON: { "schema": schema, "example": example } } })
}

pub fn told(about: &str, schema: &Json, example: Json) -> Json {
    json!({ "description": about, "content": { JSON: { "schema": schema, "example": example }, HTML: html() } })
}

/// The same, as JSON alone.
pub fn json(about: &str, schema: &Json, example: Json) -> Json {
    json!({ "description": about, "content": { JSON: { "schema": schema, "example": example } } })
}

pub fn with_location(mut answer: Json) -> Json {
    if let Some(answer) = answer.as_object_mut() {
        let location = json!({ "description": "Where it is.", "schema": { "type": "string" } });
        answer.insert("headers".to_owned(), json!({ "Location": location }));
    }
    answer
}

/// The same, of a record that has versions.
pub fn with_tag(mut answer: Json) -> Json {
    if let Some(answer) = answer.as_object_mut() {
        let headers = answer.entry("headers").or_insert_with(|| json!({}));
        if let Some(headers) = headers.as_object_mut() {
            headers.insert("ETag".to_owned(), header("string"));
        }
    }
    answer
}

/// A header that says under which condition something is done, or how often.
pub fn asked(name: &str, about: &str, required: bool) -> Json {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255 });
    json!({ "name": name, "in": "header", "description": about, "required": required, "schema": schema })
}

pub fn nothing() -> Json {
    json!({ "description": "It is gone." })
}

/// The parameter that says how the answer is written, before `Accept` does.
pub fn format() -> Json {
    json!({
        "name": "format", "in": "query", "schema": { "enum": ["json", "api"] },
        "description": "How the answer is written, whatever `Accept` says: `api` is a page for people.",
    })
}

/// Who may be asking: by a token; or by a session, which changes nothing without its second token.
pub fn security(extent: &Extent, method: &Method) -> Json {
    let token = json!({ "bearer": [] });
    match (extent.cookie, *method == Method::GET) {
        (None, _) => json!([token]),
        (Some(_), true) => json!([token, { "session": [] }]),
        (Some(_), false) => json!([token, { "session": [], "csrf": [] }]),
    }
}

pub fn schemes(extent: &Extent) -> Json {
    let mut schemes = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "A token of a login, or a named one of `me/token/`." },
    });
    if let (Some(cookie), Some(schemes)) = (extent.cookie, schemes.as_object_mut()) {
        schemes.insert("session".to_owned(), json!({ "type": "apiKey", "in": "cookie", "name": cookie }));
        let csrf = json!({
            "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
            "description": "What the session's other cookie, which pages can read, holds.",
        });
        schemes.insert("csrf".to_owned(), csrf);
    }
    schemes
}
