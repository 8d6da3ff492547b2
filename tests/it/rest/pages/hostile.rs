//! What somebody wrote into a record does nothing on a page, and pages of others send no form of ours.

use super::{at, browser, field, gate, page, send};
use crate::rest::{ask, get, id};
use crate::support::{ORG_A, Who, request};
use serde_json::{Value, json};

#[test]
fn stored_markup_is_text_and_stored_scripts_are_no_links() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uA"));
    let markup = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let turned = "evil\u{202e}gnp.exe";
    let edit =
        json!({ "first_name": markup, "last_name": turned, "company": "{{ 7*7 }}", "bio": "</textarea><b>x</b>" });
    assert_eq!(ask(&gate, Who::su, "PATCH", &user, &edit).status, 200);
    let mut superuser = browser(&gate, "su");
    for target in [user.clone(), format!("{user}?_form=edit"), format!("{user}?_form=delete"), "user/".to_owned()] {
        let html = superuser.get(&at(&target)).text();
        for raw in ["<script", "<img", "</textarea><b>"] {
            assert!(!html.contains(raw), "{target}: {raw}");
        }
        if !target.contains("_form") {
            assert!(
                html.contains(&format!("<bdi>{turned}</bdi>")),
                "{target}: what turns the text around is kept apart"
            );
        }
    }
    for (url, is_link) in [
        ("https://a.example/?x=\"<b>", true),
        ("javascript:alert(1)", false),
        ("data:text/html,<script>1</script>", false),
    ] {
        // The API takes no such address, an import does.
        gate.postern.sql(&format!("UPDATE users SET url = '{url}' WHERE username = 'uA'"));
        let html = superuser.get(&at(&user)).text();
        assert_eq!(html.contains("rel=\"noopener noreferrer nofollow\""), is_link, "{url}");
        assert!(
            !html.contains("href=\"javascript:") && !html.contains("href=\"data:") && !html.contains("<b>\""),
            "{url}"
        );
    }
}

#[test]
fn a_form_counts_with_the_token_of_its_session_alone() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let user = format!("user/{}/", id(&gate, "uA"));
    let form = superuser.get(&at(&format!("{user}?_form=delete"))).text();
    let token = field(&form, "postern_csrf").unwrap();
    let other = {
        let mut other = browser(&gate, "mA");
        field(&other.get(&at(&format!("{user}?_form=delete"))).text(), "postern_csrf").unwrap()
    };
    assert_ne!(token, other);
    for fields in [
        vec![("_method", "DELETE")],
        vec![("_method", "DELETE"), ("postern_csrf", "")],
        vec![("_method", "DELETE"), ("postern_csrf", "x")],
        vec![("_method", "DELETE"), ("postern_csrf", other.as_str())],
        vec![("_method", "DELETE"), ("postern_csrf", "x"), ("postern_csrf", token.as_str())],
    ] {
        let refused = superuser.ask("POST", &at(&user), Some(&fields));
        assert_eq!(refused.status, 403, "{fields:?}: {}", refused.text());
    }
    // With the token, and yet from elsewhere: nobody's page should have it.
    let good = [("_method", "DELETE"), ("postern_csrf", token.as_str())];
    let headers = superuser.headers.clone();
    superuser.headers = format!("{headers}Origin: https://evil.example\r\n");
    assert_eq!(superuser.ask("POST", &at(&user), Some(&good)).status, 403);
    superuser.headers = headers;
    // What came by the address counts for nothing, and a method that no form has is none.
    let target = format!("{}?_method=DELETE&postern_csrf={token}", at(&user));
    assert_eq!(superuser.ask("POST", &target, Some(&[("first_name", "x")])).status, 403);
    let odd = [("_method", "TRACE"), ("postern_csrf", token.as_str())];
    assert_eq!(superuser.ask("POST", &at(&user), Some(&odd)).status, 405);
    assert_eq!(get(&gate, Who::su, &user)["username"], "uA", "and nothing has happened");
    assert_eq!(superuser.ask("POST", &at(&user), Some(&good)).status, 303);
    assert_eq!(ask(&gate, Who::su, "GET", &user, &Value::Null).status, 404);
}

#[test]
fn the_method_of_a_form_is_that_of_no_other_request() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uA"));
    let html = ("Accept", "text/html");
    let form = [html, ("Content-Type", "application/x-www-form-urlencoded")];
    let json = [html, ("Content-Type", "application/json")];
    for (headers, body) in [(form, "_method=DELETE"), (json, r#"{"_method": "DELETE"}"#)] {
        let answer = gate.send(request(Who::su, "POST", &at(&user), &headers, body));
        assert_eq!(answer.status, 405, "{body}: a record takes no POST");
    }
    let made = gate.send(request(Who::su, "POST", &at("group/"), &form, "_method=DELETE&name=editors"));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(get(&gate, Who::su, &user)["username"], "uA");
}

#[test]
fn a_secret_is_shown_once_and_passwords_never_again() {
    let gate = gate();
    let mut superuser = browser(&gate, "su");
    let made = send(&mut superuser, "me/token/?_form=create", &[("name", "reports")]);
    let html = made.text();
    assert_eq!((made.status, made.header("cache-control"), made.header("location")), (200, Some("no-store"), None));
    let secret = html.split("<bdi>pst_").nth(1).and_then(|rest| rest.split('<').next()).expect("a secret");
    assert!(html.contains("shown this once") && !superuser.get(&at("me/token/")).text().contains(secret));
    let wrong = send(
        &mut superuser,
        "user/?_form=create",
        &[("username", "no blanks"), ("email", "x@x.example"), ("password", "never-told-again")],
    );
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("Enter a valid username.") && !wrong.text().contains("never-told-again"));
    let _ = page(&gate, Who::su, &format!("organization/{ORG_A}/"));
}
