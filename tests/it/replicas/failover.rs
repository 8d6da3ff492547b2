//! Another server takes the database's place: a standby that is promoted, with what it has.

use super::Site;
use crate::support::{Wire, eventually};
use std::time::Duration;

#[test]
fn a_promoted_standby_is_found_and_nothing_from_before_is_believed() {
    let mut site = Site::new(0, &[("cache.max_staleness", "2s")]);
    let standby = site.server.standby();
    // All hosts, as an operator gives them; the one that takes writes is used.
    let (first, second) = (Wire::to(site.server.port()), Wire::to(standby.port()));
    let url = format!("postgres://postgres@{},{}/postern?sslmode=disable", first.address, second.address);
    site.join_by(&url, first);
    let unused = Wire::to(site.server.port());
    site.join_by(&url, unused);
    for replica in 0..2 {
        assert_eq!(site.status(replica, "uA", "/org/a/x"), 200);
        assert_eq!(site.status(replica, "uB", "/org/b/x"), 200);
    }
    let caught_up = || {
        let sent = site.server.text("postgres", "SELECT pg_current_wal_lsn()::text");
        eventually("the standby has caught up", || {
            let sql = format!("SELECT (pg_last_wal_replay_lsn() >= '{sent}'::pg_lsn)::text");
            (standby.text("postgres", &sql) == "true").then_some(())
        });
    };
    caught_up();
    // The standby is cut off and never hears of this: the commit is lost with the primary, as an asynchronous standby loses it.
    standby.sql("postgres", "SELECT pg_wal_replay_pause()");
    site.sql("UPDATE users SET is_active = false WHERE username = 'uB'");
    for replica in 0..2 {
        site.answers(replica, "uB", "/org/b/x", 401);
    }
    site.server.stop();
    standby.sql("postgres", "SELECT pg_wal_replay_resume()");
    standby.promote();
    for replica in 0..2 {
        site.answers(replica, "uA", "/org/a/x", 200);
    }
    // What the new primary says counts from here on, at once, whatever the old one's numbers were.
    standby.sql("postern", "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')");
    let start = postern::clock::monotonic();
    for replica in 0..2 {
        site.answers(replica, "uA", "/org/a/x", 403);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // Nor does an entry of the old life in Redis count.
    let known = standby.text("postern", "SELECT is_active::text FROM users WHERE username = 'uB'");
    let status = if known == "true" { 200 } else { 401 };
    for replica in 0..2 {
        assert_eq!(site.status(replica, "uB", "/org/b/x"), status, "as the database that there is says");
    }
}

/// The old primary lives on, and connections to it too: nobody told them. Whoever follows the new one asks only the new one.
#[test]
fn a_connection_to_the_server_that_was_replaced_answers_nobody() {
    let site = Site::new(1, &[]);
    let standby = site.server.standby();
    let wire = &site.replicas[0].database;
    for (who, target) in [("uA", "/org/a/x"), ("uB", "/org/b/x")] {
        assert_eq!(site.status(0, who, target), 200);
    }
    let sent = site.server.text("postgres", "SELECT pg_current_wal_lsn()::text");
    eventually("the standby has caught up", || {
        let sql = format!("SELECT (pg_last_wal_replay_lsn() >= '{sent}'::pg_lsn)::text");
        (standby.text("postgres", &sql) == "true").then_some(())
    });
    standby.promote();
    wire.turn(standby.port());
    wire.cut_listeners();
    standby.sql("postern", "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')");
    site.answers(0, "uA", "/org/a/x", 403);
    for _ in 0..20 {
        assert_eq!(site.status(0, "uA", "/org/a/x"), 403);
        assert_eq!(site.status(0, "uB", "/org/b/x"), 200);
        standby.sql("postern", "UPDATE users SET is_staff = NOT is_staff");
    }
}
