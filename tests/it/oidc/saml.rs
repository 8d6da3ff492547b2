//! People of a SAML provider log in by the recipe's files: SATOSA stands between the two, and both are real.

use super::{Provider, program, script};
use crate::support::chromium::Chromium;
use crate::support::{Gate, Options, Upstream, free_port};
use std::path::Path;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: session
defaults: { inject: { X-Postern-User: user.username, X-Postern-Managed: orgs.manager } }
routes:
  /me/**: authenticated
";
const SECRET: &str = "s3cret-of-a-client";

/// The recipe's settings of postern, with its addresses in the place of others.
fn gate(port: u16, satosa: &Provider) -> Gate {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/saml/postern.yaml");
    let config = std::fs::read_to_string(recipe).unwrap();
    let ca = satosa.home.path().join("tls.crt");
    let config = config
        .replace("https://id.example.com", &format!("http://localhost:{port}"))
        .replace("https://saml.example.com", &format!("https://{}", satosa.address))
        .replace("{ env: SATOSA_SECRET }", SECRET)
        .replace("session: {}", "session: { secure: false }")
        .replace("        label: Campus\n", &format!("        label: Campus\n        ca: {}\n", ca.display()));
    let options = Options { config, ..Options::policy(ROUTES) }.set("listen", format!("127.0.0.1:{port}"));
    let gate = Gate::before(Upstream::echo(), &options);
    gate.postern.cli(&["org", "create", "acme", "--slug", "acme"]);
    gate
}

#[test]
fn people_of_a_saml_provider_log_in_behind_satosa() {
    let (python, port) = (script("saml.sh"), free_port());
    let file = program("saml.py").to_str().unwrap().to_owned();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/saml").to_str().unwrap().to_owned();
    let satosa = Provider::start(&python, |own, home| {
        let site = format!("http://localhost:{port}");
        vec![file, own.to_string(), home.to_owned(), recipe, site, SECRET.to_owned()]
    });
    let gate = gate(port, &satosa);
    let mut browser = Chromium::open().without_scripts();
    let page = format!("http://localhost:{port}/me/x?a=b");
    let mut log_in = |name: &str| {
        browser.forget_cookies();
        browser.open_page(&page);
        browser.click("a[href*='/login/with/campus/']");
        browser.fill("username", name);
        browser.click("button");
        browser.click("button");
        (browser.url(), browser.text())
    };
    // What was changed on its way is not believed, and nobody is made of it.
    let (url, text) = log_in("forged-eve");
    assert!(url.contains("/login/with/campus/callback/") && text.contains("Nobody is logged in"), "{url}: {text}");
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM users WHERE username IN ('eve', 'forged-eve')"), "0");
    let (url, text) = log_in("ann");
    assert_eq!(url, page, "{text}");
    let last = gate.upstream.last();
    assert_eq!((last.header("x-postern-user"), last.target.as_str()), (Some("ann"), "/me/x?a=b"));
    assert!(last.header("x-postern-managed").is_some_and(|managed| !managed.is_empty()), "{last:?}");
    let kept = "SELECT first_name || ' ' || last_name || ' ' || (SELECT count(*) FROM subjects) FROM users WHERE username = 'ann'";
    assert_eq!(gate.postern.query(kept), "Ann Lee 1");
    // She is the same the next time.
    let (url, text) = log_in("ann");
    assert_eq!(
        (url, gate.postern.query("SELECT count(*) || '' FROM subjects").as_str()),
        (page.clone(), "1"),
        "{text}"
    );
}
