//! Logins behind another single sign-on: whose word is taken, and whose is not.

use super::browser::{Browser, LOGIN};
use super::second_factor::CODE;
use crate::support::{Gate, Options, Who};

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
  /open/**: { read: public }
";

fn gate(trusted: &str, more: &str) -> Gate {
    throttled("none", trusted, more)
}

fn throttled(throttle: &str, trusted: &str, more: &str) -> Gate {
    let config = format!(
        "identity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  token: {{ throttle: {throttle} }}\n{more}  login:\n    trusted_header: {{ {trusted} }}\n"
    );
    let gate = Gate::with(&Options { config, ..Options::policy(ROUTES) });
    for (name, more) in [("lena", &[][..]), ("boss", &["--superuser"]), ("gone-one", &["--active=false"])] {
        gate.postern.cli(&[&["user", "create", name], more].concat());
    }
    gate
}

const HERE: &str = "header: X-Remote-User, from: [127.0.0.0/8]";

fn told<'g>(gate: &'g Gate, headers: &str) -> Browser<'g> {
    let mut browser = Browser::of(gate);
    headers.clone_into(&mut browser.headers);
    browser
}

#[test]
fn a_named_proxy_says_who_somebody_is_on_the_login_page_and_nowhere_else() {
    let gate = gate(HERE, "");
    let mut lena = told(&gate, "X-Remote-User: lena\r\n");
    // It is no credential.
    assert_eq!((lena.whoami(), gate.upstream.recorded().len()), (401, 0));
    assert_eq!(lena.get("/open/x").status, 200);
    assert!(gate.upstream.last().folded("x-remote-user").is_empty(), "no service sees it");
    let begun = lena.get(&format!("{LOGIN}?next=/me/x"));
    assert_eq!((begun.status, begun.header("location"), lena.whoami()), (303, Some("/me/x"), 200));
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("lena"));
    // Who is logged in already stays so, and another one begins another session.
    let again = lena.get(LOGIN);
    assert!(again.status == 200 && again.text().contains("<strong>lena</strong>"), "{}", again.text());
    gate.postern.cli(&["user", "create", "mia"]);
    "X-Remote-User: mia\r\n".clone_into(&mut lena.headers);
    assert_eq!((lena.get(LOGIN).status, lena.whoami()), (303, 200));
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("mia"));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "1", "the one before has ended");
    // The form is for everybody else.
    assert_eq!(Browser::of(&gate).get(LOGIN).status, 200);
}

#[test]
fn whom_nobody_knows_or_who_may_not_is_told_so() {
    let gate = gate(HERE, "");
    for (name, status, words) in [
        ("nobody-here", 403, "You have no account here"),
        ("boss", 403, "Superusers do not log in in this way"),
        ("gone-one", 403, "not active"),
        ("lena,boss", 400, "does not say clearly"),
        ("lena@example.org", 403, "You have no account here"),
    ] {
        let mut browser = told(&gate, &format!("X-Remote-User: {name}\r\n"));
        let answer = browser.get(LOGIN);
        assert!(answer.status == status && answer.text().contains(words), "{name}: {}", answer.text());
        assert!(answer.all("set-cookie").iter().all(|cookie| !cookie.starts_with("postern_session")), "{name}");
        assert_eq!(browser.whoami(), 401, "{name}");
    }
    for twice in [
        "X-Remote-User: lena\r\nX-Remote-User: lena\r\n",
        "X-Remote-User: lena\r\nX_Remote_User: boss\r\n",
        "X_Remote_User: lena\r\n",
    ] {
        let mut browser = told(&gate, twice);
        assert_eq!((browser.get(LOGIN).status, browser.whoami()), (400, 401), "{twice}");
    }
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "0");
    let allowed = self::gate("header: X-Remote-User, from: [127.0.0.1], superusers: true, user: email", "");
    allowed.postern.cli(&["user", "edit", "boss", "--email", "boss@example.org"]);
    let mut boss = told(&allowed, "X-Remote-User: boss@example.org\r\n");
    assert_eq!((boss.get(LOGIN).status, boss.whoami()), (303, 200));
}

/// What anybody else sends says nothing, and neither does what they say of where they come from.
#[test]
fn from_other_addresses_nothing_is_believed() {
    let gate = gate("header: X-Remote-User, from: [10.0.0.0/8]", "");
    for headers in [
        "X-Remote-User: lena\r\n",
        "X-Remote-User: lena\r\nX-Forwarded-For: 10.0.0.1\r\n",
        "X-Remote-User: lena\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n",
        "X_Remote_User: lena\r\n",
    ] {
        let mut browser = told(&gate, headers);
        let answer = browser.get(LOGIN);
        assert!(answer.status == 200 && answer.text().contains("name=\"password\""), "{headers}");
        assert_eq!(browser.whoami(), 401, "{headers}");
    }
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "0");
}

#[test]
fn it_does_not_skip_the_second_factor() {
    let mfa = "  mfa: { key: \"0123456789abcdef0123456789abcdef\", organizations: [a] }\n";
    let gate = gate(HERE, mfa);
    gate.postern.cli(&["member", "add", "--org", "a", "--user", "lena"]);
    let mut lena = told(&gate, "X-Remote-User: lena\r\n");
    let begun = lena.get(LOGIN);
    assert_eq!((begun.status, begun.header("location"), lena.whoami()), (303, Some(CODE), 401));
    assert!(lena.get(CODE).text().contains("name=\"offer\""));
}

/// A page of somebody else's that has a browser ask many times, and for no page, begins no sessions.
#[test]
fn a_login_is_a_page_that_somebody_goes_to_and_a_user_has_so_many() {
    let gate = throttled("3/day", HERE, "");
    let mut lena = told(&gate, "X-Remote-User: lena\r\nSec-Fetch-Mode: no-cors\r\n");
    assert_eq!((lena.get(LOGIN).status, lena.whoami()), (200, 401));
    let statuses: Vec<_> =
        (0..4).map(|_| told(&gate, "X-Remote-User: lena\r\nSec-Fetch-Mode: navigate\r\n").get(LOGIN).status).collect();
    assert_eq!(statuses, [303, 303, 303, 429]);
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "3");
    // Others are not held up.
    gate.postern.cli(&["user", "create", "mia"]);
    assert_eq!(told(&gate, "X-Remote-User: mia\r\n").get(LOGIN).status, 303);
}
