//! Lists that come an item at a time: a line each (NDJSON), or an event each (server-sent events, as the HTML standard reads them).

use super::json::{Reader, Said, Unreadable};
use super::{Counts, List, Pages, Shape};
use std::sync::Arc;

/// How items are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `application/x-ndjson`, `application/jsonl`: each line is JSON.
    Lines,
    /// `text/event-stream`: an empty line ends an event, whose `data` is JSON.
    Events,
}

/// Where events end, while they come in pieces: behind each empty line.
#[derive(Debug, Default)]
pub struct EventEnds {
    is_in_line: bool,
    /// As in [`Stream`].
    is_behind_return: bool,
}

impl EventEnds {
    /// The ends in the next piece, each as how much of the piece stands before it.
    pub fn feed(&mut self, piece: &[u8]) -> impl Iterator<Item = usize> {
        piece.iter().zip(1..).filter_map(|(byte, behind)| {
            let is_second = std::mem::replace(&mut self.is_behind_return, *byte == b'\r') && *byte == b'\n';
            let is_end = matches!(byte, b'\n' | b'\r') && !is_second;
            let is_empty = is_end && !self.is_in_line;
            self.is_in_line = !is_end && !is_second;
            is_empty.then_some(behind)
        })
    }
}

/// Filters a stream of items; where the shape has a way to a list, each of them is a document with a list in it.
#[derive(Debug)]
pub struct Stream {
    shape: Arc<Shape>,
    framing: Framing,
    /// Bytes of a line or an event, at most.
    limit: usize,
    /// What has come of a line.
    line: Vec<u8>,
    /// The lines of an event, each with its end, and its data.
    event: Vec<u8>,
    data: Vec<u8>,
    /// The last line ended with a carriage return, which a line feed may still belong to.
    is_behind_return: bool,
    counts: Counts,
    /// See [`super::Filter::of`].
    pages: Option<Arc<Pages>>,
}

impl Stream {
    #[must_use]
    pub fn new(shape: Arc<Shape>, framing: Framing, limit: usize) -> Self {
        let (line, event, data, counts) = (Vec::new(), Vec::new(), Vec::new(), Counts::default());
        Self { shape, framing, limit, line, event, data, is_behind_return: false, counts, pages: None }
    }

    /// The same of a list that was narrowed at its source.
    #[must_use]
    pub fn narrowed(self, pages: Option<&Arc<Pages>>) -> Self {
        Self { pages: pages.cloned(), ..self }
    }

    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether items come as they arise.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.framing, Framing::Events)
    }

    /// See [`super::Filter::feed`].
    ///
    /// # Errors
    /// A line or the data of an event is not JSON, or more than may be held.
    pub fn feed(
        &mut self,
        piece: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.is_behind_return) && first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let is_end = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && self.framing == Framing::Events);
            let Some(end) = rest.iter().position(is_end) else { break };
            let (line, behind) = rest.split_at(end);
            self.line.extend_from_slice(line);
            self.is_behind_return = behind.first() == Some(&b'\r');
            rest = behind.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            self.end_of_line(&line, keep, out)?;
            self.line = line;
            self.line.clear();
        }
        self.line.extend_from_slice(rest);
        if self.held() + self.line.len() > self.limit { Err(Unreadable::TooLong) } else { Ok(()) }
    }

    /// Bytes of the event that have come.
    fn held(&self) -> usize {
        self.event.len() + self.data.len()
    }

    /// The stream has ended. What stands behind the last line's end counts as one; an event that no empty line ended does not.
    ///
    /// # Errors
    /// As [`Stream::feed`].
    pub fn finish(mut self, keep: &mut impl FnMut(&Said<'_>) -> bool, out: &mut Vec<u8>) -> Result<Counts, Unreadable> {
        let line = std::mem::take(&mut self.line);
        if self.framing == Framing::Lines && !line.is_empty() {
            self.end_of_line(&line, keep, out)?;
        }
        Ok(self.counts)
    }

    fn end_of_line(
        &mut self,
        line: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        if self.held() + line.len() > self.limit {
            return Err(Unreadable::TooLong);
        }
        match self.framing {
            Framing::Lines if line.trim_ascii().is_empty() => Ok(()),
            Framing::Lines => {
                if self.item(line, keep, out)? {
                    out.push(b'\n');
                }
                Ok(())
            }
            Framing::Events if line.is_empty() => self.end_of_event(keep, out),
            Framing::Events => {
                let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
                let value = |name: &[u8]| {
                    let rest = line.strip_prefix(name)?;
                    let value = if rest.is_empty() { rest } else { rest.strip_prefix(b":")? };
                    Some(value.strip_prefix(b" ").unwrap_or(value))
                };
                match value(b"data") {
                    Some(value) => {
                        self.data.extend_from_slice(value);
                        self.data.push(b'\n');
                    }
                    None => {
                        self.event.extend_from_slice(line);
                        self.event.push(b'\n');
                    }
                }
                Ok(())
            }
        }
    }

    /// An event is sent with what is left of its data; without data, a client gets nothing of it but comments and how long to wait before it
    /// comes again. An event that has no list is nobody's, as an answer of JSON-RPC to something else.
    fn end_of_event(&mut self, keep: &mut impl FnMut(&Said<'_>) -> bool, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let (fields, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        let mut left = Vec::new();
        let is_kept = !data.trim_ascii().is_empty()
            && match self.item(&data, keep, &mut left) {
                Err(Unreadable::NoList) => false,
                read => read?,
            };
        let from = out.len();
        for field in fields.split_inclusive(|byte| *byte == b'\n') {
            if is_kept || field.starts_with(b":") || field.starts_with(b"retry") {
                out.extend_from_slice(field);
            }
        }
        if is_kept {
            for line in left.split(|byte| *byte == b'\n' || *byte == b'\r') {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
        if out.len() > from {
            out.push(b'\n');
        }
        (self.event, self.data) = (fields, data);
        self.event.clear();
        self.data.clear();
        Ok(())
    }

    /// Writes what goes on of one item, or of a document with a list in it; whether that is anything.
    fn item(
        &mut self,
        text: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, Unreadable> {
        if !self.shape.items.is_empty() {
            let mut list = List::new(Arc::clone(&self.shape), self.limit).narrowed(self.pages.as_ref());
            let mut left = Vec::new();
            list.feed(text, keep, &mut left)?;
            let counts = list.finish()?;
            self.counts.kept += counts.kept;
            self.counts.dropped += counts.dropped;
            out.append(&mut left);
            return Ok(true);
        }
        // A number ends where another byte comes.
        let mut whole = text.trim_ascii().to_vec();
        whole.push(b'\n');
        let mut reader = Reader::new(&self.shape.org);
        let end = reader.read(&whole, &self.shape.org)?.ok_or(Unreadable::NotJson)?;
        if end + 1 != whole.len() {
            return Err(Unreadable::NotJson);
        }
        let is_kept = keep(&reader.said(&whole));
        if is_kept {
            self.counts.kept += 1;
            out.extend_from_slice(whole.get(..end).unwrap_or_default());
        } else {
            self.counts.dropped += 1;
        }
        Ok(is_kept)
    }
}
