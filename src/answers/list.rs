//! Keeps the items of a list that somebody may see, out of an answer that streams through.
//!
//! What decides about an item may stand anywhere in it, so an item is held until it has been read; nothing else is. Its bytes go on as
//! they came, without the spaces between items. What stands beside the list on the way to it is dropped, unless it may pass: totals and
//! links to other pages tell of what has been kept back. Of a list that was narrowed at its source they hold as long as nothing else came, so
//! they are written where their object ends, behind the list.

use super::json::{Reader, Said, Unreadable, is_key, text};
use super::pages::Pages;
use std::sync::Arc;

/// Where a list is in an answer, and what of it says whose an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The way to the list: members of objects. None: the answer itself is the list.
    pub items: Box<[Box<str>]>,
    /// The way to what names an item's organization, within the item. None: the item itself.
    pub org: Box<[Box<str>]>,
    /// Members that pass of the objects around the list.
    pub envelope: Box<[Box<str>]>,
}

/// How many items there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub kept: u64,
    pub dropped: u64,
}

/// Members that wait, at most.
const MOST_WAITING: usize = 64;

/// What comes next in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first byte of the object or list at this level.
    Start,
    MemberOrEnd,
    Member,
    /// The value of a member beside the list, which begins so far behind its key.
    Beside {
        value: usize,
        passes: Passes,
    },
    /// Behind a member's value.
    AfterMember,
    ItemOrEnd,
    Item,
    AfterItem,
    /// Nothing but spaces.
    End,
}

/// Whether what stands beside the list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Never,
    /// Where no item has been dropped.
    WithAll,
    Always,
}

/// Filters one answer.
#[derive(Debug)]
pub struct List {
    shape: Arc<Shape>,
    /// Bytes that are held at once, at most.
    limit: usize,
    place: Place,
    /// Steps of the way to the list that have been taken: objects that are open.
    level: usize,
    /// A bit for each level: a member has been written there.
    written: u32,
    /// A bit for each step of the way: it has been there.
    seen: u32,
    /// The list has been there.
    is_found: bool,
    /// The beginning of what has not all come.
    held: Vec<u8>,
    reader: Reader,
    text_at: usize,
    counts: Counts,
    pages: Option<Arc<Pages>>,
    /// What passes where no item has been dropped: members, with the level of their object.
    waiting: Vec<(usize, Vec<u8>)>,
}

impl List {
    #[must_use]
    pub fn new(shape: Arc<Shape>, limit: usize) -> Self {
        Self {
            limit,
            place: Place::Start,
            level: 0,
            written: 0,
            seen: 0,
            is_found: false,
            held: Vec::new(),
            reader: Reader::new(&shape.org),
            shape,
            text_at: 0,
            counts: Counts::default(),
            pages: None,
            waiting: Vec::new(),
        }
    }

    /// The same of a list that was narrowed at its source.
    #[must_use]
    pub fn narrowed(self, pages: Option<&Arc<Pages>>) -> Self {
        Self { pages: pages.cloned(), ..self }
    }

