//! What people log in with besides a password or a provider: the codes of an authenticator app, and recovery codes.
//!
//! Who has one is asked for it at each login; who must have one ([`Settings`]) and has none sets it up at their next login. Secrets are
//! encrypted with a key of the configuration: whoever has the database alone makes no codes.

pub mod totp;

use crate::directory::encryption::{SealError, Sealer};
use crate::directory::{Directory, StoreError, UserKey};
use crate::facts::Snapshot;
use crate::id::UserId;
use crate::secret::{SecretError, SecretSource};
use std::sync::Arc;
use thiserror::Error;
use totp::{TotpSecret, recovery_codes, recovery_digest};

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What secrets are encrypted with.
    pub key: SecretSource,
    /// Who must have one.
    pub staff: bool,
    pub superusers: bool,
    /// Slugs of organizations whose members must.
    pub organizations: Vec<Box<str>>,
}

#[derive(Debug, Error)]
pub enum SetupError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("identity.mfa.key: {0}")]
    Seal(#[from] SealError),
}

/// What somebody must show before they are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Nothing,
    /// A code.
    Code,
    /// They must have a second factor, and have none yet.
    Enrolment,
}

pub struct SecondFactors {
    settings: Settings,
    sealer: Sealer,
    store: Arc<Directory>,
}

impl SecondFactors {
    /// As configured.
    ///
    /// # Errors
    /// The key is not there, or is too short.
    pub fn new(settings: Settings, store: Arc<Directory>) -> Result<Self, SetupError> {
        let sealer = Sealer::new(&settings.key.text()?)?;
        Ok(Self { settings, sealer, store })
    }

    /// Whether somebody must have one.
    #[must_use]
    pub fn must_have(&self, user: &Snapshot) -> bool {
        let Settings { key: _, staff, superusers, organizations } = &self.settings;
        let is_of = |slug: &str| user.memberships().iter().any(|of| of.organization.slug.as_str() == slug);
        *staff && user.user.is_staff
            || *superusers && user.user.is_superuser
            || organizations.iter().any(|slug| is_of(slug))
    }

    /// What somebody must show who has just shown their password, or comes from a provider.
    ///
    /// # Errors
    /// The store fails.
    pub async fn demand(&self, user: UserId) -> Result<Demand, StoreError> {
        if self.has(user).await? {
            return Ok(Demand::Code);
        }
        let found = self.store.snapshot_by(&UserKey::Id(user)).await?;
        Ok(if found.is_some_and(|found| self.must_have(&found)) { Demand::Enrolment } else { Demand::Nothing })
    }

    /// Whether somebody has set one up.
    ///
    /// # Errors
    /// The store fails.
    pub async fn has(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.store.second_factor(user).await?.is_some_and(|factor| factor.is_confirmed))
    }

    /// The secret that somebody sets up, which stays the same until they have; `None` for who has.
    ///
    /// # Errors
    /// The store fails, or the system has no randomness.
    pub async fn offered(&self, user: UserId) -> Result<Option<TotpSecret>, StoreError> {
        for _ in 0..2 {
            match self.store.second_factor(user).await? {
                Some(factor) if factor.is_confirmed => return Ok(None),
                Some(factor) => match self.open(user, &factor.sealed) {
                    Some(secret) => return Ok(Some(secret)),
                    // Of a key that is not there any more.
                    None => drop(self.store.drop_offered(user).await?),
                },
                None => {}
            }
            let secret = TotpSecret::generate().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let sealed = self.sealer.seal(user, &secret.text());
            let sealed = sealed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.store.begin_second_factor(user, sealed).await?;
        }
        Err(StoreError::Unavailable("a second factor changes while it is set up".to_owned()))
    }

    /// Ends the set-up with a code of the app: the recovery codes, shown this once; `None` where the code is none.
    ///
    /// # Errors
    /// As [`SecondFactors::offered`].
    pub async fn confirm(&self, user: UserId, code: &str) -> Result<Option<Vec<String>>, StoreError> {
        let Some(factor) = self.store.second_factor(user).await?.filter(|factor| !factor.is_confirmed) else {
            return Ok(None);
        };
        let Some(step) = self.open(user, &factor.sealed).and_then(|secret| secret.step(code)) else { return Ok(None) };
        let codes = recovery_codes().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (codes, digests) = codes.into_iter().unzip();
        let is_kept = self.store.confirm_second_factor(user, factor.sealed, step, digests).await?;
        Ok(is_kept.then_some(codes))
    }

    /// Whether this is a code of theirs, of the app or a recovery code, that was not used: it is now.
    ///
    /// # Errors
    /// The store fails.
    pub async fn takes(&self, user: UserId, code: &str) -> Result<bool, StoreError> {
        if let Some(digest) = recovery_digest(code) {
            return self.store.use_recovery_code(user, digest).await;
        }
        let Some(factor) = self.store.second_factor(user).await?.filter(|factor| factor.is_confirmed) else {
            return Ok(false);
        };
        let Some(secret) = self.open(user, &factor.sealed) else {
            tracing::error!(%user, "a second factor cannot be decrypted: is `identity.mfa.key` another than before?");
            return Ok(false);
        };
        match secret.step(code) {
            Some(step) => self.store.use_step(user, step).await,
            None => Ok(false),
        }
    }

    fn open(&self, user: UserId, sealed: &[u8]) -> Option<TotpSecret> {
        TotpSecret::of_text(self.sealer.open(user, sealed)?.expose())
    }
}
