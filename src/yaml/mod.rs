//! YAML as people write it: a tree whose every node knows where it stands, and findings that point there.
//!
//! [`parse()`] turns one file into [`Node`]s and refuses what makes YAML mean two things (duplicate keys, tags, anchors,
//! aliases, merge keys, null, several documents). The typed readers of [`Node`] and [`Map`] say what they expected where.
//! Nothing stops at the first problem: every reader reports to [`Findings`] and goes on, and a node that was already
//! reported is [`Value::Faulty`], about which nobody complains again.

mod file;
mod finding;
mod parse;
mod read;
mod render;
mod tree;

pub use file::read;
pub use finding::{FileId, Finding, Findings, Place, Related, Severity, Source};
pub use parse::{MAX_BYTES, MAX_DEPTH, parse, parse_with_null};
pub use read::{Keys, Rate, suggest};
pub use tree::{Entry, Key, Map, Node, Scalar, Span, Spanned, Value};

#[cfg(test)]
mod tests;
