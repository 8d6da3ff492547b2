//! `redis:` — a URL, or a map of it and what a URL has no room for.

use super::secret;
use crate::redis::{Address, ConnectError, Settings};
use crate::secret::SecretSource;
use crate::yaml::{Findings, Keys, Node, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEYS: Keys<'static> =
    Keys { known: &["url", "password", "sentinel_password", "ca", "prefix", "budget"], not_yet: &[] };

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

/// Reads `redis:`; `None` where it is off, or was reported.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Option<RedisConfig> {
    let Value::Map(map) = &node.value else {
        if node.is_off() {
            return None;
        }
        return Some(RedisConfig {
            address: address(node, findings)?,
            password: None,
            sentinel_password: None,
            ca: None,
            prefix: "postern:".into(),
            budget: Duration::from_millis(50),
        });
    };
    map.expect_keys("`redis`", KEYS, findings);
    let Some(url) = map.get("url") else {
        findings.error("missing_key", node.span, "`redis` has no `url`").help("write `url: redis://HOST:6379`");
        return None;
    };
    let mut secret =
        |key: &str| map.get(key).and_then(|node| secret::one(&format!("redis.{key}"), node, base, findings));
    let (password, sentinel_password) = (secret("password"), secret("sentinel_password"));
    let ca = map.get("ca").and_then(|node| node.expect_str("`ca`", findings)).map(|path| base.join(path));
    let prefix = map.get("prefix").map_or(Some("postern:".into()), |node| prefix(node, findings));
    let budget = map.get("budget").map_or(Some(Duration::from_millis(50)), |node| budget(node, findings));
    let address = address(url, findings)?;
    Some(RedisConfig { address, password, sentinel_password, ca, prefix: prefix?, budget: budget? })
}

fn address(node: &Node, findings: &mut Findings) -> Option<Address> {
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

fn prefix(node: &Node, findings: &mut Findings) -> Option<Box<str>> {
    let text = node.expect_str("`prefix`", findings)?;
    let fits =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
    if !fits {
        let message = "`prefix` must be 1 to 64 letters, digits, `-`, `_`, `.`, `:` and `/`";
        findings.error("wrong_value", node.span, message);
    }
    fits.then(|| text.into())
}

fn budget(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let budget = node.expect_duration("`budget`", findings)?;
    let fits = (Duration::from_millis(1)..=Duration::from_secs(5)).contains(&budget);
    if !fits {
        findings.error("wrong_value", node.span, "`budget` must be from 1ms to 5s");
    }
    fits.then_some(budget)
}
