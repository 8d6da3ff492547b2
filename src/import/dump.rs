//! SQL as `pg_dump` and SQLite's `.dump` write it: `CREATE TABLE` for the order of columns, `INSERT INTO … VALUES`, `COPY … FROM stdin`.
//!
//! It is no SQL interpreter: of each statement it reads what it needs and passes over the rest, and refuses what would make other
//! facts of the rows than those that stand there. Tables stand in a dump in any order, and are wanted in one in which nobody comes
//! before whom they refer to. So a dump is read twice: first it is noted where the rows of which table are, and then they are read
//! from there, table by table; nothing of it is kept.

use super::format;
use super::lexer::{LexError, Lexer, Mode};
use super::place::{Place, PlaceError, choose};
use super::session::Session;
use super::statement::{Named, Statement, head};
use super::values::{fields, values};
use super::{Row, Source, SourceError};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// A dump cannot be read.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct DumpError {
    pub file: String,
    pub problem: LexError,
}

/// Dumps, and where in them which rows are.
pub struct Dump {
    files: Vec<(String, Arc<File>)>,
    places: BTreeMap<Place, HashMap<String, Found>>,
    /// Those of the place that counts.
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
    /// How they are to be read.
    mode: Mode,
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
            let failed = |problem| DumpError { file: name.clone(), problem };
            let (file, length) = open(name).map_err(failed)?;
            if format::breaks_off(&file, length).map_err(|error| failed(error.into()))? {
                return Err(failed(LexError::NoDump(
                    "it breaks off: the last line of a whole dump, `-- PostgreSQL database dump complete` (of SQLite: `COMMIT;`), is not there",
                )));
            }
            files.push((name.clone(), file));
            all += length;
        }
        let (mut places, mut before, mut database) = (BTreeMap::new(), 0, None);
        for (index, (name, file)) in files.iter().enumerate() {
            let lexer = Lexer::new(Arc::clone(file), 0, 1);
            // A schema's dump may say which database it is, and that of its rows not.
            let session = Session::with(database.take());
            let mut scan = Scan { file: index, lexer, session, places: &mut places, last: None };
            let done = scan.all(&wanted, |done| tell(before + done, all));
            before += scan.lexer.place().0;
            database = scan.session.database();
            done.map_err(|problem| DumpError { file: name.clone(), problem })?;
        }
        Ok(Self { files, places, tables: HashMap::new(), total: 0, done: 0, reading: None })
    }

    /// Settles where tables are read from: the place that has the table `anchor`, or of several the `wanted` one.
    ///
    /// # Errors
    /// It is not clear.
    pub fn choose(&mut self, anchor: &str, wanted: Option<&str>) -> Result<(), PlaceError> {
        let having =
            |(place, tables): (&Place, &HashMap<String, Found>)| tables.contains_key(anchor).then(|| place.clone());
        let having: Vec<Place> = self.places.iter().filter_map(having).collect();
        if let Some(place) = choose(anchor, &having, wanted)? {
            self.tables = self.places.remove(&place).unwrap_or_default();
        }
        self.total = self.tables.values().flat_map(|table| &table.parts).map(|part| part.end - part.begin).sum();
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
                    lexer.mode = next.mode;
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

/// A file that is looked through.
struct Scan<'d> {
    file: usize,
    lexer: Lexer<Arc<File>>,
    session: Session,
    places: &'d mut BTreeMap<Place, HashMap<String, Found>>,
    /// Whose rows stood in the statement before.
    last: Option<(Place, String)>,
}

