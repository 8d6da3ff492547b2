//! The pages of the records' endpoints, as browsers are shown them.

mod access;
mod accessible;
mod forms;
mod hostile;
mod journey;
pub mod languages;
mod shown;

use crate::login::browser::{self, Browser};
use crate::support::{Answer, Gate, Options, Postern, Upstream, Who, request};
pub use accessible::axe;

const PASSWORD: &str = "s3cret-word-of-them";

/// The gate of the records, with sessions; whoever logs in has the same password.
pub fn gate() -> Gate {
    gate_with("", "")
}

/// The same with more settings, and more of `identity:`.
pub fn gate_with(settings: &str, identity: &str) -> Gate {
    let mut options = Options::policy(super::ROUTES);
    let usual = "  api: all\n  session: { secure: false }\n  passwords: { memory: 64KiB, passes: 1 }\n";
    options.config = format!("{settings}identity:\n{usual}{identity}");
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, command.env("KEY", "k".repeat(64))), upstream };
    super::permit(&gate);
    for name in ["su", "mA"] {
        gate.postern.cli_with(&["user", "password", name, "--password-stdin"], &format!("{PASSWORD}\n"));
    }
    gate
}

pub fn at(path: &str) -> String {
    format!("/api/v1/users/{path}")
}

/// A page, for whoever has a token.
pub fn page(gate: &Gate, who: Who, path: &str) -> Answer {
    gate.send(request(who, "GET", &at(path), &[("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")], ""))
}

/// A browser in which somebody is logged in.
pub fn browser<'g>(gate: &'g Gate, name: &str) -> Browser<'g> {
    let mut browser = Browser::of(gate);
    browser.headers = "Accept: text/html,*/*;q=0.8\r\n".to_owned();
    assert_eq!(browser.log_in(name, PASSWORD).status, 303);
    browser
}

/// The value of a hidden field.
pub fn field(page: &str, name: &str) -> Option<String> {
    browser::field(page, name).map(|value| value.replace("&#34;", "\""))
}

/// Fills in the form of a page and sends it.
pub fn send(browser: &mut Browser<'_>, form: &str, fields: &[(&str, &str)]) -> Answer {
    let shown = browser.get(&at(form));
    assert_eq!(shown.status, 200, "{form}: {}", shown.text());
    let text = shown.text();
    let mut all: Vec<(String, String)> = ["_method", "postern_csrf", "_version", "_key"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), field(&text, name)?)))
        .collect();
    assert!(all.len() > 1, "{form} has a form: {text}");
    all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.ask("POST", &at(form.split('?').next().unwrap()), Some(&all))
}

/// Where an answer sends the browser on, below the API.
pub fn led(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().trim_start_matches("/api/v1/users/").to_owned()
}

/// A text of JSON as it stands in a page.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}
