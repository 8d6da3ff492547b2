//! Keys in files of our own, read again while they are used: JWK sets, single keys, the authorities of issuers' addresses, Django's
//! secrets. Keys that are gone take along what was remembered of them.

use super::django::Verifier;
use super::jwt::fetch;
use super::jwt::key::KeySet;
use super::jwt::one_key;
use super::jwt::ring::Ring;
use super::sesame::Sesame;
use super::settings::{JwtKeys, Settings};
use super::{Identity, SetupError, Signer};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use std::sync::Arc;

/// What was read and is not in force yet.
pub struct Loaded {
    /// By the number of the issuer.
    rings: Vec<(usize, New)>,
    sesame: Option<Signer>,
    django: Option<Verifier>,
}

enum New {
    Keys(KeySet),
    Roots(Arc<ClientConfig>),
}

impl Identity {
    /// Reads every file that these settings name, which are those that it was started with.
    ///
    /// # Errors
    /// One of them cannot be used; what is in force remains.
    pub fn read_again(&self, settings: &Settings) -> Result<Loaded, SetupError> {
        let mut rings = Vec::new();
        for (at, issuer) in settings.jwt.iter().enumerate() {
            let name = || issuer.issuer.clone();
            let new = match &issuer.keys {
                JwtKeys::File(path) => {
                    let keys = KeySet::of_file(path, &issuer.algorithms);
                    New::Keys(keys.map_err(|problem| SetupError::Set(name(), problem))?)
                }
                JwtKeys::Key(secret) => {
                    let keys = one_key(secret.text()?.expose_secret(), &issuer.algorithms);
                    New::Keys(keys.map_err(|problem| SetupError::Key(name(), problem))?)
                }
                JwtKeys::Url(_, Some(ca)) => {
                    New::Roots(fetch::tls(Some(ca)).map_err(|problem| SetupError::Certificates(name(), problem))?)
                }
                JwtKeys::Url(_, None) => continue,
            };
            rings.push((at, new));
        }
        let sesame = match &settings.sesame {
            Some(sesame) => Some(Signer::of(Sesame::new(sesame.secret()?))),
            None => None,
        };
        let django = settings.django.as_ref().map(|django| django.verifier()).transpose()?;
        Ok(Loaded { rings, sesame, django })
    }

    /// From now on these count.
    pub fn activate(&self, loaded: Loaded) {
        for (at, new) in loaded.rings {
            let Some(ring) = self.issuers.ring(at) else { continue };
            match new {
                New::Keys(keys) => ring.put(keys),
                New::Roots(roots) => ring.believe(roots),
            }
        }
        if let (Some(signer), Some((place, _))) = (loaded.sesame, &self.sesame) {
            place.swap(Arc::new(signer)).life.end();
        }
        if let (Some(verifier), Some(django)) = (loaded.django, &self.django) {
            django.believe(verifier);
        }
    }

    /// Asks the issuers' addresses for their keys now.
    pub fn fetch_again(&self) {
        self.issuers.rings().for_each(Ring::look);
    }
}
