//! Who sets a factor up besides: a session that is somebody else's at this screen, or a copied cookie, must not get its own.

use super::browser::Browser;
use super::letters::{Letters, link};
use super::passkeys::{CODE, PASSKEY, PASSKEYS, Site, WORD};
use super::passwords::{gate_with, post};
use super::second_factor::{codes, gate, recovery, set_up};
use crate::support::chromium::Chromium;
use serde_json::json;

const MFA: &str = "  mfa: { key: { file: key } }\n";

fn shown_at(site: &Site) -> String {
    site.gate.postern.query("SELECT factor_at || '' FROM sessions ORDER BY created DESC, id DESC LIMIT 1")
}

#[test]
fn another_factor_takes_one_that_was_shown_lately_and_proves_nothing() {
    let site = Site::new(MFA, "");
    let mut browser = Chromium::open();
    browser.authenticator();
    site.enrol(&mut browser, "lena");
    assert!(browser.text().contains("my phone"), "{}", browser.text());
    // Shown a while ago: neither page lets them change anything, or shows what a change needs.
    site.gate.postern.sql("UPDATE sessions SET factor_at = factor_at - 601");
    let mut thief = Browser::of(&site.gate);
    thief.cookies = browser.cookies();
    let to_code = "/api/v1/users/login/code/?next=%2Fapi%2Fv1%2Fusers%2F";
    for page in [PASSKEYS, CODE] {
        let led = thief.get(page);
        let to = led.header("location").unwrap_or_default().to_owned();
        assert!(led.status == 303 && to.starts_with(to_code), "{page}: {to}");
        assert!(!thief.get(&to).text().contains("name=\"offer\""));
    }
    let removal = [("csrf", "x"), ("password", WORD), ("remove", "x")];
    assert_eq!(thief.ask("POST", PASSKEYS, Some(&removal)).status, 303);
    assert_eq!(site.count("passkeys"), "1");
    // The owner shows the passkey, and comes back.
    site.open(&mut browser, PASSKEYS);
    browser.click("a[href*='/login/passkey/']");
    browser.click("button[data-passkey]");
    assert!(browser.url().ends_with(PASSKEYS) && browser.text().contains("my phone"), "{}", browser.text());
    // What is set up then is no proof of its own.
    site.gate.postern.sql("UPDATE sessions SET factor_at = factor_at - 300");
    let before = shown_at(&site);
    let mut lena = Browser::of(&site.gate);
    lena.cookies = browser.cookies();
    let page = lena.get(CODE).text();
    let done = set_up(&mut lena, &page, &codes(&page)[0], WORD);
    assert_eq!((done.status, recovery(&done).len(), lena.whoami()), (200, 10, 200), "{}", done.text());
    assert_eq!(shown_at(&site), before);
}

/// Whoever knows the password guesses codes; the owner shows their passkey all the same.
#[test]
fn who_guesses_codes_locks_nobody_out_of_their_passkey() {
    let site = Site::new(MFA, ", login: second_factor");
    let mut browser = Chromium::open();
    // A security key without a PIN.
    browser.call("WebAuthn.enable", json!({}));
    let options = json!({ "protocol": "ctap2", "transport": "usb", "automaticPresenceSimulation": true });
    browser.call("WebAuthn.addVirtualAuthenticator", json!({ "options": options }));
    site.enrol(&mut browser, "lena");
    let mut thief = Browser::of(&site.gate);
    thief.log_in("lena", WORD);
    let statuses: Vec<_> = (0..7).map(|_| thief.send(CODE, &[("code", "000000")]).status).collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    // Behind a password a touch is enough.
    site.log_in(&mut browser, "lena");
    site.open(&mut browser, PASSKEY);
    browser.click("button[data-passkey]");
    site.open(&mut browser, "/me/x?a=b");
    site.is_in(&mut browser, "lena");
    // Behind anything else the device verifies its user: it is asked to, and not believed without.
    site.gate.postern.sql("UPDATE sessions SET by_password = 0");
    site.open(&mut browser, &format!("{PASSKEY}?next=/me/x"));
    let change = "(() => { const all = navigator.credentials, get = all.get.bind(all); \
                  all.get = (asked) => get({ publicKey: { ...asked.publicKey, userVerification: 'preferred' } }); \
                  return document.querySelector('[data-options]').dataset.options.includes('\"userVerification\":\"required\"') })()";
    assert_eq!(browser.eval(change), true);
    browser.click("button[data-passkey]");
    assert!(browser.text().contains("Nobody can log in with this passkey"), "{}", browser.text());
}

