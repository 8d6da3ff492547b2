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

/// Redis's clock was set back, or somebody has written there: the limit is full at first, and not for ever.
#[test]
fn a_count_from_the_future_locks_nobody_out() {
    let redis = RedisServer::start();
    let policy = "
version: 1
upstream: echo
routes:
  /me/**: { level: authenticated, throttle: { rate: 3/second, by: user } }
";
    let fleet = Fleet::with(&[url(&redis)], &Options::policy(policy));
    for count in ["99999999999999999", "9e99", "inf", "nan"] {
        assert!(passed(&fleet, Who::uA, 1) <= 1);
        let key = redis.key("postern:l:*");
        redis.cli(&["SET", &key, count]);
        eventually("the limit's time is over", || (passed(&fleet, Who::uA, 1) == 1).then_some(()));
        assert!(passed(&fleet, Who::uA, 20) < 20, "and there still is one: {count}");
    }
}

/// Somebody's login at a replica, from an address that a trusted proxy tells of.
pub fn login(replica: &Postern, password: &str, from: &str) -> u16 {
    let body = format!("{{\"username\":\"lena\",\"password\":\"{password}\"}}");
    let head = "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let mut raw = replica.raw();
    raw.send(format!("{head}X-Forwarded-For: {from}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    raw.answer().status
}

fn logins(redis: &RedisServer, throttle: &str) -> Fleet {
    let mut options = Options::policy(POLICY);
    options.config = format!(
        "trusted_proxies: [127.0.0.0/8]\nidentity: {{ api: token, token: {{ throttle: {throttle} }}, passwords: {{ memory: 64KiB, passes: 1 }} }}\n"
    );
    let fleet = Fleet::with(&[url(redis), url(redis), url(redis)], &options);
    fleet.replicas[0].cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    for replica in &fleet.replicas {
        eventually("all replicas are known", || (replica.metric("postern_replicas") == 3.0).then_some(()));
    }
    fleet
}

#[test]
fn logins_of_an_address_are_counted_by_all_replicas_together() {
    let mut redis = RedisServer::start();
    let fleet = logins(&redis, "9/day");
    let tried = |from: &str| {
        let statuses = (0..30).map(|n| login(&fleet.replicas[n % 3], "guess", from));
        statuses.inspect(|status| assert!(matches!(status, 400 | 429), "{status}")).filter(|s| *s == 400).count()
    };
    assert_eq!((tried("192.0.2.1"), tried("192.0.2.2"), tried("192.0.2.1")), (9, 9, 0));
    redis.down();
    for replica in &fleet.replicas {
        eventually("Redis is away", || (degraded(replica) == 1.0).then_some(()));
    }
    assert_eq!((tried("192.0.2.1"), tried("192.0.2.3")), (0, 9), "each had counted along, and gives three now");
}

/// Guesses from many addresses at many replicas, of one user's password; and the user, who logs in from home.
#[test]
fn failures_are_counted_by_all_replicas_and_lock_nobody_out_of_their_own() {
    let redis = RedisServer::start();
    let fleet = logins(&redis, "none");
    let home = "198.51.100.1";
    assert_eq!(login(&fleet.replicas[0], "s3cret-word", home), 200);
    // Successes cost nothing, however many there are.
    for n in 0..20 {
        assert_eq!(login(&fleet.replicas[n % 3], "s3cret-word", &format!("203.0.113.{n}")), 200);
    }
    let guess = |n: usize| login(&fleet.replicas[n % 3], "guess", &format!("192.0.2.{n}"));
    assert_eq!((0..150).filter(|n| guess(*n) == 400).count(), 100);
    for replica in &fleet.replicas {
        assert_eq!(login(replica, "s3cret-word", "192.0.2.200"), 429);
        assert_eq!(login(replica, "s3cret-word", home), 200, "what one replica has seen, all know");
    }
    // Neither names nor addresses are to be read there.
    let keys = redis.keys("postern:*").join(" ");
    assert!(!keys.contains("198.51") && !keys.contains("lena"), "{keys}");
}
