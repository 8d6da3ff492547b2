//! All routes, and what stands around them.

use super::error::ApiError;
use super::password::{ask_page, change, change_page, confirm, reset, reset_page};
use super::paths::{
    ACCOUNT, ASSETS, CHANGE, CHANGE_PAGE, CHANGE_PAGE_COMPAT, CONFIRM, CONFIRM_EMAIL, DESCRIPTION, DEVICE,
    DEVICE_AUTHORIZATION, DEVICE_REVOCATION, DEVICE_TOKEN, DOCS, FORGOTTEN, FORGOTTEN_COMPAT, LOGIN, LOGOUT, PASSKEY,
    PASSKEYS, PROVIDERS, RESET, RESET_PAGE, RESET_PAGE_COMPAT, SECOND_FACTOR, TOKEN,
};
use super::rest::show::show;
use super::words::in_their_language;
use super::{
    Api, account, assets, device, email_page, login, logout, openapi, passkey, passkeys, provider, rest, second_factor,
    token,
};
use crate::compat::openwisp::negotiate::negotiate;
use crate::policy::is_read;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::{self, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use std::sync::Arc;

/// Paths that a slash is added to where it is missing.
const PATHS: [&str; 4] = [TOKEN, CHANGE, RESET, CONFIRM];
const PAGES: [&str; 4] = [ACCOUNT, LOGIN, LOGOUT, CHANGE_PAGE];

/// On every answer: it is for the one who asked, and not to be framed, sniffed or told to others.
const EVERYWHERE: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

pub fn router(api: Arc<Api>) -> Router {
    // Each operation sees to its methods itself: the reference looks at them after the limits.
    let mut router = Router::new()
        .route(DESCRIPTION, any(openapi::answer))
        .route(DOCS, any(openapi::overview))
        .route(&format!("{DOCS}{{page}}/"), any(openapi::page))
        .route(&format!("{ASSETS}{{name}}"), any(assets::answer))
        .route(TOKEN, any(token::answer).layer(from_fn(|r, next| as_asked("Obtain Auth Token", r, next))))
        .route(CHANGE, any(change::answer).layer(from_fn(|r, next| as_asked("Password Change", r, next))))
        .route(RESET, any(reset::answer).layer(from_fn(|r, next| as_asked("Password Reset", r, next))))
        .route(CONFIRM, any(confirm::answer).layer(from_fn(|r, next| as_asked("Password Reset Confirm", r, next))))
        .route(&format!("{CONFIRM_EMAIL}{{link}}/"), any(email_page::answer))
        .route(&format!("{RESET_PAGE}{{link}}/"), any(reset_page::answer))
        .route(&format!("{RESET_PAGE_COMPAT}{{link}}/"), any(reset_page::answer));
    if api.records {
        router = router.merge(rest::router());
    }
    if api.mail.is_some() {
        router = router.route(FORGOTTEN, any(ask_page::answer)).route(FORGOTTEN_COMPAT, any(ask_page::answer));
    }
    if api.has_pages() && api.devices {
        router = router
            .route(DEVICE, any(device::answer))
            .route(DEVICE_AUTHORIZATION, any(device::begin))
            .route(DEVICE_TOKEN, any(device::token))
            .route(DEVICE_REVOCATION, any(device::revoke));
    }
    if api.has_pages() {
        router = router
            .route(LOGIN, any(login::answer))
            .route(LOGOUT, any(logout::answer))
            .route(ACCOUNT, any(account::answer))
            .route(SECOND_FACTOR, any(second_factor::answer))
            .route(PASSKEY, any(passkey::answer))
            .route(PASSKEYS, any(passkeys::answer))
            .route(&format!("{PROVIDERS}{{name}}/"), any(provider::begin))
            .route(&format!("{PROVIDERS}{{name}}/callback/"), any(provider::end))
            .route(CHANGE_PAGE, any(change_page::answer))
            .route(CHANGE_PAGE_COMPAT, any(change_page::answer));
    }
    let router = router.fallback(unknown).layer(from_fn_with_state(Arc::clone(&api), heard));
    router.layer(from_fn(in_their_language)).layer(from_fn(everywhere)).with_state(api)
}

/// Shows what is answered in the representation that was asked for: JSON with lines, or a page of this name.
async fn as_asked(name: &'static str, request: Request, next: Next) -> Response {
    let shown = negotiate(request.uri().query(), request.headers()).unwrap_or_default();
    show(next.run(request).await, shown, name).await
}

pub(crate) async fn everywhere(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in EVERYWHERE {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Whoever has changed something finds it changed with the next request: by then what this replica knows of people has heard of it.
pub(crate) async fn heard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let only_reads = is_read(request.method());
    let response = next.run(request).await;
    if !only_reads && !response.status().is_client_error() {
        api.identity.catch_up().await;
    }
    response
}

/// Nothing is there; or it is, with a slash behind.
async fn unknown(State(api): State<Arc<Api>>, uri: Uri) -> Response {
    let path = uri.path();
    let pages: &[&str] = if api.has_pages() { &PAGES } else { &[] };
    let is_record = || api.records && !path.ends_with('/') && rest::is_path(path);
    if PATHS.iter().chain(pages).any(|known| known.strip_suffix('/') == Some(path)) || is_record() {
        let query = uri.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(location) = HeaderValue::try_from(format!("{}/{query}", api.links.at(path))) {
            let headers = [
                (header::LOCATION, location),
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (header::VARY, HeaderValue::from_static("Cookie")),
            ];
            return (StatusCode::MOVED_PERMANENTLY, headers).into_response();
        }
    }
    ApiError::NoRoute.answer(&api, "")
}
