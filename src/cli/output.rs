//! What a command says: results on stdout, everything else on stderr, and the exit status.
//!
//! Results are JSON where `--json` asks for it; otherwise aligned columns with a header on a terminal, and bare
//! tab-separated values into a pipe. Control characters of stored text never reach a terminal.

use super::batch::Mistakes;
use super::store::Missing;
use super::usage::{NoArgument, NoTerminal};
use crate::directory::DirectoryError;
use crate::directory::{postgres, sqlite};
use crate::password::validate::UnfitPassword;
use crate::yaml::Findings;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

const UNFIT: &str = "choose another one; `validators` and `min_length` of `identity.passwords` say what is looked at";

/// The exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or yes.
    Ok,
    /// 1: refused, failed, or no.
    No,
    /// 2: the command was not understood.
    Usage,
    /// 3: what was to be made is there already.
    Exists,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Exists => 3,
        })
    }
}

/// A result that can be shown. Its JSON has a stable shape.
pub trait Record: Serialize {
    /// The fields that a list shows.
    const COLUMNS: &'static [&'static str];
    /// Those that it shows behind them where some record has one.
    const COLUMNS_IF_ANY: &'static [&'static str] = &[];

    /// All fields, in the order in which one record is shown.
    fn fields() -> Vec<&'static str> {
        Self::COLUMNS.to_vec()
    }
}

pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    terminal: bool,
    json: bool,
    /// What is to be said of an operation besides, once it is done.
    aside: Option<String>,
}

impl Output {
    /// The process's own stdout and stderr.
    #[must_use]
    pub fn standard() -> Self {
        let terminal = io::stdout().is_terminal();
        Self::new(Box::new(io::BufWriter::new(Patient(io::stdout()))), Box::new(io::stderr()), terminal)
    }

    /// Any two writers; `terminal` says that a person reads the first.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, terminal: bool) -> Self {
        Self { out, err, terminal, json: false, aside: None }
    }

    /// Whether results are JSON from now on.
    pub fn set_json(&mut self, json: bool) {
        self.json = json;
    }

    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Says this of the next operation, besides its outcome, when it is done.
    pub fn set_aside(&mut self, note: String) {
        self.aside = Some(note);
    }

    /// Shows one record, a field a line.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub fn show<R: Record>(&mut self, record: &R) -> anyhow::Result<()> {
        if self.json {
            return self.write_json(record);
        }
        let fields = R::fields();
        let cells = cells(record, &fields)?;
        let rows = fields.iter().zip(cells).map(|(field, cell)| vec![(*field).to_owned(), cell]).collect();
        self.write_rows(rows)
    }

    /// Shows records, one a line; a JSON array.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub fn list<R: Record>(&mut self, records: &[R]) -> anyhow::Result<()> {
        if self.json {
            return self.write_json(records);
        }
        let columns = [R::COLUMNS, R::COLUMNS_IF_ANY].concat();
        let mut rows = Vec::with_capacity(records.len() + 1);
        let mut shown = R::COLUMNS.len();
        for record in records {
            let row = cells(record, &columns)?;
            let filled = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            shown = shown.max(filled);
            rows.push(row);
        }
        if self.terminal {
            rows.insert(0, columns.iter().map(|column| column.to_uppercase()).collect());
        }
        rows.iter_mut().for_each(|row: &mut Vec<String>| row.truncate(shown));
        self.write_rows(rows)
    }

    /// Shows the outcome of an operation on a record: the whole record as JSON; otherwise `plain` alone on stdout, for
    /// scripts, where there is any, and `note` on stderr, for people.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub fn done<R: Record>(&mut self, record: &R, plain: Option<&str>, note: &str) -> anyhow::Result<()> {
        if self.json {
            return self.write_json(record);
        }
        if let Some(plain) = plain {
            writeln!(self.out, "{plain}")?;
            self.out.flush()?;
        }
        if let Some(aside) = self.aside.take() {
            self.note(&aside);
        }
        self.note(note);
        Ok(())
    }

    pub fn note(&mut self, text: &str) {
        // Who closed stderr does not want to know.
        let _ = writeln!(self.err, "{}", printable(text));
    }

    /// Says why a command failed, and what to do about it.
    pub fn failure(&mut self, error: &anyhow::Error) -> Exit {
        // Who reads no further (`| head`) is content.
        let pipe = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
        if error.chain().any(|e| e.downcast_ref().is_some_and(pipe)) {
            return Exit::Ok;
        }
        if self.json {
            let _ = writeln!(self.err, "{}", json_error(code(error), error, hint(error).as_deref()));
        } else {
            // Of a batch, each mistake is a line of its own.
            match error.downcast_ref::<Mistakes>() {
                Some(mistakes) => mistakes.to_lines().iter().for_each(|line| self.note(&format!("error: {line}"))),
                None => self.note(&format!("error: {}", chain(error))),
            }
            if let Some(hint) = hint(error) {
                self.note(&format!("hint: {hint}"));
            }
        }
        exit_of(error)
    }

    fn write_json<T: Serialize + ?Sized>(&mut self, value: &T) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value).map_err(io::Error::from)?;
        writeln!(self.out)?;
        Ok(self.out.flush()?)
    }

    fn write_rows(&mut self, rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|at| widest(at).unwrap_or(0)).collect();
        for row in &rows {
            let line = if self.terminal {
                let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
                padded.collect::<Vec<_>>().join("  ")
            } else {
                row.join("\t")
            };
            writeln!(self.out, "{}", if self.terminal { line.trim_end() } else { &line })?;
        }
        Ok(self.out.flush()?)
    }
}

