//! The values of a row. Of an `INSERT`: texts, numbers, truths and NULL, with or without their types, and the functions in which SQLite's
//! shell wraps texts that have several lines: `replace('a\nb','\n',char(10))`, `unistr('a\u000ab')`; of a line of `COPY`: fields.

use super::Row;
use super::escape;
use super::lexer::{LexError, Lexer, Token};
use std::io::Read;

/// Functions and parentheses within each other, at most.
const DEEPEST: usize = 8;
const UNKNOWN: &str = "a value that is neither a text, a number, a truth nor NULL";
const NO_CHARACTER: &str = "a character that is none";
const OPEN: &str = "a row that does not end";

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
        row.push(value(lexer, DEEPEST)?);
        if takes(lexer, ')')? {
            return Ok(Some(row));
        }
        if !takes(lexer, ',')? {
            let problem = if lexer.peek()?.is_some() { UNKNOWN } else { OPEN };
            return Err(lexer.fail(problem));
        }
    }
}

/// One value. Its type, before it (`DATE '…'`) or behind it (`'…'::uuid`), changes nothing.
fn value<R: Read>(lexer: &mut Lexer<R>, deep: usize) -> Result<Option<String>, LexError> {
    let negative = takes(lexer, '-')? || (takes(lexer, '+')? && takes(lexer, '-')?);
    let value = match lexer.token()? {
        Some(Token::Word(word)) if negative => Some(format!("-{word}")),
        Some(Token::Text(text)) if !negative => Some(text),
        Some(Token::Sign('(')) if deep > 0 && !negative => {
            let inner = value(lexer, deep - 1)?;
            if !takes(lexer, ')')? {
                return Err(lexer.fail(UNKNOWN));
            }
            inner
        }
        Some(Token::Word(word)) => word_value(lexer, word, deep)?,
        Some(_) => return Err(lexer.fail(UNKNOWN)),
        None => return Err(lexer.fail(OPEN)),
    };
    if takes(lexer, ':')? && takes(lexer, ':')? {
        pass_type(lexer)?;
    }
    Ok(value)
}

/// A number, a truth, NULL, a function's value, or a text behind the name of its type.
fn word_value<R: Read>(lexer: &mut Lexer<R>, word: String, deep: usize) -> Result<Option<String>, LexError> {
    if deep > 0 && takes(lexer, '(')? {
        if word.eq_ignore_ascii_case("cast") {
            let inner = value(lexer, deep - 1)?;
            if !matches!(lexer.token()?, Some(token) if token.is("as")) {
                return Err(lexer.fail(UNKNOWN));
            }
            pass_type(lexer)?;
            return if takes(lexer, ')')? { Ok(inner) } else { Err(lexer.fail(UNKNOWN)) };
        }
        return called(lexer, &word, deep - 1).map(Some);
    }
    // DEFAULT is not known here.
    if ["null", "default"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
        return Ok(None);
    }
    let mut words = false;
    while matches!(lexer.peek()?, Some(Token::Word(_))) {
        lexer.token()?;
        words = true;
    }
    match lexer.peek()? {
        Some(Token::Text(_)) => match lexer.token()? {
            Some(Token::Text(text)) => Ok(Some(text)),
            _ => Err(lexer.fail(UNKNOWN)),
        },
        _ if words => Err(lexer.fail(UNKNOWN)),
        _ => Ok(Some(word)),
    }
}

/// `timestamp with time zone`, `public.citext`, `numeric(4,2)`, `text[]`.
fn pass_type<R: Read>(lexer: &mut Lexer<R>) -> Result<(), LexError> {
    loop {
        match lexer.peek()? {
            Some(Token::Word(_) | Token::Name(_) | Token::Sign('.' | '[' | ']')) => {
                lexer.token()?;
            }
            Some(Token::Sign('(')) => while !matches!(lexer.token()?, Some(Token::Sign(')')) | None) {},
            _ => return Ok(()),
        }
    }
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
        result.push(escape::code(part.as_bytes().get(begin..begin + digits)?, 16)?);
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
pub(super) fn fields<R: Read>(lexer: &Lexer<R>, line: &[u8]) -> Result<Row, LexError> {
    let field = |field: &[u8]| (field != b"\\N").then(|| lexer.text(escape::in_field(field))).transpose();
    line.split(|byte| *byte == b'\t').map(field).collect()
}
