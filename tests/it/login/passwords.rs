//! New passwords: for who knows the old one, and by a link in a letter that a real mail server has taken.

use super::browser::{Browser, field};
use super::letters::{Letters, link};
use crate::identity::python;
use crate::support::tls::Authority;
use crate::support::{Answer, Gate, Options, eventually, get_with};
use postern::id::UserId;
use postern::login::reset::{Resets, Subject};
use serde_json::{Value, json};
use std::time::Duration;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
";
pub const CHANGE: &str = "/api/v1/users/user/password/change/";
const RESET: &str = "/api/v1/users/password/reset/";
const CONFIRM: &str = "/api/v1/users/password/reset/confirm/";
const PAGE: &str = "/api/v1/users/password/change/";
const SAID: &str = r#"{"detail":"Password reset e-mail has been sent."}"#;

/// A gate with lena; `top` is more of the configuration, `identity` of that section.
pub fn gate(top: &str, identity: &str) -> Gate {
    gate_with(top, "token: { throttle: none }", identity)
}

pub fn gate_with(top: &str, token: &str, identity: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    let passwords = "passwords: { memory: 64KiB, passes: 1 }";
    options.config =
        format!("{top}identity:\n  api: token\n  session: {{ secure: false }}\n  {passwords}\n  {token}\n{identity}");
    let gate = Gate::with(&options);
    let args = ["user", "create", "lena", "--email", "lena@example.org", "--phone", "+39 366 524 3702"];
    gate.postern.cli_with(&[&args[..], &["--password-stdin"]].concat(), "the old one\n");
    gate
}

pub fn with_letters(letters: &Letters, more: &str) -> Gate {
    let mail = format!("server: \"127.0.0.1:{}\", from: \"Postern <postern@app.example>\"", letters.port);
    let tls = if more.contains("tls:") { "" } else { ", tls: none" };
    gate(&format!("public_url: https://app.example\nmail: {{ {mail}{tls}{more} }}\n"), "")
}

