//! The index: a trie of segments that finds the most specific pattern of a text.
//!
//! Segment by segment a literal is tried before a typed variable, that before an untyped one, and `**` last; the first
//! complete match is the most specific one. A node's literals are hashed and its typed variables never overlap, so at each
//! segment there are at most three ways on: a lookup costs the length of the path, and more only where literals lead into
//! patterns that fail further on. Nothing is allocated: what variables matched is kept as
//! ranges of the text. Paths (`/`) and hosts (`.`) are both looked up here.

use super::pattern::{Kind, MAX_VARIABLES, Segment};
use arrayvec::ArrayVec;
use std::collections::HashMap;

/// What the variables matched: ranges of bytes of the text, from left to right.
pub type Captures = ArrayVec<(u32, u32), MAX_VARIABLES>;

/// Why two patterns cannot stand beside each other; both carry the value that was there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Both match the same texts with the same specificity.
    Same(u32),
    /// Variables of two types that some segment has both of, in the same place.
    Types {
        /// The value that was there first.
        first: u32,
        theirs: Kind,
        /// The type that was to be inserted.
        ours: Kind,
    },
}

/// Patterns over one separator, each with a value.
#[derive(Debug)]
pub struct Trie {
    separator: u8,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize, ahash::RandomState>,
    /// At most one of them matches a given segment.
    typed: Vec<Child>,
    untyped: Option<Child>,
    /// The value of a pattern that ends here.
    here: Option<u32>,
    /// The value of a pattern that goes on with `**`.
    rest: Option<u32>,
}

#[derive(Debug)]
struct Child {
    kind: Kind,
    node: usize,
    /// The value that made it, for messages.
    first: u32,
}

impl Trie {
    /// An empty trie of texts that are split at `separator`.
    #[must_use]
    pub fn new(separator: u8) -> Self {
        Self { separator, nodes: vec![Node::default()] }
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// Another pattern that was added before can match the same text equally well.
    pub fn insert(&mut self, segments: &[Segment], rest: bool, value: u32) -> Result<(), Conflict> {
        let mut at = 0;
        for segment in segments {
            at = match segment {
                Segment::Literal(text) => self.literal(at, text),
                Segment::Variable { kind, .. } => self.variable(at, *kind, value)?,
            };
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let slot = if rest { &mut node.rest } else { &mut node.here };
        match slot {
            Some(first) => Err(Conflict::Same(*first)),
            None => {
                *slot = Some(value);
                Ok(())
            }
        }
    }

    /// The values of the patterns that end in `**`, each with whether more specific ones take all that it matches.
    pub fn rests(&self) -> impl Iterator<Item = (u32, bool)> {
        let of =
            |(at, node): (usize, &Node)| Some((node.rest?, (at == 0 || node.here.is_some()) && self.is_covered(node)));
        self.nodes.iter().enumerate().filter_map(of)
    }

    /// Whether everything that goes on below a node is taken without its own `**`.
    fn is_covered(&self, node: &Node) -> bool {
        let at = |child: Option<usize>| child.and_then(|child| self.nodes.get(child));
        let ends = |node: &Node| node.rest.is_some() || node.here.is_some();
        let goes_on = |node: &Node| node.rest.is_some() || (node.here.is_some() && self.is_covered(node));
        at(node.literals.get("").copied()).is_some_and(ends)
            && at(node.untyped.as_ref().map(|c| c.node)).is_some_and(goes_on)
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        if let Some(known) = node.literals.get(text) {
            return *known;
        }
        node.literals.insert(text.into(), next);
        self.nodes.push(Node::default());
        next
    }

    fn variable(&mut self, at: usize, kind: Kind, value: u32) -> Result<usize, Conflict> {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return Ok(at) };
        // `{x:str}` is a type too: it stands beside no other, while `{x}` is what the others fall back to.
        let clash = |c: &&Child| c.kind != kind && c.kind.overlaps(kind) && c.kind != Kind::Any && kind != Kind::Any;
        if let Some(child) = node.typed.iter().chain(&node.untyped).find(clash) {
            return Err(Conflict::Types { first: child.first, theirs: child.kind, ours: kind });
        }
        let child = Child { kind, node: next, first: value };
        if kind.is_typed() {
            if let Some(known) = node.typed.iter().find(|c| c.kind == kind) {
                return Ok(known.node);
            }
            node.typed.push(child);
        } else {
            if let Some(known) = &mut node.untyped {
                if kind == Kind::Str {
                    known.kind = kind;
                }
                return Ok(known.node);
            }
            node.untyped = Some(child);
        }
        self.nodes.push(Node::default());
        Ok(next)
    }

    /// Offers the values of all patterns that match `text`, the most specific first, until `found` takes one.
    ///
    /// Segments begin at the byte `from` (1 for a path, behind its first slash).
    pub fn find<R>(&self, text: &str, from: usize, mut found: impl FnMut(u32, &Captures) -> Option<R>) -> Option<R> {
        self.walk(0, text, Some(from), &mut Captures::new(), &mut found)
    }

    /// `from`: where the next segment begins; `None` behind the last one.
    fn walk<R>(
        &self,
        node: usize,
        text: &str,
        from: Option<usize>,
        captures: &mut Captures,
        found: &mut impl FnMut(u32, &Captures) -> Option<R>,
    ) -> Option<R> {
        let node = self.nodes.get(node)?;
        let Some(from) = from else {
            // The end is more specific than `**`, which matches it too.
            return [node.here, node.rest].into_iter().flatten().find_map(|value| found(value, captures));
        };
        let remaining = text.get(from..)?;
        let end = memchr::memchr(self.separator, remaining.as_bytes()).map_or(text.len(), |at| from + at);
        let next = (end < text.len()).then_some(end + 1);
        let segment = text.get(from..end)?;
        if let Some(child) = node.literals.get(segment)
            && let Some(result) = self.walk(*child, text, next, captures, found)
        {
            return Some(result);
        }
        for child in node.typed.iter().chain(&node.untyped) {
            if child.kind.matches(segment) {
                captures.try_push((u32::try_from(from).ok()?, u32::try_from(end).ok()?)).ok()?;
                let result = self.walk(child.node, text, next, captures, found);
                captures.pop();
                if result.is_some() {
                    return result;
                }
            }
        }
        node.rest.and_then(|value| found(value, captures))
    }
}
