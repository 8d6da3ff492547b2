//! The description of the identity API: OpenAPI 3.1, put together of what reads and writes requests, so that it cannot tell of
//! something else. It names nobody, so everybody may read it.

pub mod answers;
mod authzen;
mod operations;
mod page;
mod pages;
pub mod schema;

use super::error::ApiError;
use super::links::Links;
use super::{Api, rest};
use crate::config::accounts::Served;
use crate::config::{Compat, Config};
use crate::directory::{DeclaredFields, Usernames};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};
use std::sync::{Arc, OnceLock};

/// What of the API is there, and how.
#[derive(Clone, Debug)]
pub struct Extent {
    pub links: Links,
    pub compat: bool,
    pub records: bool,
    /// The cookie of sessions, where they are taken.
    pub cookie: Option<&'static str>,
    pub per_organization: bool,
    /// The installation's own fields of users.
    pub declared: DeclaredFields,
    /// Records have ETags.
    pub has_tags: bool,
    /// No record is changed without `If-Match`.
    pub require_if_match: bool,
    /// How services ask, where they may.
    pub authzen: Option<crate::authzen::settings::Settings>,
    /// Letters are sent.
    pub mail: bool,
    /// Browsers are shown records on pages, with forms for those who log in.
    pub browsable: bool,
}

impl Extent {
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let accounts = &config.identity.accounts;
        let is_openwisp = config.compat == Compat::Openwisp;
        Self {
            links: Links::new(config.public_url.clone(), accounts.prefix.clone(), is_openwisp),
            compat: is_openwisp && accounts.token_key.is_some(),
            records: accounts.api == Served::All,
            cookie: config.identity.settings.session.as_ref().map(|session| session.cookie()),
            per_organization: accounts.usernames == Usernames::PerOrganization,
            declared: config.identity.fields.clone(),
            has_tags: !is_openwisp || accounts.token_key.is_none() || accounts.require_if_match,
            require_if_match: accounts.require_if_match,
            authzen: config.authzen.clone(),
            mail: config.mail.is_some(),
            browsable: accounts.browsable && accounts.api == Served::All,
        }
    }
}

/// The whole description.
#[must_use]
pub fn document(extent: &Extent) -> Json {
    let mut described = Described::default();
    operations::paths(extent, &mut described);
    pages::paths(extent, &mut described);
    if extent.records {
        rest::paths(extent, &mut described);
    }
    authzen::paths(extent, &mut described);
    described.schemas.extend(answers::schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    json!({
        "openapi": "3.1.1",
        "info": { "title": "Identity API of postern", "version": "1", "description": ABOUT },
        "servers": [{ "url": "/" }],
        "security": answers::security(extent, &Method::GET),
        "paths": described.paths,
        "components": {
            "schemas": described.schemas,
            "responses": answers::responses(extent, &authzen::reasons(extent)),
            "securitySchemes": answers::schemes(extent),
        },
    })
}

const ABOUT: &str = "People, organizations, roles, groups and tokens. Each path ends in a slash. Bodies are JSON or forms, at most 64 KiB \
    long; answers are JSON, or where a client asks for `text/html` pages for people, with forms where they have a session.";

/// What has been described so far.
#[derive(Debug, Default)]
pub struct Described {
    paths: Map<String, Json>,
    schemas: Map<String, Json>,
}

impl Described {
    /// Names a schema by the first of the names that no other has.
    pub fn schema(&mut self, names: &[&str], schema: Json) -> Json {
        let is_free = |name: &&&str| self.schemas.get(**name).is_none_or(|known| *known == schema);
        let name = names.iter().find(is_free).or(names.last()).copied().unwrap_or_default();
        self.schemas.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    pub fn path(&mut self, path: &str, keys: &Json) {
        self.paths.insert(path.to_owned(), json!({ "parameters": keys }));
    }

    pub fn operation(&mut self, path: &str, method: &Method, operation: Map<String, Json>) {
        if let Some(path) = self.paths.get_mut(path).and_then(Json::as_object_mut) {
            path.insert(method.as_str().to_ascii_lowercase(), Json::Object(operation));
        }
    }
}

/// A word with a capital letter.
pub fn capital(word: &str) -> String {
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    format!("{}{rest}", first.to_ascii_uppercase())
}

/// What each operation has.
pub fn operation(id: &str, summary: &str, tag: &str) -> Map<String, Json> {
    [("operationId", id), ("summary", summary)]
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .into_iter()
        .chain([("tags".to_owned(), json!([tag]))])
        .collect()
}

/// What everybody may know of the API, once somebody has asked.
#[derive(Debug, Default)]
pub struct Told {
    document: OnceLock<Bytes>,
    pages: OnceLock<page::Pages>,
}

/// Answers a request of any method with the description.
pub async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    if let Some(refused) = only_reads(&api, request.method()) {
        return refused;
    }
    let told = api.told.document.get_or_init(|| document(&api.extent).to_string().into()).clone();
    (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], told).into_response()
}

/// The same with its first page.
pub async fn overview(api: State<Arc<Api>>, request: Request) -> Response {
    page(api, Path(String::new()), request).await
}

/// The same with another of its pages.
pub async fn page(State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request) -> Response {
    if let Some(refused) = only_reads(&api, request.method()) {
        return refused;
    }
    let pages =
        api.told.pages.get_or_init(|| page::render(&document(&api.extent), api.extent.browsable).unwrap_or_default());
    match pages.get(&name) {
        Some(told) => page::answer(told.clone()),
        None => ApiError::NoRoute.answer(&api, "GET, HEAD"),
    }
}

fn only_reads(api: &Api, method: &Method) -> Option<Response> {
    let is_known = [Method::GET, Method::HEAD].contains(method);
    (!is_known).then(|| ApiError::Method(method.to_string()).answer(api, "GET, HEAD"))
}

#[cfg(test)]
mod tests;
