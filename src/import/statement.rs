//! What a statement of a dump is about: its head, read as far as is needed, and nothing behind it.

use super::lexer::{LexError, Lexer, Token};
use super::values::takes;
use std::io::Read;

/// What a statement is about, as far as it was read.
pub(super) enum Statement {
    /// A table's columns; the rest is to be skipped.
    Table(String, Vec<String>),
    /// A table, and the columns of its rows where they are named. Rows follow.
    Insert(String, Option<Vec<String>>),
    /// The same. Lines follow.
    Copy(String, Option<Vec<String>>),
    /// Nothing of interest; the rest is to be skipped.
    Other,
}

/// Reads the head of a statement.
pub(super) fn head<R: Read>(lexer: &mut Lexer<R>) -> Result<Statement, LexError> {
    let (first, line) = (lexer.token()?, lexer.place().1);
    let fail = |problem| LexError::Malformed { line, problem };
    let Some(first) = first else { return Ok(Statement::Other) };
    if first.is("create") && next_is(lexer, "table")? {
        let name = table(lexer)?.ok_or(fail("a table without name"))?;
        // A partition has no columns of its own.
        let columns =
            if takes(lexer, '(')? { created(lexer)?.ok_or(fail("columns that cannot be read"))? } else { vec![] };
        return Ok(if columns.is_empty() { Statement::Other } else { Statement::Table(name, columns) });
    }
    if first.is("insert") && next_is(lexer, "into")? {
        let name = table(lexer)?.ok_or(fail("a table without name"))?;
        let columns = names(lexer)?;
        if next_is(lexer, "overriding")? {
            // OVERRIDING SYSTEM VALUE
            lexer.token()?;
            lexer.token()?;
        }
        return if next_is(lexer, "values")? {
            Ok(Statement::Insert(name, columns))
        } else {
            Err(fail("an INSERT without VALUES"))
        };
    }
    if first.is("copy") {
        let name = table(lexer)?.ok_or(fail("a table without name"))?;
        let columns = names(lexer)?;
        if next_is(lexer, "from")? && next_is(lexer, "stdin")? {
            lexer.skip()?;
            lexer.line()?;
            return Ok(Statement::Copy(name, columns));
        }
    }
    if first.is("set") && next_is(lexer, "standard_conforming_strings")? && takes(lexer, '=')? {
        lexer.escapes = next_is(lexer, "off")?;
    }
    Ok(Statement::Other)
}

/// Takes the next piece, where it is this keyword.
fn next_is<R: Read>(lexer: &mut Lexer<R>, keyword: &str) -> Result<bool, LexError> {
    let is = lexer.peek()?.is_some_and(|token| token.is(keyword));
    if is {
        lexer.token()?;
    }
    Ok(is)
}

/// A table's name without its schema. `IF NOT EXISTS` and `ONLY` are passed over.
fn table<R: Read>(lexer: &mut Lexer<R>) -> Result<Option<String>, LexError> {
    loop {
        let Some(token) = lexer.token()? else { return Ok(None) };
        if ["if", "not", "exists", "only"].iter().any(|skip| token.is(skip)) || takes(lexer, '.')? {
            continue;
        }
        return Ok(as_name(token));
    }
}

fn as_name(token: Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::Name(name) => Some(name),
        _ => None,
    }
}

/// `(a, "b")`, where it stands.
fn names<R: Read>(lexer: &mut Lexer<R>) -> Result<Option<Vec<String>>, LexError> {
    if !takes(lexer, '(')? {
        return Ok(None);
    }
    let mut names = Vec::new();
    while let Some(token) = lexer.token()? {
        if token == Token::Sign(')') {
            break;
        }
        names.extend(as_name(token));
    }
    Ok(Some(names))
}

/// The columns of a `CREATE TABLE`: the first word of each part, unless it begins a constraint.
fn created<R: Read>(lexer: &mut Lexer<R>) -> Result<Option<Vec<String>>, LexError> {
    let (mut columns, mut depth, mut begins) = (Vec::new(), 0_u32, true);
    while let Some(token) = lexer.token()? {
        if begins {
            begins = false;
            let constraint = ["constraint", "primary", "unique", "foreign", "check", "exclude", "like"];
            if !constraint.iter().any(|constraint| token.is(constraint)) {
                let Some(name) = as_name(token) else { return Ok(None) };
                columns.push(name);
            }
            continue;
        }
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') if depth == 0 => return Ok(Some(columns)),
            Token::Sign(')') => depth -= 1,
            Token::Sign(',') if depth == 0 => begins = true,
            _ => {}
        }
    }
    Ok(None)
}
