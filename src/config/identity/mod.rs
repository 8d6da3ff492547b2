//! `identity:` — who may say who they are, and how.
//!
//! Each scheme has a file: `jwt`, `sesame`, `session`; how people log in is in [`super::accounts`].

mod jwt;
mod sesame;
mod session;

pub use jwt::{JwtIssuer, JwtKeys};
pub use sesame::SesameSettings;

use super::secret::SecretSource;
use crate::identity::session::Settings as Session;
use crate::policy::{Scheme, Schemes};
use crate::yaml::{Findings, Map, Node};
use std::path::Path;

/// The section, checked; secrets are read when a process starts to serve.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Issuers of JWTs.
    pub jwt: Vec<JwtIssuer>,
    /// Sesame tokens, where they are taken.
    pub sesame: Option<SesameSettings>,
    /// Sessions, where they are taken.
    pub session: Option<Session>,
}

impl Identity {
    /// The schemes that are served: opaque tokens always, the others where something is said of them.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        let said = [
            (Scheme::Jwt, !self.jwt.is_empty()),
            (Scheme::Sesame, self.sesame.is_some()),
            (Scheme::Session, self.session.is_some()),
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
        of_issuers.chain(secrets.filter_map(SecretSource::file))
    }
}

/// The keys of `identity` that are read here.
pub(super) const KEYS: [&str; 3] = ["jwt", "sesame", "session"];

/// Reads the section; what was reported is left out.
pub(super) fn read(node: &Node, map: &Map, base: &Path, findings: &mut Findings) -> Identity {
    let mut identity = Identity::default();
    if let Some(node) = map.get("jwt") {
        identity.jwt = jwt::read(node, base, findings);
    }
    if let Some(node) = map.get("session") {
        identity.session = Some(session::read(node, findings));
    }
    if let Some(node) = map.get("sesame") {
        identity.sesame = sesame::read(node, base, findings);
    }
    if let Some(sesame) = &identity.sesame
        && sesame.exchange
        && identity.session.is_none()
    {
        findings
            .error("missing_key", node.span, "`exchange` makes sessions, and `identity` has no `session`")
            .help("write `session: {}`");
    }
    identity
}
