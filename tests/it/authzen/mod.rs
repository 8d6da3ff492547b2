//! AuthZEN: services ask, over the wire, what a real policy and a real directory say.

mod access;
mod conformance;
mod evaluations;
mod facts;
mod interop;
mod search;

use crate::support::{Answer, Gate, Options};
use serde_json::{Value, json};

/// Somebody who may ask everything: a user with both permissions, and their token.
struct Desk {
    gate: Gate,
    token: String,
}

impl Desk {
    fn new(policy: &str, config: &str) -> Self {
        let mut options = Options::policy(policy);
        options.config = config.to_owned();
        let gate = Gate::with(&options);
        let token = asker(&gate, "desk", &["authzen.evaluate", "authzen.search"]);
        Self { gate, token }
    }

    fn call(&self, path: &str, body: &Value) -> Answer {
        self.send(path, &self.token, &[("Content-Type", "application/json")], &body.to_string())
    }

    fn send(&self, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("POST {path} HTTP/1.1\r\nHost: pdp.example\r\nContent-Length: {}\r\n", body.len());
        if !token.is_empty() {
            text += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        self.gate.send(text + "\r\n" + body)
    }

    /// The answer to a good call.
    fn told(&self, path: &str, body: &Value) -> Value {
        let answer = self.call(path, body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{body} {answer:?}"
        );
        answer.json()
    }

    fn evaluate(&self, subject: &str, action: &str, resource: Value) -> bool {
        let told = self.told("/access/v1/evaluation", &question(subject, action, resource));
        told["decision"].as_bool().unwrap_or_else(|| panic!("{told}"))
    }

    /// All pages of a search, so many results each.
    fn search(&self, what: &str, query: &Value, limit: u32) -> Vec<Value> {
        let mut results = Vec::new();
        let mut page = json!({ "limit": limit });
        loop {
            let mut body = query.clone();
            body["page"] = page;
            let told = self.told(&format!("/access/v1/search/{what}"), &body);
            let list = told["results"].as_array().unwrap();
            assert!(list.len() <= limit as usize && told["page"]["count"] == list.len(), "{told}");
            results.extend(list.iter().cloned());
            match told["page"]["next_token"].as_str().unwrap() {
                "" => return results,
                token => page = json!({ "token": token }),
            }
        }
    }
}

/// A user with these permissions, and a token of theirs.
fn asker(gate: &Gate, name: &str, permissions: &[&str]) -> String {
    let postern = &gate.postern;
    postern.cli(&["user", "create", name]);
    for permission in permissions {
        let _ = postern.try_cli(&["permission", "create", permission]);
        postern.cli(&["user", "grant", name, permission]);
    }
    postern.cli(&["token", "create", "--user", name]).trim().to_owned()
}

fn question(subject: &str, action: &str, resource: Value) -> Value {
    json!({ "subject": { "type": "user", "id": subject }, "action": { "name": action }, "resource": resource })
}
