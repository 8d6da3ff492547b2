//! `identity.mfa` — who logs in with a second factor.

use crate::config::keys::{Reader, Section, Shape, custom, keys};
use crate::config::secret::SECRET;
use crate::second_factor::Settings;
use crate::secret::SecretSource;
use crate::yaml::Node;

keys! {
    struct Said {
        key: Option<SecretSource> = None, SECRET, "Encrypts what is shared with authenticator apps; 16 characters or more.";
        required_for: Vec<String> = Vec::new(), custom(Shape::SomeOf(&["staff", "superusers"]), required_for),
            "Who must have a second factor; everybody else may. [none]";
        organizations: Vec<String> = Vec::new(), custom(Shape::Texts, organizations),
            "Slugs of organizations whose members must. [none]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Said::KEYS, 1);

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Settings> {
    let map = node.expect_map("`mfa`", reader.findings)?;
    let Said { key, required_for, organizations } = reader.read::<Said>(key, "`mfa`", map);
    if map.get("key").is_none() {
        let message = "`mfa` has no `key`, with which the secrets of apps are encrypted";
        reader.findings.error("missing_key", node.span, message).help("write `key: { env: POSTERN_MFA_KEY }`");
    }
    let has = |word: &str| required_for.iter().any(|known| known == word);
    let (staff, superusers) = (has("staff"), has("superusers"));
    Some(Settings { key: key?, staff, superusers, organizations: organizations.into_iter().map(Into::into).collect() })
}

fn required_for(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let words = node.expect_strs("`required_for`", reader.findings)?;
    for (word, span) in &words {
        if !["staff", "superusers"].contains(word) {
            let message = format!("`required_for` are `staff` and `superusers`, not `{word}`");
            reader.findings.error("wrong_value", *span, message).help("organizations stand in `organizations`");
        }
    }
    Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

fn organizations(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let slugs = node.expect_strs("`organizations`", reader.findings)?;
    Some(slugs.into_iter().map(|(slug, _)| slug.to_owned()).collect())
}
