//! Templates that an installation has in a folder of its own: of letters, and of what stands around pages.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A template is no longer, in bytes.
const LONGEST: u64 = 256 << 10;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error("cannot read the templates in {0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// A file that is none of those that are looked for.
    #[error("{0} is none of the templates that are known")]
    Unknown(PathBuf),
}

/// The names, in lower case, and the texts of a folder's templates, all of which are known.
///
/// # Errors
/// See [`FolderError`].
pub fn read(folder: &Path, is_known: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, FolderError> {
    let unreadable = |error| FolderError::Unreadable(folder.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // A mounted volume has links of its own.
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if !is_known(name) {
            return Err(FolderError::Unknown(path));
        }
        if std::fs::metadata(&path).map_err(unreadable)?.len() > LONGEST {
            return Err(unreadable(io::Error::other(format!("{name} is longer than 256 KiB"))));
        }
        files.push((name.to_ascii_lowercase(), std::fs::read_to_string(&path).map_err(unreadable)?));
    }
    Ok(files)
}
