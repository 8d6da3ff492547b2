//! The first stage: which route and rule a request falls under, before anybody asks who sent it.

use super::{Denial, Reason, RequestView};
use crate::policy::{Captures, CredentialNeed, Found, Policy, Rewrite, Route, Rule, Schemes};
use crate::request_target::{Target, TargetError};
use std::sync::Arc;

/// A request's route and rule. Where the route rewrites the target, the target that will be forwarded is matched too, and
/// what it falls under must permit as well.
#[derive(Clone, Debug)]
pub struct Matched<'p> {
    pub(super) hit: Hit<'p>,
    pub(super) rewritten: Option<Rewritten<'p>>,
}

/// A route and rule, and what the variables matched.
#[derive(Clone, Debug)]
pub(super) struct Hit<'p> {
    pub(super) route: &'p Route,
    pub(super) rule: &'p Rule,
    pub(super) path: Captures,
    pub(super) host: Captures,
}

/// The target after the rewrite.
#[derive(Clone, Debug)]
pub(super) struct Rewritten<'p> {
    pub(super) raw: Arc<str>,
    /// Its decoded path, which `hit` has ranges of.
    pub(super) decoded: Box<str>,
    /// A route of the same upstream that the rewritten target falls under.
    pub(super) hit: Option<Hit<'p>>,
}

/// Finds the route and the rule.
///
/// # Errors
/// 404 `no_route`, 405 `method_not_allowed` (with `Allow`), 403 `denied`; 400 `bad_target` when the rewritten target is not
/// canonical.
pub fn find<'p>(policy: &'p Policy, view: &RequestView<'_>) -> Result<Matched<'p>, Denial> {
    let found = policy.find(view.host, view.target.decoded());
    takes(found.as_ref(), view.target)?;
    let found = found.ok_or_else(|| Denial::new(Reason::NoRoute))?;
    let hit = ruled(found, view)?;
    let rewritten = match &hit.route.options.rewrite {
        Some(rewrite) => Some(rewritten(policy, view, &hit, rewrite)?),
        None => None,
    };
    Ok(Matched { hit, rewritten })
}

/// Whether the route takes all of a target. Nothing tells whether there is a route that does not.
pub(super) fn takes(found: Option<&Found<'_>>, target: &Target<'_>) -> Result<(), Denial> {
    let taken = found.and_then(|found| found.route.options.target).unwrap_or_default();
    Ok(target.oddities().are_among(taken)?)
}

/// The rule of the request's method.
fn ruled<'p>(found: Found<'p>, view: &RequestView<'_>) -> Result<Hit<'p>, Denial> {
    let route = found.route;
    let Some(rule) = route.rule(view.method) else {
        let denial = Denial::new(Reason::MethodNotAllowed).at(route.index);
        return Err(Denial { allow: Some(route.allow.clone()), ..denial });
    };
    if rule.access == crate::policy::Access::Deny {
        return Err(Denial::new(Reason::Denied).at(route.index));
    }
    Ok(Hit { route, rule, path: found.path, host: found.host })
}

/// What is forwarded is judged again: a rewrite must not open a door that stands closed (`/ext/admin` → `/admin`).
///
/// Only the routes of the upstream that it goes to speak about the rewritten path, however specific those of others are; what
/// none of them matches is refused as well, unless the rewrite says otherwise.
fn rewritten<'p>(
    policy: &'p Policy,
    view: &RequestView<'_>,
    first: &Hit<'p>,
    rewrite: &Rewrite,
) -> Result<Rewritten<'p>, Denial> {
    let raw = apply(rewrite, view.target);
    let at = |error: TargetError| Denial::from(error).at(first.route.index);
    let target = Target::read(&raw).map_err(at)?;
    let decoded: Box<str> = target.decoded().into();
    let found = policy.find_of_upstream(view.host, &decoded, first.route.upstream);
    // Both routes must take what is odd about it: the first did, before the rewrite.
    target.oddities().are_among(first.route.options.target.unwrap_or_default()).map_err(at)?;
    if let Some(second) = &found {
        target.oddities().are_among(second.route.options.target.unwrap_or_default()).map_err(at)?;
    }
    let hit = match found {
        Some(found) => Some(ruled(found, view)?),
        // No rule can be written for what is postern's own, so none can be missing.
        None if rewrite.allows_unmatched && !policy.is_reserved(&decoded) => None,
        None => return Err(Denial::new(Reason::NoRoute).at(first.route.index).with_hint(UNMATCHED)),
    };
    Ok(Rewritten { raw: raw.into(), decoded, hit })
}

const UNMATCHED: &str = "no route of the upstream matches the rewritten target";

/// Takes segments off the front of the raw path and puts the prefix there. Raw and decoded paths have the same segments.
pub(super) fn apply(rewrite: &Rewrite, target: &Target<'_>) -> String {
    let path = target.path();
    let rest =
        memchr::memchr_iter(b'/', path.as_bytes()).nth(rewrite.strip).and_then(|at| path.get(at..)).unwrap_or("");
    let mut raw = format!("{}{rest}", rewrite.add);
    if raw.is_empty() {
        raw.push('/');
    }
    if let Some(query) = target.query() {
        raw.push('?');
        raw.push_str(query);
    }
    raw
}

impl<'p> Matched<'p> {
    /// The route that the request came in by.
    #[must_use]
    pub const fn route(&self) -> &'p Route {
        self.hit.route
    }

    /// The rule of the request's method.
    #[must_use]
    pub const fn rule(&self) -> &'p Rule {
        self.hit.rule
    }

    /// What must be known of the caller: the stricter of both, where the target is rewritten.
    #[must_use]
    pub fn credential(&self) -> CredentialNeed {
        self.hits().map(|hit| hit.rule.access.credential()).max().unwrap_or(CredentialNeed::Required)
    }

    /// The credentials that are taken: by both, where the target is rewritten and both look at one.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        let looks = |hit: &&Hit<'p>| hit.rule.access.credential() != CredentialNeed::Ignored;
        let mut taken = self.hits().filter(looks).map(|hit| &hit.rule.schemes);
        let first = taken.next().cloned().unwrap_or_default();
        taken.fold(first, Schemes::and)
    }

    /// The rules that must permit: the route's, and that of the rewritten target.
    pub(super) fn hits(&self) -> impl Iterator<Item = &Hit<'p>> {
        std::iter::once(&self.hit).chain(self.rewritten.as_ref().and_then(|r| r.hit.as_ref()))
    }
}
