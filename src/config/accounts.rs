//! `identity: api, login, token, passwords` — how people log in, and what they get.

use super::Compat;
use super::identity::{providers, trusted_header};
use super::keys::{FLAG, Reader, SIZE, Section, Shape, TIME, count, custom, keys, one_of};
use super::secret::SECRET;
use crate::directory::Usernames;
use crate::login::trusted_header::Settings as TrustedHeader;
use crate::oidc::settings::Settings as Provider;
use crate::password::validate::Validators;
use crate::password::{Algorithm, Passwords};
use crate::second_factor::{Passkeys, Settings as SecondFactor};
use crate::secret::SecretSource;
use crate::yaml::{Node, Rate, Value};
use std::num::NonZeroU32;
use std::time::Duration;

/// Where the identity API is, unless `identity.prefix` says otherwise.
pub const PREFIX: &str = "/api/v1/users/";

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

/// What of the identity API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Off,
    /// Logins, tokens of logins, and passwords.
    Logins,
    /// Users, organizations and groups too.
    All,
}

/// How often, of one client address, and what happens when that is `None`: nothing is limited.
pub type Throttle = Option<(NonZeroU32, Duration)>;

/// The part of `identity:` about people.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// What of the identity API is served on the data port.
    pub api: Served,
    /// Whether records are changed only by who says, by `If-Match`, which state of them they have read.
    pub require_if_match: bool,
    /// Whether browsers are shown records on pages, with forms.
    pub browsable: bool,
    /// What its paths begin with; a slash at both ends.
    pub prefix: Box<str>,
    /// What people may name themselves by.
    pub identifiers: Vec<Identifier>,
    /// Put before what is written like a phone number.
    pub phone_prefixes: Vec<String>,
    /// How usernames are unique; the directory must say the same.
    pub usernames: Usernames,
    /// Requests of one address to the endpoints that take passwords.
    pub throttle: Throttle,
    /// How long a token of a login is good; `None`: for ever.
    pub lifetime: Option<Duration>,
    /// How long any token is good at most; `None`: it need not end.
    pub longest_token: Option<Duration>,
    /// What tokens are encrypted with that must be told again.
    pub token_key: Option<SecretSource>,
    pub passwords: Passwords,
    /// Whether somebody logs in whose account has expired, until they are made inactive.
    pub expired_log_in: bool,
    /// Where they log in besides.
    pub providers: Vec<Provider>,
    /// What is believed of who somebody is, where another single sign-on stands in front.
    pub trusted_header: Option<TrustedHeader>,
    /// The second factor, where people may have one.
    pub mfa: Option<SecondFactor>,
    /// Whether programs on other devices get tokens by a code that people type.
    pub devices: bool,
    /// Passkeys, where people may have them.
    pub passkeys: Option<Passkeys>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            api: Served::Off,
            require_if_match: false,
            browsable: true,
            prefix: PREFIX.into(),
            identifiers: Identifier::WORDS.iter().map(|(_, identifier)| *identifier).collect(),
            phone_prefixes: Vec::new(),
            usernames: Usernames::Global,
            throttle: NonZeroU32::new(10).map(|count| (count, Duration::from_secs(60))),
            lifetime: Some(Duration::from_secs(30 * 86_400)),
            longest_token: None,
            token_key: None,
            passwords: Passwords::default(),
            expired_log_in: false,
            providers: Vec::new(),
            trusted_header: None,
            mfa: None,
            devices: false,
            passkeys: None,
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
                expired_log_in: true,
                passwords: Passwords::openwisp(),
                ..Self::default()
            },
        }
    }
}

pub(super) struct Login;

keys! {
    Login for Accounts {
        identifiers, custom(Shape::SomeOf(&["email", "phone", "username"]), identifiers),
            "What people may name themselves by. [all]";
        phone_prefixes, custom(Shape::Texts, phone_prefixes), "Put before national numbers: `[\"+39\"]`, at most 16.";
        usernames, one_of!("global" => Usernames::Global, "per_organization" => Usernames::PerOrganization),
            "As `postern usernames` says of the directory. `per_organization`: a login by name says of which, as `organization`. [global]";
        devices ("device"), one_of!("off" => false, "on" => true),
            "Whether programs on devices without a browser get a token by a code that somebody types on a page, as `postern login` does; needs `public_url` and `identity.session`. [off]";
        providers, custom(providers::SHAPE, providers::read),
            "Providers of OpenID Connect that people log in at; needs `public_url` and `identity.session`. [none]";
        trusted_header, custom(trusted_header::SHAPE, trusted_header::read),
            "A header by which a proxy in front says on the login page who somebody is. [off]";
    }
}

