//! The steps on the way of a request, in the order of the pipeline: one function each.

use super::{Mark, Step};
use crate::decision::{
    Awaited, CredentialNeed, Denial, Evaluation, OrgKey, Permit, Reading, Reason, RequestView, Says, Stage, Upgrade,
};
use crate::facts::{Scope, Snapshot};
use crate::id::OrgId;
use crate::policy::{Access, Found, HostPattern, Judged, Kind, NAMELESS, Own, Policy, Route, Segment};
use crate::request_target::{plain, shown};
use http::HeaderValue;
use http::header::ORIGIN;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// An evaluation that has ended, and how.
pub(super) struct Outcome<'a, 'p> {
    pub(super) policy: &'p Policy,
    pub(super) view: &'a RequestView<'a>,
    pub(super) evaluation: &'a Evaluation<&'p Policy>,
    pub(super) verdict: &'a Result<Permit<&'p Policy>, Denial>,
    /// The route that decided.
    pub(super) decided: Option<&'p Route>,
}

impl Outcome<'_, '_> {
    /// Whether the request came so far.
    fn reached(&self, stage: Stage) -> bool {
        self.evaluation.stage() >= stage
    }

    fn is_refused_at(&self, stage: Stage) -> bool {
        self.evaluation.stage() == stage
    }

    /// How a stage ended that the request came to.
    fn mark(&self, stage: Stage) -> Mark {
        if self.is_refused_at(stage) { Mark::No } else { Mark::Yes }
    }
}

pub(super) fn target(view: &RequestView<'_>) -> Step {
    let step = Step::new("target", Mark::Yes, format!("{} {} on {}", view.method, view.target.raw(), view.host));
    if view.target.decoded() == view.target.path() {
        step
    } else {
        step.note(format!("read as {}", shown(view.target.decoded())))
    }
}

/// `/x/** (routes.yaml:12)`
fn place(route: &Route) -> String {
    format!("{} ({}:{})", route.pattern, route.file, route.line)
}

pub(super) fn route(outcome: &Outcome<'_, '_>) -> Step {
    let Outcome { policy, view, .. } = outcome;
    let path = view.target.decoded();
    let mut matching = policy.matching(view.host, path).into_iter();
    let Some(route) = matching.next() else {
        let step = Step::new("route", Mark::No, "no route matches");
        match (policy.own(path), policy.identity_api()) {
            (Some(Own::Identity), Some(prefix)) => {
                return step.note(format!("`{prefix}` is postern's own identity API, and no route reaches into it"));
            }
            (Some(Own::AdminUi), _) => {
                return step.note(format!("`{path}` is of postern's own admin UI, and no route's"));
            }
            (Some(_), _) => return step.note(format!("`{path}` is of postern's own AuthZEN API, and no route's")),
            _ => {}
        }
        let other = match path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{path}/"),
        };
        return match policy.find(view.host, &other) {
            Some(found) => step.note(format!(
                "`{other}` is a route: {}; a path with a slash at its end is another path, unless `trailing_slash: either` is set",
                place(found.route)
            )),
            None => nearly(policy, view.host, path).into_iter().fold(step, Step::note),
        };
    };
    let mut step = Step::new("route", outcome.mark(Stage::Route), place(route));
    if let Some(found) = policy.find(view.host, path) {
        step.notes = variables(&found, path);
    }
    if let (true, Err(Denial { fault: Some(fault), .. })) = (outcome.is_refused_at(Stage::Route), outcome.verdict) {
        step = step.note(*fault);
    }
    let mut seen = vec![route.index];
    for other in matching {
        if !seen.contains(&other.index) {
            seen.push(other.index);
            step = step.note(format!("more specific than {}, which matches too", place(other)));
        }
    }
    step
}

/// What the variables of the path matched: `org = acme`.
fn variables(found: &Found<'_>, path: &str) -> Vec<String> {
    let value = |at: usize| {
        let (start, end) = found.path.get(at)?;
        path.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
    };
    let named = found.route.variables().enumerate().filter(|(_, name)| *name != NAMELESS);
    named.map(|(at, name)| format!("{name} = {}", plain(value(at).unwrap_or_default()))).collect()
}

