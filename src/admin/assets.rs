//! The style sheet: that of the other pages and what these have besides, at an address that changes with it, so that browsers keep it.

use super::Admin;
use crate::api::assets::{css, named};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use std::sync::{Arc, LazyLock};

const STYLE: &str = concat!(include_str!("../api/templates/style.css"), include_str!("templates/admin.css"));

static NAME: LazyLock<String> = LazyLock::new(|| named("admin", STYLE));

/// Where it is.
pub(super) fn style(admin: &Admin) -> String {
    admin.at(&format!("assets/{}", *NAME))
}

/// Answers a request of any method.
pub(super) async fn answer(State(_): State<Arc<Admin>>, Path(name): Path<String>, method: Method) -> Response {
    match method {
        Method::GET | Method::HEAD if name == *NAME => css(STYLE),
        Method::GET | Method::HEAD => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}
