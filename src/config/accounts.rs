//! `identity: api, login, token, passwords` — how people log in, and what they get.

use super::part::{section, set};
use super::{Compat, secret};
use crate::api::paths;
use crate::password::{Algorithm, Passwords};
use crate::secret::SecretSource;
use crate::yaml::{Findings, Keys, Map, Node, Rate};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

/// The keys of `identity` that are read here.
pub(super) const KEYS: [&str; 5] = ["api", "prefix", "login", "token", "passwords"];

/// A word by which people may name themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    Email,
    Phone,
    Username,
}

impl Identifier {
    const WORDS: [(&'static str, Self); 3] =
        [("email", Self::Email), ("phone", Self::Phone), ("username", Self::Username)];
}

/// How often, of one client address, and what happens when that is `None`: nothing is limited.
pub type Throttle = Option<(NonZeroU32, Duration)>;

/// The part of `identity:` about people.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Whether the identity API is served on the data port.
    pub api: bool,
    /// What its paths begin with; a slash at both ends.
    pub prefix: Box<str>,
    /// What people may name themselves by.
    pub identifiers: Vec<Identifier>,
    /// Put before what is written like a phone number.
    pub phone_prefixes: Vec<String>,
    /// Usernames are unique in an organization, which a login then names.
    pub per_organization: bool,
    /// Requests of one address to the endpoints that take passwords.
    pub throttle: Throttle,
    /// How long a token of a login is good; `None`: for ever.
    pub lifetime: Option<Duration>,
    /// What tokens are encrypted with that must be told again.
    pub token_key: Option<SecretSource>,
    pub passwords: Passwords,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            api: false,
            prefix: paths::PREFIX.into(),
            identifiers: Identifier::WORDS.iter().map(|(_, identifier)| *identifier).collect(),
            phone_prefixes: Vec::new(),
            per_organization: false,
            throttle: NonZeroU32::new(10).map(|count| (count, Duration::from_secs(60))),
            lifetime: Some(Duration::from_secs(30 * 86_400)),
            token_key: None,
            passwords: Passwords::default(),
        }
    }
}

impl Accounts {
    /// What counts where nothing is said.
    pub(super) fn of(compat: Compat) -> Self {
        match compat {
            Compat::None => Self::default(),
            Compat::Openwisp => Self {
                throttle: NonZeroU32::new(20).map(|count| (count, Duration::from_secs(86_400))),
                lifetime: None,
                ..Self::default()
            },
        }
    }
}

