//! Where the identity API is: nowhere, where nothing is said; under a prefix of one's own; and what the tools say of it.

use crate::support::{Gate, Options, Postern, Upstream, Who, get, request};
use serde_json::json;

const ROUTES: &str = "version: 1\nupstream: echo\nroutes:\n  /api/**: authenticated\n  /auth/**: authenticated\n";
const CHEAP: &str = "passwords: { memory: 64KiB, passes: 1 }";

fn gate(identity: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = format!("identity:\n  {CHEAP}\n{identity}");
    let gate = Gate::with(&options);
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    gate
}

fn login(prefix: &str) -> Vec<u8> {
    let body = json!({ "username": "lena", "password": "s3cret-word" }).to_string();
    request(Who::nobody, "POST", &format!("{prefix}token/"), &[("Content-Type", "application/json")], &body)
}

#[test]
fn no_password_can_be_tried_where_nothing_is_said_and_the_paths_belong_to_the_service() {
    for gate in [gate(""), gate("  api: off\n")] {
        gate.refused(login("/api/v1/users/"), 401, "credentials_missing");
        let seen = gate.forwarded(get(Who::uA, "/api/v1/users/token/"));
        assert_eq!(seen.target, "/api/v1/users/token/");
        assert_eq!(gate.postern.metric("postern_password_computations"), 0.0);
    }
}

#[test]
fn a_moved_identity_api_is_there_alone_and_its_pages_lead_there() {
    let gate = gate("  api: token\n  prefix: /auth/v1\n  session: { secure: false }\n");
    let answer = gate.send(login("/auth/v1/"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    gate.refused(login("/api/v1/users/"), 401, "credentials_missing");
    gate.forwarded(get(Who::uA, "/api/v1/users/token/"));
    gate.forwarded(get(Who::uA, "/auth/v2/token/"));
    let page = gate.get(Who::nobody, "/auth/v1/login/");
    assert!(page.status == 200 && page.text().contains("action=\"/auth/v1/login/\""), "{}", page.text());
    let moved = gate.get(Who::nobody, "/auth/v1/login?next=/x");
    assert_eq!((moved.status, moved.header("Location")), (301, Some("/auth/v1/login/?next=/x")));
    let away = gate.get(Who::nobody, "/auth/v1/password/change/");
    assert!(away.header("Location").is_some_and(|to| to.starts_with("/auth/v1/login/?next=")), "{}", away.status);
}

/// A character and its escape are the same (RFC 3986, 6.2.2.2), and so the policy reads a path.
#[test]
fn a_path_is_the_same_however_its_characters_are_spelt() {
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes: { /**: public }\n");
    let token = "token: { throttle: none, key: { env: KEY } }";
    options.config =
        format!("compat: openwisp\nidentity:\n  {CHEAP}\n  api: token\n  session: {{ secure: false }}\n  {token}\n");
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, command.env("KEY", "k".repeat(64))), upstream };
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    let body = json!({ "username": "lena", "password": "s3cret-word" }).to_string();
    let shown = |method: &str, target: &str| {
        let body = if method == "POST" { body.as_str() } else { "" };
        let answer = gate.send(request(Who::nobody, method, target, &[("Content-Type", "application/json")], body));
        // What differs each time.
        let text = super::browser::field(&answer.text(), "csrf").map_or_else(|| answer.text(), |_| "a form".to_owned());
        (answer.status, answer.header("location").map(str::to_owned), text)
    };
    for (method, plain, spelt) in [
        ("POST", "token/", "%74oken/"),
        ("POST", "token/", "toke%6E/"),
        ("POST", "token", "t%6fken"),
        ("GET", "token/", "%74%6f%6b%65%6e/"),
        ("GET", "login/?next=/x", "log%69n/?next=/x"),
        ("GET", "login?next=%2Fx", "%6cogin?next=%2Fx"),
        ("GET", "password/change/", "p%61ssword/change/"),
        ("GET", "password/reset/key/x-y/", "password/reset/k%65y/x%2Dy/"),
        ("GET", "nothing/", "n%6Fthing/"),
    ] {
        let expected = shown(method, &format!("/api/v1/users/{plain}"));
        for prefix in ["/api/v1/users/", "/%61pi/v1/users/", "/api/v%31/%75sers/"] {
            assert_eq!(shown(method, &format!("{prefix}{spelt}")), expected, "{prefix}{spelt}");
        }
    }
    for (plain, spelt) in [("change", "%63hange"), ("reset", "rese%74"), ("reset/key/x-y", "reset/%6bey/x-y")] {
        let expected = shown("GET", &format!("/accounts/password/{plain}/"));
        assert_eq!(shown("GET", &format!("/%61ccounts/password/{spelt}/")), expected, "{spelt}");
    }
    // The service has heard of none of them, though its policy opens everything else.
    assert_eq!(gate.upstream.recorded().len(), 0);
    gate.refused(get(Who::nobody, "/api/v1/users/%2574oken/"), 400, "bad_target");
    gate.forwarded(get(Who::nobody, "/api/v1/user%73x/token/"));
}

#[test]
fn the_tools_know_where_the_identity_api_is() {
    let gate = gate("  api: token\n");
    let checked = gate.postern.cli(&["check"]);
    assert!(checked.contains("warning[covers_identity_api]") && checked.contains("`/api/**`"), "{checked}");
    let table = gate.postern.cli(&["matrix"]);
    assert!(table.contains("/api/v1/users/**: postern's own identity API"), "{table}");
    let told = gate.postern.try_cli(&["explain", "GET", "/api/v1/users/token/", "--as", "uA"]);
    assert!(told.as_ref().is_err() || told.as_ref().is_ok_and(|told| told.contains("own identity API")), "{told:?}");
    let off = self::gate("  api: off\n");
    assert!(!off.postern.cli(&["check"]).contains("covers_identity_api"));
    assert!(!off.postern.cli(&["matrix"]).contains("identity API"));
}
