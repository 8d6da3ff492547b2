//! `/policy/explain/`: what would become of a request, and why, as `postern explain` says it: by the policy in force, the directory as it
//! stands, and what lookups find. Nothing is sent to where the request would go.

use super::super::frame::Frame;
use super::super::gate::Visit;
use super::EXPLAIN;
use crate::admin::Admin;
use crate::api::error::ApiError;
use crate::api::words::filters;
use crate::decision::{LookupAnswer, OrgKey};
use crate::directory::{DirectoryError, UserSelector};
use crate::fact_cache::org_ref;
use crate::facts::{Organization, Snapshot};
use crate::policy::LookupKey;
use crate::tools::ask::{Body, Facts, Request};
use crate::tools::explain::{Explanation, Mark};
use askama::Template;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::net::IpAddr;
use std::sync::Arc;

const TITLE: &str = "Explain a request";
const NO_SUCH_USER: &str =
    "There is no such user. Type an id, a username or an e-mail address, or nothing for a request without credentials.";

/// What is asked, as it was typed.
#[derive(Default)]
struct Asked {
    method: String,
    target: String,
    user: String,
    host: String,
    client: String,
    headers: String,
    body: String,
}

/// A step on the way.
struct Step {
    name: &'static str,
    /// `ok`, `no` or `note`.
    mark: &'static str,
    text: String,
    notes: Vec<String>,
}

struct Told {
    verdict: String,
    passes: bool,
    /// What the caller would read, where it is refused.
    detail: String,
    is_shadow: bool,
    steps: Vec<Step>,
}

#[derive(Template)]
#[template(path = "policy_explain.html")]
struct Page {
    frame: Frame,
    action: String,
    csrf: String,
    asked: Asked,
    told: Option<Told>,
}

/// The form. An address fills in what is no secret, and asks nothing: addresses are kept in histories and logs.
pub(in crate::admin) async fn show(visit: Visit) -> Response {
    let [method, target, user] = ["method", "target", "user"].map(|name| visit.asked(name));
    let method = if method.is_empty() { "GET".to_owned() } else { method };
    page(&visit, visit.frame(TITLE), Asked { method, target, user, ..Asked::default() }, None)
}

pub(in crate::admin) async fn answer(visit: Visit) -> Response {
    let [method, target, user, host, client, headers, body] =
        ["method", "target", "user", "host", "client", "headers", "body"].map(|name| visit.form.text(name).to_owned());
    let asked = Asked { method, target, user, host, client, headers, body };
    let mut frame = visit.frame(TITLE);
    let mut told = None;
    match explain(&visit, &asked).await {
        Ok(Ok(explained)) => told = Some(explained),
        Ok(Err(problem)) => frame.problems.push(problem),
        Err(error) => return visit.refused(&error),
    }
    page(&visit, frame, asked, told)
}

fn page(visit: &Visit, frame: Frame, asked: Asked, told: Option<Told>) -> Response {
    let status = if frame.problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let (action, csrf) = (visit.admin.at(EXPLAIN), visit.csrf.as_str().to_owned());
    visit.page(status, &Page { frame, action, csrf, asked, told })
}

/// The explanation, or what is wrong with what was asked.
async fn explain(visit: &Visit, asked: &Asked) -> Result<Result<Told, String>, ApiError> {
    let request = match request(asked) {
        Ok(request) => request,
        Err(problem) => return Ok(Err(problem)),
    };
    let user = match caller(visit, &asked.user).await? {
        Ok(user) => user,
        Err(problem) => return Ok(Err(problem)),
    };
    // Lookups take their time, each on a thread of its own.
    let permit = Arc::clone(&visit.admin.kept.explaining).try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let admin = Arc::clone(&visit.admin);
    let told = visit.aside(move || {
        let _permit = permit;
        let policy = (admin.policy)();
        let mut known = Known { admin: &admin, is_away: false };
        let explanation = Explanation::of(&policy, &request, user.as_ref(), &mut known);
        let is_away = known.is_away;
        (!is_away).then(|| tell(&explanation))
    });
    told.await?.ok_or(ApiError::Unavailable).map(Ok)
}