impl Scan<'_> {
    fn all(&mut self, wanted: &impl Fn(&str) -> bool, mut tell: impl FnMut(u64)) -> Result<(), LexError> {
        self.lexer.begin()?;
        while self.lexer.statement()? {
            if let Some(arguments) = self.lexer.connected() {
                self.session.connect(&arguments);
                self.lexer.mode = Mode::default();
                self.last = None;
            }
            let (begin, line) = self.lexer.place();
            let statement = head(&mut self.lexer)?;
            let (name, columns) = match statement {
                Statement::Insert(name, columns) => {
                    self.lexer.skip()?;
                    (name, columns)
                }
                Statement::Copy(name, columns) => {
                    self.lexer.skip_lines()?;
                    (name, columns)
                }
                other => {
                    self.last = None;
                    let is_lines = matches!(other, Statement::OddCopy(_));
                    self.other(other, wanted, line)?;
                    if is_lines {
                        self.lexer.skip_lines()?
                    } else {
                        self.lexer.skip()?
                    }
                    continue;
                }
            };
            let (end, _) = self.lexer.place();
            tell(end);
            if wanted(&name.table) {
                let part = Part { file: self.file, begin, line, end, mode: self.lexer.mode };
                self.rows(name, columns, part)?;
            } else {
                self.last = None;
            }
        }
        Ok(())
    }

    /// A statement that has no rows.
    fn other(&mut self, statement: Statement, wanted: &impl Fn(&str) -> bool, line: u64) -> Result<(), LexError> {
        let refuse = |problem: String| {
            Err(LexError::at(
                line,
                format!("{problem}: load the dump into PostgreSQL, and import from there by --from"),
            ))
        };
        match statement {
            Statement::Table(Named { schema, table }, columns) if wanted(&table) => {
                let place = self.session.place(schema);
                let found = self.places.entry(place).or_default().entry(table.clone()).or_default();
                if !found.parts.is_empty() {
                    return Err(LexError::at(
                        line,
                        format!(
                            "the table `{table}` is created again, behind its rows: these are two dumps, of which one can be imported"
                        ),
                    ));
                }
                found.columns = columns;
            }
            Statement::Elsewhere(Named { table, .. }) if wanted(&table) => {
                return refuse(format!("rows of `{table}` that do not stand in the dump"));
            }
            Statement::OddCopy(Named { table, .. }) if wanted(&table) => {
                return refuse(format!("rows of `{table}` in a form that pg_dump does not write"));
            }
            Statement::Changed(verb, tables) => {
                for Named { schema, table } in tables {
                    let found = self.places.get(&self.session.place(schema)).and_then(|tables| tables.get(&table));
                    if found.is_some_and(|found| !found.parts.is_empty()) {
                        return refuse(format!("{verb} of `{table}`, behind its rows"));
                    }
                }
            }
            Statement::Set(name, values) => {
                let set = self.session.set(&name, &values, &mut self.lexer.mode);
                set.map_err(|problem| LexError::at(line, problem))?;
            }
            Statement::Undone
                if self.places.values().flat_map(HashMap::values).any(|found| !found.parts.is_empty()) =>
            {
                return Err(LexError::at(
                    line,
                    "ROLLBACK: what stands before it counts for nothing; the dump has failed",
                ));
            }
            Statement::Sqlite => self.lexer.mode.sqlite = true,
            _ => {}
        }
        Ok(())
    }

    fn rows(
        &mut self,
        Named { schema, table }: Named,
        columns: Option<Vec<String>>,
        part: Part,
    ) -> Result<(), LexError> {
        let place = self.session.place(schema);
        let follows = self.last.as_ref().is_some_and(|last| (&last.0, &last.1) == (&place, &table));
        let found = self.places.entry(place.clone()).or_default().entry(table.clone()).or_default();
        if found.columns.is_empty() {
            let unnamed = "rows of a table whose columns nobody named: give the schema's dump too, before this one";
            found.columns = columns.ok_or_else(|| LexError::at(part.line, unnamed))?;
        }
        match found.parts.last_mut() {
            Some(before) if follows => before.end = part.end,
            _ => found.parts.push(part),
        }
        self.last = Some((place, table));
        Ok(())
    }
}

impl Opened {
    /// The next row of this part.
    fn next(&mut self, columns: &[String]) -> Result<Option<Row>, LexError> {
        loop {
            let (_, line) = self.lexer.place();
            let row = match &self.rows {
                Rows::Values(order) => values(&mut self.lexer)?.map(|row| (row, order)),
                Rows::Lines(order) => match self.lexer.line()? {
                    Some(text) => Some((fields(&self.lexer, &text).map_err(|error| at(error, line))?, order)),
                    None => None,
                },
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
                    return order.apply(row).map(Some).ok_or_else(|| LexError::at(line, problem));
                }
                None => self.rows = Rows::None,
            }
        }
    }
}

/// The same, of the line that was read and not of the next.
fn at(error: LexError, line: u64) -> LexError {
    match error {
        LexError::Malformed { problem, .. } => LexError::Malformed { line, problem },
        other => other,
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

    fn tables(&mut self) -> Vec<String> {
        self.places.values().flat_map(HashMap::keys).chain(self.tables.keys()).cloned().collect()
    }
}

/// A file that can be read from any place, and its length. What comes through a pipe is laid down first, in a file that has
/// no name.
fn open(name: &str) -> Result<(Arc<File>, u64), LexError> {
    let path = Path::new(if name == "-" { "/dev/stdin" } else { name });
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(LexError::NoDump(format::hint_of_directory(path)));
    }
    if !metadata.is_file() {
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
