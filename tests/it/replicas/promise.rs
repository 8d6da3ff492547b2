//! The promise, live: whatever becomes of the wires, and whoever makes a change, nobody is allowed by an old fact later than
//! the bound; and with everything up the bound is 250 ms, for 99 of 100 changes.

use super::{Caller, Site};
use crate::support::postgres::Session;
use crate::support::{Wire, eventually};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Something that raw SQL takes away and gives back.
struct Change {
    who: &'static str,
    method: &'static str,
    target: &'static str,
    refused: u16,
    take: &'static str,
    give: &'static str,
}

const fn change(
    [who, method, target]: [&'static str; 3],
    refused: u16,
    take: &'static str,
    give: &'static str,
) -> Change {
    Change { who, method, target, refused, take, give }
}

/// Every kind of fact that a decision rests on, each of somebody else.
const CHANGES: [Change; 16] = [
    change(
        ["uA", "GET", "/org/a/x"],
        403,
        "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
        "INSERT INTO memberships (user_id, organization_id)
         SELECT u.id, o.id FROM users u, organizations o WHERE u.username = 'uA' AND o.slug = 'a'",
    ),
    change(
        ["mA", "POST", "/org/a/x"],
        403,
        "UPDATE memberships SET is_admin = false WHERE user_id = (SELECT id FROM users WHERE username = 'mA')",
        "UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE username = 'mA')",
    ),
    change(
        ["oA", "GET", "/owner/a"],
        403,
        "UPDATE owners SET user_id = (SELECT id FROM users WHERE username = 'mA')
         WHERE organization_id = (SELECT id FROM organizations WHERE slug = 'a')",
        "UPDATE owners SET user_id = (SELECT id FROM users WHERE username = 'oA')
         WHERE organization_id = (SELECT id FROM organizations WHERE slug = 'a')",
    ),
    change(
        ["uB", "GET", "/me/x"],
        401,
        "UPDATE users SET is_active = false WHERE username = 'uB'",
        "UPDATE users SET is_active = true WHERE username = 'uB'",
    ),
    change(
        ["su", "GET", "/admin/x"],
        403,
        "UPDATE users SET is_superuser = false WHERE username = 'su'",
        "UPDATE users SET is_superuser = true WHERE username = 'su'",
    ),
    change(
        ["both", "GET", "/me/x"],
        401,
        "UPDATE tokens SET revoked_at = 1 WHERE user_id = (SELECT id FROM users WHERE username = 'both')",
        "UPDATE tokens SET revoked_at = NULL WHERE user_id = (SELECT id FROM users WHERE username = 'both')",
    ),
    change(
        ["uA", "GET", "/me/x"],
        401,
        "UPDATE tokens SET expires_at = 1 WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
        "UPDATE tokens SET expires_at = NULL WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
    ),
    change(
        ["uB", "GET", "/org/b/x"],
        403,
        "UPDATE organizations SET is_active = false WHERE slug = 'b'",
        "UPDATE organizations SET is_active = true WHERE slug = 'b'",
    ),
    change(
        ["both", "GET", "/org/b/x"],
        403,
        "UPDATE organizations SET slug = 'b2' WHERE slug = 'b'",
        "UPDATE organizations SET slug = 'b' WHERE slug = 'b2'",
    ),
    change(
        ["both", "GET", "/may/a/role"],
        403,
        "DELETE FROM role_users",
        "INSERT INTO role_users (role_id, user_id, organization_id)
         SELECT r.id, u.id, r.organization_id FROM roles r, users u WHERE u.username = 'both'",
    ),
    change(
        ["both", "GET", "/may/a/permission-of-a-role"],
        403,
        "DELETE FROM role_permissions",
        "INSERT INTO role_permissions SELECT r.id, p.id FROM roles r, permissions p WHERE p.codename = 'ops.reboot'",
    ),
    change(
        ["uB", "GET", "/may/b/group"],
        403,
        "DELETE FROM group_users",
        "INSERT INTO group_users (group_id, user_id)
         SELECT g.id, u.id FROM groups g, users u WHERE g.name = 'operators' AND u.username = 'uB'",
    ),
    change(
        ["uB", "GET", "/may/b/permission-of-a-group"],
        403,
        "DELETE FROM group_permissions WHERE group_id = (SELECT id FROM groups WHERE name = 'operators')",
        "INSERT INTO group_permissions SELECT g.id, p.id FROM groups g, permissions p
         WHERE g.name = 'operators' AND p.codename = 'ops.reboot'",
    ),
    change(
        ["mA", "GET", "/may/a/super-role"],
        403,
        "DELETE FROM super_role_users",
        "INSERT INTO super_role_users (super_role_id, user_id)
         SELECT r.id, u.id FROM super_roles r, users u WHERE u.username = 'mA'",
    ),
    change(
        ["oA", "GET", "/may/a/direct"],
        403,
        "DELETE FROM user_permissions",
        "INSERT INTO user_permissions (user_id, permission_id)
         SELECT u.id, p.id FROM users u, permissions p WHERE u.username = 'oA' AND p.codename = 'ops.reboot'",
    ),
    change(
        ["uB", "GET", "/me/y"],
        401,
        "UPDATE tokens SET digest = sha256(digest) WHERE user_id = (SELECT id FROM users WHERE username = 'uB')",
        "SELECT 1",
    ),
];

/// Numbers that look random and are the same each time.
struct Order(u32);

impl Order {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.next() as usize % all.len()]
    }
}

