//! What pages are made with besides themselves, each at an address that changes with it, so that browsers keep it: the style sheet, and the
//! script of those pages that ask for a passkey.

use super::Api;
use super::error::ApiError;
use super::page::STYLE;
use super::paths::ASSETS;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

const ALLOW: &str = "GET, HEAD";

/// The one script: it asks the browser for a passkey.
const SCRIPT: &str = include_str!("templates/passkey.js");

static NAME: LazyLock<String> = LazyLock::new(|| named("style", STYLE));
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| format!("passkey-{}.js", digest(SCRIPT)));

/// The name of a style sheet: another one where it is another.
pub(crate) fn named(name: &str, style: &str) -> String {
    format!("{name}-{}.css", digest(style))
}

fn digest(text: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(text));
    digest.get(..16).unwrap_or_default().to_owned()
}

/// A style sheet as an answer.
pub(crate) fn css(style: impl Into<Body>) -> Response {
    kept("text/css; charset=utf-8", style)
}

fn kept(kind: &'static str, text: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (StatusCode::OK, headers, text.into()).into_response()
}

/// Where the style sheet is, where nothing moves it.
pub(super) fn style() -> String {
    format!("{ASSETS}{}", *NAME)
}

/// Where the script is.
pub(super) fn script() -> String {
    format!("{ASSETS}{}", *SCRIPT_NAME)
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return ApiError::Method(request.method().to_string()).answer(&api, ALLOW);
    }
    match name {
        name if name == *NAME => css(STYLE),
        name if name == *SCRIPT_NAME => kept("text/javascript; charset=utf-8", SCRIPT),
        _ => ApiError::NoRoute.answer(&api, ALLOW),
    }
}
