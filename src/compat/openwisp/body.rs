//! The body of a request: JSON, a form, or a multipart form, as fields.

use super::RequestError;
use super::charset::Charset;
use super::fields::Fields;
use super::media::Header;
use super::multipart::{self, MultipartError};
use super::{form, json};
use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt;

/// Reads the fields of a request.
///
/// # Errors
/// The type is not read, or the body is not of its type.
pub async fn read(request: &Parts, body: Body) -> Result<Fields, RequestError> {
    let body = body.collect().await.map_err(|_| RequestError::BrokenOff)?.to_bytes();
    fields(&request.headers, &body)
}

/// The same of a record, for which JSON is tried first.
///
/// # Errors
/// See [`read`].
pub async fn read_record(request: &Parts, body: Body) -> Result<Fields, RequestError> {
    let body = body.collect().await.map_err(|_| RequestError::BrokenOff)?.to_bytes();
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match Header::parse(content_type) {
        Some(header) if !body.is_empty() && header.is("application/json") => {
            let charset = header.parameter("charset").and_then(Charset::named).unwrap_or(Charset::UTF8);
            json::fields(&body, charset)
        }
        _ => fields(&request.headers, &body),
    }
}

/// An empty body has none, whatever its type. Types are tried in the reference's order: a client may say `*/*`.
fn fields(headers: &HeaderMap, body: &[u8]) -> Result<Fields, RequestError> {
    if body.is_empty() {
        return Ok(Fields::default());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unknown = || RequestError::MediaType(content_type.to_owned());
    let header = Header::parse(content_type).ok_or_else(unknown)?;
    // A charset that nobody knows counts for nothing.
    let charset = header.parameter("charset").and_then(Charset::named).unwrap_or(Charset::UTF8);
    if header.is("application/x-www-form-urlencoded") {
        let pairs = form::pairs(body, charset).ok_or(RequestError::TooManyFields)?;
        Ok(Fields::of_form(pairs.into_iter().map(|(name, value)| (name, value.into())).collect()))
    } else if header.is("multipart/form-data") {
        multipart::fields(content_type, &header, body, charset).map_err(|error| match error {
            MultipartError::Broken(problem) => RequestError::Parse(format!("Multipart form parse error - {problem}")),
            MultipartError::TooMany => RequestError::TooManyFields,
        })
    } else if header.is("application/json") {
        json::fields(body, charset)
    } else {
        Err(unknown())
    }
}
