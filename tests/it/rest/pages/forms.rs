//! Forms without a browser: what is sent is what JSON would have said, and what is wrong is said beside it.

use super::{PASSWORD, at, browser, escaped, field, gate, led, send};
use crate::rest::{ask, get, id};
use crate::support::{ORG_A, Who};
use serde_json::{Value, json};

#[test]
fn an_organization_is_made_edited_and_deleted() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let made = led(&send(
        &mut superuser,
        "organization/?_form=create",
        &[("name", "Acme"), ("slug", "acme"), ("is_active", "true"), ("description", ""), ("email", ""), ("url", "")],
    ));
    let (path, _) = made.split_once('?').unwrap();
    assert!(superuser.get(&at(&made)).text().contains("It has been created."));
    let edited = send(
        &mut superuser,
        &format!("{path}?_form=edit"),
        &[
            ("name", "Acme & Sons"),
            ("slug", "acme"),
            ("description", "Anvils"),
            ("email", "a@acme.example"),
            ("url", ""),
            ("owner.organization_user", ""),
        ],
    );
    assert_eq!(led(&edited), format!("{path}?_done=changed"));
    let now = get(&gate, Who::su, path);
    assert_eq!(
        (&now["name"], &now["is_active"], &now["description"]),
        (&json!("Acme & Sons"), &json!(false), &json!("Anvils"))
    );
    let asked = superuser.get(&at(&format!("{path}?_form=delete"))).text();
    assert!(asked.contains("Delete Acme &#38; Sons?") && asked.contains("The memberships of 0 users"), "{asked}");
    assert_eq!(led(&send(&mut superuser, &format!("{path}?_form=delete"), &[])), "organization/?_done=deleted");
    assert_eq!(ask(&gate, Who::su, "GET", path, &Value::Null).status, 404);
}

#[test]
fn a_manager_makes_a_user_who_is_a_member() {
    let gate = gate();
    let mut manager = browser(&gate, "mA");
    let form = manager.get(&at("user/?_form=create")).text();
    assert!(form.contains(&format!("<option value=\"{ORG_A}\">A</option>")) && !form.contains("name=\"is_superuser\""));
    // They may put nobody into a group that permits what they lack.
    assert!(form.contains("admins</bdi>") && !form.contains("devices</bdi>"), "{form}");
    let fields = [
        ("username", "nina"),
        ("email", "nina@a.example"),
        ("password", "s3cret-word-n"),
        ("is_active", "true"),
        ("phone_number", ""),
        ("birth_date", ""),
        ("first_name", "Nina"),
        ("organization_users.organization", ORG_A),
        ("organization_users.is_admin", "true"),
    ];
    let path = led(&send(&mut manager, "user/?_form=create", &fields)).replace("?_done=created", "");
    let made = get(&gate, Who::su, &path);
    assert_eq!(made["organization_users"], json!([{ "is_admin": true, "organization": ORG_A }]));
    assert_eq!(
        (&made["first_name"], &made["phone_number"], &made["is_staff"]),
        (&json!("Nina"), &Value::Null, &json!(false))
    );
    // An edit keeps memberships, and takes away what is not ticked.
    let edit = [
        ("username", "nina"),
        ("first_name", ""),
        ("email", "nina@a.example"),
        ("organization_users.organization", ""),
    ];
    assert_eq!(led(&send(&mut manager, &format!("{path}?_form=edit"), &edit)), format!("{path}?_done=changed"));
    let now = get(&gate, Who::su, &path);
    assert_eq!((&now["is_active"], &now["first_name"]), (&json!(false), &json!("")));
    assert_eq!(now["organization_users"], made["organization_users"]);
}

