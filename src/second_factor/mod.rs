//! What people log in with besides a password or a provider: the codes of an authenticator app, and recovery codes.
//!
//! Who has one is asked for it at each login, and in each session that has not shown it; who must have one ([`Settings`]) and has none sets
//! it up there. Secrets are
//! encrypted with a key of the configuration: whoever has the database alone makes no codes.

pub mod challenge;
pub mod totp;

use crate::clock;
use crate::directory::encryption::{SealError, Sealer};
use crate::directory::{Directory, Factor, FactorProof, OrgRef, StoreError, UserKey};
use crate::facts::Snapshot;
use crate::id::UserId;
use crate::secret::{SecretError, SecretSource};
use crate::webauthn::RelyingParty;
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use thiserror::Error;
use totp::{TotpSecret, recovery_codes, recovery_digest};

/// How long a form to set an app up may lie open, in seconds.
const PATIENCE: i64 = 600;

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

impl Settings {
    /// The slugs that no organization has: nobody must have a second factor because of them.
    ///
    /// # Errors
    /// The store fails.
    pub async fn unknown_organizations(&self, store: &Directory) -> Result<Vec<&str>, StoreError> {
        let mut unknown = Vec::new();
        for slug in &self.organizations {
            if store.organization(&OrgRef::Slug(slug.to_string())).await?.is_none() {
                unknown.push(&**slug);
            }
        }
        Ok(unknown)
    }

    /// Says so in the log.
    pub async fn warn_of_unknown_organizations(self, store: Arc<Directory>) {
        match self.unknown_organizations(&store).await {
            Ok(unknown) if unknown.is_empty() => {}
            Ok(unknown) => {
                let slugs = unknown.join(", ");
                tracing::warn!(slugs, "`identity.mfa.organizations` names organizations that are not there");
            }
            Err(error) => tracing::warn!(%error, "the organizations of `identity.mfa` cannot be looked up"),
        }
    }
}

/// What the configuration says of passkeys.
#[derive(Clone, Debug)]
pub struct Passkeys {
    pub party: RelyingParty,
    /// Whether one logs in by itself, and not behind a password alone.
    pub alone: bool,
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

/// A secret that somebody may set up, and the same as only we read it.
pub struct Offer {
    pub secret: TotpSecret,
    pub sealed: String,
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

    /// Whether somebody is let in with a second factor alone: they have one, or must have one.
    #[must_use]
    pub fn asks(&self, user: &Snapshot) -> bool {
        user.has_second_factor() || self.must_have(user)
    }

    fn must_have(&self, user: &Snapshot) -> bool {
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
        let found = self.store.snapshot_by(&UserKey::Id(user)).await?;
        Ok(match found {
            Some(found) if found.has_second_factor() => Demand::Code,
            Some(found) if self.must_have(&found) => Demand::Enrolment,
            _ => Demand::Nothing,
        })
    }

    /// Whether somebody has set an app up.
    ///
    /// # Errors
    /// The store fails.
    pub async fn has_app(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.store.second_factor(user).await?.is_some())
    }

    /// A new secret, for somebody to set up. Nothing keeps it but the form that it is shown with: whoever has seen an earlier one knows
    /// nothing of what is confirmed in the end.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn offer(&self, user: UserId) -> Result<Offer, StoreError> {
        let secret = TotpSecret::generate().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let expires_at = clock::unix_seconds().saturating_add(PATIENCE);
        let sealed = self.seal(user, &format!("{expires_at}:{}", secret.text()))?;
        Ok(Offer { secret, sealed: BASE64URL_NOPAD.encode(&sealed) })
    }

    /// The same as its form gives it back; `None` where that is somebody else's, or was open for too long.
    #[must_use]
    pub fn offered(&self, user: UserId, sealed: &str) -> Option<Offer> {
        let opened = self.sealer.open(user, &BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?)?;
        let (expires_at, secret) = opened.expose().split_once(':')?;
        let secret = TotpSecret::of_text(secret)?;
        let is_in_time = clock::unix_seconds() < expires_at.parse().ok()?;
        is_in_time.then(|| Offer { secret, sealed: sealed.to_owned() })
    }

    /// Ends the set-up with a code of the app: the recovery codes, shown this once; `None` where the code is none, or they have an app.
    ///
    /// # Errors
    /// The store fails, or the system has no randomness.
    pub async fn confirm(&self, user: UserId, offer: &Offer, code: &str) -> Result<Option<Vec<String>>, StoreError> {
        let Some(step) = offer.secret.step(code) else { return Ok(None) };
        let codes = recovery_codes().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (codes, digests) = codes.into_iter().unzip();
        let sealed = self.seal(user, &offer.secret.text())?;
        let is_kept = self.store.confirm_second_factor(user, sealed, step, digests).await?;
        Ok(is_kept.then_some(codes))
    }

    /// Uses a code of theirs, of the app or a recovery code: that it was shown now. `None` where it is none, or was used before.
    ///
    /// # Errors
    /// The store fails.
    pub async fn takes(&self, user: UserId, code: &str) -> Result<Option<FactorProof>, StoreError> {
        let shown = |by| FactorProof { at: clock::unix_seconds(), by };
        if let Some(digest) = recovery_digest(code) {
            return Ok(self.store.use_recovery_code(user, digest).await?.then(|| shown(Factor::RecoveryCode)));
        }
        Ok(self.takes_step(user, code).await?.then(|| shown(Factor::App)))
    }

    async fn takes_step(&self, user: UserId, code: &str) -> Result<bool, StoreError> {
        let Some(sealed) = self.store.second_factor(user).await? else { return Ok(false) };
        let Some(secret) = self.open(user, &sealed) else {
            tracing::error!(%user, "a second factor cannot be decrypted: is `identity.mfa.key` another than before?");
            return Ok(false);
        };
        match secret.step(code) {
            Some(step) => self.store.use_step(user, step).await,
            None => Ok(false),
        }
    }

    fn seal(&self, user: UserId, text: &str) -> Result<Vec<u8>, StoreError> {
        self.sealer.seal(user, text).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    fn open(&self, user: UserId, sealed: &[u8]) -> Option<TotpSecret> {
        TotpSecret::of_text(self.sealer.open(user, sealed)?.expose())
    }
}
