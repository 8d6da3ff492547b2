//! Links for somebody new: to a first password, and to show that an e-mail address is theirs; by letter and by hand.

use super::browser::Browser;
use super::letters::{Letters, link};
use super::passwords::{gate, log_in, post, with_letters};
use crate::support::eventually;
use serde_json::{Value, json};

const CONFIRM: &str = "/api/v1/users/password/reset/confirm/";

fn chosen(uid: &str, token: &str, password: &str) -> Value {
    json!({ "uid": uid, "token": token, "new_password1": password, "new_password2": password })
}

#[test]
fn who_is_invited_chooses_a_first_password_once() {
    let letters = Letters::serve(&json!({}));
    let gate = with_letters(&letters, "");
    gate.postern.cli(&["user", "create", "ann", "--email", "ann@example.org", "--language", "it"]);
    gate.postern.cli(&["user", "invite", "ann"]);
    let letter = letters.next();
    assert_eq!(letter["to"], json!(["ann@example.org"]));
    assert_eq!(letter["headers"]["Subject"], "Il tuo account su app.example");
    let (address, uid, token) = link(&letter);
    let path = address.strip_prefix("https://app.example").unwrap();
    let mut browser = Browser::of(&gate);
    assert!(browser.get(path).text().contains("value=\"ann\""));
    let refused = post(&gate, CONFIRM, "", &chosen(&uid, &token, "ann@example"));
    assert!(refused.text().contains("too similar to the email address"), "{}", refused.text());
    // By the page, as people do.
    let done = browser.send(path, &[("new_password1", "a first one"), ("new_password2", "a first one")]);
    assert!(done.status == 200 && log_in(&gate, "ann", "a first one").is_some(), "{}", done.text());
    assert_eq!(browser.get(path).status, 404, "it was good once");
    let again = gate.postern.try_cli(&["user", "invite", "ann"]).unwrap_err();
    assert!(again.contains("ann has a password"), "{again}");
    // Nor is it good when the password is taken from them: it rests on who logged in since, and on their addresses.
    gate.postern.cli(&["user", "edit", "ann", "--email", "ann@example.com"]);
    gate.postern.cli(&["user", "password", "ann", "--none"]);
    assert_eq!(post(&gate, CONFIRM, "", &chosen(&uid, &token, "a second one")).status, 400);
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token), "{log}");
}

#[test]
fn an_invitation_can_be_handed_over_and_ends() {
    let gate = gate("public_url: https://app.example\n", "");
    gate.postern.cli(&["user", "create", "ann"]);
    let told = gate.postern.cli(&["user", "invite", "ann", "--print"]);
    let path = told.trim().strip_prefix("https://app.example").unwrap().to_owned();
    assert_eq!(Browser::of(&gate).get(&path).status, 200);
    for (args, why) in [
        (&["user", "invite", "ann"][..], "has no e-mail address"),
        (&["user", "invite", "lena"], "lena has a password"),
        (&["user", "invite", "nobody"], "nobody"),
        (&["user", "confirm-email", "ann"], "ann has no e-mail address"),
        (&["user", "confirm-email", "lena", "--email", "other@example.org"], "lena has no address other@example.org"),
        (&["user", "confirm-email", "lena"], "--print"),
    ] {
        let refused = gate.postern.try_cli(args).unwrap_err();
        assert!(refused.contains(why), "{args:?}: {refused}");
    }
    gate.postern.cli(&["user", "edit", "ann", "--active=false"]);
    assert_eq!(Browser::of(&gate).get(&path).status, 404);
    assert!(gate.postern.try_cli(&["user", "invite", "ann", "--print"]).unwrap_err().contains("ann is inactive"));
}

#[test]
fn an_address_is_confirmed_by_a_button_and_not_by_a_look() {
    let letters = Letters::serve(&json!({}));
    let gate = with_letters(&letters, "");
    gate.postern.cli(&["user", "confirm-email", "lena"]);
    let letter = letters.next();
    assert_eq!(letter["headers"]["Subject"], "Confirm your e-mail address on app.example");
    let (address, _, token) = link(&letter);
    let path = address.strip_prefix("https://app.example").unwrap();
    assert!(path.starts_with("/api/v1/users/email/confirm/"), "{path}");
    let verified = || gate.postern.query("SELECT verified || '' FROM email_addresses");
    let mut browser = Browser::of(&gate);
    let shown = browser.get(path);
    assert!(shown.text().contains("lena@example.org") && shown.header("referrer-policy") == Some("no-referrer"));
    assert_eq!(browser.ask("POST", path, Some(&[("csrf", "made up")])).status, 403);
    assert_eq!(verified(), "0");
    assert_eq!(browser.ask("PUT", path, None).status, 405);
    let done = browser.send(path, &[]);
    assert!(done.status == 200 && done.text().contains("is confirmed"), "{}", done.text());
    assert_eq!(verified(), "1");
    let again = gate.postern.try_cli(&["user", "confirm-email", "lena"]).unwrap_err();
    assert!(again.contains("confirmed already"), "{again}");
    for bad in [path.replace(&token[..8], "00000000"), path[..path.len() - 3].to_owned() + "/"] {
        assert_eq!(browser.get(&bad).status, 404, "{bad}");
    }
    // A link is of the address that it was sent to.
    gate.postern.sql("UPDATE email_addresses SET email = 'other@example.org', verified = 0");
    assert_eq!(browser.get(path).status, 404);
    eventually("it is in the access log", || {
        gate.postern.stdout().iter().any(|line| line.contains("email/confirm/")).then_some(())
    });
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token), "{log}");
    let audit = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    assert!(audit.contains("email.edit"), "{audit}");
}
