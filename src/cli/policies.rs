//! Policy files for the author's tools: read, checked, or told why not.

use super::output::Patient;
use crate::policy::{self, Names, Policy};
use crate::telemetry::log::takes_colour;
use crate::yaml::{self, Findings};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where a tool writes: its result, everything else, and whether the result may be coloured.
pub struct Pages<'w> {
    pub out: &'w mut dyn Write,
    pub err: &'w mut dyn Write,
    /// A person reads the first.
    pub colour: bool,
}

/// Why a tool ends early: an exit code, after all was said.
pub enum Early {
    Exit(u8),
    /// Nothing can be written any more.
    Pipe(io::Error),
}

impl From<io::Error> for Early {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

impl Early {
    /// The exit code, or the error of the pipe.
    ///
    /// # Errors
    /// What was written could not be.
    pub fn code(self) -> io::Result<u8> {
        match self {
            Self::Exit(code) => Ok(code),
            Self::Pipe(error) => Err(error),
        }
    }
}

impl Pages<'_> {
    /// Reads a file; what cannot be read is said, and ends the tool with 2.
    pub fn read(&mut self, file: &Path) -> Result<(String, String), Early> {
        match yaml::read(file) {
            Ok(text) => Ok((file.display().to_string(), text)),
            Err(error) => {
                writeln!(self.err, "error: cannot read {}: {error}", file.display())?;
                Err(Early::Exit(2))
            }
        }
    }

    /// Says how a command is used, and ends it with 2.
    pub fn usage(&mut self, error: &str, hint: &str) -> Early {
        let said = writeln!(self.err, "error: {error}").and_then(|()| writeln!(self.err, "hint: {hint}"));
        said.map_or_else(Early::Pipe, |()| Early::Exit(2))
    }

    pub fn findings(&mut self, findings: &Findings) -> io::Result<()> {
        write!(self.err, "{}", findings.to_text(self.colour))
    }

    /// Loads policy files together; errors in them are said, and end the tool with 1. Warnings are `check`'s business.
    pub fn policy(&mut self, files: &[PathBuf], names: Option<&Names>) -> Result<Policy, Early> {
        let mut texts = Vec::with_capacity(files.len());
        for file in files {
            texts.push(self.read(file)?);
        }
        match policy::load(&texts, names) {
            Ok(policy) => Ok(policy),
            Err(findings) => {
                self.findings(&findings)?;
                Err(Early::Exit(1))
            }
        }
    }
}

/// Runs a tool on the process's own pages. A closed pipe is the reader's wish to hear no more.
pub fn on_standard_pages(run: impl FnOnce(&mut Pages<'_>) -> Result<u8, Early>) -> std::process::ExitCode {
    let colour = takes_colour(&io::stdout());
    let mut out = io::BufWriter::new(Patient(io::stdout().lock()));
    let code = run(&mut Pages { out: &mut out, err: &mut Patient(io::stderr().lock()), colour });
    let code = code.or_else(Early::code).and_then(|code| out.flush().map(|()| code));
    std::process::ExitCode::from(code.unwrap_or(1))
}
