//! The pieces of SQL as `pg_dump` and SQLite's `.dump` write it, read as they come: no more than one text of a dump is in memory at a
//! time.
//!
//! It ends statements where `psql` and SQLite's shell end them: not within texts, quoted names, dollar quotes, comments,
//! parentheses and the bodies of functions and triggers, so that nothing inside of one is taken for a statement. And it knows where
//! it is in the file, so that somebody can come back.

use super::escape;
use super::format::{self, Encoding};
use super::reader::Reader;
use std::borrow::Cow;
use std::io::{self, Read};
use thiserror::Error;

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
        problem: Cow<'static, str>,
    },
    #[error("{0}")]
    NoDump(&'static str),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl LexError {
    /// What is wrong in a line.
    pub fn at(line: u64, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed { line, problem: problem.into() }
    }
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword, or a number; as spelt.
    Word(String),
    Name(String),
    Text(String),
    Sign(char),
}

impl Token {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// How the text is to be read from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mode {
    /// Backslashes escape in plain texts too: `standard_conforming_strings` is off.
    pub escapes: bool,
    pub encoding: Encoding,
    /// It is SQLite's SQL: without dollar quotes, `E'…'` and comments in comments.
    pub sqlite: bool,
}

/// How deep a statement is in itself: a semicolon there does not end it.
#[derive(Default)]
struct Depth {
    kind: Kind,
    parentheses: u32,
    /// `BEGIN` of a body, and `CASE` within; both end with `END`.
    bodies: u32,
    /// The last piece was a point: what follows is no keyword.
    behind_point: bool,
}

/// Whether a statement may have a body that has statements of its own.
#[derive(Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    Create,
    /// `CREATE FUNCTION … BEGIN ATOMIC …; END`, and SQLite's triggers.
    WithBody,
    Plain,
}

impl Depth {
    fn word(&mut self, word: &[u8], sqlite: bool) {
        let is = |keywords: &[&str]| keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword.as_bytes()));
        self.kind = match self.kind {
            Kind::Unknown if is(&["create"]) => Kind::Create,
            Kind::Create if is(&["or", "replace", "temp", "temporary"]) => Kind::Create,
            Kind::Create if sqlite && is(&["trigger"]) => Kind::WithBody,
            Kind::Create if !sqlite && is(&["function", "procedure"]) => Kind::WithBody,
            Kind::WithBody => {
                if self.parentheses == 0 && !self.behind_point {
                    if is(&["begin"]) || self.bodies > 0 && is(&["case"]) {
                        self.bodies += 1;
                    } else if is(&["end"]) {
                        self.bodies = self.bodies.saturating_sub(1);
                    }
                }
                Kind::WithBody
            }
            _ => Kind::Plain,
        };
        self.behind_point = false;
    }

    fn sign(&mut self, sign: u8) {
        match sign {
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        self.behind_point = sign == b'.';
    }

    fn is_inside(&self) -> bool {
        self.parentheses > 0 || self.bodies > 0
    }
}

pub(super) struct Lexer<R> {
    reader: Reader<R>,
    next: Option<Token>,
    depth: Depth,
    /// How it is to be read.
    pub mode: Mode,
    /// A command of psql, which stood between statements and has not been looked at.
    command: Option<String>,
}

impl<R: Read> Lexer<R> {
    /// Reads `source`, which is at this place of its file: bytes from 0, lines from 1.
    pub fn new(source: R, offset: u64, line: u64) -> Self {
        let reader = Reader::new(source, offset, line);
        Self { reader, next: None, depth: Depth::default(), mode: Mode::default(), command: None }
    }

    /// The place of what comes next: bytes from 0, lines from 1.
    pub fn place(&self) -> (u64, u64) {
        self.reader.place()
    }

    /// Looks whether the file begins as a text does, and passes over its byte order mark.
    pub fn begin(&mut self) -> Result<(), LexError> {
        let head = self.reader.ahead(format::MAGIC)?;
        if let Some(hint) = format::hint(head) {
            return Err(LexError::NoDump(hint));
        }
        if head.starts_with(format::BOM) {
            self.reader.pass(format::BOM.len());
        }
        Ok(())
    }

    /// Something is wrong where it is now.
    pub fn fail(&self, problem: impl Into<Cow<'static, str>>) -> LexError {
        LexError::at(self.place().1, problem)
    }

    /// Goes to the next piece; `false` at the end.
    fn more(&mut self) -> Result<bool, LexError> {
        loop {
            self.reader.run(|byte| byte.is_ascii_whitespace() || byte == 11, |_| {})?;
            match self.reader.ahead(2)? {
                [b'-', b'-', ..] => self.reader.run(|byte| byte != b'\n' && byte != b'\r', |_| {})?,
                [b'/', b'*', ..] => self.comment()?,
                [b'\\', ..] if !self.mode.sqlite => {
                    let (mut command, (_, line)) = (Vec::new(), self.place());
                    self.reader.until(b"\n", |some| command.extend_from_slice(some))?;
                    self.psql(&String::from_utf8_lossy(&command), line)?;
                }
                here => return Ok(!here.is_empty()),
            }
        }
    }

