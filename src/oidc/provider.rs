//! Where a provider's endpoints and keys are, as its discovery document says (OpenID Connect Discovery 1.0).
//!
//! One task a provider looks, so there is never more than one look at a time, however many want to log in. Its keys are a
//! [`Ring`], as those of issuers of JWTs are.

use super::SetupError;
use super::settings::Settings;
use crate::address::Url;
use crate::identity::jwt::fetch::{self, fetch};
use crate::identity::jwt::key::{Algorithm, KeySet};
use crate::identity::jwt::ring::{Pace, Ring, Source};
use arc_swap::ArcSwap;
use http::Uri;
use rustls::ClientConfig;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// What ID tokens are signed with: asymmetric, whatever a token or a document says. `none` and HMAC are not among them.
pub const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
];
/// Between two looks at the document, where it is there and where it is not.
const USUAL: Duration = Duration::from_secs(300);
const FAILING: Duration = Duration::from_secs(10);
/// However many ask.
const AT_LEAST: Duration = Duration::from_secs(1);
const KEYS: Pace = Pace { usual: USUAL, asked: Duration::from_secs(5), keep: Duration::from_secs(24 * 3600) };

pub struct Provider {
    pub settings: Settings,
    pub(super) tls: Arc<ClientConfig>,
    state: watch::Sender<State>,
    wanted: Notify,
    control: Handle,
}

#[derive(Clone, Default)]
struct State {
    endpoints: Option<Arc<Endpoints>>,
    /// The last look was in vain.
    is_away: bool,
}

/// What the document says.
pub struct Endpoints {
    pub authorization: Uri,
    pub token: Uri,
    /// Whether answers must say of which issuer they are (RFC 9207, 3).
    pub says_issuer: bool,
    pub keys: Arc<Ring>,
    keys_at: Uri,
    follower: AbortHandle,
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl Provider {
    pub(super) fn new(settings: Settings, control: Handle) -> Result<Self, SetupError> {
        let named = settings.name.clone();
        if let Some(secret) = &settings.client_secret {
            secret.text().map_err(|error| SetupError::Secret(named.clone(), error))?;
        }
        let tls = fetch::tls(settings.ca.as_deref()).map_err(|error| SetupError::Roots(named, error))?;
        Ok(Self { settings, tls, state: watch::Sender::default(), wanted: Notify::new(), control })
    }

    /// Looks once at what it says, for a tool: how many keys it has.
    ///
    /// # Errors
    /// It cannot be reached, or used.
    pub async fn probe(settings: Settings, control: Handle) -> Result<usize, String> {
        let provider = Self::new(settings, control).map_err(|error| error.to_string())?;
        let endpoints = provider.look(None).await?;
        let json = fetch(&endpoints.keys_at, &provider.tls).await.map_err(|error| format!("its keys: {error}"))?;
        let set: serde_json::Value = serde_json::from_slice(&json).map_err(|_| "its keys are no JSON".to_owned())?;
        match set.get("keys").and_then(serde_json::Value::as_array).map_or(0, Vec::len) {
            0 => Err("it has no keys".to_owned()),
            count => Ok(count),
        }
    }

    /// Whether nobody can log in there now, as far as is known.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.state.borrow().is_away
    }

    /// Its endpoints; `None` where it says nothing, now that it is asked.
    pub async fn endpoints(&self) -> Option<Arc<Endpoints>> {
        let mut states = self.state.subscribe();
        if let Some(known) = &states.borrow_and_update().endpoints {
            return Some(Arc::clone(known));
        }
        self.wanted.notify_one();
        // A little more than a look may take.
        let _ = tokio::time::timeout(fetch::PATIENCE + Duration::from_secs(1), states.changed()).await;
        states.borrow().endpoints.clone()
    }

    /// A request to it was in vain.
    pub(super) fn was_away(&self) {
        self.state.send_modify(|state| state.is_away = true);
        self.wanted.notify_one();
    }

