//! From the request's head to a permit or a denial. It never waits: what memory does not hold, it asks for.

use super::active_policy::PolicyHandle;
use super::client_connection::ClientConnection;
use super::prepare::without_parameter;
use super::response_headers::ResponseHeaders;
use super::worker::{Shared, Worker};
use crate::decision::{
    self, Caller, CsrfToken, Denial, Halt, OrgKey, Reason, RequestView, SecondFactor, Stage, preflight,
};
use crate::fact_cache::{Kind, Known, Lookup};
use crate::facts::Snapshot;
use crate::id::UserId;
use crate::identity::cookie::cookies;
use crate::identity::credential;
use crate::identity::{self, Credential, CredentialQuery, Presented};
use crate::limit::{Key, Quota};
use crate::policy::{LookupKey, Own, Policy, Route, Scheme, Schemes, is_read};
use crate::request_target::field::FieldError;
use crate::request_target::{Target, query};
use http::header::{CACHE_CONTROL, HOST, ORIGIN, REFERRER_POLICY, VARY};
use http::{HeaderMap, HeaderValue, Request};
use std::fmt;
use std::rc::Rc;
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
    /// It is allowed, and its answer a list of which nothing could be the caller's: this one, without asking.
    Empty(String),
    /// Another site may have opened a link that would end the browser's session: its user is asked first.
    AskFirst,
    /// It is allowed, and who asks forwards it.
    Permitted,
    /// It is for the identity API.
    Identity,
    /// It is for AuthZEN.
    Authzen,
    /// It is for the admin UI.
    AdminUi,
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
    /// What is said of these objects.
    Lookups(Vec<LookupKey>),
    /// Whether one more is within a limit that all replicas share.
    Throttle(Key, Quota),
    /// The whole body, which decides too: so many bytes at most.
    Body(u64),
}

/// An evaluation by the policy that was in force when its request began.
pub type Evaluation = decision::Evaluation<PolicyHandle>;

/// What such an evaluation permits.
pub type Permit = decision::Permit<PolicyHandle>;

/// An evaluation that waits for a fact or for the service's answer, with what was read of its request.
pub struct Paused {
    pub target: Target<'static>,
    pub host: Rc<str>,
    pub evaluation: Evaluation,
    pub credential: CredentialFacts,
    /// The request as it came, where it was sent on and its answer decides.
    pub asked: Option<Request<()>>,
}

/// What is known of a request's credential.
#[derive(Default)]
pub struct CredentialFacts {
    /// What was fetched and not looked at yet, and since when it was asked for.
    pub fetched: Option<Box<(Lookup, Instant)>>,
    /// It is nobody's, and too much of its address was nobody's already.
    pub is_one_too_many: bool,
    /// It is a link, of somebody who must show a second factor.
    lacks_second_factor: bool,
    /// Whom it was taken for, and since when.
    believed: Option<(Arc<Known>, Instant)>,
}

impl CredentialFacts {
    /// Whether what was believed of it has changed, or may have changed without our knowing.
    #[must_use]
    pub fn have_changed(&self, worker: &Worker) -> bool {
        let fact_cache = &worker.shared.fact_cache;
        self.believed.as_ref().is_some_and(|(known, since)| !fact_cache.is_current(known) || fact_cache.is_late(*since))
    }
}

/// A credential whose user has changed while it was asked for is asked for again, so often.
const AGAIN: u8 = 3;

/// Asks the store whose a credential is, through the cache, and says since when. What took so long that it may have changed without our
/// knowing is not used.
pub async fn find_out(shared: &Shared, query: &CredentialQuery) -> (Lookup, Instant) {
    let mut asked = crate::clock::monotonic();
    for _ in 0..=AGAIN {
        asked = crate::clock::monotonic();
        match shared.identity.resolve(query).await {
            Lookup::Known(_) if shared.fact_cache.is_late(asked) => break,
            Lookup::Known(known) if !shared.fact_cache.is_current(&known) => {}
            found => return (found, asked),
        }
    }
    (Lookup::Unavailable, asked)
}

/// What was found on the way, also of a request that is refused later.
#[derive(Default)]
pub struct RequestInfo {
    /// The index of the route.
    pub route: Option<usize>,
    pub user: Option<Arc<Snapshot>>,
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
    /// The route that it falls under, once; and what that says to browsers.
    fn falls_under(&mut self, route: Option<&Route>, origin: Option<&HeaderValue>) {
        let Some(route) = route.filter(|_| self.route.is_none()) else { return };
        self.route = Some(route.index);
        if let Some(cors) = &route.options.cors {
            self.besides.get_or_insert_default().cors(cors, origin);
        }
    }

