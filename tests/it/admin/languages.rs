//! The policy room, operations and the home page in the language that a browser asks for.

use super::{browser, gate, send};
use crate::rest::pages::languages::{SAME, is_data, texts};
use crate::support::{Gate, Who};
use std::collections::BTreeSet;

/// Words that are the same in another language, or are code.
const ALSO: [&str; 25] = [
    "postern",
    "shadow",
    "Redis",
    "Candidate",
    "hosts",
    "Host",
    "Check",
    "Doctor",
    "Cache",
    "Routes",
    "Route",
    "Version",
    "version",
    "policy",
    "ok",
    "echo",
    "any",
    "read",
    "write",
    "public",
    "authenticated",
    "superuser",
    "staff",
    "authenticate",
    "any: public",
];

fn visit(gate: &Gate, language: &str) -> Vec<(String, String)> {
    let mut browser = browser(gate, "su");
    browser.headers = format!("Accept: text/html,*/*;q=0.8\r\nAccept-Language: {language}\r\n");
    let mut seen = Vec::new();
    let mut see = |name: &str, html: String| seen.push((name.to_owned(), html));
    for path in [
        "",
        "policy/",
        "policy/?q=nothing-is-called-so",
        "policy/route/0/",
        "policy/explain/",
        "policy/refusals/",
        "policy/refusals/?reason=org_foreign&route=none",
        "policy/shadow/",
        "policy/matrix/",
        "policy/candidate/",
        "operations/",
    ] {
        let path = format!("/postern/{path}");
        let page = browser.get(&path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-language"), Some(language), "{path}");
        see(&path, page.text());
    }
    let explain = "/postern/policy/explain/";
    for fields in [
        [("method", "GET"), ("target", "/admin/x"), ("user", "mA"), ("headers", "")],
        [("method", "GET"), ("target", "/me/x"), ("user", ""), ("headers", "")],
        [("method", "GET"), ("target", "x"), ("user", ""), ("headers", "")],
        [("method", "GET"), ("target", "/x"), ("user", "nobody"), ("headers", "")],
        [("method", "GET"), ("target", "/x"), ("user", ""), ("headers", "Cookie: a=b")],
    ] {
        see(&format!("{explain} {fields:?}"), send(&mut browser, explain, &fields).text());
    }
    let candidate = "/postern/policy/candidate/";
    for text in ["", "version: 1\nroutes: { /public/**: public }\n", "version: 1\nroutes: { /x: nonsense }\n"] {
        see(&format!("{candidate} {text}"), send(&mut browser, candidate, &[("text", text)]).text());
    }
    seen
}

#[test]
fn nothing_of_ours_stays_english_in_the_policy_room_and_operations() {
    let gate = gate();
    assert_eq!(gate.get(Who::uB, "/admin/x").status, 403);
    let english = visit(&gate, "en");
    for (language, word) in [("it", "Perché"), ("de", "Warum"), ("es", "Por qué")] {
        let theirs = visit(&gate, language);
        assert!(theirs.iter().any(|(_, html)| html.contains(word)), "{word}");
        let mut left = BTreeSet::new();
        for ((page, english), (_, theirs)) in english.iter().zip(&theirs) {
            let same = texts(english).intersection(&texts(theirs)).cloned().collect::<Vec<_>>();
            let is_ours = |text: &String| {
                !is_data(text)
                    && !text.contains(", ")
                    && !text.starts_with("Cookie:")
                    && !SAME.contains(&text.as_str())
                    && !ALSO.contains(&text.as_str())
            };
            left.extend(same.into_iter().filter(is_ours).map(|text| format!("{text} of {page}")));
        }
        assert!(left.is_empty(), "{language}: {left:#?}");
    }
}

#[test]
fn names_of_people_and_organizations_are_nobody_s_to_translate() {
    let gate = gate();
    gate.postern.cli(&["org", "create", "Home", "--slug", "home-of-somebody"]);
    gate.postern.cli(&["user", "create", "Users"]);
    let mut browser = browser(&gate, "su");
    browser.headers = "Accept: text/html\r\nAccept-Language: de\r\n".to_owned();
    for (list, kind, name) in [("Organisationen", "organization", "Home"), ("Benutzer", "user", "Users")] {
        let found = browser.get(&format!("/postern/{kind}/?search={name}")).text();
        assert!(found.contains(&format!("<h1><bdi>{list}</bdi></h1>")), "{found}");
        let at = found
            .split(&format!("/postern/{kind}/"))
            .find_map(|rest| rest.get(..36).filter(|id| id.matches('-').count() == 4));
        let at = at.unwrap_or_else(|| panic!("{name} is found: {found}"));
        let page = browser.get(&format!("/postern/{kind}/{at}/")).text();
        assert!(page.contains(&format!("<h1><bdi>{name}</bdi></h1>")), "{page}");
        assert!(page.contains(&format!("aria-current=\"page\"><bdi>{name}</bdi>")), "{page}");
        assert!(page.contains("<bdi>Start</bdi>") && page.contains(&format!("<bdi>{list}</bdi>")), "{page}");
        let edit = browser.get(&format!("/postern/{kind}/{at}/?_form=edit")).text();
        assert!(edit.contains(&format!("<h1><bdi>{name} bearbeiten</bdi></h1>")), "{edit}");
    }
}
