//! What is in force, key by key, and who said so: for `postern config`.

use crate::config::keys::{Key, Section, Shape};
use crate::config::overlay::{self, PREFIX};
use crate::config::{Config, ConfigError, Sources, secret};
use crate::yaml::{Findings, Map, Node, Value};
use serde::Serialize;

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: String,
    /// Its value; secrets are hidden.
    pub value: String,
    /// `default`, a variable, a flag, or the place in a file.
    pub source: String,
}

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

/// Everything that is said or has a default, in the order of the schema. The sources must be good: [`crate::config::Config::load`].
///
/// # Errors
/// They cannot be read.
pub fn settings(sources: &Sources) -> Result<Vec<Setting>, ConfigError> {
    let mut findings = Findings::new();
    let tree = overlay::merge(sources, &mut findings)?;
    if findings.has_errors() {
        return Err(ConfigError::Findings(findings));
    }
    let compat = tree.get("compat").is_some_and(|node| text(node) == Some("openwisp"));
    let mut list = List { findings: &findings, compat, settings: Vec::new() };
    list.map("", Config::KEYS, &tree);
    Ok(list.settings)
}

struct List<'f> {
    findings: &'f Findings,
    compat: bool,
    settings: Vec<Setting>,
}

impl List<'_> {
    fn map(&mut self, path: &str, keys: &[Key], map: &Map) {
        for Key(name, words, shape) in keys {
            let key = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            match (map.get(name), default(words, self.compat)) {
                (Some(node), _) => self.written(&key, shape, node),
                (None, Some(default)) => self.add(key, default.to_owned(), "default".to_owned()),
                (None, None) => {
                    if let Shape::Map(keys, 0) = shape {
                        self.map(&key, keys, &Map::default());
                    }
                }
            }
        }
    }

    fn written(&mut self, key: &str, shape: &Shape, node: &Node) {
        match (&node.value, shape.of(node)) {
            (Value::Map(map), Shape::Map(keys, _)) => self.map(key, keys, map),
            (Value::Map(map), Shape::Named(shape)) => {
                for entry in &map.entries {
                    self.written(&format!("{key}.{}", entry.key.text), shape, &entry.value);
                }
            }
            (Value::Map(map), _) => self.map(key, secret::KEYS, map),
            (Value::Seq(items), Shape::List(shape)) => {
                for (at, item) in items.iter().enumerate() {
                    self.written(&format!("{key}.{at}"), shape, item);
                }
            }
            (Value::Seq(items), _) => {
                let texts: Vec<String> = items.iter().filter_map(text).map(visible).collect();
                self.add(key.to_owned(), format!("[{}]", texts.join(", ")), self.source(node));
            }
            (_, Shape::Secret) => self.add(key.to_owned(), HIDDEN.to_owned(), self.source(node)),
            _ => self.add(key.to_owned(), visible(text(node).unwrap_or_default()), self.source(node)),
        }
    }

    fn add(&mut self, key: String, value: String, source: String) {
        self.settings.push(Setting { key, value, source });
    }

    fn source(&self, node: &Node) -> String {
        let place = self.findings.place(node.span);
        // In a variable or a flag nobody looks for lines.
        let is_setting = place.file.starts_with(PREFIX) || place.file.starts_with("--");
        if is_setting { place.file } else { format!("{}:{}", place.file, place.line) }
    }
}

impl Shape {
    /// Which of several is written here.
    fn of(&self, node: &Node) -> &Self {
        let Self::Any(shapes) = self else { return self };
        let fits = |shape: &&Self| match (&node.value, shape) {
            (Value::Map(_), Self::Map(..) | Self::Named(_) | Self::Secret) | (Value::Seq(_), Self::List(_)) => true,
            (Value::Map(_) | Value::Seq(_), _) | (_, Self::Map(..) | Self::Named(_) | Self::List(_)) => false,
            _ => true,
        };
        shapes.iter().find(fits).unwrap_or(self)
    }
}

fn text(node: &Node) -> Option<&str> {
    if let Value::Scalar(scalar) = &node.value { Some(&scalar.text) } else { None }
}

