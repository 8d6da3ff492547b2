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

/// The same, and what begins and ends transactions.
fn with_transactions(site: &Site) -> Vec<String> {
    let log = site.server.log();
    let asked = |line: &&str| {
        let text = line.split_once("execute ").or_else(|| line.split_once("LOG:  statement: "));
        text.is_some_and(|(_, rest)| !rest.ends_with(": ") && !rest.contains("trim_changes"))
    };
    log.lines().filter(asked).map(str::to_owned).collect()
}

#[test]
fn a_record_and_a_list_of_any_length_are_one_statement_each_and_no_transaction() {
    let site = Site::new(1, &[("identity", "{ api: all }")]);
    site.sql(
        "INSERT INTO users (id, username) SELECT gen_random_uuid(), 'many-' || n FROM generate_series(1, 300) n;
         INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'n', 'many-' || n FROM generate_series(1, 300) n;
         INSERT INTO memberships (user_id, organization_id)
         SELECT u.id, o.id FROM users u, organizations o WHERE u.username = 'uA' AND o.slug LIKE 'many-%'",
    );
    let id = |table: &str, column: &str, name: &str| {
        site.server.text("postern", &format!("SELECT id::text FROM {table} WHERE {column} = '{name}'"))
    };
    let (user, organization) = (id("users", "username", "uA"), id("organizations", "slug", "a"));
    let paths = [
        format!("user/{user}/"),
        format!("organization/{organization}/"),
        "user/?page_size=1".to_owned(),
        "user/?page_size=10".to_owned(),
        "user/?page_size=100".to_owned(),
        "user/?page_size=100&page=3".to_owned(),
        "user/?page_size=7&search=many&ordering=-username".to_owned(),
        "user/?email=ma@a.example".to_owned(),
        "organization/?page_size=1".to_owned(),
        "organization/?page_size=100".to_owned(),
        "group/".to_owned(),
    ];
    let ask = |who: &str, path: &str| {
        let before = with_transactions(&site).len();
        assert_eq!(site.status(0, who, &format!("/api/v1/users/{path}")), 200, "{path}");
        with_transactions(&site).split_off(before)
    };
    for path in &paths {
        // One connection after the other prepares it.
        for _ in 0..10 {
            ask("su", path);
        }
        let asked = ask("su", path);
        assert_eq!(asked.len(), 1, "{path}: {asked:#?}");
    }
    let learnt = || site.replicas[0].postern.metric("postern_revocation_lag_seconds_count");
    ask("uA", "me/");
    let before = learnt();
    site.sql("UPDATE users SET is_staff = true WHERE username = 'uA'");
    crate::support::eventually("the change is known", || (learnt() > before).then_some(()));
    assert_eq!(ask("uA", "me/").len(), 1, "a member of 301 organizations, read again");
    assert_eq!(ask("uA", "me/").len(), 0, "and known from then on");
}

#[test]
fn totals_are_exact_whoever_writes_and_whatever_is_taken_back() {
    let site = Site::new(0, &[]);
    let text = |sql: &str| site.server.text("postern", sql);
    let totals = || {
        text(
            "SELECT string_agg(name || ' ' || number, ', ') FROM (SELECT name, sum(number) AS number FROM totals GROUP BY 1 ORDER BY 1) t",
        )
    };
    let counted = || {
        text(
            "SELECT 'organizations ' || (SELECT count(*) FROM organizations) || ', users ' || (SELECT count(*) FROM users)",
        )
    };
    assert_eq!(totals(), counted());
    let make = |prefix: &str, many: u32| {
        format!(
            "INSERT INTO users (id, username) SELECT gen_random_uuid(), '{prefix}-' || n FROM generate_series(1, {many}) n"
        )
    };
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (server, make) = (&site.server, &make);
            scope.spawn(move || {
                let session = server.session("postern");
                for round in 0..20 {
                    session.run("BEGIN");
                    session.run(&make(&format!("w{writer}-{round}"), 3));
                    session.run(&format!("DELETE FROM users WHERE username = 'w{writer}-{round}-1'"));
                    session.run(if round % 3 == 0 { "ROLLBACK" } else { "COMMIT" });
                }
            });
        }
        for _ in 0..10 {
            let at_once =
                "SELECT ((SELECT sum(number) FROM totals WHERE name = 'users') = (SELECT count(*) FROM users))::text";
            assert_eq!(text(at_once), "true", "while they write, in one snapshot");
        }
    });
    assert_eq!(totals(), counted());
    site.sql(
        "INSERT INTO users (id, username) SELECT id, username FROM users WHERE username = 'uA' ON CONFLICT (id) DO UPDATE SET is_staff = true;
         INSERT INTO users (id, username) VALUES (gen_random_uuid(), 'uA') ON CONFLICT DO NOTHING;
         UPDATE changes_kept SET marked = '2000-01-01'; SELECT trim_changes()",
    );
    assert_eq!((totals(), text("SELECT count(*)::text FROM totals")), (counted(), "2".to_owned()), "put together");
    site.sql("SET session_replication_role = replica; INSERT INTO users (id, username) VALUES (gen_random_uuid(), 'past'); SELECT recount()");
    assert_eq!(totals(), counted(), "loaded without triggers, and counted anew");
    site.sql("TRUNCATE users CASCADE");
    assert_eq!((totals(), counted().ends_with("users 0")), (counted(), true));
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
