//! The first stages: which route and rule a request falls under, before anybody asks who sent it.

use super::{Denial, Reason, RequestView, Stage};
use crate::policy::{Access, Captures, CredentialNeed, Found, Policy, Rewrite, Route, Rule, RuleId, Schemes};
use crate::request_target::{Target, TargetError};
use std::sync::Arc;

/// What a request falls under. Where the route rewrites the target, the target that will be forwarded is matched too, and
/// what it falls under must permit as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    /// That of the route that the request came in by.
    pub(super) first: Option<Match>,
    pub(super) rewritten: Option<Box<Rewritten>>,
}

/// A rule, and what the variables of its route matched.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) rule: RuleId,
    path: Captures,
    host: Captures,
}

/// The target after the rewrite.
#[derive(Clone, Debug)]
pub(super) struct Rewritten {
    pub(super) raw: Arc<str>,
    /// Its decoded path, which `found` has ranges of.
    decoded: Box<str>,
    /// A rule of the same upstream that the rewritten target falls under.
    pub(super) found: Option<Match>,
}

/// A rule that a request falls under, with its policy at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'p> {
    pub(super) route: &'p Route,
    pub(super) rule: &'p Rule,
    /// The decoded path that the route's pattern was matched against.
    pub(super) path: &'p str,
    captures: &'p Captures,
    host_captures: &'p Captures,
}

impl<'p> Hit<'p> {
    fn new(policy: &'p Policy, found: &'p Match, path: &'p str) -> Self {
        let (route, rule) = policy.rule(found.rule);
        Self { route, rule, path, captures: &found.path, host_captures: &found.host }
    }

    /// What the variable of the path with that number matched.
    pub(super) fn variable(&self, at: usize) -> Option<&'p str> {
        captured(self.path, self.captures, at)
    }

    pub(super) fn host_variable<'r>(&self, at: usize, host: &'r str) -> Option<&'r str> {
        captured(host, self.host_captures, at)
    }

    pub(super) fn deny(&self, reason: Reason) -> Denial {
        Denial::new(reason).at(self.route.index)
    }
}

fn captured<'r>(text: &'r str, captures: &Captures, at: usize) -> Option<&'r str> {
    let (start, end) = captures.get(at)?;
    text.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
}

/// The rules that must permit: that of the route that the request came in by, and that of the rewritten target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hits<'p> {
    pub(super) first: Hit<'p>,
    pub(super) second: Option<Hit<'p>>,
}

impl<'p> Hits<'p> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Hit<'p>> + Clone {
        std::iter::once(&self.first).chain(&self.second)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &'p Rule> + Clone {
        self.iter().map(|hit| hit.rule)
    }

    /// Whether one of the rules is so.
    pub(super) fn any(&self, is: impl Fn(&Rule) -> bool) -> bool {
        is(self.first.rule) || self.second.as_ref().is_some_and(|second| is(second.rule))
    }

    /// Whether what they refuse is only recorded: where one of them is enforced, so is what both say.
    pub(super) fn are_shadow(&self) -> bool {
        self.first.rule.is_shadow() && self.second.is_none_or(|second| second.rule.is_shadow())
    }

    /// What must be known of the caller: the stricter of both.
    pub(super) fn credential(&self) -> CredentialNeed {
        self.iter().map(|hit| hit.rule.access.credential()).max().unwrap_or(CredentialNeed::Required)
    }

    /// The credentials that are taken: by both, where both look at one.
    pub(super) fn schemes(&self) -> Schemes {
        let looks = |hit: &&Hit<'p>| hit.rule.access.credential() != CredentialNeed::Ignored;
        let mut taken = self.iter().filter(looks).map(|hit| &hit.rule.schemes);
        let first = taken.next().cloned().unwrap_or_default();
        taken.fold(first, Schemes::and)
    }
}