/// The default that a key's words end with, in brackets; of two, the one that counts.
fn default(words: &str, compat: bool) -> Option<&str> {
    let (_, bracket) = words.strip_suffix(']')?.rsplit_once('[')?;
    match bracket.split_once("; ").filter(|(_, other)| other.ends_with("with `compat: openwisp`")) {
        Some((_, other)) if compat => other.split(' ').next(),
        Some((usual, _)) => Some(usual),
        None => Some(bracket),
    }
}

/// The text without the password of a URL, in its authority or among its parameters.
fn visible(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{rest}"),
            None => format!("{user}@{rest}"),
        },
        None => rest.to_owned(),
    };
    let rest = match rest.split_once('?') {
        Some((rest, query)) => {
            let secret = |parameter: &str| parameter.to_ascii_lowercase().starts_with("password=");
            let shown = |parameter| if secret(parameter) { format!("password={HIDDEN}") } else { parameter.to_owned() };
            format!("{rest}?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&"))
        }
        None => rest,
    };
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::{Setting, settings};
    use crate::config::Sources;

    fn told(text: &str, environment: &[(&str, &str)]) -> Vec<Setting> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postern.yaml");
        std::fs::write(&file, text).unwrap();
        let mut sources = Sources { file: Some(file), ..Sources::default() };
        sources.environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        sources.flag("--listen", "listen", Some("127.0.0.1:1"));
        let mut settings = settings(&sources).unwrap();
        let dir = format!("{}/", dir.path().display());
        settings.iter_mut().for_each(|setting| setting.source = setting.source.replace(&dir, ""));
        settings
    }

    fn of<'s>(settings: &'s [Setting], key: &str) -> (&'s str, &'s str) {
        let found = settings.iter().find(|setting| setting.key == key);
        found.map_or(("", ""), |setting| (&*setting.value, &*setting.source))
    }

    #[test]
    fn each_value_says_who_said_it() {
        let text = "management: 127.0.0.1:2\nlimits:\n  body: 1MiB\nupstreams:\n  a: http://a\n  b: { addresses: [http://b, { url: http://c, weight: 3 }] }\n";
        let all = told(text, &[("POSTERN__LIMITS__HEADERS", "50")]);
        assert_eq!(of(&all, "listen"), ("127.0.0.1:1", "--listen"));
        assert_eq!(of(&all, "management"), ("127.0.0.1:2", "postern.yaml:1"));
        assert_eq!(of(&all, "limits.body"), ("1MiB", "postern.yaml:3"));
        assert_eq!(of(&all, "limits.headers"), ("50", "POSTERN__LIMITS__HEADERS"));
        assert_eq!(of(&all, "limits.connections"), ("10000", "default"));
        assert_eq!(of(&all, "upstreams.a"), ("http://a", "postern.yaml:5"));
        assert_eq!(of(&all, "upstreams.b.addresses.0"), ("http://b", "postern.yaml:6"));
        assert_eq!(of(&all, "upstreams.b.addresses.1.weight"), ("3", "postern.yaml:6"));
        assert_eq!(of(&all, "identity.api"), ("off", "default"));
        assert_eq!(of(&all, "identity.token.throttle"), ("10/minute", "default"));
        let compat = told("compat: openwisp\n", &[]);
        assert_eq!(of(&compat, "identity.token.throttle"), ("20/day", "default"));
        assert_eq!(of(&compat, "identity.token.lifetime"), ("never", "default"));
    }

    #[test]
    fn no_secret_is_shown() {
        let text = "database: \"postgres://u:hunter2@db/d?sslmode=require&password=hunter2\"\nredis: { url: \"redis://:hunter2@cache\", password: hunter2 }\n\
                    secrets: { a: hunter2, b: { env: B } }\nidentity: { sesame: { key: hunter2 }, token: { key: hunter2 } }\n";
        let all = told(text, &[("POSTERN__MAIL__PASSWORD", "hunter2")]);
        let shown = format!("{all:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(of(&all, "database").0, "postgres://u:(hidden)@db/d?sslmode=require&password=(hidden)");
        assert_eq!(of(&all, "redis.url").0, "redis://:(hidden)@cache");
        assert_eq!(of(&all, "secrets.a").0, "(hidden)");
        assert_eq!(of(&all, "secrets.b.env").0, "B");
        assert_eq!(of(&all, "mail.password"), ("(hidden)", "POSTERN__MAIL__PASSWORD"));
    }
}