    /// How many items there were so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the list has begun: before that, nothing of what has been written needs to leave.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        self.is_found
    }

    /// Takes a piece of the answer, and writes to `out` what goes on of it. `keep` says so of each item.
    ///
    /// # Errors
    /// It cannot be read. What has been written is good; nothing more follows.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let shape = Arc::clone(&self.shape);
        while !piece.is_empty() {
            if self.held.is_empty() {
                let used = self.run(&shape, piece, keep, out)?;
                let rest = piece.get(used..).unwrap_or_default();
                if rest.len() > self.limit {
                    return Err(Unreadable::TooLong);
                }
                self.held.extend_from_slice(rest);
                return Ok(());
            }
            // As much more as may be needed, so that little is copied behind the end of what is held.
            let had = self.held.len();
            let (more, rest) = piece.split_at(piece.len().min(had.clamp(1024, 16 * 1024)));
            self.held.extend_from_slice(more);
            let held = std::mem::take(&mut self.held);
            let used = self.run(&shape, &held, keep, out);
            self.held = held;
            match used? {
                0 if self.held.len() > self.limit => return Err(Unreadable::TooLong),
                0 => piece = rest,
                used => {
                    self.held.clear();
                    piece = piece.get(used - had..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// The answer has ended.
    ///
    /// # Errors
    /// It is not whole, or there was no list in it.
    pub fn finish(self) -> Result<Counts, Unreadable> {
        match self.place {
            Place::End if self.is_found => Ok(self.counts),
            Place::End => Err(Unreadable::NoList),
            _ => Err(Unreadable::Cut),
        }
    }

    /// Reads on, up to what is not whole; where that begins.
    fn run(
        &mut self,
        shape: &Shape,
        bytes: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<usize, Unreadable> {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let used = self.step(shape, rest, keep, out)?;
            if used == 0 {
                break;
            }
            if used > self.limit {
                return Err(Unreadable::TooLong);
            }
            from += used;
        }
        Ok(from)
    }

    /// Reads one thing: a sign, a key, a member, an item. How long it is; 0: it is not whole.
    fn step(
        &mut self,
        shape: &Shape,
        bytes: &[u8],
        keep: &mut impl FnMut(&Said<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<usize, Unreadable> {
        let Some(&byte) = bytes.first() else { return Ok(0) };
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') && !matches!(self.place, Place::Beside { .. }) {
            return Ok(1);
        }
        match (self.place, byte) {
            (Place::Item, _) | (Place::ItemOrEnd, _) if byte != b']' => {
                self.place = Place::Item;
                let Some(end) = self.reader.read(bytes, &shape.org)? else { return Ok(0) };
                if keep(&self.reader.said(bytes)) {
                    if self.counts.kept > 0 {
                        out.push(b',');
                    }
                    self.counts.kept += 1;
                    out.extend_from_slice(bytes.get(..end).unwrap_or_default());
                } else {
                    self.counts.dropped += 1;
                }
                self.reader = Reader::new(&shape.org);
                self.place = Place::AfterItem;
                return Ok(end);
            }
            (Place::AfterItem, b',') => self.place = Place::Item,
            (Place::AfterItem | Place::ItemOrEnd, b']') => {
                out.push(byte);
                self.place = if self.level == 0 { Place::End } else { Place::AfterMember };
            }
            (Place::Start, b'[') if self.level == shape.items.len() => {
                out.push(byte);
                self.is_found = true;
                self.place = Place::ItemOrEnd;
            }
            (Place::Start, b'{') if self.level < shape.items.len() => {
                out.push(byte);
                self.level += 1;
                self.written &= !(1 << self.level);
                self.place = Place::MemberOrEnd;
            }
            (Place::Start, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                return Err(Unreadable::NoList);
            }
            (Place::AfterMember, b',') => self.place = Place::Member,
            (Place::AfterMember | Place::MemberOrEnd, b'}') => {
                self.put_waiting(out);
                out.push(byte);
                self.level -= 1;
                self.place = if self.level == 0 { Place::End } else { Place::AfterMember };
            }
            (Place::Member | Place::MemberOrEnd, b'"') => return self.member(shape, bytes, out),
            (Place::Beside { value, passes }, _) => return self.beside(shape, bytes, (value, passes), out),
            _ => return Err(Unreadable::NotJson),
        }
        Ok(1)
    }

    /// Reads a key, and the member where that is none of the way to the list.
    fn member(&mut self, shape: &Shape, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Unreadable> {
        let Some((end, is_escaped)) = text(bytes, 0, &mut self.text_at)? else { return Ok(0) };
        let mut colon = end;
        while matches!(bytes.get(colon), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            colon += 1;
        }
        match bytes.get(colon) {
            None => return Ok(0),
            Some(b':') => {}
            Some(_) => return Err(Unreadable::NotJson),
        }
        self.text_at = 0;
        let is = |name: &str| is_key(bytes, 0, end, is_escaped, name);
        // The objects that are open took a step each, but the innermost.
        let step = shape.items.get(self.level - 1).filter(|step| is(step));
        let value = colon + 1;
        let key = bytes.get(..end).unwrap_or_default();
        if step.is_some() {
            let bit = 1 << self.level;
            if self.seen & bit != 0 {
                return Err(Unreadable::Twice);
            }
            self.seen |= bit;
            self.put_key(key, out);
            self.place = Place::Start;
            return Ok(value);
        }
        let passes = match &self.pages {
            _ if shape.envelope.iter().any(|name| is(name)) => Passes::Always,
            Some(_) if Pages::tells_of_all(key) => Passes::WithAll,
            _ => Passes::Never,
        };
        self.reader = Reader::default();
        self.place = Place::Beside { value, passes };
        self.beside(shape, bytes, (value, passes), out)
    }

    fn put_key(&mut self, key: &[u8], out: &mut Vec<u8>) {
        self.put_comma(out);
        out.extend_from_slice(key);
        out.push(b':');
    }

    fn put_comma(&mut self, out: &mut Vec<u8>) {
        let bit = 1 << self.level;
        if self.written & bit != 0 {
            out.push(b',');
        }
        self.written |= bit;
    }

    fn beside(
        &mut self,
        shape: &Shape,
        bytes: &[u8],
        (value, passes): (usize, Passes),
        out: &mut Vec<u8>,
    ) -> Result<usize, Unreadable> {
        let rest = bytes.get(value..).unwrap_or_default();
        let Some(length) = self.reader.read(rest, &[])? else { return Ok(0) };
        self.reader = Reader::new(&shape.org);
        if passes != Passes::Never {
            let mut at = 0;
            let Some((end, _)) = text(bytes, 0, &mut at)? else { return Ok(0) };
            let key = bytes.get(..end).unwrap_or_default();
            let value = rest.get(..length).unwrap_or_default().trim_ascii_start();
            match (passes, &self.pages) {
                (Passes::WithAll, Some(pages)) => {
                    let mut member = [key, b":"].concat();
                    pages.put(value, &mut member);
                    self.waiting.push((self.level, member));
                    let held: usize = self.waiting.iter().map(|(_, member)| member.len()).sum();
                    if held > self.limit || self.waiting.len() > MOST_WAITING {
                        return Err(Unreadable::TooLong);
                    }
                }
                (_, pages) => {
                    let pages = pages.clone();
                    self.put_key(key, out);
                    match pages {
                        Some(pages) => pages.put(value, out),
                        None => out.extend_from_slice(value),
                    }
                }
            }
        }
        self.place = Place::AfterMember;
        Ok(value + length)
    }

    /// An object ends: writes what has waited for that.
    fn put_waiting(&mut self, out: &mut Vec<u8>) {
        let of_others = self.waiting.partition_point(|(level, _)| *level < self.level);
        for (_, member) in self.waiting.split_off(of_others) {
            if self.counts.dropped == 0 {
                self.put_comma(out);
                out.extend_from_slice(&member);
            }
        }
    }
}
