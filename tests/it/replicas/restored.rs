//! A dump takes the database's place while replicas run, and triggers are off for a while: nobody writes the outbox then, and no
//! old fact outlives it.

use super::Site;
use crate::support::postgres::{Server, command};
use crate::support::{Options, Postern, eventually};
use std::time::{Duration, Instant};

/// The triggers are looked at every second; a busy machine that runs the tests may be slow.
const BOUND: Duration = Duration::from_secs(4);

/// The database as `pg_dump` writes it, to be run in the place of what there is.
fn dump(server: &Server) -> String {
    let port = server.port().to_string();
    let flags = ["--clean", "--if-exists", "--no-owner", "-h", "127.0.0.1", "-U", "postgres", "-p", &port, "postern"];
    let done = command("pg_dump").args(flags).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Runs a dump, all of it or nothing.
fn restore(server: &Server, dump: &str) {
    let home = tempfile::TempDir::new().unwrap();
    let file = home.path().join("dump.sql");
    std::fs::write(&file, dump).unwrap();
    let mut psql = std::process::Command::new("psql");
    psql.args(["-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-d", &server.url("postern"), "-f"])
        .arg(&file);
    let done = psql.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn soon(site: &Site, who: &str, target: &str, status: u16, since: Instant) {
    for replica in 0..2 {
        site.answers(replica, who, target, status);
    }
    assert!(since.elapsed() < BOUND, "{who}, {target}: after {:?}", since.elapsed());
}

#[test]
fn a_dump_that_is_restored_under_running_replicas_is_what_counts() {
    let site = Site::new(2, &[("cache.max_staleness", "2s")]);
    let member = "INSERT INTO memberships (user_id, organization_id)
                  SELECT u.id, o.id FROM users u, organizations o WHERE u.username = 'uB' AND o.slug = 'a'";
    let before = dump(&site.server);
    site.sql(member);
    soon(&site, "uB", "/org/a/x", 200, postern::clock::monotonic());
    restore(&site.server, &before);
    soon(&site, "uB", "/org/a/x", 403, postern::clock::monotonic());
    // And from here on everything is told again.
    let start = postern::clock::monotonic();
    site.sql(member);
    soon(&site, "uB", "/org/a/x", 200, start);
}

#[test]
fn what_changes_while_triggers_are_off_counts_when_they_are_on_again() {
    let site = Site::new(2, &[("cache.max_staleness", "2s")]);
    soon(&site, "uA", "/org/a/x", 200, postern::clock::monotonic());
    for sql in [
        "ALTER TABLE memberships DISABLE TRIGGER USER",
        "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
        "ALTER TABLE memberships ENABLE TRIGGER USER",
    ] {
        site.sql(sql);
    }
    soon(&site, "uA", "/org/a/x", 403, postern::clock::monotonic());
}

/// Transactions of another server have other numbers: an outbox that came along in a dump must not be counted by them.
#[test]
fn a_dump_of_a_server_that_has_lived_longer_is_followed_from_its_first_change() {
    let (old, new) = (Site::new(0, &[]), Server::own());
    old.sql("DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$");
    old.sql("UPDATE changes_kept SET trimmed = pg_current_xact_id(), next = pg_current_xact_id()");
    old.sql("UPDATE users SET is_staff = true");
    restore(&new, &dump(&old.server));
    // The first replica finds it so and, as the owner, begins the outbox anew.
    let upstream = crate::support::Upstream::echo();
    let mut options =
        Options::policy("version: 1\nroutes: { /**: authenticated }\n").set("database", new.url("postern"));
    options.world = false;
    let gate = Postern::start(upstream.address(), &options);
    let ask = || {
        let mut raw = gate.raw();
        raw.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", old.tokens["uA"]));
        raw.answer().status
    };
    eventually("somebody is known", || (ask() == 200).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let hits = gate.metric("postern_cache_hits_total");
    (0..10).for_each(|_| assert_eq!(ask(), 200));
    assert_eq!(gate.metric("postern_cache_hits_total"), hits + 10.0, "they stay known");
    let start = postern::clock::monotonic();
    new.sql("postern", "UPDATE users SET is_active = false WHERE username = 'uA'");
    eventually("a change counts", || (ask() == 401).then_some(()));
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    assert_eq!(new.text("postern", "SELECT trimmed::text FROM changes_kept"), "0");
}
