//! The identity API: what postern itself answers under `/api/v1/users/` on the data port.
//!
//! It runs on the control plane; a data-plane worker hands a request over ([`Service::call`]) once its body is here, and waits for
//! the answer like for an upstream's. [`router`] has all routes and layers in one list, by their [`paths`]; each operation and page is a
//! file ([`token`], [`login`], [`logout`], those of [`password`]).
//! What comes in is read by [`crate::compat::openwisp`] in the manner of the reference (Django REST
//! framework), whose answers clients of an existing installation know; what goes wrong becomes an answer in [`error`] alone.

mod account;
pub(crate) mod assets;
pub mod device;
mod email_page;
pub mod error;
mod factor_letter;
pub mod links;
pub mod login;
pub mod logout;
pub mod openapi;
mod operation;
mod own;
pub mod page;
mod passkey;
mod passkeys;
pub mod password;
pub mod paths;
mod provider;
pub(crate) mod rest;
pub mod router;
mod second_factor;
pub mod secret_path;
mod standing;
pub mod token;
mod trusted_login;
pub mod who;
pub mod words;

use crate::config::accounts::{Accounts, Served};
use crate::control::{Control, Unanswered};
use crate::directory::audit::Who;
use crate::directory::encryption::Sealer;
use crate::directory::{Directory, View, Viewer};
use crate::id::UserId;
use crate::identity::Identity;
use crate::limit::Shared;
use crate::login::{Login, trusted_header};
use crate::mail::Mailer;
use crate::oidc::Providers;
use crate::password::Passwords;
use crate::policy::is_read;
use crate::redis::seal::Seal;
use crate::second_factor::{Passkeys, SecondFactors};
use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use links::Links;
pub use rest::told_of_oneself;
use rest::{BeingAnswered, TagKey};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// Greatest body of a request, in bytes.
pub const LARGEST_BODY: u64 = 64 * 1024;
/// For a whole request, once its body is here.
const PATIENCE: Duration = Duration::from_secs(30);

/// From where a request came; the gateway says so, never a header.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// Who the connection is of that a request came over: its client, or a proxy in front of us.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What absolute links of an answer begin with, `https://id.example.com`: as the client asked for it.
#[derive(Clone, Debug)]
pub struct Origin(pub String);

/// What the operations work with.
pub struct Api {
    pub store: Arc<Directory>,
    pub login: Login,
    /// Makes their sessions, and knows them.
    pub identity: Arc<Identity>,
    /// Encrypts the one token of a user, under `compat: openwisp`; otherwise each login gets a new one.
    pub sealer: Option<Sealer>,
    /// How long a token of a login is good.
    pub lifetime: Option<Duration>,
    /// How passwords must be, and how long a link is good.
    pub passwords: Passwords,
    /// Sends letters, where that is configured.
    pub mail: Option<Arc<Mailer>>,
    pub links: Links,
    /// Where people log in besides.
    pub providers: Providers,
    /// What they log in with besides, where they may.
    pub second_factors: Option<Arc<SecondFactors>>,
    /// Who is told to be somebody by what is in front of us, where that is believed.
    pub trusted_header: Option<trusted_header::Settings>,
    /// The passkeys that they may have.
    pub passkeys: Option<Passkeys>,
    /// Whether programs on other devices get tokens by a code.
    pub devices: bool,
    /// Whether answers are the reference's where ours would be better.
    pub compat: bool,
    /// Whether records are served too.
    pub records: bool,
    /// Whether browsers are shown records on pages, with forms.
    pub browsable: bool,
    /// What makes the records' ETags, where they have any.
    pub tags: Option<TagKey>,
    /// Requests that may be sent again, while they are being answered.
    pub running: BeingAnswered,
    /// Seals the cursors of lists.
    pub seal: Seal,
    /// Whether a record is changed only by who says which state of it they have read.
    pub require_if_match: bool,
    /// What of all this is there.
    extent: openapi::Extent,
    told: openapi::Told,
    /// One permit for each request for a letter that is being looked into.
    letters: Arc<Semaphore>,
    /// Whether the log knows already that letters are wanted and cannot be sent.
    told_of_mail: AtomicBool,
}

impl Api {
    /// The directory as somebody sees and changes it for themselves; it is written down as theirs.
    pub(in crate::api) fn as_oneself(&self, user: UserId) -> View {
        self.store.changed_by(Who::Api { user }).as_seen_by(Viewer::Oneself(user))
    }

