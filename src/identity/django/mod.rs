//! Sessions of Django's: its cookie says here, too, whose request it is.
//!
//! Django keeps a session in its database, in its cache or in the cookie itself, and lets nobody know when one ends. So where one is
//! kept is looked at for each request, and what stands there is the name under which memory knows whose it is: a session that is gone
//! counts no longer at once, and what a user may do is as old as anywhere else. A session is somebody's where it has the digest of their
//! password under Django's secret, as Django itself wants it.

mod pickle;
mod signing;

use super::Identity;
use crate::clock;
use crate::directory::{Directory, StoreError, UserKey};
use crate::fact_cache::{Found, KeyGeneration, Kind, Lookup};
use crate::id::UserId;
use crate::password::Passwords;
use crate::redis::Redis;
use crate::secret::{SecretError, SecretSource};
use arc_swap::ArcSwap;
use data_encoding::HEXLOWER;
use redis::Value;
use secrecy::SecretString;
use serde_json::Map;
use sha2::{Digest, Sha256};
use signing::Keys;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The purposes that Django's secret is used for here.
const OF_STORE: &str = "django.contrib.sessions.SessionStoresigner";
const OF_COOKIES: &str = "django.contrib.sessions.backends.signed_cookiessigner";
const OF_PASSWORDS: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// A session that is larger is nobody's.
const LONGEST: usize = 1 << 20;

/// Where Django keeps its sessions: `SESSION_ENGINE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// `db`, and `cached_db`, which writes them there too.
    #[default]
    Database,
    Cache,
    SignedCookies,
}

/// Django's settings of sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key: Option<SecretSource>,
    pub fallbacks: Vec<SecretSource>,
    pub engine: Engine,
    /// `SESSION_COOKIE_NAME`.
    pub cookie: Box<str>,
    /// `SESSION_COOKIE_AGE`, which ends those that are kept in cookies.
    pub age: Duration,
    /// The table of those in the database, quoted.
    pub table: String,
    /// How keys of those in the cache begin.
    pub prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: None,
            fallbacks: Vec::new(),
            engine: Engine::default(),
            cookie: "sessionid".into(),
            age: Duration::from_secs(14 * 86_400),
            table: String::new(),
            prefix: String::new(),
        }
    }
}

impl Settings {
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        self.key.iter().chain(&self.fallbacks)
    }

    /// What verifies sessions.
    ///
    /// # Errors
    /// A secret is not there.
    pub(super) fn verifier(&self) -> Result<Verifier, SecretError> {
        let secrets = self.secrets().map(SecretSource::text).collect::<Result<Vec<SecretString>, _>>()?;
        let salt = if self.engine == Engine::SignedCookies { OF_COOKIES } else { OF_STORE };
        let (sessions, passwords) = (Keys::new(salt, &secrets), Keys::new(OF_PASSWORDS, &secrets));
        Ok(Verifier { sessions, passwords, life: Arc::default() })
    }
}

/// Django's secrets as they are now.
pub(super) struct Verifier {
    sessions: Keys,
    passwords: Keys,
    /// What they signed is good as long as this lives.
    life: Arc<KeyGeneration>,
}

/// The way to them.
pub(super) struct DjangoSessions {
    settings: Settings,
    verifier: ArcSwap<Verifier>,
    /// Where they are in the cache.
    cache: Option<Arc<Redis>>,
}

/// A session as it is kept.
struct Kept {
    bytes: Vec<u8>,
    /// It is over from this second (Unix) on.
    expires_at: i64,
}

/// Whose a session says that it is.
struct Session {
    user: UserId,
    /// The digest of their password.
    digest: String,
    /// Whether it began with a password (openwisp-users says so in it).
    by_password: bool,
    expires_at: i64,
}

impl Session {
    fn of(map: &Map<String, serde_json::Value>, expires_at: i64) -> Option<Self> {
        let text = |key: &str| map.get(key).and_then(serde_json::Value::as_str);
        text("_auth_user_backend")?;
        Some(Self {
            user: UserId(Uuid::parse_str(text("_auth_user_id")?).ok()?),
            digest: text("_auth_user_hash")?.to_owned(),
            by_password: map.get("openwisp_password_based_login").is_some_and(|said| *said == true),
            expires_at,
        })
    }
}

impl DjangoSessions {
    pub(super) fn new(settings: &Settings, cache: Option<Arc<Redis>>) -> Result<Self, SecretError> {
        let verifier = ArcSwap::from_pointee(settings.verifier()?);
        Ok(Self { settings: settings.clone(), verifier, cache })
    }

    /// From now on these secrets count.
    pub(super) fn believe(&self, verifier: Verifier) {
        self.verifier.swap(Arc::new(verifier)).life.end();
    }

