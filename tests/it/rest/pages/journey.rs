//! What people do with the pages, in a real browser, with scripts and without.

use super::{PASSWORD, at, gate};
use crate::support::Gate;
use crate::support::chromium::Chromium;

fn url(gate: &Gate, path: &str) -> String {
    format!("http://localhost:{}{}", gate.postern.data.port(), at(path))
}

fn tick(browser: &mut Chromium, selector: &str, on: bool) {
    let found =
        browser.eval(&format!("(it => (it && (it.checked = {on}), !!it))(document.querySelector('{selector}'))"));
    assert_eq!(found, true, "{selector} on {}", browser.url());
}

fn choose(browser: &mut Chromium, name: &str, label: &str) {
    let script = format!(
        "(it => {{ const found = [...it.options].find(one => one.text === '{label}'); it.value = found?.value; return !!found }})\
         (document.querySelector('[name=\"{name}\"]'))"
    );
    assert_eq!(browser.eval(&script), true, "{name} can be {label}");
}

const SEND: &str = "form.card button[type=submit]";

fn journey(mut browser: Chromium) {
    let gate = gate();
    // Whoever opens a page and is nobody logs in, and comes back.
    browser.open_page(&url(&gate, "organization/"));
    assert!(browser.text().contains("401 Unauthorized"), "{}", browser.text());
    browser.click("main a.button");
    browser.fill("username", "su");
    browser.fill("password", PASSWORD);
    browser.click("button[type=submit]");
    assert_eq!(browser.url(), url(&gate, "organization/"));
    assert!(browser.text().contains("Logged in as"), "{}", browser.text());

    browser.click("a[href$='?_form=create']");
    browser.fill("name", "Acme");
    browser.fill("slug", "not a slug");
    browser.click(SEND);
    assert!(browser.text().contains("Enter a valid \"slug\""), "{}", browser.text());
    assert_eq!(browser.eval("document.querySelector('[name=name]').value"), "Acme", "what was typed stays");
    browser.fill("slug", "acme");
    browser.click(SEND);
    assert!(browser.text().contains("It has been created."), "{}", browser.text());
    let organization = browser.url().split('?').next().unwrap().to_owned();

    // A user who is a manager of it, found by the ways that pages show.
    browser.click(".bar a[href$='/user/']");
    browser.click("a[href$='?_form=create']");
    for (name, text) in [("username", "nina"), ("email", "nina@acme.example"), ("password", "s3cret-word-n")] {
        browser.fill(name, text);
    }
    choose(&mut browser, "organization_users.organization", "Acme");
    tick(&mut browser, "[name=\"organization_users.is_admin\"]", true);
    browser.click(SEND);
    let shown = browser.text();
    assert!(shown.contains("It has been created.") && shown.contains("nina@acme.example"), "{shown}");
    let user = browser.url().split('?').next().unwrap().to_owned();
    browser.click(&format!("dd a[href='{}']", organization.split_once(&at("")).map(|(_, path)| at(path)).unwrap()));
    assert_eq!(browser.url(), organization);
    browser.click("section a[href$='/member/']");
    assert!(browser.text().contains("nina"), "{}", browser.text());

    // The list is searched, and the record edited.
    browser.open_page(&url(&gate, "user/"));
    browser.fill("search", "nina");
    browser.click("form.filters button");
    assert!(browser.text().contains("1 record"), "{}", browser.text());
    browser.click("tbody th a");
    assert_eq!(browser.url(), user);
    browser.click("a[href$='?_form=edit']");
    browser.fill("first_name", "Nina");
    tick(&mut browser, "[name=is_active]", false);
    browser.click(SEND);
    let shown = browser.text();
    assert!(shown.contains("Your changes have been saved.") && shown.contains("Nina"), "{shown}");

    // A token's secret, once.
    browser.open_page(&url(&gate, "me/token/?_form=create"));
    browser.fill("name", "reports");
    browser.click(SEND);
    assert!(browser.text().contains("pst_"), "{}", browser.text());
    browser.click("main a.button");
    assert!(browser.text().contains("reports") && !browser.text().contains("pst_"), "{}", browser.text());

    // What is deleted says what goes with it.
    browser.open_page(&organization);
    browser.click("a[href$='?_form=delete']");
    let shown = browser.text();
    assert!(shown.contains("Delete Acme?") && shown.contains("The memberships of one user"), "{shown}");
    browser.click(SEND);
    assert!(browser.text().contains("deleted") || browser.text().contains("own"), "{}", browser.text());

    browser.click(".who a[href$='/logout/']");
    browser.click("form button");
    browser.open_page(&user);
    assert!(browser.text().contains("401 Unauthorized"), "{}", browser.text());
}

#[test]
fn people_work_with_scripts() {
    journey(Chromium::open());
}

#[test]
fn people_work_without_scripts() {
    journey(Chromium::open().without_scripts());
}