    /// As it is configured. A `sealer` is what `compat: openwisp` needs; `shared` are the limits that replicas share; `mail` is who
    /// sends letters, with what their `links` begin with; `extent` is what the description tells of.
    #[must_use]
    pub fn new(
        store: Arc<Directory>,
        identity: Arc<Identity>,
        accounts: &Accounts,
        sealer: Option<Sealer>,
        shared: Option<Arc<Shared>>,
        (mail, links): (Option<Arc<Mailer>>, Links),
        extent: openapi::Extent,
    ) -> Self {
        Self {
            login: Login::new(Arc::clone(&store), accounts.clone(), shared),
            // Clients of the reference know none, unless they are asked for.
            tags: (sealer.is_none() || accounts.require_if_match)
                .then(|| TagKey::new(store.checksum_key().derive("tags of records"))),
            running: BeingAnswered::default(),
            seal: Seal::of(&store),
            require_if_match: accounts.require_if_match,
            store,
            identity,
            compat: sealer.is_some(),
            records: accounts.api == Served::All,
            browsable: accounts.browsable,
            sealer,
            lifetime: accounts.lifetime,
            passwords: accounts.passwords,
            mail,
            links,
            providers: Providers::default(),
            second_factors: None,
            trusted_header: accounts.trusted_header.clone(),
            passkeys: accounts.passkeys.clone(),
            devices: accounts.devices,
            extent,
            told: openapi::Told::default(),
            letters: Arc::new(Semaphore::new(password::LETTERS_AT_ONCE)),
            told_of_mail: AtomicBool::new(false),
        }
    }

    /// The same, with providers that people log in at.
    #[must_use]
    pub fn with_providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    /// The same, with second factors.
    #[must_use]
    pub fn with_second_factors(mut self, factors: Option<Arc<SecondFactors>>) -> Self {
        self.second_factors = factors;
        self
    }

    /// Letters that are asked for, wait or are being sent.
    #[must_use]
    pub fn letters_waiting(&self) -> usize {
        // Whoever is looked into posts their letter before their place is free again: read in this order, none is missed.
        let asked = password::LETTERS_AT_ONCE.saturating_sub(self.letters.available_permits());
        asked + self.mail.as_ref().map_or(0, |mail| mail.waiting())
    }

    /// Pages begin and end sessions, so they are there where sessions are taken.
    #[must_use]
    pub fn has_pages(&self) -> bool {
        self.identity.sessions().is_some()
    }
}

/// The API as the data plane calls it.
#[derive(Clone)]
pub struct Service {
    router: Router,
    api: Arc<Api>,
    control: Control,
}

impl Service {
    #[must_use]
    pub fn new(api: Arc<Api>, control: Control) -> Self {
        Self { router: router::router(Arc::clone(&api)), api, control }
    }

    /// Whether a path is one of the pages on which people log in, or of what those lead to.
    #[must_use]
    pub fn is_of_logins(&self, path: &str) -> bool {
        let mut pages = paths::OF_LOGINS.iter().map(|page| self.api.links.at(page));
        pages.any(|page| path.starts_with(&page) || page.strip_suffix('/') == Some(path))
    }

    /// Answers a request; its work stops when nobody waits for the answer any more.
    pub async fn call(
        &self,
        request: Request<Bytes>,
        (client, peer): (IpAddr, IpAddr),
        origin: Origin,
    ) -> Response<Bytes> {
        let mut request = request.map(axum::body::Body::from);
        if let Some(target) =
            self.api.links.unmoved(request.uri().path_and_query().map_or("", |target| target.as_str()))
            && let Ok(target) = target.parse()
        {
            *request.uri_mut() = target;
        }
        request.extensions_mut().insert(Client(client));
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(origin);
        let from_here = is_read(request.method());
        routed(&self.api, &self.control, self.router.clone(), request, from_here).await
    }
}

/// Has routes answer a request on the control plane; what memory most often holds may begin on the worker's own thread.
pub(crate) async fn routed(
    api: &Api,
    control: &Control,
    router: Router,
    request: Request<axum::body::Body>,
    from_here: bool,
) -> Response<Bytes> {
    let answer = async {
        let Ok(response) = router.oneshot(request).await;
        whole(response).await
    };
    let answered = match from_here {
        true => control.run_from_here(PATIENCE, answer).await,
        false => control.run(PATIENCE, answer).await,
    };
    let response = match answered {
        Ok(response) => response,
        Err(Unanswered::Broken) => None,
        Err(Unanswered::Late) => whole(error::ApiError::Unavailable.answer(api, "")).await,
    };
    response.unwrap_or_else(|| {
        let mut broken = Response::new(Bytes::new());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

/// An answer with all of its body; `None` where that breaks off.
async fn whole(response: Response<axum::body::Body>) -> Option<Response<Bytes>> {
    let (parts, body) = response.into_parts();
    Some(Response::from_parts(parts, body.collect().await.ok()?.to_bytes()))
}
