//! Passwords that grow old: their sessions are good for a new password, and for nothing else.

use super::browser::{Browser, LOGIN};
use crate::support::{Gate, Options, eventually, get_with};
use serde_json::json;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
routes:
  /me/**: authenticated
";
const PAGE: &str = "/api/v1/users/password/change/";

fn gate() -> Gate {
    let mut options = Options::policy(ROUTES);
    let passwords = "passwords: { memory: 64KiB, passes: 1, expire_after: 30, expire_after_staff: 10 }";
    options.config = format!(
        "public_url: https://app.example\nidentity: {{ api: all, session: {{ secure: false }}, {passwords}, token: {{ throttle: none }} }}\n"
    );
    let gate = Gate::with(&options);
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "the old one\n");
    gate
}

fn chosen(gate: &Gate, days: i64, staff: u8) {
    let sql = "UPDATE users SET password_updated = date('now', '-DAYS days'), is_staff = STAFF WHERE username = 'lena'";
    gate.postern.sql(&sql.replace("DAYS", &days.to_string()).replace("STAFF", &staff.to_string()));
}

#[test]
fn a_session_of_an_old_password_is_told_where_a_new_one_is_chosen() {
    let gate = gate();
    for (days, staff, is_old) in [(31, 0, true), (30, 0, false), (30, 1, true), (11, 1, true), (10, 1, false)] {
        chosen(&gate, days, staff);
        let mut browser = Browser::of(&gate);
        let answer = browser.log_in("lena", "the old one");
        let to = answer.header("location").unwrap();
        assert_eq!((answer.status, to.starts_with(PAGE)), (303, is_old), "{days} {staff} {to}");
        assert_eq!(browser.whoami(), if is_old { 403 } else { 200 });
    }
    gate.postern.sql("UPDATE users SET password_updated = NULL, is_staff = 0 WHERE username = 'lena'");
    let mut browser = Browser::of(&gate);
    assert_eq!(browser.log_in("lena", "the old one").header("location"), Some(LOGIN));
    assert_eq!(browser.whoami(), 200, "nobody knows when it was chosen");
    // A session that goes on grows old with its password, though memory knows it.
    chosen(&gate, 31, 0);
    eventually("it has grown old", || (browser.whoami() == 403).then_some(()));
    let told = browser.get("/me/x");
    assert_eq!(
        (told.code(), told.header("content-type")),
        ("password_expired".to_owned(), Some("application/problem+json"))
    );
    let told = told.json();
    assert_eq!(told["detail"], "Your password has expired. Update it to continue.");
    for (name, path) in [
        ("web_password_change_url", PAGE),
        ("api_password_change_url", "/api/v1/users/user/password/change/"),
        ("api_password_reset_url", "/api/v1/users/password/reset/"),
    ] {
        assert_eq!(told[name], format!("https://app.example{path}"));
    }
    assert_eq!(browser.ask("POST", "/me/x", None).code(), "password_expired", "whatever page made it");
    // Nor does the API of records take it, not for who they are.
    let told = browser.get("/api/v1/users/me/");
    assert_eq!((told.status, told.code().as_str()), (403, "password_expired"));
    assert_eq!(told.json()["web_password_change_url"], format!("https://app.example{PAGE}"));
    // The way out is open: the page, and logging out.
    let page = browser.get(&format!("{PAGE}?next=/me/x"));
    assert!(page.status == 200 && page.text().contains("Your password is too old"), "{}", page.text());
    assert!(browser.get("/api/v1/users/logout/").text().contains("You are logged in as"));
    let new = [("old_password", "the old one"), ("new_password1", "a new one"), ("new_password2", "a new one")];
    assert_eq!(browser.send(PAGE, &new).status, 303);
    assert_eq!((browser.whoami(), browser.get("/api/v1/users/me/").status), (200, 200));
}

#[test]
fn tokens_and_links_are_not_asked_how_old_the_password_is() {
    let gate = gate();
    chosen(&gate, 31, 0);
    let body = json!({ "username": "lena", "password": "the old one" }).to_string();
    let answer = gate.send(format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(gate.send(get_with(&token, "/me/x")).status, 200);
    // An API client with an old session changes the password there.
    let mut browser = Browser::of(&gate);
    browser.log_in("lena", "the old one");
    let body = json!({ "old_password": "the old one", "new_password1": "a new one", "new_password2": "a new one" });
    let (body, csrf) = (body.to_string(), browser.cookies["postern_csrf"].clone());
    let answer = gate.send(format!(
        "POST /api/v1/users/user/password/change/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Cookie: postern_session={}\r\nX-CSRF-Token: {csrf}\r\nContent-Length: {}\r\n\r\n{body}",
        browser.cookies["postern_session"],
        body.len()
    ));
    assert_eq!(answer.status, 200, "{}", answer.text());
}
