//! A second reader of JSON bodies: what postern lets pass, it must have judged by all that the other one finds.

use http::{HeaderValue, Method};
use postern::policy::{Policy, load};
use postern::tools::ask::{Body, Request, evaluate};
use postern::tools::suite::read_world;
use postern::tools::world::World;
use postern::yaml::Findings;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::OnceLock;

const POLICY: &str = "version: 1
lookups: { device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] } }
routes:
  /one: { POST: { level: member, org: body.org as slug, fields: { device: { lookup: device } } } }
  /each: { POST: { level: member, org: 'body./*/org as slug', fields: { /*/device: { lookup: device } } } }
";
const GIVEN: &str = "given:
  organizations: { acme: {}, bolt: {}, core: {} }
  users: { ann: { acme: member, bolt: member } }
  lookups: { device: { d1: acme, d2: core, d3: bolt } }
";

/// Pieces of documents: what most bytes of a fuzzer would never come to be.
pub const PIECES: [&str; 33] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "{\"org\":\"acme\"",
    "{\"org\":\"core\"",
    "\"org\":",
    "\"Org\":",
    "\"o\\u0072g\":",
    "\"org[]\":",
    "\"device\":",
    "\"devi\\u0063e\":",
    "\"acme\"",
    "\"bolt\"",
    "\"core\"",
    "\"d1\"",
    "\"d2\"",
    "\"d3\"",
    "\"d\\u0031\"",
    "null",
    "1",
    "1e3",
    "true",
    " ",
    "\"x\":",
    "{\"x\":1}",
    ",\"device\":\"d1\"",
    ",\"device\":[\"d1\"",
    "\"",
    "\\",
    "\u{feff}",
];

fn given() -> &'static (Policy, World) {
    static GIVEN_ONCE: OnceLock<(Policy, World)> = OnceLock::new();
    GIVEN_ONCE.get_or_init(|| {
        let policy = load(&[("routes.yaml", POLICY)], None).unwrap_or_else(|found| panic!("{}", found.to_lines()));
        let mut findings = Findings::new();
        let id = findings.add_source("world.yaml".to_owned(), GIVEN.to_owned());
        (policy, read_world(id, &mut findings).unwrap_or_else(|| panic!("{}", findings.to_lines())))
    })
}

/// An object with all of its members, those that are there twice too. What decides nothing need not be anything that the reader could
/// hold: a number as large as no other.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Visitor)
    }
}

impl Members {
    /// The one value of a name, in whatever spelling that a service might take for it.
    fn only(&self, name: &str) -> Option<Value> {
        let folded = |key: &str| key.split('[').next().unwrap_or_default().to_lowercase();
        let mut found = self.0.iter().filter(|(key, _)| folded(key) == name);
        let value = found.next().map(|(_, value)| serde_json::from_str(value.get()).expect("a value"));
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }
}

/// Checks the promise for any body; tells what passed.
pub fn check(body: &[u8]) -> [bool; 2] {
    let passes = |target: &str| {
        let (policy, world) = given();
        let mut request = Request::new(Method::POST, target);
        request.headers.insert("content-type", HeaderValue::from_static("application/json"));
        request.body = Body::Bytes(body.into());
        evaluate(policy, &request, world.user("ann"), &mut world.facts(policy)).is_ok()
    };
    let one = passes("/one");
    if one {
        let members: Members = serde_json::from_slice(body).expect("a document");
        judge(&members, &["acme", "bolt"]);
    }
    let each = passes("/each");
    if each {
        let list: Vec<Members> = serde_json::from_slice(body).expect("a list of objects");
        assert!(!list.is_empty());
        list.iter().for_each(|members| judge(members, &["acme", "bolt"]));
    }
    [one, each]
}

/// Whoever is a member of these makes something that belongs to one of them, and points at nothing of others.
fn judge(members: &Members, own: &[&str]) {
    let organization = members.only("org");
    let organization = organization.as_ref().and_then(Value::as_str).expect("an organization");
    assert!(own.contains(&organization), "{organization}");
    let devices = match members.only("device") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.into_iter().filter(|value| !value.is_null()).collect(),
        Some(value) => vec![value],
    };
    let of_it = if organization == "acme" { "d1" } else { "d3" };
    assert!(devices.iter().all(|device| device.as_str() == Some(of_it)), "{organization}: {devices:?}");
}
