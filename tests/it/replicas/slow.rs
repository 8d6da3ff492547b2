//! Looks at the outbox are quick and questions are slow: whoever is asked about changes before the answer has come.

use super::Site;
use crate::support::eventually;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Who reads while a database is slow has no older facts than the bound allows, and nobody waits longer for a change because
/// others wait for an answer.
#[test]
fn slow_questions_hold_up_no_change() {
    let site = Site::new(1, &[]);
    let db = site.server.session("postern");
    let wire = &site.replicas[0].database;
    // The organization that a superuser asks for, read before it is renamed and answered after.
    wire.delay_questions(Duration::from_millis(700));
    let questions = || site.server.log().matches("external_id AS key, is_active AS third FROM organizations").count();
    let (ask, before) = (|| site.status(0, "su", "/org/b/x"), questions());
    assert_eq!(site.status(0, "su", "/admin/x"), 200);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        eventually("the first has asked", || (questions() > before).then_some(()));
        assert_eq!(questions(), before + 1, "one question for all who wait");
        std::thread::sleep(Duration::from_millis(100));
        db.run("UPDATE organizations SET slug = 'b2' WHERE slug = 'b'");
        for asked in asking {
            assert_eq!(asked.join().unwrap(), 403, "by what was read before the change");
        }
    });
    db.run("UPDATE organizations SET slug = 'b' WHERE slug = 'b2'");
    wire.delay(Duration::ZERO);
    // A crowd that waits for all of the pool's connections, and an organization whose members are to be found.
    let mut member = site.caller(0, "uB", "GET", "/org/b/x");
    eventually("the member is allowed", || (member.ask() == 200).then_some(()));
    wire.delay_questions(Duration::from_secs(2));
    std::thread::scope(|scope| {
        for n in 0..40 {
            let site = &site;
            scope.spawn(move || {
                let mut raw = site.replicas[0].postern.raw();
                raw.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer nobody-{n:04}\r\n\r\n"));
                raw.answer()
            });
        }
        eventually("they wait", || (site.replicas[0].postern.metric("postern_cache_loads") > 30.0).then_some(()));
        db.run("UPDATE organizations SET is_active = false WHERE slug = 'b'");
        let committed = postern::clock::monotonic();
        std::thread::sleep(Duration::from_millis(700));
        assert_ne!(member.ask(), 200, "still allowed {:?} after the change", committed.elapsed());
    });
}

/// Organizations that change faster than one is read: the answer is as current as the question, and there is one.
#[test]
fn organizations_that_change_all_the_time_keep_no_superuser_out() {
    let site = Site::new(1, &[]);
    let db = site.server.session("postern");
    site.replicas[0].database.delay_questions(Duration::from_millis(15));
    let (mut superuser, stop) = (site.caller(0, "su", "GET", "/org/a/x"), AtomicBool::new(false));
    let statuses: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                db.run("UPDATE organizations SET name = gen_random_uuid()::text WHERE slug = 'b'");
            }
        });
        let statuses = (0..40).map(|_| superuser.ask()).collect();
        stop.store(true, Ordering::SeqCst);
        statuses
    });
    // A machine that runs all tests at once may take a moment too long now and then.
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 36, "{statuses:?}");
}
