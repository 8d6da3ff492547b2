//! A second factor behind a provider: whoever comes back from there has done the first step, and has no session before the second.

use super::{Provider, gate, log_in};
use crate::login::browser::Browser;
use crate::login::second_factor::{CODE, codes, recovery, set_up};
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
