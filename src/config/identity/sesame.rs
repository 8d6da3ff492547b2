//! `identity.sesame` — Django's settings of sesame tokens, by their names without `SESAME_`.

use crate::config::secret;
use crate::identity::sesame::primary_key::{Field, KeyType};
use crate::identity::sesame::{Settings, Version};
use crate::identity::settings::SesameSettings;
use crate::yaml::{Findings, Keys, Map, Node, Value};
use std::path::Path;

const SESAME: Keys<'static> = Keys {
    known: &[
        "key",
        "fallbacks",
        "sesame_key",
        "max_age",
        "one_time",
        "scope",
        "query",
        "invalidate_on_password_change",
        "invalidate_on_email_change",
        "packer",
        "primary_key_field",
        "key_type",
        "user",
        "signature_size",
        "salt",
        "iterations",
        "versions",
    ],
    not_yet: &[],
};

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Option<SesameSettings> {
    let map = node.expect_map("`sesame`", findings)?;
    map.expect_keys("`sesame`", SESAME, findings);
    let mut settings = Settings { max_age: Some(300), ..Settings::default() };
    let Some(key) = map.get("key") else {
        findings
            .error("missing_key", node.span, "`sesame` has no `key`")
            .help("Django's SECRET_KEY: `key: { env: NAME }`");
        return None;
    };
    let mut keys = vec![secret::one("identity.sesame.key", key, base, findings)?];
    if let Some(list) = map.get("fallbacks").and_then(|node| node.expect_seq("`fallbacks`", findings)) {
        keys.extend(list.iter().filter_map(|node| secret::one("identity.sesame.fallbacks", node, base, findings)));
    }
    let own_key =
        map.get("sesame_key").and_then(|node| secret::one("identity.sesame.sesame_key", node, base, findings));
    if let Some(node) = map.get("max_age") {
        let is_none = matches!(&node.value, Value::Scalar(scalar) if scalar.text == "none");
        let age = if is_none { None } else { node.expect_duration("`max_age`", findings).map(|age| age.as_secs()) };
        settings.max_age = age.and_then(|age| i64::try_from(age).ok());
    }
    let flags = [
        ("one_time", &mut settings.one_time),
        ("invalidate_on_password_change", &mut settings.invalidate_on_password_change),
        ("invalidate_on_email_change", &mut settings.invalidate_on_email_change),
    ];
    for (key, place) in flags {
        if let Some(flag) = map.get(key).and_then(|node| node.expect_bool(&format!("`{key}`"), findings)) {
            *place = flag;
        }
    }
    if settings.max_age.is_none() && !settings.invalidate_on_password_change {
        findings.error(
            "wrong_value",
            node.span,
            "a token without `max_age` that outlives the password would never end",
        );
    }
    let text = |key: &str, findings: &mut Findings| {
        map.get(key).and_then(|node| node.expect_str(&format!("`{key}`"), findings)).map(str::to_owned)
    };
    settings.packer = text("packer", findings);
    if let Some(field) = text("primary_key_field", findings) {
        settings.primary_key_field = field;
    }
    if let Some(salt) = text("salt", findings) {
        settings.salt = salt;
    }
    if let Some(node) = map.get("key_type") {
        settings.key_type = node.expect_one_of("`key_type`", &KeyType::WORDS, findings).unwrap_or(settings.key_type);
    }
    if let Some(size) = map.get("signature_size").and_then(|n| n.expect_u64("`signature_size`", 1..=64, findings)) {
        settings.signature_size = usize::try_from(size).unwrap_or(10);
    }
    if let Some(count) = map.get("iterations").and_then(|n| n.expect_u64("`iterations`", 1..=1_000_000, findings)) {
        settings.iterations = u32::try_from(count).unwrap_or(10_000);
    }
    if let Some(node) = map.get("versions") {
        let words = [("v2", Version::V2), ("v1", Version::V1)];
        let nodes = if let Value::Seq(nodes) = &node.value { nodes } else { std::slice::from_ref(node) };
        let list = nodes.iter().map(|node| node.expect_one_of("an element of `versions`", &words, findings));
        settings.versions = list.collect::<Vec<_>>().into_iter().flatten().collect();
        if nodes.is_empty() {
            findings.error("wrong_value", node.span, "`versions` is an empty list").help("write `[v2, v1]`");
        }
    }
    let words =
        [("id", Field::Id), ("username", Field::Username), ("email", Field::Email), ("external_id", Field::ExternalId)];
    let usual = match (settings.primary_key_field.as_str(), settings.key_type) {
        ("username", _) => Field::Username,
        ("email", _) => Field::Email,
        (_, KeyType::Uuid) => Field::Id,
        _ => Field::ExternalId,
    };
    let user = map.get("user").map_or(Some(usual), |node| node.expect_one_of("`user`", &words, findings))?;
    let scope: Box<str> = text("scope", findings).unwrap_or_default().into();
    if !scope.is_empty() && !settings.versions.contains(&Version::V2) {
        findings.error("no_meaning", node.span, "`scope` is for version 2: tokens of version 1 have none");
    }
    let (query, exchange) = query(map, findings);
    Some(SesameSettings { keys, own_key, settings, user, scope, query, exchange })
}

/// The parameter that carries a token, and whether it becomes a session.
fn query(map: &Map, findings: &mut Findings) -> (Option<Box<str>>, bool) {
    let Some(node) = map.get("query") else { return (None, false) };
    let (name, exchange) = if let Value::Map(query) = &node.value {
        query.expect_keys("`query`", Keys { known: &["name", "exchange"], not_yet: &[] }, findings);
        let name = query.get("name").and_then(|node| node.expect_str("`name`", findings));
        if name.is_none() {
            findings.error("missing_key", node.span, "`query` has no `name`");
        }
        let exchange = query.get("exchange").and_then(|node| node.expect_bool("`exchange`", findings));
        (name, exchange.unwrap_or_default())
    } else {
        (node.expect_str("`query`", findings), false)
    };
    if name.is_some_and(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))) {
        findings.error("wrong_value", node.span, "`query` is the name of a parameter: letters, digits, `-` and `_`");
    }
    (name.map(Box::from), exchange)
}
