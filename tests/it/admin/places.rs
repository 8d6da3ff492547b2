//! What an installation puts into the pages, at places that stay.

use super::{browser, chromium, everybody_can_use, gate_with};
use crate::login::browser::Browser;

#[test]
fn templates_of_an_installation_stand_in_their_places_and_values_are_text() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("header.html", "<p>Of {{ name }}, for {{ username }}</p>"),
        ("footer.html", "<p>Ask <a href=\"mailto:help@app.example\">the operators</a> ({{ language }})</p>"),
        ("home.html", "<p>Read the news first.</p>"),
        ("records.html", "{% if path == \"/user/\" %}<p>Leavers are deactivated.</p>{% endif %}"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let settings = format!("admin_ui: {{ name: \"<b>Office\", templates: \"{}\" }}\n", folder.path().display());
    let gate = gate_with(&settings, "");
    let mut su = browser(&gate, "su");
    let mut page = |path: &str| su.get(&format!("/postern/{path}")).text();
    let (home, users, organizations, policy) = (page(""), page("user/"), page("organization/"), page("policy/"));
    for every in [&home, &users, &organizations, &policy] {
        assert!(every.contains("<p>Of &lt;b&gt;Office, for su</p>"), "{every}");
        assert!(every.contains("the operators</a> (en)</p>") && !every.contains("<b>Office"), "{every}");
    }
    assert_eq!([&home, &users, &policy].map(|page| page.contains("Read the news first.")), [true, false, false]);
    let leavers = [&home, &users, &organizations, &policy].map(|page| page.contains("Leavers are deactivated."));
    assert_eq!(leavers, [false, true, false, false]);
    // A script in them does not run, since the policy of the pages lets none.
    let answer = su.get("/postern/");
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'self'"));
    let stranger = Browser::of(&gate).get("/postern/").text();
    assert!(!stranger.contains("for su"), "{stranger}");
    everybody_can_use(&mut chromium(&gate, "su", "/postern/"), &gate, &[("", "/postern/"), ("", "/postern/user/")]);
}
