//! Where the values of secrets are, and reading them when they are needed.
//!
//! They are read when a process starts to serve and not when a configuration is checked: a policy can be checked where its
//! secrets are not.

use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Longest secret, in bytes.
const MAX_LENGTH: u64 = 8 * 1024;

/// A secret: its name, and where its value is.
#[derive(Clone, Debug)]
pub struct SecretSource {
    pub name: Box<str>,
    place: Place,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// In this variable of the environment.
    Env(Box<str>),
    File(PathBuf),
    /// Written in the configuration, against advice.
    Literal(SecretString),
}

/// Why a secret has no value. Says where it was looked for, never what was found.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment does not have it.
    #[error("the secret `{0}` is not there: the environment has no `{1}`")]
    NoVariable(Box<str>, Box<str>),
    /// The file cannot be read.
    #[error("the secret `{name}` is not there: cannot read {path}: {source}")]
    NoFile { name: Box<str>, path: PathBuf, source: std::io::Error },
    /// It is empty, longer than 8 KiB, or has characters that a header cannot carry.
    #[error("the secret `{0}` is empty, too long, or has characters that a header cannot carry")]
    Unfit(Box<str>),
    /// The configuration does not declare it.
    #[error("the policy names the secret `{0}`, which `secrets` does not declare")]
    Undeclared(Box<str>),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
}

/// A password that is read again for each connection. While it cannot be read the last one stands, and the server says so if it is
/// not right any more.
#[derive(Debug)]
pub struct Renewed {
    source: SecretSource,
    last: Mutex<SecretString>,
}

impl Renewed {
    /// The password that is there.
    ///
    /// # Errors
    /// There is none now.
    pub fn new(source: &SecretSource) -> Result<Self, SecretError> {
        Ok(Self { last: Mutex::new(source.text()?), source: source.clone() })
    }

    /// As it is now.
    #[must_use]
    pub fn current(&self) -> SecretString {
        match self.source.text() {
            Ok(password) => self.last.lock().clone_from(&password),
            Err(error) => tracing::warn!(%error, "the database is told the password that was read last"),
        }
        self.last.lock().clone()
    }
}

impl SecretSource {
    /// The secret of this name, which is there.
    #[must_use]
    pub fn new(name: &str, place: Place) -> Self {
        Self { name: name.into(), place }
    }

    /// The file that it is in, where it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Env(_) | Place::Literal(_) => None,
        }
    }

    /// The value as a header carries it.
    ///
    /// # Errors
    /// It is not there, or a header cannot carry it.
    pub fn header(&self) -> Result<HeaderValue, SecretError> {
        let text = self.text()?;
        let text = text.expose_secret();
        let fits = text.trim() == text && text.is_ascii();
        let value = HeaderValue::from_str(text).ok().filter(|_| fits);
        value.ok_or_else(|| SecretError::Unfit(self.name.clone()))
    }

    /// The value, without the line's end that editors put behind it.
    ///
    /// # Errors
    /// It is not there, is empty or too long.
    pub fn text(&self) -> Result<SecretString, SecretError> {
        let text = match &self.place {
            Place::Literal(text) => text.clone(),
            Place::Env(variable) => std::env::var(&**variable)
                .map(SecretString::from)
                .map_err(|_| SecretError::NoVariable(self.name.clone(), variable.clone()))?,
            Place::File(path) => read_file(path).map_err(|source| SecretError::NoFile {
                name: self.name.clone(),
                path: path.clone(),
                source,
            })?,
        };
        let text = text.expose_secret().trim_end_matches(['\r', '\n']);
        let fits = !text.is_empty() && text.len() as u64 <= MAX_LENGTH;
        if fits { Ok(text.into()) } else { Err(SecretError::Unfit(self.name.clone())) }
    }
}

fn read_file(path: &Path) -> std::io::Result<SecretString> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_LENGTH + 2).read_to_string(&mut text)?;
    Ok(text.into())
}
