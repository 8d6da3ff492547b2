//! SQL as `pg_dump` and SQLite's `.dump` write it: `CREATE TABLE` for the order of columns, `INSERT INTO … VALUES`, `COPY … FROM stdin`.
//!
//! It is no SQL interpreter: of each statement it reads what it needs and passes over the rest. Tables stand in a dump in any
//! order, and are wanted in one in which nobody comes before whom they refer to. So a dump is read twice: first it is noted where
//! the rows of which table are, and then they are read from there, table by table; nothing of it is kept.

use super::lexer::{LexError, Lexer};
use super::statement::{Statement, head};
use super::values::{fields, values};
use super::{Row, Source, SourceError};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;
use thiserror::Error;

/// A dump cannot be read.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct DumpError {
    /// Which one.
    pub file: String,
    /// What is wrong.
    pub problem: LexError,
}

/// Dumps, and where in them which rows are.
pub struct Dump {
    files: Vec<(String, Arc<File>)>,
    tables: HashMap<String, Found>,
    /// Of the wanted rows, in bytes.
    total: u64,
    done: u64,
    reading: Option<Reading>,
}

#[derive(Default)]
struct Found {
    columns: Vec<String>,
    parts: Vec<Part>,
}

/// Statements with rows of one table that follow one another: bytes from 0, lines from 1.
#[derive(Clone, Copy)]
struct Part {
    file: usize,
    begin: u64,
    line: u64,
    end: u64,
    /// What [`Lexer::escapes`] is there.
    escapes: bool,
}

/// A table that is being read.
struct Reading {
    columns: Vec<String>,
    parts: std::vec::IntoIter<Part>,
    part: Option<Opened>,
}

/// Where its rows come from at the moment.
struct Opened {
    part: Part,
    lexer: Lexer<Arc<File>>,
    rows: Rows,
}

/// What comes next in a part.
enum Rows {
    /// A statement.
    None,
    /// A row of an `INSERT`.
    Values(Order),
    /// A line of a `COPY`.
    Lines(Order),
}

impl Dump {
    /// Looks where in the dumps the tables are of which `wanted` says yes. `-` is the standard input. `tell` hears how far it is.
    ///
    /// # Errors
    /// A file cannot be read, or what is in it is no dump.
    pub fn scan(
        names: &[String],
        wanted: impl Fn(&str) -> bool,
        mut tell: impl FnMut(u64, u64),
    ) -> Result<Self, DumpError> {
        let mut files = Vec::new();
        let mut all = 0;
        for name in names {
            let (file, length) = open(name).map_err(|error| DumpError { file: name.clone(), problem: error.into() })?;
            files.push((name.clone(), file));
            all += length;
        }
        let mut dump = Self { files: Vec::new(), tables: HashMap::new(), total: 0, done: 0, reading: None };
        let mut before = 0;
        for (index, (name, file)) in files.iter().enumerate() {
            let mut lexer = Lexer::new(Arc::clone(file), 0, 1);
            let done = dump.look(index, &mut lexer, &wanted, |done| tell(before + done, all));
            done.map_err(|problem| DumpError { file: name.clone(), problem })?;
            before += lexer.place().0;
        }
        dump.files = files;
        dump.total = dump.tables.values().flat_map(|table| &table.parts).map(|part| part.end - part.begin).sum();
        Ok(dump)
    }

    fn look(
        &mut self,
        file: usize,
        lexer: &mut Lexer<Arc<File>>,
        wanted: &impl Fn(&str) -> bool,
        mut tell: impl FnMut(u64),
    ) -> Result<(), LexError> {
        if lexer.is_binary()? {
            return Err(
                lexer.fail("it is no text: give what `pg_restore -f FILE.sql` makes of an archive, uncompressed")
            );
        }
        let mut last = String::new();
        while lexer.statement()? {
            let (begin, line) = lexer.place();
            let (name, columns) = match head(lexer)? {
                Statement::Table(name, columns) => {
                    lexer.skip()?;
                    if wanted(&name) {
                        self.tables.entry(name).or_default().columns = columns;
                    }
                    continue;
                }
                Statement::Insert(name, columns) => {
                    lexer.skip()?;
                    (name, columns)
                }
                Statement::Copy(name, columns) => {
                    lexer.skip_lines()?;
                    (name, columns)
                }
                Statement::Other => {
                    lexer.skip()?;
                    last.clear();
                    continue;
                }
            };
            let (end, _) = lexer.place();
            tell(end);
            if !wanted(&name) {
                last.clear();
                continue;
            }
            let found = self.tables.entry(name.clone()).or_default();
            if found.columns.is_empty() {
                let unnamed = "rows of a table whose columns nobody named: give the schema's dump too, before this one";
                found.columns = columns.ok_or(LexError::Malformed { line, problem: unnamed })?;
            }
            match found.parts.last_mut() {
                Some(part) if part.file == file && last == name => part.end = end,
                _ => found.parts.push(Part { file, begin, line, end, escapes: lexer.escapes }),
            }
            last = name;
        }
        Ok(())
    }

