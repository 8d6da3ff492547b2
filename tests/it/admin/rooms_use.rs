//! Whether everybody can use the pages, in a browser that runs no scripts of theirs.

use super::{chromium, everybody_can_use, gate, url};
use crate::support::{Who, get, post};

#[test]
fn everybody_can_use_the_pages_of_the_rooms() {
    let gate = gate();
    for at in 0..3 {
        gate.send(get(Who::uA, "/api/v1/org/b/devices"));
        gate.send(post(Who::uA, &format!("/api/v1/org/a/devices/{at}")));
        gate.send(get(Who::nobody, "/me/%3Cb%3E/devices"));
        gate.send(get(Who::uA, "/trial/served"));
    }
    let mut browser = chromium(&gate, "su", "/postern/");
    let pages = [
        ("home", "/postern/"),
        ("", "/postern/nothing/"),
        ("routes", "/postern/policy/"),
        ("", "/postern/policy/?q=nothing-like-it"),
        ("", "/postern/policy/route/3/"),
        ("", "/postern/policy/explain/"),
        ("explain", "/postern/policy/explain/?method=POST&target=/api/v1/org/b/devices&user=uA"),
        ("", "/postern/policy/explain/?method=GET&target=nowhere"),
        ("refusals-dark", "/postern/policy/refusals/"),
        ("", "/postern/policy/refusals/?reason=x"),
        ("", "/postern/policy/shadow/"),
        ("matrix", "/postern/policy/matrix/"),
        ("", "/postern/policy/candidate/"),
        ("", "/postern/policy/candidate/?public"),
        ("", "/postern/policy/candidate/?nonsense"),
        ("operations-dark", "/postern/operations/"),
        ("", "/postern/operations/?"),
    ];
    everybody_can_use(&mut browser, &gate, &pages);
    let mut browser = chromium(&gate, "mA", "/postern/");
    everybody_can_use(&mut browser, &gate, &[("", "/postern/")]);
}

#[test]
fn a_policy_is_tried_and_a_doctor_asked_without_scripts() {
    let gate = gate();
    let mut browser = chromium(&gate, "su", "/postern/policy/candidate/").without_scripts();
    let wider = super::ROUTES.replace("/me/**: authenticated", "/me/**: public");
    browser.fill("text", &wider);
    browser.click("form[enctype] button");
    let text = browser.text();
    assert!(text.contains("2 wider") && text.contains("/me/**"), "{text}");
    browser.open_page(&url(&gate, "/postern/operations/"));
    browser.click("main form button");
    let text = browser.text();
    assert!(text.contains("steps are applied"), "{text}");
}
