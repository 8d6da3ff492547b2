//! One JSON value (RFC 8259), read strictly as its bytes come, and what one place in it says.
//!
//! Nothing is built of it: the bytes stay where they are. Whoever reads it keeps them together, from the value's first to its last.

use std::borrow::Cow;
use std::fmt;

/// Objects and lists within one another, at most.
pub const MOST_DEPTH: u32 = 128;

/// Bytes of a number, at most.
const MOST_DIGITS: usize = 1024;

/// Why an answer cannot be read, and so is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not JSON.
    NotJson,
    /// What decides is there twice.
    Twice,
    /// More than [`MOST_DEPTH`] within one another.
    TooDeep,
    /// An item, or what stands beside the list, is longer than may be held.
    TooLong,
    /// There is no list where the policy says.
    NoList,
    /// It ended before it was whole.
    Cut,
}

impl Unreadable {
    /// Says it to an operator.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotJson => "the answer is not the JSON that its `Content-Type` says",
            Self::Twice => "the answer names twice what decides about it",
            Self::TooDeep => "objects and lists in the answer are more than 128 within one another",
            Self::TooLong => "an item of the answer, or what stands beside its list, is longer than `inspect_limit`",
            Self::NoList => "there is no list in the answer where `list.items` says",
            Self::Cut => "the answer ended before it was whole",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for Unreadable {}

/// What a value says at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<'v> {
    /// There is no such place.
    Nothing,
    Null,
    /// A text, or a number as it is written.
    Text(Cow<'v, str>),
    /// `true`, `false`, a list or an object.
    Other,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    /// Behind a value.
    CommaOrEnd,
}

/// Reads one value, from where it left off when there are more bytes of it.
#[derive(Clone, Debug)]
pub struct Reader {
    next: Next,
    /// The next byte to look at, counted from the value's first.
    at: usize,
    /// How far a text has been looked at that has not ended; 0: none.
    text_at: usize,
    depth: u32,
    /// A bit for each open object or list, the innermost lowest: set for an object.
    objects: u128,
    /// Steps of the place that the open objects have taken.
    taken: u32,
    /// A bit for each step of the place: its key has been there.
    seen: u32,
    /// The key before the value is the next step.
    is_step: bool,
    said: Place,
}

/// Where the value is that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    None,
    /// A text, a number or a word, from its first byte to behind its last.
    Value(usize, usize),
    /// An object or a list.
    Other,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            next: Next::Value,
            at: 0,
            text_at: 0,
            depth: 0,
            objects: 0,
            taken: 0,
            seen: 0,
            is_step: false,
            said: Place::None,
        }
    }
}

impl Reader {
    /// A reader of a value that is itself what is asked for, where `steps` has none.
    #[must_use]
    pub fn new(steps: &[Box<str>]) -> Self {
        Self { is_step: steps.is_empty(), ..Self::default() }
    }

