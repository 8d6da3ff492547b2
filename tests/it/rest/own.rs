//! `me/profile/` and `me/email/`: what people change of their own over the API, on each engine; and what they do not.

use super::engines::{Site, on_each_engine};
use super::{gate, get as read};
use crate::support::{Who, request};
use serde_json::{Value, json};

on_each_engine!(a_profile_is_its_owner_s, addresses_are_their_owner_s);

const WORD: &str = "s3cret-word-of-them";

fn status(site: &Site, who: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = site.ask(who, method, path, &[], body);
    (answer.status, answer.text())
}

fn a_profile_is_its_owner_s(site: &Site) {
    for (path, method) in [("me/", "PATCH"), ("me/profile/", "PATCH"), ("me/profile/", "PUT")] {
        let name = format!("Ann {method} {path}");
        let edited = site.ask("uA", method, path, &[], &json!({ "first_name": name, "birth_date": "1990-12-31" }));
        assert_eq!((edited.status, &edited.json()["first_name"]), (200, &json!(name)), "{}", edited.text());
        assert_eq!(site.get("uA", "me/profile/"), edited.json(), "{path}");
    }
    let number = json!({ "phone_number": "+39 366 524 3702", "language": "it", "url": "https://a.example/" });
    let edited = site.ask("uA", "PATCH", "me/", &[], &number).json();
    assert_eq!((&edited["phone_number"], &edited["birth_date"]), (&json!("+393665243702"), &json!("1990-12-31")));
    for (wrong, field) in [
        (json!({ "phone_number": "366" }), "phone_number"),
        (json!({ "url": "x" }), "url"),
        (json!({ "birth_date": "31.12.1990" }), "birth_date"),
        (json!({ "first_name": null }), "first_name"),
    ] {
        let refused = site.ask("uA", "PATCH", "me/", &[], &wrong);
        assert!(refused.status == 400 && !refused.json()[field].is_null(), "{wrong}: {}", refused.text());
    }
    // What is not theirs to say is passed over, and somebody else's number is not told whose it is.
    let more =
        json!({ "username": "boss", "is_superuser": true, "is_staff": true, "notes": "x", "email": "x@a.example" });
    assert_eq!(status(site, "uA", "PATCH", "me/", &more).0, 200);
    let me = site.get("uA", "me/");
    assert_eq!((&me["username"], &me["is_superuser"], &me["is_staff"]), (&json!("uA"), &json!(false), &json!(false)));
    assert_eq!(me.get("phone_number"), None, "who somebody is comes from memory");
    let taken = site.ask("uB", "PATCH", "me/", &[], &json!({ "phone_number": "+393665243702" }));
    assert_eq!(
        taken.json(),
        json!({ "phone_number": ["This number cannot be yours here. If it is, ask an administrator."] })
    );
    assert_eq!(status(site, "uA", "PATCH", "me/", &json!({ "phone_number": null })).0, 200);
    assert_eq!(status(site, "uB", "PATCH", "me/", &json!({ "phone_number": "+393665243702" })).0, 200);
    // Of two who have read the same, one changes it.
    let tag = site.ask("uA", "GET", "me/profile/", &[], &Value::Null).header("etag").unwrap().to_owned();
    for (path, status) in [("me/profile/", 200), ("me/profile/", 412), ("me/", 412)] {
        let edited = site.ask("uA", "PATCH", path, &[("If-Match", &tag)], &json!({ "company": "A" }));
        assert_eq!(edited.status, status, "{path}: {}", edited.text());
    }
    let tag = site.ask("uA", "GET", "me/profile/", &[], &Value::Null).header("etag").unwrap().to_owned();
    assert_eq!(site.ask("uA", "PATCH", "me/", &[("If-Match", &tag)], &json!({ "company": "B" })).status, 200);
}

