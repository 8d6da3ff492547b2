//! SQL as `pg_dump` and SQLite's `.dump` write it: `CREATE TABLE` for the order of columns, `INSERT INTO … VALUES`, `COPY … FROM stdin`.
//!
//! It is no SQL interpreter: of each statement it reads what it needs and passes over the rest. Tables stand in a dump in any
//! order, and are wanted in one in which nobody comes before whom they refer to. So a dump is read twice: first it is noted where
//! the rows of which table are, and then they are read from there, table by table; nothing of it is kept.

use super::lexer::{LexError, Lexer, Token};
use super::values::{takes, values};
use super::{Row, Source, SourceError};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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

/// What a statement is about, as far as it was read.
enum Statement {
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
fn head<R: Read>(lexer: &mut Lexer<R>) -> Result<Statement, LexError> {
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

/// The values of a line of `COPY`.
fn fields(line: &str) -> Row {
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
mod tests {
    use super::{Dump, DumpError};
    use crate::import::{Row, Source, SourceError};
    use proptest::prelude::*;
    use std::io::Write;

    /// The columns and rows of `t`, where there is one.
    fn t(texts: &[&str]) -> Result<(Vec<String>, Vec<Row>), String> {
        let files: Vec<_> = texts
            .iter()
            .map(|text| {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(text.as_bytes()).unwrap();
                file
            })
            .collect();
        let names: Vec<_> = files.iter().map(|file| file.path().to_str().unwrap().to_owned()).collect();
        let without_file = |error: DumpError| error.problem.to_string();
        let mut dump = Dump::scan(&names, |name| name.starts_with('t'), |_, _| {}).map_err(without_file)?;
        let Some(columns) = dump.open("t").unwrap() else { return Ok((Vec::new(), Vec::new())) };
        let mut rows = Vec::new();
        loop {
            match dump.row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break,
                Err(SourceError::Dump(error)) => return Err(without_file(error)),
                Err(error) => panic!("{error}"),
            }
        }
        let (done, total) = dump.progress();
        assert!(done <= total);
        Ok((columns, rows))
    }

    fn shown(rows: &[Row]) -> Vec<Vec<&str>> {
        rows.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect()).collect()
    }

    #[test]
    fn inserts_and_copies_give_the_same_rows() {
        let schema = "--\n-- Name: t; Type: TABLE\n--\nCREATE TABLE public.t (\n id integer NOT NULL,\n \"primary\" boolean \
                      DEFAULT (1 > 0),\n note character varying(9) NOT NULL,\n CONSTRAINT c CHECK ((id > 0)),\n price numeric(4,2)\n);\n";
        let inserts = "INSERT INTO public.t VALUES (1, true, 'it''s; a -- \\n', -2.50), (2, false, '', NULL);\n\
                       INSERT INTO public.other VALUES (DEFAULT);";
        let copy = "COPY public.t (id, \"primary\", note, price) FROM stdin;\n1\ttrue\tit's; a -- \\\\n\t-2.50\n2\tfalse\t\t\\N\n\\.\n\nSELECT 1;";
        let one = t(&[&format!("{schema}{inserts}")]).unwrap();
        assert_eq!(one, t(&[&format!("\\restrict x\n{schema}{copy}")]).unwrap());
        assert_eq!(one, t(&[schema, copy]).unwrap(), "in two files");
        assert_eq!(one, t(&[schema, &copy.replace('\n', "\r\n")]).unwrap(), "from another system");
        assert_eq!(one.0, ["id", "primary", "note", "price"]);
        assert_eq!(shown(&one.1), [["1", "true", "it's; a -- \\n", "-2.50"], ["2", "false", "", "NULL"]]);
    }

    #[test]
    fn columns_that_are_named_may_stand_in_another_order() {
        let text = "CREATE TABLE t (a int, b int); INSERT INTO t (b, a) OVERRIDING SYSTEM VALUE VALUES (2, 1) ON CONFLICT DO NOTHING;";
        assert_eq!(shown(&t(&[text]).unwrap().1), [["1", "2"]]);
        let alone = "insert into only_this.t (a, b) values (E'x\\'y', $tag$it's$tag$)";
        assert_eq!(shown(&t(&[alone]).unwrap().1), [["x'y", "it's"]]);
    }

    #[test]
    fn rows_of_one_table_may_stand_between_others_in_many_files() {
        let (some, more) = (
            "INSERT INTO t VALUES (1);;\nINSERT INTO t VALUES (2);\nCOPY t2 (a) FROM stdin;\n9\n\\.\n",
            "COPY t (a) FROM stdin;\n3\n\\.\n-- t\nINSERT INTO t2 VALUES (8);\nCOPY t (a) FROM stdin;\n\\.\nCOPY t (a) FROM stdin;\n4",
        );
        let rows = t(&["CREATE TABLE t (a int);", some, more]).unwrap().1;
        assert_eq!(shown(&rows), [["1"], ["2"], ["3"], ["4"]]);
    }

    #[test]
    fn a_long_dump_is_read_across_the_edges_of_its_buffer() {
        let text = |n: usize| format!("{n}'' \\ \"x\" ü {}", "y".repeat(n * 7 % 131));
        let inserts =
            |n: usize| format!("INSERT INTO t VALUES ('{}');\n/* ; */ INSERT INTO u VALUES ($${n}$$);", text(n));
        let all = format!("CREATE TABLE t (a text);{}", (0..5000).map(inserts).collect::<String>());
        let rows = t(&[&all]).unwrap().1;
        assert_eq!(rows.len(), 5000);
        assert!(rows.iter().enumerate().all(|(n, row)| row[0].as_deref() == Some(&*text(n).replace("''", "'"))));
    }

    #[test]
    fn backslashes_escape_where_the_dump_says_so() {
        let text =
            |sql: &str| t(&[&format!("CREATE TABLE t (a text);\n{sql}")]).map(|(_, rows)| rows[0][0].clone().unwrap());
        let off =
            r"SET standard_conforming_strings = off; INSERT INTO t2 VALUES (1); INSERT INTO t VALUES ('a\\b\n\'');";
        for (sql, value) in [
            (r"INSERT INTO t VALUES ('a\\b\n');", r"a\\b\n"),
            (r"SET standard_conforming_strings = on; INSERT INTO t VALUES ('a\\b');", r"a\\b"),
            (off, "a\\b\n'"),
            (r"INSERT INTO t VALUES (E'\b\f\r\x41\101\u00e9\U0001F511\q\'\ü');", "\u{8}\u{c}\rAA\u{e9}\u{1F511}q'ü"),
            ("INSERT INTO t VALUES ('x'::character varying);", "x"),
        ] {
            assert_eq!(text(&sql.replace("t2 VALUES", "u VALUES")).as_deref(), Ok(value), "{sql}");
        }
        assert!(text(r"INSERT INTO t VALUES (E'\ud800');").is_err());
    }

    /// As SQLite's shell writes texts of several lines, before and since 3.50.
    #[test]
    fn a_dump_of_sqlite_is_read() {
        let schema = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS \"t\" (\"id\" integer NOT NULL, \
                      \"primary\" bool NOT NULL, \"a\" text);\n";
        for (value, text) in [
            (r"replace('line1\012line2\n','\012',char(10))", "line1\nline2\\n"),
            (r"replace(replace('a\r\nb','\r',char(13)),'\n',char(10))", "a\r\nb"),
            (r"unistr('a\u000ab\\c\+01f511')", "a\nb\\c\u{1F511}"),
        ] {
            let dump = format!("{schema}INSERT INTO t VALUES(-1,0,{value});\nINSERT INTO t VALUES(2,1,NULL);\nCOMMIT;");
            assert_eq!(shown(&t(&[&dump]).unwrap().1), [["-1", "0", text], ["2", "1", "NULL"]], "{value}");
        }
        for value in ["lower('x')", "char(55296)", "replace('a',NULL,'b')", r"unistr('\u12')", "char("] {
            assert!(t(&[&format!("{schema}INSERT INTO t VALUES(1,1,{value});")]).is_err(), "{value}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("\n\nINSERT INTO t VALUES (1);", 3),
            ("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1, 2);", 2),
            ("CREATE TABLE t (a int);\n\nINSERT INTO t SELECT 1;", 3),
            ("INSERT INTO t VALUES ('open", 1),
            ("CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\t2\n\\.\n", 3),
            ("PGDMP\u{1}", 1),
        ] {
            assert!(t(&[text]).unwrap_err().starts_with(&format!("line {line}: ")), "{text}");
        }
        let latin = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(latin.path(), b"COPY t (a) FROM stdin;\nJ\xfcrgen\n\\.\n").unwrap();
        let name = latin.path().to_str().unwrap().to_owned();
        let mut dump = Dump::scan(&[name], |_| true, |_, _| {}).unwrap();
        dump.open("t").unwrap().unwrap();
        assert!(dump.row().unwrap_err().to_string().contains("--encoding=UTF8"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(INSERT INTO t |VALUES|COPY t |FROM stdin;|CREATE TABLE t |[(),;'\"$E\\\\.\n\t-]|\\PC){0,40}") {
            let _ = t(&[&text]);
        }

        #[test]
        fn any_text_comes_back(text in "[^\0]{0,40}") {
            let sql = format!("CREATE TABLE t (a text); INSERT INTO t VALUES ('{}');", text.replace('\'', "''"));
            let written = t(&[&sql]).unwrap().1;
            prop_assert_eq!(written[0][0].as_deref(), Some(&*text));
            let line = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
            let copied = t(&[&format!("COPY t (a) FROM stdin;\n{line}\n\\.\n")]).unwrap().1;
            prop_assert_eq!(copied[0][0].as_deref(), Some(&*text));
        }
    }
}
