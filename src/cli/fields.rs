//! What the nouns' arguments have in common.

use crate::directory::{DirectoryError, Page};

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
