//! From the request's head to a permit or a denial. It never waits: what memory does not hold, it asks for.

use super::active_policy::Rules;
use super::client_connection::ClientConnection;
use super::response_headers::ResponseHeaders;
use super::worker::{Shared, Worker};
use crate::claims::Claims;
use crate::decision::{Caller, CredentialNeed, Denial, Facts, OrgKey, Permit, Reason, RequestView};
use crate::decision::{admit, claim, decide, find, preflight};
use crate::directory::StoreError;
use crate::fact_cache::{Kind, Lookup};
use crate::facts::{Organization, Snapshot};
use crate::id::UserId;
use crate::identity::credential;
use crate::identity::session;
use crate::identity::{self, Credential, CredentialQuery, Presented};
use crate::limit::{Key, Quota, Verdict};
use crate::policy::{Scheme, Schemes};
use crate::request_target::field::FieldError;
use crate::request_target::{Target, query};
use http::HeaderValue;
use http::Request;
use http::header::{CACHE_CONTROL, HOST, ORIGIN, REFERRER_POLICY, VARY};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Why there is no permit.
#[derive(Debug)]
pub enum Interrupt {
    Denied(Denial),
    /// This must be fetched first.
    Needs(Need),
    /// It is a browser's question, and what is noted answers it.
    Preflight,
    /// It is allowed; whoever sent it goes on with a session.
    BeginSession(Box<LinkLogin>),
    /// Another site may have opened a link that would end the browser's session: its user is asked first.
    AskFirst,
    /// It is for the identity API.
    Identity,
}

/// Somebody who came by a link.
pub struct LinkLogin {
    pub user: UserId,
    /// Where to: the same target without the token.
    pub target: String,
    /// The session that their browser has, which ends.
    pub old: Option<String>,
}

/// Shows nothing of the session.
impl fmt::Debug for LinkLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

impl From<Denial> for Interrupt {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// What memory does not hold.
#[derive(Debug)]
pub enum Need {
    Credential(CredentialQuery),
    /// The organization that a superuser named.
    Organization(OrgKey<'static>),
    /// Whether one more is within a limit that all replicas share.
    Limit(Box<(Key, Quota)>),
    /// The whole body, which decides too: so many bytes at most.
    Body(u64),
}

/// `None`: there is no such organization.
type FoundOrganization = Result<Option<Arc<Organization>>, StoreError>;

/// A credential whose user has changed while it was asked for is asked for again, so often.
const AGAIN: u8 = 3;

/// What was fetched for this request.
#[derive(Default)]
pub struct Fetched {
    /// And since when it was asked for.
    credential: Option<(Lookup, Instant)>,
    /// How often it was asked for.
    asked: u8,
    /// Too much of its address was nobody's already.
    pub is_strained: bool,
    organizations: Vec<(OrgKey<'static>, FoundOrganization)>,
    limit: Option<Box<(Key, Verdict)>>,
    /// Why the body could not be read whole, where it decides.
    no_body: Option<Box<Denial>>,
}

impl Fetched {
    /// Whether nothing had to be fetched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.credential.is_none() && self.organizations.is_empty() && self.limit.is_none() && self.no_body.is_none()
    }

    /// What was found of the credential. What has changed since is asked for again, a few times; what took so long that it may
    /// have changed without our knowing is not used.
    fn credential(&self, worker: &Worker) -> Option<Lookup> {
        let (found, asked) = self.credential.as_ref()?;
        let fact_cache = &worker.shared.fact_cache;
        match found {
            Lookup::Known(_) if fact_cache.is_late(*asked) => Some(Lookup::Unavailable),
            Lookup::Known(known) if !fact_cache.is_current(known) => {
                (self.asked > AGAIN).then_some(Lookup::Unavailable)
            }
            found => Some(found.clone()),
        }
    }

    /// The store was not asked: too many wait for that.
    pub fn give_up(&mut self) {
        self.credential = Some((Lookup::Unknown, crate::clock::monotonic()));
    }

    /// Whether it was one credential too many that is nobody's.
    #[must_use]
    pub fn is_one_too_many(&self) -> bool {
        self.is_strained && matches!(self.credential, Some((Lookup::Unknown, _)))
    }

    /// What was said of a limit.
    #[must_use]
    pub fn limited(&self, key: Key) -> Option<Verdict> {
        self.limit.as_ref().filter(|limit| limit.0 == key).map(|limit| limit.1)
    }

