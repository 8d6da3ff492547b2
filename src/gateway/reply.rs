//! Refusals and failures: the one place that turns a cause into an answer.
//!
//! The body is `application/problem+json` (RFC 9457) with the stable code. It says no more than the caller may know, and is
//! the same for every occurrence, so it is written once and shared.

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::failures;
use super::grpc;
use super::headers::vary_on_authorization;
use super::login_page;
use super::request_id::X_REQUEST_ID;
use crate::decision::{Denial, Reason};
use crate::fronts::{Front, Removal};
use crate::net::framing::Violation;
use crate::policy::{Scheme, Schemes};
use crate::telemetry::metrics::Outcome;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Answers a request that was refused or has failed.
#[must_use]
pub fn refuse(mut exchange: Box<Exchange>, denial: &Denial) -> Response<AnswerBody> {
    let login = login_page::instead(&exchange, denial);
    let status = if login.is_some() { StatusCode::SEE_OTHER } else { denial.status };
    exchange.answer(status, Outcome::Refused(denial.reason));
    if let Some(hint) = denial.hint.or(denial.fault) {
        exchange.fault(hint);
        tracing::debug!(request_id = exchange.request_id().as_str(), code = denial.reason.code(), hint, "refused");
    }
    // What nobody reads of it decides whether there can be a next request.
    drop(exchange.take());
    let last = exchange.link().connection.hangs_up();
    let grpc = exchange.grpc;
    let body = match denial.reason {
        _ if grpc || login.is_some() => Bytes::new(),
        Reason::PasswordExpired => exchange.worker().shared.password_expired.clone(),
        _ => exchange.worker().problems.of(denial),
    };
    let request_id = exchange.request_id().to_header();
    let schemes = exchange.info.schemes.clone();
    let link = exchange.link();
    let is_added_to = link.front.is_some_and(Front::adds_challenges) && !link.is_for_client.get();
    // A missing route has none of the route's headers either.
    let besides = exchange.info.besides.take().filter(|_| !denial.is_hidden());
    let mut response = Response::new(AnswerBody::own(body, exchange));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let is_sent_on = login.is_some();
    match login {
        Some(page) => {
            headers.insert(header::LOCATION, page);
            headers.insert(header::VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode"));
        }
        None => {
            headers.insert(header::CONTENT_TYPE, PROBLEM);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, request_id);
    match denial.reason {
        _ if is_sent_on => {}
        // RFC 6750, section 3: no error code where no credential was sent.
        Reason::CredentialsMissing => challenge(headers, &schemes, "Bearer"),
        Reason::CredentialsInvalid | Reason::UserInactive => {
            challenge(headers, &schemes, "Bearer error=\"invalid_token\"");
        }
        // RFC 9470, section 3.
        Reason::SecondFactorMissing | Reason::SecondFactorStale => {
            let max_age = denial.max_age.map_or_else(String::new, |age| format!(", max_age=\"{age}\""));
            challenge(headers, &schemes, &format!("Bearer error=\"insufficient_user_authentication\"{max_age}"));
        }
        Reason::StoreUnavailable | Reason::LookupFailed | Reason::UpstreamOverloaded | Reason::UpstreamUnhealthy => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(besides) = besides {
        besides.put(headers);
    }
    if is_added_to {
        headers.remove(header::WWW_AUTHENTICATE);
    }
    if let Some(allow) = &denial.allow {
        headers.insert(header::ALLOW, allow.clone());
    }
    if last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if grpc {
        grpc::trailers_only(&mut response, denial);
    }
    response
}

/// Says what would be taken (RFC 9110, 11.6.1). A browser asks its user where it reads `Basic`.
fn challenge(headers: &mut HeaderMap, schemes: &Schemes, bearer: &str) {
    for (is_taken, challenge) in [
        (schemes.has(Scheme::Bearer) || schemes.has(Scheme::Jwt), bearer),
        (schemes.has(Scheme::Token), "Token"),
        (schemes.has(Scheme::Basic), "Basic realm=\"postern\", charset=\"UTF-8\""),
    ] {
        if is_taken && let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    // No registered scheme says these; but a 401 has a challenge (RFC 9110, 15.5.2).
    for name in schemes.headers() {
        if let Ok(challenge) = HeaderValue::try_from(format!("ApiKey header=\"{name}\"")) {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    // No client can choose a link or a cookie because it is asked for one, so they are said where there is nothing else to say.
    if !headers.contains_key(header::WWW_AUTHENTICATE) {
        let challenge = if schemes.has(Scheme::Sesame) { "sesame" } else { "Cookie" };
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

/// An answer of ours that is no refusal: what was noted for it, and no body but this one.
fn ours(
    mut exchange: Box<Exchange>,
    status: StatusCode,
    outcome: Outcome,
    body: impl Into<Bytes>,
) -> Response<AnswerBody> {
    exchange.answer(status, outcome);
    let request_id = exchange.request_id().to_header();
    let besides = exchange.info.besides.take();
    let mut response = Response::new(AnswerBody::own(body.into(), exchange));
    *response.status_mut() = status;
    response.headers_mut().insert(X_REQUEST_ID, request_id);
    if let Some(besides) = besides {
        besides.put(response.headers_mut());
    }
    response
}

/// Answers with a list that has no items, as its service would.
#[must_use]
pub fn empty_list(mut exchange: Box<Exchange>, list: String) -> Response<AnswerBody> {
    drop(exchange.take());
    let mut response = ours(exchange, StatusCode::OK, Outcome::Allowed, list);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    vary_on_authorization(headers);
    response
}

/// Answers a front that its client's request may pass, and with which headers.
#[must_use]
pub fn permit(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let again =
        || Denial::new(Reason::StoreUnavailable).with_hint("the front asked again, and now the request may pass");
    let Some(front) = exchange.link().front else { return refuse(exchange, &again()) };
    match exchange.told(front) {
        Ok(_) if exchange.link().is_for_client.get() => refuse(exchange, &again()),
        Ok(mut told) => {
            let mut response = ours(exchange, StatusCode::OK, Outcome::Allowed, "");
            let headers = response.headers_mut();
            match front.removal() {
                Removal::Apart => {
                    told.headers.extend(headers.remove(X_REQUEST_ID).map(|id| (X_REQUEST_ID, id)));
                    response.extensions_mut().insert(told);
                    return response;
                }
                Removal::Listed(list) => {
                    let removed = told.removed.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",");
                    told.headers.extend(HeaderValue::try_from(removed).ok().map(|removed| (list, removed)));
                }
                Removal::Empty => {}
            }
            // The smaller into the larger.
            std::mem::swap(headers, &mut told.headers);
            headers.extend(told.headers);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(denial) => refuse(exchange, &denial),
    }
}

/// Answers a browser's preflight.
#[must_use]
pub fn preflight(exchange: Box<Exchange>) -> Response<AnswerBody> {
    ours(exchange, StatusCode::NO_CONTENT, Outcome::Allowed, "")
}

/// Sends a browser on with the cookies of its new session.
#[must_use]
pub fn begin_session(exchange: Box<Exchange>, target: &str, cookies: [Option<HeaderValue>; 2]) -> Response<AnswerBody> {
    let mut response = ours(exchange, StatusCode::SEE_OTHER, Outcome::Allowed, "");
    let headers = response.headers_mut();
    if let Ok(target) = HeaderValue::try_from(target) {
        headers.insert(header::LOCATION, target);
    }
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// Asks whether a link shall end the session that the browser has. Going on is a link to the same target, which this page opens then.
const ASK_FIRST: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\n\
<title>Log in with this link?</title>\n<h1>Log in with this link?</h1>\n\
<p>Another site, or a message, has opened a link that logs somebody in here. If you go on, your session in this browser ends.</p>\n\
<p><a href=\"\">Go on with the link</a></p>\n<p>If you did not expect this, close the page: nothing has changed.</p>\n</html>\n";

/// Answers a link that another site may have opened with a page that asks.
#[must_use]
pub fn ask_first(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    drop(exchange.take());
    let mut response = ours(exchange, StatusCode::FORBIDDEN, Outcome::Refused(Reason::OriginDenied), ASK_FIRST);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // For browsers that say in no other way that this page has opened the link.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Answers a head that the framing scanner refused; over HTTP/1.1 the connection closes behind it.
#[must_use]
pub fn violation(exchange: Box<Exchange>, violation: Violation) -> Response<AnswerBody> {
    let of_stream = exchange.link().connection.is_stream();
    let mut response = refuse(exchange, &failures::of_violation(violation));
    if !of_stream {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
