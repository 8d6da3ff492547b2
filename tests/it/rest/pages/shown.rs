//! What pages show: the same as JSON tells, and nothing that a page need not have.

use super::{at, escaped, gate, page};
use crate::rest::{ask, get, id};
use crate::support::{Gate, ORG_A, ORG_B, Who};
use serde_json::{Value, json};

/// A target for each path of the description that can be read.
fn targets(gate: &Gate) -> Vec<String> {
    let description = gate.send(crate::support::get(Who::nobody, "/api/v1/docs/openapi.json")).json();
    let user = id(gate, "uA");
    let first = |path: &str| get(gate, Who::su, path)["results"][0]["id"].to_string().trim_matches('"').to_owned();
    let own_email = first("me/email/");
    let email = first(&format!("user/{}/email/", id(gate, "mA")));
    let (role, super_role) = (first(&format!("organization/{ORG_A}/role/")), first("super-role/"));
    let (group, permission, token) = (first("group/"), first("permission/"), first("me/token/"));
    let paths = description["paths"].as_object().unwrap().iter();
    let read = paths.filter(|(path, told)| {
        let content = &told["get"]["responses"]["200"]["content"];
        path.starts_with("/api/v1/users/")
            && content["application/json"].is_object()
            && content["text/html"].is_object()
    });
    let its_token = first(&format!("user/{user}/token/"));
    // Nobody is logged in here by a page.
    let filled = read.filter(|(path, _)| !path.contains("{session}")).map(|(path, _)| {
        let path = path.trim_start_matches("/api/v1/users/");
        let number = if path.starts_with("permission") { &permission } else { &group };
        let path = match path {
            path if path.starts_with("super-role/{role}/") => path.replace("{role}", &super_role),
            path if path.starts_with("me/email/") => path.replace("{number}", &own_email),
            path if path.starts_with("me/token/{id}/") => path.replace("{id}", &token),
            path if path.starts_with("organization/") => path.replace("{id}", ORG_A).replace("{role}", &role),
            path if path.starts_with("user/{id}/email/") => {
                path.replace("{id}", &id(gate, "mA")).replace("{number}", &email)
            }
            path => path.replace("{id}", &user).replace("{number}", number),
        };
        path.replace("{user}", &user).replace("{organization}", ORG_A).replace("{token}", &its_token)
    });
    filled.collect()
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

#[test]
fn each_endpoint_that_is_read_has_a_page_with_the_same() {
    let gate = gate();
    let made = [
        (format!("organization/{ORG_A}/role/"), json!({ "name": "helpers", "permissions": [] })),
        ("super-role/".to_owned(), json!({ "name": "all-helpers", "permissions": [] })),
        ("me/token/".to_owned(), json!({ "name": "reports" })),
        ("me/email/".to_owned(), json!({ "email": "su@b.example" })),
        (format!("user/{}/email/", id(&gate, "mA")), json!({ "email": "ma@b.example" })),
    ];
    for (path, body) in &made {
        assert_eq!(ask(&gate, Who::su, "POST", path, body).status, 201, "{path}");
    }
    let targets = targets(&gate);
    assert!(targets.len() >= 17, "{targets:?}");
    let mut shown = [0, 0];
    for (who, shown) in [Who::su, Who::mA].into_iter().zip(&mut shown) {
        for target in &targets {
            let json = ask(&gate, who, "GET", target, &Value::Null);
            let page = page(&gate, who, target);
            assert_eq!(page.status, json.status, "{who:?} {target}");
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
            let html = page.text();
            assert!(html.len() <= 100 << 10, "{target}: {} bytes", html.len());
            if json.status != 200 {
                continue;
            }
            *shown += 1;
            let pretty = html.split_once("<pre tabindex=\"0\">").unwrap().1.split_once("</pre>").unwrap().0;
            let pretty =
                pretty.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#38;", "&");
            assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), json.json(), "{target}");
            let (table, _) = html.split_once("<section aria-labelledby=\"raw\"").unwrap();
            let mut all = Vec::new();
            texts(&json.json(), &mut all);
            for text in all.iter().filter(|text| !text.starts_with("http://api.example.com") && !text.contains('T')) {
                assert!(table.contains(&escaped(text)), "{target}: {text} is shown");
            }
        }
    }
    assert!(shown[0] == targets.len() && shown[1] >= 12, "{shown:?}");
}