    /// Reads on. `bytes` begin with the value's first one, each time; how many of them are the value, once all of it is there.
    ///
    /// # Errors
    /// It is not JSON, too deep, or has one of `steps` twice.
    #[inline]
    pub fn read(&mut self, bytes: &[u8], steps: &[Box<str>]) -> Result<Option<usize>, Unreadable> {
        let Self { mut next, mut at, mut depth, mut objects, .. } = *self;
        while let Some(&first) = bytes.get(at) {
            let byte = if first <= b' ' {
                match skip_space(bytes, &mut at)? {
                    Some(byte) => byte,
                    None => break,
                }
            } else {
                first
            };
            match next {
                Next::CommaOrEnd => {
                    let is_object = objects & 1 == 1;
                    match byte {
                        b',' => {
                            next = if is_object { Next::Key } else { Next::Value };
                            at += 1;
                            continue;
                        }
                        b'}' if is_object => {}
                        b']' if !is_object => {}
                        _ => return Err(Unreadable::NotJson),
                    }
                }
                Next::Key | Next::KeyOrEnd if byte == b'"' => {
                    let Some((end, is_escaped)) = self.text(bytes, at)? else { break };
                    self.is_step = false;
                    if self.taken + 1 == depth
                        && let Some(step) = steps.get(self.taken as usize)
                        && is_key(bytes, at, end, is_escaped, step)
                    {
                        let bit = 1 << self.taken;
                        if self.seen & bit != 0 {
                            return Err(Unreadable::Twice);
                        }
                        self.seen |= bit;
                        self.is_step = true;
                    }
                    at = end;
                    next = Next::Colon;
                    if bytes.get(at) == Some(&b':') {
                        at += 1;
                        next = Next::Value;
                    }
                    continue;
                }
                Next::Colon if byte == b':' => {
                    at += 1;
                    next = Next::Value;
                    continue;
                }
                Next::KeyOrEnd if byte == b'}' => {}
                Next::ValueOrEnd if byte == b']' => {}
                Next::Value | Next::ValueOrEnd => {
                    let from = at;
                    match byte {
                        b'"' => {
                            let Some((end, _)) = self.text(bytes, at)? else { break };
                            at = end;
                        }
                        b'{' | b'[' => {
                            let is_object = byte == b'{';
                            depth += 1;
                            if depth > MOST_DEPTH {
                                return Err(Unreadable::TooDeep);
                            }
                            objects = objects << 1 | u128::from(is_object);
                            at += 1;
                            next = if is_object { Next::KeyOrEnd } else { Next::ValueOrEnd };
                            if self.is_step {
                                self.enter(is_object, steps);
                            }
                            continue;
                        }
                        b't' | b'f' | b'n' => {
                            let Some(end) = word(bytes, at)? else { break };
                            at = end;
                        }
                        b'-' | b'0'..=b'9' => {
                            let Some(end) = number(bytes, at)? else { break };
                            at = end;
                        }
                        _ => return Err(Unreadable::NotJson),
                    }
                    if self.is_step {
                        self.is_step = false;
                        if self.is_asked(steps) {
                            self.said = Place::Value(from, at);
                        }
                    }
                    if depth == 0 {
                        return Ok(Some(at));
                    }
                    next = Next::CommaOrEnd;
                    continue;
                }
                _ => return Err(Unreadable::NotJson),
            }
            // An object or a list ends.
            at += 1;
            if self.taken + 1 == depth && self.taken > 0 {
                self.taken -= 1;
            }
            depth -= 1;
            objects >>= 1;
            if depth == 0 {
                return Ok(Some(at));
            }
            next = Next::CommaOrEnd;
        }
        Self { next, at, depth, objects, ..*self }.clone_into(self);
        Ok(None)
    }

    /// What the value said, once it has been read.
    #[must_use]
    pub fn said<'v>(&self, bytes: &'v [u8]) -> Said<'v> {
        let (from, to) = match self.said {
            Place::None => return Said::Nothing,
            Place::Other => return Said::Other,
            Place::Value(from, to) => (from, to),
        };
        let raw = bytes.get(from..to).unwrap_or_default();
        let text = match raw {
            [b'n', ..] => return Said::Null,
            [b'-' | b'0'..=b'9', ..] => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => std::str::from_utf8(inner).ok().map(Cow::Borrowed),
            // A lone surrogate is no text.
            [b'"', ..] => serde_json::from_slice(raw).ok().map(Cow::Owned),
            _ => None,
        };
        text.map_or(Said::Other, Said::Text)
    }

    /// Whether the way to what is asked for has been taken, but for the step whose value comes now.
    fn is_asked(&self, steps: &[Box<str>]) -> bool {
        self.taken as usize + 1 >= steps.len()
    }

    /// The value of a step is an object or a list.
    fn enter(&mut self, is_object: bool, steps: &[Box<str>]) {
        self.is_step = false;
        if self.is_asked(steps) {
            self.said = Place::Other;
        } else if is_object {
            self.taken += 1;
        }
    }

    /// Looks at a text from its first quotation mark: behind its last one, and whether there are escapes in it.
    #[inline]
    fn text(&mut self, bytes: &[u8], from: usize) -> Result<Option<(usize, bool)>, Unreadable> {
        if self.text_at == 0
            && let Some(end) = plain_text(bytes, from)
        {
            return Ok(Some((end, false)));
        }
        text(bytes, from, &mut self.text_at)
    }
}

#[inline]
fn skip_space(bytes: &[u8], at: &mut usize) -> Result<Option<u8>, Unreadable> {
    while let Some(&byte) = bytes.get(*at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => *at += 1,
            0..b' ' => return Err(Unreadable::NotJson),
            _ => return Ok(Some(byte)),
        }
    }
    Ok(None)
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The first byte of a word, counted from its lowest, that ends a text or needs a look: a quotation mark, a backslash, a control
/// character, or one that is not ASCII.
#[inline]
const fn first_special(word: u64) -> Option<usize> {
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let escape = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    // A borrow goes into higher bytes than the first that is found.
    let found = (quote | escape | control | word) & HIGH;
    if found == 0 { None } else { Some(found.trailing_zeros() as usize / 8) }
}

