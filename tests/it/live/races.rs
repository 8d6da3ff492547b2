//! Two who change one record at the same time: a view is asked before the second has waited for the first, and what it said must still be true.

use super::{Live, postern, text};
use crate::support::eventually;
use std::thread;

const MANAGER: &str = "(SELECT id FROM public.openwisp_users_user WHERE username = 'alpha_manager')";

impl Live {
    /// What the second gives, which begins while the first's transaction is open, and goes on when that commits.
    fn behind<T: Send>(&self, first: &str, second: impl FnOnce() -> T + Send) -> T {
        let session = self.database.server.session(&self.database.name);
        session.run(&format!("BEGIN; {first}"));
        thread::scope(|scope| {
            let second = scope.spawn(second);
            let waiting = format!(
                "SELECT count(*)::text FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'",
                self.database.name
            );
            eventually("the second waits", || (self.text(&waiting) != "0").then_some(()));
            session.run("COMMIT");
            second.join().unwrap()
        })
    }

    /// How many rows a statement changes behind another.
    fn changed_behind(&self, first: &str, second: &str) -> u64 {
        self.behind(first, || self.database.server.execute(&self.database.name, second)).unwrap()
    }

    fn own_token(&self) -> String {
        self.cli(&["token", "create", "--user", "alpha_manager"]);
        self.text("SELECT id::text FROM postern.own_tokens")
    }
}

#[test]
fn a_login_moves_once_of_many_at_a_time() {
    let live = Live::new();
    // As `move_last_login` writes it.
    let moved = |to: u32| {
        format!(
            "UPDATE postern.users SET last_login = {to} WHERE id = {MANAGER} AND last_login IS NOT DISTINCT FROM NULL AND is_active"
        )
    };
    live.sql(&format!("UPDATE public.openwisp_users_user SET last_login = NULL WHERE id = {MANAGER}"));
    assert_eq!(live.changed_behind(&moved(1_000), &moved(2_000)), 0);
    let now = "SELECT last_login::text FROM postern.users WHERE username = 'alpha_manager'";
    assert_eq!(live.text(now), "1000");
    // Ten links at once, as ten replicas would use them.
    live.sql(&format!("UPDATE public.openwisp_users_user SET last_login = NULL WHERE id = {MANAGER}"));
    let one = |to: u32| live.database.server.execute(&live.database.name, &moved(to)).unwrap();
    let done: u64 = thread::scope(|scope| {
        let tries: Vec<_> = (1..=10).map(|to| scope.spawn(move || one(to))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(done, 1);
    // Nor where they were deactivated meanwhile.
    live.sql(&format!("UPDATE public.openwisp_users_user SET last_login = NULL WHERE id = {MANAGER}"));
    let off = format!("UPDATE public.openwisp_users_user SET is_active = false WHERE id = {MANAGER}");
    assert_eq!(live.changed_behind(&off, &moved(3_000)), 0);
}

#[test]
fn a_rotation_does_not_undo_a_revocation() {
    let live = Live::new();
    let id = live.own_token();
    let revoke = format!("UPDATE postern.tokens SET revoked_at = 7 WHERE id = '{id}' AND revoked_at IS NULL");
    let rotate = format!(
        "UPDATE postern.tokens SET digest = sha256('x'), expires_at = NULL, sealed = NULL WHERE id = '{id}' AND revoked_at IS NULL"
    );
    assert_eq!(live.changed_behind(&revoke, &rotate), 0);
    assert_eq!(live.text("SELECT revoked_at::text FROM postern.own_tokens"), "7");
    // The other way about: what was rotated is revoked, and its new secret is.
    live.sql("UPDATE postern.own_tokens SET revoked_at = NULL");
    assert_eq!(live.changed_behind(&rotate, &revoke), 1);
    let kept = "SELECT concat_ws(' ', digest = sha256('x'), revoked_at) FROM postern.own_tokens";
    assert_eq!(live.text(kept), "t 7");
    // And by the command line, which says why.
    live.sql("UPDATE postern.own_tokens SET revoked_at = NULL");
    let refused =
        live.behind(&revoke, || text(&postern(live.postern.home(), &live.database, &["token", "rotate", &id])));
    assert!(refused.contains("it is revoked, and stays so"), "{refused}");
    assert_eq!(live.text("SELECT revoked_at::text FROM postern.own_tokens"), "7");
}

#[test]
fn what_a_statement_does_not_change_stays_as_somebody_else_has_made_it() {
    let live = Live::new();
    // More time is given while the job of the day goes over them.
    live.sql(&format!("UPDATE public.openwisp_users_user SET expiration_date = '2020-01-01' WHERE id = {MANAGER}"));
    let longer = format!("UPDATE public.openwisp_users_user SET expiration_date = '2090-01-01' WHERE id = {MANAGER}");
    let done = live
        .behind(&longer, || text(&postern(live.postern.home(), &live.database, &["job", "run", "deactivate-expired"])));
    let active = format!("SELECT is_active::text FROM public.openwisp_users_user WHERE id = {MANAGER}");
    assert_eq!(live.text(&active), "true", "{done}");
    // Django takes an address as verified no longer, and the user makes it their first.
    live.sql(&format!(
        "INSERT INTO public.account_emailaddress (email, verified, \"primary\", user_id) SELECT 'behind@example.org', true, false, {MANAGER}"
    ));
    let of = "email = 'behind@example.org'";
    let other = format!("UPDATE public.account_emailaddress SET verified = false WHERE {of}");
    let first = format!("UPDATE postern.email_addresses SET is_primary = true WHERE {of}");
    live.sql(&format!("UPDATE public.account_emailaddress SET \"primary\" = false WHERE user_id = {MANAGER}"));
    assert_eq!(live.changed_behind(&other, &first), 1);
    let kept = format!("SELECT concat_ws(' ', verified, \"primary\") FROM public.account_emailaddress WHERE {of}");
    assert_eq!(live.text(&kept), "f t");
    // Another address is there by the time that the link to the old one is used.
    let other = format!("UPDATE public.account_emailaddress SET email = 'beyond@example.org' WHERE {of}");
    assert_eq!(
        live.changed_behind(&other, &format!("UPDATE postern.email_addresses SET verified = true WHERE {of}")),
        0
    );
    // An organization that has become somebody else's is not taken from them.
    let transfer = "UPDATE public.openwisp_users_organizationowner w SET organization_user_id = m.id
         FROM public.openwisp_users_organizationuser m JOIN public.openwisp_users_organization o ON o.id = m.organization_id AND o.slug = 'alpha'
         WHERE w.organization_id = o.id AND m.user_id = (SELECT id FROM public.openwisp_users_user WHERE username = 'alpha_manager')";
    let gone = "DELETE FROM postern.owners WHERE user_id = (SELECT id FROM public.openwisp_users_user WHERE username = 'alpha_owner')";
    assert_eq!(live.changed_behind(transfer, gone), 0);
    let owner = format!("SELECT count(*)::text FROM postern.owners WHERE user_id = {MANAGER}");
    assert_eq!(live.text(&owner), "1");
}
