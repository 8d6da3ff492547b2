//! Envoy's questions at random, as prost writes them, and cut and changed.

use super::check_request::check;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, SocketAddress, address::Address as Place,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use prost::Message;

fn requests() -> impl Strategy<Value = CheckRequest> {
    let texts = ("[A-Z]{0,4}", "/?\\PC{0,9}", "\\PC{0,9}", "https?", "\\PC{0,3}", "\\PC{0,3}");
    let headers = hash_map("[a-z:-]{1,8}", "\\PC{0,200}", 0..6);
    let raw = (any::<bool>(), vec(("[a-z:-]{1,8}", vec(any::<u8>(), 0..9), any::<bool>()), 0..6));
    let rest = (vec(any::<u8>(), 0..300), any::<i64>(), "\\PC{0,9}", any::<[u8; 4]>(), any::<u16>());
    (texts, headers, raw, rest).prop_map(|(texts, headers, (is_raw, raw), (raw_body, size, other, peer, port))| {
        let (method, path, host, scheme, query, fragment) = texts;
        let told = raw.into_iter().map(|(key, bytes, is_text)| match String::from_utf8(bytes.clone()) {
            Ok(value) if is_text => HeaderValue { key, value, ..HeaderValue::default() },
            _ => HeaderValue { key, raw_value: bytes, ..HeaderValue::default() },
        });
        let header_map = is_raw.then(|| HeaderMap { headers: told.collect() });
        let http = HttpRequest {
            id: other.clone(),
            method,
            headers,
            header_map,
            path,
            host,
            scheme,
            query,
            fragment,
            size,
            protocol: other.clone(),
            body: other,
            raw_body,
        };
        let address = std::net::Ipv4Addr::from(peer).to_string();
        let socket = SocketAddress { address, protocol: i32::from(port), ..SocketAddress::default() };
        let address = Some(Address { address: Some(Place::SocketAddress(socket)) });
        let source = Some(Peer { address, service: "x".to_owned(), ..Peer::default() });
        let request = Some(Request { http: Some(http), ..Request::default() });
        let context_extensions = [("a".to_owned(), "b".to_owned())].into();
        let attributes = AttributeContext { source, request, context_extensions, ..AttributeContext::default() };
        CheckRequest { attributes: Some(attributes) }
    })
}

proptest! {
    #[test]
    fn what_others_write_is_read_as_they_mean_it(request in requests()) {
        prop_assert!(check(&request.encode_to_vec()));
    }

    /// A message that is cut or changed is refused, or reads the same to both.
    #[test]
    fn what_is_read_others_read_in_the_same_way(
        request in requests(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut message = request.encode_to_vec();
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        for (at, byte) in changes {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        check(&message);
    }
}
