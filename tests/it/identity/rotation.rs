//! Keys in files of our own, exchanged while the gate serves: the new ones count, what the old ones signed is forgotten, and
//! what is no key leaves those in force.

use super::{Keys, ask, python};
use crate::support::reloads::{one_more, reloads, said, write};
use crate::support::{Gate, Options, Postern, Signal, Upstream, eventually};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.com";

const ROUTES: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, jwt, sesame]\nroutes:\n  /me: authenticated\n";

/// A gate with these schemes, and these files beside its configuration.
fn gate(identity: &str, files: &[(&str, &str)]) -> Gate {
    let config = format!("identity:\n{identity}");
    let options = Options { config, ..Options::policy(ROUTES) };
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, &mut command);
    Gate { postern, upstream }
}

/// Tokens of uA, each signed with a key of its own, and the keys, by their names; a key that is alone has none.
fn tokens(are_named: bool) -> Value {
    let keys = ["one", "two"];
    let now = postern::clock::unix_seconds();
    let claims = json!({ "iss": ISSUER, "sub": "ext-1", "aud": "postern", "exp": now + 600 });
    let token = |key: &str| {
        let headers = if are_named { json!({ "kid": key }) } else { json!({}) };
        json!({ "key": key, "alg": "ES256", "claims": claims, "headers": headers })
    };
    python("jwt_tokens.py", &json!({ "keys": { "one": "ES256", "two": "ES256" }, "tokens": keys.map(token) }))
}

fn bind(gate: &Gate) {
    gate.postern.cli(&["user", "bind", "uA", "--issuer", ISSUER, "--subject", "ext-1"]);
}

fn status(gate: &Gate, authorization: &str) -> u16 {
    gate.send(ask("GET", "/me", authorization)).status
}

fn jwt(made: &Value, at: usize) -> String {
    format!("Bearer {}", made["tokens"][at].as_str().unwrap())
}

fn becomes(gate: &Gate, authorization: &str, wanted: u16) {
    eventually(&format!("{wanted}"), || (status(gate, authorization) == wanted).then_some(()));
}

/// One of the keys, as a file has it.
fn set(made: &Value, name: &str) -> String {
    json!({ "keys": [made["jwks"][name]] }).to_string()
}

/// A gate whose issuer has its keys in the file `keys.json`.
fn with_keys(set: &str) -> Gate {
    let issuer = format!("  jwt: [{{ issuer: {ISSUER}, audience: postern, jwks: keys.json, algorithms: [ES256] }}]\n");
    let gate = gate(&issuer, &[("keys.json", set)]);
    bind(&gate);
    gate
}