/// Reads the keys of `identity`; what was reported is left out.
pub(super) fn read(map: &Map, base: &Path, compat: Compat, findings: &mut Findings) -> Accounts {
    let mut accounts = Accounts::of(compat);
    if let Some(node) = map.get("api") {
        match node.expect_word("`api`", findings) {
            Some("off") => accounts.api = false,
            Some("token") => accounts.api = true,
            None => {}
            Some("all") => {
                let message = "`api: all` is not yet supported by this version of postern";
                findings.error("not_yet", node.span, message).help("write `token` for the token endpoint alone");
            }
            Some(other) => {
                let message = format!("`api` must be `off` or `token`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
        }
    }
    login(map, &mut accounts, findings);
    if let Some(node) = map.get("prefix") {
        set(&mut accounts.prefix, prefix(node, compat, findings));
    }
    token(map, base, compat, &mut accounts, findings);
    passwords(map, &mut accounts.passwords, findings);
    accounts
}

fn login(map: &Map, accounts: &mut Accounts, findings: &mut Findings) {
    let keys = Keys { known: &["identifiers", "phone_prefixes", "usernames"], not_yet: &[] };
    let Some(map) = section(map, "login", keys, findings) else { return };
    if let Some(node) = map.get("identifiers") {
        accounts.identifiers.clear();
        for (word, span) in node.expect_strs("`identifiers`", findings).unwrap_or_default() {
            match Identifier::WORDS.iter().find(|(known, _)| *known == word) {
                Some((_, identifier)) if !accounts.identifiers.contains(identifier) => {
                    accounts.identifiers.push(*identifier);
                }
                Some(_) => {}
                None => {
                    let message = format!("`identifiers` are `email`, `phone` and `username`, not `{word}`");
                    findings.error("wrong_value", span, message);
                }
            }
        }
    }
    if let Some(node) = map.get("phone_prefixes") {
        let prefixes = node.expect_strs("`phone_prefixes`", findings).unwrap_or_default();
        if prefixes.len() > 16 {
            findings.error("wrong_value", node.span, "`phone_prefixes` are at most 16: each is tried at each login");
        }
        for (prefix, span) in prefixes {
            if prefix.len() > 32 {
                findings.error("wrong_value", span, "a phone prefix has at most 32 characters");
            } else if !prefix.contains('+') {
                findings.warning(
                    "useless_prefix",
                    span,
                    format!("the prefix `{prefix}` has no `+`, so no number matches it"),
                );
            }
            accounts.phone_prefixes.push(prefix.to_owned());
        }
    }
    if let Some(node) = map.get("usernames") {
        match node.expect_str("`usernames`", findings) {
            Some("global") | None => {}
            Some("per_organization") => accounts.per_organization = true,
            Some(other) => {
                let message = format!("`usernames` must be `global` or `per_organization`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
        }
    }
}

/// Where the identity API is: literal segments.
fn prefix(node: &Node, compat: Compat, findings: &mut Findings) -> Option<Box<str>> {
    let text = node.expect_str("`prefix`", findings)?;
    if compat == Compat::Openwisp {
        findings
            .error("wrong_value", node.span, "`compat: openwisp` has the identity API where openwisp-users has it")
            .help(format!("leave `prefix` out: it is {}", paths::PREFIX));
        return None;
    }
    let trimmed = text.trim_matches('/');
    let is_step = |step: &str| {
        !step.is_empty()
            && !matches!(step, "." | "..")
            && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    if !text.starts_with('/') || text.starts_with("//") || text.ends_with("//") || !trimmed.split('/').all(is_step) {
        findings
            .error(
                "wrong_value",
                node.span,
                "`prefix` must be a path of letters, digits, `-`, `_`, `.` and `~`, and not `/`",
            )
            .help("write `/auth/`");
        return None;
    }
    Some(format!("/{trimmed}/").into())
}

fn token(map: &Map, base: &Path, compat: Compat, accounts: &mut Accounts, findings: &mut Findings) {
    let keys = Keys { known: &["throttle", "lifetime", "key"], not_yet: &[] };
    let Some(map) = section(map, "token", keys, findings) else { return };
    if let Some(rate) = map.get("throttle").and_then(|node| match compat {
        Compat::None => node.expect_rate("`throttle`", findings),
        Compat::Openwisp => node.expect_drf_rate("`throttle`", findings),
    }) {
        accounts.throttle = match rate {
            Rate::Off => None,
            Rate::Each { count, period } => Some((count, period)),
        };
    }
    if let Some(node) = map.get("lifetime") {
        let never = matches!(&node.value, crate::yaml::Value::Scalar(scalar) if scalar.text == "never");
        accounts.lifetime = if never { None } else { node.expect_duration("`lifetime`", findings) };
        if accounts.lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            findings.error("wrong_value", node.span, "`lifetime` must be at least 1s, or `never`");
        }
    }
    if let Some(node) = map.get("key") {
        accounts.token_key = secret::one("identity.token.key", node, base, findings);
    }
}

const PASSWORDS: Keys<'static> = Keys {
    known: &[
        "algorithm",
        "memory",
        "passes",
        "lanes",
        "iterations",
        "md5",
        "upgrade",
        "workers",
        "queue",
        "expire_after",
        "expire_after_staff",
        "min_length",
        "link_lifetime",
    ],
    not_yet: &[],
};

fn passwords(map: &Map, passwords: &mut Passwords, findings: &mut Findings) {
    let Some(map) = section(map, "passwords", PASSWORDS, findings) else { return };
    let mut pbkdf2 = false;
    if let Some(node) = map.get("algorithm") {
        match node.expect_str("`algorithm`", findings) {
            Some("argon2id") | None => {}
            Some("pbkdf2_sha256") => pbkdf2 = true,
            Some(other) => {
                let message = format!("`algorithm` must be `argon2id` or `pbkdf2_sha256`, not `{other}`");
                findings.error("wrong_value", node.span, message);
            }
        }
    }
    let mut number = |key: &str, range: std::ops::RangeInclusive<u64>, default: u32| {
        let read = map.get(key).and_then(|node| node.expect_u64(&format!("`{key}`"), range, findings));
        read.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let (passes, lanes) = (number("passes", 1..=64, 2), number("lanes", 1..=64, 1));
    let iterations = number("iterations", 1000..=10_000_000, 1_000_000);
    let workers = number("workers", 1..=64, 0);
    let queue = number("queue", 0..=10_000, 64);
    // Days: what is longer than a century is a mistake.
    passwords.expire_after = number("expire_after", 0..=36_525, 0);
    passwords.expire_after_staff = number("expire_after_staff", 0..=36_525, 0);
    passwords.min_length = map.get("min_length").is_some().then(|| number("min_length", 1..=128, 8));
    if let Some(node) = map.get("link_lifetime") {
        passwords.link_lifetime = node.expect_duration("`link_lifetime`", findings);
        if passwords.link_lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(60)) {
            findings.error("wrong_value", node.span, "`link_lifetime` is at least 1m");
        }
    }
    let mut memory = 19 * 1024;
    if let Some(node) = map.get("memory")
        && let Some(bytes) = node.expect_size("`memory`", findings)
    {
        memory = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    }
    passwords.algorithm =
        if pbkdf2 { Algorithm::Pbkdf2Sha256 { iterations } } else { Algorithm::Argon2id { memory, passes, lanes } };
    if !passwords.algorithm.is_bounded() {
        let span = map.get("memory").or(map.get("passes")).or(map.get("lanes")).map(|node| node.span);
        if let Some(span) = span {
            let message = "the cost of a password must be at least 8KiB of memory for each lane, and at most 256MiB of it \
                           and 2GiB written";
            findings.error("wrong_value", span, message);
        }
    }
    if workers > 0 {
        passwords.workers = usize::try_from(workers).unwrap_or(1);
    }
    passwords.queue = usize::try_from(queue).unwrap_or(64);
    if let Some(md5) = map.get("md5").and_then(|node| node.expect_bool("`md5`", findings)) {
        passwords.md5 = md5;
    }
    if let Some(upgrade) = map.get("upgrade").and_then(|node| node.expect_bool("`upgrade`", findings)) {
        passwords.upgrade = upgrade;
    }
}
