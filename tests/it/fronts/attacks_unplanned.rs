//! What no row of the attacks says, through each front: bytes that nobody meant, and clients that never come to an end.

use super::attacks::{Reached, Seen, Way, count};
use crate::attacks::random::{POLICY, stream};
use crate::strict::random::Random;
use crate::support::{Options, Raw, Who, World, get};
use postern::request_target::Target;
use std::time::Duration;

/// Streams a front, of each of four threads.
const STREAMS: usize = 250;
/// A front that has said nothing for so long says nothing more about such a stream.
const SILENCE: Duration = Duration::from_millis(60);

/// What was judged, and nothing else; whoever it is of is who sent it.
fn is_permitted(way: &Way, seen: &Seen) {
    let target = Target::parse(&seen.target).unwrap_or_else(|error| panic!("{}: {error}: {seen:?}", way.name));
    let users = seen.headers.get("x-postern-user").cloned().unwrap_or_default();
    match (seen.method.as_str(), target.decoded()) {
        ("GET" | "POST", path) if path.starts_with("/open/") => assert!(users.is_empty(), "{}: {seen:?}", way.name),
        ("GET", "/me") => assert_eq!(users, ["uA"], "{}: {seen:?}", way.name),
        _ => panic!("{}: nothing permits this: {seen:?}", way.name),
    }
    assert!(!seen.headers.contains_key("authorization"), "{}: {seen:?}", way.name);
}

#[test]
fn random_streams_reach_the_service_as_they_were_judged_or_not_at_all() {
    let ways = Way::all(&Options::policy(POLICY));
    let token = World::get().token(Who::uA).unwrap();
    std::thread::scope(|scope| {
        for (way, thread) in ways.iter().flat_map(|way| (0..4).map(move |thread| (way, thread))) {
            scope.spawn(move || {
                for number in 0..STREAMS {
                    let mut random = Random((thread * STREAMS + number) as u64);
                    let bytes = stream(&mut random, token);
                    let cut = random.below(bytes.len() + 1);
                    let mut raw = Raw::connect(way.entrance);
                    raw.socket().set_read_timeout(Some(SILENCE)).unwrap();
                    // A front may have hung up on the first part.
                    let _ = raw.try_send(&bytes[..cut]).and_then(|()| raw.try_send(&bytes[cut..]));
                    while raw.bytes().is_ok_and(|piece| !piece.is_empty()) {}
                }
            });
        }
    });
    for way in &ways {
        let seen = way.seen();
        seen.iter().for_each(|seen| is_permitted(way, seen));
        println!("{:12} {} requests reached the service", way.name, seen.len());
        assert!(seen.len() > 15, "{}: too few good requests to mean anything: {}", way.name, seen.len());
        let mut reached = Reached::new();
        count(&mut reached, &seen);
        way.has_allowed(&reached);
    }
}

/// Heads and bodies that never end keep nobody else from an answer, and are never taken for whole ones.
#[test]
fn clients_that_never_end_their_requests_hold_up_nobody_else() {
    let ways = Way::all(&Options::policy(POLICY).set("timeouts.stall", "2s").set("timeouts.head", "2s"));
    let begun = [
        "GET /open/x HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhello",
    ];
    std::thread::scope(|scope| {
        for way in &ways {
            scope.spawn(move || {
                let mut slow: Vec<_> = (0..100)
                    .map(|number| {
                        let mut raw = Raw::connect(way.entrance);
                        raw.send(begun[number % begun.len()]);
                        raw
                    })
                    .collect();
                for _ in 0..10 {
                    slow.iter_mut().for_each(|raw| drop(raw.try_send("a")));
                    let answer = Raw::connect(way.entrance).send(get(Who::uA, "/me")).answer();
                    assert_eq!(answer.status, 200, "{}", way.name);
                }
                drop(slow);
                let whole = way.whole();
                assert!(whole.len() == 10 && whole.iter().all(|seen| seen.target == "/me"), "{}: {whole:?}", way.name);
            });
        }
    });
}
