//! Tokens in headers of their own, and as Django REST framework's clients write them.

use crate::support::{Gate, Options, World};

const ROUTES: &str = r#"
version: 1
upstream: echo
authenticate: [bearer, token, { header: X-Api-Key }]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me: authenticated
  /key: { level: authenticated, authenticate: { header: X-Api-Key } }
  /kept: { level: authenticated, forward_authorization: true }
  /bearer: { level: authenticated, authenticate: bearer }
  /open: public
"#;

fn request(target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n{headers}\r\n")
}

#[test]
fn a_token_is_taken_from_the_header_that_the_rule_names_and_goes_no_further() {
    let gate = Gate::with(&Options::policy(ROUTES));
    let token = World::get().token_of("uA");
    let (drf, bearer) = (format!("Token {token}"), format!("Bearer {token}"));
    let key = ("x-api-KEY", token);
    for (target, header) in [
        ("/me", key),
        ("/me", ("Authorization", drf.as_str())),
        ("/me", ("Authorization", bearer.as_str())),
        ("/key", key),
    ] {
        let sent = gate.forwarded(request(target, &[header]));
        assert_eq!(sent.header("x-postern-user"), Some("uA"), "{target}");
        assert!(sent.folded("x-api-key").is_empty() && sent.header("authorization").is_none(), "{target}");
    }
    let answer = gate.send(request("/me", &[key]));
    assert!(answer.all("vary").iter().any(|vary| vary.eq_ignore_ascii_case("x-api-key")), "{:?}", answer.all("vary"));
    // Where it is not taken it is not looked at, and goes no further either; it stays where the rule says that credentials do.
    for headers in [&[key][..], &[("X_Api_Key", token)]] {
        assert!(gate.forwarded(request("/open", headers)).folded("x-api-key").is_empty());
        let with = [headers, &[("Authorization", bearer.as_str())]].concat();
        assert!(gate.forwarded(request("/bearer", &with)).folded("x-api-key").is_empty());
    }
    assert_eq!(gate.forwarded(request("/kept", &[key])).folded("x-api-key"), [token]);
}

#[test]
fn two_credentials_are_ambiguous_and_a_bad_one_falls_through_to_nothing() {
    let gate = Gate::with(&Options::policy(ROUTES));
    let token = World::get().token_of("uA");
    let (drf, bearer) = (format!("Token {token}"), format!("Bearer {token}"));
    let key = ("X-Api-Key", token);
    for headers in [
        &[key, ("Authorization", bearer.as_str())][..],
        &[key, ("Authorization", "Basic YTpi")],
        &[key, key],
        &[("X_Api_Key", token)],
        &[key, ("x.api.key", "other")],
        &[("Authorization", bearer.as_str()), ("Authorization", drf.as_str())],
    ] {
        gate.refused(request("/me", headers), 400, "ambiguous");
    }
    for (target, headers) in [
        ("/me", &[("X-Api-Key", "nobody-has-this")][..]),
        ("/me", &[("X-Api-Key", "")]),
        ("/me", &[("X-Api-Key", bearer.as_str())]),
        ("/key", &[("Authorization", bearer.as_str())]),
        ("/bearer", &[("Authorization", drf.as_str())]),
    ] {
        gate.refused(request(target, headers), 401, "credentials_invalid");
    }
    let challenges = |target: &str| {
        let answer = gate.refused(request(target, &[]), 401, "credentials_missing");
        answer.all("www-authenticate").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(challenges("/me"), ["Bearer", "Token", "ApiKey header=\"x-api-key\""]);
    assert_eq!(challenges("/key"), ["ApiKey header=\"x-api-key\""]);
    assert_eq!(challenges("/bearer"), ["Bearer"]);
    // The tools read the same places.
    let explain = |header: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(gate.postern.home()).args(["explain", "GET", "/key", "--as", "anonymous", "-H", header]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(explain("X-Api-Key: x").contains("401 credentials_invalid"), "{}", explain("X-Api-Key: x"));
    assert!(explain("X_Api_Key: x").contains("400 ambiguous"), "{}", explain("X_Api_Key: x"));
    assert!(explain("X-Other: x").contains("401 credentials_missing"), "{}", explain("X-Other: x"));
}