    /// What caches and other pages must know of the answer, once.
    fn mark(&mut self, worker: &Worker, presented: &Presented<'_>) {
        let places = &worker.shared.identity.places;
        if std::mem::replace(&mut self.is_marked, true) {
            return;
        }
        if (places.cookie.is_some() || places.django.is_some()) && self.schemes.has(Scheme::Session) {
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

/// Reads the target and the host of a request that can be judged.
///
/// # Errors
/// 400 `bad_framing`, 400 `bad_target`.
pub fn validate_request<'r, B>(
    link: &ClientConnection,
    request: &'r Request<B>,
) -> Result<(Target<'r>, Rc<str>), Denial> {
    // A lenient upstream could take `get` for GET, which was not judged.
    if request.method().as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Denial::new(Reason::BadFraming).with_fault("the method is written in lower case"));
    }
    let target = Target::read(request.uri().path_and_query().map_or("", |target| target.as_str()))?;
    // The scanner has seen to it that there is exactly one `Host`, and a valid one; HTTP/1.0 may have none, and is for routes of
    // every host.
    let host = request.headers().get(HOST).map_or_else(|| Ok("".into()), |host| link.canonical_host(host))?;
    Ok((target, host))
}

/// What is answered by postern itself, whatever routes there are.
///
/// # Errors
/// It is such a request.
pub fn own_answers(
    worker: &Worker,
    policy: &Policy,
    view: &RequestView<'_>,
    info: &mut RequestInfo,
) -> Result<(), Interrupt> {
    if let Some(preflight) = preflight(policy, view) {
        info.route = Some(preflight.route.index);
        info.besides.get_or_insert_default().preflight(&preflight);
        preflight.verdict?;
        return Err(Interrupt::Preflight);
    }
    let is_page = |page: &&str| view.target.decoded().starts_with(page);
    if view.target.oddities().is_empty() && worker.shared.pages.iter().any(is_page) {
        return Err(Interrupt::Identity);
    }
    Ok(())
}

/// Goes on with an evaluation for as long as memory knows what it asks for. The route and the user are noted as soon as they are known,
/// also of a request that is refused later.
///
/// # Errors
/// The first refusal of the pipeline, or what must be fetched before going on; whether it is within a limit is always asked for.
pub fn evaluate(
    worker: &Worker,
    evaluation: &mut Evaluation,
    view: &RequestView<'_>,
    credential: &mut CredentialFacts,
    now: Instant,
    info: &mut RequestInfo,
) -> Result<Permit, Interrupt> {
    let origin = view.headers.get(ORIGIN);
    loop {
        let halt = match evaluation.step(view) {
            Ok(permit) => {
                info.falls_under(Some(permit.route()), origin);
                return Ok(permit);
            }
            Err(halt) => halt,
        };
        let need = match halt {
            Halt::Denied(denial) if evaluation.stage() < Stage::Credential => {
                let policy = evaluation.policy();
                info.falls_under(denial.route.and_then(|at| policy.routes().get(at)), origin);
                // A path of ours has no route, so nothing else is ever asked this.
                let may_be_own = evaluation.stage() == Stage::Route && view.target.oddities().is_empty();
                let own = may_be_own.then(|| policy.own(view.target.decoded())).flatten();
                return Err(match own {
                    Some(Own::Identity) if worker.shared.api.is_some() => Interrupt::Identity,
                    Some(Own::AdminUi) if worker.shared.admin.is_some() => Interrupt::AdminUi,
                    Some(Own::Authzen) if worker.shared.authzen.is_some() => Interrupt::Authzen,
                    _ => denial.into(),
                });
            }
            Halt::Denied(denial) => {
                info.falls_under(evaluation.ruled().map(|(route, _)| route), origin);
                info.asked = evaluation.take_asked();
                return Err(denial.into());
            }
            Halt::Need(need) => need,
        };
        info.falls_under(evaluation.ruled().map(|(route, _)| route), origin);
        match need {
            decision::Need::Credential(schemes) => {
                let presented = Presented { method: view.method, headers: view.headers, query: view.target.query() };
                info.schemes = schemes;
                info.mark(worker, &presented);
                let authenticated = authenticate(worker, presented, &info.schemes, credential, now);
                // Who must show a second factor is led to it by a session that is good for nothing else yet.
                if credential.lacks_second_factor
                    && let Some((known, _)) = &credential.believed
                    && let Some(login) =
                        link_login(worker, info, view.headers, view.target.raw(), known.snapshot.user.id)
                {
                    return Err(Interrupt::BeginSession(Box::new(login)));
                }
                let (caller, session) = authenticated?;
                info.user.clone_from(&caller.user);
                evaluation.identify(caller);
                session.into_iter().for_each(|csrf| evaluation.came_by_session(csrf));
            }
            decision::Need::Organization(key) => return Err(Interrupt::Needs(Need::Organization(key))),
            decision::Need::Lookups(keys) => {
                let mut unknown = Vec::new();
                for key in keys {
                    match worker.shared.lookups.remembered(&key, now) {
                        Some(answer) => evaluation.learn_object(key, answer),
                        None => unknown.push(key),
                    }
                }
                if !unknown.is_empty() {
                    return Err(Interrupt::Needs(Need::Lookups(unknown)));
                }
            }
            decision::Need::Body(most) => return Err(Interrupt::Needs(Need::Body(most))),
            decision::Need::Throttle(key, quota) => return Err(Interrupt::Needs(Need::Throttle(key, quota))),
        }
    }
}

