//! Who somebody is here whom a provider knows, and what its claims make of them, from one login to the next.

use super::{Provider, WITH, gate, gate_of_records, log_in};
use crate::login::browser::Browser;
use crate::support::{Answer, Gate};
use serde_json::{Value, json};

fn told(answer: &Answer) -> String {
    answer.text().split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned()
}

fn users(gate: &Gate) -> u32 {
    gate.postern.query("SELECT count(*) || '' FROM users").parse().unwrap()
}

#[test]
fn a_subject_is_bound_by_hand_or_becomes_a_user() {
    let liar = Provider::liar();
    let person = json!({ "sub": "7", "preferred_username": "ann", "email": "ann@example.org", "email_verified": true, "given_name": "Ann" });
    liar.lie(&json!({ "claims": person }));
    let closed = gate(&liar, &[], "");
    let before = users(&closed);
    let mut browser = Browser::of(&closed);
    let answer = log_in(&mut browser, &liar);
    assert_eq!((answer.status, told(&answer).as_str(), browser.whoami()), (403, "You have no account here", 401));
    assert_eq!(users(&closed), before);
    closed.postern.cli(&["user", "create", "anna"]);
    closed.postern.cli(&["user", "bind", "anna", "--issuer", &liar.issuer(), "--subject", "7"]);
    assert_eq!((log_in(&mut browser, &liar).status, browser.whoami()), (303, 200));
    assert_eq!(closed.upstream.last().header("x-postern-user"), Some("anna"));
    assert_eq!(closed.postern.query("SELECT (last_login IS NOT NULL) || '' FROM users WHERE username = 'anna'"), "1");
    for (over, back) in
        [("is_active = 0", "is_active = 1"), ("expiration_date = '2001-01-01'", "expiration_date = NULL")]
    {
        let set = |what: &str| closed.postern.sql(&format!("UPDATE users SET {what} WHERE username = 'anna'"));
        set(over);
        let mut browser = Browser::of(&closed);
        let answer = log_in(&mut browser, &liar);
        assert_eq!((answer.status, browser.whoami()), (403, 401), "{over}");
        assert!(answer.text().contains("not active"), "{}", answer.text());
        set(back);
    }
    drop(closed);

    let open = gate(&liar, &["create_users: true"], "");
    let before = users(&open);
    for _ in 0..3 {
        let mut browser = Browser::of(&open);
        assert_eq!((log_in(&mut browser, &liar).status, browser.whoami()), (303, 200));
    }
    assert_eq!(users(&open), before + 1, "the same subject is the same user");
    let made = open.postern.query(
        "SELECT username || ' ' || first_name || ' ' || u.email || ' ' || e.verified || e.is_primary FROM users u JOIN email_addresses e ON e.user_id = u.id WHERE username = 'ann'",
    );
    assert_eq!(made, "ann Ann ann@example.org 11");
    // Another subject who calls themselves the same is somebody else, and so is one with the same address.
    for claims in [
        json!({ "sub": "8", "preferred_username": "ann" }),
        json!({ "sub": "9", "preferred_username": "ann2", "email": "ANN@example.org", "email_verified": true }),
    ] {
        liar.lie(&json!({ "claims": claims }));
        let mut browser = Browser::of(&open);
        let answer = log_in(&mut browser, &liar);
        assert_eq!((answer.status, told(&answer).as_str(), browser.whoami()), (403, "You have no account here", 401));
    }
    // An address that is not verified is not kept, and a name that is none makes nobody.
    liar.lie(&json!({ "claims": { "sub": "10", "preferred_username": "bob", "email": "ann@example.org" } }));
    assert_eq!(log_in(&mut Browser::of(&open), &liar).status, 303);
    assert_eq!(open.postern.query("SELECT coalesce(email, 'none') FROM users WHERE username = 'bob'"), "none");
    liar.lie(&json!({ "claims": { "sub": "11", "preferred_username": "a\nb" } }));
    assert_eq!(log_in(&mut Browser::of(&open), &liar).status, 403);
    assert_eq!(users(&open), before + 2);
    let audit = std::fs::read_to_string(open.postern.home().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logins = lines.iter().filter(|line| line["what"] == "login.provider").count();
    assert_eq!(logins, 4);
    assert!(lines.iter().any(|line| line["what"] == "subject.bind" && line["after"]["username"] == "ann"), "{audit}");
}

#[test]
fn an_address_links_only_where_both_have_verified_it_and_that_is_wanted() {
    let liar = Provider::liar();
    let claims = json!({ "sub": "7", "email": "Lena@example.org", "email_verified": true });
    for (key, verified_here, claims, is_linked) in [
        ("never", true, claims.clone(), false),
        ("verified", false, claims.clone(), false),
        ("verified", true, json!({ "sub": "7", "email": "lena@example.org" }), false),
        ("verified", true, json!({ "sub": "7", "email": "lena@example.org", "email_verified": "true" }), false),
        ("verified", true, claims, true),
    ] {
        let line = format!("link_by_email: {key}");
        let gate = gate(&liar, &[&line], "");
        gate.postern.cli(&["user", "create", "lena", "--email", "lena@example.org"]);
        gate.postern.sql(&format!(
            "INSERT INTO email_addresses (user_id, email, verified, is_primary) SELECT id, 'lena@example.org', {verified_here}, true FROM users WHERE username = 'lena'"
        ));
        liar.lie(&json!({ "claims": claims }));
        let mut browser = Browser::of(&gate);
        let answer = log_in(&mut browser, &liar);
        assert_eq!(answer.status, if is_linked { 303 } else { 403 }, "{key} {verified_here} {claims}");
        if is_linked {
            assert_eq!((browser.whoami(), gate.upstream.last().header("x-postern-user")), (200, Some("lena")));
            // From now on by the subject, whatever the address.
            liar.lie(&json!({ "claims": { "sub": "7" } }));
            assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 303);
            gate.postern.cli(&["user", "create", "root", "--superuser", "--email", "root@example.org"]);
            gate.postern.sql("INSERT INTO email_addresses (user_id, email, verified, is_primary) SELECT id, email, true, true FROM users WHERE username = 'root'");
            liar.lie(&json!({ "claims": { "sub": "1", "email": "root@example.org", "email_verified": true } }));
            assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 403, "no superuser is linked so");
        }
    }
}

