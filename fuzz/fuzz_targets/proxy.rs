//! A PROXY header that we read, another reader reads alike: the same client, or none.
#![no_main]

#[path = "../../tests/it/strict/proxy.rs"]
mod proxy;

use postern::net::proxy::Source;
use ppp::{HeaderResult, v1, v2};
use std::net::SocketAddr;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| {
    let Some((source, header)) = proxy::check(stream) else { return };
    let theirs: Option<SocketAddr> = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(seen) => Some((seen.source_address, seen.source_port).into()),
            v1::Addresses::Tcp6(seen) => Some((seen.source_address, seen.source_port).into()),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => None,
        HeaderResult::V2(Ok(header)) => match header.addresses {
            v2::Addresses::IPv4(seen) => Some((seen.source_address, seen.source_port).into()),
            v2::Addresses::IPv6(seen) => Some((seen.source_address, seen.source_port).into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        },
        // It knows no family that LOCAL may have, and no words behind UNKNOWN that are not text: nobody's address is read there.
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => {
            assert_eq!(source, Source::Proxy, "we read an address where another reader reads none");
            return;
        }
    };
    let ours = match source {
        Source::Client(address) => Some(address),
        Source::Proxy => None,
    };
    assert_eq!(ours, theirs);
});
