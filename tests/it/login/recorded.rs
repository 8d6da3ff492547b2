//! Whole scenarios that openwisp-users' REST API recorded: users, organizations, addresses, groups, passwords; each played from the
//! same data set, on both engines, and compared to the order of the keys.

use super::reference::Reference;
use crate::support::Upstream;
use crate::support::openapi::Description;
use postern::api::paths;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

const SCENARIOS: [&str; 10] = [
    "03_bearer",
    "10_org_read",
    "11_org_write",
    "20_user_read",
    "21_user_create",
    "22_user_update",
    "30_email",
    "31_group",
    "32_password_of_user",
    "41_negotiation",
];

/// What the reference does not serve under this path is a helper of its own, or another application.
const SERVED: &str = "/api/v1/users/";

#[derive(Deserialize)]
struct Scenario {
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    n: u32,
    note: String,
    request: Value,
    response: Response,
    /// What changes from run to run.
    #[serde(default)]
    volatile: Vec<String>,
    /// What later requests name, and where in the answer it is.
    #[serde(default)]
    capture: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body_kind: String,
    body: Option<Box<RawValue>>,
}

/// A text with what was captured in the place of `{{name}}`.
fn filled(value: &Value, captured: &HashMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (name, value) in captured {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text = text.replace(&format!("{{{{{name}}}}}"), &value);
            }
            Value::String(text)
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, captured)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| filled(item, captured)).collect(),
        other => other.clone(),
    }
}

/// The keys of a text of JSON, in the order in which they stand there.
fn keys(json: &str) -> Vec<&str> {
    let (mut keys, mut rest) = (Vec::new(), json);
    while let Some(begin) = rest.find('"') {
        let inner = &rest[begin + 1..];
        let mut end = 0;
        while !inner[end..].starts_with('"') {
            end += if inner[end..].starts_with('\\') { 2 } else { inner[end..].chars().next().unwrap().len_utf8() };
        }
        rest = inner[end + 1..].trim_start();
        if rest.starts_with(':') {
            keys.push(&inner[..end]);
        }
    }
    keys
}

/// Makes of what changes from run to run its type alone.
fn settle(value: &mut Value, pointers: &[String]) {
    for pointer in pointers {
        if let Some(value) = value.pointer_mut(pointer) {
            if value.is_string() {
                *value = "text".into();
            } else if value.is_number() {
                *value = 0.into();
            }
        }
    }
}

fn differs(
    reference: &Reference,
    description: &Description,
    exchange: &Exchange,
    captured: &mut HashMap<String, Value>,
) -> Vec<String> {
    let request = filled(&exchange.request, captured);
    let answer = reference.send(&request);
    let part = |name: &str| request[name].as_str().unwrap();
    description.covers(part("method"), part("path"), &answer);
    let text = answer.text();
    let (mut found, expected) = (Vec::new(), &exchange.response);
    if expected.status == 500 {
        // It fails there; here it says what is wrong.
        if answer.status != 400 {
            found.push(format!("status {} where the reference fails: {text}", answer.status));
        }
        return found;
    }
    if answer.status != expected.status {
        found.push(format!("status {} instead of {}: {text}", answer.status, expected.status));
    }
    let got: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    for (name, pointer) in &exchange.capture {
        captured.insert(name.clone(), got.pointer(pointer).cloned().unwrap_or(Value::Null));
    }
    match expected.body_kind.as_str() {
        "json" => {
            let raw = expected.body.as_ref().unwrap().get();
            let raw = raw.replace("{BASE}", "http://localhost");
            let (mut got, mut wanted) = (got, serde_json::from_str::<Value>(&raw).unwrap());
            settle(&mut got, &exchange.volatile);
            settle(&mut wanted, &exchange.volatile);
            let parsers =
                |value: &Value| value["detail"].as_str().is_some_and(|text| text.starts_with("JSON parse error - "));
            if got != wanted && !(parsers(&got) && parsers(&wanted)) {
                found.push(format!("body {text} instead of {raw}"));
            } else if keys(&text) != keys(&raw) {
                found.push(format!("keys in another order: {text} instead of {raw}"));
            }
        }
        "empty" if !answer.body.is_empty() => found.push(format!("a body: {text}")),
        _ => {}
    }
    for name in ["Content-Type", "Allow", "WWW-Authenticate", "Location", "Vary"] {
        let wanted = expected.headers.get(name).map(String::as_str);
        if answer.header(name) != wanted {
            found.push(format!("{name}: {:?} instead of {wanted:?}", answer.header(name)));
        }
    }
    found
}

/// What is answered otherwise than it was recorded.
fn play(reference: &Reference) -> Vec<String> {
    let mut wrong = Vec::new();
    let description =
        Description(reference.send(&json!({ "method": "GET", "path": paths::DESCRIPTION, "headers": {} })).json());
    for name in SCENARIOS {
        reference.reset();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/api").join(name).with_extension("json");
        let scenario: Scenario = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (mut captured, mut played) = (HashMap::new(), 0);
        for exchange in &scenario.exchanges {
            if exchange.request["path"].as_str().unwrap().starts_with(SERVED) {
                played += 1;
                let found = differs(reference, &description, exchange, &mut captured);
                wrong.extend(found.into_iter().map(|f| format!("{name} #{} ({}): {f}", exchange.n, exchange.note)));
            }
        }
        assert!(played > 5, "{name} has nothing to play");
    }
    wrong
}

#[test]
fn recorded_scenarios_of_the_identity_api_are_answered_alike() {
    let upstream = Upstream::echo();
    let reference = Reference::with(&["--upstream", &format!("http://{}", upstream.address())]);
    let wrong = play(&reference);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_scenarios_of_the_identity_api_are_answered_alike_from_postgresql() {
    let wrong = play(&Reference::with(&["--store", "postgres"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