    /// Passes over a comment. PostgreSQL's may have comments within.
    fn comment(&mut self) -> Result<(), LexError> {
        let open = self.fail("a comment that does not end");
        self.reader.pass(2);
        let mut deep = 1_u32;
        while deep > 0 {
            self.reader.run(|byte| byte != b'*' && byte != b'/', |_| {})?;
            match self.reader.ahead(2)? {
                [b'*', b'/', ..] => deep -= 1,
                [b'/', b'*', ..] if !self.mode.sqlite => deep += 1,
                [_, _, ..] => {
                    self.reader.pass(1);
                    continue;
                }
                _ => return Err(open),
            }
            self.reader.pass(2);
        }
        Ok(())
    }

    /// A command of psql: one that changes nothing is passed over, `\connect` is kept, and any other may bring in what is not here.
    fn psql(&mut self, command: &str, line: u64) -> Result<(), LexError> {
        const HARMLESS: [&str; 12] =
            ["restrict", "unrestrict", "set", "unset", "pset", "echo", "qecho", "warn", "timing", "x", "conninfo", "!"];
        let text = command.trim_start_matches('\\').trim_end();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match name {
            "connect" | "c" if self.depth.kind == Kind::Unknown => self.command = Some(rest.trim().to_owned()),
            _ if HARMLESS.contains(&name) => {}
            _ => {
                let problem = format!(
                    "`\\{}` is a command of psql that is not followed: load this into PostgreSQL, and import from there by --from",
                    name.escape_debug()
                );
                return Err(LexError::at(line, problem));
            }
        }
        Ok(())
    }

    /// What stood behind a `\connect` before this statement.
    pub fn connected(&mut self) -> Option<String> {
        self.command.take()
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
        self.depth = Depth::default();
        loop {
            if !self.more()? {
                return Ok(false);
            }
            if self.reader.here().first() != Some(&b';') {
                return Ok(true);
            }
            self.reader.pass(1);
        }
    }

    /// Passes over the rest of the statement, and its semicolon.
    pub fn skip(&mut self) -> Result<(), LexError> {
        self.next = None;
        while self.read(false)?.is_some() {}
        if self.reader.here().first() == Some(&b';') {
            self.reader.pass(1);
        }
        Ok(())
    }

    /// Reads a piece, up to the semicolon that ends the statement, or the end of the file. What it says is left empty where nobody
    /// wants to `know`.
    fn read(&mut self, know: bool) -> Result<Option<Token>, LexError> {
        if !self.more()? {
            return if self.depth.is_inside() { Err(self.fail(CUT_OFF)) } else { Ok(None) };
        }
        let sqlite = self.mode.sqlite;
        let here = self.reader.ahead(2)?;
        let first = *here.first().unwrap_or(&b';');
        let second = here.get(1).copied().unwrap_or_default();
        let token = match (first, second) {
            (b';', _) if !self.depth.is_inside() => return Ok(None),
            (b'\'', _) => Token::Text(self.quoted(b'\'', self.mode.escapes && !sqlite, know)?),
            (b'"', _) => Token::Name(self.quoted(b'"', false, know)?),
            (b'`', _) if sqlite => Token::Name(self.quoted(b'`', false, know)?),
            (b'[', _) if sqlite => Token::Name(self.bracketed()?),
            (b'E' | b'e', b'\'') if !sqlite => {
                self.reader.pass(1);
                Token::Text(self.quoted(b'\'', true, know)?)
            }
            // Bits, bytes and national characters: their digits stand as they are.
            (b'B' | b'b' | b'N' | b'n', b'\'') if !sqlite => {
                self.reader.pass(1);
                Token::Text(self.quoted(b'\'', self.mode.escapes, know)?)
            }
            (b'X' | b'x', b'\'') => {
                self.reader.pass(1);
                Token::Text(self.quoted(b'\'', false, know)?)
            }
            (b'$', _) if !sqlite => self.dollar(know)?,
            (b'.', b'0'..=b'9') | (b'0'..=b'9', _) => self.number()?,
            _ if is_part(first) => self.word()?,
            _ => {
                self.reader.pass(1);
                self.depth.sign(first);
                return Ok(Some(Token::Sign(char::from(first))));
            }
        };
        self.depth.behind_point = false;
        if self.depth.kind == Kind::Unknown {
            // A statement begins with a word.
            self.depth.kind = Kind::Plain;
        }
        Ok(Some(token))
    }

    fn word(&mut self) -> Result<Token, LexError> {
        let (mut word, dollar) = (Vec::new(), !self.mode.sqlite);
        self.reader.run(|byte| is_part(byte) || dollar && byte == b'$', |some| word.extend_from_slice(some))?;
        self.depth.word(&word, self.mode.sqlite);
        Ok(Token::Word(self.text(word)?))
    }