    /// Why the body could not be read whole.
    #[must_use]
    pub fn no_body(&self) -> Option<&Denial> {
        self.no_body.as_deref()
    }

    /// The body could not be read whole.
    pub fn without_body(&mut self, denial: Denial) {
        self.no_body = Some(Box::new(denial));
    }

    /// Asks the store, through the cache; `false` for a stranger's credential that it does not know.
    pub async fn fetch(&mut self, shared: &Shared, need: Need, now: Instant) -> bool {
        match need {
            // It is the client's to send, not the store's.
            Need::Body(_) => {}
            Need::Limit(limit) => {
                let (key, quota) = *limit;
                self.limit = Some(Box::new((key, shared.limits.spend(key, quota, now).await)));
            }
            Need::Credential(wanted) => {
                let asked = crate::clock::monotonic();
                let found = shared.identity.resolve(&wanted).await;
                let was_known = !(wanted.is_foreign() && matches!(found, Lookup::Unknown | Lookup::Refused(_)));
                self.credential = Some((found, asked));
                self.asked = self.asked.saturating_add(1);
                return was_known;
            }
            Need::Organization(key) => {
                let found = shared.fact_cache.organization(&key, now).await;
                self.organizations.push((key, found));
            }
        }
        true
    }
}

/// What was found on the way, also of a request that is refused later.
#[derive(Default)]
pub struct RequestInfo {
    /// The index of the route.
    pub route: Option<usize>,
    pub user: Option<Arc<Snapshot>>,
    /// What their credential says besides.
    pub claims: Option<Arc<Claims>>,
    /// The organization that a refused request asked for: its id where it is known, or else what the request calls it.
    pub asked: Option<Box<str>>,
    /// The credentials that are taken.
    pub schemes: Schemes,
    /// The answer was marked for caches and other pages: the credential stands where they would look.
    is_marked: bool,
    /// A credential stands in the query.
    pub by_parameter: bool,
    /// What the answer gets besides.
    pub besides: Option<Box<ResponseHeaders>>,
}

impl RequestInfo {
    /// What caches and other pages must know of the answer, once.
    fn mark(&mut self, worker: &Worker, presented: &Presented<'_>) {
        let places = &worker.shared.identity.places;
        if std::mem::replace(&mut self.is_marked, true) {
            return;
        }
        if places.cookie.is_some() && self.schemes.has(Scheme::Session) {
            self.besides.get_or_insert_default().add(VARY, HeaderValue::from_static("Cookie"));
        }
        for name in self.schemes.headers() {
            self.besides.get_or_insert_default().add(VARY, HeaderValue::from_name(name.clone()));
        }
        if let (Some(name), Some(query), true) = (&places.parameter, presented.query, self.schemes.has(Scheme::Sesame))
            && query::without(query, name).is_some()
        {
            self.by_parameter = true;
            let besides = self.besides.get_or_insert_default();
            besides.add(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            besides.add(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
    }
}

/// Judges a request. The route and the user are noted as soon as they are known, also of a request that is refused later.
///
/// # Errors
/// The first refusal of the pipeline, or what must be fetched before going on.
pub fn judge<'w, B>(
    worker: &Worker,
    rules: &'w Rules,
    (link, client): (&ClientConnection, IpAddr),
    request: &Request<B>,
    fetched: &Fetched,
    now: Instant,
    info: &mut RequestInfo,
) -> Result<Permit<'w>, Interrupt> {
    let (method, headers) = (request.method(), request.headers());
    // A lenient upstream could take `get` for GET, which was not judged.
    if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Denial::new(Reason::BadFraming).with_fault("the method is written in lower case").into());
    }
    let raw = request.uri().path_and_query().map_or("", |target| target.as_str());
    let target = Target::read(raw).map_err(Denial::from)?;
    // The scanner has seen to it that there is exactly one `Host`, and a valid one; HTTP/1.0 may have none, and is for routes of
    // every host.
    let host =
        headers.get(HOST).map_or_else(|| Ok("".into()), |host| link.canonical_host(host)).map_err(Denial::from)?;
    let view = RequestView { method, host: &host, target: &target, headers, client: Some(client), claims: None };
    let policy = rules.policy();
    if let Some(preflight) = preflight(policy, &view) {
        info.route = Some(preflight.route.index);
        info.besides.get_or_insert_default().preflight(&preflight);
        preflight.verdict?;
        return Err(Interrupt::Preflight);
    }
    let is_plain = target.oddities().is_empty();
    if is_plain && worker.shared.pages.iter().any(|page| target.decoded().starts_with(page)) {
        return Err(Interrupt::Identity);
    }
    let found = find(policy, &view);
    // A path under it has no route, so nothing else is ever asked this.
    if is_plain && found.is_err() && worker.shared.api.is_some() && policy.is_reserved(target.decoded()) {
        return Err(Interrupt::Identity);
    }
    info.route = found.as_ref().map_or_else(|denial| denial.route, |matched| Some(matched.route().index));
    if let Some(route) = info.route.and_then(|at| policy.routes().get(at))
        && let Some(cors) = &route.options.cors
        && info.besides.is_none()
    {
        info.besides.get_or_insert_default().cors(cors, headers.get(ORIGIN));
    }
    let matched = found?;
    if matched.credential() != CredentialNeed::Ignored {
        info.schemes = matched.schemes();
        let presented = Presented { method, headers, query: target.query() };
        info.mark(worker, &presented);
        (info.user, info.claims) = authenticate(worker, presented, &info.schemes, fetched, now)?;
    }
    let view = RequestView { claims: info.claims.as_ref(), ..view };
    let caller = info.user.as_ref().map_or(Caller::Anonymous, Caller::User);
    admit(&matched, caller)?;
    let claim = claim(&matched, &view)?;
    let mut facts = Facts::none();
    for key in claim.unknown(caller) {
        let known = fetched.organizations.iter().find(|(fetched, _)| fetched == key);
        let Some((_, found)) = known else {
            return Err(Interrupt::Needs(Need::Organization(key.clone().into_owned())));
        };
        let found = found.as_ref().map_err(|_| Denial::new(Reason::StoreUnavailable))?;
        facts.learn(key.clone(), found.clone());
    }
    let verdict = decide(&matched, &claim, &view, caller, &facts);
    if verdict.is_err() {
        info.asked = claim.asked(caller, &facts);
    }
    Ok(verdict?)
}

/// What is wrong with a credential the access line says, and never the answer.
fn invalid(fault: &'static str) -> Interrupt {
    Denial::new(Reason::CredentialsInvalid).with_hint(fault).into()
}

/// Who, and what they say besides.
type Somebody = (Option<Arc<Snapshot>>, Option<Arc<Claims>>);

/// Who sent the request: nobody where nobody says who they are.
fn authenticate(
    worker: &Worker,
    presented: Presented<'_>,
    schemes: &Schemes,
    fetched: &Fetched,
    now: Instant,
) -> Result<Somebody, Interrupt> {
    let identity = &worker.shared.identity;
    let (kind, text) = match identity::read(presented, schemes, &identity.places) {
        Credential::None => return Ok((None, None)),
        Credential::Ambiguous => return Err(Denial::new(Reason::Ambiguous).with_fault(credential::SEVERAL).into()),
        Credential::NotAscii => return Err(Denial::from(FieldError::NotAscii).into()),
        Credential::Refused(fault) => return Err(invalid(fault)),
        Credential::Presented(kind, text) => (kind, text),
    };
    let found = if let Some(found) = fetched.credential(worker) {
        found
    } else if let Some(found) = worker.shared.fact_cache.remembered(kind, &text, now) {
        worker.shard.cache_hits.inc();
        found
    } else if let Some(wanted) = std::str::from_utf8(&text).ok().and_then(|text| identity.wanted(kind, text)) {
        return Err(Interrupt::Needs(Need::Credential(wanted)));
    } else {
        worker.shard.cache_refused.inc();
        Lookup::Refused(if kind == Kind::Token { "bad_checksum" } else { "malformed" })
    };
    match found {
        Lookup::Known(known) if known.snapshot.user.is_active => {
            if kind == Kind::Session {
                if worker.shared.fact_cache.has_old_password(&known) {
                    return Err(Denial::new(Reason::PasswordExpired).into());
                }
                let session = std::str::from_utf8(&text).map_err(|_| invalid("malformed"))?;
                session::is_ours(presented.method, presented.headers, session)?;
            }
            Ok((Some(Arc::clone(&known.snapshot)), known.claims.clone()))
        }
        Lookup::Known(_) => Err(Denial::new(Reason::UserInactive).into()),
        Lookup::Unknown => Err(invalid("unknown")),
        Lookup::Refused(fault) => Err(invalid(fault)),
        Lookup::Unavailable => Err(Denial::new(Reason::StoreUnavailable).into()),
    }
}
