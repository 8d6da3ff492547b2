//! A credential's bytes to who sent it.
//!
//! The scheme decides, and a bad credential never falls through to another one or to "anonymous" (RFC 9110, 11.6.2;
//! RFC 6750, 2.1). [`credential`] reads what a request presents; `membership` may remember whose it is; [`Identity`] finds it
//! out where it does not: opaque tokens and the cookie of a [`session`] by asking the store, or Django ([`django`]), [`jwt`] by their signature,
//! [`sesame`] tokens by both. One cookie alone may be nobody's, as it is to its owner: that of a session of Django's.

pub mod cookie;
pub mod credential;
pub mod django;
pub mod jwt;
pub mod reload;
pub mod sesame;
pub mod session;
pub mod settings;

pub use credential::{Credential, Places, Presented, read};

use crate::directory::token::TokenDigest;
use crate::directory::{Directory, FactorProof, NewSession, SessionSnapshot, StoreError, UserKey, UserRecord};
use crate::fact_cache::{self, FactCache, Found, KeyGeneration, Kind, Known, Lookup};
use crate::facts::Snapshot;
use crate::id::UserId;
use crate::password::Passwords;
use crate::redis::Redis;
use crate::second_factor::SecondFactors;
use crate::secret::SecretError;
use arc_swap::ArcSwap;
use django::DjangoSessions;
use http::HeaderValue;
use jwt::fetch::FetchError;
use jwt::key::{KeyError, KeySet};
use jwt::principal::Who;
use jwt::ring::{Ring, Source};
use secrecy::{ExposeSecret, SecretString};
use sesame::mint::{MintError, Minted, mint};
use sesame::primary_key::Field;
use sesame::{Opened, Person, Sesame, Version};
use session::SessionToken;
use settings::{JwtIssuer, JwtKeys, Settings};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;
use tokio::runtime::Handle;

/// Who is who, by every scheme that is configured. One for the whole process.
pub struct Identity {
    fact_cache: Arc<FactCache>,
    store: Arc<Directory>,
    issuers: jwt::Issuers,
    sesame: Option<(ArcSwap<Signer>, Field)>,
    /// What sesame tokens must be made for.
    scope: Box<str>,
    session: Option<session::Settings>,
    django: Option<DjangoSessions>,
    /// How long passwords are good that sessions began with.
    passwords: Passwords,
    second_factors: Option<Arc<SecondFactors>>,
    /// Where credentials stand besides `Authorization`.
    pub places: Places,
    /// Sessions that began, since the start.
    begun: AtomicU64,
}

/// Django's secrets as they are now.
struct Signer {
    sesame: Arc<Sesame>,
    /// What they signed is good as long as this lives.
    life: Arc<KeyGeneration>,
}

impl Signer {
    fn of(sesame: Sesame) -> Self {
        Self { sesame: Arc::new(sesame), life: Arc::default() }
    }
}

/// A credential that memory does not know: what must be found out.
pub enum CredentialQuery {
    Token(fact_cache::TokenKey),
    /// Whether the signature is good, and whose it is.
    Jwt(Box<str>),
    /// Whether nothing has changed since it was made.
    Sesame(Box<str>),
    Session(Box<str>),
    /// The same of a session of Django's, which is looked at each time.
    Django(Box<str>),
    /// Nothing but who the user is now: their credential was good once, and is used up.
    User(UserId),
}

impl fmt::Debug for CredentialQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialQuery")
    }
}

impl CredentialQuery {
    /// Whether the store is asked for whatever a stranger invents: its signature, or its checksum, does not say before that it is good.
    #[must_use]
    pub const fn asks_for_strangers(&self) -> bool {
        self.is_foreign() && !matches!(self, Self::Jwt(_))
    }

    /// Not known to be one of ours: a stranger can invent it.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        match self {
            Self::Token(wanted) => wanted.foreign,
            Self::Jwt(_) | Self::Sesame(_) | Self::Session(_) | Self::Django(_) => true,
            Self::User(_) => false,
        }
    }
}

