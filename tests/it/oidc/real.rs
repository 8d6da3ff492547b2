//! Two providers that others have written, in a real browser without scripts: from a page that needs a session to that page.

use super::{Provider, ROUTES, program, python, script};
use crate::login::second_factor::codes;
use crate::support::chromium::Chromium;
use crate::support::{Gate, Options, Upstream, free_port};
use serde_json::json;

/// A gate for a browser, with this provider.
fn gate(port: u16, provider: &str) -> Gate {
    let mut options = Options::policy(ROUTES).set("listen", format!("127.0.0.1:{port}"));
    options.config = format!(
        "public_url: http://localhost:{port}\nidentity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  \
         login:\n    providers:\n      - {provider}\n"
    );
    let gate = Gate::before(Upstream::echo(), &options);
    gate.postern.cli(&["org", "create", "acme", "--slug", "acme"]);
    gate
}

/// The same, where staff must have a second factor.
fn gate_with_mfa(port: u16, provider: &str) -> Gate {
    let mut options = Options::policy(ROUTES).set("listen", format!("127.0.0.1:{port}"));
    options.config = format!(
        "public_url: http://localhost:{port}\nidentity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  \
         mfa: {{ key: \"0123456789abcdef0123456789abcdef\", required_for: [staff] }}\n  login:\n    providers:\n      - {provider}\n"
    );
    Gate::before(Upstream::echo(), &options)
}

/// Ann goes to a page, logs in at the provider, and is there.
fn journey(gate: &Gate, port: u16, password: Option<&str>) {
    let mut browser = Chromium::open().without_scripts();
    browser.open_page(&format!("http://localhost:{port}/me/x?a=b"));
    assert!(browser.url().contains("/api/v1/users/login/?next="), "{}", browser.url());
    browser.click("a[href*='/login/with/']");
    assert!(browser.url().starts_with("http://127.0.0.1:"), "{}", browser.url());
    browser.fill("username", "ann");
    if let Some(password) = password {
        browser.fill("password", password);
    }
    browser.click("button");
    assert_eq!(browser.url(), format!("http://localhost:{port}/me/x?a=b"), "{}", browser.text());
    let last = gate.upstream.last();
    assert_eq!(last.header("x-postern-user"), Some("ann"));
    assert_eq!(gate.postern.query("SELECT email FROM users WHERE username = 'ann'"), "ann@example.org");
    let member = gate.postern.query(
        "SELECT o.slug || m.is_admin FROM memberships m JOIN organizations o ON o.id = m.organization_id JOIN users u ON u.id = m.user_id WHERE username = 'ann'",
    );
    assert_eq!(member, "acme1");
}

const GRANTS: &str = "create_users: true, grants: [{ value: admins, organization: acme, level: manager }]";

#[test]
fn django_oauth_toolkit() {
    let port = free_port();
    let callback = format!("http://localhost:{port}/api/v1/users/login/with/django/callback/");
    let settings = json!({
        "client_id": "postern", "client_secret": "s3cret-of-a-client", "redirect_uri": callback, "password": "s3cret-word",
        "people": { "ann": { "preferred_username": "ann", "email": "ann@example.org", "email_verified": true, "groups": ["admins"] } },
    });
    let file = program("provider.py").to_str().unwrap().to_owned();
    let provider =
        Provider::start(python(), |port, home| vec![file, port.to_string(), home.to_owned(), settings.to_string()]);
    let issuer = format!("{}/o", provider.issuer());
    let gate = gate(
        port,
        &format!(
            "{{ name: django, issuer: \"{issuer}\", client_id: postern, client_secret: s3cret-of-a-client, {GRANTS} }}"
        ),
    );
    journey(&gate, port, Some("s3cret-word"));
}

#[test]
fn node_s_oidc_provider() {
    for (auth, method, secret) in [
        ("basic", "client_secret_basic", Some("s3cret-of-a-client")),
        ("post", "client_secret_post", Some("s3cret-of-a-client")),
        ("none", "none", None),
    ] {
        let port = free_port();
        let callback = format!("http://localhost:{port}/api/v1/users/login/with/node/callback/");
        let mut client =
            json!({ "client_id": "postern", "redirect_uris": [callback], "token_endpoint_auth_method": method });
        if let Some(secret) = secret {
            client["client_secret"] = json!(secret);
        }
        let settings = json!({
            "clients": [client],
            "people": { "ann": { "preferred_username": "ann", "email": "ann@example.org", "email_verified": true, "groups": ["admins"] } },
        });
        let (file, packages) = (program("provider.mjs"), script("node.sh"));
        let node = packages.join("bin/node");
        let arguments = [file, packages].map(|path| path.to_str().unwrap().to_owned());
        let provider =
            Provider::start(&node, |port, _| [&arguments[..], &[port.to_string(), settings.to_string()]].concat());
        let known = if secret.is_some() {
            format!("client_secret: s3cret-of-a-client, client_auth: {auth}, ")
        } else {
            String::new()
        };
        let issuer = provider.issuer();
        let gate = gate(
            port,
            &format!(
                "{{ name: node, issuer: \"{issuer}\", client_id: postern, scopes: [email, profile, groups], {known}{GRANTS} }}"
            ),
        );
        journey(&gate, port, None);
    }
}

/// Ann has a session of a provider when she becomes staff: she logs in there once more, sets an app up, and is where she wanted to.
#[test]
fn a_first_second_factor_is_set_up_behind_a_login_at_a_real_provider() {
    let port = free_port();
    let callback = format!("http://localhost:{port}/api/v1/users/login/with/node/callback/");
    let settings = json!({
        "clients": [{ "client_id": "postern", "redirect_uris": [callback], "token_endpoint_auth_method": "none" }],
        "people": { "ann": { "preferred_username": "ann" } },
    });
    let (file, packages) = (program("provider.mjs"), script("node.sh"));
    let node = packages.join("bin/node");
    let arguments = [file, packages].map(|path| path.to_str().unwrap().to_owned());
    let provider =
        Provider::start(&node, |port, _| [&arguments[..], &[port.to_string(), settings.to_string()]].concat());
    let known = format!("{{ name: node, issuer: \"{}\", client_id: postern, create_users: true }}", provider.issuer());
    let gate = gate_with_mfa(port, &known);
    let page = format!("http://localhost:{port}/me/x?a=b");
    let mut browser = Chromium::open().without_scripts();
    browser.open_page(&page);
    browser.click("a[href*='/login/with/']");
    browser.fill("username", "ann");
    browser.click("button");
    assert_eq!(browser.url(), page, "{}", browser.text());
    gate.postern.cli(&["user", "edit", "ann", "--staff=true"]);
    crate::support::eventually("she is asked for a second factor", || {
        browser.open_page(&page);
        browser.url().contains("/login/code/").then_some(())
    });
    assert!(browser.text().contains("Log in once more") && !browser.text().contains("Code"), "{}", browser.text());
    // The provider remembers her, and sends her back at once.
    browser.click("a[href*='/login/with/']");
    assert!(browser.url().ends_with("/login/code/"), "{}", browser.url());
    let secret = browser.eval("document.querySelector('code').textContent");
    let code = codes(&format!("<code>{}</code>", secret.as_str().unwrap())).remove(0);
    browser.fill("code", &code);
    browser.click("button");
    browser.click("main a[href*='me']");
    assert_eq!(browser.url(), page, "{}", browser.text());
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("ann"));
    assert_eq!(gate.postern.query("SELECT group_concat(DISTINCT coalesce(factor, 'none')) FROM sessions"), "app");
}
