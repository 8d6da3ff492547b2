//! What Django keeps is what counts, from the moment that anybody changes it.

use super::{Live, token_of};
use crate::support::eventually;

#[test]
fn tokens_people_and_rights_are_those_of_django() {
    let live = Live::new();
    let (manager, admin) = (token_of(&live, "alpha_manager"), token_of(&live, "admin"));
    let me = live.get(&manager, "/me/x");
    assert_eq!(me.status, 200, "{}", me.text());
    assert_eq!(live.get(&manager, "/api/v1/org/alpha/x").status, 200);
    assert_eq!(live.get(&manager, "/api/v1/org/beta/x").status, 403);
    assert_eq!(live.get(&manager, "/admin/x").status, 403);
    assert_eq!(live.get(&admin, "/admin/x").status, 200);
    assert_eq!(live.get("0123456789abcdef0123456789abcdef01234567", "/me/x").status, 401);
    // openwisp-users' own API, from Django's tables.
    let users = live.get(&admin, "/api/v1/users/user/");
    let count = live.text("SELECT count(*)::text FROM public.openwisp_users_user");
    assert_eq!((users.status, users.json()["count"].to_string()), (200, count));
    let listed = live.cli(&["user", "list", "--filter", "username=alpha_manager", "--json"]);
    assert!(listed.contains("alpha_manager@example.org"), "{listed}");
    let listed = live.cli(&["member", "list", "--org", "alpha"]);
    assert!(listed.contains("alpha_manager") && listed.contains("alpha_owner"), "{listed}");
}

#[test]
fn a_password_is_django_s_and_so_is_the_token_that_a_login_tells() {
    let live = Live::new();
    let hash = "SELECT password FROM public.openwisp_users_user WHERE username = 'alpha_manager'";
    let before = live.text(hash);
    let body = "username=alpha_manager&password=alpha_manager-Pw1!";
    let login = |body: &str| {
        live.send(format!(
            "POST /api/v1/users/token/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let answer = login(body);
    assert_eq!((answer.status, answer.json()["token"].as_str()), (200, Some(&*token_of(&live, "alpha_manager"))));
    assert_eq!(live.text(hash), before, "not upgraded");
    assert_eq!(login("username=alpha_manager&password=wrong").status, 400);
    // Who has none gets one, which Django then knows.
    live.sql("DELETE FROM public.authtoken_token t USING public.openwisp_users_user u WHERE u.id = t.user_id AND u.username = 'alpha_manager'");
    let token = login(body).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token, token_of(&live, "alpha_manager"));
    assert_eq!(login(body).json()["token"], *token);
    assert_eq!(live.get(&token, "/me/x").status, 200);
}

#[test]
fn what_anybody_changes_in_django_s_tables_holds_at_once() {
    let live = Live::new();
    let (manager, admin) = (token_of(&live, "alpha_manager"), token_of(&live, "admin"));
    let user = "(SELECT id FROM public.openwisp_users_user WHERE username = 'alpha_manager')";
    let org = "/api/v1/org/alpha/x";
    live.soon(&manager, org, 200);
    live.sql(&format!("UPDATE public.openwisp_users_user SET is_active = false WHERE id = {user}"));
    live.soon(&manager, org, 401);
    live.sql(&format!("UPDATE public.openwisp_users_user SET is_active = true WHERE id = {user}"));
    live.soon(&manager, org, 200);
    live.sql("UPDATE public.openwisp_users_organization SET is_active = false WHERE slug = 'alpha'");
    live.soon(&manager, org, 403);
    live.sql("UPDATE public.openwisp_users_organization SET is_active = true WHERE slug = 'alpha'");
    live.soon(&manager, org, 200);
    live.sql(&format!("UPDATE public.openwisp_users_organizationuser SET is_admin = false WHERE user_id = {user}"));
    eventually_refused(&live, &manager, org);
    live.sql(&format!("DELETE FROM public.openwisp_users_organizationuser WHERE user_id = {user}"));
    live.soon(&manager, org, 403);
    live.sql(&format!("UPDATE public.openwisp_users_user SET is_superuser = true WHERE id = {user}"));
    live.soon(&manager, "/admin/x", 200);
    live.sql(&format!("DELETE FROM public.authtoken_token WHERE user_id = {user}"));
    live.soon(&manager, "/me/x", 401);
    live.sql(&format!(
        "INSERT INTO public.authtoken_token (key, created, user_id) VALUES ('{manager}', now(), {user})"
    ));
    live.soon(&manager, "/me/x", 200);
    live.sql("TRUNCATE public.authtoken_token");
    live.soon(&manager, "/me/x", 401);
    live.soon(&admin, "/me/x", 401);
}

/// A plain member reads, and writes no more.
fn eventually_refused(live: &Live, token: &str, target: &str) {
    let post = || {
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n");
        live.send(head).status
    };
    eventually("a member writes no more", || (post() == 403).then_some(()));
    assert_eq!(live.get(token, target).status, 200);
}

#[test]
fn nobody_scans_for_a_token() {
    let live = Live::new();
    live.sql(
        "INSERT INTO public.openwisp_users_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
             date_joined, bio, url, company, location, notes, language)
         SELECT gen_random_uuid(), '!', false, 'many' || n, '', '', 'many' || n || '@example.org', false, true, now(), '', '', '', '', '', 'en-gb'
         FROM generate_series(1, 20000) n;
         INSERT INTO public.authtoken_token (key, created, user_id)
         SELECT md5(username), now(), id FROM public.openwisp_users_user WHERE username LIKE 'many%';
         ANALYZE",
    );
    let token = |n: usize| live.text(&format!("SELECT md5('many{n}')"));
    let scans = |of: &str| {
        let of = format!(
            "SELECT sum({of})::text FROM pg_stat_user_tables WHERE relname IN ('authtoken_token', 'token_digests', 'openwisp_users_user')"
        );
        live.text(&of).parse::<u64>().unwrap()
    };
    assert_eq!(live.get(&token(1), "/me/x").status, 200);
    // Servers write down how often they scanned once a second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let (scanned, found) = (scans("seq_scan"), scans("idx_scan"));
    for n in 2..52 {
        assert_eq!(live.get(&token(n), "/me/x").status, 200);
    }
    eventually("they are counted", || (scans("idx_scan") >= found + 150).then_some(()));
    assert_eq!(scans("seq_scan"), scanned);
}