/// Routes that a value of the wrong type keeps away, and which value it is; a few of them.
fn nearly(policy: &Policy, host: &str, path: &str) -> Vec<String> {
    const SHOWN: usize = 3;
    let labels: Vec<&str> = host.split('.').collect();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let on_host = |route: &&Route| {
        let fits = |host: &HostPattern| misfits(&host.labels, false, &labels).is_some_and(|misfits| misfits.is_empty());
        route.hosts().is_empty() || route.hosts().iter().any(fits)
    };
    let near = policy.routes().iter().filter(on_host).filter_map(|route| {
        let misfits = misfits(&route.shape().segments, route.shape().rest, &parts)?;
        let words: Vec<_> =
            misfits.iter().map(|(name, kind, part)| format!("`{part}` is no {} for `{name}`", kind.as_str())).collect();
        Some(format!("{} would match, but {}", place(route), words.join(", ")))
    });
    near.take(SHOWN).collect()
}

/// The parts that are not of the type of their variable; `None` where anything else does not fit.
fn misfits<'s>(segments: &'s [Segment], rest: bool, parts: &[&'s str]) -> Option<Vec<(&'s str, Kind, &'s str)>> {
    if parts.len() < segments.len() || (parts.len() > segments.len() && !rest) {
        return None;
    }
    let mut list = Vec::new();
    for (segment, part) in segments.iter().zip(parts) {
        match segment {
            Segment::Literal(text) if **text == **part => {}
            Segment::Variable { kind, .. } if kind.matches(part) => {}
            Segment::Variable { name, kind } if !part.is_empty() => list.push((&**name, *kind, *part)),
            Segment::Literal(_) | Segment::Variable { .. } => return None,
        }
    }
    Some(list)
}

pub(super) fn rule(outcome: &Outcome<'_, '_>) -> Step {
    let Outcome { policy, view, evaluation, verdict, decided } = outcome;
    if let Err(denial) = verdict
        && denial.reason == Reason::MethodNotAllowed
        && evaluation.stage() == Stage::Method
    {
        let allow = denial.allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        let at = denial.route.and_then(|at| policy.routes().get(at)).map(place).unwrap_or_default();
        let step = Step::new("method", Mark::No, format!("{at} does not have {}", view.method));
        return step.note(format!("it has: {allow}; there is no fall-through to a wider route"));
    }
    let Some((route, rule)) = evaluation.ruled() else {
        return Step::new("method", Mark::No, "a route of the rewritten target refuses");
    };
    let refused = outcome.is_refused_at(Stage::Method);
    let needs = format!("{} needs: {}", view.method, rule.access.as_str());
    let mut step = Step::new("method", outcome.mark(Stage::Method), needs);
    let rewritten = evaluation.rewritten();
    if let (true, Err(denial)) = (refused, verdict)
        && rule.access != Access::Deny
    {
        let by = decided.filter(|decided| decided.index != route.index).map(place);
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        let raw = rewritten.map_or("", |(raw, _)| raw);
        let why = denial.fault.or(denial.hint).unwrap_or(denial.reason.code());
        return step.note(format!("rewritten to {raw}, which is refused{by}: {why}"));
    }
    if !rule.origin.is_empty() {
        step = step.note(format!("org: {}", route.origin_words(rule)));
    }
    match rewritten {
        Some((raw, Some((route, rule)))) => {
            step.note(format!("rewritten to {raw}, which must pass {} too: {}", place(route), rule.access.as_str()))
        }
        Some((raw, None)) => step.note(format!("rewritten to {raw}, which no other route judges")),
        None => step,
    }
}

pub(super) fn credential(need: CredentialNeed, sent: bool, outcome: &Outcome<'_, '_>) -> Step {
    let text = match need {
        CredentialNeed::Ignored => "none is looked at",
        CredentialNeed::Optional if sent => "optional, and one was sent: it must be good",
        CredentialNeed::Optional => "optional, and none is sent",
        CredentialNeed::Required if sent => "required, and one was sent",
        CredentialNeed::Required => "required, and none is sent",
    };
    let step = Step::new("credential", outcome.mark(Stage::Credential), text);
    match outcome.verdict {
        Err(denial) if outcome.is_refused_at(Stage::Credential) => step.note(denial.reason.title().to_owned()),
        _ => step,
    }
}

