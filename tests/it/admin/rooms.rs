//! Who enters, and where the pages are.

use super::{PASSWORD, ROUTES, USUAL, browser, gate, gate_with, people, printed};
use crate::login::browser::Browser;
use crate::support::{Gate, Options, Postern, Upstream, Who, command, eventually, get};

#[test]
fn staff_and_superusers_enter_and_others_are_told_so() {
    let gate = gate();
    let mut nobody = Browser::of(&gate);
    let sent = nobody.get("/postern/?a=b");
    assert_eq!((sent.status, sent.header("location")), (303, Some("/api/v1/users/login/?next=/postern/%3Fa%3Db")));
    assert_eq!(nobody.get("/postern").header("location"), Some("/postern/"));
    let in_again =
        nobody.send("/api/v1/users/login/?next=/postern/%3Fa%3Db", &[("username", "su"), ("password", PASSWORD)]);
    assert_eq!(in_again.header("location"), Some("/postern/?a=b"));
    let home = nobody.get("/postern/");
    assert_eq!(home.status, 200, "{}", home.text());
    assert!(home.text().contains("<bdi>su</bdi>"), "{}", home.text());
    assert_eq!(
        home.header("content-security-policy"),
        Some("default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
    );
    assert_eq!((home.header("cache-control"), home.header("x-frame-options")), (Some("no-store"), Some("DENY")));

    assert_eq!(browser(&gate, "ed").get("/postern/").status, 200);
    let mut manager = browser(&gate, "mA");
    let refused = manager.get("/postern/");
    assert_eq!(refused.status, 403);
    let text = refused.text();
    assert!(text.contains("for staff and superusers") && text.contains("<bdi>mA</bdi>"), "{text}");
    assert!(!text.contains("class=\"side\""), "whoever may not enter is told of no page");
    let missing = browser(&gate, "su").get("/postern/nothing/");
    assert_eq!(missing.status, 404, "{}", missing.text());
    // A token is for programs, which have the API.
    assert_eq!(gate.send(get(Who::su, "/postern/")).status, 303);
    // Whoever is made inactive is out with the next request but for the promised moment.
    let mut ed = browser(&gate, "ed");
    assert_eq!(ed.get("/postern/").status, 200);
    gate.postern.cli(&["user", "edit", "ed", "--active=false"]);
    eventually("ed is sent to the login page", || (ed.get("/postern/").status == 303).then_some(()));
    gate.upstream.assert_untouched("what is postern's own");
}

#[test]
fn what_only_superusers_see_staff_are_told_so_and_forms_are_ours_alone() {
    let gate = gate();
    let mut ed = browser(&gate, "ed");
    for path in ["/postern/", "/postern/x/"] {
        let forged = ed.ask("POST", path, Some(&[("postern_csrf", "x")]));
        assert_eq!(forged.status, 403, "{}", forged.text());
        assert!(forged.text().contains("another page sent it"), "{}", forged.text());
        let missing = ed.ask("POST", path, None);
        assert_eq!(missing.status, 403, "{}", missing.text());
    }
    let style = ed.get("/postern/").text();
    let (_, style) = style.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
    let style = ed.get(style.split('"').next().unwrap());
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(ed.get("/postern/assets/admin-0.css").status, 404);
}

#[test]
fn who_must_have_a_second_factor_does_not_enter_by_a_password() {
    let mut options = Options::policy(ROUTES);
    options.config =
        format!("admin_ui: on\nidentity:\n{USUAL}  mfa: {{ key: {{ file: key }}, required_for: [staff] }}\n");
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "0123456789abcdef0123456789abcdef").unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    people(&gate.postern);
    let mut ed = Browser::of(&gate);
    let step = ed.log_in("ed", PASSWORD);
    assert_eq!((step.status, step.header("location")), (303, Some("/api/v1/users/login/code/")));
    assert_eq!(ed.get("/postern/").status, 303);
}