#[test]
fn a_file_of_keys_is_exchanged_and_a_broken_one_is_not_believed() {
    let made = tokens(true);
    let gate = with_keys(&set(&made, "one"));
    becomes(&gate, &jwt(&made, 0), 200);
    assert_eq!(status(&gate, &jwt(&made, 1)), 401);
    write(&gate, "keys.json", &set(&made, "two"));
    one_more(&gate, "identity", "loaded", 0.0);
    assert_eq!([status(&gate, &jwt(&made, 0)), status(&gate, &jwt(&made, 1))], [401, 200]);
    // Half a file is no file.
    write(&gate, "keys.json", &set(&made, "one")[..40]);
    one_more(&gate, "identity", "failed", 0.0);
    said(&gate, &["\"ERROR\"", "keys.json", "it is not JSON"]);
    assert_eq!(status(&gate, &jwt(&made, 1)), 200);
    // What it may hold is not known.
    assert_ne!(status(&gate, &jwt(&made, 0)), 200);
    let ready = gate.postern.admin("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.json()["checks"]["identity"].as_str().unwrap().starts_with("the running one stays: "));
    write(&gate, "keys.json", &set(&made, "one"));
    one_more(&gate, "identity", "loaded", 1.0);
    assert_eq!([status(&gate, &jwt(&made, 0)), status(&gate, &jwt(&made, 1))], [200, 401]);
    assert!(gate.postern.admin("/readyz").json()["checks"]["identity"].is_null());
}

#[test]
fn a_key_alone_is_exchanged_whatever_tokens_call_it() {
    for are_named in [false, true] {
        a_key_alone(&tokens(are_named));
    }
}

fn a_key_alone(made: &Value) {
    let key = |name: &str| made["pem"][name].as_str().unwrap().to_owned();
    let issuer =
        format!("  jwt: [{{ issuer: {ISSUER}, audience: postern, key: {{ file: pem }}, algorithms: [ES256] }}]\n");
    let gate = gate(&issuer, &[("pem", &key("one"))]);
    bind(&gate);
    assert_eq!([status(&gate, &jwt(made, 0)), status(&gate, &jwt(made, 1))], [200, 401]);
    write(&gate, "pem", "-----BEGIN NOTHING-----");
    one_more(&gate, "identity", "failed", 0.0);
    assert_eq!(status(&gate, &jwt(made, 0)), 200);
    write(&gate, "pem", &key("two"));
    one_more(&gate, "identity", "loaded", 0.0);
    assert_eq!([status(&gate, &jwt(made, 0)), status(&gate, &jwt(made, 1))], [401, 200]);
}

/// Whoever opens a pipe waits for its other end: it is no file, and nobody waits.
#[test]
fn what_is_no_file_of_keys_holds_up_nothing() {
    let made = tokens(true);
    let gate = with_keys(&set(&made, "one"));
    becomes(&gate, &jwt(&made, 0), 200);
    let place = gate.postern.home().join("keys.json");
    std::fs::remove_file(&place).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success());
    said(&gate, &["keys.json", "it is no file"]);
    assert_eq!(status(&gate, &jwt(&made, 0)), 200);
    std::fs::remove_file(&place).unwrap();
    write(&gate, "keys.json", &set(&made, "two"));
    becomes(&gate, &jwt(&made, 1), 200);
    assert_eq!(status(&gate, &jwt(&made, 0)), 401);
}

/// Django's secret is exchanged as Django does it: the old one is a fallback for a while, and then no more.
#[test]
fn django_s_secret_is_exchanged() {
    let old = "an-old-secret-of-django-which-is-long-enough-for-it";
    let new = "a-new-secret-of-django-which-is-long-enough-for-it!";
    let gate = gate(
        "  sesame: { key: { file: key }, fallbacks: [{ file: fallback }], max_age: 1h }\n",
        &[("key", old), ("fallback", "nobody-has-signed-anything-with-this-one-here-ever")],
    );
    let link = || {
        let minted = gate.postern.cli(&["sesame", "mint", "--user", "uA"]);
        format!("sesame {}", minted.trim())
    };
    let first = link();
    assert_eq!(status(&gate, &first), 200);
    write(&gate, "fallback", old);
    one_more(&gate, "identity", "loaded", 0.0);
    write(&gate, "key", new);
    one_more(&gate, "identity", "loaded", 1.0);
    let second = link();
    assert_eq!([status(&gate, &first), status(&gate, &second)], [200, 200]);
    write(&gate, "fallback", "nobody-has-signed-anything-with-this-one-here-ever");
    one_more(&gate, "identity", "loaded", 2.0);
    assert_eq!([status(&gate, &first), status(&gate, &second)], [401, 200]);
    std::fs::remove_file(gate.postern.home().join("key")).unwrap();
    one_more(&gate, "identity", "failed", 0.0);
    assert_eq!(status(&gate, &second), 200);
}

/// An address tells nobody that its keys have changed: a signal asks.
#[test]
fn a_signal_asks_an_issuer_s_address_at_once() {
    let made = tokens(true);
    let set = |name: &str| json!({ "keys": [made["jwks"][name]] });
    let keys = Keys::serve(&set("one"));
    let gate = gate(
        &format!(
            "  jwt: [{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [ES256], refresh: 1h, min_interval: 1h }}]\n",
            keys.address
        ),
        &[],
    );
    bind(&gate);
    becomes(&gate, &jwt(&made, 0), 200);
    keys.publish(&set("two"));
    assert_eq!(status(&gate, &jwt(&made, 0)), 200);
    gate.postern.signal(Signal::Hup);
    becomes(&gate, &jwt(&made, 0), 401);
    assert_eq!(status(&gate, &jwt(&made, 1)), 200);
    assert_eq!(reloads(&gate, "identity", "failed"), 0.0);
}