pub(super) fn identity(user: Option<&Arc<Snapshot>>) -> Step {
    let Some(snapshot) = user else { return Step::new("identity", Mark::Note, "anonymous") };
    let user = &snapshot.user;
    let flags = [(!user.is_active, "inactive"), (user.is_staff, "staff"), (user.is_superuser, "superuser")];
    let mut text = user.known_as().into_owned();
    if user.username.is_some() {
        let _ = write!(text, " ({})", user.id);
    }
    if let Some(issuer) = user.issuer.as_ref().filter(|_| user.username.is_some()) {
        let _ = write!(text, " of {}", issuer.as_str());
    }
    for (_, flag) in flags.into_iter().filter(|(is, _)| *is) {
        let _ = write!(text, ", {flag}");
    }
    let mut step = Step::new("identity", Mark::Note, text);
    const SHOWN: usize = 10;
    for membership in snapshot.memberships().iter().take(SHOWN) {
        step = step.note(format!("{} of {}", membership.level().as_str(), membership.organization.slug.as_str()));
    }
    step = match snapshot.memberships().len() {
        0 if snapshot.scope().is_some_and(Scope::narrows_rights) => step,
        0 => step.note("belongs to no active organization"),
        n if n > SHOWN => step.note(format!("and {} organizations more", n - SHOWN)),
        _ => step,
    };
    match snapshot.scope() {
        Some(scope) => step.note(narrowing(scope, snapshot)),
        None => step,
    }
}

/// What a token is narrowed to, in words.
fn narrowing(scope: &Scope, snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    if !scope.organizations().is_empty() {
        let slug = |id: &OrgId| match snapshot.membership(*id) {
            Some(membership) => membership.organization.slug.as_str().to_owned(),
            None => id.to_string(),
        };
        parts.push(format!("organizations {}", scope.organizations().iter().map(slug).collect::<Vec<_>>().join(", ")));
    }
    if !scope.permissions().is_empty() {
        parts.push(format!("permissions {}", scope.permissions().join(", ")));
    }
    if scope.is_read_only() {
        parts.push("reading".to_owned());
    }
    let superuser = if scope.is_of_superuser() { "; a superuser within that" } else { "" };
    format!("the token is narrowed to {}{superuser}", parts.join("; "))
}

pub(super) fn organization(
    readings: &[Reading],
    user: Option<&Arc<Snapshot>>,
    outcome: &Outcome<'_, '_>,
) -> Option<Step> {
    let refused = outcome.is_refused_at(Stage::Organization);
    if !outcome.reached(Stage::Organization) || (readings.is_empty() && !refused) {
        return None;
    }
    let text = match outcome.verdict {
        Ok(permit) if permit.awaits() != Awaited::Nothing => "the answer says".to_owned(),
        Ok(permit) => match permit.organization() {
            Some(organization) => format!("{} ({})", organization.slug.as_str(), organization.id),
            None => "none".to_owned(),
        },
        Err(denial) if refused => denial.reason.code().to_owned(),
        Err(_) => "named".to_owned(),
    };
    let mut step = Step::new("organization", outcome.mark(Stage::Organization), text);
    let who = user.map_or(Cow::Borrowed("anonymous"), |s| s.user.known_as());
    step.notes = readings.iter().map(|reading| told(reading, &who)).collect();
    Some(step)
}

fn told(reading: &Reading, who: &str) -> String {
    let source = &reading.source;
    match &reading.says {
        Says::Shared => format!("{source}: null, the object is shared"),
        Says::Nothing => format!("{source}: absent"),
        Says::Unreadable(denial) => {
            format!("{source}: {}", denial.fault.or(denial.hint).unwrap_or(denial.reason.code()))
        }
        Says::Only(Some((organization, level))) => {
            format!("{source}: {}, where {who} is {}", organization.slug.as_str(), level.as_str())
        }
        Says::Only(None) => format!("{source}: {who} does not belong to exactly one organization"),
        Says::Key(key, organization, level) => {
            let value = match key {
                OrgKey::Id(id) => id.to_string(),
                OrgKey::Slug(text) | OrgKey::External(text) => text.to_string(),
            };
            let standing = match (organization, level) {
                (Some(organization), Some(level)) => {
                    format!("{}, where {who} is {}", organization.slug.as_str(), level.as_str())
                }
                (Some(organization), None) if !organization.is_active => {
                    format!("{}, which is disabled", organization.slug.as_str())
                }
                (Some(organization), None) => format!("{}, to which {who} does not belong", organization.slug.as_str()),
                (None, _) => "no such organization".to_owned(),
            };
            format!("{source} = {value}: {standing}")
        }
    }
}