/// Why the configured schemes cannot be served.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key cannot be used.
    #[error("the key of the issuer `{0}` cannot be used: {1}")]
    Key(Box<str>, KeyError),
    /// A file of keys cannot be used.
    #[error("the keys of the issuer `{0}` cannot be used: {1}")]
    Set(Box<str>, String),
    #[error("the issuer `{0}`: {1}")]
    Certificates(Box<str>, FetchError),
}

impl Identity {
    /// Everything that the configuration says; keys are fetched on `control`. Django's sessions may be in its cache, `django_cache`.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn start(
        settings: &Settings,
        passwords: Passwords,
        fact_cache: Arc<FactCache>,
        store: Arc<Directory>,
        django_cache: Option<Arc<Redis>>,
        control: &Handle,
    ) -> Result<Self, SetupError> {
        let issuers = settings.jwt.iter().map(issuer).collect::<Result<_, _>>()?;
        let issuers = jwt::Issuers::start(issuers, control);
        let sesame = match &settings.sesame {
            Some(sesame) => {
                let signer = Signer::of(Sesame::new(sesame.secret()?));
                Some((ArcSwap::from_pointee(signer), sesame.user))
            }
            None => None,
        };
        let places = Places {
            parameter: settings.sesame.as_ref().and_then(|sesame| sesame.query.clone()),
            cookie: settings.session.as_ref().map(|session| session.cookie().into()),
            django: settings.django.as_ref().map(|django| django.cookie.clone()),
            exchange: settings.session.is_some() && settings.sesame.as_ref().is_some_and(|sesame| sesame.exchange),
        };
        let scope = settings.sesame.as_ref().map(|sesame| sesame.scope.clone()).unwrap_or_default();
        let session = settings.session.clone();
        let django = settings.django.as_ref().map(|django| DjangoSessions::new(django, django_cache)).transpose()?;
        let second_factors = None;
        Ok(Self {
            fact_cache,
            store,
            issuers,
            sesame,
            scope,
            session,
            django,
            passwords,
            second_factors,
            places,
            begun: AtomicU64::new(0),
        })
    }

    /// What must be found out of a credential; `None` where its form alone says that it is nobody's.
    #[must_use]
    pub fn wanted(&self, kind: Kind, credential: &str) -> Option<CredentialQuery> {
        match kind {
            Kind::Token if self.fact_cache.is_forged(credential) => None,
            Kind::Token => Some(CredentialQuery::Token(self.fact_cache.wanted(credential))),
            Kind::Jwt => Some(CredentialQuery::Jwt(credential.into())),
            Kind::Sesame => self.sesame.as_ref().map(|_| CredentialQuery::Sesame(credential.into())),
            Kind::Session => self.session.as_ref().map(|_| CredentialQuery::Session(credential.into())),
            Kind::Django => {
                let is_one = self.django.as_ref().is_some_and(|django| django.may_be(credential));
                is_one.then(|| CredentialQuery::Django(credential.into()))
            }
            Kind::Subject => None,
        }
    }

    /// Whose it is, where memory has it and can prove it.
    #[must_use]
    pub fn remembered(&self, kind: Kind, credential: &str) -> Option<Lookup> {
        self.fact_cache.remembered(kind, credential.as_bytes(), crate::clock::monotonic())
    }

    /// Whether somebody must choose a new password first.
    #[must_use]
    pub fn has_old_password(&self, known: &Known) -> bool {
        self.fact_cache.has_old_password(known)
    }

    /// Waits until memory has heard of everything that has changed until now, but not for long.
    pub async fn catch_up(&self) {
        self.fact_cache.hear().await;
    }

    /// Finds it out, and remembers it where it may.
    pub async fn resolve(&self, wanted: &CredentialQuery) -> Lookup {
        match wanted {
            CredentialQuery::Token(_) | CredentialQuery::Session(_) => self.of_record(wanted).await,
            CredentialQuery::Jwt(token) => self.issuers.resolve(&self.fact_cache, &self.store, token).await,
            CredentialQuery::Sesame(token) => self.sesame(token).await,
            CredentialQuery::Django(cookie) => self.django_session(cookie).await,
            CredentialQuery::User(user) => {
                let key = Who::User(UserKey::Id(*user)).key().unwrap_or_default();
                if let Some(known) =
                    self.fact_cache.remembered(Kind::Subject, key.as_bytes(), crate::clock::monotonic())
                {
                    return known;
                }
                let look = async || Ok(self.store.user_snapshot(*user).await?.map(|found| Found::of(Arc::new(found))));
                self.fact_cache.load_by(Kind::Subject, &key, look).await
            }
        }
    }

    /// The same, of what the directory has a record of: tokens and sessions.
    pub async fn of_record(&self, wanted: &CredentialQuery) -> Lookup {
        let token = match wanted {
            CredentialQuery::Token(wanted) => return self.fact_cache.load(*wanted).await,
            CredentialQuery::Session(token) => token,
            CredentialQuery::Django(cookie) => return self.django_session(cookie).await,
            _ => return Lookup::Unknown,
        };
        // It holds what it works with itself, so that whoever waits for it may go from thread to thread.
        let (store, passwords, digest) = (Arc::clone(&self.store), self.passwords, TokenDigest::of(token));
        let look = async move || {
            Ok(store.session_snapshot(&digest).await?.map(|found| Found {
                record: Some(found.session),
                expires_at: found.expires_at,
                password_until: until(passwords, &found).unwrap_or(i64::MAX),
                proof: found.proof,
                ..Found::of(Arc::new(found.snapshot))
            }))
        };
        self.fact_cache.load_by(Kind::Session, token, look).await
    }

    /// A user of the directory by what somebody calls them who may: superusers too, unlike by the word of an issuer.
    pub async fn user(&self, key: &UserKey) -> Lookup {
        let name = match key {
            UserKey::Id(id) => format!("named:id:{id}"),
            UserKey::Username(name) => format!("named:username:{name}"),
            UserKey::Email(email) => format!("named:email:{email}"),
            UserKey::ExternalId(key) => format!("named:external:{key}"),
        };
        let now = crate::clock::monotonic();
        if let Some(known) = self.fact_cache.remembered(Kind::Subject, name.as_bytes(), now) {
            return known;
        }
        // It holds what it works with itself, so that whoever waits for it may go from thread to thread.
        let (store, key) = (Arc::clone(&self.store), key.clone());
        let look = async move || Ok(store.snapshot_by(&key).await?.map(|found| Found::of(Arc::new(found))));
        self.fact_cache.load_subject(&name, look).await
    }

    /// What must be found out of a credential that `user` was let in with and that is looked at again: where it was used up
    /// by that, its user stands for it.
    #[must_use]
    pub fn wanted_again(&self, wanted: CredentialQuery, user: UserId) -> CredentialQuery {
        let is_used_up = |(signer, _): &(ArcSwap<Signer>, Field)| signer.load().sesame.settings().one_time;
        match wanted {
            CredentialQuery::Sesame(_) if self.sesame.as_ref().is_some_and(is_used_up) => CredentialQuery::User(user),
            other => other,
        }
    }

    /// Whether tokens for links are made and taken here.
    #[must_use]
    pub fn makes_links(&self) -> bool {
        self.sesame.is_some()
    }

    /// The query parameter that a token of this scope (none: the gate's own) is read from, if it logs anybody in here.
    #[must_use]
    pub fn parameter(&self, scope: Option<&str>) -> Option<&str> {
        self.places.parameter.as_deref().filter(|_| scope.is_none_or(|scope| *scope == *self.scope))
    }

    /// How long links are good, in seconds, where they have an age.
    #[must_use]
    pub fn link_age(&self) -> Option<i64> {
        self.sesame.as_ref().and_then(|(signer, _)| signer.load().sesame.settings().max_age)
    }

    /// A token for a user: it logs them in at the gate, unless it is for something else, or good for as many seconds as all are, unless
    /// others are named.
    ///
    /// # Errors
    /// None are made, or not for them.
    pub async fn mint(
        &self,
        user: &UserRecord,
        (scope, max_age): (Option<&str>, Option<i64>),
    ) -> Result<Minted, MintError> {
        let Some((signer, field)) = &self.sesame else { return Err(MintError::Unfit("there are no links".to_owned())) };
        let signer = signer.load_full();
        mint((&signer.sesame, *field), &self.store, user, (scope.unwrap_or(&self.scope), max_age)).await
    }

    /// The same, where second factors are asked for.
    #[must_use]
    pub fn with_second_factors(mut self, factors: Option<Arc<SecondFactors>>) -> Self {
        self.second_factors = factors;
        self
    }

    /// Whether a session, ours or another's, or a link, is good for nothing before its user has shown a second factor.
    #[must_use]
    pub fn lacks_second_factor(&self, user: &Snapshot, shown: Option<FactorProof>) -> bool {
        shown.is_none() && self.second_factors.as_ref().is_some_and(|factors| factors.asks(user))
    }

    /// How sessions are, where they are taken.
    #[must_use]
    pub fn sessions(&self) -> Option<&session::Settings> {
        self.session.as_ref()
    }

    /// From which second (Unix) on a session is good for nothing but a new password.
    #[must_use]
    pub fn password_until(&self, session: &SessionSnapshot) -> Option<i64> {
        until(self.passwords, session)
    }

    /// Django's secret keys, the one that signs first; none where sesame is not configured.
    #[must_use]
    pub fn django_keys(&self) -> Vec<SecretString> {
        let Some((signer, _)) = &self.sesame else { return Vec::new() };
        signer.load().sesame.settings().secret_keys.iter().map(|key| key.as_str().into()).collect()
    }

    /// Makes a session for somebody who has just said who they are, `by_password` or in another way, and perhaps shown a second factor
    /// with it, and gives its cookies. It takes the place of the `old` one.
    ///
    /// # Errors
    /// The store, or the system's randomness.
    pub async fn begin_session(
        &self,
        user: UserId,
        old: Option<&str>,
        (by_password, proof): (bool, Option<FactorProof>),
    ) -> Result<[Option<HeaderValue>; 2], StoreError> {
        let settings = self.session.clone().unwrap_or_default();
        let token = SessionToken::generate().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let lifetime = i64::try_from(settings.lifetime.as_secs()).unwrap_or(i64::MAX);
        let session = NewSession {
            user,
            digest: token.digest(),
            expires_at: crate::clock::unix_seconds().saturating_add(lifetime),
            by_password,
            proof,
            instead_of: old.map(TokenDigest::of),
        };
        self.store.create_session(session).await?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(settings.set(&token))
    }

    /// How many sessions began here, since the start.
    #[must_use]
    pub fn sessions_begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Notes that a session has shown a second factor, and gives the cookies under which it goes on: whoever has the cookie of before has
    /// shown nothing. `None` where it has ended.
    ///
    /// # Errors
    /// The store, or the system's randomness.
    pub async fn prove_session(
        &self,
        user: UserId,
        session: &str,
        proof: FactorProof,
    ) -> Result<Option<[Option<HeaderValue>; 2]>, StoreError> {
        let token = SessionToken::generate().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let digests = (TokenDigest::of(session), token.digest());
        let goes_on = self.store.prove_session(user, digests, proof).await?;
        Ok(goes_on.then(|| self.session.clone().unwrap_or_default().set(&token)))
    }

    /// Whether login links are taken.
    #[must_use]
    pub const fn takes_links(&self) -> bool {
        self.sesame.is_some()
    }

    async fn sesame(&self, token: &str) -> Lookup {
        let Some((signer, field)) = &self.sesame else { return Lookup::Unknown };
        let signer = signer.load_full();
        let sesame = &signer.sesame;
        let Some(opened) = sesame.open(token) else { return Lookup::Unknown };
        let opened = Arc::new(opened);
        let look = async || {
            let found = self.whose(sesame, *field, &opened).await?;
            Ok(found.map(|found| Found { life: Some(Arc::clone(&signer.life)), ..found }))
        };
        if sesame.settings().one_time {
            // Whoever shared its flight would share its one use.
            self.fact_cache.load_once(look).await
        } else {
            self.fact_cache.load_by(Kind::Sesame, token, look).await
        }
    }

    /// Whose an opened token is; one that is good once is used up by this.
    async fn whose(
        &self,
        sesame: &Arc<Sesame>,
        field: Field,
        opened: &Arc<Opened>,
    ) -> Result<Option<Found>, StoreError> {
        if !sesame.is_in_time(opened, None, crate::clock::unix()) {
            return Ok(None);
        }
        let Some(key) = field.user(opened.primary_key.clone()) else { return Ok(None) };
        let Some(found) = self.store.revocation(&key).await? else { return Ok(None) };
        // The directory finds an address in any case, Django the one that it is.
        if matches!(&key, UserKey::Email(named) if found.email.as_ref() != Some(named)) {
            return Ok(None);
        }
        let (password, email) = (found.password, found.email);
        let last_login = found.last_login.map(sesame::isoformat);
        let verify = {
            let (sesame, opened, scope) = (Arc::clone(sesame), Arc::clone(opened), self.scope.clone());
            move || {
                let password = password.as_ref().map(|password| password.expose_secret());
                let person = Person { password, email: email.as_deref(), last_login: last_login.as_deref() };
                sesame.is_of(&opened, person, &scope)
            }
        };
        // Version 1 hashes ten thousand times, and only for whoever has a token that was signed by us.
        let is_good = match opened.version {
            Version::V2 => verify(),
            Version::V1 => tokio::task::spawn_blocking(verify).await.unwrap_or(false),
        };
        if !is_good {
            return Ok(None);
        }
        if sesame.settings().one_time {
            let now = i64::try_from(crate::clock::unix().as_micros()).unwrap_or(i64::MAX);
            if !self.store.move_last_login(found.snapshot.user.id, found.last_login, now).await? {
                return Ok(None);
            }
        }
        let end = opened.made.zip(sesame.settings().max_age).map(|(made, age)| made.saturating_add(age));
        let found = Found::of(Arc::new(found.snapshot));
        Ok(Some(Found { expires_at: end.unwrap_or(i64::MAX), ..found }))
    }
}