#[test]
fn what_is_wrong_is_said_beside_its_field_in_the_words_of_json() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let sent = [
        ("username", "a b"),
        ("email", "nobody"),
        ("password", "never-told"),
        ("phone_number", "12"),
        ("birth_date", "x"),
        ("first_name", "<b>Kept</b>"),
        ("organization_users.organization", "10000000-0000-4000-8000-0000000000aa"),
    ];
    let page = send(&mut superuser, "user/?_form=create", &sent);
    let json = ask(
        &gate,
        Who::su,
        "POST",
        "user/",
        &json!({
            "username": "a b", "email": "nobody", "password": "never-told", "phone_number": "12", "birth_date": "x",
            "first_name": "<b>Kept</b>", "organization_users": { "organization": "10000000-0000-4000-8000-0000000000aa" },
        }),
    );
    assert_eq!((page.status, json.status), (400, 400));
    let html = page.text();
    for name in ["username", "email", "phone_number", "birth_date"] {
        let message = json.json()[name][0].as_str().unwrap().to_owned();
        let error = html.split_once(&format!("id=\"f-{name}-error\">")).unwrap_or_else(|| panic!("{name}: {html}")).1;
        assert!(error.starts_with(&escaped(&message)), "{name}: {message}");
        assert!(html.contains(&format!("aria-describedby=\"f-{name}-error")), "{name}");
    }
    assert!(html.contains("<title>Error: ") && html.contains("value=\"&#60;b&#62;Kept&#60;/b&#62;\""), "{html}");
    assert!(html.contains("object does not exist"), "{html}");
}

#[test]
fn what_is_wrong_of_a_group_is_said_beside_it() {
    let gate = gate();
    let mut manager = browser(&gate, "mA");
    let sent = [
        ("username", "nina"),
        ("email", "nina@a.example"),
        ("password", "s3cret-word-n"),
        ("organization_users.organization", ""),
    ];
    let page = send(&mut manager, "user/?_form=create", &sent);
    assert_eq!(page.status, 400);
    let html = page.text();
    assert!(html.contains("id=\"f-organization_users-error\">This field is required."), "{html}");
    assert!(html.contains("aria-describedby=\"f-organization_users-error"), "{html}");
}

#[test]
fn who_saves_over_somebody_else_is_told() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let path = format!("organization/{ORG_A}/");
    let form = superuser.get(&at(&format!("{path}?_form=edit"))).text();
    let own: Vec<_> = ["_method", "postern_csrf", "_version"].map(|name| (name, field(&form, name).unwrap())).to_vec();
    assert_eq!(ask(&gate, Who::su, "PATCH", &path, &json!({ "description": "theirs" })).status, 200);
    let mut fields: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("name", "Mine"), ("slug", "a"), ("is_active", "true"), ("description", "mine")]);
    let refused = superuser.ask("POST", &at(&path), Some(&fields));
    assert_eq!(refused.status, 412, "{}", refused.text());
    let html = refused.text();
    assert!(html.contains("It has changed since it was read.") && html.contains("value=\"Mine\""), "{html}");
    let link = format!("href=\"{}\">Look at the record as it is now</a>", at(&path));
    assert!(html.contains(&link), "{html}");
    assert_eq!(get(&gate, Who::su, &path)["description"], "theirs");
    // What is shown again is of the state that they have read: to send it twice does not help.
    assert_eq!(field(&html, "_version").as_deref(), Some(own[2].1.as_str()));
    let again = field(&html, "_version").unwrap();
    let fields: Vec<(&str, &str)> =
        fields.into_iter().map(|(name, value)| (name, if name == "_version" { &*again } else { value })).collect();
    assert_eq!(superuser.ask("POST", &at(&path), Some(&fields)).status, 412);
    assert_eq!(get(&gate, Who::su, &path)["description"], "theirs");
    // Nor does it where something else was wrong first.
    let form = superuser.get(&at(&format!("{path}?_form=edit"))).text();
    let own: Vec<_> = ["_method", "postern_csrf", "_version"].map(|name| (name, field(&form, name).unwrap())).to_vec();
    let filled = |slug: &'static str| {
        let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend([("name", "Mine"), ("slug", slug), ("is_active", "true"), ("description", "mine")]);
        all
    };
    assert_eq!(ask(&gate, Who::su, "PATCH", &path, &json!({ "description": "theirs again" })).status, 200);
    let wrong = superuser.ask("POST", &at(&path), Some(&filled("not a slug")));
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert_eq!(field(&wrong.text(), "_version").as_deref(), Some(own[2].1.as_str()));
    assert_eq!(superuser.ask("POST", &at(&path), Some(&filled("a"))).status, 412);
}

