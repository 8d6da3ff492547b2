//! Requests that are sent again under one `Idempotency-Key`.

use super::engines::{Site, on_each_engine};
use crate::support::{Answer, ORG_A};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_each_engine!(
    a_request_that_is_sent_again_is_answered_again_and_done_once,
    of_a_hundred_who_send_the_same_at_once_one_does_it,
    a_key_is_its_callers_and_its_requests,
    a_secret_is_told_again_and_kept_nowhere_in_clear,
    answers_are_forgotten_after_a_day,
);

fn post(site: &Site, who: &str, path: &str, key: &str, body: &Value) -> Answer {
    site.ask(who, "POST", path, &[("Idempotency-Key", key)], body)
}

/// One text or number out of the directory.
fn sql(site: &Site, sql: &str) -> String {
    match &site.database {
        Some(database) => database.server.text(&database.name, sql),
        None => site.postern.query(sql),
    }
}

fn run(site: &Site, sql: &str) {
    match &site.database {
        Some(database) => database.server.sql(&database.name, sql),
        None => site.postern.sql(sql),
    }
}

fn a_request_that_is_sent_again_is_answered_again_and_done_once(site: &Site) {
    let user = site.get("su", "user/?username=uB")["results"][0]["id"].as_str().unwrap().to_owned();
    for (number, (path, body)) in [
        ("organization/".to_owned(), json!({ "name": "New", "slug": "new" })),
        ("user/".to_owned(), json!({ "username": "new", "email": "new@x.example", "password": "tester-of-9-tags" })),
        ("group/".to_owned(), json!({ "name": "new" })),
        ("permission/".to_owned(), json!({ "codename": "shop.sell" })),
        ("super-role/".to_owned(), json!({ "name": "new" })),
        ("me/token/".to_owned(), json!({ "name": "new" })),
        (format!("organization/{ORG_A}/member/"), json!({ "user": "uB" })),
        (format!("organization/{ORG_A}/role/"), json!({ "name": "new" })),
        (format!("user/{user}/email/"), json!({ "email": "other@x.example" })),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("\"key {number}\"");
        // What was refused did nothing: its key is free.
        let refused = post(site, "su", &path, &key, &json!({}));
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
        let first = post(site, "su", &path, &key, &body);
        assert_eq!(first.status, 201, "{path}: {}", first.text());
        for _ in 0..2 {
            let again = post(site, "su", &path, &key, &body);
            assert_eq!((again.status, again.text()), (201, first.text()), "{path}");
            for header in ["location", "etag"] {
                assert_eq!(again.header(header), first.header(header), "{path}");
            }
        }
        let other = post(site, "su", &path, &key, &json!({ "name": "other" }));
        assert_eq!(other.status, 422, "{path}: {}", other.text());
    }
    // A token's other secret, and its end, are acts too.
    let token = post(site, "su", "me/token/", "t", &json!({ "name": "ci" })).json();
    let one = format!("me/token/{}/", token["id"].as_str().unwrap());
    let rotate = |key| post(site, "su", &format!("{one}rotate/"), key, &json!({})).text();
    assert_eq!(rotate("r"), rotate("r"));
    assert_ne!(rotate("r"), rotate("another"));
    let revoke = || post(site, "su", &format!("{one}revoke/"), "end", &json!({}));
    assert_eq!((revoke().status, revoke().text()), (200, revoke().text()));
}

