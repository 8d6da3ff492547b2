//! The body of a request: JSON, a form, or a multipart form, as fields.

use super::error::ApiError;
use super::fields::{FieldErrors, Fields};
use super::json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use percent_encoding::percent_decode;
use serde_json::Value;

/// Fields of a form, at most; the reference's own limit.
const MOST_FIELDS: usize = 1000;

/// Reads the fields. An empty body has none, whatever its type.
///
/// # Errors
/// The type is not read, or the body is not of its type.
pub async fn fields(headers: &HeaderMap, body: Bytes) -> Result<Fields, ApiError> {
    if body.is_empty() {
        return Ok(Fields::new());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => object(json::parse(&body)?),
        "application/x-www-form-urlencoded" => form(&body),
        "multipart/form-data" => multipart(headers, body).await,
        _ => Err(ApiError::MediaType(content_type.to_owned())),
    }
}

fn object(value: Value) -> Result<Fields, ApiError> {
    let kind = match value {
        Value::Object(fields) => return Ok(fields),
        Value::Null => return Err(ApiError::Fields(FieldErrors::of_all("No data provided"))),
        // As Python calls them.
        Value::Array(_) => "list",
        Value::String(_) => "str",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
    };
    let message = format!("Invalid data. Expected a dictionary, but got {kind}.");
    Err(ApiError::Fields(FieldErrors::of_all(&message)))
}

fn form(body: &[u8]) -> Result<Fields, ApiError> {
    let mut fields = Fields::new();
    for (at, pair) in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).enumerate() {
        if at >= MOST_FIELDS {
            return Err(ApiError::Parse("Too many fields.".to_owned()));
        }
        let mut parts = pair.splitn(2, |b| *b == b'=');
        let mut part = || decoded(parts.next().unwrap_or_default());
        let name = part();
        fields.insert(name, part().into());
    }
    Ok(fields)
}

fn decoded(part: &[u8]) -> String {
    let blanks: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    percent_decode(&blanks).decode_utf8_lossy().into_owned()
}

async fn multipart(headers: &HeaderMap, body: Bytes) -> Result<Fields, ApiError> {
    let broken = |problem: &str| ApiError::Parse(format!("Multipart form parse error - {problem}"));
    let mut request = Request::new(Body::from(body));
    *request.headers_mut() = headers.clone();
    let mut parts =
        Multipart::from_request(request, &()).await.map_err(|_| broken("Invalid boundary in multipart: None"))?;
    let mut fields = Fields::new();
    for _ in 0..MOST_FIELDS {
        let Some(part) = parts.next_field().await.map_err(|_| broken("the parts cannot be told apart"))? else {
            return Ok(fields);
        };
        let Some(name) = part.name().map(str::to_owned) else { continue };
        // A file is no text.
        let is_file = part.file_name().is_some();
        let value = part.bytes().await.map_err(|_| broken("a part breaks off"))?;
        if !is_file {
            fields.insert(name, String::from_utf8_lossy(&value).into_owned().into());
        }
    }
    Err(ApiError::Parse("Too many fields.".to_owned()))
}
