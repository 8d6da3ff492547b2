//! Under `compat: openwisp`, what openwisp-users 1.3.2 (Django 5.2, Python 3.11) was asked besides the recorded scenarios.

use super::fields::gate;
use super::{ask, id};
use crate::support::{Gate, Who, request};
use serde_json::json;

fn edit(gate: &Gate, path: &str, body: &serde_json::Value) -> String {
    let answer = ask(gate, Who::su, "PATCH", path, body);
    assert_eq!(answer.status, 400, "{}", answer.text());
    answer.text()
}

#[test]
fn all_that_is_wrong_within_an_object_is_told() {
    let gate = gate("{}", true);
    let user = format!("user/{}/", id(&gate, "uA"));
    for (organization, is_admin, told) in [
        (
            json!("zzz"),
            json!("maybe"),
            r#""organization":["“zzz” is not a valid UUID."],"is_admin":["Must be a valid boolean."]"#,
        ),
        (
            json!("10000000-0000-4000-8000-000000000001"),
            json!(null),
            concat!(
                r#""organization":["Invalid pk \"10000000-0000-4000-8000-000000000001\" - object does not exist."],"#,
                r#""is_admin":["This field may not be null."]"#
            ),
        ),
        (
            json!(true),
            json!("maybe"),
            r#""organization":["Incorrect type. Expected pk value, received bool."],"is_admin":["Must be a valid boolean."]"#,
        ),
    ] {
        let sent = json!({ "organization_users": { "organization": organization, "is_admin": is_admin } });
        assert_eq!(edit(&gate, &user, &sent), format!(r#"{{"organization_users":{{{told}}}}}"#));
    }
    let organization = format!("organization/{}/", crate::support::ORG_A);
    let sent = json!({ "owner": { "organization_user": "zzz" }, "slug": "a b" });
    let slug = r#"Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."#;
    let told = format!(r#"{{"slug":["{slug}"],"owner":{{"organization_user":["“zzz” is not a valid UUID."]}}}}"#);
    assert_eq!(edit(&gate, &organization, &sent), told);
}

#[test]
fn digits_of_any_script_are_numbers() {
    let gate = gate("{}", true);
    for (page, status) in [("%DB%B1", 200), ("%EF%BC%91", 200), ("%F0%9D%9F%99", 200), ("%D9%A3", 404), ("%C2%B2", 404)]
    {
        let answer = ask(&gate, Who::su, "GET", &format!("user/?page={page}"), &json!(null));
        assert_eq!(answer.status, status, "{page}: {}", answer.text());
    }
    let sent = json!({ "groups": ["1\u{662}"] });
    let told = "{\"groups\":[\"Invalid pk \\\"1\u{662}\\\" - object does not exist.\"]}";
    assert_eq!(edit(&gate, &format!("user/{}/", id(&gate, "uA")), &sent), told);
}

#[test]
fn an_address_that_django_takes_and_postern_does_not_is_told_in_its_words() {
    let gate = gate("{}", true);
    for email in ["\"ab\"@x.org", "a@[127.0.0.1]", &format!("{}@x.org", "a".repeat(70))] {
        let new = json!({ "username": "lena", "email": email, "password": "correct horse" });
        let answer = ask(&gate, Who::su, "POST", "user/", &new);
        assert_eq!((answer.status, answer.text().as_str()), (400, r#"{"email":["Enter a valid email address."]}"#));
    }
}

#[test]
fn logins_and_passwords_are_answered_in_lines_and_as_pages_too() {
    let gate = gate("{}", true);
    let ask = |path: &str, accept: &str| {
        let headers = [("Content-Type", "application/json"), ("Accept", accept)];
        gate.send(request(Who::nobody, "POST", &format!("/api/v1/users/{path}"), &headers, r#"{"input": "nobody"}"#))
    };
    let lines = ask("password/reset/", "application/json; indent=2");
    let told = "{\n  \"detail\": \"Password reset e-mail has been sent.\"\n}";
    assert_eq!((lines.status, lines.text().as_str()), (200, told));
    for (path, name, status) in [
        ("token/", "Obtain Auth Token", 400),
        ("password/reset/", "Password Reset", 200),
        ("password/reset/confirm/", "Password Reset Confirm", 400),
        ("user/password/change/", "Password Change", 401),
    ] {
        let page = ask(path, "text/html");
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.text().contains(&format!("<title>{name}")), "{}", page.text());
        assert!(ask(path, "*/*").header("content-type").is_some_and(|kind| kind == "application/json"), "{path}");
    }
}
