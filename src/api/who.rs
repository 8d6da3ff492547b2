//! Who asks: a bearer token, or the session of a browser.
//!
//! What is presented is read as the gate reads it; with `compat: openwisp` as the reference does, where a token goes before a
//! session, and what is no credential of theirs is none.

use super::Api;
use super::error::ApiError;
use super::operation::throttled;
use crate::clock;
use crate::compat::openwisp::RequestError;
use crate::decision::csrf::{self, CSRF_HEADER, CSRF_NAME, Proof};
use crate::decision::{CsrfToken, Reason};
use crate::directory::token::TokenDigest;
use crate::directory::{FactorProof, StoreError};
use crate::fact_cache::{Kind, Lookup};
use crate::facts::{Snapshot, Value};
use crate::id::UserId;
use crate::identity::cookie::cookies;
use crate::identity::credential::{self, Credential, Places, Presented};
use crate::login::limits::State as Limit;
use crate::login::{Attempt, LoginError};
use crate::policy::{Csrf, Scheme, Schemes, is_read};
use data_encoding::BASE64;
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use http::request::Parts;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const MISSING: &str = "Authentication credentials were not provided.";
const UNKNOWN: &str = "Invalid token.";
const INACTIVE: &str = "User inactive or deleted.";

pub struct Authenticated {
    pub snapshot: Arc<Snapshot>,
    /// Their session, where it is one.
    pub session: Option<String>,
    /// Their session is good for nothing but a new password.
    pub has_old_password: bool,
    /// That their session has shown a second factor.
    pub proof: Option<FactorProof>,
    /// It is good for nothing before that.
    pub lacks_second_factor: bool,
}

impl Authenticated {
    #[must_use]
    pub fn username(&self) -> &str {
        self.snapshot.user.username.as_ref().map_or("", Value::as_str)
    }
}

/// Who asks.
///
/// # Errors
/// Nobody, nobody whom we know, or a page of somebody else.
pub async fn asks(api: &Api, client: IpAddr, request: &Parts) -> Result<Authenticated, ApiError> {
    let missing = || ApiError::Unauthenticated(Reason::CredentialsMissing, MISSING);
    let (kind, text) = if api.compat { authenticate_drf(api, request)? } else { authenticate_native(api, request)? }
        .ok_or_else(missing)?;
    let asker = believed(api, client, request, kind, &text).await?;
    if kind.is_session() {
        is_ours(api, request, kind, &text)?;
    }
    Ok(asker)
}

/// Who browses: by the session of a browser, whatever else there is. With what its forms repeat: whoever changes anything for them
/// must look for it.
///
/// # Errors
/// See [`asks`].
pub async fn browses(api: &Api, client: IpAddr, request: &Parts) -> Result<(Authenticated, CsrfToken), ApiError> {
    let session = last_session(api, request).filter(|(_, cookie)| !cookie.is_empty());
    let (kind, text) = session.ok_or(ApiError::Unauthenticated(Reason::CredentialsMissing, MISSING))?;
    Ok((believed(api, client, request, kind, text).await?, CsrfToken::of(text)))
}

async fn believed(
    api: &Api,
    client: IpAddr,
    request: &Parts,
    kind: Kind,
    text: &str,
) -> Result<Authenticated, ApiError> {
    let missing = || ApiError::Unauthenticated(Reason::CredentialsMissing, MISSING);
    let asker = match look(api, client, kind, text, is_read(&request.method)).await? {
        Some(asker) if asker.snapshot.user.is_active => asker,
        // Django forgets such a session.
        _ if kind.is_session() && api.compat => return Err(missing()),
        Some(_) => return Err(ApiError::Unauthenticated(Reason::UserInactive, INACTIVE)),
        None => return Err(ApiError::Unauthenticated(Reason::CredentialsInvalid, UNKNOWN)),
    };
    if asker.lacks_second_factor {
        return Err(match kind {
            Kind::Session => {
                let reason = Reason::SecondFactorMissing;
                ApiError::Unauthenticated(reason, reason.detail())
            }
            // Django does not ask for one.
            _ => {
                let reason = Reason::SecondFactorRequired;
                ApiError::Forbidden(reason, reason.detail())
            }
        });
    }
    must_be_within(&asker.snapshot, &request.method)?;
    Ok(asker)
}

/// A token that is narrowed is good for nothing here that it is not made for: what is one's own is neither an organization's nor a
/// permission's, and what changes it is no reading.
fn must_be_within(asker: &Snapshot, method: &Method) -> Result<(), ApiError> {
    match asker.scope() {
        Some(scope) if scope.narrows_rights() || !is_read(method) => {
            Err(ApiError::Forbidden(Reason::ScopeExceeded, Reason::ScopeExceeded.detail()))
        }
        _ => Ok(()),
    }
}

