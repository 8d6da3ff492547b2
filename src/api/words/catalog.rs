//! A catalog of gettext: pairs of `msgid "…"` and `msgstr "…"`, each possibly continued on lines that begin with a quote.
//!
//! A text may have a place, `{0}`: what stands there in what was said stands at the translation's own place.

use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Catalog {
    texts: HashMap<String, String>,
    /// Those with a place, as what is before it and behind it.
    patterns: Vec<(String, String, String)>,
}

impl Catalog {
    /// Lines that are none of these say nothing (`#` and empty ones).
    pub(super) fn read(source: &str) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut is_translation = false;
        for line in source.lines() {
            let (word, rest) = line.split_once('"').map_or((line, ""), |(word, rest)| (word.trim(), rest));
            match word {
                "msgid" => pairs.push((String::new(), String::new())),
                "msgstr" | "" => {}
                _ => continue,
            }
            is_translation = word == "msgstr" || (word.is_empty() && is_translation);
            let text = rest.strip_suffix('"').unwrap_or(rest);
            if let Some((id, translation)) = pairs.last_mut() {
                let whole = if is_translation { translation } else { id };
                whole.push_str(&text.replace("\\\"", "\""));
            }
        }
        let mut catalog = Self::default();
        for (id, translation) in pairs.into_iter().filter(|(id, translation)| !id.is_empty() && !translation.is_empty())
        {
            if let Some((before, behind)) = id.split_once("{0}") {
                catalog.patterns.push((before.to_owned(), behind.to_owned(), translation.clone()));
            }
            catalog.texts.insert(id, translation);
        }
        // `Edit the {0}` before `Edit {0}`.
        catalog.patterns.sort_by_key(|(before, behind, _)| std::cmp::Reverse(before.len() + behind.len()));
        catalog
    }

    pub(super) fn find(&self, text: &str) -> Option<Cow<'_, str>> {
        if let Some(translation) = self.texts.get(text) {
            return Some(Cow::Borrowed(translation));
        }
        self.patterns.iter().find_map(|(before, behind, translation)| {
            let value = text.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())?;
            (!before.is_empty() || !behind.is_empty()).then(|| Cow::Owned(translation.replacen("{0}", value, 1)))
        })
    }

    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = (&String, &String)> {
        self.texts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Catalog;

    const SOURCE: &str = "# Of whoever translates.\nmsgid \"\"\nmsgstr \"\"\n\"Language: de\"\n\n\
        msgid \"Log in\"\nmsgstr \"Anmelden\"\n\n\
        msgid \"A \\\"b\\\" \"\n\"c\"\nmsgstr \"Ein \"\n\"\\\"b\\\" c\"\n\n\
        msgid \"Edit {0}\"\nmsgstr \"{0} ändern\"\n\n\
        msgid \"Edit the {0}\"\nmsgstr \"Das {0} ändern\"\n\n\
        msgid \"Nobody has done this\"\nmsgstr \"\"\n";

    #[test]
    fn a_catalog_says_what_a_text_is_in_its_language() {
        let catalog = Catalog::read(SOURCE);
        for (text, translation) in [
            ("Log in", Some("Anmelden")),
            ("A \"b\" c", Some("Ein \"b\" c")),
            ("Edit ann", Some("ann ändern")),
            ("Edit {0}", Some("{0} ändern")),
            ("Edit the house", Some("Das house ändern")),
            ("Edit {0} {0}", Some("{0} {0} ändern")),
            ("Nobody has done this", None),
            ("", None),
            ("log in", None),
        ] {
            assert_eq!(catalog.find(text).as_deref(), translation, "{text}");
        }
    }
}
