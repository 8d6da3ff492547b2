//! A second factor behind a provider: whoever comes back from there has done the first step, and has no session before the second.

use super::{Provider, gate, gate_by_links, log_in};
use crate::login::browser::Browser;
use crate::login::second_factor::{CODE, codes, recovery, set_up};
use crate::support::eventually;
use serde_json::json;
use std::process::Command;

#[test]
fn who_comes_from_a_provider_shows_a_second_factor_too() {
    let liar = Provider::liar();
    liar.lie(&json!({ "claims": { "sub": "7" } }));
    let mfa = "  mfa: { key: \"0123456789abcdef0123456789abcdef\", required_for: [staff] }\n";
    let gate = gate(&liar, &[], mfa);
    gate.postern.cli(&["user", "create", "anna", "--staff"]);
    gate.postern.cli(&["user", "bind", "anna", "--issuer", &liar.issuer(), "--subject", "7"]);
    let first = |browser: &mut Browser<'_>| {
        let answer = log_in(browser, &liar);
        assert_eq!((answer.status, answer.header("location")), (303, Some(CODE)));
        assert!(answer.all("set-cookie").iter().all(|cookie| !cookie.starts_with("postern_session")));
        assert_eq!(browser.whoami(), 401);
    };
    let mut browser = Browser::of(&gate);
    first(&mut browser);
    // She has no password that could be asked for.
    let page = browser.get(CODE).text();
    assert!(!page.contains("name=\"password\""), "{page}");
    let done = set_up(&mut browser, &page, &codes(&page)[0], "");
    assert_eq!((done.status, browser.whoami()), (200, 200), "{}", done.text());
    assert!(done.text().contains("me") && gate.upstream.last().header("x-postern-user") == Some("anna"));
    // The next login asks for a code, which leads to where she wanted to.
    let mut browser = Browser::of(&gate);
    first(&mut browser);
    assert_eq!((browser.send(CODE, &[("code", "000000")]).status, browser.whoami()), (400, 401));
    let shown = browser.send(CODE, &[("code", &recovery(&done)[0])]);
    assert_eq!((shown.status, shown.header("location"), browser.whoami()), (303, Some("/me/x"), 200));
    assert_eq!(gate.postern.query("SELECT group_concat(DISTINCT by_password) FROM sessions"), "0");
}

/// A session that began without a password may be somebody else's: a login at a provider that knows its user shows that it is them.
#[test]
fn who_has_a_session_and_must_have_a_second_factor_sets_it_up_behind_their_provider() {
    let liar = Provider::liar();
    liar.lie(&json!({ "claims": { "sub": "7" } }));
    let identity = "  mfa: { key: \"0123456789abcdef0123456789abcdef\", required_for: [staff] }\n  \
                    sesame: { key: { file: key }, query: { name: sesame, exchange: true } }\n";
    let gate = gate_by_links(&liar, identity);
    for name in ["anna", "otto"] {
        gate.postern.cli(&["user", "create", name]);
    }
    gate.postern.cli(&["user", "bind", "anna", "--issuer", &liar.issuer(), "--subject", "7"]);
    let by_link = |name: &str| {
        let token = gate.postern.cli(&["sesame", "mint", "--user", name]).trim().to_owned();
        let mut browser = Browser::of(&gate);
        let begun = browser.get(&format!("/me/x?sesame={token}"));
        assert_eq!((begun.status, browser.whoami()), (303, 200), "{}", begun.text());
        browser
    };
    let (mut by_provider, mut linked, mut otto) = (Browser::of(&gate), by_link("anna"), by_link("otto"));
    assert_eq!((log_in(&mut by_provider, &liar).status, by_provider.whoami()), (303, 200));
    for name in ["anna", "otto"] {
        gate.postern.cli(&["user", "edit", name, "--staff=true"]);
    }
    let mut ways = [("by a link", &mut linked), ("at the provider", &mut by_provider)].map(|(what, browser)| {
        eventually(what, || browser.get("/me/x").refuses("second_factor_missing").then_some(()));
        let page = browser.get(&format!("{CODE}?next=/me/x?a=b"));
        let text = page.text();
        assert!(page.status == 403 && !text.contains("name=\"offer\""), "{what}: {text}");
        let to = text.split("<a href=\"").find(|part| part.contains("login/with/liar")).expect("a way to the provider");
        let to = to.split('"').next().unwrap().replace("&#x2f;", "/").replace("&#38;", "&");
        assert!(text.contains("Log in once more") && to.contains("next="), "{what}: {text}");
        // Neither the form of a page of theirs nor a made up one sets anything up before.
        let made_up = [("csrf", "x"), ("offer", "x"), ("code", "000000")];
        assert_eq!(browser.ask("POST", CODE, Some(&made_up)).status, 403, "{what}");
        (what, browser, to)
    });
    for (what, browser, to) in &mut ways {
        let begun = browser.get(to);
        let back = liar.authorize(begun.header("location").unwrap());
        let answer = browser.get(&back);
        assert_eq!((answer.status, answer.header("location")), (303, Some(CODE)), "{what}");
        let page = browser.get(CODE).text();
        if *what == "by a link" {
            let done = set_up(browser, &page, &codes(&page)[0], "");
            assert_eq!((done.status, browser.whoami()), (200, 200), "{}", done.text());
            assert!(done.text().contains("a=b"), "{}", done.text());
        } else {
            // There is one by now: it is asked for, and no other is set up.
            assert!(!page.contains("name=\"offer\"") && page.contains("Type the code"), "{page}");
        }
    }
    // Whom no provider knows is told so, as ever.
    eventually("otto", || otto.get("/me/x").refuses("second_factor_missing").then_some(()));
    let text = otto.get(CODE).text();
    assert!(text.contains("Nobody sets up an app with a login link alone") && !text.contains("login/with/"), "{text}");
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "1");
}

/// What `postern doctor` says of providers, and of organizations that are named and not there.
#[test]
fn doctor_says_which_provider_cannot_be_used() {
    let liar = Provider::liar();
    let mfa = "  mfa: { key: \"0123456789abcdef0123456789abcdef\", organizations: [a, nowhere] }\n";
    let gate = gate(&liar, &[], mfa);
    let doctor = || {
        let home = gate.postern.home();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        let done = command.args(["doctor", "--json"]).current_dir(home).env("POSTERN_DATA_DIR", home).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let told = doctor();
    let line = |told: &str, check: &str| {
        let at = told.find(&format!("\"{check}\"")).unwrap_or_else(|| panic!("{check}: {told}"));
        told[at..].chars().take(200).collect::<String>()
    };
    let provider = line(&told, "provider liar");
    assert!(provider.contains("\"ok\"") && provider.contains("keys"), "{told}");
    let factors = line(&told, "second factors");
    assert!(factors.contains("warning") && factors.contains("nowhere"), "{told}");
    crate::support::eventually("the log says it too", || {
        gate.postern.stderr().iter().any(|line| line.contains("identity.mfa.organizations")).then_some(())
    });
    // Its document is another's, or it is not there.
    liar.lie(&json!({ "document": { "issuer": "https://id.example.com" } }));
    let told = doctor();
    let provider = line(&told, "provider liar");
    assert!(provider.contains("failed") && provider.contains("another issuer"), "{told}");
    drop(liar);
    let told = doctor();
    assert!(line(&told, "provider liar").contains("failed"), "{told}");
}
