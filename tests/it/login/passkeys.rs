//! Passkeys in a real browser with an authenticator of its own: made, used alone and behind a password, copied, replayed, removed.

use super::browser::{Browser, LOGIN, field};
use crate::support::chromium::Chromium;
use crate::support::{Answer, Gate, Options, Postern, Upstream, eventually, free_port};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
";
pub const PASSKEY: &str = "/api/v1/users/login/passkey/";
pub const PASSKEYS: &str = "/api/v1/users/account/passkeys/";
pub const CODE: &str = "/api/v1/users/login/code/";
pub const WORD: &str = "s3cret-word";

/// A gate for a browser, with more keys of `identity`, and of `passkeys`.
pub struct Site {
    pub gate: Gate,
    pub base: String,
}

impl Site {
    pub fn new(identity: &str, passkeys: &str) -> Self {
        let port = free_port();
        Self::at(port, port, identity, passkeys)
    }

    /// One whose passkeys are good for a page at another port.
    fn at(port: u16, origin: u16, identity: &str, passkeys: &str) -> Self {
        let mut options = Options::policy(ROUTES).set("listen", format!("127.0.0.1:{port}"));
        options.config = format!(
            "public_url: http://localhost:{port}\naudit: audit.jsonl\nidentity:\n  api: token\n  session: {{ secure: false }}\n  \
             passwords: {{ memory: 64KiB, passes: 1 }}\n  token: {{ throttle: none }}\n{identity}  \
             passkeys: {{ rp_id: localhost, origins: [\"http://localhost:{origin}\"]{passkeys} }}\n"
        );
        let upstream = Upstream::echo();
        let home = Postern::prepare(Some(upstream.address()), &options);
        std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
        let mut command = Postern::serve(home.path(), &options);
        let gate = Gate { postern: Postern::run(home, &mut command), upstream };
        let site = Self { gate, base: format!("http://localhost:{port}") };
        site.add("lena");
        site
    }

    fn add(&self, name: &str) {
        self.gate.postern.cli_with(&["user", "create", name, "--password-stdin"], &format!("{WORD}\n"));
    }

    pub fn open(&self, browser: &mut Chromium, path: &str) {
        browser.open_page(&format!("{}{path}", self.base));
    }

    /// By their password; `one/lena` where usernames are per organization.
    pub fn log_in(&self, browser: &mut Chromium, name: &str) {
        browser.forget_cookies();
        self.open(browser, LOGIN);
        let (organization, name) = name.split_once('/').unwrap_or(("", name));
        if !organization.is_empty() {
            browser.fill("organization", organization);
        }
        browser.fill("username", name);
        browser.fill("password", WORD);
        browser.click("button[type=submit]");
    }

    /// Somebody logs in with their password, and adds a passkey.
    pub fn enrol(&self, browser: &mut Chromium, name: &str) {
        self.log_in(browser, name);
        self.open(browser, PASSKEYS);
        browser.fill("password", WORD);
        browser.fill("name", "my phone");
        browser.click("button[data-passkey]");
    }

    /// Goes to a page without a session, and from there logs in with a passkey.
    pub fn log_in_alone(&self, browser: &mut Chromium) {
        browser.forget_cookies();
        self.open(browser, "/me/x?a=b");
        assert!(browser.url().contains("/api/v1/users/login/?next="), "{}", browser.url());
        browser.click("a[href*='/login/passkey/']");
        browser.click("button[data-passkey]");
    }

    pub fn is_in(&self, browser: &mut Chromium, name: &str) {
        assert_eq!(browser.url(), format!("{}/me/x?a=b", self.base), "{}", browser.text());
        assert_eq!(self.gate.upstream.last().header("x-postern-user"), Some(name));
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.gate.postern.home().join("audit.jsonl")).unwrap()
    }

    pub fn count(&self, what: &str) -> String {
        self.gate.postern.query(&format!("SELECT count(*) || '' FROM {what}"))
    }
}

