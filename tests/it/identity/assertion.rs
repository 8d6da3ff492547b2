//! Whose a request is, signed: what services read of it, by the programs of docs/assertion.md.

use super::python;
use crate::support::h2::{Ask, H2};
use crate::support::reloads::{one_more, reloads, write};
use crate::support::{Gate, ORG_A, Options, Postern, Raw, Upstream, Who, eventually, free_port, request};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

const ROUTES: &str = "version: 1
routes:
  /public/**: public
  /optional/**: optional
  /me/**: authenticated
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /org/{org}/**: { level: member, org: path.org as slug, inject: { X-Org: org.slug } }
";

fn key(arguments: &str) -> String {
    let made = Command::new("openssl").args(arguments.split(' ')).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

const ED25519: &str = "genpkey -algorithm ed25519";
const P256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "genrsa -traditional 2048";

/// A gate that signs with this key, and what the configuration says besides.
fn gate(key: &str, besides: &str) -> Gate {
    let upstream = Upstream::echo();
    let options = options(upstream.address(), besides);
    let home = Postern::prepare(None, &options);
    std::fs::write(home.path().join("key.pem"), key).unwrap();
    let mut serve = Postern::serve(home.path(), &options);
    Gate { postern: Postern::run(home, &mut serve), upstream }
}

fn options(upstream: SocketAddr, besides: &str) -> Options {
    Options {
        config: format!("assertion: {{ key: {{ file: key.pem }}{besides} }}\n"),
        upstreams: Some(format!("{{ api: \"http://{upstream}\" }}")),
        ..Options::policy(ROUTES)
    }
}

/// The assertion of the last request, and what it says, unverified.
fn last(gate: &Gate) -> (String, Value) {
    let seen = gate.upstream.last();
    let values = seen.folded("x-postern-assertion");
    assert_eq!(values.len(), 1, "{seen:?}");
    let read = |part: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    (values[0].to_owned(), read(values[0].split('.').nth(1).unwrap()))
}

/// A program of the manual.
fn program(of: &str) -> &'static str {
    let manual = include_str!("../../../docs/assertion.md");
    manual.split_once(&format!("```{of}\n")).and_then(|(_, rest)| rest.split_once("```")).unwrap().0
}

fn django(gate: &Gate, requests: &Value) -> Value {
    let keys = format!("http://{}", gate.postern.admin);
    python("asserted.py", &json!({ "program": program("python"), "keys": keys, "requests": requests }))
}

/// What the manual's program for Node says of a request.
fn node(gate: &Gate, method: &str, url: &str, assertion: &str) -> Result<Value, String> {
    let program = program("javascript").replace("http://127.0.0.1:9090", &format!("http://{}", gate.postern.admin));
    let request = json!({ "method": method, "url": url, "headers": { "x-postern-assertion": assertion } });
    let program = format!("{program}\nconsole.log(JSON.stringify(await asserted({request})));\n");
    let mut child = Command::new("node")
        .args(["--input-type=module", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the manual's program for Go says of requests: claims, or why not.
fn go(gate: &Gate, requests: &Value) -> Value {
    let home = tempfile::tempdir().unwrap();
    let program = program("go").replace("http://127.0.0.1:9090", &format!("http://{}", gate.postern.admin));
    std::fs::write(home.path().join("asserted.go"), program).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("tests/go/main.go"), home.path().join("main.go")).unwrap();
    // Nothing is fetched: the program has the standard library alone.
    let mut child = Command::new("go")
        .args(["run", "asserted.go", "main.go"])
        .current_dir(home.path())
        .envs([("GOPROXY", "off"), ("GOFLAGS", ""), ("CGO_ENABLED", "0")])
        .env("GOPATH", home.path().join("path"))
        .env("GOCACHE", root.join("target/go"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(requests.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the program for Go");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn django_node_and_go_read_whose_a_request_is() {
    for (arguments, algorithm) in [(ED25519, "EdDSA"), (P256, "ES256"), (RSA, "RS256")] {
        let gate = gate(&key(arguments), "");
        let target = "/org/a/caf%C3%A9?q=%2F";
        assert_eq!(gate.send(request(Who::mA, "POST", target, &[], "x")).status, 200);
        let (assertion, _) = last(&gate);
        let asked = |method: &str, target: &str, assertion: &str| json!({ "method": method, "target": target, "assertion": assertion });
        let (mut forged, mut cut) = (assertion.clone(), assertion.clone());
        forged.replace_range(
            forged.len() - 9..forged.len() - 8,
            if forged.as_bytes()[forged.len() - 9] == b'A' { "B" } else { "A" },
        );
        cut.truncate(cut.rfind('.').unwrap() + 1);
        let requests = json!([
            asked("POST", target, &assertion),
            asked("GET", target, &assertion),
            asked("POST", "/org/b/", &assertion),
            asked("POST", target, &forged),
            asked("POST", target, &cut),
            asked("POST", target, ""),
        ]);
        let read = django(&gate, &requests);
        assert_eq!(read["statuses"], json!([200, 401, 401, 401, 401, 401]), "{algorithm}");
        let claims = &read["claims"][0];
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["level"]),
            (&json!("postern"), &json!("api"), &json!("manager"))
        );
        assert_eq!((&claims["preferred_username"], &claims["is_superuser"]), (&json!("mA"), &json!(false)));
        assert_eq!((&claims["org"]["id"], &claims["org"]["slug"]), (&json!(ORG_A), &json!("a")));
        assert_eq!((&claims["route"], &claims["target"]), (&json!("/org/{org}/**"), &json!(target)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert_eq!(claims["jti"].as_str(), gate.upstream.last().header("x-request-id"));
        assert_eq!(node(&gate, "POST", target, &assertion).unwrap(), *claims, "{algorithm}");
        let [another, unsigned] = ["signed for another request", "not signed by postern"];
        let told = json!([claims, another, another, unsigned, unsigned, unsigned]);
        assert_eq!(go(&gate, &requests), told, "{algorithm}");
        for (method, target, assertion) in [
            ("PUT", target, &assertion),
            ("POST", "/", &assertion),
            ("POST", target, &forged),
            ("POST", target, &cut),
            ("POST", target, &String::new()),
        ] {
            let refused = node(&gate, method, target, assertion).unwrap_err();
            assert!(refused.contains("signed") || refused.contains("JSON"), "{algorithm}: {refused}");
        }
        let keys = gate.postern.admin("/.well-known/jwks.json");
        assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
        let keys = keys.json();
        assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["keys"][0]["alg"]), (1, &json!(algorithm)));
        assert!(keys["keys"][0].get("d").is_none() && keys["keys"][0].get("p").is_none(), "{keys}");
    }
}

#[test]
fn an_assertion_is_for_one_request_and_nobody_else_s_gets_through() {
    let gate = gate(&key(ED25519), "");
    let spoofed =
        [("X-Postern-Assertion", "a.b.c"), ("x_postern_assertion", "a.b.c"), ("X.Postern.Assertion", "a.b.c")];
    assert_eq!(gate.send(request(Who::uA, "GET", "/me/x", &spoofed, "")).status, 200);
    let (first, claims) = last(&gate);
    assert!(
        claims.get("org").is_none() && claims.get("level").is_none() && claims.get("permissions").is_none(),
        "{claims}"
    );
    assert_eq!(gate.send(request(Who::uA, "GET", "/me/x", &spoofed, "")).status, 200);
    assert_ne!(last(&gate).0, first);
    // The target is the one that the service sees.
    assert_eq!(gate.get(Who::uA, "/ext/me/x?y").status, 200);
    assert_eq!(last(&gate).1["target"], "/me/x?y");
    let answer = H2::plain(gate.postern.data).ask(Who::uA, &Ask::get("/me/x"));
    assert_eq!((answer.status, &last(&gate).1["preferred_username"]), (200, &json!("uA")));
    for target in ["/public/x", "/optional/x"] {
        let who = if target == "/public/x" { Who::uA } else { Who::nobody };
        assert_eq!(gate.send(request(who, "GET", target, &spoofed, "")).status, 200);
        assert!(gate.upstream.last().folded("x-postern-assertion").is_empty(), "{target}");
    }
    assert_eq!(gate.get(Who::uA, "/optional/x").status, 200);
    assert_eq!(last(&gate).1["preferred_username"], "uA");
    let told = gate.postern.cli(&["explain", "--as", "uA", "GET", "/org/a/x"]);
    assert!(told.contains("x-postern-assertion: (signed)"), "{told}");
}

#[test]
fn what_roles_permit_is_signed_where_that_is_asked_for() {
    let gate = gate(&key(P256), ", permissions: true, header: X-Signed, issuer: \"https://gate.example.com\", ttl: 5m");
    gate.postern.cli(&["permission", "create", "shop.change_order"]);
    gate.postern.cli(&["role", "create", "keeper", "--org", "a", "--permissions", "shop.change_order"]);
    gate.postern.cli(&["role", "add", "keeper", "uA", "--org", "a"]);
    let claims = eventually("the role counts", || {
        assert_eq!(gate.get(Who::uA, "/org/a/x").status, 200);
        let seen = gate.upstream.last();
        let part = seen.folded("x-signed")[0].split('.').nth(1).unwrap().to_owned();
        let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
        (claims["permissions"] != json!([])).then_some(claims)
    });
    assert_eq!(
        (&claims["permissions"], &claims["iss"]),
        (&json!(["shop.change_order"]), &json!("https://gate.example.com"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert!(gate.upstream.last().folded("x-postern-assertion").is_empty());
}

/// Those that count in the organization of the request, by the names that they have now.
#[test]
fn the_names_of_roles_are_signed_and_follow_what_changes() {
    let gate = gate(&key(ED25519), "");
    for (role, more) in [("keeper", "--org a"), ("auditor", "--org a"), ("keeper", "--org b"), ("watcher", "--super")] {
        gate.postern.cli(&[&["role", "create", role], &*more.split(' ').collect::<Vec<_>>()].concat());
    }
    let roles = |path: &str| {
        assert_eq!(gate.get(Who::both, path).status, 200);
        last(&gate).1["roles"].clone()
    };
    assert_eq!(roles("/org/a/x"), json!([]));
    gate.postern.cli(&["role", "add", "keeper", "both", "--org", "a"]);
    gate.postern.cli(&["role", "add", "keeper", "both", "--org", "b"]);
    gate.postern.cli(&["role", "add", "auditor", "both", "--org", "a"]);
    gate.postern.cli(&["role", "add", "watcher", "both", "--super"]);
    eventually("all count", || (roles("/org/a/x") == json!(["watcher", "auditor", "keeper"])).then_some(()));
    assert_eq!(roles("/org/b/x"), json!(["watcher", "keeper"]));
    assert_eq!(roles("/me/x"), Value::Null, "no organization, no roles");
    gate.postern.cli(&["role", "edit", "keeper", "--org", "a", "--name", "Keeper"]);
    eventually("the new name", || (roles("/org/a/x") == json!(["watcher", "Keeper", "auditor"])).then_some(()));
    gate.postern.sql("UPDATE super_roles SET name = 'onlooker' WHERE name = 'watcher'");
    eventually("another program's", || (roles("/org/b/x") == json!(["onlooker", "keeper"])).then_some(()));
    // A token that is narrowed says no more than it is good for.
    let narrowed = |scope: &[&str]| {
        let token = gate.postern.cli(&[&["token", "create", "--user", "both"], scope].concat());
        let asked = super::ask("GET", "/org/a/x", &format!("Bearer {}", token.trim()));
        assert_eq!(gate.send(asked).status, 200);
        last(&gate).1["roles"].clone()
    };
    assert_eq!(narrowed(&["--org", "a"]), json!(["Keeper", "auditor"]));
    gate.postern.cli(&["role", "remove", "auditor", "both", "--org", "a"]);
    eventually("it is gone", || (roles("/org/a/x") == json!(["onlooker", "Keeper"])).then_some(()));
    // As much as a header may have, and no more.
    let many =
        (0..100).map(|number| json!({ "name": format!("{}-{number}", "r".repeat(90)), "org": "a", "users": ["both"] }));
    let many: String = many.map(|role| format!("{role}\n")).collect();
    gate.postern.cli_with(&["role", "create", "--batch", "-"], &many);
    let refused =
        eventually("too many", || Some(gate.get(Who::both, "/org/a/x")).filter(|answer| answer.status != 200));
    assert_eq!((refused.status, refused.code().as_str()), (431, "identity_too_large"));
    assert_eq!(roles("/org/b/x"), json!(["onlooker", "keeper"]));
}

#[test]
fn keys_are_exchanged_while_it_serves() {
    let (one, two) = (key(ED25519), key(P256));
    let upstream = Upstream::echo();
    let options = options(upstream.address(), ", other_key: { file: two.pem }");
    let home = Postern::prepare(None, &options);
    std::fs::write(home.path().join("key.pem"), &one).unwrap();
    std::fs::write(home.path().join("two.pem"), &two).unwrap();
    let mut serve = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut serve), upstream };
    let published = || gate.postern.admin("/.well-known/jwks.json").json();
    let kid = || {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
        let (assertion, _) = last(&gate);
        let head = assertion.split('.').next().unwrap().to_owned();
        let head: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(head.as_bytes()).unwrap()).unwrap();
        head["kid"].clone()
    };
    let before = published();
    assert_eq!((before["keys"].as_array().unwrap().len(), &kid()), (2, &before["keys"][0]["kid"]));
    write(&gate, "two.pem", &one);
    write(&gate, "key.pem", &two);
    eventually("the other one signs", || (kid() == before["keys"][1]["kid"]).then_some(()));
    eventually("and is the first", || (published()["keys"][0]["kid"] == before["keys"][1]["kid"]).then_some(()));
    // What is no key leaves those in force.
    let failed = reloads(&gate, "assertion", "failed");
    write(&gate, "key.pem", "nonsense");
    one_more(&gate, "assertion", "failed", failed);
    assert_eq!(kid(), before["keys"][1]["kid"]);
}

#[test]
fn what_cannot_sign_keeps_it_from_starting() {
    for (key, words) in [
        ("nonsense".to_owned(), "must be a private key in PEM"),
        (key("genrsa -traditional 1024"), "must be a private key in PEM"),
        (key("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"), "must be a private key in PEM"),
    ] {
        let options = options(SocketAddr::from(([127, 0, 0, 1], 1)), "");
        let home = Postern::prepare(None, &options);
        std::fs::write(home.path().join("key.pem"), &key).unwrap();
        let ended = Postern::serve(home.path(), &options).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains("assertion.key") && said.contains(words), "{said}");
        assert!(!key.lines().nth(1).is_some_and(|line| said.contains(line)), "nothing of the key is told");
    }
    for (besides, words) in [
        (", ttl: 1h", "from 5s to 10m"),
        (", header: Host", "cannot be the header"),
        (", header: \"X Y\"", "cannot be the header"),
        (", header: X-Org", "is the header of the signed assertion"),
    ] {
        let options = options(SocketAddr::from(([127, 0, 0, 1], 1)), besides);
        let home = Postern::prepare(None, &options);
        std::fs::write(home.path().join("key.pem"), key(ED25519)).unwrap();
        let ended = Postern::serve(home.path(), &options).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(words), "{besides}: {said}");
    }
}

/// A front replaces the header like any other that postern tells.
#[test]
fn a_front_is_told_the_assertion_too() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let upstream = Upstream::echo();
    let mut options = options(upstream.address(), "");
    options.config +=
        &format!("trusted_proxies: [127.0.0.1]\nforward_auth: {{ listen: \"{address}\", front: nginx }}\n");
    let home = Postern::prepare(None, &options);
    std::fs::write(home.path().join("key.pem"), key(ED25519)).unwrap();
    let mut serve = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut serve), upstream };
    let ask = |who: Who, target: &str| {
        let told = [("X-Original-Method", "GET"), ("X-Original-URI", target), ("X-Postern-Assertion", "a.b.c")];
        Raw::connect(address).send(request(who, "GET", "/verdict", &told, "")).answer()
    };
    let answer = ask(Who::uA, "/org/a/x?y");
    let assertion = answer.header("x-postern-assertion").unwrap().to_owned();
    assert_eq!(node(&gate, "GET", "/org/a/x?y", &assertion).unwrap()["preferred_username"], "uA");
    assert_eq!(ask(Who::nobody, "/public/x").header("x-postern-assertion"), Some(""));
}
