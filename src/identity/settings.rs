//! What an installation wants of identity: which schemes, whose keys. The configuration is read into this.

use super::django;
use super::jwt::key::Algorithm;
use super::jwt::principal::Principal;
use super::jwt::ring::Pace;
use super::sesame::{self, primary_key::Field};
use super::session;
use crate::policy::{Scheme, Schemes};
use crate::secret::{SecretError, SecretSource};
use http::Uri;
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How callers may say who they are. Secrets are read when a process starts to serve.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub jwt: Vec<JwtIssuer>,
    /// Sesame tokens, where they are taken.
    pub sesame: Option<SesameSettings>,
    /// Sessions, where they are taken.
    pub session: Option<session::Settings>,
    /// Django's own sessions, where they are taken.
    pub django: Option<django::Settings>,
}

impl Settings {
    /// The schemes that are served: opaque tokens always, the others where something is said of them.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        let said = [
            (Scheme::Jwt, !self.jwt.is_empty()),
            (Scheme::Sesame, self.sesame.is_some()),
            (Scheme::Session, self.session.is_some() || self.django.is_some()),
        ];
        let said = said.into_iter().filter(|(_, is_said)| *is_said);
        said.fold(Schemes::default(), |schemes, (scheme, _)| schemes.with(scheme))
    }

    /// The files with keys and certificates.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let of_issuers = self.jwt.iter().filter_map(|issuer| match &issuer.keys {
            JwtKeys::File(path) => Some(path.as_path()),
            JwtKeys::Url(_, ca) => ca.as_deref(),
            JwtKeys::Key(secret) => secret.file(),
        });
        let secrets = self.sesame.iter().flat_map(SesameSettings::secrets);
        let of_django = self.django.iter().flat_map(django::Settings::secrets);
        of_issuers.chain(secrets.chain(of_django).filter_map(SecretSource::file))
    }
}

#[derive(Clone, Debug)]
pub struct JwtIssuer {
    /// What `iss` must be.
    pub issuer: Box<str>,
    /// What `aud` must be or contain; `None` is `any`.
    pub audiences: Option<Box<[Box<str>]>>,
    pub algorithms: Box<[Algorithm]>,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    pub principal: Principal,
    pub keys: JwtKeys,
    /// How often they are fetched.
    pub pace: Pace,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// A JWK set in a file.
    File(PathBuf),
    /// A JWK set at an address, and the certificates that its TLS is verified with, where they are not the public ones.
    Url(Uri, Option<PathBuf>),
    /// One public key in PEM, or an HMAC secret.
    Key(SecretSource),
}

#[derive(Clone, Debug)]
pub struct SesameSettings {
    /// Django's SECRET_KEY, and those before it.
    pub keys: Vec<SecretSource>,
    pub own_key: Option<SecretSource>,
    /// Everything that is no secret.
    pub settings: sesame::Settings,
    /// Which field of ours names users.
    pub user: Field,
    /// What tokens must be made for to be taken; those with no scope where it is empty.
    pub scope: Box<str>,
    /// The query parameter, where one is read.
    pub query: Option<Box<str>>,
    /// A token in the query becomes a session.
    pub exchange: bool,
}

impl SesameSettings {
    fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        self.keys.iter().chain(&self.own_key)
    }

    /// The settings with their secrets.
    ///
    /// # Errors
    /// One is not there.
    pub fn secret(&self) -> Result<sesame::Settings, SecretError> {
        let text = |secret: &SecretSource| Ok(secret.text()?.expose_secret().to_owned());
        let secret_keys = self.keys.iter().map(text).collect::<Result<_, _>>()?;
        let key = self.own_key.as_ref().map(text).transpose()?.unwrap_or_default();
        Ok(sesame::Settings { secret_keys, key, ..self.settings.clone() })
    }
}
