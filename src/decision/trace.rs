//! What each stage found, for whoever asks why. It calls the stages themselves and judges nothing on its own.

use super::matching::{self, Hit, Matched};
use super::org_references::{self, Referent};
use super::{Caller, CredentialNeed, Denial, OrgKey, Permit, Reason, RequestView};
use crate::facts::{Level, Organization};
use crate::policy::{Access, NAMELESS, Policy, Route, Rule, Source};
use crate::request_target::{Target, plain};
use std::sync::Arc;

/// The stages of the pipeline, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Target and host are canonical.
    Target,
    Route,
    /// It has the method, and does not close it.
    Method,
    /// There is a good credential, where one is needed.
    Credential,
    /// The request names its organization.
    Organization,
    /// The caller stands high enough.
    Level,
    Permission,
    Condition,
    Later,
}

impl Stage {
    /// The stage that refuses for this reason.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::BadTarget | Reason::BadFraming => Self::Target,
            Reason::NoRoute => Self::Route,
            Reason::MethodNotAllowed | Reason::Denied => Self::Method,
            Reason::CredentialsMissing | Reason::CredentialsInvalid | Reason::UserInactive | Reason::ScopeExceeded => {
                Self::Credential
            }
            Reason::Ambiguous
            | Reason::BadField
            | Reason::OrgMissing
            | Reason::OrgForeign
            | Reason::LookupNotFound
            | Reason::LookupFailed
            | Reason::StoreUnavailable => Self::Organization,
            Reason::OrgLevelMissing | Reason::SharedDenied | Reason::SuperuserOnly | Reason::StaffOnly => Self::Level,
            Reason::PermissionMissing => Self::Permission,
            Reason::ConditionFalse => Self::Condition,
            _ => Self::Later,
        }
    }
}

/// What one source of an organization says.
#[derive(Clone, Debug)]
pub struct Reading<'p> {
    /// The route whose rule reads it.
    pub route: &'p Route,
    /// The source, in the policy's words.
    pub source: String,
    pub says: Says,
}

