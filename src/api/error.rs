//! What goes wrong, and the one place that makes answers of it.
//!
//! Clients of the reference know its bodies: errors of fields by field, everything else as `detail`. Without `compat`, what
//! is not about the request's own fields is problem+json, as everywhere else in postern.

use super::Api;
use crate::compat::openwisp::RequestError;
use crate::compat::openwisp::fields::FieldErrors;
use crate::decision::{Denial, Reason};
use crate::login::limits::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use serde_json::json;
use std::time::Duration;
use thiserror::Error;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub(super) const NOT_FOUND: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  \
    <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";

/// And the one for requests that it does not even read.
const BAD_REQUEST: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Bad Request (400)</title>\n</head>\n<body>\n  \
    <h1>Bad Request (400)</h1><p></p>\n</body>\n</html>\n";

/// Why a request is not answered as it wants.
#[derive(Debug, Error)]
pub enum ApiError {
    /// There is no such path.
    #[error("there is no such path")]
    NoRoute,
    /// There is no such record, for who asks. What it would be is told as Django's models are called.
    #[error("No {0} matches the given query.")]
    NotFound(&'static str),
    /// What the path's record belongs to is not there.
    #[error("Not found.")]
    Missing,
    #[error("Invalid page.")]
    NoPage,
    /// It cannot be read, or its fields are wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("Request was throttled. Expected available in {} second{}.", seconds(*wait), if seconds(*wait) == 1 { "" } else { "s" })]
    Throttled {
        /// Until the next one passes.
        wait: Duration,
        /// The limit, where it may be told.
        state: Option<State>,
    },
    /// Nobody says who they are, or what they say is not good.
    #[error("{1}")]
    Unauthenticated(Reason, &'static str),
    /// It is clear who asks, and they may not.
    #[error("{1}")]
    Forbidden(Reason, &'static str),
    /// Their session began with a password that is too old by now: it is good for a new one alone.
    #[error("{}", Reason::PasswordExpired.detail())]
    PasswordExpired,
    /// The path is there, the method is not.
    #[error("Method \"{0}\" not allowed.")]
    Method(String),
    /// The record is another by now than the one that they have read.
    #[error("It has changed since it was read.")]
    Changed,
    /// Whoever changes a record must say which state of it they have read.
    #[error("If-Match is required, with the ETag of what is to be changed.")]
    NoCondition,
    /// The same is being asked under the same key.
    #[error("A request with this Idempotency-Key is being answered.")]
    Repeated,
    /// A key belongs to the request that it was first sent with.
    #[error("This Idempotency-Key was sent with another request.")]
    KeyOfAnother,
    /// Too much is being done already; a moment later it may work.
    #[error("The service is busy, try again.")]
    Busy,
    /// The store, or the system, fails.
    #[error("The service is not available, try again.")]
    Unavailable,
}

impl ApiError {
    /// Values of fields are wrong.
    pub fn of_fields(errors: FieldErrors) -> Self {
        Self::Request(RequestError::Fields(errors))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute | Self::NotFound(_) | Self::Missing | Self::NoPage => StatusCode::NOT_FOUND,
            Self::Request(RequestError::NoFormat) => StatusCode::NOT_FOUND,
            Self::Request(RequestError::NotAcceptable) => StatusCode::NOT_ACCEPTABLE,
            Self::Request(RequestError::MediaType(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Request(RequestError::BrokenOff) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(..) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(..) | Self::PasswordExpired => StatusCode::FORBIDDEN,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::Repeated => StatusCode::CONFLICT,
            Self::KeyOfAnother => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoCondition => StatusCode::PRECONDITION_REQUIRED,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The reason code of what is told as problem+json without `compat`.
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::NoRoute => Some(Reason::NoRoute),
            Self::NotFound(_) | Self::Missing | Self::NoPage => Some(Reason::LookupNotFound),
            Self::Unauthenticated(reason, _) | Self::Forbidden(reason, _) => Some(*reason),
            Self::Throttled { .. } => Some(Reason::Throttled),
            Self::Unavailable | Self::Request(RequestError::BrokenOff) => Some(Reason::StoreUnavailable),
            _ => None,
        }
    }

    /// The answer, of an operation with these methods.
    pub fn answer(self, api: &Api, allow: &'static str) -> Response {
        let status = self.status();
        let reason = self.reason().filter(|_| !api.compat);
        let mut response = match (&self, reason) {
            // With the addresses where a new one is chosen, as the gate tells it.
            (Self::PasswordExpired, _) => {
                let problem = HeaderValue::from_static("application/problem+json");
                (status, [(header::CONTENT_TYPE, problem)], api.links.password_expired()).into_response()
            }
            (_, Some(reason)) => {
                let denial = Denial::new(reason).with_status(status);
                let problem = HeaderValue::from_static("application/problem+json");
                (status, [(header::CONTENT_TYPE, problem)], denial.problem()).into_response()
            }
            (Self::NoRoute, None) => return page(status, NOT_FOUND),
            (Self::Request(RequestError::TooManyFields), None) if api.compat => return page(status, BAD_REQUEST),
            (Self::Request(RequestError::Fields(errors)), None) => json_answer(status, errors.to_json()),
            (error, None) => json_answer(status, json!({ "detail": error.to_string() }).to_string()),
        };
        let headers = response.headers_mut();
        if !allow.is_empty() {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
        match self {
            Self::Unauthenticated(reason, _) => {
                let challenge = match reason {
                    Reason::SecondFactorMissing => "Bearer error=\"insufficient_user_authentication\"",
                    _ if api.compat || reason == Reason::CredentialsMissing => "Bearer",
                    _ => "Bearer error=\"invalid_token\"",
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Throttled { wait, state } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
                if let Some(state) = state {
                    tell_limit(headers, state);
                }
            }
            Self::Busy | Self::Unavailable | Self::Repeated => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// One of Django's own pages.
fn page(status: StatusCode, page: &'static str) -> Response {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, html), (header::VARY, HeaderValue::from_static("Cookie"))];
    (status, headers, page).into_response()
}

/// `RateLimit` and its policy (draft-ietf-httpapi-ratelimit-headers).
pub(super) fn tell_limit(headers: &mut http::HeaderMap, state: State) {
    let policy = format!("\"{}\";q={};w={}", state.of, state.limit, state.period.as_secs());
    let now = format!("\"{}\";r={};t={}", state.of, state.remaining, seconds(state.reset));
    if let (Ok(policy), Ok(now)) = (HeaderValue::try_from(policy), HeaderValue::try_from(now)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, now);
    }
}

/// JSON as the reference writes it: compact.
pub(super) fn json_answer(status: StatusCode, body: String) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

/// Whole seconds, rounded up: whoever comes back then passes.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::{ApiError, NOT_FOUND};
    use std::time::Duration;

    #[test]
    fn django_s_page_is_as_long_as_django_s() {
        assert_eq!(NOT_FOUND.len(), 179);
    }

    #[test]
    fn one_second_is_one_and_less_is_rounded_up() {
        let told = |wait| ApiError::Throttled { wait, state: None }.to_string();
        assert_eq!(told(Duration::from_millis(300)), "Request was throttled. Expected available in 1 second.");
        assert_eq!(told(Duration::from_millis(1300)), "Request was throttled. Expected available in 2 seconds.");
    }
}
