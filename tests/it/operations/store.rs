//! A store that cannot be asked: cached facts serve while the proof holds, and then nobody is judged by guess.

use crate::support::{Gate, Options, ROUTES, Who, World, eventually, get, request};
use std::sync::Barrier;

/// A store that is down: a cold credential is our own fault's 503, never a 401 or 403, and never a 200.
#[test]
fn who_cannot_be_looked_up_is_asked_to_come_back() {
    let gate = Gate::new();
    gate.forwarded(get(Who::uA, "/me/x"));
    gate.postern.sql("ALTER TABLE tokens RENAME TO gone");
    for target in ["/me/x", "/optional/x", "/api/v1/org/a/x", "/admin/x"] {
        let answer = gate.refused(get(Who::mA, target), 503, "store_unavailable");
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("tokens"), "the caller learns nothing of the store");
    }
    // What is known is known, what needs nobody needs no store, and a forgery is one without asking.
    gate.forwarded(get(Who::uA, "/me/x"));
    gate.forwarded(get(Who::nobody, "/public/x"));
    gate.refused(get(Who::nobody, "/me/x"), 401, "credentials_missing");
    let forged = [("Authorization", "Bearer pst_0000000000000000000000000000000000000000000")];
    gate.refused(request(Who::nobody, "GET", "/me/x", &forged, ""), 401, "credentials_invalid");
    // It comes back without a restart, and what failed is not remembered.
    gate.postern.sql("ALTER TABLE gone RENAME TO tokens");
    eventually("the store answers again", || (gate.get(Who::mA, "/me/x").status == 200).then_some(()));
}

/// A store that is down: past the published staleness, what is cached is a guess.
#[test]
fn cached_facts_serve_only_while_they_are_proven() {
    let gate = Gate::with(&Options::policy(ROUTES).set("cache.max_staleness", "1s"));
    gate.forwarded(get(Who::uA, "/me/x"));
    // The outbox seems to have moved on, and cannot be read.
    gate.postern.sql(
        "BEGIN; ALTER TABLE changes RENAME TO gone; ALTER TABLE tokens RENAME TO gone_too;
         INSERT INTO sqlite_sequence SELECT 'changes', seq + 5 FROM sqlite_sequence WHERE name = 'gone'; COMMIT",
    );
    let start = postern::clock::monotonic();
    gate.forwarded(get(Who::uA, "/me/x"));
    eventually("the proof runs out", || (gate.get(Who::uA, "/me/x").status == 503).then_some(()));
    assert!(start.elapsed().as_secs() < 4, "{:?}", start.elapsed());
    gate.upstream.forget();
    gate.refused(get(Who::uA, "/me/x"), 503, "store_unavailable");
    let ready = gate.postern.admin("/readyz");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(gate.postern.admin("/livez").status, 200, "a restart would not help");
    gate.forwarded(get(Who::nobody, "/public/x"));
    gate.postern.sql(
        "BEGIN; DELETE FROM sqlite_sequence WHERE name = 'changes'; ALTER TABLE gone RENAME TO changes;
         ALTER TABLE gone_too RENAME TO tokens; COMMIT",
    );
    eventually("it is ready again", || (gate.postern.admin("/readyz").status == 200).then_some(()));
    gate.forwarded(get(Who::uA, "/me/x"));
}

/// Who has a file open that is no longer in its place hears of no change there: nothing is known, so nothing is allowed.
#[test]
fn a_file_that_was_replaced_is_believed_no_longer() {
    let gate = Gate::with(&Options::policy(ROUTES).set("cache.max_staleness", "1s"));
    gate.forwarded(get(Who::uA, "/me/x"));
    let (file, copy) = (gate.postern.home().join("postern.db"), gate.postern.home().join("copy.db"));
    gate.postern.sql(&format!("VACUUM INTO '{}'", copy.display()));
    let db = rusqlite::Connection::open(&copy).unwrap();
    db.execute_batch("UPDATE users SET is_active = 0 WHERE username = 'uA'").unwrap();
    drop(db);
    std::fs::rename(&copy, &file).unwrap();
    for who in [Who::uA, Who::mA] {
        eventually("nobody is let in", || (gate.get(who, "/me/x").status == 503).then_some(()));
    }
    let (ready, live) = (gate.postern.admin("/readyz"), gate.postern.admin("/livez"));
    assert_eq!((ready.status, live.status), (503, 503), "an orchestrator restarts what only a restart helps");
    assert!(live.text().contains("only a restart helps") && ready.text().contains("only a restart helps"));
    let said = gate.postern.stderr().join("\n");
    assert!(said.contains("its file was replaced or removed: restart postern"), "{said}");
}

/// An outbox that was emptied behind our back may have held a change: nothing that was read before is believed.
#[test]
fn a_lost_outbox_voids_what_was_remembered() {
    let gate = Gate::new();
    gate.forwarded(get(Who::uA, "/me/x"));
    gate.postern.sql(
        "UPDATE users SET is_active = 0 WHERE username = 'uA'; INSERT INTO changes (kind, id) VALUES ('user', 'x');
         DELETE FROM changes",
    );
    let start = postern::clock::monotonic();
    while gate.get(Who::uA, "/me/x").status != 401 {
        assert!(start.elapsed().as_secs() < 2, "still allowed");
    }
}

/// A store that was put back to an older copy has an outbox that is shorter than what was read of it.
#[test]
fn a_store_that_went_back_is_believed_and_the_cache_is_not() {
    let gate = Gate::new();
    gate.forwarded(get(Who::uA, "/me/x"));
    gate.forwarded(get(Who::uB, "/me/x"));
    gate.postern.sql(
        "BEGIN; UPDATE users SET is_active = 0 WHERE username = 'uA'; DELETE FROM changes;
         UPDATE sqlite_sequence SET seq = 1 WHERE name = 'changes'; COMMIT",
    );
    let refused = |who| {
        let start = postern::clock::monotonic();
        while gate.get(who, "/me/x").status != 401 {
            assert!(start.elapsed().as_secs() < 2, "{who:?} is still allowed");
        }
    };
    refused(Who::uA);
    // What changes from then on counts as ever.
    assert_eq!(gate.get(Who::uB, "/me/x").status, 200);
    gate.postern.cli(&["user", "edit", "uB", "--active=false"]);
    refused(Who::uB);
    gate.postern.cli(&["user", "edit", "uB", "--active"]);
    eventually("uB is back", || (gate.get(Who::uB, "/me/x").status == 200).then_some(()));
}

/// A stampede: a crowd with one cold credential asks the store once, as far as can be seen from outside: all are answered.
#[test]
fn a_crowd_with_one_cold_credential_is_served() {
    let gate = Gate::new();
    let crowd = 100;
    let barrier = Barrier::new(crowd);
    std::thread::scope(|scope| {
        for _ in 0..crowd {
            scope.spawn(|| {
                let mut raw = gate.raw();
                barrier.wait();
                raw.send(get(Who::uA, "/me/x"));
                assert_eq!(raw.answer().status, 200);
            });
        }
    });
    assert_eq!(gate.postern.metric("postern_cache_credentials"), 1.0);
    assert_eq!(gate.postern.metric("postern_cache_loads"), 0.0);
    assert!(World::get().token(Who::uA).is_some());
}