#[derive(Clone, Debug)]
pub enum Says {
    Nothing,
    Unreadable(Denial),
    /// That the object belongs to none.
    Shared,
    /// The caller's only organization.
    Only(Option<(Arc<Organization>, Level)>),
    /// This one; the organization where there is one, and the caller's level where they belong to it.
    Key(OrgKey<'static>, Option<Arc<Organization>>, Option<Level>),
}

/// A route, and its rule of the request's method.
pub type Ruled<'p> = (&'p Route, &'p Rule);

/// What was found on the way of one request.
#[derive(Clone, Debug)]
pub struct Trace<'p> {
    /// The route that it fell under, and the rule.
    pub hit: Option<Ruled<'p>>,
    /// The route that decided: the first that refused, otherwise the one that it fell under. `None`: there was none.
    pub decided: Option<&'p Route>,
    /// What the path's variables matched.
    pub variables: Vec<(&'p str, String)>,
    /// The target after the rewrite, and the route that judges it too.
    pub rewritten: Option<(Arc<str>, Option<Ruled<'p>>)>,
    /// What it asks of the credential.
    pub need: Option<CredentialNeed>,
    /// What the sources say that its rules read.
    pub readings: Vec<Reading<'p>>,
    pub verdict: Result<Permit<'p>, Denial>,
    pub refused_at: Option<Stage>,
}

/// Goes the whole way and tells of it. `caller` reads the credential where the route looks at it; `lookup` may be asked for
/// any organization that the request names.
pub fn trace<'p, 'c>(
    policy: &'p Policy,
    view: &RequestView<'_>,
    caller: impl FnOnce(CredentialNeed, &crate::policy::Schemes) -> Result<Caller<'c>, Denial>,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Trace<'p> {
    let matched = match super::find(policy, view) {
        Ok(matched) => matched,
        Err(denial) => return Trace::refused_early(policy, view, denial).settled(policy),
    };
    let need = matched.credential();
    let mut trace = Trace::of(&matched, view);
    match caller(need, &matched.schemes()) {
        Ok(caller) => {
            trace.readings = readings(&matched, view, caller, lookup);
            trace.verdict = super::judge(policy, view, caller, lookup);
            trace.refused_at = trace.verdict.as_ref().err().map(|denial| Stage::of(denial.reason));
        }
        Err(denial) => {
            trace.verdict = Err(denial.at(matched.route().index));
            trace.refused_at = Some(Stage::Credential);
        }
    }
    trace.settled(policy)
}

impl<'p> Trace<'p> {
    fn of(matched: &Matched<'p>, view: &RequestView<'_>) -> Self {
        let hit = &matched.hit;
        let pair = |hit: &Hit<'p>| (hit.route, hit.rule);
        Self {
            hit: Some(pair(hit)),
            decided: None,
            variables: variables(hit.route, &hit.path, view.target.decoded()),
            rewritten: matched.rewritten.as_ref().map(|r| (r.raw.clone(), r.hit.as_ref().map(pair))),
            need: Some(matched.credential()),
            readings: Vec::new(),
            verdict: Err(Denial::new(Reason::Denied)),
            refused_at: None,
        }
    }

    fn settled(mut self, policy: &'p Policy) -> Self {
        self.decided = match &self.verdict {
            Ok(permit) => Some(permit.route()),
            Err(denial) => denial.route.and_then(|at| policy.routes().get(at)),
        };
        self
    }

    /// The route does not judge this request: there is none, it lacks the method, or it is closed.
    fn refused_early(policy: &'p Policy, view: &RequestView<'_>, denial: Denial) -> Self {
        let found = policy.find(view.host, view.target.decoded());
        let rule = found.as_ref().and_then(|found| Some((found.route, found.route.rule(view.method)?)));
        let rewrite =
            rule.filter(|(_, rule)| rule.access != Access::Deny).and_then(|(route, _)| route.options.rewrite.as_ref());
        let rewritten = rewrite.zip(rule).map(|(rewrite, (route, _))| {
            let raw = matching::apply(rewrite, view.target);
            let target = Target::read(&raw).ok();
            let second = target.and_then(|t| policy.find_of_upstream(view.host, t.decoded(), route.upstream));
            let second = second.and_then(|found| Some((found.route, found.route.rule(view.method)?)));
            (raw.into(), second)
        });
        let variables = found.map(|f| variables(f.route, &f.path, view.target.decoded())).unwrap_or_default();
        let refused_at = Some(Stage::of(denial.reason));
        Self {
            hit: rule,
            decided: None,
            variables,
            rewritten,
            need: None,
            readings: Vec::new(),
            verdict: Err(denial),
            refused_at,
        }
    }
}

fn variables<'p>(route: &'p Route, captures: &crate::policy::Captures, path: &str) -> Vec<(&'p str, String)> {
    let value = |at| plain(org_references::captured(path, captures, at).unwrap_or_default()).into_owned();
    let named = route.variables().enumerate().filter(|(_, name)| *name != NAMELESS);
    named.map(|(at, name)| (name, value(at))).collect()
}

/// Reads every source of every rule, each with the reader of [`super::claim()`].
fn readings<'p>(
    matched: &Matched<'p>,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Vec<Reading<'p>> {
    let mut list = Vec::new();
    let mut of = |hit: &Hit<'p>, path: &str| {
        for source in hit.rule.origin.iter().flat_map(|item| item.sources.iter()) {
            let says = says(source, hit, path, view, caller, lookup);
            list.push(Reading { route: hit.route, source: hit.route.source_words(source), says });
        }
    };
    of(&matched.hit, view.target.decoded());
    if let Some(rewritten) = &matched.rewritten
        && let Some(hit) = &rewritten.hit
    {
        of(hit, &rewritten.decoded);
    }
    list
}

fn says(
    source: &Source,
    hit: &Hit<'_>,
    path: &str,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Says {
    let memberships = match caller {
        Caller::User(snapshot) => snapshot.memberships(),
        Caller::Anonymous => &[],
    };
    match org_references::read(source, hit, path, view) {
        Ok(None) => Says::Nothing,
        Err(denial) => Says::Unreadable(denial),
        Ok(Some(Referent::Shared)) => Says::Shared,
        Ok(Some(Referent::Only)) => Says::Only(match memberships {
            [only] => Some((only.organization.clone(), only.level())),
            _ => None,
        }),
        Ok(Some(Referent::Key(key))) => {
            let membership = memberships.iter().find(|m| key.names(&m.organization));
            let organization = membership.map(|m| m.organization.clone()).or_else(|| lookup(&key));
            Says::Key(key.into_owned(), organization, membership.map(crate::facts::Membership::level))
        }
    }
}