/// Writes to a reader who may go away (`| head`): what is left is for nobody, and the command ends as it would have.
#[derive(Debug)]
pub struct Patient<W>(pub W);

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_gone(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_gone(self.0.flush(), ())
    }
}

fn unless_gone<T>(written: io::Result<T>, all: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(all),
        written => written,
    }
}

/// Says something to people on standard error; who closed it does not want to know.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// How a command ends that failed so: a value on the command line that is none is wrong usage, what is there already is told apart, and
/// whatever else happened is a no.
#[must_use]
pub fn exit_of(error: &anyhow::Error) -> Exit {
    // What stands in a file is named with its place, and is no word of the command's.
    let outermost = error.chain().next().and_then(|cause| cause.downcast_ref::<DirectoryError>());
    let is_wrong = outermost.is_some_and(|error| matches!(error, DirectoryError::Invalid { .. }));
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<DirectoryError>());
    match (causes.any(DirectoryError::is_there_already), is_wrong || is_usage(error)) {
        (true, _) => Exit::Exists,
        (false, true) => Exit::Usage,
        (false, false) => Exit::No,
    }
}

/// Whether this process was asked for JSON, so that what fails before its arguments are understood is told so too.
#[must_use]
pub fn json_asked() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// An error as `--json` tells it, on one line.
#[must_use]
pub fn json_error(code: &str, error: &anyhow::Error, hint: Option<&str>) -> String {
    let mut told = serde_json::json!({ "code": code, "message": chain(error), "hint": hint });
    if let (Some(mistakes), Some(told)) = (error.downcast_ref::<Mistakes>(), told.as_object_mut()) {
        told.insert("lines".to_owned(), mistakes.to_json());
    }
    serde_json::json!({ "error": told }).to_string()
}

/// What is wrong with a configuration, in the same manner.
#[must_use]
pub fn json_findings(findings: &Findings) -> String {
    let message = "the configuration has errors";
    let told = serde_json::json!({
        "code": "configuration", "message": message, "hint": null, "findings": findings.to_json(),
    });
    serde_json::json!({ "error": told }).to_string()
}

/// Whether the command line is wrong, for reasons that only show when it is run.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<NoTerminal>() || error.is::<NoArgument>()
}

/// What kind of error it is, for programs.
#[must_use]
pub fn code(error: &anyhow::Error) -> &'static str {
    let directory = error.chain().find_map(|e| e.downcast_ref().map(DirectoryError::code));
    match directory {
        Some(code) => code,
        None if error.is::<Mistakes>() || error.is::<UnfitPassword>() => "invalid",
        None if is_usage(error) => "usage",
        None => "failed",
    }
}

/// An error and what caused it, each said once: some say themselves what caused them.
#[must_use]
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What to do about an error, where its cause knows.
#[must_use]
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let directory = cause.downcast_ref().and_then(DirectoryError::hint);
        let file = || cause.downcast_ref().map(sqlite::OpenError::hint);
        let server = || cause.downcast_ref().map(postgres::OpenError::hint);
        let missing = || cause.downcast_ref().map(|_: &Missing| Missing::hint().to_owned());
        let password = || cause.is::<UnfitPassword>().then(|| UNFIT.to_owned());
        directory.or_else(password).or_else(file).or_else(server).or_else(missing)
    })
}