    /// The next row of what is being read.
    fn next(&mut self) -> Result<Option<Row>, (usize, LexError)> {
        let Some(Reading { columns, parts, part }) = &mut self.reading else { return Ok(None) };
        loop {
            let opened = match part {
                Some(opened) => opened,
                None => {
                    let Some(next) = parts.next() else { return Ok(None) };
                    let Some((_, file)) = self.files.get(next.file) else { return Ok(None) };
                    let mut place: &File = file;
                    place.seek(SeekFrom::Start(next.begin)).map_err(|error| (next.file, error.into()))?;
                    let mut lexer = Lexer::new(Arc::clone(file), next.begin, next.line);
                    lexer.escapes = next.escapes;
                    part.insert(Opened { part: next, lexer, rows: Rows::None })
                }
            };
            let (begin, _) = opened.lexer.place();
            let row = opened.next(columns).map_err(|problem| (opened.part.file, problem))?;
            self.done += opened.lexer.place().0 - begin;
            if row.is_some() {
                return Ok(row);
            }
            *part = None;
        }
    }
}

impl Opened {
    /// The next row of this part.
    fn next(&mut self, columns: &[String]) -> Result<Option<Row>, LexError> {
        loop {
            let (_, line) = self.lexer.place();
            let row = match &self.rows {
                Rows::Values(order) => values(&mut self.lexer)?.map(|row| (row, order)),
                Rows::Lines(order) => self.lexer.line()?.map(|line| (fields(&line), order)),
                Rows::None => {
                    if self.lexer.place().0 >= self.part.end || !self.lexer.statement()? {
                        return Ok(None);
                    }
                    self.rows = match head(&mut self.lexer)? {
                        Statement::Insert(_, names) => Rows::Values(Order::new(names.as_deref(), columns)),
                        Statement::Copy(_, names) => Rows::Lines(Order::new(names.as_deref(), columns)),
                        _ => return Ok(None),
                    };
                    continue;
                }
            };
            match row {
                Some((row, order)) => {
                    let problem = "a row of another length than its columns";
                    return order.apply(row).map(Some).ok_or(LexError::Malformed { line, problem });
                }
                None => self.rows = Rows::None,
            }
        }
    }
}

impl Source for Dump {
    fn open(&mut self, table: &str) -> Result<Option<Vec<String>>, SourceError> {
        self.reading = self.tables.get(table).map(|found| {
            let (columns, parts) = (found.columns.clone(), found.parts.clone().into_iter());
            Reading { columns, parts, part: None }
        });
        Ok(self.reading.as_ref().map(|reading| reading.columns.clone()))
    }

    fn row(&mut self) -> Result<Option<Row>, SourceError> {
        self.next().map_err(|(file, problem)| {
            let file = self.files.get(file).map(|(name, _)| name.clone()).unwrap_or_default();
            DumpError { file, problem }.into()
        })
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}

/// A file that can be read from any place, and its length. What comes through a pipe is laid down first, in a file that has
/// no name.
fn open(name: &str) -> io::Result<(Arc<File>, u64)> {
    let mut file = File::open(if name == "-" { "/dev/stdin" } else { name })?;
    if !file.metadata()?.is_file() {
        let mut copy = tempfile::tempfile()?;
        io::copy(&mut file, &mut copy)?;
        copy.rewind()?;
        file = copy;
    }
    let length = file.metadata()?.len();
    Ok((Arc::new(file), length))
}

/// How a row as it was written becomes one in the order of the table's columns.
struct Order {
    /// Values of a row.
    length: usize,
    /// Where each column's value is; in the same order, where there is nothing.
    places: Option<Vec<Option<usize>>>,
}

impl Order {
    fn new(names: Option<&[String]>, columns: &[String]) -> Self {
        let Some(names) = names.filter(|names| *names != columns) else {
            return Self { length: columns.len(), places: None };
        };
        let place = |column| names.iter().position(|name| name == column);
        Self { length: names.len(), places: Some(columns.iter().map(place).collect()) }
    }

    fn apply(&self, mut row: Row) -> Option<Row> {
        if row.len() != self.length {
            return None;
        }
        let Some(places) = &self.places else { return Some(row) };
        let mut take = |place: &Option<usize>| row.get_mut((*place)?).and_then(Option::take);
        Some(places.iter().map(&mut take).collect())
    }
}

#[cfg(test)]
mod tests;
