//! What failures are told as: of the protocol, of a body, of an upstream.

use crate::decision::{Denial, Reason};
use crate::net::framing::{Class, Violation};
use crate::upstream::SendError;
use http::{HeaderValue, StatusCode};

/// What a request that breaks the protocol is told.
#[must_use]
pub fn of_violation(violation: Violation) -> Denial {
    let class = violation.class();
    let reason = match class {
        Class::BadTarget => Reason::BadTarget,
        Class::BadMethod => Reason::MethodNotAllowed,
        Class::BadFraming | Class::TooLarge | Class::BadVersion => Reason::BadFraming,
    };
    let status = StatusCode::from_u16(class.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut denial = Denial::new(reason).with_status(status).with_fault(violation.reason());
    if class == Class::BadMethod {
        // RFC 9110, 15.5.6: there must be one.
        denial.allow = Some(HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    denial
}

/// What an upstream's failure is told as.
#[must_use]
pub fn of_failure(failure: &SendError) -> Denial {
    match failure {
        SendError::Timeout { .. } => Denial::new(Reason::UpstreamTimeout),
        SendError::Overloaded { .. } | SendError::Descriptors { .. } => Denial::new(Reason::UpstreamOverloaded),
        SendError::Broken { source, .. } if source.is_invalid() => Denial::new(Reason::UpstreamInvalid),
        SendError::NoWebSockets { .. } => Denial::new(Reason::UpstreamUnreachable)
            .with_hint("the upstream speaks HTTP/2 and takes no WebSockets over it"),
        SendError::Connect { .. } | SendError::Broken { .. } => Denial::new(Reason::UpstreamUnreachable),
    }
}

/// What a request body's failure is told as, where the client's side is at fault.
#[must_use]
pub fn of_broken_body(violation: Option<Violation>) -> Denial {
    violation.map_or_else(|| Denial::new(Reason::BodyInvalid), of_violation)
}
