//! The whole page of one's own account in a real browser, with scripts and without, before a real server of letters.

use super::browser::{Browser, LOGIN};
use super::letters::{Letters, link};
use super::second_factor::{CODE, codes};
use crate::support::chromium::Chromium;
use crate::support::{Gate, Options, Postern, Upstream, free_port};
use serde_json::json;

const ROUTES: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, session]\nroutes:\n  /me/**: authenticated\n";
const ACCOUNT: &str = "/api/v1/users/account/";
const WORD: &str = "s3cret-word";

/// What somebody does with their account, from the first login to the last.
fn journey(mut browser: Chromium) {
    let (letters, port) = (Letters::serve(&json!({})), free_port());
    let mut options = Options::policy(ROUTES).set("listen", format!("127.0.0.1:{port}"));
    options.config = format!(
        "public_url: http://localhost:{port}\nmail: {{ server: \"127.0.0.1:{}\", from: id@app.example, tls: none }}\n\
         identity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  \
         token: {{ throttle: none }}\n  mfa: {{ key: {{ file: key }} }}\n",
        letters.port
    );
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], &format!("{WORD}\n"));
    let at = |path: &str| format!("http://localhost:{port}{path}");
    let press = |browser: &mut Chromium, button: &str| browser.click(&format!("button[value={button}]"));
    let log_in = |browser: &mut Chromium, password: &str| {
        browser.open_page(&at(&format!("{LOGIN}?next={ACCOUNT}")));
        browser.fill("username", "lena");
        browser.fill("password", password);
        browser.click("button[type=submit]");
    };
    log_in(&mut browser, WORD);
    assert_eq!(browser.url(), at(ACCOUNT), "{}", browser.text());

    // The profile, and the phone number in it: what is wrong stands beside it, and what was typed stays.
    browser.fill("first_name", "Lena");
    browser.fill("phone_number", "366");
    press(&mut browser, "profile");
    assert!(browser.text().contains("The phone number entered is not valid."), "{}", browser.text());
    assert_eq!(browser.eval("document.querySelector('[name=phone_number][aria-invalid]').value"), "366");
    browser.fill("phone_number", "+39 366 524 3702");
    press(&mut browser, "profile");
    for (name, value) in [("first_name", "Lena"), ("phone_number", "+393665243702")] {
        assert_eq!(browser.eval(&format!("document.querySelector('[name={name}]').value")), value);
    }

    // Two addresses, each shown to be hers by its letter; the second one is asked for again.
    let confirm = |browser: &mut Chromium, address: &str| {
        let letter = letters.next();
        assert_eq!(letter["to"], json!([address]));
        browser.open_page(&link(&letter).0);
        browser.click("button[type=submit]");
        assert!(browser.text().contains("is confirmed"), "{}", browser.text());
        browser.open_page(&at(ACCOUNT));
    };
    for (address, again) in [("lena@example.org", false), ("lena@example.com", true)] {
        browser.fill("email", address);
        press(&mut browser, "add-email");
        assert!(browser.text().contains(&format!("{address} (not confirmed)")), "{}", browser.text());
        if again {
            letters.next();
            press(&mut browser, "confirm-email");
        }
        confirm(&mut browser, address);
    }
    press(&mut browser, "prefer-email");
    assert!(browser.text().contains("lena@example.org (confirmed, primary)"), "{}", browser.text());
    let id = gate.postern.query("SELECT id || '' FROM email_addresses WHERE email = 'lena@example.org'");
    let remove = format!("form:has(#password-{id}) button[value=remove-email]");
    browser.click(&remove);
    assert!(browser.text().contains("This is not your password."), "{}", browser.text());
    browser.eval(&format!("document.querySelector('#password-{id}').value = '{WORD}'"));
    browser.click(&remove);
    let shown = browser.text();
    assert!(!shown.contains("lena@example.org") && shown.contains("lena@example.com (confirmed)"), "{shown}");

    // Sessions, and a token.
    let mut elsewhere = Browser::of(&gate);
    assert_eq!((elsewhere.log_in("+39 366 5243702", WORD).status, elsewhere.whoami()), (303, 200));
    browser.open_page(&at(ACCOUNT));
    press(&mut browser, "end-others");
    assert_eq!((elsewhere.whoami(), browser.text().matches("(this one)").count()), (401, 1));
    browser.fill("name", "reports");
    press(&mut browser, "token");
    let token = browser.eval("document.querySelector('#token').textContent");
    let token = token.as_str().unwrap();
    let uses = || gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).status;
    assert_eq!(uses(), 200);
    press(&mut browser, "revoke");
    assert!(!browser.text().contains("reports") && uses() == 401, "{}", browser.text());

    // A second factor, which is asked for from then on.
    browser.click("a[href$='/login/code/']");
    let secret = browser.eval("document.querySelector('code').textContent");
    let code = codes(&format!("<code>{}</code>", secret.as_str().unwrap())).remove(0);
    browser.fill("password", WORD);
    browser.fill("code", &code);
    browser.click("button[type=submit]");
    let recovery = browser.eval("document.querySelector('li code').textContent");
    browser.open_page(&at(ACCOUNT));
    assert!(browser.text().contains("second factor shown"), "{}", browser.text());

    // Another password, and what it is good for.
    browser.click("a[href$='/password/change/']");
    for (name, value) in [("old_password", WORD), ("new_password1", "another-w0rd"), ("new_password2", "another-w0rd")]
    {
        browser.fill(name, value);
    }
    browser.click("button[type=submit]");
    browser.open_page(&at(ACCOUNT));
    assert!(browser.text().contains("You are logged in as lena."), "{}", browser.text());
    browser.forget_cookies();
    log_in(&mut browser, WORD);
    assert!(browser.text().contains("Nobody can log in with this"), "{}", browser.text());
    log_in(&mut browser, "another-w0rd");
    assert_eq!(browser.url(), at(CODE), "{}", browser.text());
    browser.fill("code", recovery.as_str().unwrap());
    browser.click("button[type=submit]");
    assert_eq!(browser.url(), at(ACCOUNT), "{}", browser.text());
}

#[test]
fn people_keep_their_account_with_scripts() {
    journey(Chromium::open());
}

#[test]
fn people_keep_their_account_without_scripts() {
    journey(Chromium::open().without_scripts());
}