pub(super) fn level(outcome: &Outcome<'_, '_>) -> Option<Step> {
    let (_, rule) = outcome.evaluation.ruled()?;
    if !outcome.reached(Stage::Level) || matches!(rule.access, Access::Public | Access::Deny) {
        return None;
    }
    let needs = match (&rule.access, rule.origin.is_empty()) {
        (Access::In(level), true) => format!("{} in at least one organization", level.as_str()),
        (access, _) => access.as_str().to_owned(),
    };
    let step = Step::new("level", outcome.mark(Stage::Level), format!("needs {needs}"));
    Some(match outcome.verdict {
        Ok(permit) if permit.by_superuser() => step.note("passes as a superuser, which the access log marks"),
        Ok(permit) => match permit.level() {
            Some(level) => step.note(format!("is {level}")),
            None => step,
        },
        Err(denial) if outcome.is_refused_at(Stage::Level) => step.note(denial.reason.code().to_owned()),
        Err(_) => step,
    })
}

/// What the rule asks besides and what limits it, as far as the request came; then how long its body is, and whose page opens a
/// WebSocket.
pub(super) fn options(outcome: &Outcome<'_, '_>) -> Vec<Step> {
    let Outcome { view, evaluation, .. } = outcome;
    let Some((route, rule)) = evaluation.ruled() else { return Vec::new() };
    let has_body = view.body_length != Some(0);
    let mut words = rule.options.as_ref().map(|options| options.words()).unwrap_or_default();
    // In the order in which they are judged.
    words.sort_by_key(|(_, judged, _)| *judged);
    let step = |(name, judged, words): (&'static str, Judged, String)| {
        let (stage, is_asked) = match judged {
            Judged::Permission => (Stage::Permission, true),
            Judged::Condition => (Stage::Condition, true),
            Judged::Fields => (Stage::Fields, has_body),
            Judged::StrictSource => (Stage::StrictSource, has_body),
            // Nothing is counted here, unless it is said that there was too much.
            Judged::Throttle => (Stage::Throttle, outcome.is_refused_at(Stage::Throttle)),
            Judged::Level | Judged::Afterwards => (Stage::Permitted, false),
        };
        let mark = if is_asked { outcome.mark(stage) } else { Mark::Note };
        let mut step = Step::new(name, mark, words);
        let why = outcome.verdict.as_ref().err().filter(|_| stage == Stage::Fields && outcome.is_refused_at(stage));
        let why = why.and_then(|denial| denial.hint.or(denial.fault));
        step.notes.extend(why.map(str::to_owned));
        outcome.reached(stage).then_some(step)
    };
    let mut steps: Vec<Step> = words.into_iter().filter_map(step).collect();
    let is_too_long = matches!(outcome.verdict, Err(denial) if denial.reason == Reason::BodyTooLarge);
    if has_body && (is_too_long || outcome.reached(Stage::Body)) {
        let limit = route.body_limit(rule);
        let is_held = outcome.is_refused_at(Stage::Fields) || outcome.is_refused_at(Stage::StrictSource);
        let limit = if is_held { limit.min(rule.inspect_limit()) } else { limit };
        let text = format!("{} bytes, of {limit} at most", view.body_length.unwrap_or_default());
        steps.push(Step::new("body", if is_too_long { Mark::No } else { Mark::Yes }, text));
    }
    let is_upgrade = outcome.verdict.as_ref().is_ok_and(|permit| permit.upgrade() != Upgrade::None);
    if is_upgrade || outcome.is_refused_at(Stage::Origin) {
        let origin = view.headers.get(ORIGIN).map(HeaderValue::as_bytes).map(String::from_utf8_lossy);
        let text = origin.map_or_else(
            || "none: no page opens the WebSocket".to_owned(),
            |origin| format!("{origin} opens the WebSocket"),
        );
        steps.push(Step::new("origin", outcome.mark(Stage::Origin), text));
    }
    steps
}

/// The answer, where it decides: that it will, or what of it could not be judged.
pub(super) fn answer(outcome: &Outcome<'_, '_>) -> Option<Step> {
    let limit = || outcome.evaluation.ruled().map_or(0, |(_, rule)| rule.inspect_limit());
    match outcome.verdict {
        Ok(permit) if permit.awaits() != Awaited::Nothing => {
            let text = format!("decides: of {} bytes at most, judged before any of it reaches the caller", limit());
            Some(Step::new("answer", Mark::Note, text))
        }
        Err(denial) if outcome.is_refused_at(Stage::Answer) => {
            Some(Step::new("answer", Mark::No, denial.hint.unwrap_or(denial.reason.detail())))
        }
        _ => None,
    }
}
