//! `openwisp:` — where the tables of an OpenWISP installation are, which `schema: openwisp` works on.

use super::keys::{Kind, Reader, Shape, custom, keys};
use super::redis::{self, RedisConfig};
use super::secret::SECRET;
use crate::directory::postgres::{Openwisp, TABLES};
use crate::redis::Address;
use crate::secret::SecretSource;
use crate::yaml::Node;

keys! {
    #[derive(Clone, Debug)]
    pub struct Installation {
        schema: String = "postern".to_owned(), NAME, "The PostgreSQL schema that postern makes for what Django lacks. [postern]";
        django ("tables_in"): String = "public".to_owned(), NAME, "The PostgreSQL schema of Django's tables. [public]";
        app: String = "openwisp_users".to_owned(), NAME,
            "The app of the user and organization models, with which their tables' names begin. [openwisp_users]";
        tables: Vec<(String, String)> = Vec::new(), custom(Shape::Named(&Shape::Text), tables),
            "Tables with other names: `user`, `organization`, `organization_user`, `organization_owner`, `group`, `token` and their kind. [Django's]";
        cache: Option<Address> = None, custom(Shape::Text, redis::address),
            "Django's cache, a `redis://` URL: who belongs where is dropped there when it changes. [none]";
        cache_password: Option<SecretSource> = None, SECRET, "Its password. [the URL's]";
        cache_prefix: String = ":1:".to_owned(), custom(Shape::Text, prefix), "How Django's keys begin there. [:1:]";
    }
}

impl Installation {
    /// Where its tables are.
    #[must_use]
    pub fn openwisp(&self) -> Openwisp {
        Openwisp::new(&self.schema, &self.django, &self.app, &self.tables)
    }

    /// The table of Django's sessions, quoted.
    pub(super) fn table_of_sessions(&self) -> String {
        self.openwisp().table("session")
    }

    /// Django's cache, where it is to be told of changes.
    #[must_use]
    pub fn cache(&self) -> Option<RedisConfig> {
        self.cache.clone().map(|address| RedisConfig::of(address, self.cache_password.clone()))
    }

    /// Whether ours would be put among Django's.
    pub(super) fn is_mixed(&self) -> bool {
        self.schema == self.django
    }
}

fn prefix(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    node.expect_str(&format!("`{key}`"), reader.findings).map(str::to_owned)
}

const NAME: Kind<String> = Kind { shape: Shape::Text, read: name };

/// PostgreSQL's names are longer and stranger; Django's are not.
fn name(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    let text = node.expect_str(&format!("`{key}`"), reader.findings)?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(is_name)
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(text.to_owned());
    }
    let message = format!("`{key}` must be a name of letters, digits and `_`");
    reader.findings.error("wrong_value", node.span, message);
    None
}

fn tables(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    let map = node.expect_map("`tables`", reader.findings)?;
    let mut named = Vec::new();
    for entry in &map.entries {
        let table = entry.key.text.as_str();
        if !TABLES.iter().any(|(known, _)| *known == table) {
            let known = TABLES.map(|(known, _)| known).join(", ");
            let message = format!("`{table}` is no table that postern knows");
            reader.findings.error("unknown_key", entry.key.span, message).help(format!("it knows {known}"));
        } else if let Some(name) = name(table, &entry.value, reader) {
            named.push((table.to_owned(), name));
        }
    }
    Some(named)
}
