//! What pages are made with besides themselves: the style sheet, at an address that changes with it, so that browsers keep it.

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

static NAME: LazyLock<String> = LazyLock::new(|| named("style", STYLE));

/// The name of a style sheet: another one where it is another.
pub(crate) fn named(name: &str, style: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(style));
    format!("{name}-{}.css", digest.get(..16).unwrap_or_default())
}

/// A style sheet as an answer.
pub(crate) fn css(style: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (StatusCode::OK, headers, style.into()).into_response()
}

/// Where the style sheet is, where nothing moves it.
pub(super) fn style() -> String {
    format!("{ASSETS}{}", *NAME)
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return ApiError::Method(request.method().to_string()).answer(&api, ALLOW);
    }
    if name != *NAME {
        return ApiError::NoRoute.answer(&api, ALLOW);
    }
    css(STYLE)
}