/// Behind the end of a text of ASCII without escapes, where eight bytes at a time lead there.
#[inline]
fn plain_text(bytes: &[u8], from: usize) -> Option<usize> {
    let mut rest = bytes.get(from + 1..)?;
    let whole = rest.len();
    loop {
        let (word, behind) = rest.split_first_chunk()?;
        match first_special(u64::from_le_bytes(*word)) {
            Some(more) => {
                let is_end = word.get(more) == Some(&b'"');
                return is_end.then_some(from + 2 + whole - rest.len() + more);
            }
            None => rest = behind,
        }
    }
}

/// See [`Reader::text`]; `looked_at` keeps how far, where the text has not ended.
#[cold]
pub(crate) fn text(bytes: &[u8], from: usize, looked_at: &mut usize) -> Result<Option<(usize, bool)>, Unreadable> {
    let begin = from + 1;
    let mut at = begin.max(*looked_at);
    // Where it was looked at before, what was found there is found again at its end.
    let (mut plain, mut is_escaped) = (*looked_at == 0, *looked_at != 0);
    loop {
        while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            match first_special(u64::from_le_bytes(*word)) {
                Some(more) => {
                    at += more;
                    break;
                }
                None => at += 8,
            }
        }
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'"' => {
                let inner = bytes.get(begin..at).unwrap_or_default();
                if !plain {
                    std::str::from_utf8(inner).map_err(|_| Unreadable::NotJson)?;
                }
                *looked_at = 0;
                return Ok(Some((at + 1, is_escaped)));
            }
            b'\\' => {
                is_escaped = true;
                match bytes.get(at + 1) {
                    None => break,
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') => {
                        let digits = bytes.get(at + 2..bytes.len().min(at + 6)).unwrap_or_default();
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return Err(Unreadable::NotJson);
                        }
                        if digits.len() < 4 {
                            break;
                        }
                        at += 6;
                    }
                    Some(_) => return Err(Unreadable::NotJson),
                }
            }
            0..0x20 => return Err(Unreadable::NotJson),
            0x80.. => {
                plain = false;
                at += 1;
            }
            _ => at += 1,
        }
    }
    *looked_at = at;
    Ok(None)
}

/// Whether a key, with its quotation marks from `from` to `end`, is this one.
#[inline]
pub(crate) fn is_key(bytes: &[u8], from: usize, end: usize, is_escaped: bool, name: &str) -> bool {
    if is_escaped {
        return bytes
            .get(from..end)
            .and_then(|key| serde_json::from_slice::<String>(key).ok())
            .is_some_and(|key| key == name);
    }
    end - from == name.len() + 2 && bytes.get(from + 1..end - 1) == Some(name.as_bytes())
}

/// Behind `true`, `false` or `null`.
#[inline]
fn word(bytes: &[u8], from: usize) -> Result<Option<usize>, Unreadable> {
    let word: &[u8] = match bytes.get(from) {
        Some(b't') => b"true",
        Some(b'f') => b"false",
        _ => b"null",
    };
    let there = bytes.get(from..).unwrap_or_default();
    if there.starts_with(word) {
        return Ok(Some(from + word.len()));
    }
    if word.starts_with(there) { Ok(None) } else { Err(Unreadable::NotJson) }
}

/// Behind a number, which ends where another byte comes.
#[inline]
fn number(bytes: &[u8], from: usize) -> Result<Option<usize>, Unreadable> {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = from + usize::from(bytes.get(from) == Some(&b'-'));
    let whole = match bytes.get(at) {
        Some(b'0') => at + 1,
        _ => digits(at),
    };
    let mut is_whole = whole > at;
    at = whole;
    if is_whole && bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
        is_whole = at > whole + 1;
    }
    if is_whole && matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(sign);
        is_whole = at > sign;
    }
    if at - from > MOST_DIGITS {
        return Err(Unreadable::NotJson);
    }
    match bytes.get(at) {
        None => Ok(None),
        Some(_) if is_whole => Ok(Some(at)),
        Some(_) => Err(Unreadable::NotJson),
    }
}
