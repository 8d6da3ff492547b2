//! Logins at providers of OpenID Connect, by authorization code with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9700).
//!
//! [`provider`] knows where a provider's endpoints and keys are, [`attempt`] is what a browser keeps meanwhile, [`redeem`] turns the
//! code that comes back into who it is, and [`grants()`] what a claim makes of them here. The pages are `api/provider.rs`; whom the directory
//! knows by that, `directory/provider_logins.rs`.

pub mod attempt;
pub mod counts;
mod grants;
pub mod provider;
pub mod redeem;
pub mod settings;

pub use grants::ties as grants;

use crate::identity::jwt::fetch::FetchError;
use crate::secret::SecretError;
use counts::Counts;
use provider::Provider;
use settings::Settings;
use std::sync::Arc;
use thiserror::Error;
use tokio::runtime::Handle;

/// Why a provider cannot be used as configured; that it is away is no error.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("the provider `{0}`: {1}")]
    Secret(Box<str>, SecretError),
    #[error("the provider `{0}`: {1}")]
    Roots(Box<str>, FetchError),
}

/// All providers, in the order of the configuration.
#[derive(Default)]
pub struct Providers {
    list: Vec<Arc<Provider>>,
    pub counts: Arc<Counts>,
}

impl Providers {
    /// Those of the configuration, with the tasks on `control` that look where their endpoints are. Nothing waits for these.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn start(settings: &[Settings], control: &Handle) -> Result<Self, SetupError> {
        let start = |settings: &Settings| {
            let provider = Arc::new(Provider::new(settings.clone(), control.clone())?);
            control.spawn(Arc::clone(&provider).follow());
            Ok(provider)
        };
        let list = settings.iter().map(start).collect::<Result<Vec<_>, SetupError>>()?;
        let counts = Arc::new(Counts::new(settings.iter().map(|settings| &*settings.name)));
        Ok(Self { list, counts })
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.list.iter().find(|provider| *provider.settings.name == *name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.list.iter().map(|provider| &**provider)
    }
}
