//! `postern explain`: why a request is let through or refused, step by step, in the order of the pipeline.

use super::ask::Request;
use crate::decision::{CredentialNeed, Denial, OrgKey, Permit, Reading, Says, Stage, Told, Trace, trace};
use crate::facts::{Organization, Snapshot};
use crate::policy::{Access, HostPattern, InjectValue, Kind, Policy, Route, Segment};
use crate::target::shown;
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

mod facts;

#[cfg(test)]
mod tests;

pub use facts::{Provenance, Record};

/// What stands for the request id, which only a real request has.
const REQUEST_ID: &str = "(new-for-each-request)";

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Passed.
    Yes,
    /// Refused here.
    No,
    /// Told for the reader; nothing was asked.
    Note,
}

/// One step on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is about: `route`, `identity`.
    pub name: &'static str,
    /// How it ended.
    pub mark: Mark,
    /// What was found, in one line.
    pub text: String,
    /// More about it.
    pub notes: Vec<String>,
}

/// The way of one request.
pub struct Explanation<'p> {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The verdict.
    pub verdict: Result<Permit<'p>, Denial>,
    /// The headers that would be injected; secrets are `***`.
    pub inject: Vec<(String, String)>,
    /// The route that decided: the first that refused, otherwise the one that the request fell under.
    pub route: Option<&'p Route>,
    /// The target that would be forwarded.
    pub forwarded: Option<String>,
    /// The upstream that it would go to; the empty name is that of the only one.
    pub upstream: Option<String>,
    /// Where the facts come from, where any were needed.
    pub facts: Option<Provenance>,
}

impl<'p> Explanation<'p> {
    /// Judges a request and tells the way. `lookup` may be asked for any organization that the request names.
    pub fn of(
        policy: &'p Policy,
        request: &Request,
        user: Option<&Arc<Snapshot>>,
        lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
    ) -> Self {
        let readable = match request.read(policy) {
            Ok(readable) => readable,
            Err(denial) => {
                let step = Step::new("target", Mark::No, format!("`{}` is refused", request.target));
                let steps = vec![step.note(denial.fault.unwrap_or("the target or host is not canonical"))];
                return Self::refused(steps, denial);
            }
        };
        let view = readable.view();
        let mut sent = user.is_some();
        let caller = |need, schemes: &crate::policy::Schemes| {
            sent |= readable.carries_credential(schemes);
            readable.caller(need, schemes, user)
        };
        let trace = trace(policy, &view, caller, lookup);
        let mut steps = vec![target(&view)];
        steps.push(route(policy, &view, &trace));
        if trace.hit.is_some() || trace.refused_at != Some(Stage::Route) {
            steps.push(rule(policy, &view, &trace));
        }
        if let Some(need) = trace.need {
            steps.push(credential(need, sent, &trace));
            steps.push(identity(user));
            steps.extend(organization(&trace, user));
            steps.extend(level(&trace));
            steps.extend(further(&trace));
        }
        let Trace { verdict, decided, .. } = trace;
        let mut explanation = Self::refused(steps, Denial::new(crate::decision::Reason::Denied));
        explanation.route = decided;
        explanation.verdict = verdict;
        explanation.end(policy, view.target.raw());
        explanation
    }

    fn refused(steps: Vec<Step>, denial: Denial) -> Self {
        Self {
            steps,
            verdict: Err(denial),
            inject: Vec::new(),
            route: None,
            forwarded: None,
            upstream: None,
            facts: None,
        }
    }

    /// Tells where the facts come from, in front of the first that is told.
    #[must_use]
    pub fn with_facts(mut self, facts: Provenance) -> Self {
        if let Some(at) = self.steps.iter().position(|step| step.name == "identity") {
            self.steps.insert(at, facts.step());
        }
        self.facts = Some(facts);
        self
    }

    /// What goes on to the upstream, where anything does.
    fn end(&mut self, policy: &Policy, raw: &str) {
        let Ok(permit) = &self.verdict else { return };
        let mut sent = Vec::new();
        let told = permit.inject(Told { request_id: REQUEST_ID, client_name: None }, |name, value| {
            let secret = permit.rule().inject.iter().any(|i| i.name == *name && is_secret(&i.value));
            let text = String::from_utf8_lossy(value).into_owned();
            sent.push((name.to_string(), if secret { "***".to_owned() } else { text }));
        });
        if let Err(denial) = told {
            self.verdict = Err(denial);
            return;
        }
        let forwarded = permit.rewritten().unwrap_or(raw).to_owned();
        let upstream = policy.upstreams().get(permit.route().upstream).map_or("", |name| &**name);
        self.upstream = Some(upstream.to_owned());
        let upstream = if upstream.is_empty() { "the only upstream" } else { upstream };
        let mut step = Step::new("forward", Mark::Note, format!("{forwarded} to {upstream}"));
        step.notes = sent.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if permit.rule().forward_authorization {
            step = step.note("the credential is forwarded");
        }
        self.steps.push(step);
        self.inject = sent;
        self.forwarded = Some(forwarded);
    }

