//! `redis:` — a URL, or a map of it and what a URL has no room for.

use super::keys::{FILE, Reader, Section, Shape, TIME, custom, keys};
use super::secret::SECRET;
use crate::redis::{Address, ConnectError, Settings};
use crate::secret::SecretSource;
use crate::yaml::{Node, Value};
use std::path::PathBuf;
use std::time::Duration;

/// Where Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    pub address: Address,
    password: Option<SecretSource>,
    sentinel_password: Option<SecretSource>,
    ca: Option<PathBuf>,
    pub prefix: Box<str>,
    /// How long a request waits for Redis, at most.
    pub budget: Duration,
}

impl RedisConfig {
    /// One that only its URL, and perhaps a password, says something of.
    pub(super) fn of(address: Address, password: Option<SecretSource>) -> Self {
        let Said { prefix, budget, .. } = Said::default();
        Self { address, password, sentinel_password: None, ca: None, prefix, budget }
    }

    /// What a connection needs; its secrets and files are there now, and are read again for each connection.
    ///
    /// # Errors
    /// One is not there.
    pub fn settings(&self) -> Result<Settings, ConnectError> {
        let settings = Settings {
            address: self.address.clone(),
            password: self.password.clone(),
            sentinel_password: self.sentinel_password.clone(),
            ca: self.ca.clone(),
            prefix: self.prefix.clone(),
            budget: self.budget,
        };
        settings.check()?;
        Ok(settings)
    }
}

keys! {
    struct Said {
        address ("url"): Option<Address> = None, custom(Shape::Text, address),
            "`redis://`, `rediss://`, `redis+cluster://`, `redis+sentinel://` and their kind.";
        password: Option<SecretSource> = None, SECRET, "The password. [the URL's]";
        sentinel_password: Option<SecretSource> = None, SECRET, "The sentinels' password.";
        ca: Option<PathBuf> = None, FILE, "PEM: certificates to trust. [the system's]";
        prefix: Box<str> = "postern:".into(), custom(Shape::Text, prefix), "How every key begins. [postern:]";
        budget: Duration = Duration::from_millis(50), custom(Shape::Time, budget),
            "How long a request waits for it at most, 1ms to 5s. [50ms]";
    }
}

pub(super) const SHAPE: Shape = Shape::Any(&[Shape::Text, Shape::Map(Said::KEYS, 1)]);

/// Reads `redis:`; `None` where it is off, or was reported.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<RedisConfig> {
    let said = match &node.value {
        Value::Map(map) => {
            let said = reader.read::<Said>(key, "`redis`", map);
            if map.get("url").is_none() {
                let detail = reader.findings.error("missing_key", node.span, "`redis` has no `url`");
                detail.help("write `url: redis://HOST:6379`");
            }
            said
        }
        _ if node.is_off() => return None,
        _ => Said { address: address(key, node, reader), ..Said::default() },
    };
    let Said { address, password, sentinel_password, ca, prefix, budget } = said;
    Some(RedisConfig { address: address?, password, sentinel_password, ca, prefix, budget })
}

pub(super) fn address(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Address> {
    let findings = &mut *reader.findings;
    let url = node.expect_str("`redis`", findings)?;
    match Address::parse(url) {
        Ok(address) => {
            if address.password.is_some() {
                // Whatever is reported about this file, its lines are not shown.
                findings.hide(node.span.file);
                findings
                    .warning("literal_secret", node.span, "the password of Redis stands in the configuration itself")
                    .help("write `redis: { url: …, password: { env: REDIS_PASSWORD } }`");
            }
            Some(address)
        }
        Err(why) => {
            if url.contains('@') {
                findings.hide(node.span.file);
            }
            findings.error("wrong_value", node.span, format!("the URL of Redis {why}"));
            None
        }
    }
}

fn prefix(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str("`prefix`", reader.findings)?;
    let fits =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
    if !fits {
        let message = "`prefix` must be 1 to 64 letters, digits, `-`, `_`, `.`, `:` and `/`";
        reader.findings.error("wrong_value", node.span, message);
    }
    fits.then(|| text.into())
}

fn budget(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let budget = (TIME.read)(key, node, reader)?;
    let fits = (Duration::from_millis(1)..=Duration::from_secs(5)).contains(&budget);
    if !fits {
        reader.findings.error("wrong_value", node.span, "`budget` must be from 1ms to 5s");
    }
    fits.then_some(budget)
}
