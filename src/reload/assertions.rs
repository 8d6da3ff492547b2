//! The keys that sign assertions, read again when their files change.

use super::{Reloadable, Swap, Trouble};
use crate::assertion::{Assertions, Keys};
use crate::config::Config;
use crate::secret::SecretSource;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reloads what signs, with the settings that it was started with.
pub struct AssertionKeys(pub Arc<Assertions>);

impl Reloadable for AssertionKeys {
    fn name(&self) -> &'static str {
        "assertion"
    }

    fn keys(&self) -> &'static [&'static str] {
        // The files alone.
        &[]
    }

    fn files(&self, _: &Config) -> Vec<PathBuf> {
        self.0.settings().sources().filter_map(SecretSource::file).map(Path::to_owned).collect()
    }

    fn load(&mut self, _: &Config) -> Result<Option<Swap>, Trouble> {
        let keys = Keys::read(self.0.settings()).map_err(Trouble::new)?;
        if !keys.differ(&self.0) {
            return Ok(None);
        }
        let assertions = Arc::clone(&self.0);
        Ok(Some(Box::new(move || assertions.put(keys))))
    }
}
