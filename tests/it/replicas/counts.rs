//! How much is asked: of the database one statement a cold credential, by index, and one for all who wait; of Redis one
//! question; and a flood of cold credentials goes through the pool while those who are known do not notice.

use super::Site;
use crate::support::{Raw, get_with};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A stampede on one cold credential.
#[test]
fn a_crowd_with_one_cold_credential_asks_once() {
    let site = Site::new(1, &[]);
    for (round, who) in ["uA", "uB", "both"].into_iter().enumerate() {
        let (crowd, before) = (60, site.server.questions());
        let barrier = Barrier::new(crowd);
        std::thread::scope(|scope| {
            for _ in 0..crowd {
                scope.spawn(|| {
                    let mut caller = site.caller(0, who, "GET", "/me/x");
                    barrier.wait();
                    assert_eq!(caller.ask(), 200);
                });
            }
        });
        assert_eq!(site.server.questions() - before, 1, "round {round}");
    }
}

/// Statements that the replica's own connections ran, but for looks at the outbox, whose text begins on a line of its own.
fn statements(site: &Site) -> Vec<String> {
    let log = site.server.log();
    let asked = |line: &&str| line.split_once("execute ").is_some_and(|(_, rest)| !rest.ends_with(": "));
    log.lines().filter(asked).map(str::to_owned).collect()
}

#[test]
fn a_cold_request_is_two_statements_at_most_however_many_organizations() {
    let site = Site::new(1, &[]);
    site.sql(
        "INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'n', 'many-' || n FROM generate_series(1, 500) n;
         INSERT INTO memberships (user_id, organization_id)
         SELECT u.id, o.id FROM users u, organizations o WHERE u.username = 'uA' AND o.slug LIKE 'many-%'",
    );
    // Statements that are kept are prepared once.
    for (who, target) in [("mA", "/org/a/x"), ("su", "/org/a/x"), ("su", "/org/b/x")] {
        assert_eq!(site.status(0, who, target), 200);
    }
    std::thread::sleep(Duration::from_millis(300));
    let after = |who: &str, target: &str, status: u16| {
        let before = statements(&site).len();
        assert_eq!(site.status(0, who, target), status, "{who} {target}");
        let asked = statements(&site).split_off(before);
        println!("{who} {target}: {asked:#?}");
        asked.len()
    };
    assert_eq!(after("uA", "/org/many-77/x", 200), 1, "a member of 501 organizations");
    assert_eq!(after("uA", "/org/many-78/x", 200), 0, "and known from now on, for all of them");
    assert_eq!(after("uB", "/org/a/x", 403), 1, "a refusal is no dearer");
    assert_eq!(after("both", "/may/a/x", 200), 1, "nor is a permission");
    assert_eq!(after("off", "/me/x", 401), 1);
    assert_eq!(after("su", "/org/many-1/x", 200), 1, "an organization that a superuser names, who is known already");
    let learnt = || site.replicas[0].postern.metric("postern_revocation_lag_seconds_count");
    let before = learnt();
    site.sql("UPDATE users SET is_staff = true WHERE username = 'su'");
    crate::support::eventually("the change is known", || (learnt() > before).then_some(()));
    assert_eq!(after("su", "/org/many-2/x", 200), 2, "the superuser, and the organization");
}

/// In a database of some size, every fact is found by an index.
#[test]
fn no_question_reads_a_table_from_end_to_end() {
    let site = Site::new(0, &[]);
    site.sql(
        "SET session_replication_role = replica;
         INSERT INTO users (id, username) SELECT gen_random_uuid(), 'crowd-' || n FROM generate_series(1, 20000) n;
         INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'n', 'many-' || n FROM generate_series(1, 5000) n;
         INSERT INTO memberships (user_id, organization_id) SELECT u.id, o.id
           FROM (SELECT id, row_number() OVER () AS n FROM users) u
           JOIN (SELECT id, row_number() OVER () AS n FROM organizations) o ON o.n = 1 + u.n % 5000
           ON CONFLICT DO NOTHING;
         INSERT INTO tokens (id, digest, user_id) SELECT gen_random_uuid(), sha256(convert_to(id::text, 'UTF8')), id FROM users;
         INSERT INTO roles (id, organization_id, name) SELECT gen_random_uuid(), id, 'many' FROM organizations;
         INSERT INTO role_permissions SELECT r.id, p.id FROM roles r, permissions p WHERE p.codename = 'ops.reboot'
           ON CONFLICT DO NOTHING;
         INSERT INTO role_users (role_id, user_id, organization_id)
           SELECT r.id, m.user_id, m.organization_id FROM roles r JOIN memberships m USING (organization_id)
           ON CONFLICT DO NOTHING;
         ANALYZE",
    );
    let mut site = site;
    site.join();
    let scans = || {
        let sql = "SELECT coalesce(sum(seq_scan), 0)::text FROM pg_stat_user_tables
                   WHERE relname IN ('users', 'tokens', 'memberships', 'organizations', 'roles', 'role_users', 'role_permissions')";
        site.server.text("postern", sql)
    };
    // What is counted is told a second later.
    std::thread::sleep(Duration::from_millis(1500));
    let before = scans();
    for who in ["mA", "uA", "oA", "uB", "both", "su"] {
        assert!([200, 403].contains(&site.status(0, who, "/org/a/x")));
    }
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(scans(), before, "tables that were read from end to end");
}

