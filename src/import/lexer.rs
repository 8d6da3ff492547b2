//! The pieces of SQL as `pg_dump` writes it, read as they come: no more than one text of a dump is in memory at a time.
//!
//! It knows strings, quoted names, dollar quotes and comments, so that nothing inside of one is taken for a statement; and
//! where it is in the file, so that somebody can come back.

use std::io::{self, Read};
use thiserror::Error;

/// Bytes that are read at once.
const BUFFER: usize = 128 * 1024;
/// The longest tag of a dollar quote is as long as a name.
const TAG: usize = 64;

/// A dump cannot be read.
#[derive(Debug, Error)]
pub enum LexError {
    /// It is no such text.
    #[error("line {line}: {problem}")]
    Malformed {
        /// Where, from 1.
        line: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword, or a number or sign that is part of neither; as spelt.
    Word(String),
    /// `"a name"`, unquoted.
    Name(String),
    /// `'a text'`, unquoted.
    Text(String),
    /// A single other character.
    Sign(char),
}

impl Token {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// See the module.
pub struct Lexer<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What of the buffer is not read yet.
    rest: std::ops::Range<usize>,
    /// Where the buffer begins in the file.
    offset: u64,
    line: u64,
    /// The last thing read was the end of a line, or there was none yet.
    fresh: bool,
    next: Option<Token>,
    /// Whether backslashes escape in plain texts too: `standard_conforming_strings` is off.
    pub escapes: bool,
}

impl<R: Read> Lexer<R> {
    /// Reads `source`, which is at this place of its file: bytes from 0, lines from 1.
    pub fn new(source: R, offset: u64, line: u64) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { source, buffer, rest: 0..0, offset, line, fresh: true, next: None, escapes: false }
    }

    /// The place of what comes next: bytes from 0, lines from 1.
    pub fn place(&self) -> (u64, u64) {
        (self.offset + self.rest.start as u64, self.line)
    }

    /// Whether it begins as an archive or a compressed file does.
    pub fn is_binary(&mut self) -> Result<bool, LexError> {
        Ok(matches!(
            self.ahead(5)?,
            [b'P', b'G', b'D', b'M', b'P', ..] | [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..]
        ))
    }

    /// Something is wrong where it is now.
    pub fn fail(&self, problem: &'static str) -> LexError {
        LexError::Malformed { line: self.line, problem }
    }

