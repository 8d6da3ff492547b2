//! Refusals as gRPC callers understand them: 200 with the status in the one and only header block ("trailers-only").
//!
//! Reference: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use crate::decision::{Denial, Reason};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether a request is a gRPC call: `POST` with `application/grpc`, alone or with `+proto` and its like.
#[must_use]
pub fn is_call(method: &Method, headers: &HeaderMap) -> bool {
    let Some(kind) = (*method == Method::POST).then(|| headers.get(CONTENT_TYPE)).flatten() else { return false };
    let (start, rest) = kind.as_bytes().split_at_checked(GRPC.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The status code of a denial.
#[must_use]
pub fn status(denial: &Denial) -> u8 {
    const UNIMPLEMENTED: u8 = 12;
    match denial.status {
        // No such method; what is hidden reads the same.
        StatusCode::NOT_FOUND if denial.told_as() == Reason::NoRoute => UNIMPLEMENTED,
        status => code(status),
    }
}

/// The status code of an answer of this status, which is no success of the call.
#[must_use]
pub fn code(status: StatusCode) -> u8 {
    const INVALID_ARGUMENT: u8 = 3;
    const DEADLINE_EXCEEDED: u8 = 4;
    const NOT_FOUND: u8 = 5;
    const PERMISSION_DENIED: u8 = 7;
    const RESOURCE_EXHAUSTED: u8 = 8;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match status {
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        StatusCode::FORBIDDEN => PERMISSION_DENIED,
        StatusCode::NOT_FOUND => NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => UNIMPLEMENTED,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            RESOURCE_EXHAUSTED
        }
        StatusCode::GATEWAY_TIMEOUT => DEADLINE_EXCEEDED,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        status if status.is_client_error() => INVALID_ARGUMENT,
        _ => INTERNAL,
    }
}

/// Says how a call has ended.
pub fn put_status(headers: &mut HeaderMap, code: u8) {
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(code)));
}

/// An answer whose messages are `body`, and whose end says how it went.
#[must_use]
pub fn response<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// Turns a refusal without a body into one for a gRPC caller; its other headers remain.
pub fn trailers_only<B>(response: &mut Response<B>, denial: &Denial) {
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    put_status(headers, status(denial));
    let told = denial.told_as();
    let message = format!("{}: {}", told.code(), denial.detail());
    headers.insert(GRPC_MESSAGE, message_value(&message));
}

/// `grpc-message`: percent-encoded where it is not printable ASCII.
fn message_value(text: &str) -> HeaderValue {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    let encoded = percent_encoding::utf8_percent_encode(text, KEPT).to_string();
    HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::{is_call, message_value, status};
    use crate::decision::{Denial, Reason};
    use http::header::{CONTENT_TYPE, HeaderMap};
    use http::{Method, StatusCode};

    #[test]
    fn a_call_is_known_by_its_type() {
        let call = |method: &Method, kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_call(method, &headers)
        };
        for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y"] {
            assert!(call(&Method::POST, kind), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grp", "application/json", "text/application/grpc"] {
            assert!(!call(&Method::POST, kind), "{kind}");
        }
        assert!(!call(&Method::GET, "application/grpc"));
        assert!(!is_call(&Method::POST, &HeaderMap::new()));
    }

    #[test]
    fn every_reason_has_a_status_that_says_whose_turn_it_is() {
        for (reason, expected) in [
            (Reason::CredentialsMissing, 16),
            (Reason::CredentialsInvalid, 16),
            (Reason::OrgLevelMissing, 7),
            (Reason::NoRoute, 12),
            (Reason::MethodNotAllowed, 12),
            (Reason::Throttled, 8),
            (Reason::BodyTooLarge, 8),
            (Reason::BadTarget, 3),
            (Reason::UpstreamTimeout, 4),
            (Reason::UpstreamUnreachable, 14),
            (Reason::UpstreamInvalid, 14),
            (Reason::StoreUnavailable, 14),
        ] {
            assert_eq!(status(&Denial::new(reason)), expected, "{reason:?}");
        }
        // An organization that the caller does not belong to, where the route hides it.
        assert_eq!(status(&Denial::new(Reason::OrgForeign).with_status(StatusCode::NOT_FOUND)), 12);
        for reason in Reason::ALL {
            assert_ne!(status(&Denial::new(reason)), 0, "{reason:?} would look like success");
        }
    }

    #[test]
    fn a_message_is_printable() {
        assert_eq!(message_value("100% sure\n é"), "100%25 sure%0A %C3%A9");
    }
}