fn until(passwords: Passwords, session: &SessionSnapshot) -> Option<i64> {
    passwords.until(session.password_updated.filter(|_| session.by_password), session.snapshot.user.is_staff)
}

/// What is in the way of these settings: secrets and files that are not there, or cannot be used.
#[must_use]
pub fn obstacles(settings: &Settings) -> Vec<SetupError> {
    let mut found: Vec<SetupError> = settings.jwt.iter().filter_map(|settings| issuer(settings).err()).collect();
    found.extend(settings.sesame.as_ref().and_then(|sesame| sesame.secret().err()).map(SetupError::from));
    for issuer in &settings.jwt {
        if let JwtKeys::File(path) = &issuer.keys
            && let Err(error) = std::fs::File::open(path)
        {
            found.push(SetupError::Set(issuer.issuer.clone(), format!("{}: {error}", path.display())));
        }
    }
    found
}

fn issuer(settings: &JwtIssuer) -> Result<jwt::Issuer, SetupError> {
    let JwtIssuer { issuer, audiences, algorithms, leeway, principal, keys, pace } = settings.clone();
    let ring = |source| Ring::new(&issuer, source, algorithms.clone(), pace, KeySet::default());
    let ring = match keys {
        JwtKeys::File(path) => ring(Source::File(path)),
        JwtKeys::Url(uri, ca) => {
            let tls = jwt::fetch::tls(ca.as_deref()).map_err(|e| SetupError::Certificates(issuer.clone(), e))?;
            ring(Source::Url(uri, ArcSwap::new(tls)))
        }
        JwtKeys::Key(secret) => jwt::fixed(&issuer, secret.text()?.expose_secret(), &algorithms)
            .map_err(|e| SetupError::Key(issuer.clone(), e))?,
    };
    Ok(jwt::Issuer { name: issuer, audiences, algorithms, leeway, principal, ring: Arc::new(ring) })
}
