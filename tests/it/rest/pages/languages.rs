//! Pages in the language that a browser asks for: nothing of ours stays English there.

use super::{PASSWORD, at, browser, gate, gate_with, send};
use crate::login::browser::{Browser, LOGIN};
use crate::rest::id;
use crate::support::{Gate, ORG_A};
use std::collections::BTreeSet;

/// What is the same in another language, or is nobody's to translate: names, addresses, and what HTTP says.
pub const SAME: &[&str] = &[
    "Administrator",
    "Operator",
    "Gone",
    "a",
    "b",
    "both",
    "gone",
    "active",
    "en-gb",
    "false",
    "true",
    "off",
    "uB",
    "manager",
    "member",
    "owner",
    "Organization manager",
    "Slug, ascending",
    "API",
    "JSON",
    "URL",
    "ID",
    "OK",
    "su",
    "mA",
    "uA",
    "oA",
    "A",
    "B",
    "acme",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "Account",
    "Password",
    "Token",
    "Tokens",
    "Name",
    "Slug",
    "Status",
    "Link",
    "Code",
    "Notes",
    "Roles",
    "No",
    "no",
    "Bio",
    "Album",
    "User",
    "Staff",
    "Error:",
    "Magic link",
    "Email",
    "admins",
    "devices",
    "Order",
    "Codename",
];

/// The texts that a page shows, by its tags, but those that it says are English.
pub fn texts(html: &str) -> BTreeSet<String> {
    let (first, rest) = html.split_once("<body").unwrap_or(("", html));
    let mut html = format!("{first}<body");
    let mut parts = rest.split(" lang=\"en\"");
    html += parts.next().unwrap();
    for part in parts {
        let tag = html.rsplit_once('<').unwrap().1.split(' ').next().unwrap();
        let end = format!("</{tag}>");
        html += ">";
        html += part.split_once(&end).unwrap().1;
    }
    for (begin, end) in [("<style", "</style>"), ("<pre", "</pre>"), ("<code", "</code>")] {
        while let Some((before, rest)) = html.split_once(begin) {
            html = format!("{before}{}", rest.split_once(end).unwrap().1);
        }
    }
    let shown = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text).trim());
    let mut texts: BTreeSet<String> = shown.filter(|text| !text.is_empty()).map(str::to_owned).collect();
    for attribute in ["aria-label=\"", "placeholder=\"", "title=\""] {
        texts.extend(html.split(attribute).skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()));
    }
    texts
}

/// Whether somebody has typed it: a name with a digit, an address, a permission.
pub fn is_data(text: &str) -> bool {
    text.contains(['@', '/', '_', '|', '…', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        || !text.contains(char::is_alphabetic)
        || text.contains('.') && !text.contains(' ')
}

/// Visits as many pages as somebody sees on a day; what each shows.
fn visit(gate: &Gate, language: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut stranger = Browser::of(gate);
    stranger.headers = format!("Accept: text/html\r\nAccept-Language: {language}\r\n");
    let mut see = |name: &str, html: String| seen.push((name.to_owned(), html));
    see("login", stranger.get(LOGIN).text());
    see("wrong", stranger.log_in("nobody", "wrong-word").text());
    see("missing", stranger.log_in("", "").text());
    see("logout of nobody", stranger.get(&at("logout/")).text());
    see("nobody's list", stranger.get(&at("user/")).text());
    let mut browser = browser(gate, "su");
    browser.headers = format!("Accept: text/html,*/*;q=0.8\r\nAccept-Language: {language}\r\n");
    let (user, mb) = (id(gate, "uA"), id(gate, "mA"));
    for path in [
        "login/".to_owned(),
        "logout/".to_owned(),
        "account/".to_owned(),
        "password/change/".to_owned(),
        "me/".to_owned(),
        "me/profile/".to_owned(),
        "me/profile/?_form=edit".to_owned(),
        "me/email/".to_owned(),
        "me/email/?_form=create".to_owned(),
        "me/token/".to_owned(),
        "me/token/?_form=create".to_owned(),
        "user/".to_owned(),
        "user/?search=nobody-has-this".to_owned(),
        "user/?_form=create".to_owned(),
        format!("user/{user}/"),
        format!("user/{user}/?_form=edit"),
        format!("user/{user}/?_form=delete"),
        format!("user/{user}/password/?_form=edit"),
        format!("user/{mb}/email/"),
        format!("user/{mb}/email/?_form=create"),
        "organization/".to_owned(),
        "organization/?_form=create".to_owned(),
        format!("organization/{ORG_A}/"),
        format!("organization/{ORG_A}/?_form=edit"),
        format!("organization/{ORG_A}/?_form=delete"),
        format!("organization/{ORG_A}/member/"),
        format!("organization/{ORG_A}/member/?_form=create"),
        format!("organization/{ORG_A}/member/{user}/?_form=delete"),
        format!("organization/{ORG_A}/role/"),
        format!("organization/{ORG_A}/role/?_form=create"),
        "super-role/?_form=create".to_owned(),
        "permission/?_form=create".to_owned(),
        "group/".to_owned(),
        "group/?_form=create".to_owned(),
        "user/10000000-0000-4000-8000-00000000ffff/".to_owned(),
    ] {
        let page = browser.get(&at(&path));
        if page.status == 200 {
            assert_eq!(page.header("content-language"), Some(language), "{path}");
        }
        see(&path, page.text());
    }
    let wrong = [
        ("username", "a b"),
        ("email", "x"),
        ("password", "1"),
        ("birth_date", "x"),
        ("phone_number", "x"),
        ("url", "x"),
    ];
    see("what is wrong of a user", send(&mut browser, "user/?_form=create", &wrong).text());
    see(
        "what is wrong of a slug",
        send(&mut browser, "organization/?_form=create", &[("name", ""), ("slug", "a b")]).text(),
    );
    let long = "x".repeat(200);
    let fields = [("old_password", PASSWORD), ("new_password1", long.as_str()), ("new_password2", "y")];
    see("what is wrong of a password", browser.send(&at("password/change/"), &fields).text());
    seen
}

#[test]
fn nothing_of_ours_stays_english_on_a_page_in_another_language() {
    let gate = gate_with("", "  token: { throttle: none }\n");
    let english = visit(&gate, "en");
    assert!(english.iter().all(|(_, html)| html.contains("<html lang=\"en\">")));
    for (language, word) in [("it", "Accedi"), ("de", "Anmelden"), ("es", "Iniciar sesión")] {
        let theirs = visit(&gate, language);
        assert!(theirs[0].1.contains(word), "{}", theirs[0].1);
        let mut left = BTreeSet::new();
        for ((page, english), (_, theirs)) in english.iter().zip(&theirs) {
            assert!(theirs.contains(&format!("<html lang=\"{language}\">")), "{page}");
            let same = texts(english).intersection(&texts(theirs)).cloned().collect::<Vec<_>>();
            left.extend(same.into_iter().filter(|text| !is_data(text) && !SAME.contains(&text.as_str())));
        }
        assert!(left.is_empty(), "{language}: {left:#?}");
    }
}

#[test]
fn what_programs_read_is_the_same_whatever_language_they_ask_for() {
    let gate = gate();
    let mut programs = ["en", "de"].map(|language| {
        let mut browser = Browser::of(&gate);
        browser.headers = format!("Accept: application/json\r\nAccept-Language: {language}\r\n");
        let answer = browser.get(&at("user/"));
        (answer.status, answer.header("content-language").map(str::to_owned), answer.text())
    });
    assert_eq!(programs[0], programs[1]);
    assert_eq!(std::mem::take(&mut programs[0]).1, None);
}
