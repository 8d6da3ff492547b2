//! The values of a row. Of an `INSERT`: texts, numbers, truths and NULL, and the functions in which SQLite's shell wraps texts that have
//! several lines: `replace('a\nb','\n',char(10))`, `unistr('a\u000ab')`; of a line of `COPY`: fields.

use super::Row;
use super::lexer::{LexError, Lexer, Token, code};
use std::io::Read;

/// Functions within functions, at most.
const DEEPEST: usize = 8;
const UNKNOWN: &str = "a value that is neither a text, a number, a truth nor NULL";
const NO_CHARACTER: &str = "a character that is none";

/// The next row behind `VALUES`; nothing at the end of the statement.
pub(super) fn values<R: Read>(lexer: &mut Lexer<R>) -> Result<Option<Row>, LexError> {
    loop {
        match lexer.token()? {
            Some(Token::Sign('(')) => break,
            Some(Token::Sign(',')) => {}
            // The end, or ON CONFLICT … and the like.
            _ => {
                lexer.skip()?;
                return Ok(None);
            }
        }
    }
    let mut row = Row::new();
    loop {
        if takes(lexer, ')')? {
            return Ok(Some(row));
        }
        if !takes(lexer, ',')? {
            row.push(value(lexer, DEEPEST)?);
        }
    }
}

/// One value. A cast behind it (`'…'::uuid`) changes nothing.
fn value<R: Read>(lexer: &mut Lexer<R>, deep: usize) -> Result<Option<String>, LexError> {
    let negative = takes(lexer, '-')?;
    let value = match lexer.token()? {
        Some(Token::Word(word)) if negative => Some(format!("-{word}")),
        Some(Token::Text(text)) if !negative => Some(text),
        Some(Token::Word(function)) if deep > 0 && takes(lexer, '(')? => Some(called(lexer, &function, deep - 1)?),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => None,
        Some(Token::Word(word)) => Some(word),
        Some(_) => return Err(lexer.fail(UNKNOWN)),
        None => return Err(lexer.fail("a row that does not end")),
    };
    if takes(lexer, ':')? && takes(lexer, ':')? {
        while matches!(lexer.peek()?, Some(Token::Word(_) | Token::Name(_) | Token::Sign('.'))) {
            lexer.token()?;
        }
    }
    Ok(value)
}

/// What a function of SQLite makes of what follows, up to its parenthesis.
fn called<R: Read>(lexer: &mut Lexer<R>, function: &str, deep: usize) -> Result<String, LexError> {
    let mut arguments = Vec::new();
    loop {
        match value(lexer, deep)? {
            Some(argument) if arguments.len() < 3 => arguments.push(argument),
            _ => return Err(lexer.fail(UNKNOWN)),
        }
        if takes(lexer, ')')? {
            break;
        }
        if !takes(lexer, ',')? {
            return Err(lexer.fail(UNKNOWN));
        }
    }
    let made = match (function.to_ascii_lowercase().as_str(), arguments.as_slice()) {
        ("replace", [text, old, new]) if !old.is_empty() => Ok(text.replace(old, new)),
        ("char", [code]) => code.parse().ok().and_then(char::from_u32).map(String::from).ok_or(NO_CHARACTER),
        ("unistr", [text]) => unistr(text).ok_or(NO_CHARACTER),
        _ => Err(UNKNOWN),
    };
    made.map_err(|problem| lexer.fail(problem))
}

fn unistr(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut result = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        // Two backslashes are one.
        if part.is_empty() {
            result.push('\\');
            result.push_str(parts.next()?);
            continue;
        }
        let (begin, digits) = match part.as_bytes() {
            [b'+', ..] => (1, 6),
            [b'u', ..] => (1, 4),
            [b'U', ..] => (1, 8),
            _ => (0, 4),
        };
        result.push(code(part.as_bytes().get(begin..begin + digits)?, 16)?);
        result.push_str(part.get(begin + digits..)?);
    }
    Some(result)
}

/// Takes the next piece, where it is this sign.
pub(super) fn takes<R: Read>(lexer: &mut Lexer<R>, sign: char) -> Result<bool, LexError> {
    let is = lexer.peek()? == Some(&Token::Sign(sign));
    if is {
        lexer.token()?;
    }
    Ok(is)
}

/// The values of a line of `COPY`.
pub(super) fn fields(line: &str) -> Row {
    line.split('\t').map(|field| if field == "\\N" { None } else { Some(unescape(field)) }).collect()
}

/// COPY's escapes.
fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut rest = field.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('v') => text.push('\u{b}'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}