#[test]
fn an_owner_is_taken_away() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let path = format!("organization/{ORG_A}/");
    let owned = get(&gate, Who::su, &path);
    let owner = owned["owner"]["organization_user"].as_str().unwrap();
    let (name, slug) = (owned["name"].as_str().unwrap(), owned["slug"].as_str().unwrap());
    let mut fields = [("name", name), ("slug", slug), ("is_active", "true"), ("owner.organization_user", owner)];
    assert_eq!(led(&send(&mut superuser, &format!("{path}?_form=edit"), &fields)), format!("{path}?_done=changed"));
    assert_eq!(get(&gate, Who::su, &path)["owner"], owned["owner"]);
    fields[3].1 = "";
    assert_eq!(led(&send(&mut superuser, &format!("{path}?_form=edit"), &fields)), format!("{path}?_done=changed"));
    assert_eq!(get(&gate, Who::su, &path)["owner"], Value::Null);
}

#[test]
fn who_changes_their_own_password_is_led_to_themselves() {
    let gate = gate();
    gate.postern.cli_with(&["user", "password", "uA", "--password-stdin"], &format!("{PASSWORD}\n"));
    let mut user = browser(&gate, "uA");
    let form = format!("user/{}/password/?_form=edit", id(&gate, "uA"));
    let new = "another-s3cret-word";
    let words = [("current_password", PASSWORD), ("new_password", new), ("confirm_password", new)];
    let done = led(&send(&mut user, &form, &words));
    assert_eq!(done, "me/?_done=done");
    // A new password ends all sessions, this one too: they log in with it, and are there.
    let me = user.get(&at(&done));
    assert!(me.status == 401 && me.text().contains("Log in"), "{}", me.text());
}

/// The words of a form are of what it does.
#[test]
fn what_is_asked_names_what_it_is_about() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let member = format!("organization/{ORG_A}/member/{}/?_form=delete", id(&gate, "uA"));
    let asked = superuser.get(&at(&member)).text();
    assert!(asked.contains("Remove uA from a?") && asked.contains(">Remove</button>"), "{asked}");
    assert!(!asked.contains("Delete uA"), "{asked}");
    let made = ask(&gate, Who::su, "POST", "me/token/", &json!({ "name": "reports" })).json();
    let token = format!("me/token/{}/", made["id"].as_str().unwrap());
    for (act, question, button) in [
        ("rotate", "Make another secret for the token reports?", "Make another secret"),
        ("revoke", "Revoke the token reports?", "Revoke"),
    ] {
        let asked = superuser.get(&at(&format!("{token}{act}/"))).text();
        assert!(asked.contains(question) && asked.contains(&format!(">{button}</button>")), "{asked}");
        assert!(asked.contains("stops working at once"), "{asked}");
    }
}

#[test]
fn the_same_form_sent_twice_makes_one() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let form = superuser.get(&at("me/token/?_form=create")).text();
    let own: Vec<_> = ["_method", "postern_csrf", "_key"].map(|name| (name, field(&form, name).unwrap())).to_vec();
    let mut fields: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("name", "twice"));
    let before = get(&gate, Who::su, "me/token/")["count"].as_u64().unwrap();
    for _ in 0..2 {
        assert_eq!(superuser.ask("POST", &at("me/token/"), Some(&fields)).status, 200);
    }
    assert_eq!(get(&gate, Who::su, "me/token/")["count"].as_u64().unwrap(), before + 1);
}