    /// What is in memory, at least so many bytes but at the end of the file.
    fn ahead(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.rest.len() < bytes.min(BUFFER) {
            if self.rest.end == self.buffer.len() {
                self.buffer.copy_within(self.rest.clone(), 0);
                self.offset += self.rest.start as u64;
                self.rest = 0..self.rest.len();
            }
            let read = match self.source.read(self.buffer.get_mut(self.rest.end..).unwrap_or_default()) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                break;
            }
            self.rest.end += read;
        }
        Ok(self.here())
    }

    fn here(&self) -> &[u8] {
        self.buffer.get(self.rest.clone()).unwrap_or_default()
    }

    fn pass(&mut self, bytes: usize) {
        let passed = self.here().get(..bytes).unwrap_or_default();
        let (lines, fresh) = (memchr::memchr_iter(b'\n', passed).count(), passed.last().map(|last| *last == b'\n'));
        self.line += lines as u64;
        self.fresh = fresh.unwrap_or(self.fresh);
        self.rest.start += bytes.min(self.rest.len());
    }

    /// Passes over what `wanted` says, and hands it to `keep`.
    fn run(&mut self, wanted: impl Fn(u8) -> bool, mut keep: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let here = self.ahead(1)?;
            let end = here.iter().position(|byte| !wanted(*byte)).unwrap_or(here.len());
            let (all, done) = (here.len(), end < here.len());
            keep(here.get(..end).unwrap_or_default());
            self.pass(end);
            if done || all == 0 {
                return Ok(());
            }
        }
    }

    /// Passes over all up to `end`, and over it, and hands what is before it to `keep`; `false` where there is no such end.
    fn until(&mut self, end: &[u8], mut keep: impl FnMut(&[u8])) -> io::Result<bool> {
        let finder = memchr::memmem::Finder::new(end);
        loop {
            let here = self.ahead(end.len())?;
            if let Some(at) = finder.find(here) {
                keep(here.get(..at).unwrap_or_default());
                self.pass(at + end.len());
                return Ok(true);
            }
            // The last bytes may be the beginning of it.
            let safe = (here.len() + 1).saturating_sub(end.len());
            if safe == 0 {
                return Ok(false);
            }
            keep(here.get(..safe).unwrap_or_default());
            self.pass(safe);
        }
    }

    /// Goes to the next piece; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        loop {
            self.run(|byte| byte.is_ascii_whitespace(), |_| {})?;
            let fresh = self.fresh;
            match self.ahead(2)? {
                // A comment, or a command of psql (`\restrict`).
                [b'-', b'-', ..] => {
                    self.until(b"\n", |_| {})?;
                }
                [b'\\', ..] if fresh => {
                    self.until(b"\n", |_| {})?;
                }
                [b'/', b'*', ..] => {
                    self.pass(2);
                    self.until(b"*/", |_| {})?;
                }
                here => return Ok(!here.is_empty()),
            }
        }
    }

    /// The next piece of the statement; nothing at its end.
    pub fn token(&mut self) -> Result<Option<Token>, LexError> {
        match self.next.take() {
            Some(token) => Ok(Some(token)),
            None => self.read(true),
        }
    }

    /// The same, and it stays the next.
    pub fn peek(&mut self) -> Result<Option<&Token>, LexError> {
        if self.next.is_none() {
            self.next = self.read(true)?;
        }
        Ok(self.next.as_ref())
    }

    /// Whether there is another statement; goes to its first piece.
    pub fn statement(&mut self) -> Result<bool, LexError> {
        loop {
            if !self.more()? {
                return Ok(false);
            }
            if self.here().first() != Some(&b';') {
                return Ok(true);
            }
            self.pass(1);
        }
    }

    /// Passes over the rest of the statement, and its semicolon.
    pub fn skip(&mut self) -> Result<(), LexError> {
        self.next = None;
        while self.read(false)?.is_some() {}
        if self.here().first() == Some(&b';') {
            self.pass(1);
        }
        Ok(())
    }

    /// Reads a piece, up to a semicolon or the end of the file. What it says is left empty where nobody wants to `know`.
    fn read(&mut self, know: bool) -> Result<Option<Token>, LexError> {
        if !self.more()? {
            return Ok(None);
        }
        let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        let first = *self.here().first().unwrap_or(&b';');
        match self.ahead(2)? {
            [b';', ..] => Ok(None),
            [b'\'', ..] => self.quoted(b'\'', self.escapes, know).map(|text| Some(Token::Text(text))),
            [b'E' | b'e', b'\'', ..] => {
                self.pass(1);
                self.quoted(b'\'', true, know).map(|text| Some(Token::Text(text)))
            }
            [b'"', ..] => self.quoted(b'"', false, know).map(|name| Some(Token::Name(name))),
            [b'$', ..] => self.dollar(know).map(Some),
            _ if part(first) => {
                let mut word = Vec::new();
                // A number's point belongs to it, a name's does not.
                let number = first.is_ascii_digit();
                self.run(|byte| part(byte) || number && byte == b'.', |some| word.extend_from_slice(some))?;
                Ok(Some(Token::Word(self.text(word)?)))
            }
            _ => {
                self.pass(1);
                Ok(Some(Token::Sign(char::from(first))))
            }
        }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, LexError> {
        String::from_utf8(bytes).map_err(|_| self.fail(NOT_UTF8))
    }

    /// A quoted text; a doubled quote stands for one, and in `E'…'` a backslash for what follows.
    fn quoted(&mut self, quote: u8, escapes: bool, know: bool) -> Result<String, LexError> {
        let begin = self.line;
        let open = LexError::Malformed { line: begin, problem: "a quoted text that does not end" };
        self.pass(1);
        let mut text = Vec::new();
        loop {
            let ends = |byte: u8| byte == quote || escapes && byte == b'\\';
            self.run(
                |byte| !ends(byte),
                |some| {
                    if know {
                        text.extend_from_slice(some)
                    }
                },
            )?;
            match *self.ahead(LONGEST_ESCAPE)? {
                [first, ref rest @ ..] if first == b'\\' && escapes => {
                    let (meant, length) =
                        escaped(rest).ok_or(LexError::Malformed { line: begin, problem: BAD_ESCAPE })?;
                    meant.write(&mut text);
                    self.pass(1 + length);
                }
                [first, second, ..] if first == quote && second == quote => {
                    text.push(quote);
                    self.pass(2);
                }
                [first, ..] if first == quote => {
                    self.pass(1);
                    return if know { self.text(text) } else { Ok(String::new()) };
                }
                _ => return Err(open),
            }
        }
    }

    /// `$tag$a text$tag$`, or a dollar.
    fn dollar(&mut self, know: bool) -> Result<Token, LexError> {
        let here = self.ahead(TAG + 2)?;
        let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
        let length = here.iter().skip(1).take_while(|byte| name(byte)).count();
        let Some(tag) = here.get(..length + 2).filter(|tag| tag.ends_with(b"$")).map(<[u8]>::to_vec) else {
            self.pass(1);
            return Ok(Token::Sign('$'));
        };
        let begin = self.line;
        self.pass(tag.len());
        let mut text = Vec::new();
        if !self.until(&tag, |some| {
            if know {
                text.extend_from_slice(some)
            }
        })? {
            return Err(LexError::Malformed { line: begin, problem: "a dollar quote that does not end" });
        }
        self.text(text).map(Token::Text)
    }

    /// The next line behind a `COPY … FROM stdin;`, without its end; nothing at `\.`, or at the end of the file.
    pub fn line(&mut self) -> Result<Option<String>, LexError> {
        let mut line = Vec::new();
        let ended = self.until(b"\n", |some| line.extend_from_slice(some))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line == b"\\." || !ended && line.is_empty() {
            return Ok(None);
        }
        self.text(line).map(Some)
    }

    /// Passes over the lines behind a `COPY … FROM stdin;`, and over their end.
    pub fn skip_lines(&mut self) -> Result<(), LexError> {
        loop {
            // A line that is no end begins with something else: most are passed over without a look.
            let end = matches!(self.ahead(4)?, [b'\\', b'.', b'\n', ..] | [b'\\', b'.', b'\r', b'\n'] | [b'\\', b'.']);
            if !self.until(b"\n", |_| {})? || end {
                return Ok(());
            }
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8: dump it again with pg_dump --encoding=UTF8";

const BAD_ESCAPE: &str = "an escape that stands for no character";
/// `\U` and eight digits.
const LONGEST_ESCAPE: usize = 10;

/// What is meant by an escape.
enum Meant {
    Byte(u8),
    Character(char),
}

impl Meant {
    fn write(self, text: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => text.push(byte),
            Self::Character(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// What a backslash and these bytes stand for, and how many of them count.
fn escaped(rest: &[u8]) -> Option<(Meant, usize)> {
    let digits = |rest: &[u8], radix: u32, most: usize| {
        rest.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count()
    };
    let (first, rest) = rest.split_first()?;
    let some = |radix, length| code(rest.get(..length)?, radix).map(|c| (Meant::Character(c), 1 + length));
    let byte = |byte| Some((Meant::Byte(byte), 1));
    match first {
        b'b' => byte(8),
        b'f' => byte(12),
        b'n' => byte(b'\n'),
        b'r' => byte(b'\r'),
        b't' => byte(b'\t'),
        b'u' => some(16, 4),
        b'U' => some(16, 8),
        b'x' if digits(rest, 16, 2) > 0 => {
            let length = digits(rest, 16, 2);
            let value = code(rest.get(..length)?, 16)?;
            Some((Meant::Byte(u8::try_from(value).ok()?), 1 + length))
        }
        b'0'..=b'7' => {
            let length = digits(rest, 8, 2);
            let all = [&[*first], rest.get(..length)?].concat();
            Some((Meant::Byte(u8::try_from(code(&all, 8)?).ok()?), 1 + length))
        }
        other => byte(*other),
    }
}

/// The character of a code in digits of a base.
pub(super) fn code(digits: &[u8], radix: u32) -> Option<char> {
    let is_code = digits.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| is_code)?;
    char::from_u32(u32::from_str_radix(text, radix).ok()?)
}
