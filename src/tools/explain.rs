//! `postern explain`: why a request is let through or refused, step by step, in the order of the pipeline.

use super::access_log::printable;
use super::ask::{Facts, Request};
use crate::decision::{Awaited, Caller, Denial, Evaluation, Listed, Permit, Reason, RequestContext, Stage};
use crate::facts::Snapshot;
use crate::policy::{InjectValue, Policy, Route};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::sync::Arc;

mod facts;
mod steps;

#[cfg(test)]
mod tests;

pub use facts::{Provenance, Record};

/// What stands for the request id, which only a real request has.
const REQUEST_ID: &str = "(new-for-each-request)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Yes,
    No,
    /// Told for the reader; nothing was asked.
    Note,
}

/// One step on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is about: `route`, `identity`.
    pub name: &'static str,
    pub mark: Mark,
    /// What was found, in one line.
    pub text: String,
    pub notes: Vec<String>,
}

/// The way of one request.
pub struct Explanation<'p> {
    /// The steps, in order.
    pub steps: Vec<Step>,
    pub verdict: Result<Permit<&'p Policy>, Denial>,
    /// It is refused, and goes through all the same, in nobody's name.
    pub shadow: bool,
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
    /// Judges a request and tells the way. `facts` may be asked for any organization that the request names.
    pub fn of(policy: &'p Policy, request: &Request, user: Option<&Arc<Snapshot>>, facts: &mut dyn Facts) -> Self {
        let readable = match request.read(policy) {
            Ok(readable) => readable,
            Err(denial) => {
                let step = Step::new("target", Mark::No, format!("`{}` is refused", request.target));
                let steps = vec![step.note(denial.fault.unwrap_or("the target or host is not canonical"))];
                return Self::refused(steps, denial);
            }
        };
        let view = readable.answered();
        let mut evaluation = Evaluation::new(policy);
        let verdict = readable.settle(&mut evaluation, user, facts);
        let decided = match &verdict {
            Ok(permit) => Some(permit.route().index),
            Err(denial) => denial.route,
        };
        let decided = decided.and_then(|at| policy.routes().get(at));
        let outcome = steps::Outcome { policy, view: &view, evaluation: &evaluation, verdict: &verdict, decided };
        let mut steps = vec![steps::target(&view), steps::route(&outcome)];
        if evaluation.ruled().is_some() || evaluation.stage() != Stage::Route {
            steps.push(steps::rule(&outcome));
        }
        if let Some(need) = evaluation.credential(&view) {
            let sent = user.is_some() || evaluation.schemes(&view).is_some_and(|s| readable.carries_credential(&s));
            steps.push(steps::credential(need, sent, &outcome));
            steps.push(steps::identity(user));
            let caller = Caller { claims: request.claims.clone(), ..Caller::of(user) };
            let readings = evaluation.readings(&view, &caller, &mut |key| facts.organization(key));
            steps.extend(steps::organization(&readings, user, &outcome));
            steps.extend(steps::level(&outcome));
            steps.extend(steps::options(&outcome));
            steps.extend(steps::answer(&outcome));
        }
        let mut explanation = Self::refused(steps, Denial::new(Reason::Denied));
        explanation.route = decided;
        let refusal = verdict.as_ref().err();
        explanation.shadow = refusal.is_some_and(|denial| evaluation.shadow(&view, denial.clone()).is_ok());
        explanation.verdict = verdict;
        explanation.end(policy, view.target.raw());
        explanation
    }

    fn refused(steps: Vec<Step>, denial: Denial) -> Self {
        Self {
            steps,
            verdict: Err(denial),
            shadow: false,
            inject: Vec::new(),
            route: None,
            forwarded: None,
            upstream: None,
            facts: None,
        }
    }

    /// Says of a refusal whether it is the token's scope that refuses: whether `user`, who is the caller without it, would pass.
    #[must_use]
    pub fn beside(
        mut self,
        policy: &Policy,
        request: &Request,
        user: Option<&Arc<Snapshot>>,
        facts: &mut dyn Facts,
    ) -> Self {
        let refusing = self.steps.iter_mut().rev().find(|step| step.mark == Mark::No);
        if let (Err(_), Some(step), Some(_)) = (&self.verdict, refusing, user) {
            step.notes.push(match super::ask::evaluate(policy, request, user, facts) {
                Ok(_) => "it is the scope of the token that refuses: without it, the request would pass".to_owned(),
                Err(_) => {
                    "it is not the scope of the token alone: without it, the request would be refused too".to_owned()
                }
            });
        }
        self
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
        let told = permit.inject(
            RequestContext { request_id: REQUEST_ID, client_name: None, signing: None },
            |name, value| {
                let secret = permit.rule().inject.iter().any(|i| i.name == *name && is_secret(&i.value));
                let text = String::from_utf8_lossy(value).into_owned();
                sent.push((name.to_string(), if secret { "***".to_owned() } else { text }));
            },
        );
        if let Err(denial) = told {
            self.verdict = Err(denial);
            return;
        }
        let signed = permit.rule().inject.iter().filter(|inject| matches!(inject.value, InjectValue::Assertion));
        sent.extend(signed.filter(|_| permit.user().is_some()).map(|it| (it.name.to_string(), "(signed)".to_owned())));
        if let Some(empty) = permit.listed().and_then(Listed::empty) {
            let text = format!("nowhere: nothing of the list could be the caller's, who gets {empty}");
            self.steps.push(Step::new("forward", Mark::Note, text));
            return;
        }
        let forwarded = permit.rewritten().unwrap_or(raw).to_owned();
        let upstream = policy.upstreams().get(permit.route().upstream).map_or("", |name| &**name);
        self.upstream = Some(upstream.to_owned());
        let upstream = if upstream.is_empty() { "the only upstream" } else { upstream };
        let mut step = Step::new("forward", Mark::Note, format!("{forwarded} to {upstream}"));
        step.notes = sent.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if permit.forwards_credential() {
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
            Ok(permit) if permit.awaits() != Awaited::Nothing => "ask the service, whose answer decides".to_owned(),
            Ok(_) => "allow".to_owned(),
            Err(denial) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
        }
    }

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
            let told = match self.shadow {
                true => SHADOW.to_owned(),
                false => format!("the caller reads: {}", denial.detail()),
            };
            let _ = writeln!(out, "{:17}{told}", "");
        }
        out
    }

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
            Ok(_) => json!({ "allow": true, "shadow": false, "status": null, "code": null }),
            Err(denial) => json!({
                "allow": false, "shadow": self.shadow, "status": denial.status.as_u16(), "code": denial.reason.code(),
                "title": denial.told_as().title(), "detail": denial.detail(),
            }),
        };
        let permit = self.verdict.as_ref().ok();
        let organization = permit.and_then(|permit| permit.organization());
        json!({
            "verdict": verdict,
            "route": self.route.map(|r| json!({ "pattern": r.pattern, "file": &*r.file, "line": r.line })),
            "organization": organization.map(|o| json!({ "id": o.id, "slug": o.slug.as_str() })),
            "level": permit.and_then(|permit| permit.level()),
            "awaits_answer": permit.is_some_and(|permit| permit.awaits() != Awaited::Nothing),
            "by_superuser": permit.is_some_and(|permit| permit.by_superuser()),
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
    if explanation.shadow {
        lines.push(SHADOW.to_owned());
    }
    lines
}

/// What is said of a refusal that is only recorded.
const SHADOW: &str = "would be refused (shadow): it goes through as it came, without identity";

/// A value that is never shown.
const fn is_secret(value: &InjectValue) -> bool {
    matches!(value, InjectValue::Secret(_))
}
