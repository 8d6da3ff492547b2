//! The promise, live: three replicas, one store, one Redis, and between them wires that delay, swallow and break. Nobody is
//! allowed by an old fact later than the bound, and no old fact comes back.

use super::{Fleet, status};
use crate::support::{Options, ROUTES, RedisServer, Who, Wire, eventually};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `cache.max_staleness` of the test.
const BOUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 12;

const OUT: &str = "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')";

/// Wires do something else every few milliseconds, in an order that looks random and is the same each time.
fn trouble(wires: &[Wire], stop: &AtomicBool) {
    let mut state = 0x9e37_79b9_u32;
    while !stop.load(Ordering::SeqCst) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let wire = &wires[state as usize % wires.len()];
        match (state >> 8) % 5 {
            0 => wire.delay(Duration::from_millis(u64::from(state >> 16) % 200)),
            1 => wire.deaf(true),
            2 => wire.cut(false),
            3 => wire.cut(true),
            _ => {
                wire.deaf(false);
                wire.delay(Duration::ZERO);
                wire.cut(false);
            }
        }
        std::thread::sleep(Duration::from_millis(20 + u64::from(state >> 24) % 60));
    }
}

#[test]
fn no_replica_allows_by_an_old_fact_later_than_the_bound() {
    let redis = RedisServer::start();
    let wires: Vec<Wire> = (0..3).map(|_| Wire::to(redis.port)).collect();
    let urls: Vec<String> = wires.iter().map(|wire| format!("redis://{}", wire.address)).collect();
    let fleet = Fleet::with(&urls, &Options::policy(ROUTES).set("cache.max_staleness", "2s"));
    let (store, fleet) = (&fleet.replicas[0], &fleet);
    let membership = {
        let db = rusqlite::Connection::open(store.home().join("postern.db")).unwrap();
        let sql = "SELECT id, user_id, organization_id FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')";
        let row = |row: &rusqlite::Row<'_>| Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?]);
        db.query_row(sql, [], row).unwrap()
    };
    let back = format!(
        "INSERT INTO memberships (id, user_id, organization_id) VALUES ('{}', '{}', '{}')",
        membership[0], membership[1], membership[2]
    );
    let ask = |replica: usize| fleet.status(replica, Who::uA, "/api/v1/org/a/x");
    let stop = AtomicBool::new(false);
    let mut lags = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| trouble(&wires, &stop));
        for _ in 0..ROUNDS {
            eventually("all allow", || (0..3).all(|replica| ask(replica) == 200).then_some(()));
            store.sql(OUT);
            let committed = postern::clock::monotonic();
            let mut refused = [None; 3];
            while committed.elapsed() < Duration::from_millis(400) || refused.contains(&None) {
                for (replica, refused) in refused.iter_mut().enumerate() {
                    let sent = committed.elapsed();
                    match (ask(replica), *refused) {
                        (403, None) => *refused = Some(committed.elapsed()),
                        (403, Some(_)) => {}
                        (200, None) => assert!(sent < BOUND, "replica {replica} still allows after {sent:?}"),
                        (200, Some(at)) => panic!("replica {replica} refused after {at:?}, and allows after {sent:?}"),
                        (other, _) => panic!("replica {replica}: {other}"),
                    }
                }
            }
            lags.extend(refused.into_iter().flatten());
            store.sql(&back);
        }
        stop.store(true, Ordering::SeqCst);
    });
    lags.sort();
    println!("lag: median {:?}, greatest {:?} of {}", lags[lags.len() / 2], lags[lags.len() - 1], lags.len());
    assert!(lags[lags.len() / 2] < Duration::from_millis(250), "{lags:?}");
    assert_eq!(status(store, Who::mA, "/me/x"), 200);
}

/// What one replica hears of, the others hear from it; and what a stranger says on the channel is nothing.
#[test]
fn replicas_tell_each_other_and_nobody_else_is_heard() {
    let redis = RedisServer::start();
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let fleet = Fleet::new(&[url.clone(), url.clone(), url]);
    let channel = eventually("replicas listen", || {
        let channels = redis.cli(&["PUBSUB", "CHANNELS", "postern:relay:*"]);
        let listening = redis.cli(&["PUBSUB", "NUMSUB", &channels]);
        (listening.lines().nth(1) == Some("3")).then_some(channels)
    });
    let heard = || fleet.replicas.iter().map(|replica| replica.metric("postern_relay_heard_total")).sum::<f64>();
    for _ in 0..20 {
        fleet.replicas[0].sql("UPDATE users SET is_staff = 1 - is_staff WHERE username = 'uA'");
        std::thread::sleep(Duration::from_millis(60));
    }
    eventually("a replica was told", || (heard() >= 3.0).then_some(()));
    let refused = || fleet.replicas.iter().map(|replica| replica.metric("postern_redis_refused_total")).sum::<f64>();
    let before = (heard(), refused());
    redis.cli(&["PUBLISH", &channel, "everything has changed"]);
    eventually("all three refuse it", || (refused() == before.1 + 3.0).then_some(()));
    assert_eq!(heard(), before.0);
    assert!(fleet.replicas.iter().all(|replica| status(replica, Who::uA, "/me/x") == 200));
}
