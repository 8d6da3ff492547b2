//! What one replica has read, the others find; and nothing that is wrong with an entry makes anybody believe it.

use super::{Fleet, answers, status, url};
use crate::support::{Options, Postern, ROUTES, RedisServer, Who, World, eventually, get};

fn two(redis: &RedisServer) -> Fleet {
    Fleet::new(&[url(redis), url(redis)])
}

/// Bytes of a key, as one server gives them to another (`DUMP`), in letters that a shell command can carry.
fn keep(redis: &RedisServer, key: &str) -> Vec<String> {
    let script = "local s = redis.call('GET', KEYS[1]) return {tostring(#s), (s:gsub('.', function(c) return string.format('%02x', c:byte()) end))}";
    redis.cli(&["EVAL", script, "1", key]).lines().map(str::to_owned).collect()
}

fn put_back(redis: &RedisServer, key: &str, kept: &[String]) {
    let script =
        "return redis.call('SET', KEYS[1], (ARGV[1]:gsub('..', function(h) return string.char(tonumber(h, 16)) end)))";
    redis.cli(&["EVAL", script, "1", key, &kept[1]]);
}

fn change(replica: &Postern, sql: &str) {
    replica.sql(sql);
    // The replica that was asked has noticed.
    std::thread::sleep(std::time::Duration::from_millis(150));
}

#[test]
fn what_one_replica_has_read_another_finds() {
    let redis = RedisServer::start();
    let fleet = two(&redis);
    let [first, second] = &fleet.replicas[..] else { panic!() };
    let headers = |replica: &Postern| {
        fleet.upstream.forget();
        let mut raw = replica.raw();
        raw.send(get(Who::both, "/me/x"));
        assert_eq!(raw.answer().status, 200);
        let recorded = fleet.upstream.recorded().remove(0);
        ["x-postern-user", "x-postern-organizations"].map(|name| recorded.header(name).map(str::to_owned))
    };
    let told = headers(first);
    let key = redis.key("postern:t:*");
    assert_eq!(headers(second), told);
    assert_eq!(second.metric("postern_redis_hits_total"), 1.0);
    assert_eq!(first.metric("postern_redis_hits_total"), 0.0);
    // Whoever reads Redis learns nothing, and what is not used goes by itself.
    assert!(!keep(&redis, &key)[1].contains("626f7468"), "`both` in hexadecimal");
    let left: i64 = redis.cli(&["TTL", &key]).parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
}

