//! Whether everybody can use the pages: judged by axe-core, by how wide they are, and by what can be pointed at.

use super::{PASSWORD, at, gate};
use crate::rest::{ask, id};
use crate::support::chromium::Chromium;
use crate::support::{ORG_A, Who};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// The script of axe-core, which scripts/tools.sh brings.
pub fn axe() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("target/tools/axe/axe.min.js");
    if !path.exists() {
        let done = Command::new("bash").args(["scripts/tools.sh", "axe"]).current_dir(root).output().unwrap();
        assert!(done.status.success(), "scripts/tools.sh: {}", String::from_utf8_lossy(&done.stderr));
    }
    std::fs::read_to_string(path).unwrap()
}

/// Rules of WCAG 2.2, A and AA, and what is good practice.
const RULES: &str = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] }";

/// What can be pointed at and is smaller than 24 by 24 pixels, and stands in no sentence.
const SMALL: &str = "[...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
    .filter(it => { const r = it.getBoundingClientRect(); return r.width && (r.height < 24 || r.width < 24) && !it.closest('p:not(.help):not(.who), label') && !it.matches('.skip') })
    .map(it => it.outerHTML.slice(0, 200))";

#[test]
fn everybody_can_use_each_kind_of_page() {
    let gate = gate();
    for (index, name) in ["Northwind Traders", "Contoso", "Fabrikam", "Tailspin Toys", "Wide World"].iter().enumerate()
    {
        let body = json!({ "name": name, "slug": format!("o{index}"), "email": "info@example.com", "url": "https://example.com/" });
        assert_eq!(ask(&gate, Who::su, "POST", "organization/", &body).status, 201);
    }
    let axe = axe();
    let mut browser = Chromium::open();
    browser.without_policies();
    let url = |path: &str| format!("http://localhost:{}{}", gate.postern.data.port(), at(path));
    browser.open_page(&url("login/?next=/api/v1/users/user/"));
    browser.fill("username", "su");
    browser.fill("password", PASSWORD);
    browser.click("button[type=submit]");
    let user = format!("user/{}/", id(&gate, "mA"));
    let organization = format!("organization/{ORG_A}/");
    let pages = [
        ("list", "organization/?ordering=name".to_owned()),
        ("record", user.clone()),
        ("form", "user/?_form=create".to_owned()),
        ("edit", format!("{organization}?_form=edit")),
        ("delete", format!("{organization}?_form=delete")),
        ("empty", "super-role/".to_owned()),
        ("nothing", "user/?search=nobody-at-all".to_owned()),
        ("map", "me/".to_owned()),
        ("error", "organization/?is_active=maybe".to_owned()),
        ("missing", "user/10000000-0000-4000-8000-0000000000aa/".to_owned()),
        ("act", format!("{user}password/")),
        ("logout", "logout/".to_owned()),
    ];
    let mut problems = Vec::new();
    for (width, dark, forced) in
        [(1280, false, false), (1280, true, false), (360, false, false), (360, true, false), (640, false, true)]
    {
        browser.looks(width, dark, forced);
        for (name, path) in &pages {
            browser.open_page(&url(path));
            let what = format!(
                "{name}, {width}px{}{}",
                if dark { ", dark" } else { "" },
                if forced { ", forced" } else { "" }
            );
            browser.eval(&format!("{{ {axe}; 0 }}"));
            let found = browser.eval(&format!(
                "axe.run({RULES}).then(told => told.violations.map(one => [one.id, one.nodes.map(it => it.html.slice(0, 200) + ' ' + it.failureSummary)]))"
            ));
            if found != json!([]) && !forced {
                problems.push(format!("{what}: {found}"));
            }
            let over = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            if over != 0 {
                problems.push(format!("{what}: {over} pixels are out of sight"));
            }
            let small = browser.eval(SMALL);
            if small != Value::Array(Vec::new()) {
                problems.push(format!("{what}: too small to point at: {small}"));
            }
            let is_kept = match (width, *name) {
                (1280, "list") => !dark,
                (1280, "form") => dark,
                (360, "list") => !dark,
                _ => false,
            };
            if is_kept && std::env::var_os("BLESS").is_some() {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
                std::fs::write(path.join(format!("browsable-{name}-{width}.png")), browser.picture()).unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