/// What takes no GET has its form at its own address.
#[test]
fn what_is_only_done_has_a_form_too() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let user = format!("user/{}/", id(&gate, "uA"));
    let shown = superuser.get(&at(&format!("{user}password/")));
    assert_eq!((shown.status, shown.header("allow")), (405, Some("PUT, OPTIONS")));
    let words = [("current_password", ""), ("new_password", "another-s3cret"), ("confirm_password", "another-s3cret")];
    assert_eq!(
        led(&send(&mut superuser, &format!("{user}password/?_form=edit"), &words)),
        format!("{user}?_done=done")
    );
    let wrong = [("current_password", ""), ("new_password", "one-s3cret"), ("confirm_password", "other-s3cret")];
    let refused = send(&mut superuser, &format!("{user}password/?_form=edit"), &wrong);
    assert!(refused.status == 400 && !refused.text().contains("one-s3cret"), "{}", refused.text());
    let token =
        ask(&gate, Who::su, "POST", "me/token/", &json!({ "name": "x" })).json()["id"].as_str().unwrap().to_owned();
    let rotated = send(&mut superuser, &format!("me/token/{token}/rotate/?_form=create"), &[]);
    assert!(rotated.status == 200 && rotated.text().contains("<bdi>pst_"), "{}", rotated.text());
    let revoked = send(&mut superuser, &format!("me/token/{token}/revoke/?_form=create"), &[]);
    assert_eq!(led(&revoked), format!("me/token/{token}/?_done=done"));
}

/// Somebody has logged in anew in another tab, while a form was open.
#[test]
fn a_form_of_an_earlier_login_saves_nothing_and_keeps_what_was_typed() {
    let gate = gate();
    let mut browser = browser(&gate, "su");
    let shown = browser.get(&at("organization/?_form=create")).text();
    let old = field(&shown, "postern_csrf").unwrap();
    assert_eq!(browser.log_in("su", PASSWORD).status, 303);
    let fields = [("_method", "POST"), ("postern_csrf", old.as_str()), ("name", "Acme & Sons"), ("slug", "acme")];
    let usual = browser.headers.clone();
    // From a page of ours, as the browser says it.
    browser.headers = format!("{usual}Sec-Fetch-Site: same-origin\r\n");
    let again = browser.ask("POST", &at("organization/"), Some(&fields));
    let text = again.text();
    assert_eq!(again.status, 403, "{text}");
    assert!(text.contains("value=\"Acme &#38; Sons\"") && text.contains("Nothing was saved"), "{text}");
    let new = field(&text, "postern_csrf").unwrap();
    assert_ne!(new, old);
    let fields = [("_method", "POST"), ("postern_csrf", new.as_str()), ("name", "Acme & Sons"), ("slug", "acme")];
    // From elsewhere nothing of what was sent is shown.
    let forged = [("_method", "POST"), ("postern_csrf", old.as_str()), ("name", "Forged"), ("slug", "forged")];
    for site in ["Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: none\r\n", "Origin: https://evil.example\r\n", ""] {
        browser.headers = format!("{usual}{site}");
        let refused = browser.ask("POST", &at("organization/"), Some(&forged));
        assert_eq!(refused.status, 403, "{site}");
        assert!(!refused.text().contains("Forged"), "{site}: {}", refused.text());
    }
    assert_eq!(get(&gate, Who::su, "organization/?slug=acme")["count"], 0);
    assert_eq!(browser.ask("POST", &at("organization/"), Some(&fields)).status, 303);
}

#[test]
fn an_id_that_is_none_is_a_page_in_a_browser() {
    let gate = gate();
    let mut browser = browser(&gate, "su");
    for path in ["user/not-an-id/", "organization/7/member/", "group/x/"] {
        let page = browser.get(&at(path));
        let text = page.text();
        assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")), "{path}");
        assert!(text.contains("<h1>") && text.contains("/logout/"), "{path}: {text}");
    }
    let told = ask(&gate, Who::su, "GET", "user/not-an-id/", &Value::Null);
    assert_eq!(told.header("content-type"), Some("application/problem+json"));
}