/// How somebody who came by a link goes on, where that is by a session.
pub fn link_login(
    worker: &Worker,
    info: &RequestInfo,
    headers: &HeaderMap,
    target: &str,
    user: UserId,
) -> Option<LinkLogin> {
    let places = &worker.shared.identity.places;
    if !(info.by_parameter && places.exchange && info.schemes.has(Scheme::Session)) {
        return None;
    }
    let target = without_parameter(target, places.parameter.as_deref()?)?;
    let old = places.cookie.as_deref().and_then(|name| cookies(headers, name).flatten().last());
    Some(LinkLogin { user, target, old: old.map(str::to_owned) })
}

/// What is wrong with a credential the access line says, and never the answer.
fn invalid(fault: &'static str) -> Interrupt {
    Denial::new(Reason::CredentialsInvalid).with_hint(fault).into()
}

/// Who sent the request: nobody where nobody says who they are. With what pages repeat of their session, where it is one.
///
/// # Errors
/// It is refused, or must be fetched first.
pub(super) fn authenticate(
    worker: &Worker,
    presented: Presented<'_>,
    schemes: &Schemes,
    facts: &mut CredentialFacts,
    now: Instant,
) -> Result<(Caller, Option<CsrfToken>), Interrupt> {
    let identity = &worker.shared.identity;
    let (kind, text) = match identity::read(presented, schemes, &identity.places) {
        Credential::None => return Ok((Caller::default(), None)),
        Credential::Ambiguous => return Err(Denial::new(Reason::Ambiguous).with_fault(credential::SEVERAL).into()),
        Credential::NotAscii => return Err(Denial::from(FieldError::NotAscii).into()),
        Credential::Refused(fault) => return Err(invalid(fault)),
        Credential::Presented(kind, text) => (kind, text),
    };
    let (found, since) = if let Some(fetched) = facts.fetched.take() {
        *fetched
    } else if let Some(found) = worker.shared.fact_cache.remembered(kind, &text, now) {
        worker.shard.cache_hits.inc();
        (found, now)
    } else if let Some(wanted) = std::str::from_utf8(&text).ok().and_then(|text| identity.wanted(kind, text)) {
        return Err(Interrupt::Needs(Need::Credential(wanted)));
    } else {
        // A cookie that cannot be a session of Django's is none.
        if kind == Kind::Django {
            return Ok((Caller::default(), None));
        }
        worker.shard.cache_refused.inc();
        (Lookup::Refused(if kind == Kind::Token { "bad_checksum" } else { "malformed" }), now)
    };
    match found {
        Lookup::Known(known) if known.snapshot.user.is_active => {
            let mut csrf = None;
            // Neither Django nor whoever sent a link has asked for one.
            let may_lack = kind.is_session() || kind == Kind::Sesame;
            if may_lack && identity.lacks_second_factor(&known.snapshot, known.proof) {
                if kind == Kind::Session {
                    return Err(Denial::new(Reason::SecondFactorMissing).into());
                }
                if kind == Kind::Sesame {
                    facts.lacks_second_factor = true;
                    facts.believed = Some((known, since));
                }
                return Err(Denial::new(Reason::SecondFactorRequired).into());
            }
            if kind.is_session() {
                if worker.shared.fact_cache.has_old_password(&known) {
                    return Err(Denial::new(Reason::PasswordExpired).into());
                }
                let session = std::str::from_utf8(&text).map_err(|_| invalid("malformed"))?;
                // What changes nothing needs no proof, and costs no digest.
                if !is_read(presented.method) {
                    let is_secure = identity.sessions().is_none_or(|settings| settings.secure);
                    csrf = Some(CsrfToken::of_cookie(session, is_secure));
                }
            }
            let now = || worker.shared.fact_cache.versions().unix_seconds();
            let second_factor = match (kind, known.proof) {
                (_, Some(proof)) => {
                    // Where the clock went back, it was now.
                    let age = now().saturating_sub(proof.at).max(0);
                    SecondFactor::Shown(u32::try_from(age).unwrap_or(u32::MAX))
                }
                (Kind::Session, None) => SecondFactor::Missing,
                (Kind::Jwt, None) => u32::try_from(now()).map_or(SecondFactor::Impossible, SecondFactor::Claimed),
                _ => SecondFactor::Impossible,
            };
            let user = Some(Arc::clone(&known.snapshot));
            let caller = Caller { user, claims: known.claims.clone(), second_factor };
            facts.believed = Some((known, since));
            Ok((caller, csrf))
        }
        Lookup::Known(_) => Err(Denial::new(Reason::UserInactive).into()),
        // Django has sessions of nobody, as on its login page, and takes one that is over for none.
        Lookup::Unknown | Lookup::Refused(_) if kind == Kind::Django => Ok((Caller::default(), None)),
        Lookup::Unknown => Err(invalid("unknown")),
        Lookup::Refused(fault) => Err(invalid(fault)),
        Lookup::Unavailable => Err(Denial::new(Reason::StoreUnavailable).into()),
    }
}