/// Counts a request to what takes no credential: of its address. With `compat: openwisp`, whoever shows a session or, by Basic, a
/// password is counted by themselves, and who shows a wrong one is refused.
///
/// # Errors
/// The limit is reached, the password is wrong, or a page of somebody else sent the session.
pub async fn counts(api: &Api, client: IpAddr, request: &Parts) -> Result<Option<Limit>, ApiError> {
    let limits = api.login.limits();
    let user = if api.compat { known(api, client, request).await? } else { None };
    let counted = match user {
        Some(user) => limits.request_of(user).await,
        None => limits.request(client).await,
    };
    counted.map_err(throttled)
}

/// Who shows a session, or Basic with a password, as the reference's usual classes read them.
async fn known(api: &Api, client: IpAddr, request: &Parts) -> Result<Option<UserId>, ApiError> {
    if let Some((kind, cookie)) = last_session(api, request)
        && let Some(asker) = look(api, client, kind, cookie, false).await?
        && asker.snapshot.user.is_active
    {
        is_ours(api, request, kind, cookie)?;
        return Ok(Some(asker.snapshot.user.id));
    }
    let refused = |message| Err(ApiError::Forbidden(Reason::CredentialsInvalid, message));
    let value = request.headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let words: Vec<&str> = value.as_deref().unwrap_or_default().split_ascii_whitespace().collect();
    let text = match words.as_slice() {
        [scheme, rest @ ..] if scheme.eq_ignore_ascii_case("basic") => match rest {
            [] => return refused("Invalid basic header. No credentials provided."),
            [text] => *text,
            _ => return refused("Invalid basic header. Credentials string should not contain spaces."),
        },
        _ => return Ok(None),
    };
    let decoded = BASE64.decode(text.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((identifier, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return refused("Invalid basic header. Credentials not correctly base64 encoded.");
    };
    // A password is tried, so it counts as elsewhere: the reference lets anybody guess here without end.
    api.login.limits().request(client).await.map_err(throttled)?;
    let attempt = Attempt { identifier: identifier.to_owned(), password: password.into(), organization: None, client };
    match api.login.check(attempt).await {
        Ok(person) => Ok(Some(person.user)),
        Err(LoginError::Wrong) => refused("Invalid username/password."),
        Err(LoginError::Throttled(wait)) => Err(ApiError::Throttled { wait, state: None }),
        Err(LoginError::Busy(_)) => Err(ApiError::Busy),
        Err(LoginError::Store(error)) => {
            tracing::warn!(%error, "a login fails");
            Err(ApiError::Unavailable)
        }
    }
}

type Read<'r> = Option<(Kind, Cow<'r, str>)>;

/// One credential of the two schemes, or none.
fn authenticate_native<'r>(api: &Api, request: &'r Parts) -> Result<Read<'r>, ApiError> {
    let Places { cookie, django, .. } = api.identity.places.clone();
    let places = Places { cookie, django, ..Places::default() };
    let schemes = Schemes::default().with(Scheme::Session);
    let presented = Presented { method: &request.method, headers: &request.headers, query: None };
    match credential::read(presented, &schemes, &places) {
        Credential::None => Ok(None),
        Credential::Presented(kind, text) => match String::from_utf8(text.into_owned()) {
            Ok(text) => Ok(Some((kind, Cow::Owned(text)))),
            Err(_) => Err(ApiError::Unauthenticated(Reason::CredentialsInvalid, UNKNOWN)),
        },
        Credential::Refused(_) | Credential::NotAscii => {
            Err(ApiError::Unauthenticated(Reason::CredentialsInvalid, UNKNOWN))
        }
        Credential::Ambiguous => {
            Err(ApiError::Request(RequestError::Parse("There are several credentials.".to_owned())))
        }
    }
}

/// `Bearer` where it is one; else the session's cookie, of which the last counts.
fn authenticate_drf<'r>(api: &Api, request: &'r Parts) -> Result<Read<'r>, ApiError> {
    let refused = |message| Err(ApiError::Unauthenticated(Reason::CredentialsInvalid, message));
    // Several are one, with commas between them.
    let values: Vec<&[u8]> = request.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let value = values.join(&b","[..]);
    let is_utf8 = std::str::from_utf8(&value).is_ok();
    let value = String::from_utf8_lossy(&value);
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    match words.as_slice() {
        [scheme, rest @ ..] if scheme.eq_ignore_ascii_case("bearer") => match rest {
            [] => refused("Invalid token header. No credentials provided."),
            [_] if !is_utf8 => refused("Invalid token header. Token string should not contain invalid characters."),
            [token] => Ok(Some((Kind::Token, Cow::Owned((*token).to_owned())))),
            _ => refused("Invalid token header. Token string should not contain spaces."),
        },
        _ => {
            let session = last_session(api, request).filter(|(_, cookie)| !cookie.is_empty());
            Ok(session.map(|(kind, cookie)| (kind, Cow::Borrowed(cookie))))
        }
    }
}

/// The session's cookie, of which the last counts: ours, else Django's.
fn last_session<'r>(api: &Api, request: &'r Parts) -> Option<(Kind, &'r str)> {
    let Places { cookie, django, .. } = &api.identity.places;
    let named = [(Kind::Session, cookie), (Kind::Django, django)];
    named
        .into_iter()
        .find_map(|(kind, name)| Some((kind, cookies(&request.headers, name.as_deref()?).last().flatten()?)))
}

