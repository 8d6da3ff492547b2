//! Users, organizations and all other records: the pages of the API's endpoints, in the frame and the words of operators.
//!
//! Nothing is read, changed or decided here. A request goes to the routes of the API's records, by the same rules; what they would show
//! is shown here, below the admin UI's own addresses.

use super::Admin;
use super::frame::{Anchor, Frame};
use super::gate::Visit;
use crate::api::paths::PREFIX;
use crate::api::rest::pages::cell::Kind;
use crate::api::rest::pages::page::Page;
use crate::api::rest::{Site, record_paths, router};
use crate::api::words::{self, filters};
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::RETRY_AFTER;
use http::{Extensions, Method, StatusCode, Uri};
use std::sync::Arc;
use tower::ServiceExt;
use uuid::Uuid;

/// Lists that stand on the page of their record.
const WITHIN: [(&str, &str); 1] = [("/user/{id}/", "membership/")];

/// A page of records.
#[derive(Template)]
#[template(path = "admin_records.html")]
struct Records {
    frame: Frame,
    page: Arc<Page>,
    /// A list on the page of its record.
    within: Option<Arc<Page>>,
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>(admin: &Arc<Admin>) -> Router<S> {
    let records = router().with_state(Arc::clone(&admin.api));
    record_paths().fold(Router::new(), |router, path| {
        let records = records.clone();
        let shown = move |visit: Visit, matched: MatchedPath, request: Request| async move {
            show(records, visit, matched.as_str(), request).await
        };
        router.route(&format!("/{path}"), any(shown))
    })
}

async fn show(records: Router, visit: Visit, matched: &str, request: Request) -> Response {
    let is_read = request.method() == Method::GET;
    let path = request.uri().path().to_owned();
    let (page, response) = match ask(&records, &visit, request).await {
        Ok(shown) => shown,
        Err(response) => return response,
    };
    let below = WITHIN.iter().find(|(of, _)| *of == matched && is_read && !page.record.is_empty());
    let within = match below {
        Some((_, below)) => list(&records, &visit, &format!("{path}{below}")).await,
        None => None,
    };
    let mut frame = visit.frame_of(&page.title);
    frame.notice = page.notice.to_owned();
    frame.problems.clone_from(&page.problems);
    frame.crumbs = crumbs(&visit, &page, &path).await;
    let mut shown = visit.page(response.status(), &Records { frame, page, within });
    if let Some(wait) = response.headers().get(RETRY_AFTER) {
        shown.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    shown
}

/// What the API's routes show, and its answer; or an answer that is no page.
async fn ask(records: &Router, visit: &Visit, mut request: Request) -> Result<(Arc<Page>, Response), Response> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Ok(uri) = format!("{PREFIX}{}", target.trim_start_matches('/')).parse::<Uri>() else {
        return Err(StatusCode::NOT_FOUND.into_response());
    };
    *request.uri_mut() = uri;
    // Nothing of our own routes: keys of paths would be counted twice.
    let mut extensions = Extensions::new();
    extensions.insert(visit.client);
    extensions.insert(visit.origin.clone());
    extensions.insert(Site(Arc::from(&*visit.admin.prefix)));
    *request.extensions_mut() = extensions;
    let Ok(mut response) = records.clone().oneshot(request).await;
    match response.extensions_mut().remove::<Arc<Page>>() {
        Some(page) => Ok((page, response)),
        // It leads on; or there is no such record.
        None if response.status() == StatusCode::NOT_FOUND => Err(visit.refused(&crate::api::error::ApiError::NoRoute)),
        None => Err(response),
    }
}

/// A list, where it may be seen.
async fn list(records: &Router, visit: &Visit, path: &str) -> Option<Arc<Page>> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().ok()?;
    request.headers_mut().clone_from(&visit.request.headers);
    let (page, response) = ask(records, visit, request).await.ok()?;
    response.status().is_success().then_some(page)
}

/// The way to a page, in which records have names.
async fn crumbs(visit: &Visit, page: &Page, path: &str) -> Vec<Anchor> {
    let home = Anchor { text: words::t("Home").into_owned(), href: visit.admin.at("/"), is_here: false };
    let mut all = vec![home];
    let named = name(visit, path).await;
    for (at, one) in page.crumbs.iter().enumerate() {
        let text = named.as_ref().filter(|_| at == 1).map_or_else(|| one.text.clone(), Clone::clone);
        all.push(Anchor { text, href: one.href.clone(), is_here: one.is_here });
    }
    all
}

/// What the record is called that a page is below.
async fn name(visit: &Visit, path: &str) -> Option<String> {
    let mut parts = path.trim_matches('/').split('/');
    let (kind, id) = (parts.next()?, Uuid::try_parse(parts.next()?).ok()?);
    parts.next()?;
    match kind {
        "user" => visit.view().user(&crate::id::UserId(id).into()).await.ok().map(|user| user.username),
        "organization" => {
            let found = visit.view().organization_record(&crate::id::OrgId(id).into()).await;
            found.ok().map(|organization| organization.name)
        }
        _ => None,
    }
}
