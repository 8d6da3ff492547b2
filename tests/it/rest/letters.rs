//! Letters to who is made over the API: they show by a link that their e-mail address is theirs.

use super::{ADMINISTRATOR, ask, get};
use crate::login::browser::Browser;
use crate::login::letters::{Letters, link};
use crate::support::{Gate, ORG_A, Options, Who};
use serde_json::{Value, json};

fn gate(port: u16) -> Gate {
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes:\n  /me/**: authenticated\n");
    let mail = format!("server: \"127.0.0.1:{port}\", from: \"Postern <postern@app.example>\", tls: none");
    options.config = format!(
        "public_url: https://app.example\nmail: {{ {mail} }}\nidentity:\n  api: all\n  \
         passwords: {{ memory: 64KiB, passes: 1 }}\n"
    );
    Gate::with(&options)
}

fn new(name: &str, more: &Value) -> Value {
    let mut new = json!({ "username": name, "email": format!("{name}@Example.org"), "password": "correct horse" });
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    new
}

#[test]
fn who_is_made_is_asked_once_whether_the_address_is_theirs() {
    let letters = Letters::serve(&json!({}));
    let gate = gate(letters.port);
    let made = ask(&gate, Who::su, "POST", "user/", &new("lena", &json!({})));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let letter = letters.next();
    assert_eq!(letter["to"], json!(["lena@example.org"]));
    assert_eq!(letter["headers"]["Subject"], "Confirm your e-mail address on app.example");
    let (address, user, token) = link(&letter);
    assert_eq!(user, id.replace('-', ""));
    let verified = || get(&gate, Who::su, &format!("user/{id}/email/"))["results"][0]["verified"].clone();
    assert_eq!(verified(), false);
    let done = Browser::of(&gate).send(address.strip_prefix("https://app.example").unwrap(), &[]);
    assert!(done.status == 200 && verified() == true, "{}", done.text());
    // Nobody is written to of whom it is known, or who was not made.
    for (who, status) in [
        (new("bob", &json!({ "email_verified": true })), 201),
        (new("LENA", &json!({})), 400),
        (new("eve", &json!({ "password": "1" })), 400),
    ] {
        let answer = ask(&gate, Who::su, "POST", "user/", &who);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert!(letters.is_quiet());
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token), "{log}");
}

#[test]
fn managers_people_are_written_to_in_the_same_way() {
    let letters = Letters::serve(&json!({}));
    let gate = gate(letters.port);
    let permissions = ADMINISTRATOR.split(' ').filter(|name| name.ends_with("_user")).collect::<Vec<_>>().join(",");
    gate.postern.cli(&["group", "create", "admins", "--permission", &permissions, "--user", "mA"]);
    let ties = json!({ "organization_users": [{ "organization": ORG_A }] });
    let made = ask(&gate, Who::mA, "POST", "user/", &new("ann", &ties));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(letters.next()["to"], json!(["ann@example.org"]));
}

#[test]
fn a_mail_server_that_is_away_keeps_nobody_from_being_made() {
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let made = ask(&gate(away), Who::su, "POST", "user/", &new("lena", &json!({})));
    assert_eq!(made.status, 201, "{}", made.text());
}
