//! Keys of the schemes by which people say who they are, read again when their files change.
//!
//! Other issuers and other files are another configuration, which counts from the next start.

use super::{Reloadable, Swap, Trouble};
use crate::config::Config;
use crate::identity::Identity;
use crate::identity::settings::Settings;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the files hold, as a digest; one that cannot be read holds nothing.
type Seen = [u8; 32];

/// Reloads the keys that an [`Identity`] was started with.
pub struct Keys {
    identity: Arc<Identity>,
    settings: Settings,
    seen: Seen,
}

impl Keys {
    /// For what was started with these settings after `seen` was looked at.
    #[must_use]
    pub fn new(identity: Arc<Identity>, settings: &Settings, seen: Seen) -> Self {
        Self { identity, settings: settings.clone(), seen }
    }

    /// What the files hold now.
    #[must_use]
    pub fn look(settings: &Settings) -> Seen {
        let mut digest = Sha256::new();
        for path in settings.files() {
            let text = std::fs::read(path).ok();
            digest.update([u8::from(text.is_some())]);
            let text = text.unwrap_or_default();
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        digest.finalize().into()
    }
}

impl Reloadable for Keys {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn keys(&self) -> &'static [&'static str] {
        // The files alone.
        &[]
    }

    fn ask(&self) {
        self.identity.fetch_again();
    }

    fn files(&self, _: &Config) -> Vec<PathBuf> {
        self.settings.files().map(Path::to_owned).collect()
    }

    fn load(&mut self, _: &Config) -> Result<Option<Swap>, Trouble> {
        let seen = Self::look(&self.settings);
        // Also where nothing has changed: a file that was missing at the start still is.
        let loaded = self.identity.read_again(&self.settings).map_err(Trouble::new)?;
        if std::mem::replace(&mut self.seen, seen) == seen {
            return Ok(None);
        }
        let identity = Arc::clone(&self.identity);
        Ok(Some(Box::new(move || identity.activate(loaded))))
    }
}
