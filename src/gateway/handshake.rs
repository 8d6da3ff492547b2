//! A WebSocket's handshake that was permitted, and what its upstream is asked (RFC 6455, 4.2.1; RFC 8441, 5).
//!
//! The handshake's hop-by-hop fields are sent on by us and in one spelling.

use super::entropy::Entropy;
use super::evaluate::Permit;
use crate::decision::Upgrade;
use crate::upstream::PutField;
use data_encoding::BASE64;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use sha1::{Digest, Sha1};

/// What RFC 6455, 1.3 has hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that may go on.
pub struct Handshake {
    /// What the upstream must answer.
    pub(super) accept: HeaderValue,
    /// It is a stream that becomes a WebSocket, and not a connection.
    pub(super) of_stream: bool,
    /// The key that the upstream is asked with, where the client has none.
    pub(super) own_key: Option<String>,
    /// The request as the client sent it, to be judged again.
    pub asked: Request<()>,
}

/// The handshake of a request that may become a WebSocket; `None` of any other.
#[must_use]
pub fn handshake<B>(permit: &Permit, request: &Request<B>, entropy: &Entropy) -> Option<Box<Handshake>> {
    let of_stream = match permit.upgrade() {
        Upgrade::None => return None,
        Upgrade::Connection => false,
        Upgrade::Stream => true,
    };
    let headers = request.headers();
    let mut own_key = None;
    let key = match only(headers, &SEC_WEBSOCKET_KEY) {
        Some(key) => key.as_bytes(),
        None => own_key.insert(new_key(entropy)).as_bytes(),
    };
    let accept = BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let accept = HeaderValue::try_from(accept).ok()?;
    Some(Box::new(Handshake { accept, of_stream, own_key, asked: head_of(request) }))
}

/// The head of a request, to be judged again.
#[must_use]
pub fn head_of<B>(request: &Request<B>) -> Request<()> {
    let mut asked = Request::new(());
    asked.method_mut().clone_from(request.method());
    asked.uri_mut().clone_from(request.uri());
    asked.headers_mut().clone_from(request.headers());
    asked
}

fn new_key(entropy: &Entropy) -> String {
    BASE64.encode([entropy.next().to_be_bytes(), entropy.next().to_be_bytes()].as_flattened())
}

/// The one value of a field that is there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

impl Handshake {
    /// Asks the upstream to switch; the fields of the client's own were removed.
    pub fn tell(&self, head: &mut impl PutField) {
        head.put(&CONNECTION, b"Upgrade");
        head.put(&UPGRADE, b"websocket");
        if let Some(key) = &self.own_key {
            head.put(&SEC_WEBSOCKET_KEY, key.as_bytes());
        }
    }

    /// Whether an answer without a switch would be taken for one: a stream's client sees nothing but the status.
    #[must_use]
    pub fn is_misread(&self, status: StatusCode) -> bool {
        self.of_stream && status.is_success()
    }
}

#[cfg(test)]
mod tests {
    use super::{BASE64, Digest, GUID, Sha1};

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let digest = Sha1::new().chain_update(b"dGhlIHNhbXBsZSBub25jZQ==").chain_update(GUID).finalize();
        assert_eq!(BASE64.encode(&digest), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