fn addresses_are_their_owner_s(site: &Site) {
    site.cli(&["user", "password", "uA", "--password-stdin"], &format!("{WORD}\n"));
    let add = |who: &str, email: &str| site.ask(who, "POST", "me/email/", &[], &json!({ "email": email }));
    let made = add("uA", "ann@a.example");
    let one = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    let told = made.json();
    assert_eq!((made.status, &told["verified"], &told["primary"]), (201, &json!(false), &json!(false)));
    assert_eq!(site.get("uA", &one), told);
    assert_eq!(site.get("uA", "me/email/")["results"], json!([told]));
    let again = add("uA", "ANN@a.example");
    assert_eq!((again.status, again.text().contains("already exists")), (400, true), "{}", again.text());
    assert_eq!(add("uA", "ann@@a").status, 400);
    // Whether somebody else has it is not told: it is not believed before its letter.
    assert_eq!(add("uB", "ann@a.example").status, 201);
    // Without letters none is sent, and nobody makes an address theirs.
    let confirm = format!("{one}confirm/");
    let letter = status(site, "uA", "POST", &confirm, &json!({}));
    assert!(letter.0 == 400 && letter.1.contains("No letters are sent here."), "{letter:?}");
    let prefer = json!({ "primary": true, "verified": true });
    let refused = site.ask("uA", "PATCH", &one, &[], &prefer);
    assert!(refused.status == 400 && refused.json()["primary"].is_array(), "{}", refused.text());
    // It is nobody else's.
    for (method, path, body) in [
        ("GET", &one, Value::Null),
        ("PATCH", &one, json!({ "primary": true })),
        ("DELETE", &one, Value::Null),
        ("POST", &confirm, json!({})),
    ] {
        for who in ["uB", "su"] {
            assert_eq!(status(site, who, method, path, &body).0, 404, "{who} {method}");
        }
    }
    site.cli(&["email", "edit", "--user", "uA", "ann@a.example", "--verified"], "");
    let edited = site.ask("uA", "PATCH", &one, &[], &json!({ "primary": true }));
    assert_eq!((edited.status, &edited.json()["primary"]), (200, &json!(true)), "{}", edited.text());
    assert_eq!(status(site, "uA", "PATCH", &one, &json!({ "primary": false })).0, 400, "another one is made that");
    assert_eq!(site.get("uA", &confirm.replace("confirm/", ""))["verified"], true);
    // One that is confirmed goes with the password, also where somebody has their token.
    for body in [Value::Null, json!({}), json!({ "current_password": "another-word" })] {
        let refused = site.ask("uA", "DELETE", &one, &[], &body);
        assert_eq!(refused.json(), json!({ "current_password": ["This is not your password."] }), "{body}");
    }
    assert_eq!(status(site, "uA", "DELETE", &one, &json!({ "current_password": WORD })).0, 204);
    assert_eq!(status(site, "uA", "GET", &one, &Value::Null).0, 404);
    // Who has no password has no session here either that could say it.
    let made = add("uB", "bob@b.example").json();
    site.cli(&["email", "edit", "--user", "uB", "bob@b.example", "--verified"], "");
    let of_bob = format!("me/email/{}/", made["id"]);
    let refused = site.ask("uB", "DELETE", &of_bob, &[], &Value::Null);
    assert!(refused.status == 400 && refused.text().contains("too long ago"), "{}", refused.text());
    // Ten at most, also of those who ask for forty at once.
    let many = (0..40).map(|number| json!({ "email": format!("o{number}@a.example") }));
    let many = many.map(|body| site.request("oA", "POST", "me/email/", &[], &body)).collect();
    let made = site.at_once(many).iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, &site.get("oA", "me/email/")["count"]), (10, &json!(10)));
    assert_eq!(add("oA", "o@a.example").json(), json!({ "email": ["These are enough addresses: remove one first."] }));
}

#[test]
fn a_narrowed_token_and_a_page_of_somebody_else_change_nothing_of_one_s_own() {
    let gate = gate();
    let narrow = |scope: Value| {
        let made = super::ask(&gate, Who::uA, "POST", "me/token/", &scope).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let by = |token: &str, method: &str, path: &str| {
        let body = "{\"email\": \"x@a.example\", \"first_name\": \"x\"}";
        let length = body.len();
        gate.send(format!(
            "{method} /api/v1/users/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    };
    for token in [
        narrow(json!({ "name": "reads", "read_only": true })),
        narrow(json!({ "name": "one", "permissions": ["config.add_device"] })),
    ] {
        for (method, path) in [("PATCH", "me/"), ("PUT", "me/profile/"), ("POST", "me/email/")] {
            let refused = by(&token, method, path);
            assert_eq!((refused.status, refused.code().as_str()), (403, "scope_exceeded"), "{method} {path}");
        }
    }
    assert_eq!(read(&gate, Who::uA, "me/email/")["count"], 0);
    for (method, path) in [("PATCH", "me/"), ("POST", "me/email/"), ("GET", "me/profile/")] {
        let nobody = gate.send(request(Who::nobody, method, &format!("/api/v1/users/{path}"), &[], ""));
        assert_eq!(nobody.status, 401, "{method} {path}");
    }
}

#[test]
fn whoever_has_a_token_guesses_no_password_by_it() {
    let gate = gate();
    gate.postern.cli_with(&["user", "password", "uA", "--password-stdin"], &format!("{WORD}\n"));
    gate.postern.cli(&["email", "add", "--user", "uA", "old@a.example", "--verified"]);
    let id = read(&gate, Who::uA, "me/email/")["results"][0]["id"].as_i64().unwrap();
    let remove = |word: &str| {
        let body = json!({ "current_password": word });
        super::ask(&gate, Who::uA, "DELETE", &format!("me/email/{id}/"), &body).status
    };
    let tried: Vec<u16> = (0..60).map(|at| remove(&format!("guess-{at}"))).collect();
    assert!(tried[0] < 429 && tried.last() == Some(&429), "{tried:?}");
    assert_eq!(remove(WORD), 429, "nor is it taken while they wait");
    assert_eq!(read(&gate, Who::uA, "me/email/")["count"], 1);
}