fn now() -> Instant {
    postern::clock::monotonic()
}

fn callers(site: &Site, change: &Change) -> Vec<Caller> {
    (0..site.replicas.len()).map(|replica| site.caller(replica, change.who, change.method, change.target)).collect()
}

/// Makes a change; of each replica, when a request was sent that it refused for the first time.
fn lags(db: &Session, change: &Change, callers: &mut [Caller]) -> Vec<Duration> {
    let mut refused = vec![None; callers.len()];
    db.run(change.take);
    let committed = now();
    while refused.contains(&None) {
        for (caller, refused) in callers.iter_mut().zip(&mut refused).filter(|(_, refused)| refused.is_none()) {
            let sent = committed.elapsed();
            match caller.ask() {
                200 => assert!(sent < Duration::from_secs(5), "still allowed: {}", change.take),
                status => {
                    assert_eq!(status, change.refused, "{}", change.take);
                    *refused = Some(sent);
                }
            }
        }
    }
    refused.into_iter().flatten().collect()
}

#[test]
fn with_everything_up_a_change_counts_within_the_published_bound() {
    const ROUNDS: usize = 80;
    let site = Site::new(3, &[]);
    let db = site.server.session("postern");
    // What cannot be taken back is for the other test.
    let changes = &CHANGES[..CHANGES.len() - 1];
    let (mut order, mut all) = (Order(0x9e37_79b9), Vec::new());
    for _ in 0..ROUNDS {
        let change = order.one_of(changes);
        let mut callers = callers(&site, change);
        for caller in &mut callers {
            eventually(change.give, || (caller.ask() == 200).then_some(()));
        }
        all.extend(lags(&db, change, &mut callers));
        db.run(change.give);
    }
    all.sort();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100];
    println!("lag of {} revocations: median {:?}, p99 {:?}, greatest {:?}", all.len(), at(50), at(99), at(100));
    assert!(at(99) < Duration::from_millis(250), "{all:?}");
    let [told, heard] = ["postern_revocation_lag_seconds_count", "postern_relay_heard_total"]
        .map(|name| site.replicas.iter().map(|replica| replica.postern.metric(name)).sum::<f64>());
    assert!(told >= ROUNDS as f64, "each change was learnt from the outbox by somebody: {told}");
    println!("learnt from the outbox {told} times, from another replica first {heard} times");
}

/// Wires do something else every few milliseconds.
fn trouble(wires: &[&Wire], order: &mut Order, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let wire = order.one_of(wires);
        match order.next() % 5 {
            0 => wire.delay(Duration::from_millis(u64::from(order.next()) % 200)),
            1 => wire.deaf(true),
            2 => wire.cut(false),
            3 => wire.cut(true),
            _ => wire.mend(),
        }
        std::thread::sleep(Duration::from_millis(20 + u64::from(order.next()) % 60));
    }
}

