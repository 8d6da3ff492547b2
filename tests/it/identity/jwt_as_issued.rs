//! JWTs as issuers of the real world write them, and why others are refused: told to the operator, and to nobody else.

use super::ask;
use crate::support::{Gate, Options, World};
use data_encoding::BASE64URL_NOPAD;
use postern::clock::unix_seconds;
use serde_json::json;
use tempfile::TempDir;

const ISSUER: &str = "https://id.example.com";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The claims as they are written, signed with the issuer's key `k`.
fn signed(header: &str, claims: &str) -> String {
    let message =
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    let mac = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("Bearer {message}.{}", BASE64URL_NOPAD.encode(mac.as_ref()))
}

fn token(more: &str) -> String {
    let claims = format!(r#"{{"iss":"{ISSUER}","sub":"ext-1","aud":"postern","exp":{}{more}}}"#, unix_seconds() + 600);
    signed(r#"{"alg":"HS256","kid":"k"}"#, &claims)
}

/// The directory with the issuer's keys goes with the gate.
fn gate(issuer: &str, routes: &str) -> (Gate, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys.json");
    let mut options = Options::policy(routes);
    options.config = format!(
        "identity:\n  jwt: [{{ issuer: {ISSUER}, audience: postern, jwks: \"{}\", algorithms: [HS256], {issuer} }}]\n",
        file.display()
    );
    let keys = json!({ "keys": [{ "kty": "oct", "kid": "k", "k": BASE64URL_NOPAD.encode(SECRET) }] });
    std::fs::write(&file, keys.to_string()).unwrap();
    let gate = Gate::with(&options);
    gate.postern.cli(&["user", "bind", "uA", "--issuer", ISSUER, "--subject", "ext-1"]);
    (gate, home)
}

const ME: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, jwt]\nroutes:\n  /me: authenticated\n";

#[test]
fn the_access_line_says_why_a_credential_is_refused_and_never_which() {
    let (gate, _keys) = gate("user: sub", ME);
    assert_eq!(gate.send(ask("GET", "/me", &token(""))).status, 200);
    let at = unix_seconds();
    let head = r#"{"alg":"HS256","kid":"k"}"#;
    let full =
        |exp: i64, more: &str| format!(r#"{{"iss":"{ISSUER}","sub":"ext-1","aud":"postern","exp":{exp}{more}}}"#);
    let good = token("");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let opaque = World::get().token_of("uA");
    let (start, last) = opaque.split_at(opaque.len() - 1);
    let cases = [
        (signed(head, &full(at - 600, "")), "expired"),
        (signed(head, &full(at + 600, &format!(r#","nbf":{}"#, at + 300))), "not_yet_valid"),
        (signed(head, &full(at + 600, "").replace("postern", "other")), "wrong_audience"),
        (signed(head, &full(at + 600, "").replace("id.example", "evil.example")), "unknown_issuer"),
        (signed(head, &full(at + 600, "").replace("exp", "exq")), "no_expiry"),
        (signed(head, &full(at + 600, "").replace("sub", "sup")), "no_subject"),
        (signed(head, &full(at + 600, "").replace("ext-1", "ext-2")), "unknown_user"),
        (signed(head, &full(at + 600, r#","sub":"ext-1""#)), "duplicate_name"),
        (signed(head, &full(at + 600, r#","a":[{"b":1,"b":2}]"#)), "duplicate_name"),
        (signed(r#"{"alg":"HS256","kid":"k","kid":"k"}"#, &full(at + 600, "")), "duplicate_name"),
        (signed(r#"{"alg":"HS256","kid":"k","x":1,"x":1}"#, &full(at + 600, "")), "duplicate_name"),
        (signed(r#"{"alg":"HS512","kid":"k"}"#, &full(at + 600, "")), "wrong_algorithm"),
        (signed(r#"{"alg":"HS256","kid":"k","crit":["x"]}"#, &full(at + 600, "")), "unknown_header"),
        (signed(r#"{"alg":"HS256","kid":"z"}"#, &full(at + 600, "")), "unknown_key"),
        (format!("{message}.{other}{}", &signature[1..]), "bad_signature"),
        (signed(head, "no JSON"), "malformed"),
        (format!("Bearer {start}{}", if last == "a" { "b" } else { "a" }), "bad_checksum"),
        ("Bearer nobody-has-this".to_owned(), "unknown"),
        ("Basic YTpi".to_owned(), "scheme_not_taken"),
        ("Bearer a b".to_owned(), "malformed"),
    ];
    gate.upstream.forget();
    for (authorization, fault) in &cases {
        let answer = gate.refused(ask("GET", "/me", authorization), 401, "credentials_invalid");
        assert!(!answer.text().contains(fault), "{fault}: {}", answer.text());
    }
    let lines = gate.postern.access_lines(cases.len() + 1);
    for (line, (authorization, fault)) in lines[1..].iter().zip(&cases) {
        assert_eq!(
            (line["code"].as_str(), line["fault"].as_str()),
            (Some("credentials_invalid"), Some(*fault)),
            "{line}"
        );
        let credential = authorization.split_once(' ').unwrap().1;
        assert!(!line.to_string().contains(credential), "{line}");
    }
    assert!(lines[0].get("fault").is_none());
}

#[test]
fn claims_are_read_by_whatever_name_they_have_and_within_one_another() {
    let routes = r#"
version: 1
upstream: echo
authenticate: jwt
defaults:
  inject:
    X-Plan: 'claim."https://id.example.com/plan"'
    X-Urn: 'claim."urn:tenant"'
    X-Roles: claim./realm_access/roles
    X-Big: claim.big
    X-Fraction: claim./numbers/1
    X-Dotted: 'claim."a.b"'
    X-Within: claim./a/b
    X-Absent: claim./realm_access/nothing
routes:
  /me: authenticated
  /named: { org: 'claim."urn:tenant" as slug', level: member }
  /within: { org: claim./tenants/0 as slug, level: member }
  /when: { level: authenticated, when: 'claims["https://id.example.com/plan"] == "gold" && "admin" in claims.realm_access.roles && claims.big == "123456789012345678901234567890"' }
"#;
    let (gate, _keys) = gate("user: claims, memberships: { claim: organization, by: slug }", routes);
    let token = |tenant: &str| {
        token(&format!(
            r#","organization":{{"a":{{"id":"x"}}}},"https://id.example.com/plan":"gold","urn:tenant":"{tenant}","tenants":["{tenant}"],
            "realm_access":{{"roles":["admin","a,b"]}},"big":123456789012345678901234567890,"numbers":[1,1.50],"a.b":"dotted","a":{{"b":"within"}}"#
        ))
    };
    let sent = gate.forwarded(ask("GET", "/me", &token("a")));
    for (name, value) in [
        ("x-plan", Some("gold")),
        ("x-urn", Some("a")),
        ("x-roles", Some("admin,a%2Cb")),
        ("x-big", Some("123456789012345678901234567890")),
        ("x-fraction", Some("1.50")),
        ("x-dotted", Some("dotted")),
        ("x-within", Some("within")),
        ("x-absent", None),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    let status = |target: &str, tenant: &str| gate.send(ask("GET", target, &token(tenant))).status;
    assert_eq!((status("/named", "a"), status("/named", "b")), (200, 403));
    assert_eq!((status("/within", "a"), status("/within", "b")), (200, 403));
    assert_eq!(status("/when", "a"), 200);
}

#[test]
fn an_issuer_that_writes_flags_as_texts_is_believed_where_that_is_said() {
    let email = |verified: &str| token(&format!(r#","email":"ma@a.example","email_verified":{verified}"#));
    let (strict, _keys) = gate("user: email", ME);
    let (texts, _more) = gate("user: email, email_verified_text: true", ME);
    for (verified, by_flag, by_text) in
        [("true", 200, 200), ("\"true\"", 401, 200), ("\"false\"", 401, 401), ("\"True\"", 401, 401), ("1", 401, 401)]
    {
        let status = |gate: &Gate| gate.send(ask("GET", "/me", &email(verified))).status;
        assert_eq!((status(&strict), status(&texts)), (by_flag, by_text), "{verified}");
    }
    let (by_path, _others) = gate("user: { claim: /ids/upn, is: external_id }", ME);
    let status = |more: &str| by_path.send(ask("GET", "/me", &token(more))).status;
    assert_eq!((status(r#","ids":{"upn":"legacy-1"}"#), status(r#","/ids/upn":"legacy-1""#)), (200, 401));
}
