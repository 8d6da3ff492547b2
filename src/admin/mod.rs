//! The admin UI: pages for staff and superusers, under `admin_ui.prefix` of the data port or at an address of its own.
//!
//! It runs on the control plane, as [`crate::api`] does, and takes the sessions that begin on its login page. Every request passes
//! [`gate`], which says who may enter and reads what a form sends; every page stands in a [`frame`]. Nothing is decided here: what is shown
//! is what the directory, the policy and the counters say, and what is changed are operations of the directory as somebody sees it.

mod assets;
mod chart;
mod export;
pub mod frame;
pub mod gate;
mod home;
pub mod operations;
mod places;
mod policy;
mod records;
mod router;

pub use assets::Style;
pub use places::{Places, PlacesError};

use crate::api::error::ApiError;
use crate::api::links::ESCAPED;
use crate::api::{Api, Client, LARGEST_BODY, Origin, routed};
use crate::control::Control;
use crate::fact_cache::FactCache;
use crate::limit::Limiter;
use crate::lookup::Lookups;
use crate::management::Readiness;
use crate::policy::{Names, Policy};
use crate::request_target::Target;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::minutes::Minutes;
use crate::telemetry::recent::AllRecent;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use operations::Doctor;
use percent_encoding::utf8_percent_encode;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Greatest body of a request with a policy that is tried, in bytes: it may be pasted, and each of its signs take three bytes of a form.
const LARGEST_POLICY: u64 = 1 << 20;

/// The policy in force, while somebody looks at it.
pub type PolicyInForce = Arc<dyn Deref<Target = Policy> + Send + Sync>;

/// What the pages work with.
pub struct Admin {
    /// Whose sessions and login pages these are.
    pub api: Arc<Api>,
    /// What its paths begin with.
    pub prefix: Box<str>,
    pub policy: Box<dyn Fn() -> PolicyInForce + Send + Sync>,
    /// The names that a policy may use.
    pub names: Names,
    pub lookups: Arc<Lookups>,
    pub fact_cache: Arc<FactCache>,
    pub limits: Arc<Limiter>,
    /// Whether replicas share Redis.
    pub has_redis: bool,
    /// Where the directory is, without a password.
    pub store: String,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
    pub minutes: Arc<Minutes>,
    pub recent: Arc<AllRecent>,
    pub doctor: Doctor,
    /// Where what takes long is done.
    pub control: Control,
    pub kept: Kept,
    pub style: Style,
    /// What the installation puts into the pages.
    pub places: Places,
    /// What the pages call themselves.
    pub name: String,
}

/// What pages keep between requests, and what they do a few at a time.
pub struct Kept {
    growth: home::Told,
    matrix: policy::Judged,
    heavy: Arc<Semaphore>,
    explaining: Arc<Semaphore>,
    at_the_doctor: Arc<Semaphore>,
}

impl Default for Kept {
    fn default() -> Self {
        let permits = |number| Arc::new(Semaphore::new(number));
        Self {
            growth: Default::default(),
            matrix: Default::default(),
            heavy: permits(1),
            explaining: permits(4),
            at_the_doctor: permits(1),
        }
    }
}

impl Admin {
    /// Where a page is; its path is written as in `router`, `/policy/`.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{}", self.prefix, path.trim_start_matches('/'))
    }

    /// The target of a request as the routes know it: without the prefix, each character of its path in one spelling. `None` for one
    /// that is elsewhere, or not canonical.
    fn unmoved(&self, target: &str) -> Option<String> {
        let target = Target::parse(target).ok()?;
        let path = utf8_percent_encode(target.decoded(), ESCAPED).to_string();
        let path = format!("/{}", path.strip_prefix(&*self.prefix)?);
        Some(match target.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        })
    }
}

/// The pages as the data plane calls them.
#[derive(Clone)]
pub struct Service {
    router: Router,
    admin: Arc<Admin>,
}

impl Service {
    #[must_use]
    pub fn new(admin: Arc<Admin>) -> Self {
        Self { router: router::router(&admin), admin }
    }

    /// Greatest body of a request for this target, in bytes.
    #[must_use]
    pub fn largest_body(&self, target: &str) -> u64 {
        let is_candidate = self.admin.unmoved(target).is_some_and(|path| path == policy::CANDIDATE);
        if is_candidate { LARGEST_POLICY } else { LARGEST_BODY }
    }

    /// Answers a request; its work stops when nobody waits for the answer any more.
    pub async fn call(&self, request: Request<Bytes>, client: IpAddr, origin: Origin) -> Response<Bytes> {
        let mut request = request.map(Body::from);
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let Some(inner) = self.admin.unmoved(target).and_then(|target| target.parse().ok()) else {
            return self.elsewhere(request.uri().path()).map(|()| Bytes::new());
        };
        *request.uri_mut() = inner;
        request.extensions_mut().insert(Client(client));
        request.extensions_mut().insert(origin);
        // Pages are rendered, and lists gone through: none of it on a thread on which requests of others wait.
        routed(&self.admin.api, &self.admin.control, self.router.clone(), request, false).await
    }

    /// The way to the pages, from the prefix without its slash and from the root of their own address.
    fn elsewhere(&self, path: &str) -> Response<()> {
        let mut response = Response::new(());
        let leads_here = path == "/" || self.admin.prefix.strip_suffix('/') == Some(path);
        match HeaderValue::try_from(&*self.admin.prefix) {
            Ok(to) if leads_here => {
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert(header::LOCATION, to);
            }
            _ => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// A path of nothing.
async fn unknown(visit: gate::Arrival) -> axum::response::Response {
    frame::refused(&visit, &ApiError::NoRoute)
}