#[test]
fn a_page_needs_nothing_from_elsewhere_and_may_do_nothing_else() {
    let gate = gate();
    for path in ["user/", "me/", &format!("organization/{ORG_A}/"), "user/nobody/", "organization/?is_active=maybe"] {
        let page = page(&gate, Who::su, path);
        let html = page.text();
        if path == "user/nobody/" {
            assert_eq!(page.status, 404);
            continue;
        }
        let policy = page.header("content-security-policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!((page.header("cache-control"), page.header("vary")), (Some("no-store"), Some("Accept, Cookie")));
        for foreign in ["<script", "<img", "<style", " src=", " style=", " onclick", "@import", "javascript:"] {
            assert!(!html.contains(foreign), "{path}: {foreign}");
        }
        let style = html.split_once("<link rel=\"stylesheet\" href=\"").unwrap().1.split_once('"').unwrap().0;
        let sheet = gate.send(crate::support::get(Who::nobody, &style.replace("&#x2f;", "/")));
        assert_eq!((sheet.status, sheet.header("content-type")), (200, Some("text/css; charset=utf-8")), "{style}");
        assert!(sheet.header("cache-control").unwrap().contains("immutable"));
        assert!(sheet.body.len() < 60 << 10 && !sheet.text().contains("url("), "{}", sheet.body.len());
    }
    let other = gate.send(crate::support::get(Who::nobody, &at("assets/style-0000000000000000.css")));
    assert_eq!(other.status, 404);
}

#[test]
fn lists_are_filtered_ordered_and_paged_by_forms_and_links() {
    let gate = gate();
    let first = page(&gate, Who::su, "user/?ordering=username&page_size=3");
    let html = first.text();
    assert!(html.contains("aria-sort=\"ascending\"") && html.contains("ordering=-username"), "{html}");
    assert!(html.contains(&format!("rel=\"next\" href=\"{}", at("user/?ordering=username&#38;page=2"))), "{html}");
    // As a browser sends a form in which one field is filled in.
    let sent = "user/?_filter=1&search=&username=&is_active=&is_staff=&is_superuser=true&ordering=&page_size=10";
    let found = page(&gate, Who::su, sent);
    let html = found.text();
    assert_eq!(found.status, 200, "{html}");
    assert!(html.contains("1 record") && html.contains("<bdi>su</bdi>") && !html.contains("<bdi>uA</bdi>"), "{html}");
    let none = page(&gate, Who::su, "user/?search=nobody-is-called-so").text();
    assert!(none.contains("Nothing is like that."), "{none}");
    let wrong = page(&gate, Who::su, "user/?is_active=maybe");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("Show the whole list"), "{}", wrong.text());
}

#[test]
fn records_lead_to_the_records_that_they_name() {
    let gate = gate();
    let member = id(&gate, "uA");
    let user = page(&gate, Who::su, &format!("user/{member}/")).text();
    for target in [format!("organization/{ORG_A}/"), format!("user/{member}/email/")] {
        assert!(user.contains(&format!("href=\"{}\"", at(&target))), "{target}: {user}");
    }
    let organization = page(&gate, Who::su, &format!("organization/{ORG_B}/")).text();
    for below in ["member/", "role/"] {
        assert!(organization.contains(&format!("href=\"{}\"", at(&format!("organization/{ORG_B}/{below}")))));
    }
    let members = page(&gate, Who::mA, &format!("organization/{ORG_A}/member/")).text();
    assert!(members.contains(&format!("href=\"{}\"", at(&format!("organization/{ORG_A}/member/{member}/")))));
    assert!(members.contains("aria-label=\"Breadcrumbs\"") && members.contains("Logged in as"), "{members}");
}