/// Whose it is; `None` where it is nobody's. For what only reads, as the gate knows it, within the same bound; for what changes
/// something, as the store says now. What is nobody's counts, since anybody can make a credential up; what is good does not.
async fn look(
    api: &Api,
    client: IpAddr,
    kind: Kind,
    text: &str,
    only_reads: bool,
) -> Result<Option<Authenticated>, ApiError> {
    let known = if only_reads { api.identity.remembered(kind, text) } else { None };
    if let Some(known) = known {
        return as_known(api, kind, text, known);
    }
    let Some(wanted) = api.identity.wanted(kind, text) else { return Ok(None) };
    let too_many = || ApiError::Throttled { wait: Duration::from_secs(1), state: None };
    let leave = match wanted.is_foreign() {
        true => Some(api.login.limits().ask(client).await.ok_or_else(too_many)?),
        false => None,
    };
    let found = match only_reads {
        true => as_known(api, kind, text, api.identity.of_record(&wanted).await),
        false => ask(api, kind, text).await,
    };
    if let (Ok(None), Some(leave)) = (&found, leave) {
        leave.was_nobody();
    }
    found
}

fn as_known(api: &Api, kind: Kind, text: &str, known: Lookup) -> Result<Option<Authenticated>, ApiError> {
    match known {
        Lookup::Known(known) => Ok(Some(Authenticated {
            has_old_password: api.identity.has_old_password(&known),
            proof: known.proof,
            lacks_second_factor: kind.is_session() && api.identity.lacks_second_factor(&known.snapshot, known.proof),
            session: (kind == Kind::Session).then(|| text.to_owned()),
            snapshot: Arc::clone(&known.snapshot),
        })),
        Lookup::Unknown | Lookup::Refused(_) => Ok(None),
        Lookup::Unavailable => Err(ApiError::Unavailable),
    }
}

async fn ask(api: &Api, kind: Kind, text: &str) -> Result<Option<Authenticated>, ApiError> {
    let failed = |error: StoreError| {
        tracing::warn!(%error, "nobody can tell who asks");
        ApiError::Unavailable
    };
    if kind == Kind::Session {
        return of_session(api, text).await.map_err(failed);
    }
    if kind == Kind::Django {
        let found = api.identity.of_django_session(text).await.map_err(failed)?;
        return Ok(found.map(|found| Authenticated {
            has_old_password: found.password_until <= clock::unix_seconds(),
            proof: None,
            lacks_second_factor: api.identity.lacks_second_factor(&found.snapshot, None),
            session: None,
            snapshot: found.snapshot,
        }));
    }
    let found = api.store.token_snapshot(&TokenDigest::of(text)).await.map_err(failed)?;
    let now = clock::unix_seconds();
    let found = found.filter(|found| !found.revoked && found.expires_at.is_none_or(|end| end > now));
    Ok(found.map(|found| Authenticated {
        snapshot: found.snapshot.into(),
        session: None,
        has_old_password: false,
        proof: None,
        lacks_second_factor: false,
    }))
}

/// Whose session it is, as the store says now.
///
/// # Errors
/// The store fails.
pub(super) async fn of_session(api: &Api, text: &str) -> Result<Option<Authenticated>, StoreError> {
    let now = clock::unix_seconds();
    let found = api.store.session_snapshot(&TokenDigest::of(text)).await?.filter(|found| found.expires_at > now);
    Ok(found.map(|found| Authenticated {
        has_old_password: api.identity.password_until(&found).is_some_and(|until| until <= now),
        proof: found.proof,
        lacks_second_factor: api.identity.lacks_second_factor(&found.snapshot, found.proof),
        session: Some(text.to_owned()),
        snapshot: found.snapshot.into(),
    }))
}

fn is_ours(api: &Api, request: &Parts, kind: Kind, session: &str) -> Result<(), ApiError> {
    if is_read(&request.method) {
        return Ok(());
    }
    // No page of Django's has a token of ours to repeat.
    let by = if api.compat && kind != Kind::Django { Csrf::Token } else { Csrf::default() };
    let is_secure = api.identity.sessions().is_none_or(|settings| settings.secure);
    match csrf::proof(by, &CsrfToken::of_cookie(session, is_secure), &request.headers) {
        Proof::Given => Ok(()),
        proof => Err(ApiError::Forbidden(Reason::CsrfFailed, forged(api, request, proof))),
    }
}

/// What is said of a request that no page of ours has made.
fn forged(api: &Api, request: &Parts, proof: Proof) -> &'static str {
    if !api.compat {
        return Reason::CsrfFailed.detail();
    }
    let has_cookie = cookies(&request.headers, CSRF_NAME).next().is_some();
    match proof {
        Proof::OtherOrigin => "CSRF Failed: Origin checking failed.",
        _ if !has_cookie => "CSRF Failed: CSRF cookie not set.",
        _ if !request.headers.contains_key(&CSRF_HEADER) => "CSRF Failed: CSRF token missing.",
        _ => "CSRF Failed: CSRF token incorrect.",
    }
}