#[test]
fn an_address_says_who_somebody_is_only_where_the_provider_has_verified_it() {
    let liar = Provider::liar();
    let gate = gate(&liar, &["create_users: true", "user: email"], "");
    let before = users(&gate);
    for (claims, is_in) in [
        (json!({ "email": "ann@example.org" }), false),
        (json!({ "email": "ann@example.org", "email_verified": false }), false),
        (json!({ "email": "ann@example.org", "email_verified": "true" }), false),
        (json!({ "email_verified": true }), false),
        (json!({ "email": "Ann@Example.org", "email_verified": true }), true),
        (json!({ "email": "ann@example.ORG", "email_verified": true }), true),
        (json!({ "email": "ann@example.org" }), false),
    ] {
        let mut told = json!({ "sub": "7", "preferred_username": "ann" });
        told.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        liar.lie(&json!({ "claims": told }));
        let mut browser = Browser::of(&gate);
        let answer = log_in(&mut browser, &liar);
        let (status, whoami) = if is_in { (303, 200) } else { (403, 401) };
        assert_eq!((answer.status, browser.whoami()), (status, whoami), "{claims}");
    }
    assert_eq!(users(&gate), before + 1);
    assert_eq!(gate.postern.query("SELECT subject FROM subjects"), "email=ann@example.org");
}

#[test]
fn what_grants_name_follows_the_claim_from_login_to_login() {
    let liar = Provider::liar();
    let gate = gate(
        &liar,
        &[
            "create_users: true",
            "user: oid",
            "grants_claim: /realm/roles",
            "grants:",
            "  - { value: acme-admins, organization: acme, level: manager }",
            "  - { value: acme-all, organization: acme }",
            "  - { value: bolt, organization: bolt, group: Editors }",
            "  - { value: ops, staff: true }",
            "  - { value: ops, organization: not-there, group: Neither }",
        ],
        "",
    );
    for slug in ["acme", "bolt", "crab"] {
        gate.postern.cli(&["org", "create", slug, "--slug", slug]);
    }
    gate.postern.cli(&["group", "create", "Editors"]);
    let seen = |values: &[&str]| {
        liar.lie(&json!({ "claims": { "sub": "7", "oid": "o-1", "preferred_username": "ann", "realm": { "roles": values } } }));
        let mut browser = Browser::of(&gate);
        let answer = log_in(&mut browser, &liar);
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(browser.whoami(), 200);
        gate.postern.query(
            "SELECT coalesce((SELECT group_concat(o.slug || m.is_admin, ' ' ORDER BY o.slug) FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = u.id), '')
             || ' ' || (SELECT count(*) FROM group_users g WHERE g.user_id = u.id) || ' ' || is_staff FROM users u WHERE username = 'ann'",
        )
    };
    assert_eq!(seen(&["acme-all", "elsewhere"]), "acme0 0 0");
    assert_eq!(gate.postern.query("SELECT subject FROM subjects"), "oid=o-1");
    // What no grant names stays.
    gate.postern.cli(&["member", "add", "--org", "crab", "--user", "ann"]);
    assert_eq!(seen(&["acme-admins", "acme-all", "bolt", "ops"]), "acme1 bolt0 crab0 1 1");
    assert_eq!(
        gate.postern
            .query("SELECT count(*) || '' FROM owners w JOIN users u ON u.id = w.user_id WHERE username = 'ann'"),
        "0"
    );
    assert_eq!(seen(&["acme-all"]), "acme0 crab0 0 0", "a manager becomes a member");
    assert_eq!(seen(&[]), "crab0 0 0");
    assert_eq!(seen(&["acme-admins"]), "acme1 crab0 0 0");
    // An owner stays what they are, and is let in.
    gate.postern.cli(&["org", "owner", "acme", "--user", "ann"]);
    assert_eq!(seen(&[]), "acme1 crab0 0 0");
}

