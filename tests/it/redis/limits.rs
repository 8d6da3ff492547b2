//! One limit for all replicas; and a share of it for each, when Redis is away.

use super::{Fleet, answers, degraded, status, url};
use crate::support::{Options, Postern, RedisServer, Who, Wire, eventually, get};
use std::time::Duration;

const POLICY: &str = "
version: 1
upstream: echo
routes:
  /me/**: { level: authenticated, throttle: { rate: 9/hour, by: user } }
  /free/**: authenticated
";

fn three(redis: &RedisServer) -> Fleet {
    let fleet = Fleet::with(&[url(redis), url(redis), url(redis)], &Options::policy(POLICY));
    for replica in &fleet.replicas {
        eventually("all replicas are known", || (replica.metric("postern_replicas") == 3.0).then_some(()));
    }
    fleet
}

/// How many of so many requests pass, sent to the replicas in turn.
fn passed(fleet: &Fleet, who: Who, count: usize) -> usize {
    let statuses = (0..count).map(|n| status(&fleet.replicas[n % fleet.replicas.len()], who, "/me/x"));
    statuses.inspect(|status| assert!(matches!(status, 200 | 429), "{status}")).filter(|status| *status == 200).count()
}

#[test]
fn nine_an_hour_are_nine_at_all_replicas_together() {
    let redis = RedisServer::start();
    let fleet = three(&redis);
    let mut raw = fleet.replicas[0].raw();
    raw.send(get(Who::uA, "/me/x"));
    let answer = raw.answer();
    assert_eq!(answer.header("ratelimit"), Some("\"user\";r=8;t=400"));
    assert_eq!(passed(&fleet, Who::uA, 15), 8);
    let mut raw = fleet.replicas[1].raw();
    raw.send(get(Who::uA, "/me/x"));
    let answer = raw.answer();
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((390..=400).contains(&wait), "{wait}");
    assert_eq!(passed(&fleet, Who::uB, 12), 9, "somebody else has a quota of their own");
    // One round trip a request: the script once by its text, then by its name.
    let stats = redis.cli(&["INFO", "commandstats"]);
    let calls = |command: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    assert!(calls("eval") <= 4, "{stats}");
    assert_eq!(status(&fleet.replicas[0], Who::uA, "/free/x"), 200);
    // Names, addresses and users are not to be read there.
    assert_eq!(redis.keys("postern:l:*").len(), 2);
}

#[test]
fn without_redis_each_replica_gives_its_share_and_nothing_is_open() {
    let mut redis = RedisServer::start();
    let fleet = three(&redis);
    assert_eq!(passed(&fleet, Who::uA, 9), 9);
    redis.down();
    for replica in &fleet.replicas {
        eventually("Redis is away", || (degraded(replica) == 1.0).then_some(()));
    }
    assert_eq!(passed(&fleet, Who::uA, 9), 0, "each had counted along");
    assert_eq!(passed(&fleet, Who::both, 30), 9, "three at each of three");
    redis.up();
    fleet.replicas.iter().for_each(answers);
    assert!(passed(&fleet, Who::uB, 30) == 9, "and together again");
}

/// Slow, or of a foreign type, or set to what it cannot be: limited all the same.
#[test]
fn whatever_is_wrong_with_redis_there_is_a_limit() {
    let redis = RedisServer::start();
    let wire = Wire::to(redis.port);
    let through = format!("redis://{}", wire.address);
    let fleet = Fleet::with(&[through], &Options::policy(POLICY));
    assert_eq!(passed(&fleet, Who::uA, 1), 1);
    let key = redis.key("postern:l:*");
    let all = |fleet: &Fleet| passed(fleet, Who::uA, 20);
    redis.cli(&["SET", &key, "99999999999999999999999"]);
    assert_eq!(all(&fleet), 0, "as if all were spent, and not for ever");
    redis.cli(&["DEL", &key]);
    redis.cli(&["LPUSH", &key, "x"]);
    assert_eq!(all(&fleet), 9);
    assert_eq!(redis.cli(&["TYPE", &key]), "string");
    redis.cli(&["SET", &key, "nan"]);
    assert_eq!(all(&fleet), 0);
    wire.delay(Duration::from_secs(5));
    assert!(passed(&fleet, Who::oA, 30) <= 9);
    let replica: &Postern = &fleet.replicas[0];
    eventually("nobody waits any more", || (degraded(replica) == 1.0).then_some(()));
}
