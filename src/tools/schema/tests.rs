//! The schemas say what the readers read, and the committed files are what the command prints.

use super::{policy, tests};
use crate::policy::{ROUTE_KEYS, RULE_KEYS, load, option_schema};
use crate::yaml::{Findings, Node, Value as Yaml, parse_with_null};
use serde_json::{Map, Value as Json, json};
use std::path::Path;

#[test]
fn every_option_has_its_words_and_its_shape() {
    for key in RULE_KEYS.iter().chain(ROUTE_KEYS) {
        let schema = option_schema(key);
        let described = schema["description"].as_str().is_some_and(|description| !description.is_empty());
        assert!(
            described && schema.as_object().is_some_and(|schema| schema.len() > 1),
            "`{key}` needs words and a shape in src/policy/options"
        );
    }
}

/// `BLESS=1 cargo test` writes them.
#[test]
fn the_committed_schemas_are_what_the_command_prints() {
    for (name, schema) in [("policy", policy()), ("tests", tests())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/schema/{name}.json"));
        let text = format!("{schema:#}\n");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}: BLESS=1 cargo test writes it");
    }
}

/// What a schema says against a file.
pub(crate) fn complaints_of(schema: &Json, text: &str) -> Vec<String> {
    check(schema, text)
}

fn fits(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}

/// As much of JSON Schema as ours use, read as a language server reads YAML.
fn complaints(root: &Json, schema: &Json, value: &Json, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain = |what: &str| found.push(format!("{at}: {what}"));
    let Some(schema) = schema.as_object() else { return found };
    let mut nested = Vec::new();
    for (word, rule) in schema {
        match word.as_str() {
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("a definition");
                nested.extend(complaints(root, target, value, at));
            }
            "const" if value != rule => complain("const"),
            "enum" if !rule.as_array().unwrap().contains(value) => complain("enum"),
            "type" => {
                let is = |name: &Json| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    _ => value.is_number(),
                };
                if !rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is)) {
                    complain("type");
                }
            }
            "required" => {
                for key in rule.as_array().unwrap().iter().filter(|k| value.get(k.as_str().unwrap()).is_none()) {
                    complain(&format!("lacks {key}"));
                }
            }
            "minimum" if value.as_f64().is_some_and(|n| n < rule.as_f64().unwrap()) => complain("small"),
            "maximum" if value.as_f64().is_some_and(|n| n > rule.as_f64().unwrap()) => complain("great"),
            "pattern" if value.as_str().is_some_and(|text| !fits(rule.as_str().unwrap(), text)) => complain("pattern"),
            "minProperties" if value.as_object().is_some_and(|o| (o.len() as u64) < rule.as_u64().unwrap()) => {
                complain("few")
            }
            "anyOf" | "oneOf" => {
                let fits = |s: &&Json| complaints(root, s, value, at).is_empty();
                if !rule.as_array().unwrap().iter().any(|s| fits(&s)) {
                    complain(word);
                }
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    nested.extend(complaints(root, rule, item, &format!("{at}/{n}")));
                }
            }
            "properties" | "additionalProperties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    let named = schema.get("properties").and_then(|p| p.get(key));
                    let at = format!("{at}/{key}");
                    match (word.as_str(), named) {
                        ("properties", Some(named)) => nested.extend(complaints(root, named, item, &at)),
                        ("additionalProperties", None) if *rule == json!(false) => {
                            nested.push(format!("{at}: unknown"))
                        }
                        ("additionalProperties", None) => nested.extend(complaints(root, rule, item, &at)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found.extend(nested);
    found
}

fn plain(node: &Node) -> Json {
    match &node.value {
        Yaml::Map(map) => {
            map.entries.iter().map(|e| (e.key.text.clone(), plain(&e.value))).collect::<Map<_, _>>().into()
        }
        Yaml::Seq(nodes) => nodes.iter().map(plain).collect(),
        Yaml::Scalar(scalar) if scalar.plain => match scalar.text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            text => text
                .parse::<i64>()
                .map(Json::from)
                .or_else(|_| text.parse::<f64>().map(Json::from))
                .unwrap_or_else(|_| text.into()),
        },
        Yaml::Scalar(scalar) => scalar.text.as_str().into(),
        Yaml::Null | Yaml::Faulty => Json::Null,
    }
}

fn read(text: &str) -> Json {
    let mut findings = Findings::new();
    let id = findings.add_source("file.yaml", text);
    plain(&parse_with_null(&mut findings, id).unwrap())
}

fn check(schema: &Json, text: &str) -> Vec<String> {
    complaints(schema, schema, &read(text), "")
}

#[test]
fn the_schema_takes_the_examples_and_refuses_what_check_refuses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("config/routes.example.yaml")).unwrap();
    assert_eq!(check(&policy(), &example), [""; 0]);
    let example = std::fs::read_to_string(root.join("config/routes_test.example.yaml")).unwrap();
    assert_eq!(check(&tests(), &example), [""; 0]);
    for text in [
        "routes: { /x: public }",
        "version: 2\nroutes: { /x: public }",
        "version: 1\nroutes: { /x: pubilc }",
        "version: 1\nroutes: { /x: { levle: public } }",
        "version: 1\nroutes: { /x: { GTE: public } }",
        "version: 1\nroutes: { /x: { level: public, foreign: 405 } }",
        "version: 1\nroutes: { /x: { level: public, inject: { X-A: { text: a } } } }",
        "version: 1\nroutes: {}",
        "version: 1\nruotes: { /x: public }",
    ] {
        assert!(load(&[("routes.yaml", text)], None).is_err(), "{text}");
        assert!(!check(&policy(), text).is_empty(), "{text}");
    }
    for text in ["tests: [{ as: bob, GTE: /x, expect: allow }]", "tests: [{ GET: /x, expect: allow }]", "given: {}"] {
        assert!(!check(&tests(), text).is_empty(), "{text}");
    }
}
