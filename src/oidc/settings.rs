//! What the configuration says of a provider.

use crate::claims::ClaimName;
use crate::secret::SecretSource;
use std::path::PathBuf;
use std::time::Duration;

/// How the token endpoint is told who we are (RFC 6749, 2.3.1), where there is a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`
    #[default]
    Basic,
    /// `client_secret_post`
    Post,
}

/// A provider of OpenID Connect that people log in at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What our paths call it.
    pub name: Box<str>,
    /// What people read.
    pub label: Box<str>,
    /// What `iss` must be, byte for byte; its discovery document is below.
    pub issuer: Box<str>,
    pub client_id: Box<str>,
    /// `None`: a public client, which PKCE alone protects.
    pub client_secret: Option<SecretSource>,
    pub client_auth: ClientAuth,
    /// With blanks between; `openid` is among them.
    pub scopes: Box<str>,
    /// The claim that tells its users apart.
    pub user: ClaimName,
    /// The claim that new users are named by.
    pub username: ClaimName,
    /// Whether somebody who is nobody here becomes a user.
    pub create_users: bool,
    /// Whether a verified e-mail address makes somebody the user who has verified the same one here.
    pub link_by_email: bool,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    /// Certificates that it is verified with, in place of the public ones.
    pub ca: Option<PathBuf>,
    /// The claim whose values `grants` name.
    pub grants_claim: ClaimName,
    pub grants: Vec<Grant>,
}

/// What somebody is here whom the claim calls so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub value: Box<str>,
    /// A member of this organization, or (`true`) a manager.
    pub organization: Option<(Box<str>, bool)>,
    /// In this group.
    pub group: Option<Box<str>>,
    /// Staff.
    pub staff: bool,
}