pub(super) struct Token;

keys! {
    Token for Accounts {
        throttle, custom(Shape::Rate, throttle),
            "Requests of one client address; `none` turns limits off. [10/minute; 20/day with `compat: openwisp`]";
        lifetime, custom(Shape::Any(&[Shape::Words(&["never"]), Shape::Time]), lifetime),
            "How long a token of a login is good: `12h`, `30d`, or `never`. [30d; never with `compat: openwisp`]";
        longest_token ("max_lifetime"), custom(Shape::Any(&[Shape::Words(&["none"]), Shape::Time]), longest_token),
            "Every token that is made must expire, within this time: `90d`; or `none`. [none]";
        token_key ("key"), SECRET,
            "Encrypts tokens that are told again (`compat: openwisp`); 16 characters or more.";
    }
}

keys! {
    struct Hashing {
        pbkdf2 ("algorithm"): bool = false, one_of!("argon2id" => false, "pbkdf2_sha256" => true),
            "How new ones are hashed. [argon2id; pbkdf2_sha256 with `schema: openwisp`]";
        memory: u64 = 19 << 20, SIZE, "argon2id's memory. [19MiB]";
        passes: u32 = 2, count::<u32, 1, 64>(), "argon2id's passes. [2]";
        lanes: u32 = 1, count::<u32, 1, 64>(), "argon2id's lanes. [1]";
        iterations: u32 = 1_000_000, count::<u32, 1000, 10_000_000>(), "pbkdf2_sha256's iterations. [1000000]";
        md5: bool = false, FLAG, "Whether Django's salted MD5 is believed. [false]";
        upgrade: bool = true, FLAG, "Whether a login rewrites an older hash. [true; false with `schema: openwisp`]";
        workers: usize = Passwords::default().workers, count::<usize, 1, 64>(),
            "Computed at the same time. [half of the processors]";
        queue: usize = 64, count::<usize, 0, 10_000>(), "Waiting; more is 503. [64]";
        // Days: what is longer than a century is a mistake.
        expire_after: u32 = 0, count::<u32, 0, 36_525>(),
            "Days after which a password must be changed; 0 is never. [0]";
        expire_after_staff: u32 = 0, count::<u32, 0, 36_525>(), "The same for staff, where it is not 0. [0]";
        min_length: Option<u32> = None, count::<u32, 1, 128>(),
            "Characters of a new one. [8; 1 with `compat: openwisp`]";
        validators: Option<Vec<String>> = None, custom(Shape::SomeOf(&["similarity", "common", "numeric"]), validators),
            "What a new one must not be: like its user's name or address, one that many have, of digits alone. [all; none with `compat: openwisp`]";
        link_lifetime: Option<Duration> = None, custom(Shape::Time, link_lifetime),
            "How long a link to choose a new one is good, 1m or more. [1h; 3d with `compat: openwisp`]";
        invitation_lifetime: Duration = Duration::from_secs(7 * 86_400), custom(Shape::Time, link_lifetime),
            "How long an invitation is good, with which somebody chooses their first. [7d]";
    }
}

pub(super) const PASSWORDS: Shape = Shape::Map(Hashing::KEYS, 0);