#[test]
fn three_requests_are_enough_and_new_keys_are_found() {
    let liar = Provider::liar();
    liar.lie(&json!({ "claims": { "sub": "7", "preferred_username": "ann" } }));
    let gate = gate(&liar, &["create_users: true"], "");
    assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 303);
    let ours = |seen: Vec<String>| seen.into_iter().filter(|path| path != "/authorize").collect::<Vec<_>>();
    assert_eq!(ours(liar.seen()), ["/.well-known/openid-configuration", "/jwks", "/token"]);
    assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 303);
    assert_eq!(ours(liar.seen()).len(), 4, "the second needs one");
    // The provider signs with a key that was not there yet; one that never will be has it asked once in a while.
    liar.lie(&json!({ "claims": { "sub": "7" }, "kid": "second", "keys": ["first", "second"] }));
    assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 303);
    liar.lie(&json!({ "claims": { "sub": "7" }, "kid": "third", "keys": ["first", "second"] }));
    for _ in 0..5 {
        assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 403);
    }
    assert!(ours(liar.seen()).iter().filter(|path| *path == "/jwks").count() <= 1, "{:?}", liar.seen());
    assert!(Browser::of(&gate).get(&format!("{WITH}liar")).status == 404);
}

/// An address by which a provider knows somebody lets them in for good: nobody adds one to an account at whose screen they merely sit.
#[test]
fn an_address_that_is_a_way_in_is_added_with_the_password() {
    const ACCOUNT: &str = "/api/v1/users/account/";
    let liar = Provider::liar();
    for (link, is_way_in) in [("link_by_email: verified", true), ("link_by_email: never", false)] {
        let gate = gate_of_records(&liar, link);
        gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
        let mut browser = Browser::of(&gate);
        assert_eq!(browser.log_in("lena", "s3cret-word").status, 303);
        assert_eq!(browser.get(ACCOUNT).text().contains("id=\"password-new\""), is_way_in, "{link}");
        let kept = || gate.postern.query("SELECT count(*) || '' FROM email_addresses");
        let add = |browser: &mut Browser<'_>, password: &str| {
            let fields = [("do", "add-email"), ("email", "thief@example.org"), ("password", password)];
            browser.send(ACCOUNT, &fields)
        };
        let body = "{\"username\": \"lena\", \"password\": \"s3cret-word\"}";
        let post = |path: &str, token: &str, body: &str| {
            let length = body.len();
            gate.send(format!(
                "POST /api/v1/users/{path} HTTP/1.1\r\nHost: a\r\n{token}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
        };
        let token = format!("Authorization: Bearer {}\r\n", post("token/", "", body).json()["token"].as_str().unwrap());
        let by_token = |password: &str| {
            let body = format!("{{\"email\": \"t2@example.org\", \"current_password\": \"{password}\"}}");
            post("me/email/", &token, &body)
        };
        let (by_page, by_api) = (add(&mut browser, ""), by_token(""));
        if is_way_in {
            assert!(
                by_page.status == 400 && by_page.text().contains("This is not your password"),
                "{}",
                by_page.text()
            );
            assert!(by_api.status == 400 && by_api.text().contains("current_password"), "{}", by_api.text());
            assert_eq!(kept(), "0");
            assert_eq!((add(&mut browser, "s3cret-word").status, by_token("s3cret-word").status), (303, 201));
        } else {
            assert_eq!((by_page.status, by_api.status), (303, 201), "{}", by_api.text());
        }
        assert_eq!(kept(), "2");
    }
}