#[test]
fn without_a_password_an_app_takes_a_recent_login_and_no_link_alone() {
    let gate = gate(", required_for: [staff]");
    for (name, more) in [("mia", &[][..]), ("kim", &["--staff"])] {
        gate.postern.cli(&[&["user", "create", name], more].concat());
    }
    let by_link = |name: &str| {
        let token = gate.postern.cli(&["sesame", "mint", "--user", name]).trim().to_owned();
        let mut browser = Browser::of(&gate);
        assert_eq!(browser.get(&format!("/me/x?sesame={token}")).header("location"), Some("/me/x"));
        browser
    };
    let mut mia = by_link("mia");
    let page = mia.get(CODE).text();
    let code = codes(&page).remove(0);
    gate.postern.sql("UPDATE sessions SET created = created - 601");
    let refused = set_up(&mut mia, &page, &code, "");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("You logged in too long ago") && refused.text().contains("Log out"));
    gate.postern.sql("UPDATE sessions SET created = created + 601");
    assert_eq!((set_up(&mut mia, &page, &code, "").status, mia.whoami()), (200, 200));
    // Who must have one, and comes by a link alone, sets none up.
    let mut kim = by_link("kim");
    let refused = kim.get(CODE);
    assert_eq!((refused.status, kim.whoami()), (403, 401));
    assert!(refused.text().contains("with a login link alone") && !refused.text().contains("name=\"offer\""));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "1");
}

/// What a thief has set up is told: by a letter at once, and when the owner has chosen a new password.
#[test]
fn what_is_set_up_is_told_by_letter_and_behind_a_new_password() {
    let letters = Letters::serve(&json!({}));
    let top = format!(
        "public_url: https://app.example\nmail: {{ server: \"127.0.0.1:{}\", from: \"Postern <postern@app.example>\", tls: none }}\n",
        letters.port
    );
    let mfa = "  mfa: { key: \"0123456789abcdef0123456789abcdef\" }\n";
    let gate = gate_with(&top, "token: { throttle: none }", mfa);
    let mut lena = Browser::of(&gate);
    assert_eq!(lena.log_in("lena", "the old one").status, 303);
    let page = lena.get(CODE).text();
    let done = set_up(&mut lena, &page, &codes(&page)[0], "the old one");
    assert_eq!(done.status, 200, "{}", done.text());
    let told = |what: &str| {
        let letter = letters.next();
        assert_eq!(letter["headers"]["Subject"], "What you log in with on app.example has changed", "{what}");
        assert!(letter["text"].as_str().unwrap().contains("https://app.example/api/v1/users/account/"), "{letter}");
    };
    told("set up");
    post(&gate, "/api/v1/users/password/reset/", "", &json!({ "input": "lena" }));
    let (link, ..) = link(&letters.next());
    let mut browser = Browser::of(&gate);
    let passwords = [("new_password1", "a new one 1"), ("new_password2", "a new one 1")];
    let changed = browser.send(link.strip_prefix("https://app.example").unwrap(), &passwords);
    let text = changed.text();
    assert!(changed.status == 200 && text.contains("You still log in with what is set up besides"), "{text}");
    assert!(text.contains("Authenticator app") && !text.contains("Passkeys"), "{text}");
    // Its end is told too.
    let mut lena = Browser::of(&gate);
    lena.log_in("lena", "a new one 1");
    let recoveries = recovery(&done);
    assert_eq!(lena.send(CODE, &[("code", &recoveries[0])]).status, 303);
    assert_eq!(lena.send(CODE, &[("do", "end"), ("code", &recoveries[1])]).status, 303);
    told("ended");
}
