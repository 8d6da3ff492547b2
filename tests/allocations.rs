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
use postern::request_target::Target;

#[test]
fn an_allowed_request_finds_claims_and_is_decided_without_allocating() {
    let (policy, ann) = (fixture::policy(1_000).unwrap(), fixture::member(100));
    let headers = HeaderMap::new();
    for number in [0, 50, 99] {
        let raw = fixture::target(1_000, fixture::organization_id(number));
        let mut passed = false;
        let used = measure(|| {
            let target = Target::parse(&raw).unwrap();
            let view = RequestView::new(&Method::GET, "api.example.com", &target, &headers);
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

#[test]
fn ten_thousand_remembered_jwts_stay_under_25_mib() {
    use postern::claims::Claims;
    use postern::directory::Directory;
    use postern::directory::sqlite::{Options, SqliteStore};
    use postern::fact_cache::{Capacity, FactCache, Found, Kind};
    use std::sync::Arc;

    let home = tempfile::tempdir().unwrap();
    let store: Arc<Directory> =
        Arc::new(SqliteStore::open(&home.path().join("postern.db"), Options::default()).unwrap().into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut kept = 0;
    let memberships = runtime.block_on(async {
        let position = store.position().await.unwrap();
        let patience = std::time::Duration::from_secs(60);
        let memberships = FactCache::new(Arc::clone(&store), position, patience, Capacity::default()).unwrap();
        memberships.catch_up().await.unwrap();
        memberships
    });
    // Everybody somebody else, in two organizations, with the claims that an identity provider sends.
    let claims = "x".repeat(600);
    for number in 0..10_000 {
        let token = format!("{number}.{}", "t".repeat(700));
        let used = measure(|| {
            let look = async || {
                let snapshot = fixture::member(2);
                let claims = Some(Arc::new(Claims::new(&claims)));
                Ok(Some(Found { claims, ..Found::of(snapshot) }))
            };
            futures_now(memberships.load_by(Kind::Jwt, &token, look));
        });
        kept += used.bytes_current;
    }
    assert_eq!(memberships.len(), 10_000);
    println!("{} bytes a remembered JWT", kept / 10_000);
    assert!(kept > 10_000 * 600 && kept < 25 << 20, "{kept}");
}

/// Runs what never waits.
fn futures_now<F: std::future::Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