#[test]
fn who_must_choose_a_new_password_does_that_first() {
    let mut options = Options::policy(ROUTES);
    options.config = format!("admin_ui: on\nidentity:\n{}", USUAL.replace("passes: 1", "passes: 1, expire_after: 30"));
    let gate = Gate::with(&options);
    people(&gate.postern);
    gate.postern.sql("UPDATE users SET password_updated = date('now', '-31 days') WHERE username = 'ed'");
    let mut ed = browser(&gate, "ed");
    let sent = ed.get("/postern/");
    assert_eq!((sent.status, sent.header("location")), (303, Some("/api/v1/users/password/change/")));
    assert_eq!(browser(&gate, "su").get("/postern/").status, 200);
}

#[test]
fn its_prefix_is_its_own_and_no_route_reaches_into_it() {
    let gate = gate_with("admin_ui: { prefix: /office/door }\n", "");
    let mut su = browser(&gate, "su");
    assert_eq!(su.get("/office/door/").status, 200);
    assert_eq!(su.get("/office/d%6for/").status, 200);
    assert_eq!(su.get("/postern/").status, 404);
    let told = printed(gate.postern.home(), &["explain", "GET", "/office/door/x", "--as", "anonymous"]);
    assert!(told.contains("of postern's own admin UI"), "{told}");
    gate.upstream.assert_untouched("what is postern's own");
}

#[test]
fn at_an_address_of_its_own_it_is_nowhere_else() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gate = gate_with(&format!("admin_ui: {{ listen: \"{free}\" }}\n"), "");
    assert_eq!(gate.send(get(Who::su, "/postern/")).status, 404, "not on the data port");
    let mut su = Browser::at(free);
    assert_eq!(su.get("/").header("location"), Some("/postern/"));
    assert_eq!(su.get("/postern/").header("location"), Some("/api/v1/users/login/?next=/postern/"));
    assert_eq!(su.log_in("su", PASSWORD).status, 303, "people log in there too");
    assert_eq!(su.get("/postern/").status, 200);
    assert_eq!(su.get("/api/v1/users/account/").status, 200);
    let api = ["/api/v1/users/user/", "/api/v1/users/token/", "/api/v1/docs/", "/access/v1/evaluation"];
    for elsewhere in ["/me/x", "/public/x", "/postern/../me/x", "//postern/"].into_iter().chain(api) {
        assert!([400, 404].contains(&su.get(elsewhere).status), "{elsewhere}");
    }
    gate.upstream.assert_untouched("no service is behind it");
}

#[test]
fn what_it_cannot_be_with_is_said_in_words() {
    let refused = |config: &str, words: &[&str]| {
        let mut options = Options::policy(ROUTES);
        config.clone_into(&mut options.config);
        let home = Postern::prepare(None, &options);
        let said = command(home.path(), &["check"], "").unwrap_err();
        for word in words {
            assert!(said.contains(word), "{config}: {said}");
        }
    };
    refused("admin_ui: on\n", &["missing_key", "people log in for `admin_ui` with a session"]);
    refused("admin_ui: on\nidentity: { api: all }\n", &["missing_key"]);
    refused("admin_ui: { prefix: / }\nidentity: { api: all, session: {} }\n", &["wrong_value", "write `/postern/`"]);
    for prefix in ["/api/v1/users/", "/api/", "/api/v1/docs/x/", "/access/", "/.well-known/"] {
        let config = format!("admin_ui: {{ prefix: {prefix} }}\nidentity: {{ api: all, session: {{}} }}\n");
        refused(&config, &["wrong_value", "is postern's already"]);
    }
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes:\n  /postern/x: public\n");
    options.config = "admin_ui: on\nidentity: { api: all, session: {} }\n".to_owned();
    let home = Postern::prepare(None, &options);
    let said = printed(home.path(), &["check"]);
    assert!(said.contains("reserved_path") && said.contains("admin UI"), "{said}");
}