    /// Looks for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let name = &*self.settings.name;
        loop {
            let before = self.state.borrow().clone();
            let pause = match self.look(before.endpoints.as_ref()).await {
                Ok(endpoints) => {
                    if before.is_away {
                        tracing::info!(provider = name, "the provider of logins can be reached again");
                    }
                    self.state.send_replace(State { endpoints: Some(endpoints), is_away: false });
                    USUAL
                }
                Err(problem) => {
                    if !before.is_away {
                        tracing::warn!(provider = name, problem, "the provider of logins cannot be reached, or used");
                    }
                    self.state.send_replace(State { is_away: true, ..before });
                    FAILING
                }
            };
            tokio::time::sleep(AT_LEAST).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    async fn look(&self, before: Option<&Arc<Endpoints>>) -> Result<Arc<Endpoints>, String> {
        let issuer = &*self.settings.issuer;
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let at: Uri = at.parse().map_err(|_| "the issuer is no address".to_owned())?;
        let json = fetch(&at, &self.tls).await.map_err(|error| error.to_string())?;
        let document: Document =
            serde_json::from_slice(&json).map_err(|_| "its document lacks what must be there".to_owned())?;
        // Another's document would have another's keys believed (Discovery, 4.3).
        if document.issuer != issuer {
            return Err("its document is that of another issuer".to_owned());
        }
        if document.code_challenge_methods_supported.is_some_and(|all| !all.iter().any(|method| method == "S256")) {
            return Err("it does not take PKCE with S256".to_owned());
        }
        let [authorization, token, keys_at] =
            [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri]
                .map(|text| endpoint(text, issuer));
        let (authorization, token, keys_at) = (authorization?, token?, keys_at?);
        let says_issuer = document.authorization_response_iss_parameter_supported;
        if let Some(same) = before.filter(|before| {
            before.authorization == authorization
                && before.token == token
                && before.keys_at == keys_at
                && before.says_issuer == says_issuer
        }) {
            return Ok(Arc::clone(same));
        }
        let source = Source::Url(keys_at.clone(), ArcSwap::new(Arc::clone(&self.tls)));
        let keys = Arc::new(Ring::new(issuer, source, ALGORITHMS.into(), KEYS, KeySet::default()));
        let follower = self.control.spawn(Arc::clone(&keys).follow()).abort_handle();
        Ok(Arc::new(Endpoints { authorization, token, says_issuer, keys, keys_at, follower }))
    }
}

/// An address of the document. One that is not encrypted is believed where the configuration's own is not, and only on the same machine:
/// codes, secrets and keys would go over the network in plain text.
fn endpoint(text: &str, issuer: &str) -> Result<Uri, String> {
    let is_fit = |url: Url<'_>| {
        url.has_scheme("https") || url.has_scheme("http") && issuer.starts_with("http://") && url.server.is_loopback()
    };
    // A user or a password in it is an error of `Url`: who reads it otherwise goes to another host.
    match (Url::parse(text).is_ok_and(is_fit), text.parse()) {
        (true, Ok(uri)) => Ok(uri),
        _ => Err("an address in its document is not `https://…`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn an_address_that_is_not_encrypted_is_on_the_same_machine() {
        const HERE: &str = "http://127.0.0.1:8080";
        const THERE: &str = "https://id.example.com";
        for (text, issuer, is_fit) in [
            ("https://id.example.com/token", THERE, true),
            ("https://elsewhere.example/token?a=b", THERE, true),
            ("https://id.example.com/token", HERE, true),
            ("http://127.0.0.1:9000/token", HERE, true),
            ("http://localhost/token", HERE, true),
            ("http://[::1]:9000/token", HERE, true),
            ("http://127.0.0.1/token", THERE, false),
            ("http://id.example.com/token", THERE, false),
            ("http://id.example.com/token", HERE, false),
            ("http://10.0.0.1/token", HERE, false),
            ("http://127.0.0.1.evil.example/token", HERE, false),
            ("http://localhost@evil.example/token", HERE, false),
            ("http://127.0.0.1:80@evil.example/token", HERE, false),
            ("https://id.example.com@evil.example/token", THERE, false),
            ("https://id.example.com/token#a", THERE, false),
            ("ftp://127.0.0.1/token", HERE, false),
            ("https://", THERE, false),
            ("/token", THERE, false),
        ] {
            assert_eq!(endpoint(text, issuer).is_ok(), is_fit, "{text} of {issuer}");
        }
    }
}
