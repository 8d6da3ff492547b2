//! The failure contract, row by row: a database that is slow, half open, full, changed its password, came back; and a Redis
//! that changed its password. What callers see, and that all is well again without a restart.

use super::Site;
use crate::support::eventually;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn now() -> Instant {
    postern::clock::monotonic()
}

fn soon(site: &Site, replica: usize, who: &str, status: u16) {
    site.answers(replica, who, "/me/x", status);
}

/// Slow is not away: whoever is known waits for nothing, the others wait; slower than a caller can wait is 503, and no guess.
#[test]
fn a_slow_database_costs_only_those_who_are_not_known() {
    let site = Site::new(1, &[("cache.max_staleness", "3s")]);
    let wire = &site.replicas[0].database;
    assert_eq!(site.status(0, "uA", "/me/x"), 200);
    wire.delay(Duration::from_millis(300));
    let mut warm = site.caller(0, "uA", "GET", "/me/x");
    for _ in 0..50 {
        let start = now();
        assert_eq!(warm.ask(), 200, "each look is proof enough for the next");
        assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    let start = now();
    assert_eq!(site.status(0, "uB", "/me/x"), 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
    wire.delay(Duration::from_secs(20));
    let start = now();
    assert_eq!(site.status(0, "oA", "/me/x"), 503);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    eventually("the proof has run out", || (warm.ask() == 503).then_some(()));
    assert_eq!(site.replicas[0].postern.admin("/readyz").status, 503);
    wire.mend();
    for who in ["uA", "oA", "uB"] {
        soon(&site, 0, who, 200);
    }
    eventually("it is ready again", || (site.replicas[0].postern.admin("/readyz").status == 200).then_some(()));
}

/// What took longer to come than facts are good for is not used, even by who asked: it may have changed on the way.
#[test]
fn an_answer_that_is_older_than_the_greatest_staleness_is_none() {
    let site = Site::new(1, &[("cache.max_staleness", "1s")]);
    let wire = &site.replicas[0].database;
    assert_eq!(site.status(0, "uA", "/me/x"), 200);
    wire.delay(Duration::from_millis(1800));
    let start = now();
    assert_eq!(site.status(0, "uB", "/me/x"), 503);
    assert!(start.elapsed() > Duration::from_millis(1500), "it has come: {:?}", start.elapsed());
    wire.mend();
    soon(&site, 0, "uB", 200);
}

/// Bytes go and nothing comes: noticed by time alone.
#[test]
fn a_half_open_database_is_noticed_and_left() {
    let site = Site::new(1, &[("cache.max_staleness", "1s")]);
    assert_eq!(site.status(0, "uA", "/me/x"), 200);
    site.replicas[0].database.deaf(true);
    let start = now();
    eventually("nobody is judged by guess", || match site.status(0, "uA", "/me/x") {
        200 => None,
        status => {
            assert_eq!(status, 503);
            Some(())
        }
    });
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    site.sql("UPDATE users SET is_active = false WHERE username = 'uA'");
    site.replicas[0].database.mend();
    soon(&site, 0, "uA", 401);
    soon(&site, 0, "uB", 200);
}

/// The server has no more connections for the replica's role: those that it has serve everybody, and it takes more when it may.
#[test]
fn a_server_that_is_full_serves_by_the_connections_that_there_are() {
    let mut site = Site::new(0, &[]);
    site.sql(
        "CREATE ROLE few LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO few;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO few; ALTER ROLE few CONNECTION LIMIT 3",
    );
    let wire = crate::support::Wire::to(site.server.port());
    let url = format!("postgres://few@{}/postern?sslmode=disable", wire.address);
    site.join_by(&url, wire);
    let strangers = AtomicU64::new(0);
    let served = |count: usize| {
        std::thread::scope(|scope| {
            let ask = || {
                let number = strangers.fetch_add(1, Ordering::SeqCst);
                let who = ["mA", "uA", "oA", "uB", "both", "su"][number as usize % 6];
                assert_eq!(site.status(0, who, "/me/x"), 200, "{who}");
            };
            (0..count).for_each(|_| drop(scope.spawn(ask)));
        });
    };
    served(60);
    let used = "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'few'";
    assert!(site.server.text("postern", used).parse::<u32>().unwrap() <= 3);
    // The same for whoever comes when all who were known must be asked for again.
    site.sql("UPDATE users SET is_staff = NOT is_staff");
    served(60);
    // No connection at all, and then as many as it likes.
    site.sql("ALTER ROLE few CONNECTION LIMIT 0; UPDATE users SET is_staff = NOT is_staff");
    site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'");
    eventually("nobody is judged by guess", || (site.status(0, "uA", "/me/x") == 503).then_some(()));
    // Connections that were ended are told first.
    eventually("why is told", || {
        site.status(0, "uA", "/me/x");
        site.replicas[0].postern.stderr().join("\n").contains("too many connections for role").then_some(())
    });
    site.sql("ALTER ROLE few CONNECTION LIMIT -1");
    soon(&site, 0, "uA", 200);
    served(30);
}

/// Somebody has changed the passwords and not told: the replica says so, allows nothing by guess, and comes back with them.
#[test]
fn passwords_that_are_wrong_by_now_are_told_and_needed_again() {
    let mut site = Site::new(0, &[("cache.max_staleness", "500ms")]);
    site.sql(
        "CREATE ROLE guest LOGIN PASSWORD 'right'; GRANT ALL ON ALL TABLES IN SCHEMA public TO guest;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest",
    );
    let wire = crate::support::Wire::to(site.server.port());
    let url = format!("postgres://guest:right@{}/postern?sslmode=disable", wire.address);
    site.join_by(&url, wire);
    soon(&site, 0, "uA", 200);
    site.redis.cli(&["CONFIG", "SET", "requirepass", "another"]);
    site.replicas[0].redis.cut(false);
    let degraded = || site.replicas[0].postern.metric("postern_degraded{dependency=\"redis\"}");
    eventually("Redis lets nobody in", || (degraded() == 1.0).then_some(()));
    assert_eq!(site.status(0, "uB", "/me/x"), 200, "callers see nothing of it");
    site.sql("ALTER ROLE guest PASSWORD 'another'");
    site.replicas[0].database.cut(false);
    soon(&site, 0, "uA", 503);
    let said = site.replicas[0].postern.stderr().join("\n");
    assert!(said.contains("password authentication failed") && said.contains("Redis cannot be used"), "{said}");
    assert!(!said.contains("right"), "{said}");
    site.sql("ALTER ROLE guest PASSWORD 'right'");
    soon(&site, 0, "uA", 200);
    let open = std::process::Command::new("redis-cli")
        .args([
            "-p",
            &site.redis.port.to_string(),
            "-a",
            "another",
            "--no-auth-warning",
            "CONFIG",
            "SET",
            "requirepass",
            "",
        ])
        .output();
    assert!(open.unwrap().status.success());
    eventually("Redis is there again", || (degraded() == 0.0).then_some(()));
}

/// A crowd that does not stop asking while the database is away, at three replicas: it is left alone while it is down, and when
/// it is back each replica asks it once for each credential.
#[test]
fn nobody_runs_the_database_down_when_it_comes_back() {
    let site = Site::new(3, &[("cache.max_staleness", "500ms")]);
    let people = ["mA", "uA", "oA", "uB", "both", "gone", "su"];
    for replica in 0..3 {
        people.iter().for_each(|who| assert_eq!(site.status(replica, who, "/me/x"), 200));
    }
    site.server.stop();
    let asked = || site.replicas.iter().map(|replica| replica.database.asked()).sum::<u64>();
    let (before, questions) = (asked(), site.server.questions());
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for number in 0..9 {
            let (site, stop, answers) = (&site, &stop, &answers);
            let crowd = move || {
                let mut callers: Vec<_> =
                    people.iter().map(|who| site.caller(number % 3, who, "GET", "/me/x")).collect();
                while !stop.load(Ordering::SeqCst) {
                    for caller in &mut callers {
                        let status = caller.ask();
                        assert!(matches!(status, 200 | 503), "{status}");
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            };
            scope.spawn(crowd);
        }
        std::thread::sleep(Duration::from_secs(2));
        let (tried, answered) = (asked() - before, answers.load(Ordering::SeqCst));
        site.server.start();
        for replica in 0..3 {
            soon(&site, replica, "uA", 200);
        }
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::SeqCst);
        println!("{answered} answers while it was away, {tried} attempts to connect");
        assert!(answered > 500, "the crowd was served a 503 at once, again and again: {answered}");
        // Eight connections and the feed's, ten times a second each at most, of three replicas.
        assert!(tried <= 3 * 9 * 10 * 2, "{tried} attempts to connect for {answered} answers");
    });
    let questions = site.server.questions() - questions;
    println!("{questions} questions about {} credentials at 3 replicas", people.len());
    // Nothing is remembered before the replica has its proof again, a moment after its first connection.
    assert!(questions <= 3 * people.len() * 5, "{questions}");
    let connections = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'postern'";
    assert!(site.server.text("postern", connections).parse::<u32>().unwrap() <= 3 * 9);
}

/// A Secret that is mounted as a file and rotated: the next connection has the new password, and while the file is away the last one.
#[test]
fn a_new_password_of_the_database_is_used_without_a_restart() {
    let mut site = Site::new(0, &[("cache.max_staleness", "500ms")]);
    site.sql(
        "CREATE ROLE guest LOGIN PASSWORD 'first'; GRANT ALL ON ALL TABLES IN SCHEMA public TO guest;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest",
    );
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let wire = crate::support::Wire::to(site.server.port());
    let url = format!("postgres://guest@{}/postern?sslmode=disable", wire.address);
    site.join_by(&format!("{{ url: \"{url}\", password: {{ file: {} }} }}", file.display()), wire);
    soon(&site, 0, "uA", 200);
    for password in ["second", "third"] {
        site.sql(&format!("ALTER ROLE guest PASSWORD '{password}'"));
        std::fs::write(&file, password).unwrap();
        site.replicas[0].database.cut(false);
        // By connections that ask, and by the one that follows the changes.
        for (active, status) in [(false, 401), (true, 200)] {
            site.sql(&format!("UPDATE users SET is_active = {active} WHERE username = 'uA'"));
            soon(&site, 0, "uA", status);
        }
    }
    std::fs::remove_file(&file).unwrap();
    site.replicas[0].database.cut(false);
    site.sql("UPDATE users SET is_active = false WHERE username = 'uA'");
    soon(&site, 0, "uA", 401);
    let said = site.replicas[0].postern.stderr().join("\n");
    assert!(said.contains("the password that was read last") && !said.contains("third"), "{said}");
}
