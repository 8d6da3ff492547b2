//! SQL taken apart into statements and those into words: strings, quoted names, dollar quotes and comments are known, so that
//! nothing inside of one is taken for a statement.

use std::str::Chars;
use thiserror::Error;

/// A dump cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct DumpError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name or keyword, or a number or sign that is part of neither; as spelt.
    Word(&'t str),
    /// `"a name"`, unquoted.
    Name(String),
    /// `'a text'`, unquoted.
    Text(String),
    /// A single other character.
    Sign(char),
}

/// Goes through a dump.
pub(super) struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Whether backslashes escape in plain strings too: `standard_conforming_strings` is off.
    pub(super) escapes: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, escapes: false }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The line of the next piece, from 1.
    pub(super) fn line(&self) -> usize {
        // A statement begins behind the blanks before it.
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start().len();
        self.text.get(..self.at + blanks).unwrap_or_default().matches('\n').count() + 1
    }

    fn fail(&self, problem: &'static str) -> DumpError {
        DumpError { line: self.line(), problem }
    }

    /// Goes to the next piece; `false` at the end.
    pub(super) fn more(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let bare = rest.trim_start();
            self.at += rest.len() - bare.len();
            // A comment, or a command of psql (`\restrict`).
            let first = rest.len() == self.text.len() || self.text.get(..self.at).is_some_and(|t| t.ends_with('\n'));
            if bare.starts_with("--") || first && bare.starts_with('\\') {
                self.at += bare.find('\n').unwrap_or(bare.len());
            } else if bare.starts_with("/*") {
                self.at += bare.find("*/").map_or(bare.len(), |end| end + 2);
            } else {
                return !bare.is_empty();
            }
        }
    }

    /// The pieces up to the next semicolon, or the end.
    pub(super) fn statement(&mut self) -> Result<Vec<Token<'t>>, DumpError> {
        let mut tokens = Vec::new();
        while self.more() {
            let token = self.token()?;
            if token == Token::Sign(';') {
                break;
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    fn token(&mut self) -> Result<Token<'t>, DumpError> {
        let rest = self.rest();
        if rest.starts_with("E'") || rest.starts_with("e'") {
            return self.quoted('\'', 2, true).map(Token::Text);
        }
        if rest.starts_with('\'') {
            return self.quoted('\'', 1, self.escapes).map(Token::Text);
        }
        if rest.starts_with('"') {
            return self.quoted('"', 1, false).map(Token::Name);
        }
        if rest.starts_with('$')
            && let Some(end) = rest.get(1..).and_then(|r| r.find('$'))
            && let Some((tag, body)) = rest.split_at_checked(end + 2)
            && tag.trim_matches('$').chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            let close = body.find(tag).ok_or_else(|| self.fail("a dollar quote that does not end"))?;
            self.at += tag.len() + close + tag.len();
            return Ok(Token::Text(body.get(..close).unwrap_or_default().to_owned()));
        }
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let mut end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        // A number's point belongs to it, a name's does not.
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            end = rest.find(|c| !part(c) && c != '.').unwrap_or(rest.len());
        }
        if end == 0 {
            let sign = rest.chars().next().unwrap_or(';');
            self.at += sign.len_utf8();
            return Ok(Token::Sign(sign));
        }
        self.at += end;
        Ok(Token::Word(rest.get(..end).unwrap_or_default()))
    }

    /// A quoted text behind its first `begin` characters; a doubled quote stands for one, and where there are escapes a
    /// backslash for what follows it.
    fn quoted(&mut self, quote: char, begin: usize, escapes: bool) -> Result<String, DumpError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(begin).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    if chars.next_if(|(_, next)| *next == quote).is_none() {
                        self.at += at + 1;
                        return Ok(text);
                    }
                    text.push(quote);
                }
                '\\' if escapes => {
                    let mut rest = self.rest().get(at + 1..).unwrap_or_default().chars();
                    let before = rest.as_str().len();
                    text.push(escaped(&mut rest).ok_or_else(|| self.fail("an escape that stands for no character"))?);
                    let end = at + 1 + before - rest.as_str().len();
                    while chars.next_if(|(at, _)| *at < end).is_some() {}
                }
                other => text.push(other),
            }
        }
        Err(self.fail("a quoted text that does not end"))
    }

    /// The lines behind a `COPY … FROM stdin;`, up to `\.`.
    pub(super) fn copied(&mut self) -> impl Iterator<Item = &'t str> + use<'t> {
        let rest = self.rest();
        let begin = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let rows = rest.get(begin..).unwrap_or_default();
        let mut length = 0;
        for row in rows.split_inclusive('\n') {
            if row.trim_end_matches(['\r', '\n']) == "\\." {
                self.at += begin + length + row.len();
                return lines(rows, length);
            }
            length += row.len();
        }
        self.at = self.text.len();
        lines(rows, length)
    }
}

fn lines(rows: &str, length: usize) -> impl Iterator<Item = &str> {
    rows.get(..length).unwrap_or_default().lines()
}

/// The character that a backslash and what follows it stand for in PostgreSQL's `E'…'`.
fn escaped(rest: &mut Chars<'_>) -> Option<char> {
    let byte = |c: &char| c.is_ascii();
    if rest.as_str().starts_with(|c| ('0'..='7').contains(&c)) {
        return number(rest, 8, 1, 3).filter(byte);
    }
    Some(match rest.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' if rest.as_str().starts_with(|c: char| c.is_ascii_hexdigit()) => number(rest, 16, 1, 2).filter(byte)?,
        'u' => number(rest, 16, 4, 4)?,
        'U' => number(rest, 16, 8, 8)?,
        other => other,
    })
}

/// A text whose characters may be written as SQLite's `unistr` knows them.
pub(super) fn unistr(text: &str) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        let digits = match rest.clone().next()? {
            '\\' => {
                rest.next();
                result.push('\\');
                continue;
            }
            '+' => Some(6),
            'u' => Some(4),
            'U' => Some(8),
            _ => None,
        };
        if digits.is_some() {
            rest.next();
        }
        let digits = digits.unwrap_or(4);
        result.push(number(&mut rest, 16, digits, digits)?);
    }
    Some(result)
}

/// The character of a code of at least and at most so many digits.
fn number(rest: &mut Chars<'_>, radix: u32, least: usize, most: usize) -> Option<char> {
    let (mut code, mut digits) = (0_u32, 0);
    while digits < most {
        let Some(digit) = rest.as_str().chars().next().and_then(|c| c.to_digit(radix)) else { break };
        code = code.checked_mul(radix)?.checked_add(digit)?;
        rest.next();
        digits += 1;
    }
    if digits < least { None } else { char::from_u32(code) }
}