/// How often Redis was asked for something, but for whether it is there, and for what replicas tell each other.
fn commands(site: &Site) -> u64 {
    let stats = site.redis.cli(&["INFO", "commandstats"]);
    let calls = |line: &str| -> u64 {
        line.split("calls=").nth(1).and_then(|rest| rest.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
    };
    let ours =
        |line: &&str| ["cmdstat_get:", "cmdstat_mget:", "cmdstat_set:"].iter().any(|name| line.starts_with(name));
    stats.lines().filter(ours).map(calls).sum()
}

#[test]
fn a_hit_in_redis_is_one_round_trip_and_no_statement() {
    let site = Site::new(2, &[]);
    let people = ["mA", "uA", "oA", "uB", "both", "su"];
    people.iter().for_each(|who| assert_eq!(site.status(0, who, "/me/x"), 200));
    crate::support::eventually("all are there", || {
        (site.redis.keys("postern:t:*").len() == people.len()).then_some(())
    });
    let (questions, asked) = (site.server.questions(), commands(&site));
    people.iter().for_each(|who| assert_eq!(site.status(1, who, "/me/x"), 200));
    assert_eq!(site.replicas[1].postern.metric("postern_redis_hits_total"), 6.0);
    assert_eq!(site.server.questions(), questions);
    assert_eq!(commands(&site) - asked, people.len() as u64);
}

/// Thousands of cold credentials at once, of real users: each is one question, by eight connections; whoever is known is
/// answered all the while.
#[test]
fn a_flood_of_cold_credentials_goes_through_the_pool() {
    const COUNT: usize = 3_000;
    let mut site = Site::new(0, &[]);
    site.sql(&format!(
        "SET session_replication_role = replica;
         INSERT INTO users (id, username) SELECT gen_random_uuid(), 'crowd-' || n FROM generate_series(1, {COUNT}) n;
         INSERT INTO tokens (id, digest, user_id)
         SELECT gen_random_uuid(), sha256(convert_to('imported-token-of-' || username, 'UTF8')), id
         FROM users WHERE username LIKE 'crowd-%'; ANALYZE"
    ));
    site.join();
    let replica = &site.replicas[0];
    assert_eq!(site.status(0, "uA", "/me/x"), 200);
    let (before, stop) = (site.server.questions(), AtomicBool::new(false));
    let slowest = std::thread::scope(|scope| {
        let (site, stop) = (&site, &stop);
        let warm = scope.spawn(move || {
            let (mut caller, mut times) = (site.caller(0, "uA", "GET", "/me/x"), Vec::new());
            while !stop.load(Ordering::SeqCst) {
                let start = postern::clock::monotonic();
                assert_eq!(caller.ask(), 200);
                times.push(start.elapsed());
            }
            times.sort();
            times
        });
        let crowds: Vec<_> = (0..40)
            .map(|crowd| {
                scope.spawn(move || {
                    let mut raw: Raw = replica.postern.raw();
                    for number in (1..=COUNT).filter(|number| number % 40 == crowd) {
                        raw.send(get_with(&format!("imported-token-of-crowd-{number}"), "/me/x"));
                        assert_eq!(raw.answer().status, 200, "{number}");
                    }
                })
            })
            .collect();
        let ended: Vec<_> = crowds.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok));
        let times = warm.join().unwrap();
        println!(
            "{} warm answers meanwhile: median {:?}, p99 {:?}",
            times.len(),
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
        times[times.len() * 99 / 100]
    });
    assert_eq!(site.server.questions() - before, COUNT);
    let connections = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'postern'";
    assert!(site.server.text("postern", connections).parse::<u32>().unwrap() <= 9, "eight, and the one that follows");
    assert!(slowest < Duration::from_secs(1), "those who are known do not wait for those who are not: {slowest:?}");
}
