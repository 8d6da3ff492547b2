//! The way of an allowed request through the pure core allocates nothing. A binary of its own, since it counts what the
//! whole process allocates.
#![allow(clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)] // the benches use all of it
#[path = "../benches/instructions/fixture.rs"]
mod fixture;

use allocation_counter::measure;
use http::{HeaderMap, Method};
use postern::decision::RequestView;
use postern::net::framing::{Limits, Scanner, Stop};
use postern::target::Target;

#[test]
fn an_allowed_request_finds_claims_and_is_decided_without_allocating() {
    let (policy, ann) = (fixture::policy(1_000).unwrap(), fixture::member(100));
    let headers = HeaderMap::new();
    for number in [0, 50, 99] {
        let raw = fixture::target(1_000, fixture::organization_id(number));
        let mut passed = false;
        let used = measure(|| {
            let target = Target::parse(&raw).unwrap();
            let view = RequestView {
                method: &Method::GET,
                host: "api.example.com",
                target: &target,
                headers: &headers,
                claims: None,
            };
            passed = fixture::pass(&policy, &view, &ann).is_ok();
        });
        assert!(passed, "{raw}");
        assert_eq!(used.count_total, 0, "{raw}: {used:?}");
    }
}

#[test]
fn a_head_is_scanned_without_allocating() {
    for head in [fixture::CURL, fixture::BROWSER] {
        let mut stop = Stop::Incomplete;
        let used = measure(|| stop = Scanner::new(Limits { head_bytes: 16 << 10, headers: 100 }).scan(head).stop);
        assert_eq!(stop, Stop::None);
        assert_eq!(used.count_total, 0, "{used:?}");
    }
}

#[test]
fn the_count_is_not_blind() {
    let used = measure(|| drop(Target::parse("/caf%C3%A9").unwrap()));
    assert!(used.count_total >= 1, "decoding a percent sign needs a text of its own: {used:?}");
}