pub(super) fn passwords(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Passwords> {
    let map = node.expect_map("`passwords`", reader.findings)?;
    let said = reader.read::<Hashing>(key, "`passwords`", map);
    let Hashing { passes, lanes, iterations, md5, upgrade, workers, queue, expire_after, .. } = said;
    let Hashing { expire_after_staff, min_length, link_lifetime, .. } = said;
    let usual = Accounts::of(reader.compat).passwords;
    let mut validators = usual.validators;
    if let Some(words) = said.validators {
        let has = |word: &str| words.iter().any(|known| known == word);
        validators =
            Validators { similarity: has("similarity"), common: has("common"), numeric: has("numeric"), ..validators };
    }
    let memory = u32::try_from(said.memory / 1024).unwrap_or(u32::MAX);
    let algorithm = if said.pbkdf2 {
        Algorithm::Pbkdf2Sha256 { iterations }
    } else {
        Algorithm::Argon2id { memory, passes, lanes }
    };
    if let Some(node) = ["memory", "passes", "lanes"].iter().find_map(|key| map.get(key))
        && !algorithm.is_bounded()
    {
        let message = "the cost of a password must be at least 8KiB of memory for each lane, and at most 256MiB of it \
                       and 2GiB written";
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(Passwords {
        algorithm,
        md5,
        upgrade,
        workers,
        queue,
        expire_after,
        expire_after_staff,
        validators: Validators { min_length: min_length.unwrap_or(validators.min_length), ..validators },
        link_lifetime: link_lifetime.unwrap_or(usual.link_lifetime),
        invitation_lifetime: said.invitation_lifetime,
    })
}

fn validators(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let words = node.expect_strs("`validators`", reader.findings)?;
    for (word, span) in &words {
        if !["similarity", "common", "numeric"].contains(word) {
            let message = format!("`validators` are `similarity`, `common` and `numeric`, not `{word}`");
            reader.findings.error("wrong_value", *span, message);
        }
    }
    Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

fn link_lifetime(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let lifetime = (TIME.read)(key, node, reader)?;
    if lifetime < Duration::from_secs(60) {
        reader.findings.error("wrong_value", node.span, format!("`{key}` is at least 1m"));
    }
    Some(lifetime)
}

fn identifiers(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Identifier>> {
    let mut list = Vec::new();
    for (word, span) in node.expect_strs("`identifiers`", reader.findings)? {
        match Identifier::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, identifier)) if !list.contains(identifier) => list.push(*identifier),
            Some(_) => {}
            None => {
                let message = format!("`identifiers` are `email`, `phone` and `username`, not `{word}`");
                reader.findings.error("wrong_value", span, message);
            }
        }
    }
    Some(list)
}

fn phone_prefixes(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let findings = &mut *reader.findings;
    let prefixes = node.expect_strs("`phone_prefixes`", findings)?;
    if prefixes.len() > 16 {
        findings.error("wrong_value", node.span, "`phone_prefixes` are at most 16: each is tried at each login");
    }
    for (prefix, span) in &prefixes {
        if prefix.len() > 32 {
            findings.error("wrong_value", *span, "a phone prefix has at most 32 characters");
        } else if !prefix.contains('+') {
            let message = format!("the prefix `{prefix}` has no `+`, so no number matches it");
            findings.warning("useless_prefix", *span, message);
        }
    }
    Some(prefixes.into_iter().map(|(prefix, _)| prefix.to_owned()).collect())
}

#[allow(clippy::option_option)] // `Some(None)`: nothing is limited, nothing ends
fn throttle(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Throttle> {
    let rate = match reader.compat {
        Compat::None => node.expect_rate("`throttle`", reader.findings),
        Compat::Openwisp => node.expect_drf_rate("`throttle`", reader.findings),
    };
    Some(match rate? {
        Rate::Off => None,
        Rate::Each { count, period } => Some((count, period)),
    })
}

#[allow(clippy::option_option)] // `Some(None)`: for ever
fn lifetime(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<Duration>> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "never") {
        return Some(None);
    }
    let lifetime = (TIME.read)(key, node, reader)?;
    if lifetime < Duration::from_secs(1) {
        reader.findings.error("wrong_value", node.span, "`lifetime` must be at least 1s, or `never`");
    }
    Some(Some(lifetime))
}

#[allow(clippy::option_option)] // `Some(None)`: tokens need not end
fn longest_token(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<Duration>> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "none") {
        return Some(None);
    }
    let longest = (TIME.read)(key, node, reader)?;
    if longest < Duration::from_secs(60) {
        reader.findings.error("wrong_value", node.span, "`max_lifetime` must be at least 1m, or `none`");
    }
    Some(Some(longest))
}

/// Where the identity API is: literal segments.
pub(super) fn prefix(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    if reader.compat == Compat::Openwisp {
        reader
            .findings
            .error("wrong_value", node.span, "`compat: openwisp` has the identity API where openwisp-users has it")
            .help(format!("leave `prefix` out: it is {}", PREFIX));
        return None;
    }
    steps(node, "/auth/", reader)
}

/// A path of literal segments that others stand under.
pub(super) fn steps(node: &Node, example: &str, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let findings = &mut *reader.findings;
    let text = node.expect_str("`prefix`", findings)?;
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
            .help(format!("write `{example}`"));
        return None;
    }
    Some(format!("/{trimmed}/").into())
}
