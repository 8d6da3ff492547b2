//! Who enters: whoever is logged in and is staff or a superuser, as in Django's admin. And what they send: the fields of a form of ours.
//!
//! What nobody may send who is not logged in is not read either.

use super::Admin;
use super::frame;
use crate::api::error::ApiError;
use crate::api::links::ESCAPED;
use crate::api::paths::LOGIN;
use crate::api::{Client, Origin, page, who};
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::decision::csrf::CSRF_NAME;
use crate::decision::{CsrfToken, Reason};
use crate::directory::audit::Who;
use crate::directory::{Rules, View, Viewer};
use crate::facts::Snapshot;
use crate::policy::is_read;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, IF_MATCH, RETRY_AFTER};
use http::request::Parts;
use http_body_util::BodyExt;
use percent_encoding::utf8_percent_encode;
use std::sync::Arc;

/// A request of somebody who may be here.
#[derive(Clone)]
pub struct Visit {
    pub admin: Arc<Admin>,
    pub client: Client,
    pub origin: Origin,
    pub asker: Arc<Snapshot>,
    /// What forms repeat, in the field `postern_csrf`.
    pub csrf: CsrfToken,
    /// Its path is the one below the prefix.
    pub request: Arc<Parts>,
    /// What its form says, behind `forms`; the form is one of ours.
    pub form: Arc<Fields>,
    /// The body that the form was read from.
    pub body: Bytes,
}

impl Visit {
    /// The directory, as they see it; what they change the audit log says of them.
    #[must_use]
    pub fn view(&self) -> View {
        let api = &self.admin.api;
        let rules = if api.compat { Rules::OpenwispUsers } else { Rules::Safe };
        let store = api.store.changed_by(Who::Api { user: self.asker.user.id });
        store.as_seen_by(Viewer::of(Arc::clone(&self.asker), rules))
    }

    #[must_use]
    pub fn is_superuser(&self) -> bool {
        self.asker.user.is_superuser
    }

    /// What they are called.
    #[must_use]
    pub fn username(&self) -> &str {
        self.asker.user.username.as_ref().map_or("", |name| name.as_str())
    }

    /// Their path below the prefix.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.uri.path()
    }
}

/// A request whose sender may be nobody, as far as pages are concerned that say so.
#[derive(Clone)]
pub struct Arrival {
    pub admin: Arc<Admin>,
    /// Whoever is logged in.
    pub asker: Option<Arc<Snapshot>>,
}

/// Handlers take the visit itself: behind `enter` it is always there.
impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Arrival {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let visit = Visit::from_request_parts(parts, state).await?;
        Ok(Self { admin: visit.admin, asker: Some(visit.asker) })
    }
}

/// Lets somebody in, or says why not.
pub(super) async fn enter(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let mut arrival = Arrival { admin: Arc::clone(&admin), asker: None };
    match visit(&mut arrival, &mut parts, body).await {
        Ok(visit) => {
            let body = Body::from(visit.body.clone());
            parts.extensions.insert(visit);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(ApiError::Unauthenticated(..)) => {
            let next = admin.at(if is_read(&parts.method) { &target } else { parts.uri.path() });
            let next = if next.len() <= page::LONGEST_NEXT { next } else { admin.prefix.to_string() };
            let login = admin.api.links.at(LOGIN);
            page::go_on(&format!("{login}?next={}", utf8_percent_encode(&next, ESCAPED)), [])
        }
        Err(ApiError::PasswordExpired) => page::go_on(&admin.api.links.change(), []),
        Err(error) => {
            let wait = if let ApiError::Throttled { wait, .. } = &error { Some(page::seconds(*wait)) } else { None };
            let mut response = frame::refused(&arrival, &error);
            if let Some(wait) = wait {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
            }
            response
        }
    }
}

async fn visit(arrival: &mut Arrival, parts: &mut Parts, body: Body) -> Result<Visit, ApiError> {
    let admin = Arc::clone(&arrival.admin);
    let client = *parts.extensions.get::<Client>().ok_or(ApiError::Unavailable)?;
    let origin = parts.extensions.get::<Origin>().cloned().ok_or(ApiError::Unavailable)?;
    // What is known by now is asked for here, and told nowhere: a page is not to be cut short by a condition of a browser's.
    parts.headers.remove(IF_MATCH);
    let (who, csrf) = who::browses(&admin.api, client.0, parts).await?;
    arrival.asker = Some(Arc::clone(&who.snapshot));
    if who.has_old_password {
        return Err(ApiError::PasswordExpired);
    }
    if !who.snapshot.user.is_staff && !who.snapshot.user.is_superuser {
        return Err(ApiError::Forbidden(Reason::PermissionMissing, frame::STAFF_ALONE));
    }
    let body = body.collect().await.map_err(|_| ApiError::Unavailable)?.to_bytes();
    let request = Arc::new(parts.clone());
    Ok(Visit { admin, client, origin, asker: who.snapshot, csrf, request, form: Arc::default(), body })
}

/// Reads what is sent, and refuses what no form of ours sent.
pub(super) async fn forms(mut visit: Visit, mut request: Request, next: Next) -> Response {
    if is_read(request.method()) {
        return next.run(request).await;
    }
    let read = body::read(&visit.request, Body::from(visit.body.clone())).await;
    match read {
        Ok(form) if visit.csrf.is_repeated(form.text(CSRF_NAME).as_bytes()) => visit.form = Arc::new(form),
        Ok(_) => return visit.refused(&ApiError::Forbidden(Reason::CsrfFailed, Reason::CsrfFailed.detail())),
        Err(error) => return visit.refused(&ApiError::from(error)),
    }
    request.extensions_mut().insert(visit);
    next.run(request).await
}

/// Lets superusers go on, and tells others that it is theirs.
pub(super) async fn superusers(visit: Visit, request: Request, next: Next) -> Response {
    if visit.is_superuser() {
        return next.run(request).await;
    }
    let arrival = Arrival { admin: visit.admin, asker: Some(visit.asker) };
    frame::refused(&arrival, &ApiError::Forbidden(Reason::PermissionMissing, frame::SUPERUSERS_ALONE))
}
