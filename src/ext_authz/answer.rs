//! A `CheckResponse`: what becomes of the request.

use super::frame;
use super::wire::Writer;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, VARY};

/// `OVERWRITE_IF_EXISTS_OR_ADD`: ours stands in the place of what was there.
const OVERWRITE: u64 = 2;

/// What is told to Envoy's own log and filters: a name and a text each.
pub type Metadata<'a> = [(&'static str, &'a str)];

/// The answer that lets a request pass, as it is sent: with which `headers`, without which (`removed`), and what its answer has besides.
#[must_use]
pub fn allowed(headers: &HeaderMap, removed: &[HeaderName], besides: &HeaderMap, metadata: &Metadata<'_>) -> Bytes {
    frame::framed(|response| {
        response.message(1, |_| {});
        response.message(3, |allowed| {
            put_all(allowed, 2, headers);
            for name in removed {
                allowed.bytes(5, name.as_str().as_bytes());
            }
            put_all(allowed, 6, besides);
        });
        put_metadata(response, metadata);
    })
}

/// The answer that refuses a request, as it is sent: what its client is answered, and by which code of gRPC.
#[must_use]
pub fn denied(status: StatusCode, headers: &HeaderMap, body: &[u8], code: u8, metadata: &Metadata<'_>) -> Bytes {
    frame::framed(|response| {
        response.message(1, |outcome| outcome.number(1, u64::from(code)));
        response.message(2, |denied| {
            denied.message(1, |told| told.number(1, u64::from(status.as_u16())));
            put_all(denied, 2, headers);
            // A text to Protocol Buffers; ours always is.
            if std::str::from_utf8(body).is_ok() {
                denied.bytes(3, body);
            }
        });
        put_metadata(response, metadata);
    })
}

/// Headers as `HeaderValueOption`, all but those that Envoy says itself.
fn put_all(message: &mut Writer, field: u32, headers: &HeaderMap) {
    for (name, value) in headers.iter().filter(|(name, _)| ![DATE, CONNECTION, CONTENT_LENGTH].contains(name)) {
        put(message, field, name, value);
    }
}

fn put(message: &mut Writer, field: u32, name: &HeaderName, value: &HeaderValue) {
    message.message(field, |option| {
        option.message(1, |header| {
            header.bytes(1, name.as_str().as_bytes());
            // `value` is a text. Envoy reads nothing of `raw_value` here, and sets the header to nothing.
            let is_text = std::str::from_utf8(value.as_bytes()).is_ok();
            header.bytes(if is_text { 2 } else { 3 }, value.as_bytes());
        });
        // What the service's answer varies by counts as well; `APPEND_IF_EXISTS_OR_ADD` is 0, which is not written.
        if *name != VARY {
            option.number(3, OVERWRITE);
        }
    });
}

/// A `google.protobuf.Struct` of texts.
fn put_metadata(response: &mut Writer, metadata: &Metadata<'_>) {
    response.message(4, |fields| {
        for (name, text) in metadata.iter().filter(|(_, text)| !text.is_empty()) {
            fields.message(1, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.message(2, |value| value.bytes(3, text.as_bytes()));
            });
        }
    });
}