/// What the page's script would send, which stays here; and the cookies that go with it.
pub fn capture(browser: &mut Chromium) -> (Vec<(String, String)>, BTreeMap<String, String>) {
    let script = "new Promise(done => { HTMLFormElement.prototype.submit = function () { done(Object.fromEntries(new FormData(this))) }; \
                  document.querySelector('button[data-passkey]').click() })";
    let said = browser.eval(script);
    let fields = said.as_object().unwrap().iter();
    let fields = fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    (fields, browser.cookies())
}

fn send(browser: &mut Browser<'_>, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.ask("POST", PASSKEY, Some(&fields))
}

#[test]
fn a_passkey_logs_in_alone_until_it_is_removed() {
    let site = Site::new("", "");
    let mut browser = Chromium::open();
    let authenticator = browser.authenticator();
    site.enrol(&mut browser, "lena");
    assert!(browser.text().contains("my phone"), "{}", browser.text());
    assert_eq!(site.count("passkeys"), "1");
    site.log_in_alone(&mut browser);
    site.is_in(&mut browser, "lena");
    assert_eq!(
        site.gate.postern.query("SELECT factor FROM sessions ORDER BY created DESC, id DESC LIMIT 1"),
        "passkey"
    );
    // The device asks for its user; without, nobody is logged in.
    let verified = |browser: &mut Chromium, is: bool| {
        browser.call("WebAuthn.setUserVerified", json!({ "authenticatorId": authenticator, "isUserVerified": is }));
    };
    verified(&mut browser, false);
    browser.forget_cookies();
    site.open(&mut browser, PASSKEY);
    browser.eval("document.querySelector('button[data-passkey]').click()");
    eventually("the page says that nothing was shown", || {
        browser.text().contains("has shown no passkey").then_some(())
    });
    verified(&mut browser, true);
    // The same device makes no second one.
    site.log_in(&mut browser, "lena");
    site.open(&mut browser, PASSKEYS);
    browser.fill("password", WORD);
    browser.fill("name", "again");
    browser.eval("document.querySelector('button[data-passkey]').click()");
    eventually("the page says that it has one", || browser.text().contains("of yours already").then_some(()));
    // Neither is one removed without the password.
    browser.fill("password", "another-word");
    browser.click("button[name=remove]");
    assert!(browser.text().contains("This is not your password"), "{}", browser.text());
    assert_eq!(site.count("passkeys"), "1");
    browser.fill("password", WORD);
    browser.click("button[name=remove]");
    assert!(!browser.text().contains("my phone"), "{}", browser.text());
    site.log_in_alone(&mut browser);
    assert!(browser.text().contains("Nobody can log in with this passkey"), "{}", browser.text());
    let audit = site.audit();
    for what in ["passkey.create", "login.passkey", "passkey.delete"] {
        assert_eq!(audit.matches(&format!("\"what\":\"{what}\"")).count(), 1, "{what}: {audit}");
    }
}

#[test]
fn a_copy_an_inactive_user_and_another_page_are_refused() {
    let site = Site::new("", "");
    let mut browser = Chromium::open();
    let authenticator = browser.authenticator();
    site.enrol(&mut browser, "lena");
    for _ in 0..2 {
        site.log_in_alone(&mut browser);
        site.is_in(&mut browser, "lena");
    }
    // A copy that has counted less.
    let by = json!({ "authenticatorId": authenticator });
    let mut credential = browser.call("WebAuthn.getCredentials", by)["credentials"][0].clone();
    assert!(credential["signCount"].as_u64().unwrap() >= 2, "{credential}");
    let id = credential["credentialId"].clone();
    browser.call("WebAuthn.removeCredential", json!({ "authenticatorId": authenticator, "credentialId": id }));
    credential["signCount"] = json!(0);
    browser.call("WebAuthn.addCredential", json!({ "authenticatorId": authenticator, "credential": credential }));
    site.log_in_alone(&mut browser);
    assert!(browser.text().contains("there may be a copy of it"), "{}", browser.text());
    assert!(site.audit().contains("\"what\":\"passkey.regress\""));
    // One that has counted on is good again.
    credential["signCount"] = json!(100);
    browser.call(
        "WebAuthn.removeCredential",
        json!({ "authenticatorId": authenticator, "credentialId": credential["credentialId"] }),
    );
    browser.call("WebAuthn.addCredential", json!({ "authenticatorId": authenticator, "credential": credential }));
    site.log_in_alone(&mut browser);
    site.is_in(&mut browser, "lena");
    site.gate.postern.cli(&["user", "edit", "lena", "--active=false"]);
    site.log_in_alone(&mut browser);
    assert!(browser.text().contains("Nobody can log in with this passkey"), "{}", browser.text());

    let port = free_port();
    let elsewhere = Site::at(port, if port == 65535 { 1 } else { port + 1 }, "", "");
    elsewhere.enrol(&mut browser, "lena");
    assert!(browser.text().contains("This passkey cannot be used here"), "{}", browser.text());
    assert_eq!(elsewhere.count("passkeys"), "0");
}