#[test]
fn unknown_credentials_are_never_there() {
    let redis = RedisServer::start();
    let fleet = two(&redis);
    for _ in 0..3 {
        let mut raw = fleet.replicas[0].raw();
        raw.send("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer from-somewhere-else\r\n\r\n");
        assert_eq!(raw.answer().status, 401);
    }
    fleet.replicas[0]
        .sql("UPDATE tokens SET revoked_at = 1 WHERE user_id = (SELECT id FROM users WHERE username = 'uA')");
    eventually("refused", || (fleet.status(0, Who::uA, "/me/x") == 401).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(redis.keys("postern:t:*").len(), 0);
}

/// A Redis that was restored, or failed over to a copy that lagged, or a writer that slept: the old entry is back.
#[test]
fn an_entry_from_before_a_change_is_believed_by_nobody() {
    let redis = RedisServer::start();
    for (who, target, sql, refused) in [
        (Who::uA, "/me/x", "UPDATE users SET is_active = 0 WHERE username = 'uA'", 401),
        (Who::uA, "/me/x", "UPDATE tokens SET revoked_at = 1", 401),
        (Who::uA, "/me/x", "DELETE FROM tokens", 401),
        (Who::uA, "/api/v1/org/a/x", "UPDATE organizations SET is_active = 0", 403),
        (
            Who::uA,
            "/api/v1/org/a/x",
            "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
            403,
        ),
        (Who::su, "/admin/x", "UPDATE users SET is_superuser = 0", 403),
    ] {
        redis.cli(&["FLUSHALL"]);
        let mut fleet = two(&redis);
        assert_eq!(fleet.status(0, who, target), 200);
        let key = redis.key("postern:t:*");
        let old = keep(&redis, &key);
        change(&fleet.replicas[0], sql);
        put_back(&redis, &key, &old);
        assert_eq!(fleet.status(1, who, target), refused, "{sql}: a replica that followed the change");
        assert_eq!(fleet.replicas[1].metric("postern_redis_stale_total"), 1.0, "{sql}");
        put_back(&redis, &key, &old);
        let late = fleet.join(&url(&redis), &Options::policy(ROUTES));
        answers(late);
        assert_eq!(status(late, who, target), refused, "{sql}: a replica that started after the change");
        assert_eq!(late.metric("postern_redis_hits_total"), 0.0, "{sql}");
    }
}

/// A credential that is refused is looked up once for each change, however often it is sent, and its entry goes.
#[test]
fn a_refused_credential_reads_the_stale_entry_once() {
    let redis = RedisServer::start();
    let fleet = two(&redis);
    let of = |name: &str| format!("user_id = (SELECT id FROM users WHERE username = '{name}')");
    let changes = [
        (Who::uA, format!("UPDATE tokens SET revoked_at = 1 WHERE {}", of("uA"))),
        (Who::uB, format!("DELETE FROM tokens WHERE {}", of("uB"))),
        (Who::both, format!("UPDATE tokens SET expires_at = 1 WHERE {}", of("both"))),
    ];
    let counted = |name: &str| fleet.replicas.iter().map(|replica| replica.metric(name)).sum::<f64>();
    let looks = || counted("postern_redis_stale_total") + counted("postern_redis_misses_total");
    for (who, sql) in &changes {
        (0..2).for_each(|replica| assert_eq!(fleet.status(replica, *who, "/me/x"), 200));
        redis.key("postern:t:*");
        fleet.replicas[0].sql(sql);
        for replica in 0..2 {
            eventually("refused", || (fleet.status(replica, *who, "/me/x") == 401).then_some(()));
        }
        eventually("the entry is gone", || redis.keys("postern:t:*").is_empty().then_some(()));
        let before = looks();
        for _ in 0..20 {
            (0..2).for_each(|replica| assert_eq!(fleet.status(replica, *who, "/me/x"), 401));
        }
        assert_eq!(looks(), before, "{sql}: asked again for each request");
    }
    let stale = counted("postern_redis_stale_total");
    assert!((1.0..=6.0).contains(&stale), "{stale} for three changes at two replicas");
}

/// A replica that has just started uses what the others left, but only of those who have not changed.
#[test]
fn a_replica_that_has_just_started_finds_what_still_stands() {
    let redis = RedisServer::start();
    let mut fleet = two(&redis);
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    redis.key("postern:t:*");
    change(&fleet.replicas[0], "UPDATE users SET is_staff = 1 WHERE username = 'uB'");
    let late = fleet.join(&url(&redis), &Options::policy(ROUTES));
    answers(late);
    assert_eq!(status(late, Who::uA, "/me/x"), 200);
    assert_eq!(late.metric("postern_redis_hits_total"), 1.0);
}

/// Somebody who can write to Redis is nobody.
#[test]
fn nobody_becomes_a_superuser_by_writing_to_redis() {
    let redis = RedisServer::start();
    let fleet = two(&redis);
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    let own = redis.key("postern:t:*");
    redis.cli(&["RENAME", &own, "mine"]);
    assert_eq!(fleet.status(0, Who::su, "/admin/x"), 200);
    let theirs = redis.key("postern:t:*");
    // The superuser's entry under another's name.
    redis.cli(&["COPY", &theirs, &own]);
    assert_eq!(fleet.status(1, Who::uA, "/admin/x"), 403);
    assert_eq!(fleet.replicas[1].metric("postern_redis_refused_total"), 1.0);
    assert_eq!(super::degraded(&fleet.replicas[1]), 1.0);
    assert!(fleet.replicas[1].admin("/readyz").text().contains("degraded"));
    assert_eq!(fleet.replicas[1].admin("/readyz").status, 200);
    for (who, key) in [(Who::uA, &own), (Who::su, &theirs)] {
        assert!(World::get().token(who).is_some());
        assert_eq!(redis.cli(&["TYPE", key]), "string");
    }
}

/// Redis that is down, slow or poisoned: whatever lies under a key of ours is a miss, and is written over.
#[test]
fn what_is_not_ours_is_ignored_and_written_over() {
    let redis = RedisServer::start();
    let mut fleet = two(&redis);
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    let key = redis.key("postern:t:*");
    let good = keep(&redis, &key);
    let half = vec![String::new(), good[1][..good[1].len() / 4 * 2].to_owned()];
    let list: fn(&RedisServer, &str) = |redis, key| drop(redis.cli(&["LPUSH", key, "1"]));
    let hash: fn(&RedisServer, &str) = |redis, key| drop(redis.cli(&["HSET", key, "is_superuser", "1"]));
    let empty: fn(&RedisServer, &str) = |redis, key| drop(redis.cli(&["SET", key, ""]));
    let text: fn(&RedisServer, &str) = |redis, key| drop(redis.cli(&["SET", key, "{\"is_superuser\":true}"]));
    for lay in [list, hash, empty, text] {
        redis.cli(&["DEL", &key]);
        lay(&redis, &key);
        let fresh = fleet.join(&url(&redis), &Options::policy(ROUTES));
        answers(fresh);
        assert_eq!(status(fresh, Who::uA, "/me/x"), 200);
        assert_eq!(status(fresh, Who::uA, "/admin/x"), 403);
        assert_eq!(fresh.metric("postern_redis_refused_total"), 1.0);
        eventually("the key is written over", || {
            (redis.cli(&["TYPE", &key]) == "string" && keep(&redis, &key)[0] == good[0]).then_some(())
        });
    }
    put_back(&redis, &key, &half);
    let fresh = fleet.join(&url(&redis), &Options::policy(ROUTES));
    answers(fresh);
    assert_eq!(status(fresh, Who::uA, "/me/x"), 200);
    assert_eq!(fresh.metric("postern_redis_refused_total"), 1.0);
}

/// Two installations share one Redis, and even the same token and user.
#[test]
fn another_installation_s_entries_are_not_found() {
    let redis = RedisServer::start();
    let one = Fleet::new(&[url(&redis)]);
    let other = Fleet::new(&[url(&redis)]);
    assert_eq!(one.status(0, Who::uA, "/me/x"), 200);
    redis.key("postern:t:*");
    assert_eq!(other.status(0, Who::uA, "/me/x"), 200);
    assert_eq!(other.replicas[0].metric("postern_redis_hits_total"), 0.0);
    eventually("both have their own", || (redis.keys("postern:t:*").len() == 2).then_some(()));
}
