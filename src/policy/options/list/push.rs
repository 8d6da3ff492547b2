//! `push:` — the parameter of the query that narrows a list at its source.

use super::{BY, ItemBy};
use crate::policy::options::org::By;
use crate::yaml::{Findings, Node};
use std::fmt;

/// What a service is told of the organizations whose items its caller gets, so that it sends no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The parameter of the query.
    pub parameter: Box<str>,
    /// How it names organizations.
    pub by: ItemBy,
    /// The parameter is there once for each of them; otherwise once, with commas between them.
    pub is_repeated: bool,
}

/// Longest name of a parameter, in bytes.
const MOST: usize = 128;

impl Push {
    /// `organization__in`, `organization as slug`, `org as external repeated`.
    pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = node.expect_str("`push`", findings)?;
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (words, is_repeated) = match words.split_last() {
            Some((&"repeated", rest)) if !rest.is_empty() => (rest, true),
            _ => (&*words, false),
        };
        let by = |word: &str| BY.iter().find(|(known, _)| *known == word).map(|(_, by)| *by);
        let read = match words {
            [parameter] => Some((parameter, ItemBy::Key(By::Id))),
            [parameter, "as", word] => by(word).map(|by| (parameter, by)),
            _ => None,
        };
        // What other readers fold to nothing cannot be told from any other name.
        let is_name = |name: &str| {
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b);
            name.len() <= MOST && name.bytes().all(is_part) && name.bytes().any(|b| b.is_ascii_alphanumeric())
        };
        let Some((parameter, by)) = read.filter(|(parameter, _)| is_name(parameter)) else {
            findings.error("bad_push", node.span, format!("`push` names no parameter of a query: `{text}`")).help(
                "write the parameter: `organization__in`; how it names organizations: `organization as slug`; and `repeated` \
                 behind that where it is there once for each",
            );
            return None;
        };
        Some(Self { parameter: (*parameter).into(), by, is_repeated })
    }
}

/// In the words of the language.
impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, by, is_repeated } = self;
        write!(f, "{parameter} as {}{}", by.as_str(), if *is_repeated { " repeated" } else { "" })
    }
}
