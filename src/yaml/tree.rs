//! The tree: what the file says, with the place of every word.

use super::FileId;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// A piece of a source file, in bytes; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file that it stands in.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    /// Where; a map's or list's span begins at its first element.
    pub span: Span,
}

/// The shapes that postern's files are made of.
#[derive(Clone, Debug)]
pub enum Value {
    /// A word, a number, a quoted text.
    Scalar(Scalar),
    Seq(Vec<Node>),
    /// A map; its keys are texts and each stands once.
    Map(Map),
    /// Null, in files where it is a value (see [`super::parse_with_null`]).
    Null,
    /// Something that was already reported. Readers pass over it in silence.
    Faulty,
}

/// A scalar as it was written. What it means depends on who reads it, never on YAML's guess.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text, quotes and escapes undone.
    pub text: String,
    /// Written without quotes, so that YAML might take it for something else than a text.
    pub plain: bool,
}

/// A map, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Its entries; keys are unique.
    pub entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Key,
    pub value: Node,
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// The text, quotes and escapes undone.
    pub text: String,
    pub span: Span,
}

impl Map {
    /// The value under `key`; linear in the number of entries, so for small maps.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }

    /// The entry of `key`; linear in the number of entries.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key.text == key)
    }
}
