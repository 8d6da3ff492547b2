//! What a statement of a dump is about: its head, read as far as is needed, and nothing behind it.

use super::lexer::{LexError, Lexer, Token};
use super::values::takes;
use std::io::Read;

/// A table, as it is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub schema: Option<String>,
    pub table: String,
}

/// What a statement is about, as far as it was read. But for the lines of a `COPY`, its rest is to be skipped.
pub(super) enum Statement {
    Table(Named, Vec<String>),
    /// A table, and the columns of its rows where they are named. Rows follow.
    Insert(Named, Option<Vec<String>>),
    Copy(Named, Option<Vec<String>>),
    /// Lines follow in a format of their own.
    OddCopy(Named),
    /// Rows come into a table that do not stand here.
    Elsewhere(Named),
    /// Rows of these tables are changed or taken, if there are any.
    Changed(&'static str, Vec<Named>),
    /// A setting, and its values; none where it is what it was.
    Set(String, Vec<String>),
    /// What came before counts for nothing.
    Undone,
    Sqlite,
    Other,
}

const NAMELESS: &str =
    "a table whose name cannot be read: dumps of PostgreSQL and SQLite are understood, and no others";

/// Reads the head of a statement.
pub(super) fn head<R: Read>(lexer: &mut Lexer<R>) -> Result<Statement, LexError> {
    let (first, line) = (lexer.token()?, lexer.place().1);
    let Some(Token::Word(first)) = first else { return Ok(Statement::Other) };
    let named = |name: Option<Named>| name.ok_or_else(|| LexError::at(line, NAMELESS));
    Ok(match first.to_ascii_lowercase().as_str() {
        "create" => {
            next_is(lexer, "unlogged")?;
            if !next_is(lexer, "table")? {
                return Ok(Statement::Other);
            }
            let name = named(table(lexer)?)?;
            // A partition has no columns of its own.
            let columns = if takes(lexer, '(')? {
                created(lexer)?.ok_or_else(|| LexError::at(line, "columns that cannot be read"))?
            } else {
                vec![]
            };
            if columns.is_empty() { Statement::Other } else { Statement::Table(name, columns) }
        }
        "insert" | "replace" => {
            if next_is(lexer, "or")? {
                // SQLite: INSERT OR IGNORE.
                lexer.token()?;
            }
            if !next_is(lexer, "into")? {
                return Ok(Statement::Other);
            }
            let name = named(table(lexer)?)?;
            let columns = names(lexer)?;
            if next_is(lexer, "overriding")? {
                // OVERRIDING SYSTEM VALUE
                lexer.token()?;
                lexer.token()?;
            }
            if next_is(lexer, "values")? { Statement::Insert(name, columns) } else { Statement::Elsewhere(name) }
        }
        "copy" => copy(lexer, line)?,
        "update" => changed(lexer, "UPDATE")?,
        "delete" if next_is(lexer, "from")? => changed(lexer, "DELETE")?,
        "merge" if next_is(lexer, "into")? => changed(lexer, "MERGE")?,
        "truncate" => {
            next_is(lexer, "table")?;
            changed(lexer, "TRUNCATE")?
        }
        "drop" if next_is(lexer, "table")? => changed(lexer, "DROP TABLE")?,
        "set" => {
            let _ = next_is(lexer, "session")? || next_is(lexer, "local")?;
            set(lexer)?
        }
        "reset" => match lexer.token()?.and_then(as_name) {
            Some(name) => Statement::Set(name, vec![]),
            None => Statement::Other,
        },
        "select" => set_config(lexer)?,
        "rollback" | "abort" => Statement::Undone,
        "pragma" => Statement::Sqlite,
        _ => Statement::Other,
    })
}

/// `COPY t (a, b) FROM stdin;` as `pg_dump` writes it. Up to version 11 it could write the rows' object ids too.
fn copy<R: Read>(lexer: &mut Lexer<R>, line: u64) -> Result<Statement, LexError> {
    let Some(name) = table(lexer)? else { return Ok(Statement::Other) };
    let mut columns = names(lexer)?;
    let with_oids = next_is(lexer, "with")? && next_is(lexer, "oids")?;
    if !next_is(lexer, "from")? {
        return Ok(Statement::Other);
    }
    if !next_is(lexer, "stdin")? {
        return Ok(Statement::Elsewhere(name));
    }
    let is_plain = lexer.peek()?.is_none();
    lexer.skip()?;
    lexer.line()?;
    if !is_plain {
        return Ok(Statement::OddCopy(name));
    }
    if with_oids {
        let columns = columns.as_mut().ok_or_else(|| LexError::at(line, "object ids before columns without names"))?;
        columns.insert(0, "oid".to_owned());
    }
    Ok(Statement::Copy(name, columns))
}

fn changed<R: Read>(lexer: &mut Lexer<R>, verb: &'static str) -> Result<Statement, LexError> {
    let mut tables = Vec::new();
    while let Some(name) = table(lexer)? {
        tables.push(name);
        takes(lexer, '*')?;
        if !takes(lexer, ',')? {
            break;
        }
    }
    Ok(Statement::Changed(verb, tables))
}

/// `SET name = value, value`, `SET name TO value`, `SET NAMES value`.
fn set<R: Read>(lexer: &mut Lexer<R>) -> Result<Statement, LexError> {
    let Some(name) = lexer.token()?.and_then(as_name) else { return Ok(Statement::Other) };
    let name = if name == "names" {
        "client_encoding".to_owned()
    } else if takes(lexer, '=')? || next_is(lexer, "to")? {
        name
    } else {
        return Ok(Statement::Other);
    };
    let mut values = Vec::new();
    while let Some(token) = lexer.token()? {
        match token {
            Token::Text(text) => values.push(text),
            Token::Word(word) if word.eq_ignore_ascii_case("default") => {}
            Token::Sign(',') => {}
            other => values.extend(as_name(other)),
        }
    }
    Ok(Statement::Set(name, values))
}

/// `SELECT pg_catalog.set_config('name', 'value, value', false)`.
fn set_config<R: Read>(lexer: &mut Lexer<R>) -> Result<Statement, LexError> {
    if !matches!(lexer.peek()?, Some(Token::Word(_) | Token::Name(_))) {
        return Ok(Statement::Other);
    }
    if table(lexer)?.is_none_or(|function| function.table != "set_config") || !takes(lexer, '(')? {
        return Ok(Statement::Other);
    }
    let Some(Token::Text(name)) = lexer.token()? else { return Ok(Statement::Other) };
    if !takes(lexer, ',')? {
        return Ok(Statement::Other);
    }
    let Some(Token::Text(value)) = lexer.token()? else { return Ok(Statement::Other) };
    let parts = value.split(',').map(|part| part.trim().trim_matches('"').to_owned());
    Ok(Statement::Set(name.to_ascii_lowercase(), parts.filter(|part| !part.is_empty()).collect()))
}

/// Takes the next piece, where it is this keyword.
fn next_is<R: Read>(lexer: &mut Lexer<R>, keyword: &str) -> Result<bool, LexError> {
    let is = lexer.peek()?.is_some_and(|token| token.is(keyword));
    if is {
        lexer.token()?;
    }
    Ok(is)
}

/// A table's name. `IF NOT EXISTS` and `ONLY` are passed over, and of three parts the first, which is the database's.
fn table<R: Read>(lexer: &mut Lexer<R>) -> Result<Option<Named>, LexError> {
    let mut schema = None;
    loop {
        let Some(token) = lexer.token()? else { return Ok(None) };
        if ["if", "not", "exists", "only"].iter().any(|skip| token.is(skip)) {
            continue;
        }
        let Some(name) = as_name(token) else { return Ok(None) };
        if takes(lexer, '.')? {
            schema = Some(name);
        } else {
            return Ok(Some(Named { schema, table: name }));
        }
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
            if token == Token::Sign(')') {
                return Ok(Some(columns));
            }
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