    /// `allow`, or status and code.
    #[must_use]
    pub fn verdict_words(&self) -> String {
        match &self.verdict {
            Ok(_) => "allow".to_owned(),
            Err(denial) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
        }
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let paint =
            |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let mut out = String::new();
        for step in &self.steps {
            let mark = match step.mark {
                Mark::Yes => paint("32", "ok"),
                Mark::No => paint("31", "NO"),
                Mark::Note => "--".to_owned(),
            };
            let _ = writeln!(out, "{mark} {:<13} {}", step.name, printable(&step.text));
            for note in &step.notes {
                let _ = writeln!(out, "{:17}{}", "", printable(note));
            }
        }
        let words = self.verdict_words();
        let verdict = paint(if self.verdict.is_ok() { "1;32" } else { "1;31" }, &words);
        let _ = writeln!(out, "=> verdict       {verdict}");
        if let Err(denial) = &self.verdict {
            let _ = writeln!(out, "{:17}the caller reads: {}", "", denial.detail());
        }
        out
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let step = |step: &Step| {
            let mark = match step.mark {
                Mark::Yes => "yes",
                Mark::No => "no",
                Mark::Note => "note",
            };
            json!({ "step": step.name, "mark": mark, "text": step.text, "notes": step.notes })
        };
        let verdict = match &self.verdict {
            Ok(_) => json!({ "allow": true, "status": null, "code": null }),
            Err(denial) => json!({
                "allow": false, "status": denial.status.as_u16(), "code": denial.reason.code(),
                "title": denial.told_as().title(), "detail": denial.detail(),
            }),
        };
        let permit = self.verdict.as_ref().ok();
        let organization = permit.and_then(Permit::organization);
        json!({
            "verdict": verdict,
            "route": self.route.map(|r| json!({ "pattern": r.pattern, "file": &*r.file, "line": r.line })),
            "organization": organization.map(|o| json!({ "id": o.id, "slug": o.slug.as_str() })),
            "level": permit.and_then(Permit::level),
            "by_superuser": permit.is_some_and(Permit::by_superuser),
            "forwarded": self.forwarded,
            "upstream": self.upstream,
            "inject": self.inject.iter().map(|(n, v)| (n.clone(), Json::from(v.as_str()))).collect::<serde_json::Map<_, _>>(),
            "facts": self.facts.as_ref().map(Provenance::json),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

impl Step {
    fn new(name: &'static str, mark: Mark, text: impl Into<String>) -> Self {
        Self { name, mark, text: text.into(), notes: Vec::new() }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// What refused a request, in a few lines: for the report of a failed test.
#[must_use]
pub fn reasons(explanation: &Explanation<'_>) -> Vec<String> {
    let is_telling =
        |step: &&Step| step.mark == Mark::No || matches!(step.name, "identity" | "organization" | "forward");
    let mut lines = Vec::new();
    for step in explanation.steps.iter().filter(is_telling) {
        lines.push(format!("{}: {}", step.name, step.text));
        lines.extend(step.notes.iter().map(|note| format!("  {note}")));
    }
    lines
}

fn target(view: &crate::decision::RequestView<'_>) -> Step {
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

fn route(policy: &Policy, view: &crate::decision::RequestView<'_>, trace: &Trace<'_>) -> Step {
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

fn rule(policy: &Policy, view: &crate::decision::RequestView<'_>, trace: &Trace<'_>) -> Step {
    if let Err(denial) = &trace.verdict
        && denial.reason == crate::decision::Reason::MethodNotAllowed
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

fn credential(need: CredentialNeed, sent: bool, trace: &Trace<'_>) -> Step {
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

fn identity(user: Option<&Arc<Snapshot>>) -> Step {
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

fn organization(trace: &Trace<'_>, user: Option<&Arc<Snapshot>>) -> Option<Step> {
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

fn level(trace: &Trace<'_>) -> Option<Step> {
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
fn further(trace: &Trace<'_>) -> Vec<Step> {
    let further = trace.hit.and_then(|(_, rule)| rule.further.as_ref());
    let words = further.map(|further| further.words()).unwrap_or_default();
    let step = |(name, words): (&'static str, String)| {
        let stage = match name {
            "permissions" | "model" => Stage::Permission,
            "when" => Stage::Condition,
            // Nothing that is decided here.
            _ => return trace.verdict.is_ok().then(|| Step::new(name, Mark::Note, words)),
        };
        let mark = if trace.refused_at == Some(stage) { Mark::No } else { Mark::Yes };
        trace.refused_at.is_none_or(|at| at >= stage).then(|| Step::new(name, mark, words))
    };
    words.into_iter().filter_map(step).collect()
}

/// A value that is never shown.
const fn is_secret(value: &InjectValue) -> bool {
    matches!(value, InjectValue::Secret(_))
}

/// Control characters of a target or a name never reach a terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
