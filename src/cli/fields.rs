//! What the nouns' arguments have in common.

use crate::directory::{BatchError, DirectoryError, Page, StoreError};

/// Which part of a list to show.
#[derive(clap::Args)]
pub(super) struct PageArgs {
    /// Show at most so many
    #[arg(long)]
    limit: Option<u32>,
    /// Pass over so many first
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

impl From<PageArgs> for Page {
    fn from(args: PageArgs) -> Self {
        Self { limit: args.limit, offset: args.offset }
    }
}

/// A value that may be absent; empty counts as absent.
pub(super) fn filled<T>(
    value: Option<String>,
    check: impl FnOnce(&str) -> Result<T, DirectoryError>,
) -> Result<Option<T>, DirectoryError> {
    value.filter(|text| !text.is_empty()).map(|text| check(&text)).transpose()
}

/// A change of a value that may be absent; empty clears.
pub(super) fn clearable<T>(
    value: Option<String>,
    check: impl FnOnce(&str) -> Result<T, DirectoryError>,
) -> Result<Option<Option<T>>, DirectoryError> {
    value.map(|text| filled(Some(text), check)).transpose()
}

/// What was made; or, where it could not be made because there is one and that is enough, that one, as `found` finds it.
pub(super) async fn made_or_found<R>(
    made: Result<Vec<R>, BatchError>,
    enough: bool,
    found: impl Future<Output = Result<Option<R>, DirectoryError>>,
) -> Result<(R, Made), DirectoryError> {
    let error = match made {
        Ok(made) => match made.into_iter().next() {
            Some(made) => return Ok((made, Made::Now)),
            None => return Err(StoreError::Broken("a record was made and is not there".to_owned()).into()),
        },
        Err(BatchError { error, .. }) => error,
    };
    // Where it is something else that is taken, that is the reason to tell.
    if enough
        && error.is_there_already()
        && let Ok(Some(found)) = found.await
    {
        return Ok((found, Made::Before));
    }
    Err(error)
}

/// When a record was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// By this command.
    Now,
    /// Earlier.
    Before,
}

impl Made {
    /// What to tell of it.
    pub fn told(self, now: String, what: &str) -> String {
        match self {
            Self::Now => now,
            Self::Before => format!("{what} is there already"),
        }
    }
}
