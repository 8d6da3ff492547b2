//! From the request's head to a permit or a denial. It never waits: what memory does not hold, it asks for.

use super::besides::Besides;
use super::link::Link;
use super::live::Rules;
use super::worker::Worker;
use crate::decision::{Caller, CredentialNeed, Denial, Facts, OrgKey, Permit, Reason, RequestView};
use crate::decision::{admit, claim, decide, find, preflight};
use crate::directory::StoreError;
use crate::facts::{Organization, Snapshot};
use crate::identity::{self, Credential};
use crate::membership::{Lookup, Memberships, Wanted};
use crate::policy::RESERVED;
use crate::target::Target;
use http::Request;
use http::header::{HOST, HeaderMap, ORIGIN};
use std::sync::Arc;
use std::time::Instant;

/// Why there is no permit.
#[derive(Debug)]
pub enum Stop {
    /// It is refused.
    Denied(Denial),
    /// This must be fetched first.
    Needs(Need),
    /// It is a browser's question, and what is noted answers it.
    Preflight,
    /// It is for the identity API.
    Identity,
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// What memory does not hold.
#[derive(Debug)]
pub enum Need {
    /// Whose token is this?
    Credential(Wanted),
    /// The organization that a superuser named.
    Organization(OrgKey<'static>),
}

/// `None`: there is no such organization.
type FoundOrganization = Result<Option<Arc<Organization>>, StoreError>;

/// What was fetched for this request.
#[derive(Default)]
pub struct Fetched {
    credential: Option<Lookup>,
    organizations: Vec<(OrgKey<'static>, FoundOrganization)>,
}

impl Fetched {
    /// Asks the store, through the cache; `false` for a stranger's credential that it does not know.
    pub async fn fetch(&mut self, memberships: &Memberships, need: Need, now: Instant) -> bool {
        match need {
            Need::Credential(wanted) => {
                let found = memberships.load(wanted).await;
                let was_known = !(wanted.foreign && matches!(found, Lookup::Unknown));
                self.credential = Some(found);
                return was_known;
            }
            Need::Organization(key) => {
                let found = memberships.organization(&key, now).await;
                self.organizations.push((key, found));
            }
        }
        true
    }
}

/// What was found on the way, also of a request that is refused later.
#[derive(Default)]
pub struct Noted {
    /// The index of the route.
    pub route: Option<usize>,
    /// Who asked.
    pub user: Option<Arc<Snapshot>>,
    /// What the answer gets besides.
    pub besides: Option<Box<Besides>>,
}

/// Judges a request. The route and the user are noted as soon as they are known, also of a request that is refused later.
///
/// # Errors
/// The first refusal of the pipeline, or what must be fetched before going on.
pub fn judge<'w, B>(
    worker: &Worker,
    rules: &'w Rules,
    link: &Link,
    request: &Request<B>,
    fetched: &Fetched,
    now: Instant,
    noted: &mut Noted,
) -> Result<Permit<'w>, Stop> {
    let (method, headers) = (request.method(), request.headers());
    // A lenient upstream could take `get` for GET, which was not judged.
    if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Denial::new(Reason::BadFraming).with_hint("the method is written in lower case").into());
    }
    let bad_target = || Denial::new(Reason::BadTarget);
    let raw = request.uri().path_and_query().map_or("", |target| target.as_str());
    let target = Target::parse(raw).map_err(|error| bad_target().with_hint(error.reason()))?;
    // The scanner has seen to it that there is exactly one `Host`, and a valid one.
    let host = headers.get(HOST).and_then(|host| link.canonical_host(host).ok()).ok_or_else(bad_target)?;
    let view = RequestView { method, host: &host, target: &target, headers };
    let policy = rules.policy();
    if let Some(preflight) = preflight(policy, &view) {
        noted.route = Some(preflight.route.index);
        noted.besides.get_or_insert_default().preflight(&preflight);
        preflight.verdict?;
        return Err(Stop::Preflight);
    }
    let found = find(policy, &view);
    // A path under it has no route, so nothing else is ever asked this.
    if found.is_err() && worker.shared.api.is_some() && raw.starts_with(RESERVED) {
        return Err(Stop::Identity);
    }
    noted.route = found.as_ref().map_or_else(|denial| denial.route, |matched| Some(matched.route().index));
    if let Some(route) = noted.route.and_then(|at| policy.routes().get(at))
        && let Some(cors) = &route.cors
        && noted.besides.is_none()
    {
        noted.besides.get_or_insert_default().cors(cors, headers.get(ORIGIN));
    }
    let matched = found?;
    noted.user = match matched.credential() {
        CredentialNeed::Ignored => None,
        CredentialNeed::Optional | CredentialNeed::Required => authenticate(worker, headers, fetched, now)?,
    };
    let caller = noted.user.as_ref().map_or(Caller::Anonymous, Caller::User);
    admit(&matched, caller)?;
    let claim = claim(&matched, &view)?;
    let mut facts = Facts::none();
    for key in claim.unknown(caller) {
        let known = fetched.organizations.iter().find(|(fetched, _)| fetched == key);
        let Some((_, found)) = known else { return Err(Stop::Needs(Need::Organization(key.clone().into_owned()))) };
        let found = found.as_ref().map_err(|_| Denial::new(Reason::StoreUnavailable))?;
        facts.learn(key.clone(), found.clone());
    }
    Ok(decide(&matched, &claim, &view, caller, &facts)?)
}

/// Who sent the request: `None` where nobody says who they are.
fn authenticate(
    worker: &Worker,
    headers: &HeaderMap,
    fetched: &Fetched,
    now: Instant,
) -> Result<Option<Arc<Snapshot>>, Stop> {
    let token = match identity::read(headers) {
        Credential::None => return Ok(None),
        Credential::Ambiguous => return Err(Denial::new(Reason::Ambiguous).into()),
        Credential::Refused => return Err(Denial::new(Reason::CredentialsInvalid).into()),
        Credential::Bearer(token) => token,
    };
    let memberships = &worker.shared.memberships;
    let found = if let Some(found) = &fetched.credential {
        found.clone()
    } else if let Some(found) = memberships.remembered(token, now) {
        worker.shard.cache_hits.inc();
        found
    } else if memberships.is_forged(token) {
        worker.shard.cache_refused.inc();
        Lookup::Unknown
    } else {
        return Err(Stop::Needs(Need::Credential(memberships.wanted(token))));
    };
    match found {
        Lookup::Known(known) if known.snapshot.user.is_active => Ok(Some(Arc::clone(&known.snapshot))),
        Lookup::Known(_) => Err(Denial::new(Reason::UserInactive).into()),
        Lookup::Unknown => Err(Denial::new(Reason::CredentialsInvalid).into()),
        Lookup::Unavailable => Err(Denial::new(Reason::StoreUnavailable).into()),
    }
}
