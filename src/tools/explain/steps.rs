//! The steps on the way of a request, in the order of the pipeline: one function each.

use super::{Mark, Step};
use crate::decision::{CredentialNeed, OrgKey, Reading, Reason, RequestView, Says, Stage, Trace};
use crate::facts::Snapshot;
use crate::policy::{Access, HostPattern, Judged, Kind, Policy, Route, Segment};
use crate::request_target::shown;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

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

pub(super) fn route(policy: &Policy, view: &RequestView<'_>, trace: &Trace<'_>) -> Step {
    let path = view.target.decoded();
    let mut matching = policy.matching(view.host, path).into_iter();
    let Some(route) = matching.next() else {
        let step = Step::new("route", Mark::No, "no route matches");
        if let Some(prefix) = policy.identity_api().filter(|_| policy.is_reserved(path)) {
            return step.note(format!("`{prefix}` is postern's own identity API, and no route reaches into it"));
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
    let mut step = Step::new("route", Mark::Yes, place(route));
    for (name, value) in &trace.variables {
        step = step.note(format!("{name} = {value}"));
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

pub(super) fn rule(policy: &Policy, view: &RequestView<'_>, trace: &Trace<'_>) -> Step {
    if let Err(denial) = &trace.verdict
        && denial.reason == Reason::MethodNotAllowed
    {
        let allow = denial.allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        let at = denial.route.and_then(|at| policy.routes().get(at)).map(place).unwrap_or_default();
        let step = Step::new("method", Mark::No, format!("{at} does not have {}", view.method));
        return step.note(format!("it has: {allow}; there is no fall-through to a wider route"));
    }
    let Some((route, rule)) = trace.hit else {
        return Step::new("method", Mark::No, "a route of the rewritten target refuses");
    };
    // Without a question about the credential, nothing came after this.
    let refused = trace.need.is_none();
    let mark = if refused { Mark::No } else { Mark::Yes };
    let mut step = Step::new("method", mark, format!("{} needs: {}", view.method, rule.access.as_str()));
    if let (true, Err(denial)) = (refused, &trace.verdict)
        && rule.access != Access::Deny
    {
        let by = trace.decided.filter(|decided| decided.index != route.index).map(place);
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        let raw = trace.rewritten.as_ref().map_or("", |(raw, _)| raw);
        let why = denial.fault.or(denial.hint).unwrap_or(denial.reason.code());
        return step.note(format!("rewritten to {raw}, which is refused{by}: {why}"));
    }
    if !rule.origin.is_empty() {
        step = step.note(format!("org: {}", route.origin_words(rule)));
    }
    if let Some((raw, second)) = &trace.rewritten {
        step = step.note(match second {
            Some((route, rule)) => {
                format!("rewritten to {raw}, which must pass {} too: {}", place(route), rule.access.as_str())
            }
            None => format!("rewritten to {raw}, which no other route judges"),
        });
    }
    step
}

pub(super) fn credential(need: CredentialNeed, sent: bool, trace: &Trace<'_>) -> Step {
    let text = match need {
        CredentialNeed::Ignored => "none is looked at",
        CredentialNeed::Optional if sent => "optional, and one was sent: it must be good",
        CredentialNeed::Optional => "optional, and none is sent",
        CredentialNeed::Required if sent => "required, and one was sent",
        CredentialNeed::Required => "required, and none is sent",
    };
    let refused = trace.refused_at == Some(Stage::Credential);
    let step = Step::new("credential", if refused { Mark::No } else { Mark::Yes }, text);
    match &trace.verdict {
        Err(denial) if refused => step.note(denial.reason.title().to_owned()),
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
    match snapshot.memberships().len() {
        0 => step.note("belongs to no active organization"),
        n if n > SHOWN => step.note(format!("and {} organizations more", n - SHOWN)),
        _ => step,
    }
}

pub(super) fn organization(trace: &Trace<'_>, user: Option<&Arc<Snapshot>>) -> Option<Step> {
    let refused = trace.refused_at == Some(Stage::Organization);
    let reached = trace.refused_at.is_none_or(|at| at >= Stage::Organization);
    if !reached || (trace.readings.is_empty() && !refused) {
        return None;
    }
    let text = match &trace.verdict {
        Ok(permit) => match permit.organization() {
            Some(organization) => format!("{} ({})", organization.slug.as_str(), organization.id),
            None => "none".to_owned(),
        },
        Err(denial) if refused => denial.reason.code().to_owned(),
        Err(_) => "named".to_owned(),
    };
    let mut step = Step::new("organization", if refused { Mark::No } else { Mark::Yes }, text);
    let who = user.map_or(Cow::Borrowed("anonymous"), |s| s.user.known_as());
    step.notes = trace.readings.iter().map(|reading| told(reading, &who)).collect();
    Some(step)
}

fn told(reading: &Reading<'_>, who: &str) -> String {
    let source = &reading.source;
    match &reading.says {
        Says::Shared => format!("{source}: null, the object is shared"),
        Says::Nothing => format!("{source}: absent"),
        Says::Unreadable(denial) => {
            format!("{source}: {}", denial.fault.unwrap_or(denial.reason.code()))
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

pub(super) fn level(trace: &Trace<'_>) -> Option<Step> {
    let (_, rule) = trace.hit?;
    let reached = trace.refused_at.is_none_or(|at| at >= Stage::Level);
    if !reached || matches!(rule.access, Access::Public | Access::Deny) {
        return None;
    }
    let refused = trace.refused_at == Some(Stage::Level);
    let needs = match (&rule.access, rule.origin.is_empty()) {
        (Access::In(level), true) => format!("{} in at least one organization", level.as_str()),
        (access, _) => access.as_str().to_owned(),
    };
    let step = Step::new("level", if refused { Mark::No } else { Mark::Yes }, format!("needs {needs}"));
    Some(match &trace.verdict {
        Ok(permit) if permit.by_superuser() => step.note("passes as a superuser, which the access log marks"),
        Ok(permit) => match permit.level() {
            Some(level) => step.note(format!("is {level}")),
            None => step,
        },
        Err(denial) if refused => step.note(denial.reason.code().to_owned()),
        Err(_) => step,
    })
}

/// What the rule asks besides, as far as the request came.
pub(super) fn options(trace: &Trace<'_>) -> Vec<Step> {
    let options = trace.hit.and_then(|(_, rule)| rule.options.as_ref());
    let mut words = options.map(|options| options.words()).unwrap_or_default();
    // In the order in which they are judged.
    words.sort_by_key(|(_, judged, _)| *judged);
    let step = |(name, judged, words): (&'static str, Judged, String)| {
        let stage = match judged {
            Judged::Permission => Stage::Permission,
            Judged::Condition => Stage::Condition,
            // Nothing that is decided here.
            Judged::Level | Judged::Afterwards => {
                return trace.verdict.is_ok().then(|| Step::new(name, Mark::Note, words));
            }
        };
        let mark = if trace.refused_at == Some(stage) { Mark::No } else { Mark::Yes };
        trace.refused_at.is_none_or(|at| at >= stage).then(|| Step::new(name, mark, words))
    };
    words.into_iter().filter_map(step).collect()
}
