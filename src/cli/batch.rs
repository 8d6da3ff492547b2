//! Batch files: one JSON object a line, its fields named as the flags of the command. Empty lines are passed over.
//!
//! All lines are one transaction. An error names the file and the line.

use crate::directory::token::quoted;
use crate::directory::{BatchError, DirectoryError};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::io::{self, Read};

/// The items of a batch, and where they stood.
#[derive(Debug)]
pub struct Batch<T> {
    source: String,
    /// The line of each item, from 1.
    lines: Vec<usize>,
    /// The items in order.
    items: Vec<T>,
}

impl<T> Batch<T> {
    /// Checks and converts every item.
    ///
    /// # Errors
    /// The first item that does not convert, with its line.
    pub fn convert<U>(self, mut convert: impl FnMut(T) -> Result<U, DirectoryError>) -> anyhow::Result<Batch<U>> {
        let Self { source, lines, items } = self;
        let mut converted = Batch { source, lines, items: Vec::with_capacity(items.len()) };
        for (index, item) in items.into_iter().enumerate() {
            match convert(item) {
                Ok(item) => converted.items.push(item),
                Err(error) => return Err(converted.locate(BatchError { index, error })),
            }
        }
        Ok(converted)
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
/// It cannot be read, or a line is not an object with known fields.
pub fn read<T: DeserializeOwned>(path: &str) -> anyhow::Result<Batch<T>> {
    let text = read_text(path)?;
    let source = if path == "-" { "stdin" } else { path };
    let mut batch = Batch { source: source.to_owned(), lines: Vec::new(), items: Vec::new() };
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let item = serde_json::from_str(line).map_err(|error| {
            // serde_json counts lines too, and always says the first.
            let told = error.to_string();
            let told = told.split(" at line ").next().unwrap_or_default();
            anyhow::anyhow!("{source}:{number}:{}: {told}", error.column())
        })?;
        batch.lines.push(number);
        batch.items.push(item);
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