    /// Whether a cookie may be the name of a session at all.
    pub(super) fn may_be(&self, cookie: &str) -> bool {
        match self.settings.engine {
            Engine::SignedCookies => cookie.contains(':'),
            // As Django makes them.
            _ => {
                (8..=64).contains(&cookie.len()) && cookie.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            }
        }
    }

    /// What is kept under a cookie's name now.
    async fn kept(&self, store: &Directory, cookie: &str) -> Result<Option<Kept>, StoreError> {
        match self.settings.engine {
            Engine::SignedCookies => Ok(Some(Kept { bytes: cookie.as_bytes().to_vec(), expires_at: i64::MAX })),
            Engine::Database => {
                let found = store.django_session(&self.settings.table, cookie).await?;
                Ok(found.map(|(text, expires_at)| Kept { bytes: text.into_bytes(), expires_at }))
            }
            Engine::Cache => {
                let away = || StoreError::Unavailable("Django's cache does not answer".to_owned());
                let key = format!("{}django.contrib.sessions.cache{cookie}", self.settings.prefix);
                let redis = self.cache.as_ref().ok_or_else(away)?;
                match redis.ask(redis::cmd("GET").arg(key)).await.map_err(|_| away())? {
                    Value::BulkString(bytes) => Ok(Some(Kept { bytes, expires_at: i64::MAX })),
                    _ => Ok(None),
                }
            }
        }
    }

    /// Whose a kept session says that it is; `None` where it says nobody, or is none of Django's.
    fn read(&self, verifier: &Verifier, kept: &Kept) -> Option<Session> {
        if kept.bytes.len() > LONGEST {
            return None;
        }
        if self.settings.engine == Engine::Cache {
            return Session::of(&pickle::dictionary(&kept.bytes)?, kept.expires_at);
        }
        let (json, made) = verifier.sessions.loads(std::str::from_utf8(&kept.bytes).ok()?)?;
        let expires_at = match self.settings.engine {
            Engine::SignedCookies => made.saturating_add(i64::try_from(self.settings.age.as_secs()).ok()?),
            _ => kept.expires_at,
        };
        Session::of(&serde_json::from_slice(&json).ok()?, expires_at)
    }
}

impl Identity {
    /// Whose a session of Django's is: as memory has it, where that which is kept is the same as then.
    pub(super) async fn django_session(&self, cookie: &str) -> Lookup {
        let Some(sessions) = &self.django else { return Lookup::Unknown };
        let kept = match sessions.kept(&self.store, cookie).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return Lookup::Unknown,
            Err(error) => {
                tracing::warn!(%error, "a session of Django's cannot be looked at");
                return Lookup::Unavailable;
            }
        };
        // No cookie is like that, so that none is good because of what is kept.
        let name = format!("={}", HEXLOWER.encode(&Sha256::digest(&kept.bytes)));
        if let Some(known) = self.fact_cache.remembered(Kind::Django, name.as_bytes(), clock::monotonic()) {
            return known;
        }
        let verifier = sessions.verifier.load_full();
        let Some(session) = sessions.read(&verifier, &kept) else { return Lookup::Unknown };
        // It holds what it works with itself, so that whoever waits for it may go from thread to thread.
        let (store, passwords) = (Arc::clone(&self.store), self.passwords);
        let look = async move || whose(&store, passwords, &verifier, &session).await;
        self.fact_cache.load_by(Kind::Django, &name, look).await
    }

    /// The same, as the store says now.
    ///
    /// # Errors
    /// The store fails, or Django's cache.
    pub async fn of_django_session(&self, cookie: &str) -> Result<Option<Found>, StoreError> {
        let Some(sessions) = &self.django else { return Ok(None) };
        let Some(kept) = sessions.kept(&self.store, cookie).await? else { return Ok(None) };
        let verifier = sessions.verifier.load_full();
        let Some(session) = sessions.read(&verifier, &kept) else { return Ok(None) };
        let found = whose(&self.store, self.passwords, &verifier, &session).await?;
        Ok(found.filter(|found| found.expires_at > clock::unix_seconds()))
    }
}

/// Whose a session is.
async fn whose(
    store: &Directory,
    passwords: Passwords,
    verifier: &Verifier,
    session: &Session,
) -> Result<Option<Found>, StoreError> {
    let Some(found) = store.revocation(&UserKey::Id(session.user)).await? else { return Ok(None) };
    // A new password ends all sessions, as it does in Django.
    if !verifier.passwords.is_digest(found.password().as_bytes(), &session.digest) {
        return Ok(None);
    }
    let chosen = found.password_updated.filter(|_| session.by_password);
    Ok(Some(Found {
        expires_at: session.expires_at,
        password_until: passwords.until(chosen, found.snapshot.user.is_staff).unwrap_or(i64::MAX),
        life: Some(Arc::clone(&verifier.life)),
        ..Found::of(Arc::new(found.snapshot))
    }))
}
