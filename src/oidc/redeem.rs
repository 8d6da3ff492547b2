//! From the code that a browser brings back to who it is: one request to the token endpoint, and an ID token that is verified
//! (OpenID Connect Core 1.0, 3.1.3.7).

use super::attempt::Attempt;
use super::provider::{ALGORITHMS, Endpoints, Provider};
use super::settings::ClientAuth;
use crate::claims::ClaimName;
use crate::clock;
use crate::identity::jwt::fetch;
use crate::identity::jwt::ring::Fresh;
use crate::identity::jwt::token::{Fault, Parts};
use data_encoding::BASE64;
use http::header::HeaderValue;
use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Longest name of somebody, in bytes.
const LONGEST: usize = 255;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why nobody is logged in. For the log: people are told less.
#[derive(Debug, Error)]
pub enum Failure {
    /// The provider does not answer as it should.
    #[error("the provider cannot be asked: {0}")]
    Away(String),
    /// The token endpoint refuses the code, or us.
    #[error("the provider gives nothing for the code: {0}")]
    Code(String),
    #[error("the ID token is refused: {0}")]
    Token(#[from] Fault),
    #[error("the ID token is refused: {0}")]
    Claim(&'static str),
}

/// Who somebody is, by an ID token that is verified.
pub struct Subject {
    /// What tells them from all others of the provider.
    pub key: String,
    /// Their e-mail address, where the provider has verified it.
    pub email: Option<String>,
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// The values of the claim that `grants` name.
    pub values: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Provider {
    /// Where a browser is sent to log in.
    #[must_use]
    pub fn authorization(&self, endpoints: &Endpoints, attempt: &Attempt, redirect: &str) -> String {
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", redirect),
            ("scope", &self.settings.scopes),
            ("state", &attempt.state()),
            ("nonce", &attempt.nonce()),
            ("code_challenge", &attempt.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if endpoints.authorization.query().is_some() { '&' } else { '?' };
        format!("{}{joint}{query}", endpoints.authorization)
    }

    /// Who somebody is who came back with this code.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn redeem(
        &self,
        endpoints: &Endpoints,
        attempt: &Attempt,
        code: &str,
        redirect: &str,
    ) -> Result<Subject, Failure> {
        let token = self.token(&endpoints.token, attempt, code, redirect).await?;
        self.verify(endpoints, attempt, &token).await
    }

    async fn token(&self, at: &Uri, attempt: &Attempt, code: &str, redirect: &str) -> Result<String, Failure> {
        let (id, verifier) = (&*self.settings.client_id, attempt.verifier());
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", &verifier),
        ];
        let secret = self.settings.client_secret.as_ref().map(|secret| secret.text()).transpose();
        let secret = secret.map_err(|error| Failure::Away(error.to_string()))?;
        let mut authorization = None;
        match (&secret, self.settings.client_auth) {
            (Some(secret), ClientAuth::Basic) => {
                let pair = format!("{}:{}", escaped(id), escaped(secret.expose_secret()));
                let value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair.as_bytes())));
                let mut value = value.map_err(|_| Failure::Away("the secret cannot be sent".to_owned()))?;
                value.set_sensitive(true);
                authorization = Some(value);
            }
            (Some(secret), ClientAuth::Post) => {
                fields.extend([("client_id", id), ("client_secret", secret.expose_secret())]);
            }
            (None, _) => fields.push(("client_id", id)),
        }
        let answer = fetch::post(at, &self.tls, form(&fields), authorization).await;
        let (status, body) = answer.map_err(|error| {
            self.was_away();
            Failure::Away(error.to_string())
        })?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Away(format!("the token endpoint answers {}", status.as_u16())));
        }
        if status != StatusCode::OK {
            let refusal = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
            let word = refusal.ok().filter(|word| is_word(word)).unwrap_or_else(|| "no reason".to_owned());
            return Err(Failure::Code(format!("{} {word}", status.as_u16())));
        }
        let tokens = serde_json::from_slice::<Tokens>(&body);
        let token = tokens.ok().and_then(|tokens| tokens.id_token);
        token.ok_or_else(|| Failure::Code("the answer has no ID token".to_owned()))
    }

    async fn verify(&self, endpoints: &Endpoints, attempt: &Attempt, token: &str) -> Result<Subject, Failure> {
        let parts = Parts::of(token)?;
        if !ALGORITHMS.contains(&parts.algorithm) {
            return Err(Fault::Algorithm.into());
        }
        if parts.text("iss") != Some(&*self.settings.issuer) {
            return Err(Fault::Issuer.into());
        }
        let ours = self.settings.client_id.clone();
        let leeway = i64::try_from(self.settings.leeway.as_secs()).unwrap_or_default();
        let now = clock::unix_seconds();
        parts.in_force(Some(&[ours]), leeway, now)?;
        match parts.claims.get("iat").and_then(Value::as_f64) {
            None => return Err(Failure::Claim("it does not say when it was made")),
            #[allow(clippy::cast_precision_loss)] // seconds
            Some(made) if made > now.saturating_add(leeway) as f64 => return Err(Fault::Early.into()),
            Some(_) => {}
        }
        // For whom it was made, where it is for several (Core, 2).
        let is_for_several = parts.claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        match parts.claims.get("azp") {
            None if is_for_several => {
                return Err(Failure::Claim("it is for several, and does not say for whom it was made"));
            }
            Some(azp) if azp.as_str() != Some(&*self.settings.client_id) => {
                return Err(Failure::Claim("it was made for another client"));
            }
            _ => {}
        }
        if !parts.text("nonce").is_some_and(|nonce| attempt.has_nonce(nonce)) {
            return Err(Failure::Claim("its nonce is not that of this login"));
        }
        self.signed(endpoints, &parts).await?;
        self.subject(&parts)
    }

    /// That a key of the provider has signed it; keys that are not here yet are fetched.
    async fn signed(&self, endpoints: &Endpoints, parts: &Parts<'_>) -> Result<(), Failure> {
        let has_signed = || {
            let keys = endpoints.keys.keys();
            let mut meant = keys.meant(parts.key.as_deref()).peekable();
            if meant.peek().is_none() {
                return Err(Fault::Key);
            }
            let made = meant.any(|key| key.verifies(parts.algorithm, parts.message.as_bytes(), &parts.signature));
            if made { Ok(()) } else { Err(Fault::Signature) }
        };
        match has_signed() {
            Err(Fault::Key) => match endpoints.keys.refresh().await {
                Fresh::Down => Err(Failure::Away("its keys cannot be fetched".to_owned())),
                Fresh::Same => Err(Fault::Key.into()),
                Fresh::Look => Ok(has_signed()?),
            },
            signed => Ok(signed?),
        }
    }

    fn subject(&self, parts: &Parts<'_>) -> Result<Subject, Failure> {
        let text = |claim: &ClaimName| {
            let text = parts.said.text(claim)?.into_owned();
            (!text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
        };
        let named = |name: &str| text(&ClaimName::of_value(name));
        let sub = named("sub").ok_or(Fault::Subject)?;
        let is_verified = parts.claims.get("email_verified") == Some(&Value::Bool(true));
        let email = named("email").filter(|_| is_verified);
        let key = match &self.settings.user {
            ClaimName::Name(name) if **name == *"sub" => sub,
            // Whoever can type somebody else's address at the provider is not yet somebody else. Case tells nobody apart.
            claim if claim.is("email") => {
                format!("email={}", email.as_deref().ok_or(Fault::Subject)?.to_ascii_lowercase())
            }
            // Another claim's value is not taken for a `sub`, by which JWTs of the same issuer name somebody.
            claim => format!("{claim}={}", text(claim).ok_or(Fault::Subject)?),
        };
        let values = parts.said.texts(&self.settings.grants_claim).unwrap_or_default();
        Ok(Subject {
            key,
            email,
            username: text(&self.settings.username),
            first_name: named("given_name"),
            last_name: named("family_name"),
            values: values.into_iter().map(|value| value.into_owned()).collect(),
        })
    }
}

/// A code of an error (RFC 6749, 5.2), which may stand in a log.
#[must_use]
pub fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}
