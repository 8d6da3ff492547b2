//! The second step of a login: set up, asked for, used once; and the ways in that do not ask.

use super::browser::{Browser, field};
use crate::identity::python;
use crate::support::{Answer, Gate, Options, Postern, Upstream};
use serde_json::json;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session, sesame]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
  /safe/**: { level: authenticated, mfa: 15m }
  /page/**: { level: authenticated, mfa: 15m, authenticate: session }
";
pub const CODE: &str = "/api/v1/users/login/code/";
const SESSION: &str = "postern_session";

pub fn gate(mfa: &str) -> Gate {
    let config = format!(
        "identity:\n  api: token\n  session: {{ secure: false }}\n  sesame: {{ key: {{ file: key }}, query: {{ name: sesame, exchange: true }} }}\n  \
         passwords: {{ memory: 64KiB, passes: 1, expire_after: 30 }}\n  token: {{ throttle: none }}\n  mfa: {{ key: {{ file: key }}{mfa} }}\naudit: audit.jsonl\n"
    );
    let options = Options { config, ..Options::policy(ROUTES) };
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    for (name, more) in [("lena", &[][..]), ("boss", &["--staff"])] {
        let command = [&["user", "create", name, "--password-stdin"], more].concat();
        gate.postern.cli_with(&command, "s3cret-word\n");
    }
    gate
}

/// The codes of this moment and of the next, of the key that a page shows.
pub fn codes(page: &str) -> Vec<String> {
    let secret = page.split_once("<code>").unwrap().1.split_once('<').unwrap().0;
    serde_json::from_value(python("totp.py", &json!({ "secret": secret, "steps": [0, 1] }))).unwrap()
}

pub fn recovery(page: &Answer) -> Vec<String> {
    page.text().split("<li><code>").skip(1).map(|part| part.split_once('<').unwrap().0.to_owned()).collect()
}

fn token(gate: &Gate, name: &str) -> Answer {
    let body = json!({ "username": name, "password": "s3cret-word" }).to_string();
    let length = body.len();
    gate.send(format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// The first step: it leads to the second, and gives no session.
fn first(browser: &mut Browser<'_>, name: &str) {
    let answer = browser.log_in(name, "s3cret-word");
    assert_eq!((answer.status, answer.header("location")), (303, Some(CODE)));
    assert!(answer.all("set-cookie").iter().all(|cookie| !cookie.starts_with(SESSION)));
    assert_eq!(browser.whoami(), 401);
}

/// Sends the form of a page that was shown: its key is good with it alone.
pub fn set_up(browser: &mut Browser<'_>, page: &str, code: &str, password: &str) -> Answer {
    let [csrf, offer] = ["csrf", "offer"].map(|name| field(page, name).unwrap());
    let next = field(page, "next").unwrap_or_default();
    let form = [
        ("csrf", csrf.as_str()),
        ("next", next.as_str()),
        ("offer", offer.as_str()),
        ("code", code),
        ("password", password),
    ];
    browser.ask("POST", CODE, Some(&form))
}

#[test]
fn who_sets_an_app_up_is_asked_for_it_from_then_on() {
    let gate = gate("");
    let mut browser = Browser::of(&gate);
    assert_eq!((browser.log_in("lena", "s3cret-word").status, browser.whoami()), (303, 200));
    assert_eq!(token(&gate, "lena").status, 200);
    let page = browser.get(CODE).text();
    assert!(page.contains("otpauth:&#x2f;&#x2f;totp") || page.contains("otpauth://totp"), "{page}");
    let [now, behind] = <[String; 2]>::try_from(codes(&page)).unwrap();
    for (code, password) in [("123", "s3cret-word"), (now.as_str(), ""), (now.as_str(), "another-word")] {
        let again = set_up(&mut browser, &page, code, password);
        assert_eq!(
            (again.status, field(&again.text(), "offer")),
            (400, field(&page, "offer")),
            "the app has it already"
        );
    }
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "0", "nothing is kept before");
    let done = set_up(&mut browser, &page, &now, "s3cret-word");
    let recoveries = recovery(&done);
    assert_eq!((done.status, recoveries.len()), (200, 10), "{}", done.text());

    assert_eq!(token(&gate, "lena").code(), "second_factor_required");
    let mut browser = Browser::of(&gate);
    first(&mut browser, "lena");
    assert!(!browser.get(CODE).text().contains("<code>"), "the key is not shown again");
    for (code, what) in [(&now, "the code that confirmed"), (&"000000".to_owned(), "a guess"), (&String::new(), "none")]
    {
        let answer = browser.send(CODE, &[("code", code)]);
        assert_eq!((answer.status, browser.whoami()), (400, 401), "{what}: {}", answer.text());
    }
    assert_eq!(browser.ask("POST", CODE, Some(&[("code", behind.as_str())])).status, 403, "no form of ours");
    let spaced = format!("{} {}", &behind[..3], &behind[3..]);
    assert_eq!((browser.send(CODE, &[("code", &spaced)]).status, browser.whoami()), (303, 200));
    // Once, by whomever.
    let mut browser = Browser::of(&gate);
    first(&mut browser, "lena");
    assert_eq!((browser.send(CODE, &[("code", &behind)]).status, browser.whoami()), (400, 401));
    assert_eq!((browser.send(CODE, &[("code", &recoveries[0].to_uppercase())]).status, browser.whoami()), (303, 200));
    let mut browser = Browser::of(&gate);
    first(&mut browser, "lena");
    assert_eq!((browser.send(CODE, &[("code", &recoveries[0])]).status, browser.whoami()), (400, 401));
    assert_eq!((browser.send(CODE, &[("code", &recoveries[2])]).status, browser.whoami()), (303, 200));
    // Whoever is logged in gives it up with a code; else the administrator does.
    assert_eq!(browser.send(CODE, &[("code", &behind)]).status, 400);
    assert_eq!(browser.send(CODE, &[("do", "end"), ("code", &recoveries[1])]).status, 303);
    assert_eq!((Browser::of(&gate).log_in("lena", "s3cret-word").status, token(&gate, "lena").status), (303, 200));
    let page = browser.get(CODE).text();
    assert_eq!(set_up(&mut browser, &page, &codes(&page)[0], "s3cret-word").status, 200);
    first(&mut Browser::of(&gate), "lena");
    gate.postern.cli(&["user", "reset-mfa", "lena"]);
    let mut browser = Browser::of(&gate);
    assert_eq!((browser.log_in("lena", "s3cret-word").status, browser.whoami()), (303, 200));

    let kept = gate.postern.query("SELECT count(*) || '' FROM second_factors");
    assert_eq!(kept, "0");
    let audit = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    for what in ["second-factor.create", "second-factor.recovery", "second-factor.delete"] {
        assert!(audit.contains(&format!("\"what\":\"{what}\"")), "{what}: {audit}");
    }
    let log = format!("{audit}{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(recoveries.iter().all(|code| !log.contains(code.as_str())) && !log.contains("otpauth"));
}

#[test]
fn who_must_have_one_sets_it_up_and_no_other_way_leads_in() {
    let gate = gate(", required_for: [staff], organizations: [a]");
    // A link that becomes a session, which is good for nothing yet; a password for a token.
    let link = |name: &str| gate.postern.cli(&["sesame", "mint", "--user", name]).trim().to_owned();
    let by_link = |name: &str| {
        let token = link(name);
        gate.send(format!("GET /me/x?sesame={token} HTTP/1.1\r\nHost: a\r\n\r\n"))
    };
    assert!(by_link("lena").status < 400);
    gate.upstream.forget();
    let begun = by_link("boss");
    assert_eq!((begun.status, begun.header("location")), (303, Some("/me/x")));
    let mut browser = Browser::of(&gate);
    browser.keep(&begun);
    assert_eq!(browser.get("/me/x").code(), "second_factor_missing");
    let by_header = format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: sesame {}\r\n\r\n", link("boss"));
    assert_eq!(gate.send(by_header).code(), "second_factor_required");
    gate.upstream.assert_untouched("a link");
    assert_eq!((token(&gate, "lena").status, token(&gate, "boss").code().as_str()), (200, "second_factor_required"));

    let mut browser = Browser::of(&gate);
    first(&mut browser, "boss");
    let page = browser.get(CODE).text();
    let codes = codes(&page);
    assert_eq!((set_up(&mut browser, &page, "000000", "").status, browser.whoami()), (400, 401));
    let done = set_up(&mut browser, &page, &codes[0], "");
    assert_eq!((done.status, recovery(&done).len(), browser.whoami()), (200, 10, 200), "{}", done.text());
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("boss"));
    // By an organization, from the next login on.
    gate.postern.cli(&["member", "add", "--org", "a", "--user", "lena"]);
    first(&mut Browser::of(&gate), "lena");
    assert_eq!(token(&gate, "lena").code(), "second_factor_required");
    // Nobody comes to the second step without the first, or with a cookie that is not ours.
    let mut browser = Browser::of(&gate);
    assert_eq!(browser.get(CODE).header("location"), Some("/api/v1/users/login/"));
    browser.cookies.insert("postern_code".to_owned(), "A".repeat(80));
    assert_eq!(browser.get(CODE).header("location"), Some("/api/v1/users/login/"));
}

#[test]
fn guesses_of_a_code_are_limited() {
    let gate = gate(", required_for: [staff]");
    let mut browser = Browser::of(&gate);
    first(&mut browser, "boss");
    let page = browser.get(CODE).text();
    let statuses: Vec<u16> = (0..30).map(|_| set_up(&mut browser, &page, "000000", "").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5);
    let answer = set_up(&mut browser, &page, &codes(&page)[1], "");
    assert_eq!((answer.status, browser.whoami()), (429, 401), "not even the right one");
}

/// Whoever has the password is shown a key, and must not know the one that somebody else confirms.
#[test]
fn who_has_seen_a_key_knows_nothing_of_what_is_confirmed() {
    let gate = gate(", required_for: [staff]");
    let (mut thief, mut boss) = (Browser::of(&gate), Browser::of(&gate));
    first(&mut thief, "boss");
    first(&mut boss, "boss");
    let (seen, page) = (thief.get(CODE).text(), boss.get(CODE).text());
    assert_ne!(codes(&seen), codes(&page));
    assert_ne!(codes(&boss.get(CODE).text()), codes(&page), "each form has its own");
    // A form of somebody else's key is none, nor is one that was changed.
    let mut lena = Browser::of(&gate);
    lena.log_in("lena", "s3cret-word");
    let csrf = field(&lena.get(CODE).text(), "csrf").unwrap();
    for offer in [field(&page, "offer").unwrap(), "A".repeat(100), "!".to_owned()] {
        let code = codes(&page).remove(0);
        let form =
            [("csrf", csrf.as_str()), ("offer", offer.as_str()), ("code", code.as_str()), ("password", "s3cret-word")];
        assert_eq!(lena.ask("POST", CODE, Some(&form)).status, 403, "{offer}");
    }
    assert_eq!(set_up(&mut boss, &page, &codes(&page)[0], "").status, 200);
    // Neither the key that was seen is good, nor is another one set up over it.
    assert_eq!((set_up(&mut thief, &seen, &codes(&seen)[0], "").status, thief.whoami()), (400, 401));
    assert_eq!((thief.send(CODE, &[("code", &codes(&seen)[1])]).status, thief.whoami()), (400, 401));
    assert!(!thief.get(CODE).text().contains("<code>"));
    assert_eq!((thief.send(CODE, &[("code", &codes(&page)[1])]).status, thief.whoami()), (303, 200));
}

#[test]
fn a_first_step_ends_with_its_password_and_its_user() {
    let gate = gate(", required_for: [staff]");
    let edit = |change: &str| drop(gate.postern.cli(&["user", "edit", "boss", change]));
    let expire = |last: &str| drop(gate.postern.cli(&["user", "edit", "boss", "--expiration-date", last]));
    let over = |browser: &mut Browser<'_>, page: &str, what: &str| {
        let answer = set_up(browser, page, &codes(page)[0], "");
        assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/users/login/")), "{what}");
        assert_eq!((browser.cookies.contains_key("postern_code"), browser.whoami()), (false, 401), "{what}");
    };
    let mut browser = Browser::of(&gate);
    first(&mut browser, "boss");
    let page = browser.get(CODE).text();
    edit("--active=false");
    over(&mut browser, &page, "inactive");
    edit("--active=true");
    first(&mut browser, "boss");
    let page = browser.get(CODE).text();
    expire("2020-01-01");
    over(&mut browser, &page, "expired");
    expire("");
    first(&mut browser, "boss");
    let page = browser.get(CODE).text();
    gate.postern.cli_with(&["user", "password", "boss", "--password-stdin"], "an0ther-word\n");
    over(&mut browser, &page, "a new password");
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "0");
}

#[test]
fn a_session_of_an_old_password_sets_nothing_up() {
    let gate = gate("");
    gate.postern.sql("UPDATE users SET password_updated = date('now', '-31 days') WHERE username = 'lena'");
    let mut browser = Browser::of(&gate);
    browser.log_in("lena", "s3cret-word");
    assert_eq!(browser.get(CODE).header("location"), Some("/api/v1/users/password/change/"));
}
