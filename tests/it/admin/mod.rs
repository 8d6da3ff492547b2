//! The admin UI: who enters, what is shown, and that everybody can use it.

mod languages;
mod places;
mod records;
mod records_many;
mod records_use;
mod rooms;
mod rooms_policy;
mod rooms_replicas;
mod rooms_use;

use crate::login::browser::{self, Browser};
use crate::support::chromium::Chromium;
use crate::support::{Answer, Gate, Options, Postern, Upstream};
use serde_json::{Value, json};
use std::path::Path;

pub const PASSWORD: &str = "s3cret-word-of-them";
/// What of `identity:` all have.
pub const USUAL: &str = "  api: all\n  session: { secure: false }\n  passwords: { memory: 64KiB, passes: 1 }\n  token: { throttle: none }\n";
pub const ROUTES: &str = "\
version: 1
upstream: echo
routes:
  /public/**: public
  /me/**: authenticated
  /admin/**: superuser
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /trial/**: { level: superuser, mode: shadow }
";

/// A gate with the admin UI; `su` is a superuser, `ed` staff, and `mA` manages an organization. All have the same password.
pub fn gate() -> Gate {
    gate_with("admin_ui: on\n", "")
}

/// The same with other settings, and more of `identity:`.
pub fn gate_with(settings: &str, identity: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = format!("{settings}identity:\n{USUAL}{identity}");
    let upstream = Upstream::echo();
    let gate = Gate::before(upstream, &options);
    people(&gate.postern);
    gate
}

/// Those who log in.
pub fn people(postern: &Postern) {
    postern.cli(&["user", "create", "ed", "--staff"]);
    for name in ["su", "mA", "ed"] {
        postern.cli_with(&["user", "password", name, "--password-stdin"], &format!("{PASSWORD}\n"));
    }
}

/// A browser in which somebody is logged in.
pub fn browser<'g>(gate: &'g Gate, name: &str) -> Browser<'g> {
    let mut browser = Browser::of(gate);
    assert_eq!(browser.log_in(name, PASSWORD).status, 303, "{name} logs in");
    browser
}

/// Sends a form of a page, with these fields besides the one that shows that it is ours.
pub fn send(browser: &mut Browser<'_>, page: &str, fields: &[(&str, &str)]) -> Answer {
    let shown = browser.get(page).text();
    let csrf = browser::field(&shown, "postern_csrf").unwrap_or_else(|| panic!("{page} has a form: {shown}"));
    let mut all = vec![("postern_csrf", csrf.as_str())];
    all.extend_from_slice(fields);
    browser.ask("POST", page.split('?').next().unwrap(), Some(&all))
}

/// What a command prints to standard output, also one that ends with another exit code than 0.
pub fn printed(home: &Path, args: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
    let done = command.args(args).current_dir(home).env("POSTERN_DATA_DIR", home).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// A Chromium in which somebody is logged in, led to a page.
pub fn chromium(gate: &Gate, name: &str, page: &str) -> Chromium {
    let mut browser = Chromium::open();
    browser.without_policies();
    browser.open_page(&url(gate, &format!("/api/v1/users/login/?next={page}")));
    browser.fill("username", name);
    browser.fill("password", PASSWORD);
    browser.click("button[type=submit]");
    browser
}

pub fn url(gate: &Gate, path: &str) -> String {
    format!("http://localhost:{}{path}", gate.postern.data.port())
}

/// Rules of WCAG 2.2, A and AA, and what is good practice.
const RULES: &str = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations', 'incomplete'] }";

/// What can be pointed at and is smaller than 24 by 24 pixels, and stands in no sentence.
const SMALL: &str = "[...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
    .filter(it => { const r = it.getBoundingClientRect(); return r.width && (r.height < 24 || r.width < 24) && !it.closest('p:not(.help):not(.who), label') && !it.matches('.skip') })
    .map(it => it.outerHTML.slice(0, 200))";

/// Has axe-core judge pages, in the light and in the dark, wide and narrow. Of those that are named a picture is kept.
pub fn everybody_can_use(browser: &mut Chromium, gate: &Gate, pages: &[(&str, &str)]) {
    let axe = crate::rest::axe();
    let mut problems = Vec::new();
    for (width, dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
        browser.looks(width, dark, false);
        for (name, path) in pages {
            browser.open_page(&url(gate, path));
            // The address fills in the form, which asks; a policy is typed.
            if path.contains("/explain/?") {
                browser.click("form.card button[type=submit]");
            } else if let Some((_, word)) = path.split_once("/candidate/?") {
                browser.fill("text", &ROUTES.replace("authenticated", word));
                browser.click("form[enctype] button");
            } else if path.ends_with("/operations/?") {
                browser.click("main form button");
            }
            let what = format!("{path}, {width}px{}", if dark { ", dark" } else { "" });
            browser.eval(&format!("{{ {axe}; 0 }}"));
            let found = browser.eval(&format!(
                "axe.run({RULES}).then(told => [...told.violations, ...told.incomplete].map(one => [one.id, one.nodes.map(it => it.html.slice(0, 200) + ' ' + it.failureSummary)]))"
            ));
            if found != json!([]) {
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
            if !name.is_empty() && dark == name.ends_with("dark") && std::env::var_os("BLESS").is_some() {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
                std::fs::write(path.join(format!("admin-{name}-{width}.png")), browser.picture()).unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
