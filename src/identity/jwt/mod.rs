//! JWTs of configured issuers: whose signature is good, and whose subject is somebody.
//!
//! [`token`] takes one apart, [`key`] verifies, [`ring`] keeps an issuer's keys ([`mod@fetch`] gets them), [`principal`] says who it is:
//! a user of the directory, or somebody who is in the claims alone. The signature is verified with keys that were parsed
//! once. `jsonwebtoken` reads JWKs; it would parse the key again for each token, so aws-lc-rs verifies.

pub mod fetch;
pub mod key;
pub mod principal;
pub mod ring;
pub mod strict;
pub mod token;

use crate::directory::Directory;
use crate::fact_cache::{FactCache, Found, KeyGeneration, Kind, Lookup};
use key::{Algorithm, Key, KeySet};
use principal::Principal;
use ring::{Fresh, Pace, Ring, Source};
use std::sync::Arc;
use std::time::Duration;
use token::{Fault, Parts};

/// An issuer, as it is configured and checked.
pub struct Issuer {
    /// What `iss` must be, byte for byte.
    pub name: Box<str>,
    /// What `aud` must be or contain; `None`: anything, which was said in so many words.
    pub audiences: Option<Box<[Box<str>]>>,
    pub algorithms: Box<[Algorithm]>,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    pub principal: Principal,
    pub ring: Arc<Ring>,
}

/// A token whose signature is good and whose time is now.
struct Verified<'t> {
    issuer: usize,
    parts: Parts<'t>,
    expires_at: i64,
    life: Arc<KeyGeneration>,
}

/// Why a token is not verified.
enum Unverified {
    /// It never will be.
    Refused(Fault),
    /// It was made with a key that this issuer is not known to have, and would be refused so.
    NoKey(usize, Fault),
}

#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

impl Issuers {
    /// These issuers; `control` is where their keys are fetched.
    #[must_use]
    pub fn start(issuers: Vec<Issuer>, control: &tokio::runtime::Handle) -> Self {
        for issuer in &issuers {
            control.spawn(Arc::clone(&issuer.ring).follow());
        }
        Self(issuers)
    }

    /// The keys of the issuer with that number.
    #[must_use]
    pub fn ring(&self, number: usize) -> Option<&Ring> {
        self.0.get(number).map(|issuer| &*issuer.ring)
    }

    /// The keys of all issuers.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.0.iter().map(|issuer| &*issuer.ring)
    }

    fn verify<'t>(&self, token: &'t str) -> Result<Verified<'t>, Unverified> {
        let parts = Parts::of(token).map_err(Unverified::Refused)?;
        let name = parts.text("iss").ok_or(Unverified::Refused(Fault::Issuer))?;
        let found = self.0.iter().enumerate().find(|(_, issuer)| &*issuer.name == name);
        let (at, issuer) = found.ok_or(Unverified::Refused(Fault::Issuer))?;
        if !issuer.algorithms.contains(&parts.algorithm) {
            return Err(Unverified::Refused(Fault::Algorithm));
        }
        // What has expired, or is for somebody else, needs no arithmetic.
        let leeway = i64::try_from(issuer.leeway.as_secs()).unwrap_or_default();
        let now = crate::clock::unix_seconds();
        let expires_at = parts.in_force(issuer.audiences.as_deref(), leeway, now).map_err(Unverified::Refused)?;
        let life = {
            let keys = issuer.ring.keys();
            let mut meant = keys.meant(parts.key.as_deref()).peekable();
            if meant.peek().is_none() {
                return Err(Unverified::NoKey(at, Fault::Key));
            }
            let made = |key: &&Arc<Key>| key.verifies(parts.algorithm, parts.message.as_bytes(), &parts.signature);
            meant.find(made).map(|key| Arc::clone(&key.life))
        };
        match life {
            Some(life) => Ok(Verified { issuer: at, parts, expires_at, life }),
            // It names no key, and perhaps means one that is not here yet.
            None if parts.key.is_none() => Err(Unverified::NoKey(at, Fault::Signature)),
            None => Err(Unverified::Refused(Fault::Signature)),
        }
    }

    /// Whose token it is, and remembers it.
    pub async fn resolve(&self, fact_cache: &FactCache, store: &Directory, token: &str) -> Lookup {
        let verified = match self.verify(token) {
            Err(Unverified::NoKey(at, fault)) => match self.renewed(at).await {
                Fresh::Down => return Lookup::Unavailable,
                Fresh::Same => Err(fault),
                Fresh::Look => self.verify(token).map_err(|problem| match problem {
                    Unverified::Refused(fault) | Unverified::NoKey(_, fault) => fault,
                }),
            },
            Err(Unverified::Refused(fault)) => Err(fault),
            Ok(verified) => Ok(verified),
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(fault) => {
                tracing::debug!(%fault, "a JWT is refused");
                return Lookup::Refused(fault.code());
            }
        };
        self.person(fact_cache, store, token, verified).await
    }

    async fn renewed(&self, at: usize) -> Fresh {
        match self.0.get(at) {
            Some(issuer) => issuer.ring.refresh().await,
            None => Fresh::Same,
        }
    }

    async fn person(&self, fact_cache: &FactCache, store: &Directory, token: &str, verified: Verified<'_>) -> Lookup {
        let Verified { issuer, parts, expires_at, life } = verified;
        let Some(issuer) = self.0.get(issuer) else { return Lookup::Unknown };
        let Some(who) = issuer.principal.of(&issuer.name, &parts) else {
            tracing::debug!(fault = %Fault::Subject, "a JWT is refused");
            return Lookup::Refused(Fault::Subject.code());
        };
        let claims = Arc::new(parts.said);
        let found = |whose| Found {
            expires_at,
            claims: Some(Arc::clone(&claims)),
            life: Some(Arc::clone(&life)),
            ..Found::of(whose)
        };
        // The same person with another token: nothing has to be asked. What is in the claims alone is each token's own.
        let key = who.key();
        let whose = match &key {
            Some(key) => match fact_cache.remembered(Kind::Subject, key.as_bytes(), crate::clock::monotonic()) {
                Some(Lookup::Known(known)) => Lookup::Known(known),
                _ => fact_cache.load_subject(key, async || who.read(store).await).await,
            },
            None => {
                let look = async || {
                    let one = who.read(store).await?;
                    Ok(one.map(|one| Found { of_organizations: true, ..found(one.snapshot) }))
                };
                fact_cache.load_by(Kind::Jwt, token, look).await
            }
        };
        match whose {
            Lookup::Known(known) if key.is_some() => {
                fact_cache.adopt(Kind::Jwt, token, &known, found(Arc::clone(&known.snapshot)))
            }
            Lookup::Unknown => Lookup::Refused(Fault::User.code()),
            other => other,
        }
    }
}

/// A public key in PEM, or an HMAC secret.
///
/// # Errors
/// See [`key::KeyError`].
pub fn one_key(text: &str, algorithms: &[Algorithm]) -> Result<KeySet, key::KeyError> {
    Key::of_text(text, algorithms).map(KeySet::one)
}

/// Keys that the configuration says where they are, each by itself.
///
/// # Errors
/// See [`key::KeyError`].
pub fn fixed(issuer: &str, text: &str, algorithms: &[Algorithm]) -> Result<Ring, key::KeyError> {
    let keys = one_key(text, algorithms)?;
    let never = Duration::MAX;
    let pace = Pace { usual: never, asked: never, keep: never };
    Ok(Ring::new(issuer, Source::Fixed, algorithms.into(), pace, keys))
}
