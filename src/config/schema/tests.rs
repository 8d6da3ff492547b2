//! The schema says what the readers read: they are asked.

use super::config;
use crate::config::keys::{Key, Section, Shape};
use crate::config::{Config, ConfigError, Sources, Written, secret};
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

/// A configuration that says this at this path, and what must stand beside it; a list is written for the step `-`.
fn text(path: &[&str], value: Option<&str>) -> String {
    let mut text = value.map(str::to_owned);
    for (at, step) in path.iter().enumerate().rev() {
        let above = path[..at].join(".");
        let company = COMPANY.iter().filter(|(place, _)| *place == above).flat_map(|(_, keys)| *keys);
        let company = company.filter(|(key, _)| key != step).map(|(key, value)| format!("{key}: {value}"));
        let own = text.map(|text| if *step == "-" { format!("[{text}]") } else { format!("{step}: {text}") });
        let all: Vec<String> = own.into_iter().chain(company).collect();
        text = Some(if *step == "-" { all.concat() } else { format!("{{ {} }}", all.join(", ")) });
    }
    text.unwrap_or_default()
}

fn load(dir: &Path, text: &str) -> Result<(Config, Findings), ConfigError> {
    let file = dir.join("postern.yaml");
    std::fs::write(&file, text).unwrap();
    Config::load(&Sources { file: Some(file), ..Sources::default() })
}

fn found(path: &[&str], value: &str) -> Findings {
    let dir = tempfile::tempdir().unwrap();
    match load(dir.path(), &text(path, Some(value))) {
        Ok((_, findings)) | Err(ConfigError::Findings(findings)) => findings,
        Err(error) => panic!("{error}"),
    }
}

/// The default that a row shows is the one that counts.
#[test]
fn what_a_row_calls_the_default_is_what_counts_where_nothing_is_said() {
    fn compare(path: &[&'static str], keys: &'static [Key], compared: &mut usize) {
        for Key(name, words, shape) in keys {
            let path = [path, &[*name]].concat();
            if let Shape::Map(keys, _) = shape {
                compare(&path, keys, compared);
            }
            let shown = words.strip_suffix(']').and_then(|words| words.rsplit_once('[')).map(|(_, shown)| shown);
            let shown = shown.and_then(|shown| shown.split("; ").next());
            let is_read = match shape {
                Shape::Count(..) => shown.is_some_and(|shown| shown.parse::<u64>().is_ok()),
                Shape::Flag | Shape::Time | Shape::Size | Shape::Rate | Shape::Ratio => true,
                _ => false,
            };
            // What `compat` or another key decides is no text that could stand there.
            let is_fixed = match (shape, shown) {
                (Shape::Words(words), Some(shown)) => words.contains(&shown),
                _ => is_read && !words.contains("`compat: openwisp`"),
            };
            let Some(shown) = shown.filter(|_| is_fixed) else { continue };
            let dir = tempfile::tempdir().unwrap();
            let [said, nothing] = [Some(shown), None].map(|value| {
                let (config, _) = load(dir.path(), &text(&path, value)).ok()?;
                Some(format!("{:?}", Config { written: Written::default(), ..config }))
            });
            // A section that lacks something else says nothing of its defaults.
            let Some(nothing) = nothing else { continue };
            assert_eq!(said, Some(nothing), "{path:?}");
            *compared += 1;
        }
    }
    let mut compared = 0;
    compare(&[], Config::KEYS, &mut compared);
    assert!(compared > 40, "{compared}");
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
        Shape::Secret => compare(path, &Shape::Map(secret::KEYS, 0), wrong),
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
    compare(&[], &Shape::Map(Config::KEYS, 0), &mut wrong);
    assert!(wrong.is_empty(), "mend the rows of src/config:\n{}", wrong.join("\n"));
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
    counts(&[], Config::KEYS, &mut list);
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
