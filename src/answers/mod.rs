//! Answers of services, read strictly as they stream by: what an item says of whose it is, and which items go on.

pub mod json;
pub mod lines;
pub mod list;
pub mod pages;

#[cfg(test)]
mod tests;

pub use json::{Said, Unreadable};
pub use lines::{EventEnds, Framing, Stream};
pub use list::{Counts, List, Shape};
pub use pages::Pages;
use std::sync::Arc;

/// Whether a media type, in lower case and without parameters, is one document of JSON (RFC 6839, 3.1).
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Whether answers of a media type, in lower case and without parameters, are filtered.
#[must_use]
pub fn is_read(media_type: &str) -> bool {
    is_json(media_type) || framing(media_type).is_some()
}

/// How items are set apart in a stream of them.
fn framing(media_type: &str) -> Option<Framing> {
    match media_type {
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Some(Framing::Lines),
        "text/event-stream" => Some(Framing::Events),
        _ => None,
    }
}

/// Filters one answer, in the form that its `Content-Type` says.
#[derive(Debug)]
pub enum Filter {
    /// One document.
    List(List),
    Stream(Stream),
}

impl Filter {
    /// A filter for answers of this media type, in lower case and without parameters; `None`: it is not one that is read. No more than
    /// `limit` bytes are held at once. `pages`: the list was narrowed at its source.
    #[must_use]
    pub fn of(media_type: &str, shape: &Arc<Shape>, limit: usize, pages: Option<&Arc<Pages>>) -> Option<Self> {
        if is_json(media_type) {
            return Some(Self::List(List::new(Arc::clone(shape), limit).narrowed(pages)));
        }
        let framing = framing(media_type)?;
        Some(Self::Stream(Stream::new(Arc::clone(shape), framing, limit).narrowed(pages)))
    }

    /// How many items there were so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        match self {
            Self::List(list) => list.counts(),
            Self::Stream(stream) => stream.counts(),
        }
    }

    /// Takes a piece of the answer, and writes to `out` what goes on of it. `keep` says so of each item.
    ///
    /// # Errors
    /// It cannot be read. What has been written is good; nothing more follows.
    pub fn feed(
        &mut self,
        piece: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        match self {
            Self::List(list) => list.feed(piece, keep, out),
            Self::Stream(stream) => stream.feed(piece, keep, out),
        }
    }

    /// Whether what has been written may leave: before a list has begun, the answer may still turn out to have none.
    #[must_use]
    pub const fn may_leave(&self) -> bool {
        match self {
            Self::List(list) => list.is_found(),
            Self::Stream(_) => true,
        }
    }

    /// Whether items come as they arise, and not because the list is there.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self {
            Self::List(_) => false,
            Self::Stream(stream) => stream.is_live(),
        }
    }

    /// The answer has ended; writes what is left of it.
    ///
    /// # Errors
    /// It is not whole, or there was no list in it.
    pub fn finish(self, keep: &mut impl FnMut(&Said<'_>) -> bool, out: &mut Vec<u8>) -> Result<Counts, Unreadable> {
        match self {
            Self::List(list) => list.finish(),
            Self::Stream(stream) => stream.finish(keep, out),
        }
    }
}