#[test]
fn of_a_thousand_who_send_one_answer_one_is_logged_in() {
    let site = Site::new("", "");
    let mut chromium = Chromium::open();
    chromium.authenticator();
    site.enrol(&mut chromium, "lena");
    chromium.forget_cookies();
    site.open(&mut chromium, PASSKEY);
    let (fields, cookies) = capture(&mut chromium);
    let thief = |drop: &str| {
        let mut browser = Browser::of(&site.gate);
        browser.cookies = cookies.clone();
        browser.cookies.remove(drop);
        browser
    };
    let changed = |name: &str, value: &str| {
        let mut fields = fields.clone();
        let field = fields.iter_mut().find(|(known, _)| known == name).unwrap();
        value.clone_into(&mut field.1);
        fields
    };
    // Who sees it on its way has neither the cookie nor the form; nor does another page.
    for (what, drop, fields, status) in [
        ("no challenge", "postern_passkey", fields.clone(), 403),
        ("no form", "postern_form", fields.clone(), 403),
        ("another form", "", changed("csrf", "x"), 403),
        ("no signature", "", changed("signature", ""), 400),
        ("no base64", "", changed("signature", "!"), 400),
        ("another credential", "", changed("credential", "AAAA"), 400),
        ("another user", "", changed("user_handle", "AAAAAAAAAAAAAAAAAAAAAA"), 400),
        ("nobody", "", changed("user_handle", ""), 400),
        ("other data", "", changed("authenticator_data", "AAAA"), 400),
        ("other client data", "", changed("client_data", "e30"), 400),
    ] {
        let mut browser = thief(drop);
        let answer = send(&mut browser, &fields);
        assert_eq!((answer.status, browser.whoami()), (status, 401), "{what}: {}", answer.text());
    }
    let mut browser = thief("");
    browser.headers = "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n".to_owned();
    assert_eq!(send(&mut browser, &fields).status, 403);
    let (logged_in, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let answer = send(&mut thief(""), &fields);
                    let has_session = answer.all("set-cookie").iter().any(|set| set.starts_with("postern_session="));
                    assert_eq!(has_session, answer.status == 303, "{}", answer.text());
                    let _ = if has_session { &logged_in } else { &refused }.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((logged_in.into_inner(), refused.into_inner()), (1, 999));
}

#[test]
fn a_passkey_is_the_second_factor_behind_a_password() {
    let site = Site::new("  mfa: { key: { file: key }, required_for: [staff] }\n", ", login: second_factor");
    site.add("boss");
    let mut browser = Chromium::open();
    browser.authenticator();
    site.enrol(&mut browser, "lena");
    assert!(browser.text().contains("my phone"), "{}", browser.text());
    // It does not log in alone.
    browser.forget_cookies();
    site.open(&mut browser, LOGIN);
    assert_eq!(browser.eval("document.querySelector(\"a[href*='/login/passkey/']\")"), Value::Null);
    site.open(&mut browser, PASSKEY);
    assert!(browser.url().ends_with(LOGIN), "{}", browser.url());
    // Nor does the password, and nobody who knows it sets up another factor.
    let mut thief = Browser::of(&site.gate);
    assert_eq!(thief.log_in("lena", WORD).header("location"), Some(CODE));
    assert_eq!((thief.whoami(), thief.get(PASSKEYS).status), (401, 303));
    let page = thief.get(CODE).text();
    assert!(!page.contains("<code>") && !page.contains("name=\"offer\"") && page.contains("Use a passkey"), "{page}");
    let body = json!({ "username": "lena", "password": WORD }).to_string();
    let token = site.gate.send(format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(token.code(), "second_factor_required");
    site.log_in(&mut browser, "lena");
    assert!(browser.url().ends_with(CODE), "{}", browser.url());
    browser.click("a[href*='/login/passkey/']");
    // What lena's device signs behind her password is no answer behind that of somebody else.
    let (fields, cookies) = capture(&mut browser);
    let mut boss = Browser::of(&site.gate);
    assert_eq!(boss.log_in("boss", WORD).status, 303);
    assert_eq!(boss.whoami(), 200);
    for (name, value) in cookies.iter().filter(|(name, _)| *name != "postern_session" && *name != "postern_code") {
        boss.cookies.insert(name.clone(), value.clone());
    }
    assert_eq!(send(&mut boss, &fields).status, 403);
    site.open(&mut browser, PASSKEY);
    browser.click("button[data-passkey]");
    site.open(&mut browser, "/me/x?a=b");
    site.is_in(&mut browser, "lena");
    // Who must have a second factor has one.
    site.gate.postern.cli(&["user", "edit", "lena", "--staff=true"]);
    site.open(&mut browser, "/me/x?a=b");
    site.is_in(&mut browser, "lena");
    // The administrator takes it away.
    site.gate.postern.cli(&["user", "edit", "lena", "--staff=false"]);
    site.gate.postern.cli(&["user", "reset-mfa", "lena"]);
    let mut browser = Browser::of(&site.gate);
    assert_eq!((browser.log_in("lena", WORD).status, browser.whoami()), (303, 200));
    assert_eq!(site.count("passkeys"), "0");
}

#[test]
fn a_passkey_alone_is_two_factors() {
    let site = Site::new("  mfa: { key: { file: key }, required_for: [staff] }\n", "");
    let mut browser = Chromium::open();
    browser.authenticator();
    site.enrol(&mut browser, "lena");
    site.gate.postern.cli(&["user", "edit", "lena", "--staff=true"]);
    site.log_in_alone(&mut browser);
    site.is_in(&mut browser, "lena");
    site.open(&mut browser, PASSKEYS);
    assert!(browser.text().contains("last used"), "{}", browser.text());
}

#[test]
fn pages_run_one_script_of_ours_where_they_need_it() {
    let site = Site::new("", "");
    let mut browser = Browser::of(&site.gate);
    let login = browser.get(LOGIN);
    assert!(!login.header("content-security-policy").unwrap().contains("script-src"));
    assert!(!login.text().contains("<script"));
    let page = browser.get(&format!("{PASSKEY}?next=/me/x"));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|known| known == part), "{part}: {policy}");
    }
    assert_eq!(field(&page.text(), "next").as_deref(), Some("/me/x"));
    let cookie = page.all("set-cookie").into_iter().find(|set| set.starts_with("postern_passkey=")).unwrap();
    assert!(cookie.ends_with("; HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let text = page.text();
    let (_, script) = text.split_once("<script src=\"").unwrap();
    let script = browser.get(script.split('"').next().unwrap());
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert!(script.header("cache-control").unwrap().contains("immutable"));
    // Without scripts the page says what is missing, and everything else works.
    let mut browser = Chromium::open().without_scripts();
    site.open(&mut browser, PASSKEY);
    assert!(browser.text().contains("A passkey needs scripts"), "{}", browser.text());
    site.log_in(&mut browser, "lena");
    site.open(&mut browser, PASSKEYS);
    assert!(browser.text().contains("A passkey needs scripts"), "{}", browser.text());
    let mut nobody = Browser::of(&site.gate);
    assert_eq!(nobody.get(PASSKEYS).header("location").map(|to| to.starts_with(LOGIN)), Some(true));
    assert_eq!(nobody.ask("PUT", PASSKEY, None).status, 405);
}
