//! What we read of a `CheckRequest`, compared with what the reader of others does (prost, with the types of envoy-types).

use envoy_types::pb::envoy::config::core::v3::{HeaderValue, address::Address};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use postern::ext_authz::question::Question;
use prost::Message;

/// More headers than any message of the tests has.
const MOST: usize = 100;

/// Whether a message is read; then prost reads the same, as far as it reads fields that we do not look at.
pub fn check(message: &[u8]) -> bool {
    let Ok(ours) = Question::read(message, MOST) else { return false };
    assert!(ours.headers.len() <= MOST + 1);
    if let Ok(theirs) = CheckRequest::decode(message)
        && ours.headers.len() <= MOST
    {
        same(&ours, &theirs);
    }
    true
}

/// Compares what we have read of a message with what prost has.
fn same(ours: &Question<'_>, theirs: &CheckRequest) {
    let attributes = theirs.attributes.as_ref().unwrap();
    let http = attributes.request.as_ref().unwrap().http.as_ref().unwrap();
    assert_eq!(
        (ours.method, ours.path, ours.host, ours.scheme, ours.query, ours.fragment),
        (&*http.method, &*http.path, &*http.host, &*http.scheme, &*http.query, &*http.fragment)
    );
    assert_eq!(ours.raw_body.unwrap_or_default(), http.raw_body);
    match &http.header_map {
        Some(map) => {
            let value = |header: &HeaderValue| match header.value.as_bytes() {
                [] => header.raw_value.clone(),
                value => value.to_vec(),
            };
            let theirs: Vec<_> = map.headers.iter().map(|header| (header.key.clone(), value(header))).collect();
            let ours: Vec<_> = ours.headers.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
            assert_eq!(ours, theirs);
        }
        None => {
            for (key, value) in &http.headers {
                let last = ours.headers.iter().rev().find(|(name, _)| name == key);
                assert_eq!(last.map(|(_, value)| *value), Some(value.as_bytes()), "{key}");
            }
            assert!(ours.headers.iter().all(|(name, _)| http.headers.contains_key(*name)));
        }
    }
    let place = attributes.source.as_ref().and_then(|peer| peer.address.as_ref()).and_then(|a| a.address.as_ref());
    if let Some(Address::SocketAddress(socket)) = place {
        assert_eq!(ours.source, socket.address.parse().ok());
    }
}
