//! Redis away, slow, deaf, full: callers see nothing, the metric tells, and all is well again without a restart.

use super::{Fleet, answers, degraded, status, url};
use crate::support::{Options, Postern, ROUTES, RedisServer, Who, Wire, eventually};
use std::time::{Duration, Instant};

const EVERYBODY: [Who; 6] = [Who::mA, Who::uA, Who::oA, Who::uB, Who::both, Who::su];

fn through(wire: &Wire) -> String {
    format!("redis://{}", wire.address)
}

/// Everybody is served, the first ones cold; how long the slowest took.
fn slowest(replica: &Postern) -> Duration {
    let served = EVERYBODY.map(|who| {
        let start = now();
        assert_eq!(status(replica, who, "/me/x"), 200);
        start.elapsed()
    });
    served.into_iter().max().unwrap()
}

fn now() -> Instant {
    postern::clock::monotonic()
}

fn is_degraded(replica: &Postern) {
    eventually("the metric tells", || (degraded(replica) == 1.0).then_some(()));
    let ready = replica.admin("/readyz");
    assert_eq!(ready.status, 200, "served from memory and the database");
    assert!(ready.text().contains("\"redis\":\"degraded"), "{}", ready.text());
}

#[test]
fn without_redis_callers_see_nothing_and_it_is_found_again() {
    let mut redis = RedisServer::start();
    let mut fleet = Fleet::new(&[url(&redis)]);
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    redis.down();
    is_degraded(&fleet.replicas[0]);
    assert!(slowest(&fleet.replicas[0]) < Duration::from_secs(1), "warm and cold");
    // A replica that starts now has never seen it.
    let late = fleet.join(&url(&redis), &Options::policy(ROUTES));
    is_degraded(late);
    assert!(slowest(late) < Duration::from_secs(1));
    redis.up();
    fleet.replicas.iter().for_each(answers);
    assert_eq!(redis.keys("postern:t:*").len(), 0, "it came back empty");
    let fresh = fleet.join(&url(&redis), &Options::policy(ROUTES));
    answers(fresh);
    slowest(fresh);
    eventually("it is filled again", || (redis.keys("postern:t:*").len() == 6).then_some(()));
}

/// Redis that is down, slow or poisoned: five seconds an answer; a connection that is half open; a connection that breaks.
#[test]
fn a_slow_redis_costs_a_few_callers_the_budget_and_then_nobody() {
    let redis = RedisServer::start();
    type Turn = fn(&Wire);
    let ways: [(&str, Turn, Turn); 3] = [
        (
            "slow",
            |wire| wire.delay(Duration::from_secs(5)),
            |wire| {
                wire.delay(Duration::ZERO);
                wire.cut(false);
            },
        ),
        (
            "half open",
            |wire| wire.deaf(true),
            |wire| {
                wire.deaf(false);
                wire.cut(false);
            },
        ),
        ("cut", |wire| wire.cut(true), |wire| wire.cut(false)),
    ];
    for (what, spoil, mend) in ways {
        let wire = Wire::to(redis.port);
        let fleet = Fleet::new(&[through(&wire)]);
        let replica = &fleet.replicas[0];
        spoil(&wire);
        let slowest = slowest(replica);
        assert!(slowest < Duration::from_secs(2), "{what}: the budget is 200 ms: {slowest:?}");
        is_degraded(replica);
        // Nobody waits any more, known or not.
        replica.sql("UPDATE users SET is_staff = 1");
        std::thread::sleep(Duration::from_millis(150));
        let failures = replica.metric("postern_redis_failures");
        for who in EVERYBODY {
            assert_eq!(status(replica, who, "/me/x"), 200, "{what}");
        }
        assert!(replica.metric("postern_redis_failures") <= failures + 2.0, "{what}: one task tries, not the callers");
        mend(&wire);
        answers(replica);
    }
}

#[test]
fn a_full_redis_is_read_and_not_written() {
    let redis = RedisServer::start();
    let fleet = Fleet::new(&[url(&redis), url(&redis)]);
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    redis.key("postern:t:*");
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let [first, second] = &fleet.replicas[..] else { panic!() };
    assert_eq!(status(first, Who::uB, "/me/x"), 200);
    eventually("what was not written is counted", || {
        (first.metric("postern_redis_unwritten_total") == 1.0).then_some(())
    });
    is_degraded(first);
    assert_eq!(status(second, Who::uA, "/me/x"), 200);
    assert_eq!(second.metric("postern_redis_hits_total"), 1.0, "what is there is read");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(status(first, Who::both, "/me/x"), 200);
    eventually("it is written again", || (redis.keys("postern:t:*").len() == 2).then_some(()));
    answers(first);
}

/// The master dies and a replica that had not heard of the last change takes its place.
#[test]
fn a_failover_to_an_old_copy_brings_no_old_fact_back() {
    let master = RedisServer::start();
    let old =
        RedisServer::with(&["--replicaof", "127.0.0.1", &master.port.to_string(), "--repl-diskless-sync-delay", "0"]);
    let wire = Wire::to(master.port);
    let spare = Wire::to(old.port);
    let mut fleet = Fleet::new(&[through(&wire), through(&wire)]);
    assert_eq!(fleet.status(0, Who::uA, "/api/v1/org/a/x"), 200);
    let key = master.key("postern:t:*");
    eventually("the copy has it", || (old.cli(&["EXISTS", &key]) == "1").then_some(()));
    // Cut off, promoted, and without the news.
    old.cli(&["REPLICAOF", "NO", "ONE"]);
    fleet.replicas[0].sql("DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')");
    eventually("the change is known", || (fleet.status(0, Who::uA, "/api/v1/org/a/x") == 403).then_some(()));
    wire.cut(true);
    let late = fleet.join(&through(&spare), &Options::policy(ROUTES));
    answers(late);
    assert_eq!(status(late, Who::uA, "/api/v1/org/a/x"), 403);
    assert_eq!(late.metric("postern_redis_hits_total"), 0.0);
    assert_eq!(fleet.status(1, Who::uA, "/api/v1/org/a/x"), 403);
}
