//! From the request's head to a permit or a denial, with what the decision needs fetched between its stages.

use super::record::Record;
use super::worker::Worker;
use crate::decision::{
    self, Caller, CredentialNeed, Denial, Facts, Permit, Reason, RequestView, admit, claim, decide, find,
};
use crate::directory::token::TokenDigest;
use crate::facts::Snapshot;
use crate::identity::{self, Credential};
use crate::membership::Lookup;
use crate::target::Target;
use crate::target::host::canonical_host;
use http::header::{HOST, HeaderMap};
use http::{Method, Uri};
use std::borrow::Cow;
use std::sync::Arc;

/// Judges a request. What is found on the way is noted in `record`.
///
/// # Errors
/// The first refusal of the pipeline.
pub async fn judge<'w>(
    worker: &'w Worker,
    record: &mut Record,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Permit<'w>, Denial> {
    // A lenient upstream could take `get` for GET, which was not judged.
    if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Denial::new(Reason::BadFraming).with_hint("the method is written in lower case"));
    }
    let raw = uri.path_and_query().map_or("", |target| target.as_str());
    let target = Target::parse(raw).map_err(|_| Denial::new(Reason::BadTarget))?;
    let host = host(headers)?;
    let view = RequestView { method, host: &host, target: &target, headers };
    let matched = find(&worker.shared.policy, &view).inspect_err(|denial| record.route = denial.route)?;
    record.route = Some(matched.route().index);
    let snapshot = match matched.credential() {
        CredentialNeed::Ignored => None,
        CredentialNeed::Optional | CredentialNeed::Required => authenticate(worker, record, headers).await?,
    };
    record.user.clone_from(&snapshot);
    let caller = snapshot.as_ref().map_or(Caller::Anonymous, Caller::User);
    admit(&matched, caller)?;
    let claim = claim(&matched, &view)?;
    let facts = look_up(worker, record, &claim, caller).await?;
    let permit = decide(&matched, &claim, &view, caller, &facts)?;
    record.organization = permit.organization().cloned();
    record.level = permit.level();
    record.superuser_pass = permit.by_superuser();
    Ok(permit)
}

/// The scanner has seen to it that there is exactly one `Host`, and a valid one.
fn host(headers: &HeaderMap) -> Result<Cow<'_, str>, Denial> {
    let bad = || Denial::new(Reason::BadTarget);
    let text = headers.get(HOST).ok_or_else(bad)?.to_str().map_err(|_| bad())?;
    canonical_host(text).map_err(|_| bad())
}

/// Who sent the request: `None` where nobody says who they are.
async fn authenticate(worker: &Worker, record: &Record, headers: &HeaderMap) -> Result<Option<Arc<Snapshot>>, Denial> {
    let token = match identity::read(headers) {
        Credential::None => return Ok(None),
        Credential::Ambiguous => return Err(Denial::new(Reason::Ambiguous)),
        Credential::Refused => return Err(Denial::new(Reason::CredentialsInvalid)),
        Credential::Bearer(token) => token,
    };
    let memberships = &worker.shared.memberships;
    let digest = TokenDigest::of(token);
    let found = match memberships.remembered(&digest, record.start()) {
        Some(found) => {
            worker.shard.cache_hits.inc();
            found
        }
        None if memberships.is_forged(token) => {
            worker.shard.cache_refused.inc();
            Lookup::Unknown
        }
        None => {
            worker.shard.cache_misses.inc();
            memberships.load(digest).await
        }
    };
    match found {
        Lookup::Known(known) if known.snapshot.user.is_active => Ok(Some(Arc::clone(&known.snapshot))),
        Lookup::Known(_) => Err(Denial::new(Reason::UserInactive)),
        Lookup::Unknown => Err(Denial::new(Reason::CredentialsInvalid)),
        Lookup::Unavailable => Err(Denial::new(Reason::StoreUnavailable)),
    }
}

/// Organizations that a superuser names without belonging to them.
async fn look_up<'r>(
    worker: &Worker,
    record: &Record,
    claim: &decision::Claim<'r>,
    caller: Caller<'_>,
) -> Result<Facts<'r>, Denial> {
    let mut facts = Facts::none();
    for key in claim.unknown(caller) {
        let found = worker.shared.memberships.organization(key, record.start()).await;
        facts.learn(key.clone(), found.map_err(|_| Denial::new(Reason::StoreUnavailable))?);
    }
    Ok(facts)
}
