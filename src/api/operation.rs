//! What the reference's operations have in common: methods, the limit that is told, and JSON as the answer.

use super::Api;
use super::error::{ApiError, json_answer, tell_limit};
use crate::login::limits::State as Limit;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;

/// Each takes POST alone, and tells of itself.
const ALLOW: &str = "POST, OPTIONS";

/// The limit that a request was counted under, and what is answered.
pub(super) type Done = (Option<Limit>, String);

/// What was done, or why it was not, with the headers that all have.
pub(super) fn answer(api: &Api, done: Result<Done, ApiError>) -> Response {
    let (limit, body) = match done {
        Ok(done) => done,
        Err(error) => return error.answer(api, ALLOW),
    };
    let mut response = json_answer(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
    if let Some(limit) = limit {
        tell_limit(headers, limit);
    }
    response
}

/// Whether the method is POST; `Some` is the answer to OPTIONS.
pub(super) fn method(method: &Method, description: &'static str) -> Result<Option<String>, ApiError> {
    match *method {
        Method::POST => Ok(None),
        Method::OPTIONS => Ok(Some(description.to_owned())),
        ref other => Err(ApiError::Method(other.to_string())),
    }
}

/// A limit that is reached.
pub(super) fn throttled(state: Limit) -> ApiError {
    ApiError::Throttled { wait: state.reset, state: Some(state) }
}

pub(super) fn told(detail: &str) -> String {
    json!({ "detail": detail }).to_string()
}
