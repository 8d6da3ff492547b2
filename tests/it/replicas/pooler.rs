//! A replica behind PgBouncer in transaction mode, the old one that most distributions have: no session of its own, so no
//! notifications and no statements under names. It works, and learns of changes from the others, through Redis.

use super::Site;
use crate::support::pgbouncer::PgBouncer;
use crate::support::{Wire, eventually};
use std::time::Duration;

#[test]
fn a_replica_behind_a_pooler_learns_from_the_others() {
    let mut site = Site::new(1, &[]);
    let pooler = PgBouncer::before(&site.server);
    for _ in 0..2 {
        let unused = Wire::to(site.server.port());
        site.join_by(&pooler.url(), unused);
    }
    let heard = |replica: usize| site.replicas[replica].postern.metric("postern_relay_heard_total");
    let mut lags = Vec::new();
    for round in 0..20 {
        for replica in 0..3 {
            site.answers(replica, "uA", "/org/a/x", 200);
        }
        site.sql("DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')");
        let committed = postern::clock::monotonic();
        for replica in 0..3 {
            site.answers(replica, "uA", "/org/a/x", 403);
        }
        lags.push(committed.elapsed());
        site.sql(
            "INSERT INTO memberships (user_id, organization_id)
             SELECT u.id, o.id FROM users u, organizations o WHERE u.username = 'uA' AND o.slug = 'a'",
        );
        // Every kind of question, by connections that the three share.
        if round % 5 == 0 {
            for (who, target, status) in [("su", "/org/b/x", 200), ("both", "/may/a/x", 200), ("off", "/me/x", 401)] {
                site.sql("UPDATE users SET is_staff = NOT is_staff");
                (0..3).for_each(|replica| site.answers(replica, who, target, status));
            }
        }
    }
    lags.sort();
    println!(
        "lag through the pooler: median {:?}, greatest {:?}; heard {} and {}",
        lags[10],
        lags[19],
        heard(1),
        heard(2)
    );
    assert!(lags[19] < Duration::from_secs(1), "{lags:?}");
    assert!(heard(1) + heard(2) >= 10.0, "told by the one that listens: {} {}", heard(1), heard(2));
    for replica in &site.replicas {
        let said = replica.postern.stderr().join("\n");
        assert!(!said.contains("prepared statement") && !said.contains("could not be asked"), "{said}");
    }
}

/// The directory's own operations too: the commands through the pooler, several at once.
#[test]
fn commands_work_through_a_pooler() {
    let site = Site::new(0, &[]);
    let pooler = PgBouncer::before(&site.server);
    let url = pooler.url();
    let home = tempfile::TempDir::new().unwrap();
    let run = |args: &[&str], input: &str| {
        let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
        crate::support::command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    };
    std::thread::scope(|scope| {
        for number in 0..6 {
            let run = &run;
            scope.spawn(move || {
                let (user, org) = (format!("ann{number}"), format!("org{number}"));
                run(&["user", "create", &user, "--email", &format!("{user}@example.org")], "");
                run(&["org", "create", &org, "--slug", &org], "");
                run(&["member", "add", "--org", &org, "--user", &user, "--manager"], "");
                run(&["role", "create", "editor", "--org", &org, "--permission", "ops.reboot", "--users", &user], "");
                run(&["token", "create", "--user", &user, "--expires-in", "30d"], "");
                let members = run(&["member", "list", "--org", &org], "");
                assert_eq!(members.trim_end(), format!("{org}\t{user}\towner"));
                assert!(run(&["user", "permissions", &user], "").contains("ops.reboot"));
                run(&["user", "edit", &user, "--first-name", "Ann", "--active=false"], "");
            });
        }
    });
    let status = run(&["migrate", "--status"], "");
    assert!(!status.contains("pending"), "{status}");
    let examined = run(&["doctor"], "");
    assert!(examined.contains("a pooler stands between"), "{examined}");
    eventually("the pooler has given its sessions back", || {
        let busy = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = 'postern' AND state <> 'idle'";
        (site.server.text("postgres", busy) == "0").then_some(())
    });
}