pub fn post(gate: &Gate, path: &str, headers: &str, body: &Value) -> Answer {
    let body = body.to_string();
    gate.send(format!(
        "POST {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

pub fn log_in(gate: &Gate, username: &str, password: &str) -> Option<String> {
    let answer = post(gate, "/api/v1/users/token/", "", &json!({ "username": username, "password": password }));
    (answer.status == 200).then(|| answer.json()["token"].as_str().unwrap().to_owned())
}

pub fn twice(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "new_password1": new, "new_password2": new })
}

#[test]
fn who_knows_the_old_password_chooses_a_new_one_and_other_sessions_end() {
    let gate = gate("", "");
    let token = log_in(&gate, "lena", "the old one").unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut elsewhere = Browser::of(&gate);
    assert_eq!((elsewhere.log_in("lena", "the old one").status, elsewhere.whoami()), (303, 200));
    for (headers, body, status, said) in [
        ("", twice("the old one", "a new one"), 401, "credentials_missing"),
        ("Authorization: Bearer nonsense\r\n", twice("the old one", "a new one"), 401, "credentials_invalid"),
        ("Cookie: postern_session=nonsense\r\n", twice("the old one", "a new one"), 401, "credentials_invalid"),
        (bearer.as_str(), json!({}), 400, "This field is required."),
        (&bearer, twice("guess", "a new one"), 400, "entered incorrectly"),
        (&bearer, twice("the old one ", "a new one"), 400, "entered incorrectly"),
        (&bearer, twice("the old one", "short"), 400, "It must contain at least 8 characters."),
        (&bearer, twice("the old one", "the old one"), 400, "cannot re-use"),
        (&bearer, twice("the old one", &"x".repeat(129)), 400, "no more than 128 characters"),
    ] {
        let answer = post(&gate, CHANGE, headers, &body);
        assert_eq!((answer.status, answer.text().contains(said)), (status, true), "{said}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    assert!(elsewhere.whoami() == 200 && log_in(&gate, "lena", "the old one").is_some(), "nothing has changed");
    let answer = post(&gate, CHANGE, &bearer, &twice("the old one", "a new one"));
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"detail":"New password has been saved."}"#));
    eventually("sessions have ended", || (elsewhere.whoami() == 401).then_some(()));
    assert_eq!(gate.send(get_with(&token, "/me/x")).status, 200, "a token survives");
    assert!(log_in(&gate, "lena", "the old one").is_none() && log_in(&gate, "lena", "a new one").is_some());
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains("the old one") && !log.contains("a new one"));
    let audit = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    assert!(audit.contains(r#""password":"changed""#), "{audit}");
}

#[test]
fn a_session_changes_its_password_with_its_csrf_token_and_goes_on_under_a_new_cookie() {
    let gate = gate("", "");
    let mut browser = Browser::of(&gate);
    browser.log_in("lena", "the old one");
    let cookie = |browser: &Browser<'_>| {
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("Cookie: {}\r\n", cookies.join("; "))
    };
    let body = twice("the old one", "a new one");
    assert_eq!(post(&gate, CHANGE, &cookie(&browser), &body).code(), "csrf_failed");
    let token = format!("X-CSRF-Token: {}\r\n", browser.cookies["postern_csrf"]);
    let foreign = format!("{}{token}Origin: https://evil.example.org\r\n", cookie(&browser));
    assert_eq!(post(&gate, CHANGE, &foreign, &body).code(), "csrf_failed");
    let answer = post(&gate, CHANGE, &format!("{}{token}", cookie(&browser)), &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let old = browser.cookies["postern_session"].clone();
    for set in answer.all("set-cookie") {
        let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
        browser.cookies.insert(name.to_owned(), value.to_owned());
    }
    assert_ne!(browser.cookies["postern_session"], old);
    assert_eq!(browser.whoami(), 200);
    let mut before = Browser::of(&gate);
    before.cookies.insert("postern_session".to_owned(), old);
    eventually("the old cookie is good for nothing", || (before.whoami() == 401).then_some(()));
}

#[test]
fn a_user_has_a_limit_of_their_own_wherever_they_are() {
    let mut options = Options::policy(ROUTES);
    options.config = "identity: { api: token, session: { secure: false }, passwords: { memory: 64KiB, passes: 1 }, token: { throttle: 3/day } }\n".to_owned();
    let gate = Gate::with(&options);
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "the old one\n");
    let token = log_in(&gate, "lena", "the old one").unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    // Whoever is nobody is not counted.
    for _ in 0..5 {
        assert_eq!(post(&gate, CHANGE, "", &json!({})).status, 401);
    }
    for _ in 0..3 {
        assert_eq!(post(&gate, CHANGE, &bearer, &json!({})).status, 400);
    }
    let answer = post(&gate, CHANGE, &bearer, &json!({}));
    let told = answer.header("ratelimit").unwrap().to_owned();
    assert!(answer.code() == "throttled" && told.starts_with("\"user\";r=0"), "{told}");
    // The address still has two of its three.
    for status in [200, 400, 429] {
        let path = if status == 400 { CONFIRM } else { RESET };
        assert_eq!(post(&gate, path, "", &json!({ "input": "lena" })).status, status);
    }
    // It is told in the background.
    let log = eventually("the log says that no letters are sent", || {
        Some(gate.postern.stderr().join("\n")).filter(|log| log.contains("no letters are sent"))
    });
    assert_eq!(log.matches("no letters are sent").count(), 1, "{log}");
}

#[test]
fn a_letter_s_link_gives_a_new_password_once_however_its_owner_names_themselves() {
    let letters = Letters::serve(&json!({}));
    let gate = with_letters(&letters, "");
    let mut password = "the old one".to_owned();
    for (at, input) in ["lena", "LENA@example.org", " +39 366.524.3702 "].into_iter().enumerate() {
        let answer = post(&gate, RESET, "", &json!({ "input": input }));
        assert_eq!((answer.status, answer.text().as_str()), (200, SAID));
        let letter = letters.next();
        assert_eq!(letter["to"], json!(["lena@example.org"]));
        assert_eq!(letter["headers"]["From"], "Postern <postern@app.example>");
        assert_eq!(letter["headers"]["Subject"], "Password reset on app.example");
        assert_eq!(letter["headers"]["Auto-Submitted"], "auto-generated");
        assert!(letter["text"].as_str().unwrap().contains("Your username there: lena"), "{letter}");
        let (link, uid, token) = link(&letter);
        assert!(link.starts_with("https://app.example/api/v1/users/password/reset/key/"), "{link}");
        assert!(letter["html"].as_str().unwrap().contains(&link.replace('/', "&#x2f;")), "{letter}");
        let new = format!("new password {at}");
        let body = json!({ "uid": uid, "token": token, "new_password1": new, "new_password2": new });
        // Many at once use it once.
        let done: Vec<Answer> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| post(&gate, CONFIRM, "", &body))).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let mut statuses: Vec<u16> = done.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400, 400]);
        assert!(log_in(&gate, "lena", &password).is_none() && log_in(&gate, "lena", &new).is_some());
        password = new;
        assert_eq!(post(&gate, CONFIRM, "", &body).text(), r#"{"token":["Invalid value"]}"#);
        let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
        assert!(!log.contains(&token) && !log.contains(&password));
    }
    assert!((gate.postern.metric("postern_mails_sent_total") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn who_is_nobody_inactive_or_without_a_password_gets_no_letter_and_the_same_answer() {
    let letters = Letters::serve(&json!({}));
    let gate = with_letters(&letters, "");
    gate.postern.cli(&["user", "create", "no-password", "--email", "a@example.org"]);
    gate.postern.cli_with(&["user", "create", "no-address", "--password-stdin"], "s3cret-word\n");
    gate.postern.cli_with(&["user", "create", "left", "--email", "b@example.org", "--password-stdin"], "s3cret-word\n");
    gate.postern.cli(&["user", "edit", "left", "--active=false"]);
    let computed = gate.postern.metric("postern_password_computations");
    for input in ["nobody", "no-password", "a@example.org", "no-address", "left", "b@example.org", &"x".repeat(10_000)]
    {
        let answer = post(&gate, RESET, "Authorization: Bearer whatever\r\n", &json!({ "input": input }));
        assert_eq!((answer.status, answer.text().as_str()), (200, SAID), "{input}");
    }
    assert_eq!(post(&gate, RESET, "", &json!({})).text(), r#"{"input":["This field is required."]}"#);
    assert!(letters.is_quiet());
    assert!((gate.postern.metric("postern_password_computations") - computed).abs() < f64::EPSILON);
    // Somebody who is asked for all the time is written to a few times.
    for _ in 0..9 {
        post(&gate, RESET, "", &json!({ "input": "lena" }));
    }
    for _ in 0..5 {
        letters.next();
    }
    assert!(letters.is_quiet());
    eventually("the others are counted", || {
        ((gate.postern.metric("postern_mails_dropped_total") - 4.0).abs() < f64::EPSILON).then_some(())
    });
}

#[test]
fn a_letter_is_in_the_language_of_its_user_and_by_the_installation_s_own_template() {
    let letters = Letters::serve(&json!({}));
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("password_reset.de.txt"), "Neues Kennwort\n\nHier: {{ link }}\n").unwrap();
    let gate = with_letters(&letters, &format!(", templates: {}", folder.path().display()));
    for (language, subject) in [
        ("it", "Nuova password per app.example"),
        ("es", "Nueva contraseña para app.example"),
        ("de", "Neues Kennwort"),
        ("en-gb", "Password reset on app.example"),
    ] {
        gate.postern.cli(&["user", "edit", "lena", "--language", language]);
        post(&gate, RESET, "", &json!({ "input": "lena" }));
        let letter = letters.next();
        assert_eq!(letter["headers"]["Subject"], subject);
        assert!(link(&letter).0.starts_with("https://app.example/api/v1/users/password/reset/key/"));
    }
    std::fs::write(folder.path().join("password_reset.de.txt"), "Neues Kennwort\n\n{{ lnik }}\n").unwrap();
    let refused = gate.postern.try_cli(&["job", "run", "password-reminder"]).unwrap_err();
    assert!(refused.contains("password_reset.de.txt:3"), "{refused}");
}

#[test]
fn letters_go_through_tls_with_a_password_and_are_tried_again() {
    let authority = Authority::new();
    authority.sign("mail", &["localhost"]);
    let files = |name: &str| authority.file(name).display().to_string();
    let letters = Letters::serve(&json!({
        "cert": files("mail.crt"), "key": files("mail.key"), "user": "postern", "password": "s3cret-word of mail", "fail": 1,
    }));
    let secret = authority.file("password");
    std::fs::write(&secret, "the one before\n").unwrap();
    let more = format!("ca: {}, user: postern, password: {{ file: {} }}", files("ca.pem"), secret.display());
    let config = |tls: &str| {
        format!(
            "public_url: https://app.example\nmail: {{ server: \"localhost:{}\", from: postern@app.example, tls: {tls}, {more} }}\n",
            letters.port
        )
    };
    let good = gate(&config("starttls"), "");
    // It is read for each letter.
    std::fs::write(&secret, "s3cret-word of mail\n").unwrap();
    post(&good, RESET, "", &json!({ "input": "lena" }));
    let letter = letters.next();
    assert_eq!((&letter["tls"], &letter["helo"]), (&json!(true), &json!("app.example")));
    // What is not protected as it must be gets nothing, and nothing is told.
    let bad = gate(&config("tls"), "");
    post(&bad, RESET, "", &json!({ "input": "lena" }));
    assert!(letters.is_quiet());
    let waiting = |gate: &Gate| gate.postern.metric("postern_mails_waiting");
    eventually("none waits where it was sent", || (waiting(&good) < 1.0).then_some(()));
    assert!((waiting(&bad) - 1.0).abs() < f64::EPSILON, "it is tried again");
    let log = format!("{:?}{:?}", good.postern.stderr(), bad.postern.stderr());
    assert!(!log.contains("s3cret-word") && !log.contains("lena@") && !log.contains(&link(&letter).2), "{log}");
}

#[test]
fn a_letter_that_is_refused_for_good_is_given_up_and_told_without_its_address() {
    let letters = Letters::serve(&json!({ "refuse": true }));
    let gate = with_letters(&letters, "");
    assert_eq!(post(&gate, RESET, "", &json!({ "input": "lena" })).text(), SAID);
    eventually("it is given up", || (gate.postern.metric("postern_mails_failed_total") > 0.0).then_some(()));
    let log = || gate.postern.stderr().join("\n");
    eventually("it is told", || log().contains("could not be sent").then_some(()));
    let log = log();
    assert!(log.contains("could not be sent") && log.contains("550") && !log.contains("lena"), "{log}");
}

#[test]
fn the_page_of_a_link_takes_a_password_twice_and_shows_its_address_to_nobody() {
    let letters = Letters::serve(&json!({}));
    let gate = with_letters(&letters, "");
    post(&gate, RESET, "", &json!({ "input": "lena" }));
    let (link, _, token) = link(&letters.next());
    let path = link.strip_prefix("https://app.example").unwrap().to_owned();
    let mut browser = Browser::of(&gate);
    // That is what browsers say where there is no referrer.
    browser.headers = "Origin: null\r\n".to_owned();
    let page = browser.get(&path);
    assert_eq!((page.status, page.header("referrer-policy")), (200, Some("no-referrer")));
    assert_eq!(browser.get(&path.replacen("reset/key", "res%65t/%6Bey", 1)).status, 200);
    assert_eq!((page.header("cache-control"), page.header("x-frame-options")), (Some("no-store"), Some("DENY")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let text = page.text();
    assert!(text.contains("value=\"lena\"") && !text.contains("<script") && !text.contains("old_password"), "{text}");
    for (one, two, status, said) in [
        ("short", "short", 400, "8 characters"),
        ("a new one", "another new one", 400, "match"),
        ("the old one", "the old one", 400, "cannot re-use"),
        ("", "", 400, "Fill in"),
    ] {
        let answer = browser.send(&path, &[("new_password1", one), ("new_password2", two)]);
        assert_eq!((answer.status, answer.text().contains(said)), (status, true), "{}", answer.text());
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    let fields = [("new_password1", "a new one"), ("new_password2", "a new one")];
    // A form of somebody else: without our cookie, from elsewhere.
    assert_eq!(Browser::of(&gate).ask("POST", &path, Some(&[&fields[..], &[("csrf", "x")]].concat())).status, 403);
    let mut foreign = Browser::of(&gate);
    foreign.headers = "Origin: https://evil.example\r\n".to_owned();
    assert_eq!(foreign.send(&path, &fields).status, 403);
    let answer = browser.send(&path, &fields);
    assert_eq!((answer.status, answer.text().contains("Your password has been changed")), (200, true));
    assert!(log_in(&gate, "lena", "a new one").is_some());
    let gone = browser.get(&path);
    assert_eq!((gone.status, gone.text().contains("This link is not good")), (404, true));
    assert_eq!(gone.header("referrer-policy"), Some("no-referrer"));
    for bad in ["x", "x-y", &format!("{}-{token}", "0".repeat(32))] {
        assert_eq!(browser.get(&format!("/api/v1/users/password/reset/key/{bad}/")).status, 404, "{bad}");
    }
    assert_eq!(browser.ask("PUT", &path, None).header("allow"), Some("GET, HEAD, POST"));
    eventually("access lines are written", || {
        gate.postern.stdout().iter().any(|line| line.contains("/reset/key/...")).then_some(())
    });
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token), "{log}");
}

#[test]
fn a_link_under_a_prefix_of_one_s_own_leads_to_a_form_there() {
    let letters = Letters::serve(&json!({}));
    let mail = format!("{{ server: \"127.0.0.1:{}\", from: postern@app.example, tls: none }}", letters.port);
    let gate = gate(&format!("public_url: https://app.example\nmail: {mail}\n"), "  prefix: /auth\n");
    post(&gate, "/auth/password/reset/", "", &json!({ "input": "lena" }));
    let (link, ..) = link(&letters.next());
    let path = link.strip_prefix("https://app.example").unwrap();
    let mut browser = Browser::of(&gate);
    let text = browser.get(path).text().replace("&#x2f;", "/");
    assert!(path.starts_with("/auth/password/reset/key/") && text.contains(&format!("action=\"{path}\"")), "{text}");
}

#[test]
fn a_page_asks_for_a_letter_and_says_the_same_whoever_is_meant() {
    let (letters, without) = (Letters::serve(&json!({})), gate("", ""));
    let gate = with_letters(&letters, "");
    let page = "/api/v1/users/password/forgotten/";
    let mut browser = Browser::of(&gate);
    assert!(browser.get(super::browser::LOGIN).text().contains(page));
    let said = ["lena", "nobody"].map(|input| {
        let answer = browser.send(page, &[("input", input)]);
        assert_eq!(answer.status, 200);
        answer.text()
    });
    assert!(said[0] == said[1] && said[0].contains("Look into your mailbox"), "{said:?}");
    assert_eq!(letters.next()["to"], json!(["lena@example.org"]));
    assert!(letters.is_quiet());
    assert_eq!(browser.send(page, &[("input", " ")]).status, 400);
    assert_eq!(browser.ask("POST", page, Some(&[("input", "lena")])).status, 403, "no form of ours");
    assert_eq!(browser.ask("PUT", page, None).header("allow"), Some("GET, HEAD, POST"));
    assert_eq!(Browser::of(&without).get(page).status, 404);
    assert!(!Browser::of(&without).get(super::browser::LOGIN).text().contains(page));
}

#[test]
fn the_page_for_who_is_logged_in_changes_their_password() {
    let gate = gate("", "");
    let mut browser = Browser::of(&gate);
    let away = browser.get(PAGE);
    assert_eq!((away.status, away.header("location").unwrap().contains("/login/?next=")), (303, true));
    browser.log_in("lena", "the old one");
    assert!(browser.get(super::browser::LOGIN).text().contains(PAGE));
    let page = browser.get(&format!("{PAGE}?next=/me/first"));
    assert_eq!((page.status, field(&page.text(), "next").as_deref()), (200, Some("/me/first")));
    let form =
        |old: &'static str, new: &'static str| [("old_password", old), ("new_password1", new), ("new_password2", new)];
    assert_eq!(browser.ask("POST", PAGE, Some(&form("the old one", "a new one"))).status, 403, "no form of ours");
    let answer = browser.send(PAGE, &form("guess", "a new one"));
    assert_eq!((answer.status, answer.text().contains("entered incorrectly")), (400, true));
    let answer = browser.send(&format!("{PAGE}?next=/me/first"), &form("the old one", "a new one"));
    assert_eq!((answer.status, answer.header("location")), (303, Some("/me/first")));
    assert_eq!(browser.whoami(), 200);
    assert!(log_in(&gate, "lena", "a new one").is_some() && log_in(&gate, "lena", "the old one").is_none());
    assert_eq!(browser.ask("PUT", PAGE, None).header("allow"), Some("GET, HEAD, POST"));
}

/// Whoever goes back to Django, or runs it beside, takes our links too.
#[test]
fn the_real_django_takes_our_tokens_and_we_take_its() {
    let id = "5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f";
    let user = UserId(id.parse().unwrap());
    let now = postern::clock::unix_seconds();
    let lifetime = Duration::from_secs(3600);
    let ours = Resets::new(&["current \u{e9}".into(), "old".into()], lifetime);
    let old = Resets::new(&["old".into()], lifetime);
    for (email, emails, last_login) in [
        ("Ann@Example.org", vec![], None),
        ("ann@example.org", vec!["zoe@example.org", "ann@example.org", "\u{e9}@example.org"], Some(0)),
        ("", vec!["b@example.org", "B@example.org"], Some(1_735_689_599_123_456)),
        ("", vec![], Some(-1_000_001)),
    ] {
        let addresses: Vec<String> = emails.iter().map(|email| (*email).to_owned()).collect();
        let password = "pbkdf2_sha256$1$salt$hash=";
        let subject = Subject { user, password, last_login, email, emails: &addresses };
        let at = last_login.map(postern::identity::sesame::isoformat);
        let person = json!({ "id": id, "password": password, "email": email, "last_login": at, "emails": emails });
        let judge = [
            ours.make(subject, now).unwrap(),
            old.make(subject, now).unwrap(),
            ours.make(subject, now - 4 * 86_400).unwrap(),
            ours.make(Subject { email: "x@example.org", ..subject }, now).unwrap(),
        ];
        let settings = json!({ "SECRET_KEY": "current \u{e9}", "SECRET_KEY_FALLBACKS": ["old"] });
        let asked = json!({ "settings": settings, "user": person, "make": 1, "judge": judge });
        let told = python("reset_tokens.py", &asked);
        assert_eq!(told["judged"], json!([true, true, false, false]), "{email} {emails:?} {last_login:?}");
        assert!(ours.is_good(told["made"][0].as_str().unwrap(), subject, now));
        assert_eq!(told["uid"], json!(user.0.simple().to_string()));
    }
}
