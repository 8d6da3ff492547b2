//! `identity.sesame` — Django's settings of sesame tokens, by their names without `SESAME_`.

use crate::config::keys::{FLAG, Reader, Section, Shape, TEXT, TIME, count, custom, keys, one_of};
use crate::config::secret::SECRET;
use crate::identity::sesame::primary_key::{Field, KeyType};
use crate::identity::sesame::{Settings, Version};
use crate::identity::settings::SesameSettings;
use crate::secret::SecretSource;
use crate::yaml::{Node, Value};

struct Sesame;

/// What is said, as far as it is no setting of tokens themselves.
#[derive(Default)]
struct Said {
    key: Option<SecretSource>,
    fallbacks: Vec<SecretSource>,
    own_key: Option<SecretSource>,
    scope: Box<str>,
    query: Query,
    user: Option<Field>,
    settings: Settings,
}

const KEY_TYPES: &[&str] = &[
    "uuid",
    "auto",
    "big_auto",
    "small_auto",
    "positive_integer",
    "positive_big_integer",
    "positive_small_integer",
    "char",
    "binary",
];

keys! {
    Sesame for Said {
        key, SECRET, "SECRET_KEY";
        fallbacks, custom(Shape::List(&Shape::Secret), fallbacks), "SECRET_KEY_FALLBACKS";
        own_key ("sesame_key"), SECRET, "SESAME_KEY";
        settings.max_age ("max_age"), custom(Shape::Any(&[Shape::Words(&["none"]), Shape::Time]), max_age),
            "SESAME_MAX_AGE, or `none`. [5m]";
        settings.one_time ("one_time"), FLAG, "SESAME_ONE_TIME [false]";
        scope, TEXT, "What tokens must be made for; others are refused. [those without a scope]";
        query, custom(Shape::Any(&[Shape::Text, Shape::Map(Query::KEYS, 1)]), query),
            "The parameter that carries a token. [none]";
        settings.invalidate_on_password_change ("invalidate_on_password_change"), FLAG,
            "SESAME_INVALIDATE_ON_PASSWORD_CHANGE [true]";
        settings.invalidate_on_email_change ("invalidate_on_email_change"), FLAG,
            "SESAME_INVALIDATE_ON_EMAIL_CHANGE [false]";
        settings.packer ("packer"), TEXT, "SESAME_PACKER";
        settings.primary_key_field ("primary_key_field"), TEXT, "SESAME_PRIMARY_KEY_FIELD [pk]";
        settings.key_type ("key_type"), custom(Shape::Words(KEY_TYPES), key_type),
            "The type of Django's primary key. [uuid]";
        user, one_of!(
            "id" => Field::Id, "username" => Field::Username, "email" => Field::Email, "external_id" => Field::ExternalId,
        ), "Which field of ours it is. [by the two above]";
        settings.signature_size ("signature_size"), count::<usize, 1, 64>(), "SESAME_SIGNATURE_SIZE [10]";
        settings.salt ("salt"), TEXT, "SESAME_SALT [sesame]";
        settings.iterations ("iterations"), count::<u32, 1, 1_000_000>(), "SESAME_ITERATIONS [10000]";
        settings.versions ("versions"), custom(Shape::SomeOf(&["v2", "v1"]), versions),
            "SESAME_TOKENS: which versions are tried, in which order. [v2, v1]";
    }
}

keys! {
    struct Query {
        name: Option<String> = None, TEXT, "The parameter's name.";
        exchange: bool = false, FLAG, "A token becomes a session, and leaves the address. [false]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Sesame::KEYS, 1);

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<SesameSettings> {
    let map = node.expect_map("`sesame`", reader.findings)?;
    let mut said = Said { settings: Settings { max_age: Some(300), ..Settings::default() }, ..Said::default() };
    reader.section::<Sesame>(&mut said, key, "`sesame`", map);
    let Said { key, fallbacks, own_key, scope, query, user, settings } = said;
    let findings = &mut *reader.findings;
    if map.get("key").is_none() {
        findings
            .error("missing_key", node.span, "`sesame` has no `key`")
            .help("Django's SECRET_KEY: `key: { env: NAME }`");
    }
    let keys = std::iter::once(key?).chain(fallbacks).collect();
    if settings.max_age.is_none() && !settings.invalidate_on_password_change {
        let message = "a token without `max_age` that outlives the password would never end";
        findings.error("wrong_value", node.span, message);
    }
    let usual = match (settings.primary_key_field.as_str(), settings.key_type) {
        ("username", _) => Field::Username,
        ("email", _) => Field::Email,
        (_, KeyType::Uuid) => Field::Id,
        _ => Field::ExternalId,
    };
    if !scope.is_empty() && !settings.versions.contains(&Version::V2) {
        findings.error("no_meaning", node.span, "`scope` is for version 2: tokens of version 1 have none");
    }
    let user = user.unwrap_or(usual);
    Some(SesameSettings {
        keys,
        own_key,
        settings,
        user,
        scope,
        query: query.name.map(Box::from),
        exchange: query.exchange,
    })
}

fn key_type(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<KeyType> {
    node.expect_one_of("`key_type`", &KeyType::WORDS, reader.findings)
}

/// `SECRET_KEY_FALLBACKS`.
pub(super) fn fallbacks(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<SecretSource>> {
    let list = node.expect_seq("`fallbacks`", reader.findings)?;
    Some(list.iter().filter_map(|node| (SECRET.read)(key, node, reader)).collect())
}

#[allow(clippy::option_option)] // `Some(None)`: at any age
fn max_age(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<i64>> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "none") {
        return Some(None);
    }
    Some(i64::try_from((TIME.read)(key, node, reader)?.as_secs()).ok())
}

fn versions(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Version>> {
    let words = [("v2", Version::V2), ("v1", Version::V1)];
    let nodes = if let Value::Seq(nodes) = &node.value { nodes } else { std::slice::from_ref(node) };
    if nodes.is_empty() {
        reader.findings.error("wrong_value", node.span, "`versions` is an empty list").help("write `[v2, v1]`");
    }
    let list = nodes.iter().filter_map(|node| node.expect_one_of("an element of `versions`", &words, reader.findings));
    Some(list.collect())
}

/// The parameter that carries a token, and whether it becomes a session.
fn query(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Query> {
    let query = if let Value::Map(map) = &node.value {
        let query = reader.read::<Query>(key, "`query`", map);
        if query.name.is_none() {
            reader.findings.error("missing_key", node.span, "`query` has no `name`");
        }
        query
    } else {
        Query { name: (TEXT.read)(key, node, reader), exchange: false }
    };
    let is_good = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !query.name.as_ref().is_none_or(is_good) {
        let message = "`query` is the name of a parameter: letters, digits, `-` and `_`";
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(query)
}
