//! Batch files: one JSON object a line, its fields named as the flags of the command. Empty lines are passed over.
//!
//! All lines are one transaction. Errors name the file and the line: all mistakes of the lines at once, and of what the directory refuses
//! the first.

use crate::directory::token::quoted;
use crate::directory::{BatchError, DirectoryError};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, Read};

/// Mistakes that are named, at most; the others are counted.
const NAMED: usize = 100;

/// What is wrong with a batch: all of it that can be told without the directory.
#[derive(Debug)]
pub struct Mistakes {
    source: String,
    /// Lines from 1, and what is wrong in them.
    lines: Vec<(usize, String)>,
}

impl Mistakes {
    /// For people, one a line.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let named = self.lines.iter().take(NAMED).map(|(line, problem)| format!("{}:{line}{problem}", self.source));
        let more = self.lines.len().saturating_sub(NAMED);
        named.chain((more > 0).then(|| format!("{}: {more} more lines with mistakes", self.source))).collect()
    }

    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let told = |(line, problem): &(usize, String)| {
            // Behind a line its column may stand.
            let problem = problem.split_once(": ").map_or(problem.as_str(), |(_, problem)| problem);
            serde_json::json!({ "line": line, "message": problem })
        };
        self.lines.iter().map(told).collect()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lines().join("; "))
    }
}

impl std::error::Error for Mistakes {}

/// The items of a batch, and where they stood.
#[derive(Debug)]
pub struct Batch<T> {
    source: String,
    /// The line of each item, from 1.
    lines: Vec<usize>,
    /// The items in order.
    items: Vec<T>,
    /// Lines that are no items, and what is wrong there.
    mistakes: Vec<(usize, String)>,
}

impl<T> Batch<T> {
    /// Checks and converts every item.
    ///
    /// # Errors
    /// [`Mistakes`]: all lines that are no items, or do not convert.
    pub fn convert<U>(self, mut convert: impl FnMut(T) -> Result<U, DirectoryError>) -> anyhow::Result<Batch<U>> {
        let Self { source, lines, items, mut mistakes } = self;
        let mut converted = Vec::with_capacity(items.len());
        for (item, line) in items.into_iter().zip(&lines) {
            match convert(item) {
                Ok(item) => converted.push(item),
                // Then the lines are not to blame.
                Err(error @ DirectoryError::Store(_)) => return Err(error.into()),
                Err(error) => mistakes.push((*line, format!(": {error}"))),
            }
        }
        if mistakes.is_empty() {
            return Ok(Batch { source, lines, items: converted, mistakes });
        }
        mistakes.sort_by_key(|(line, _)| *line);
        Err(Mistakes { source, lines: mistakes }.into())
    }

    /// Takes the items out; the batch still knows the lines.
    pub fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.items)
    }

    /// Says where the item stood that was refused. A failure of the store concerns no line.
    pub fn locate(&self, error: BatchError) -> anyhow::Error {
        let line = self.lines.get(error.index);
        match (line, error.error) {
            (Some(line), error) if !matches!(error, DirectoryError::Store(_)) => {
                anyhow::Error::new(error).context(format!("{}:{line}", self.source))
            }
            (_, error) => error.into(),
        }
    }
}

/// Reads a batch from a file, or from stdin where the path is `-`.
///
/// # Errors
/// It cannot be read.
pub fn read<T: DeserializeOwned>(path: &str) -> anyhow::Result<Batch<T>> {
    let text = read_text(path)?;
    let source = if path == "-" { "stdin" } else { path };
    let mut batch = Batch { source: source.to_owned(), lines: Vec::new(), items: Vec::new(), mistakes: Vec::new() };
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(item) => {
                batch.lines.push(number);
                batch.items.push(item);
            }
            Err(error) => {
                // serde_json counts lines too, and always says the first.
                let told = error.to_string();
                let told = told.split(" at line ").next().unwrap_or_default();
                batch.mistakes.push((number, format!(":{}: {told}", error.column())));
            }
        }
    }
    Ok(batch)
}

/// Reads all of a text file, or of stdin where the path is `-`.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub fn read_text(path: &str) -> anyhow::Result<String> {
    if path == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", quoted(path)))
}