    /// `12`, `-1.5e-05` without its first sign, `.5`.
    fn number(&mut self) -> Result<Token, LexError> {
        let mut number = Vec::new();
        loop {
            self.reader.run(|byte| is_part(byte) || byte == b'.', |some| number.extend_from_slice(some))?;
            let is_open = matches!(number.as_slice(), [first, .., b'e' | b'E'] if *first != b'0' || !matches!(number.get(1), Some(b'x' | b'X')));
            match self.reader.ahead(2)? {
                [sign @ (b'+' | b'-'), b'0'..=b'9', ..] if is_open => {
                    number.push(*sign);
                    self.reader.pass(1);
                }
                _ => return Ok(Token::Word(self.text(number)?)),
            }
        }
    }

    /// `[a name]`, as SQLite may have it.
    fn bracketed(&mut self) -> Result<String, LexError> {
        let open = self.fail(OPEN_QUOTE);
        self.reader.pass(1);
        let mut name = Vec::new();
        if self.reader.until(b"]", |some| name.extend_from_slice(some))? { self.text(name) } else { Err(open) }
    }

    pub fn text(&self, bytes: Vec<u8>) -> Result<String, LexError> {
        self.mode.encoding.decode(bytes).map_err(|problem| self.fail(problem))
    }

    /// A quoted text; a doubled quote stands for one, and in `E'…'` a backslash for what follows.
    fn quoted(&mut self, quote: u8, escapes: bool, know: bool) -> Result<String, LexError> {
        let begin = self.place().1;
        self.reader.pass(1);
        let mut text = Vec::new();
        loop {
            let ends = |byte: u8| byte == quote || escapes && byte == b'\\';
            self.reader.run(
                |byte| !ends(byte),
                |some| {
                    if know {
                        text.extend_from_slice(some)
                    }
                },
            )?;
            match *self.reader.ahead(escape::LONGEST)? {
                [b'\\', ref rest @ ..] if escapes => {
                    let length = escape::in_text(rest, &mut text).ok_or_else(|| LexError::at(begin, BAD_ESCAPE))?;
                    self.reader.pass(1 + length);
                }
                [first, second, ..] if first == quote && second == quote => {
                    text.push(quote);
                    self.reader.pass(2);
                }
                [first, ..] if first == quote => {
                    self.reader.pass(1);
                    return if know { self.text(text) } else { Ok(String::new()) };
                }
                _ => return Err(LexError::at(begin, OPEN_QUOTE)),
            }
        }
    }

    /// `$tag$a text$tag$`, or a dollar.
    fn dollar(&mut self, know: bool) -> Result<Token, LexError> {
        let here = self.reader.ahead(TAG + 2)?;
        let length = here.iter().skip(1).take_while(|byte| is_part(**byte)).count();
        let is_tag = !here.get(1).is_some_and(u8::is_ascii_digit);
        let Some(tag) = here.get(..length + 2).filter(|tag| is_tag && tag.ends_with(b"$")).map(<[u8]>::to_vec) else {
            self.reader.pass(1);
            return Ok(Token::Sign('$'));
        };
        let begin = self.place().1;
        self.reader.pass(tag.len());
        let mut text = Vec::new();
        if !self.reader.until(&tag, |some| {
            if know {
                text.extend_from_slice(some)
            }
        })? {
            return Err(LexError::at(begin, "a dollar quote that does not end"));
        }
        self.text(text).map(Token::Text)
    }

    /// The next line behind a `COPY … FROM stdin;`, without its end; nothing at `\.`.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, LexError> {
        let mut line = Vec::new();
        let ended = self.reader.until(b"\n", |some| line.extend_from_slice(some))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line == b"\\." {
            return Ok(None);
        }
        if ended { Ok(Some(line)) } else { Err(self.fail(CUT_OFF)) }
    }

    /// Passes over the lines behind a `COPY … FROM stdin;`, and over their end.
    pub fn skip_lines(&mut self) -> Result<(), LexError> {
        loop {
            // A line that is no end begins with something else: most are passed over without a look.
            let here = self.reader.ahead(4)?;
            let is_end = here
                .strip_prefix(b"\\.")
                .is_some_and(|rest| matches!(rest, [] | [b'\r'] | [b'\n', ..] | [b'\r', b'\n', ..]));
            let ended = self.reader.until(b"\n", |_| {})?;
            if is_end {
                return Ok(());
            }
            if !ended {
                return Err(self.fail(CUT_OFF));
            }
        }
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

const CUT_OFF: &str = "the dump ends in the middle of it: it was cut off";
const OPEN_QUOTE: &str = "a quoted text that does not end";
const BAD_ESCAPE: &str = "an escape that stands for no character";