impl Matched {
    /// What was found, with the policy at hand; `None` before it was.
    pub(super) fn hits<'p>(&'p self, policy: &'p Policy, view: &RequestView<'p>) -> Option<Hits<'p>> {
        let first = Hit::new(policy, self.first.as_ref()?, view.target.decoded());
        let second = self.rewritten.as_ref().and_then(|r| Some(Hit::new(policy, r.found.as_ref()?, &r.decoded)));
        Some(Hits { first, second })
    }

    /// Finds the routes and the rules. What is found before a refusal stays.
    ///
    /// # Errors
    /// 404 `no_route`, 405 `method_not_allowed` (with `Allow`), 403 `denied`; 400 `bad_target` when the rewritten target is not
    /// canonical.
    pub(super) fn find(&mut self, policy: &Policy, view: &RequestView<'_>, stage: &mut Stage) -> Result<(), Denial> {
        *stage = Stage::Route;
        let found = policy.find(view.host, view.target.decoded());
        takes(found.as_ref(), view.target)?;
        let found = found.ok_or_else(|| Denial::new(Reason::NoRoute))?;
        *stage = Stage::Method;
        let route = found.route;
        rule_of_method(found, view, &mut self.first)?;
        if let Some(rewrite) = &route.options.rewrite {
            self.rewrite(policy, view, route, rewrite)?;
        }
        Ok(())
    }

    /// What is forwarded is judged again: a rewrite must not open a door that stands closed (`/ext/admin` → `/admin`).
    ///
    /// Only the routes of the upstream that it goes to speak about the rewritten path, however specific those of others are; what
    /// none of them matches is refused as well, unless the rewrite says otherwise.
    fn rewrite(
        &mut self,
        policy: &Policy,
        view: &RequestView<'_>,
        first: &Route,
        rewrite: &Rewrite,
    ) -> Result<(), Denial> {
        let raw = apply(rewrite, view.target);
        let rewritten = Rewritten { raw: raw.as_str().into(), decoded: Box::default(), found: None };
        let rewritten = self.rewritten.insert(Box::new(rewritten));
        let at = |error: TargetError| Denial::from(error).at(first.index);
        let target = Target::read(&raw).map_err(at)?;
        rewritten.decoded = target.decoded().into();
        let found = policy.find_of_upstream(view.host, target.decoded(), first.upstream);
        // Both routes must take what is odd about it: the first did, before the rewrite.
        target.oddities().are_among(first.options.target.unwrap_or_default()).map_err(at)?;
        if let Some(second) = &found {
            target.oddities().are_among(second.route.options.target.unwrap_or_default()).map_err(at)?;
        }
        match found {
            Some(found) => rule_of_method(found, view, &mut rewritten.found),
            // No rule can be written for what is postern's own, so none can be missing.
            None if rewrite.allows_unmatched && !policy.is_reserved(target.decoded()) => Ok(()),
            None => Err(Denial::new(Reason::NoRoute).at(first.index).with_hint(UNMATCHED)),
        }
    }
}

const UNMATCHED: &str = "no route of the upstream matches the rewritten target";

/// Whether the route takes all of a target. Nothing tells whether there is a route that does not.
pub(super) fn takes(found: Option<&Found<'_>>, target: &Target<'_>) -> Result<(), Denial> {
    let taken = found.and_then(|found| found.route.options.target).unwrap_or_default();
    Ok(target.oddities().are_among(taken)?)
}

/// Takes the rule of the request's method.
fn rule_of_method(found: Found<'_>, view: &RequestView<'_>, place: &mut Option<Match>) -> Result<(), Denial> {
    let route = found.route;
    let Some((number, rule)) = route.numbered_rule(view.method) else {
        let denial = Denial::new(Reason::MethodNotAllowed).at(route.index);
        return Err(Denial { allow: Some(route.allow.clone()), ..denial });
    };
    *place = Some(Match { rule: number, path: found.path, host: found.host });
    if rule.access == Access::Deny {
        return Err(Denial::new(Reason::Denied).at(route.index));
    }
    Ok(())
}

/// Takes segments off the front of the raw path and puts the prefix there. Raw and decoded paths have the same segments.
fn apply(rewrite: &Rewrite, target: &Target<'_>) -> String {
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
