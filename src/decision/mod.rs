//! The decision: pure. A policy, a request, a caller and facts go in; a [`Permit`] or a [`Denial`] comes out.
//!
//! In stages, so that whoever asks knows what to fetch between them, and so that the first reason in the pipeline's order is
//! the one that is told: [`find`] names the route and whether a credential is needed, [`admit`] wants somebody to be there,
//! [`claim()`] reads the organizations that the request names, [`OrgReferences::unknown`] says which must be looked up, and
//! [`decide()`] judges. [`judge`] runs them all, for tools and tests;
//! [`trace()`] runs them and tells what each found. There is no clock, no store and no lock in here.

mod decide;
mod denial;
mod matching;
mod org_references;
mod permit;
mod preflight;
pub mod strict_source;
mod trace;

pub use crate::policy::CredentialNeed;
pub use decide::{admit, decide};
pub use denial::{Denial, Reason};
pub use matching::{Matched, find};
pub use org_references::{Facts, OrgKey, OrgReferences, claim};
pub use permit::{Permit, RequestContext};
pub use preflight::{Preflight, preflight};
pub use trace::{Reading, Ruled, Says, Stage, Trace, trace};

use crate::claims::Claims;
use crate::facts::{Organization, Snapshot};
use crate::policy::Policy;
use crate::request_target::Target;
use http::{HeaderMap, Method};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What a decision sees of a request.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method as it came; nothing overrides it.
    pub method: &'a Method,
    /// The host, canonical (see [`crate::request_target::host`]).
    pub host: &'a str,
    pub target: &'a Target<'a>,
    /// The headers as the client sent them, before anything is removed.
    pub headers: &'a HeaderMap,
    /// The client's address, behind trusted proxies; `None` where it is not known.
    pub client: Option<IpAddr>,
    /// What the caller's credential says besides who they are.
    pub claims: Option<&'a Arc<Claims>>,
}

/// Without the headers: they carry credentials.
impl fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, host, target, .. } = self;
        f.debug_struct("RequestView").field("method", method).field("host", host).field("target", target).finish()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// No credential was sent, or none was looked at.
    Anonymous,
    /// A good credential of this user.
    User(&'a Arc<Snapshot>),
}

/// The whole way in one call. `lookup` is asked only for organizations that a superuser names without belonging to them.
///
/// # Errors
/// The first refusal on the way.
pub fn judge<'p>(
    policy: &'p Policy,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Result<Permit<'p>, Denial> {
    let matched = find(policy, view)?;
    admit(&matched, caller)?;
    let claim = claim(&matched, view)?;
    let mut facts = Facts::none();
    for key in claim.unknown(caller) {
        facts.learn(key.clone(), lookup(key));
    }
    decide(&matched, &claim, view, caller, &facts)
}
