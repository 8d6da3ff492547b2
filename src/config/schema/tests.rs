//! The schema says what the readers read: they are asked.

use super::{Key, Shape, config, keys};
use crate::config::{Config, ConfigError, Sources};
use crate::yaml::Findings;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;

/// A key that nothing is near to.
const NONE: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqq";

/// What must stand beside a key for it to be read at all.
const COMPANY: [(&str, &[(&str, &str)]); 6] = [
    ("tls", &[("cert", "c.pem"), ("key", "k.pem"), ("client_ca", "a.pem")]),
    ("database", &[("url", "\"postgres://a@b/c\"")]),
    ("redis", &[("url", "\"redis+sentinel://a:1/m\"")]),
    ("identity.sesame", &[("key", "{ env: KEY }")]),
    (
        "identity.jwt.-",
        &[("issuer", "i"), ("audience", "any"), ("key", "{ env: KEY }"), ("user", "claims"), ("algorithms", "HS256")],
    ),
    ("identity.jwt.-.memberships", &[("claim", "c")]),
];

/// What is found in a configuration that says this at this path; a list is written for the step `-`.
fn found(path: &[&str], value: &str) -> Findings {
    let mut text = value.to_owned();
    for (at, step) in path.iter().enumerate().rev() {
        let above = path[..at].join(".");
        let company = COMPANY.iter().filter(|(place, _)| *place == above).flat_map(|(_, keys)| *keys);
        let company: String =
            company.filter(|(key, _)| key != step).map(|(key, value)| format!(", {key}: {value}")).collect();
        text = if *step == "-" { format!("[{text}]") } else { format!("{{ {step}: {text}{company} }}") };
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postern.yaml");
    std::fs::write(&file, text).unwrap();
    match Config::load(&Sources { file: Some(file), ..Sources::default() }) {
        Ok((_, findings)) | Err(ConfigError::Findings(findings)) => findings,
        Err(error) => panic!("{error}"),
    }
}

/// The keys that the readers know at this path; none where they take no map there.
fn known(path: &[&str]) -> BTreeSet<String> {
    let findings = found(path, &format!("{{ {NONE}: 1 }}"));
    let help = findings.list().iter().filter(|f| f.code == "unknown_key").find_map(|f| f.help.as_deref());
    let known = help.and_then(|help| help.strip_prefix("known here: "));
    known.map(|known| known.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

/// Compares a shape with what is read at its path, and all below it.
fn compare(path: &[&'static str], shape: &Shape, wrong: &mut Vec<String>) {
    let at = path.join(".");
    match shape {
        Shape::Map(keys, _) => {
            let said: BTreeSet<String> = keys.iter().map(|Key(name, ..)| (*name).to_owned()).collect();
            let read = known(path);
            wrong.extend(read.difference(&said).map(|key| format!("{at}: `{key}` is read, and not in the schema")));
            wrong.extend(said.difference(&read).map(|key| format!("{at}: `{key}` is in the schema, and not read")));
            for Key(name, words, shape) in *keys {
                assert!(words.len() > 4, "{at}.{name} needs words");
                compare(&[path, &[*name]].concat(), shape, wrong);
            }
        }
        Shape::Named(shape) => compare(&[path, &["some-name"]].concat(), shape, wrong),
        Shape::List(shape) => compare(&[path, &["-"]].concat(), shape, wrong),
        Shape::Any(shapes) => {
            // Where a map may stand as well as a text, the map says what is read.
            let map = shapes.iter().find(|shape| matches!(shape, Shape::Map(..) | Shape::Secret));
            let others = shapes.iter().filter(|shape| map.is_none() || !matches!(shape, Shape::Text | Shape::Texts));
            others.for_each(|shape| compare(path, shape, wrong));
        }
        Shape::Secret => compare(path, &Shape::Map(keys::SECRET, 0), wrong),
        Shape::Words(words) | Shape::SomeOf(words) => {
            let refused = |word: &str| {
                let findings = found(path, word);
                // What else is missing does not make the word a wrong one.
                findings.list().iter().any(|f| f.message.contains(&format!("`{word}`")) && f.code != "missing_key")
            };
            wrong.extend(words.iter().filter(|word| refused(word)).map(|word| format!("{at}: `{word}` is not taken")));
            if !refused(NONE) && !at.ends_with("lifetime") && !at.ends_with("max_age") {
                wrong.push(format!("{at}: any word is taken"));
            }
        }
        Shape::Text
        | Shape::Texts
        | Shape::Flag
        | Shape::Count(..)
        | Shape::Ratio
        | Shape::Time
        | Shape::Size
        | Shape::Rate
        | Shape::Mode => {
            // Nothing else may be written there: a map that is read would be one that editors mark.
            let read = known(path);
            if !read.is_empty() {
                wrong.push(format!("{at}: {read:?} are read there, and the schema has no map"));
            }
        }
    }
}

#[test]
fn the_schema_has_the_keys_and_words_that_the_readers_have() {
    let mut wrong = Vec::new();
    compare(&[], &Shape::Map(keys::TOP, 0), &mut wrong);
    assert!(wrong.is_empty(), "mend src/config/schema/keys.rs:\n{}", wrong.join("\n"));
}

/// The numbers and limits of the schema are those that the readers refuse by.
#[test]
fn numbers_from_the_schema_s_bounds_are_read_and_others_are_not() {
    fn counts(path: &[&'static str], keys: &'static [Key], found: &mut Vec<(Vec<&'static str>, u64, u64)>) {
        for Key(name, _, shape) in keys {
            let path = [path, &[*name]].concat();
            let shapes = if let Shape::Any(shapes) = shape { *shapes } else { std::slice::from_ref(shape) };
            for shape in shapes {
                match shape {
                    Shape::Count(low, high) => found.push((path.clone(), *low, *high)),
                    Shape::Map(keys, _) => counts(&path, keys, found),
                    _ => {}
                }
            }
        }
    }
    let mut list = Vec::new();
    counts(&[], keys::TOP, &mut list);
    assert!(list.len() > 10);
    for (path, low, high) in list {
        let refused = |number: String| {
            let findings = found(&path, &number);
            findings.list().iter().any(|f| f.message.contains(&format!("`{number}`")))
        };
        assert!(!refused(low.to_string()) && !refused(high.to_string()), "{path:?} {low} {high}");
        assert!(refused((high + 1).to_string()), "{path:?} {high}");
        assert!(low == 0 || refused((low - 1).to_string()), "{path:?} {low}");
    }
}

/// `BLESS=1 cargo test --lib schema` writes it.
#[test]
fn the_committed_schema_is_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema/config.json");
    let text = format!("{:#}\n", config());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "BLESS=1 cargo test --lib schema writes it");
}

/// The example, and what is deployed, fit; so does what the pages show of each key.
#[test]
fn the_schema_takes_the_examples_and_refuses_what_check_refuses() {
    use crate::tools::schema::tests::complaints_of;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Json = config();
    for file in ["config/postern.example.yaml", "deploy/postern.yaml"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(complaints_of(&schema, &text), [""; 0], "{file}");
    }
    for text in [
        "listn: 127.0.0.1:8080",
        "workers: 0",
        "workers: many",
        "proxy_protocol: maybe",
        "upstreams: { a: { address: http://x:1 } }",
        "upstreams: { a: { host: preserve } }",
        "identity: { jwt: [{ audience: any }] }",
        "identity: { login: { identifiers: [mail] } }",
        "timeouts: { idle: 5 }",
        "limits: { body: 1MB }",
        "redis: { budget: 50ms }",
        "reload: { wider: maybe }",
        "tracing: { sample: 2 }",
        "secrets: { key: { vault: x } }",
    ] {
        assert!(!complaints_of(&schema, text).is_empty(), "{text}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        assert!(Config::load(&Sources { file: Some(file.path().to_owned()), ..Sources::default() }).is_err(), "{text}");
    }
}
