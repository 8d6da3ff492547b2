//! All pages, and what stands around them.

use super::frame::EVERY_PAGE;
use super::{Admin, assets, export, gate, home, operations, policy, records, unknown};
use crate::api::router::{everywhere, heard};
use crate::api::words::in_their_language;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get};
use http::header::{HeaderValue, VARY};
use std::sync::Arc;

pub(super) fn router(admin: &Arc<Admin>) -> Router {
    let superusers = policy::router().merge(operations::router()).route_layer(from_fn(gate::superusers));
    let pages = Router::new()
        .route("/", get(home::show))
        .route("/user/export/", any(export::answer))
        .merge(superusers)
        .fallback(unknown)
        .layer(from_fn(gate::forms));
    // Forms of records are looked at by the API's own routes.
    let pages = pages.merge(records::routes(admin));
    let changes = from_fn_with_state(Arc::clone(&admin.api), heard);
    let pages = pages.layer(changes).layer(from_fn_with_state(Arc::clone(admin), gate::enter));
    // Whoever is shown that they may not enter is shown it in style.
    let assets = Router::new().route("/assets/{name}", any(assets::answer));
    assets
        .fallback_service(pages)
        .layer(from_fn(framed))
        .layer(from_fn(in_their_language))
        .layer(from_fn(everywhere))
        .with_state(Arc::clone(admin))
}

/// What each page says to browsers besides: it is made of itself and its style sheet.
async fn framed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in EVERY_PAGE {
        response.headers_mut().entry(name).or_insert(value);
    }
    response.headers_mut().entry(VARY).or_insert(HeaderValue::from_static("Cookie"));
    response
}