fn of_a_hundred_who_send_the_same_at_once_one_does_it(site: &Site) {
    let body = json!({ "username": "new", "email": "new@x.example", "password": "tester-of-9-tags" });
    let one = site.request("su", "POST", "user/", &[("Idempotency-Key", "the-one-and-only")], &body);
    let answers = site.at_once(vec![one; 100]);
    let (made, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert!(busy.iter().all(|answer| answer.status == 409 && answer.header("retry-after").is_some()));
    let told: BTreeSet<String> = made.iter().map(|answer| answer.text()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(site.get("su", "user/?username=new")["count"], 1);
}

fn a_key_is_its_callers_and_its_requests(site: &Site) {
    let new = json!({ "name": "ci" });
    let of_ann = post(site, "uA", "me/token/", "mine", &new);
    let of_bob = post(site, "uB", "me/token/", "mine", &new);
    assert_eq!((of_ann.status, of_bob.status), (201, 201));
    assert_ne!(of_ann.json()["id"], of_bob.json()["id"], "somebody else's key of the same name");
    for (path, headers) in [
        ("me/token/?x=1", [("Idempotency-Key", "mine"), ("Accept", "application/json")]),
        ("me/token/", [("Idempotency-Key", "mine"), ("Accept", "application/json; indent=4")]),
    ] {
        let answer = site.ask("uA", "POST", path, &headers, &new);
        // How it is shown is no part of what is asked.
        assert_eq!(answer.status, if path.contains('?') { 422 } else { 201 }, "{path}");
    }
    let long = "k".repeat(256);
    for bad in ["", "\"", "\"\"", "\"a\"b\"", &long] {
        let refused = post(site, "uA", "me/token/", bad, &new);
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text());
        assert!(refused.json().get("Idempotency-Key").is_some());
    }
    // Who may not do it any more is not told what they did.
    let made = post(site, "mA", &format!("organization/{ORG_A}/member/"), "m", &json!({ "user": "uB" }));
    assert_eq!(made.status, 403, "no permission from the beginning: {}", made.text());
}

fn a_secret_is_told_again_and_kept_nowhere_in_clear(site: &Site) {
    let key = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    let made = post(site, "uA", "me/token/", key, &json!({ "name": "ci" }));
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(post(site, "uA", "me/token/", key, &json!({ "name": "ci" })).json()["token"], secret.as_str());
    let kept = if site.database.is_some() {
        sql(site, "SELECT encode(answer, 'hex') || encode(key, 'hex') || encode(fingerprint, 'hex') FROM answers")
    } else {
        sql(site, "SELECT lower(hex(answer) || hex(key) || hex(fingerprint)) FROM answers")
    };
    assert!(kept.len() > 300, "{kept}");
    for text in [secret.as_str(), key, "ci\""] {
        let hex = data_encoding::HEXLOWER.encode(text.as_bytes());
        assert!(!kept.contains(&hex), "{text}");
    }
}

fn answers_are_forgotten_after_a_day(site: &Site) {
    let new = json!({ "name": "ci" });
    let first = post(site, "uA", "me/token/", "old", &new);
    run(site, "UPDATE answers SET created = created - 86500");
    // Nobody has swept yet, and it counts for nothing all the same.
    let second = post(site, "uA", "me/token/", "old", &new);
    assert_ne!(first.json()["id"], second.json()["id"]);
    run(site, "UPDATE answers SET created = created - 86500");
    post(site, "uA", "me/token/", "new", &new);
    let said = site.cli(&["job", "run", "forget-answers"], "");
    assert!(said.contains("1 forgotten") || sql(site, "SELECT CAST(count(*) AS text) FROM answers") == "1", "{said}");
    assert_eq!(sql(site, "SELECT CAST(count(*) AS text) FROM answers"), "1");
    // So many are kept of one user, and no more.
    let key = if site.database.is_some() {
        "decode(lpad(to_hex(i), 64, '0'), 'hex')"
    } else {
        "CAST(printf('%032d', i) AS BLOB)"
    };
    run(
        site,
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
             INSERT INTO answers (user_id, key, fingerprint, created)
             SELECT (SELECT id FROM users WHERE username = 'uA'), {key}, {key}, 9999999999 FROM n"
        ),
    );
    let refused = post(site, "uA", "me/token/", "one-more", &new);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(post(site, "uB", "me/token/", "one-more", &new).status, 201, "of others there is room");
}