fn tell(explanation: &Explanation<'_>) -> Told {
    let step = |step: &crate::tools::explain::Step| Step {
        name: step.name,
        mark: match step.mark {
            Mark::Yes => "ok",
            Mark::No => "no",
            Mark::Note => "note",
        },
        text: step.text.clone(),
        notes: step.notes.clone(),
    };
    let refusal = explanation.verdict.as_ref().err();
    Told {
        verdict: explanation.verdict_words(),
        passes: refusal.is_none(),
        detail: refusal.map(|denial| denial.detail().into_owned()).unwrap_or_default(),
        is_shadow: explanation.shadow,
        steps: explanation.steps.iter().map(step).collect(),
    }
}

/// Who sends it; nobody where no name was typed.
async fn caller(visit: &Visit, name: &str) -> Result<Result<Option<Arc<Snapshot>>, String>, ApiError> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(Ok(None));
    }
    let away = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "a request cannot be explained");
        ApiError::Unavailable
    };
    let record = match visit.view().user(&UserSelector::Text(name.to_owned())).await {
        Ok(record) => record,
        Err(DirectoryError::NotFound { .. }) => {
            return Ok(Err(NO_SUCH_USER.to_owned()));
        }
        Err(error @ DirectoryError::Store(_)) => return Err(away(&error)),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let found = visit.admin.api.store.user_snapshot(record.id).await.map_err(|error| away(&error))?;
    Ok(Ok(found.map(Arc::new)))
}

/// The request as it was typed.
fn request(asked: &Asked) -> Result<Request, String> {
    let method = Method::from_bytes(asked.method.trim().as_bytes());
    let method = method.map_err(|_| "The method is one word, as GET.".to_owned())?;
    let target = asked.target.trim();
    if !target.starts_with('/') {
        return Err("The target begins with a slash: /path?query".to_owned());
    }
    let mut headers = HeaderMap::new();
    for line in asked.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts = line
            .split_once(':')
            .map(|(name, value)| (HeaderName::try_from(name.trim()), HeaderValue::from_str(value.trim())));
        match parts {
            Some((Ok(name), _)) if name == header::AUTHORIZATION || name == header::COOKIE => {
                return Err("The user says who sends it: leave Authorization and Cookie out.".to_owned());
            }
            Some((Ok(name), Ok(value))) => headers.append(name, value),
            _ => return Err("A header is a line: Name: value".to_owned()),
        };
    }
    if !asked.host.trim().is_empty() {
        let host = HeaderValue::from_str(asked.host.trim());
        headers.append(header::HOST, host.map_err(|_| "This is not a host.".to_owned())?);
    }
    let client = match asked.client.trim() {
        "" => None,
        text => {
            let address = text.parse::<IpAddr>().map_err(|_| "The client's address is an IP address.".to_owned())?;
            Some(address.to_canonical())
        }
    };
    let body = if asked.body.is_empty() { Body::None } else { Body::Bytes(asked.body.clone().into_bytes().into()) };
    Ok(Request { headers, client, body, ..Request::new(method, target) }.as_handshake())
}

/// The directory and the lookups, asked from beside the runtime.
struct Known<'a> {
    admin: &'a Admin,
    is_away: bool,
}

impl Facts for Known<'_> {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        let found = self.admin.control.0.block_on(self.admin.api.store.organization(&org_ref(key)));
        found.map(|found| found.map(Arc::new)).unwrap_or_else(|error| {
            tracing::warn!(%error, "a request cannot be explained");
            self.is_away = true;
            None
        })
    }

    fn object(&mut self, key: &LookupKey) -> LookupAnswer {
        self.admin.control.0.block_on(self.admin.lookups.find(key))
    }
}