#[test]
fn whatever_becomes_of_the_wires_nobody_is_allowed_by_an_old_fact_after_the_bound() {
    const BOUND: Duration = Duration::from_secs(1);
    const ROUNDS: usize = 5;
    let site = Site::new(3, &[("cache.max_staleness", "1s")]);
    let db = site.server.session("postern");
    let wires: Vec<&Wire> = site.replicas.iter().flat_map(|replica| [&replica.database, &replica.redis]).collect();
    let mut order = Order(0x2545_f491);
    for round in 0..ROUNDS {
        let change = if round + 1 == ROUNDS { &CHANGES[CHANGES.len() - 1] } else { order.one_of(&CHANGES[..15]) };
        for mut caller in callers(&site, change) {
            eventually("everybody is allowed", || (caller.ask() == 200).then_some(()));
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (wires, stop) = (&wires, &stop);
            let mut others = Order(order.next());
            scope.spawn(move || trouble(wires, &mut others, stop));
            std::thread::sleep(Duration::from_millis(u64::from(order.next()) % 300));
            db.run(change.take);
            let committed = now();
            let site = &site;
            let watch = move |replica: usize| {
                let (mut refused, mut caller) = (None, site.caller(replica, change.who, change.method, change.target));
                while committed.elapsed() < BOUND + Duration::from_millis(700) {
                    let sent = committed.elapsed();
                    match (caller.ask(), refused) {
                        // Nothing is known, so nothing is allowed.
                        (503, _) => {}
                        (200, None) => {
                            assert!(sent < BOUND, "replica {replica} allows after {sent:?}: {}", change.take)
                        }
                        (200, Some(at)) => panic!("replica {replica} refused after {at:?}, and allows after {sent:?}"),
                        (status, _) => {
                            assert_eq!(status, change.refused, "replica {replica}: {}", change.take);
                            refused = refused.or(Some(sent));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            };
            let watching: Vec<_> = (0..3).map(|replica| scope.spawn(move || watch(replica))).collect();
            let ended: Vec<_> = watching.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            stop.store(true, Ordering::SeqCst);
            assert!(ended.iter().all(Result::is_ok), "round {round}");
        });
        wires.iter().for_each(|wire| wire.mend());
        // All of them are back by themselves, and know.
        for replica in 0..3 {
            let mut caller = site.caller(replica, change.who, change.method, change.target);
            eventually("it is refused", || (caller.ask() == change.refused).then_some(()));
        }
        db.run(change.give);
    }
}

/// Cut off from everything, a replica allows as long as its proof holds and then nobody; the others are not held up.
#[test]
fn a_replica_that_is_cut_off_knows_nothing_after_the_greatest_staleness() {
    const BOUND: Duration = Duration::from_millis(1500);
    let site = Site::new(2, &[("cache.max_staleness", "1500ms")]);
    let db = site.server.session("postern");
    let [cut, other] = &site.replicas[..] else { panic!() };
    let mut callers = callers(&site, &CHANGES[0]);
    callers.iter_mut().for_each(|caller| assert_eq!(caller.ask(), 200));
    cut.database.deaf(true);
    cut.redis.deaf(true);
    db.run(CHANGES[0].take);
    let committed = now();
    let mut last = Duration::ZERO;
    loop {
        let sent = committed.elapsed();
        match callers[0].ask() {
            200 => last = sent,
            503 => break,
            other => panic!("{other}: it cannot know"),
        }
    }
    assert!(last < BOUND, "{last:?}");
    assert!(last > BOUND / 3, "facts serve while they are proven: {last:?}");
    assert_eq!(callers[1].ask(), 403);
    assert!(other.postern.metric("postern_cache_proof_age_seconds") < 1.5);
    for wire in [&cut.database, &cut.redis] {
        wire.mend();
    }
    eventually("it knows", || (callers[0].ask() == 403).then_some(()));
}

/// A replica that has lost the database hears of a change from the others, and does not wait for its proof to run out.
#[test]
fn a_replica_without_the_database_hears_of_changes_through_redis() {
    let site = Site::new(2, &[("cache.max_staleness", "10s")]);
    let db = site.server.session("postern");
    let mut callers = callers(&site, &CHANGES[0]);
    callers.iter_mut().for_each(|caller| assert_eq!(caller.ask(), 200));
    site.replicas[0].database.deaf(true);
    db.run(CHANGES[0].take);
    let committed = now();
    eventually("it believes the old fact no more", || (callers[0].ask() == 503).then_some(()));
    // The first question that nobody answers takes three seconds; it was told long before.
    assert!(committed.elapsed() < Duration::from_secs(7), "{:?}", committed.elapsed());
    assert_eq!(site.replicas[0].postern.metric("postern_relay_heard_total"), 1.0);
    site.replicas[0].database.mend();
    eventually("it knows", || (callers[0].ask() == 403).then_some(()));
}
