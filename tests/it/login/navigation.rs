//! What a browser gets that shows pages and has no session: not a refusal that people cannot read, but the page on which they log in.

use super::browser::{Browser, LOGIN};
use crate::support::{Gate, Options, Postern, Upstream, eventually};

const ROUTES: &str = "
version: 1
upstream: echo
routes:
  /app/**: { level: authenticated, authenticate: [bearer, session] }
  /api/**: authenticated
  /links/**: { level: authenticated, authenticate: [session, sesame] }
";

fn gate(passwords: &str) -> Gate {
    let config = format!(
        "identity:\n  api: token\n  session: {{ secure: false }}\n  sesame: {{ key: {{ file: key }}, query: sesame }}\n  \
         passwords: {{ memory: 64KiB, passes: 1{passwords} }}\n"
    );
    let options = Options { config, ..Options::policy(ROUTES) };
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    gate
}

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html,*/*;q=0.8\r\n";

#[test]
fn whoever_has_no_session_logs_in_and_comes_to_where_they_wanted_to() {
    let gate = gate("");
    let mut browser = Browser::of(&gate);
    NAVIGATES.clone_into(&mut browser.headers);
    let sent_on = browser.get("/app/devices?page=2&name=a%20b");
    assert_eq!(sent_on.status, 303);
    let location = sent_on.header("location").unwrap();
    assert_eq!(location, format!("{LOGIN}?next=/app/devices%3Fpage%3D2%26name%3Da%2520b"));
    assert_eq!((sent_on.header("www-authenticate"), sent_on.text().as_str()), (None, ""));
    assert_eq!(sent_on.header("cache-control"), Some("no-store"));
    let vary = sent_on.all("vary").join(", ");
    assert!(["Accept", "Sec-Fetch-Mode", "Cookie"].iter().all(|name| vary.contains(name)), "{vary}");
    let logged_in = browser.send(location, &[("username", "lena"), ("password", "s3cret-word")]);
    assert_eq!((logged_in.status, logged_in.header("location")), (303, Some("/app/devices?page=2&name=a%20b")));
    gate.upstream.forget();
    assert_eq!(browser.get("/app/devices?page=2&name=a%20b").status, 200);
    assert_eq!(gate.upstream.recorded().len(), 1);
    // A session that has ended is none.
    gate.postern.cli(&["user", "edit", "lena", "--active=false"]);
    eventually("it has ended", || (browser.get("/app/x").status == 303).then_some(()));
    let is_it = |line: &serde_json::Value| {
        line["status"] == 303 && (line["code"] == "user_inactive" || line["code"] == "credentials_invalid")
    };
    eventually("its line", || gate.postern.access_lines_now().into_iter().find(is_it));
}

#[test]
fn what_no_browser_shows_is_refused_as_ever() {
    let gate = gate("");
    let asked = |target: &str, headers: &str| {
        let message = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{headers}\r\n");
        gate.send(message).status
    };
    assert_eq!(asked("/app/x", NAVIGATES), 303);
    assert_eq!(asked("/app/x", "Accept: text/html\r\n"), 303, "an older browser");
    for script in
        ["", "Accept: */*\r\n", "Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n", "Accept: application/json\r\n"]
    {
        assert_eq!(asked("/app/x", script), 401, "{script}");
    }
    assert_eq!(asked("/api/x", NAVIGATES), 401, "the route takes no session");
    assert_eq!(asked("/nothing", NAVIGATES), 404);
}

#[test]
fn what_was_sent_and_what_is_secret_does_not_come_back_in_a_link() {
    let gate = gate("");
    let mut browser = Browser::of(&gate);
    NAVIGATES.clone_into(&mut browser.headers);
    let posted = browser.ask("POST", "/app/form", Some(&[("a", "1")]));
    assert_eq!((posted.status, posted.header("location")), (303, Some(LOGIN)));
    let by_link = browser.get("/links/x?sesame=AAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!((by_link.status, by_link.header("location")), (303, Some(LOGIN)));
    let long = format!("/app/{}", "x".repeat(3000));
    assert_eq!(browser.get(&long).header("location"), Some(LOGIN));
    assert!(gate.upstream.recorded().is_empty());
}

#[test]
fn a_session_whose_password_is_too_old_is_sent_to_where_a_new_one_is_chosen() {
    let gate = gate(", expire_after: 30");
    gate.postern.sql("UPDATE users SET password_updated = date('now', '-31 days') WHERE username = 'lena'");
    let mut browser = Browser::of(&gate);
    browser.log_in("lena", "s3cret-word");
    NAVIGATES.clone_into(&mut browser.headers);
    let sent_on = browser.get("/app/x");
    assert_eq!((sent_on.status, sent_on.header("location")), (303, Some("/api/v1/users/password/change/")));
    browser.headers.clear();
    assert_eq!(browser.get("/app/x").status, 403);
}