/// The values of some fields as text.
fn cells<R: Record>(record: &R, fields: &[&str]) -> anyhow::Result<Vec<String>> {
    let value = serde_json::to_value(record)?;
    let cell = |field: &&str| match value.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            let words: Vec<_> = list.iter().filter_map(Value::as_str).map(printable).collect();
            words.join(",")
        }
        Some(other) => other.to_string(),
    };
    Ok(fields.iter().map(cell).collect())
}

/// Text that neither steers a terminal nor breaks a line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Noun, StoreError};
    use std::sync::Arc;

    /// What was written, kept for the test.
    #[derive(Clone, Default)]
    struct Page(Arc<parking_lot::Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    fn output(terminal: bool) -> (Output, Page, Page) {
        let (out, err) = (Page::default(), Page::default());
        (Output::new(Box::new(out.clone()), Box::new(err.clone()), terminal), out, err)
    }

    #[derive(Serialize)]
    struct Thing {
        name: &'static str,
        size: Option<u8>,
    }

    impl Record for Thing {
        const COLUMNS: &'static [&'static str] = &["name", "size"];
    }

    const THINGS: [Thing; 2] = [Thing { name: "a", size: Some(7) }, Thing { name: "long\x1b[2J\t", size: None }];

    #[test]
    fn a_person_gets_a_table_a_pipe_gets_tabs_a_machine_gets_json() {
        let (mut output, out, _) = output(true);
        output.list(&THINGS).unwrap();
        assert_eq!(out.text(), "NAME             SIZE\na                7\nlong\\u{1b}[2J\\t\n");
        let (mut output, out, _) = super::tests::output(false);
        output.list(&THINGS).unwrap();
        output.show(&THINGS[0]).unwrap();
        assert_eq!(out.text(), "a\t7\nlong\\u{1b}[2J\\t\t\nname\ta\nsize\t7\n");
        let (mut output, out, _) = super::tests::output(true);
        output.set_json(true);
        output.show(&THINGS[0]).unwrap();
        assert_eq!(out.text(), "{\n  \"name\": \"a\",\n  \"size\": 7\n}\n");
    }

    #[test]
    fn words_of_a_list_stand_in_one_cell() {
        let listed = |list: Value| {
            #[derive(Serialize)]
            struct Listed {
                list: Value,
            }
            impl Record for Listed {
                const COLUMNS: &'static [&'static str] = &["list"];
            }
            let (mut output, out, _) = output(false);
            output.list(&[Listed { list }]).unwrap();
            out.text()
        };
        assert_eq!(listed(serde_json::json!(["a.b", "c\t"])), "a.b,c\\t\n");
        assert_eq!(listed(serde_json::json!([])), "\n");
        assert_eq!(listed(serde_json::json!([1])), "[1]\n");
    }

    #[test]
    fn a_failure_goes_to_stderr_with_its_hint() {
        let (mut output, out, err) = output(false);
        let error = DirectoryError::NotFound { noun: Noun::User, reference: "x\n".into() };
        let error = anyhow::Error::new(error).context("users.jsonl:3");
        assert_eq!(output.failure(&error), Exit::No);
        let (mut json, _, told) = super::tests::output(false);
        json.set_json(true);
        assert_eq!(json.failure(&error), Exit::No);
        let shape = serde_json::json!({ "error": {
            "code": "not_found",
            "message": "users.jsonl:3: no user `x\n`",
            "hint": "name a user by id, username or e-mail address",
        } });
        assert_eq!(serde_json::from_str::<Value>(&told.text()).unwrap(), shape);
        let expected = "error: users.jsonl:3: no user `x\\n`\nhint: name a user by id, username or e-mail address\n";
        assert_eq!((out.text().as_str(), err.text().as_str()), ("", expected));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let (mut output, _, err) = output(false);
        let gone = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(output.failure(&gone), Exit::Ok);
        let other = anyhow::Error::new(DirectoryError::Store(StoreError::Unavailable("x".into())));
        assert_eq!(output.failure(&other), Exit::No);
        assert_eq!(err.text().lines().count(), 2);
    }
}
