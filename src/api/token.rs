//! `POST /api/v1/users/token/`: a password for a token.
//!
//! No credential is looked at. The order is the reference's: representation, limit, method, body, fields, password. Under
//! `compat: openwisp` a user gets the same token each time; otherwise a new one, shown this once.

use super::error::ApiError;
use super::operation::{self, Done};
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::fields::{FieldErrors, TextField};
use crate::compat::openwisp::{body, negotiate};
use crate::decision::Reason;
use crate::directory::name::Text;
use crate::directory::token::Token;
use crate::directory::{DirectoryError, NewScope, NewSealedToken, NewToken, SealedToken, Viewer};
use crate::id::UserId;
use crate::login::{Attempt, LoginError};
use crate::second_factor::Demand;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

const USERNAME: TextField = TextField { name: "username", required: true, trim: true };
const PASSWORD: TextField = TextField { name: "password", required: true, trim: false };
const ORGANIZATION: TextField = TextField { name: "organization", required: false, trim: true };
const REFUSED: &str = "Unable to log in with provided credentials.";

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let done = operate(&api, client.0, request).await;
    operation::answer(&api, done)
}

async fn operate(api: &Api, Client(client): Client, request: Request) -> Result<Done, ApiError> {
    let (parts, body) = request.into_parts();
    negotiate::negotiate(parts.uri.query(), &parts.headers)?;
    let limit = api.login.limits().request(client).await.map_err(operation::throttled)?;
    if let Some(description) = operation::method(&parts.method, DESCRIPTION)? {
        return Ok((limit, description));
    }
    let fields = body::read(&parts, body).await?;
    let mut errors = FieldErrors::default();
    let username = USERNAME.read(&fields, &mut errors);
    let password = PASSWORD.read(&fields, &mut errors);
    let organization = if api.login.per_organization() { ORGANIZATION.read(&fields, &mut errors) } else { None };
    let (Some(identifier), Some(password), true) = (username, password, errors.is_empty()) else {
        return Err(ApiError::of_fields(errors));
    };
    let attempt = Attempt { identifier, password: password.into(), organization, client };
    let person = api.login.check(attempt).await.map_err(of_login)?;
    if let Some(factors) = &api.second_factors {
        let demand = factors.demand(person.user).await.map_err(|error| of_login(error.into()))?;
        if demand != Demand::Nothing {
            let reason = Reason::SecondFactorRequired;
            return Err(ApiError::Forbidden(reason, reason.detail()));
        }
    }
    let token = issue(api, person.user).await?;
    Ok((limit, json!({ "token": token.expose() }).to_string()))
}

fn of_login(error: LoginError) -> ApiError {
    match error {
        LoginError::Wrong => ApiError::of_fields(FieldErrors::of_all(REFUSED)),
        LoginError::Throttled(wait) => ApiError::Throttled { wait, state: None },
        LoginError::Busy(_) => ApiError::Busy,
        LoginError::Store(error) => {
            tracing::warn!(%error, "a login fails");
            ApiError::Unavailable
        }
    }
}

/// The token of somebody who has just logged in.
async fn issue(api: &Api, user: UserId) -> Result<Token, ApiError> {
    let issued = match &api.sealer {
        Some(sealer) => same_again(api, sealer, user).await,
        None => another(api, user).await,
    };
    issued.map_err(|error| {
        tracing::warn!(%error, "a token cannot be issued");
        // Deleted in this very moment.
        match error {
            IssueError::Directory(DirectoryError::NotFound { .. }) => ApiError::of_fields(FieldErrors::of_all(REFUSED)),
            _ => ApiError::Unavailable,
        }
    })
}

#[derive(Debug, thiserror::Error)]
enum IssueError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Store(#[from] crate::directory::StoreError),
    #[error(transparent)]
    Seal(#[from] crate::directory::encryption::SealError),
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the token that is kept cannot be decrypted: is `identity.token.key` another than before?")]
    Unreadable,
}

async fn another(api: &Api, user: UserId) -> Result<Token, IssueError> {
    let token = Token::generate(api.store.checksum_key())?;
    let lifetime = api.lifetime.map(|lifetime| i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    let new = NewToken {
        user: user.into(),
        digest: token.digest(),
        name: Text::new("name", "login")?,
        expires_at: lifetime.map(|lifetime| clock::unix_seconds().saturating_add(lifetime)),
        scope: NewScope::default(),
    };
    let store = api.store.as_seen_by(Viewer::Oneself(user));
    store.create_tokens(vec![new]).await.map_err(|error| error.error)?;
    Ok(token)
}

async fn same_again(
    api: &Api,
    sealer: &crate::directory::encryption::Sealer,
    user: UserId,
) -> Result<Token, IssueError> {
    let known = api.store.sealed_token(user).await?;
    let unreadable = match known {
        Some(SealedToken { token, sealed }) => match sealer.open(user, &sealed) {
            Some(open) => return Ok(open),
            None => Some(token),
        },
        None => None,
    };
    let token = Token::generate_plain()?;
    let sealed = sealer.seal(user, token.expose())?;
    let new = NewSealedToken { user, digest: token.digest(), sealed, instead_of: unreadable };
    // Two logins at once: whoever comes second gets the first one's.
    let kept = api.store.create_sealed_token(new).await?;
    sealer.open(user, &kept.sealed).ok_or(IssueError::Unreadable)
}

/// What `OPTIONS` tells, in the reference's order.
pub(super) const DESCRIPTION: &str = concat!(
    r#"{"name":"Obtain Auth Token","description":"","renders":["application/json","text/html"],"#,
    r#""parses":["application/x-www-form-urlencoded","multipart/form-data","application/json"],"actions":{"POST":{"#,
    r#""username":{"type":"string","required":true,"read_only":false,"label":"Username"},"#,
    r#""password":{"type":"string","required":true,"read_only":false,"label":"Password"},"#,
    r#""token":{"type":"string","required":false,"read_only":true,"label":"Token"}}}}"#
);
