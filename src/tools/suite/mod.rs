//! `postern test`: a tests file's cases, run on a policy.
//!
//! `read` takes a file apart and reports every mistake at its place; [`Suite::run`] judges each case and compares; `report`
//! tells the outcome as text, JSON and JUnit XML.

mod read;
mod report;

#[cfg(test)]
mod tests;

pub(super) use read::{CASE_KEYS, FILE_KEYS};
pub use read::{read, read_world};
pub use report::{Broken, Report, junit};

use super::ask::{self, Answer, Request};
use super::explain::{self, Explanation};
use super::world::World;
use crate::decision::{Awaited, Denial, FoundItems, Listed, LookupFailure, Permit, Reason, RequestContext};
use crate::facts::{Scope, Snapshot, header_value};
use crate::policy::{ItemLookup, LookupKey, Policy, Route};
use http::{HeaderName, HeaderValue};
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// The verdict on a case that does not say what would decide.
const UNDECIDED: &str = "undecided: the answer decides, and the case has no `upstream`";

/// The request id of every case.
const REQUEST_ID: &str = "test";

pub struct Suite {
    pub file: String,
    pub world: World,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// One request and what must become of it.
pub struct Case {
    /// The line that it begins at.
    pub line: usize,
    /// What it is called, where it has a name.
    pub title: Option<Box<str>>,
    /// The user's name; `None`: nobody.
    pub user: Option<Box<str>>,
    /// What their token is narrowed to, where the case says it.
    pub token: Option<Scope>,
    /// The target as written, with its `<name>`s.
    pub written: Box<str>,
    pub request: Request,
    pub expect: Expect,
    /// Headers that the upstream must be told; `None`: that must not reach it.
    pub inject: Vec<(HeaderName, Option<Box<str>>)>,
    /// Where the request must go, where that is said.
    pub forwarded: Forwarded,
}

/// What of a request that passes goes where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The target, after a rewrite.
    pub target: Option<Box<str>>,
    /// The name of the upstream.
    pub upstream: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    Allow,
    /// It passes, and its caller gets this of the answer.
    Answer(Json),
    /// It is refused with this status, and where a code is given, for this reason.
    Refuse(u16, Option<&'static str>),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Answer(answer) => answer.fmt(f),
            Self::Refuse(status, None) => status.fmt(f),
            Self::Refuse(status, Some(code)) => write!(f, "{status} {code}"),
        }
    }
}

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The verdict: `allow`, or status and code.
    pub verdict: String,
    /// The route that decided, pattern and `file:line`: the first that refused, otherwise the one that the request fell under.
    pub route: Option<String>,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
}

#[derive(Debug)]
pub struct Failure {
    pub expected: String,
    pub got: String,
    /// How it came to that.
    pub why: Vec<String>,
}

impl Case {
    /// Its name, or `bob GET /api/v1/org/<acme>/x`.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(title) = &self.title {
            return title.to_string();
        }
        let user = self.user.as_deref().unwrap_or(super::world::ANONYMOUS);
        format!("{user} {} {}", self.request.method, self.written)
    }

    /// Who asks; and as they are without their token's scope, where it has one.
    fn caller(&self, world: &World) -> (Option<Arc<Snapshot>>, Option<Arc<Snapshot>>) {
        let Some(name) = &self.user else { return (None, None) };
        match (world.user(name), &self.token) {
            (Some(user), Some(scope)) => {
                let narrowed = Snapshot::clone(user).narrowed(scope.clone());
                (Some(Arc::new(narrowed)), Some(Arc::clone(user)))
            }
            (user, _) => (user.cloned(), world.unnarrowed(name).cloned()),
        }
    }

    fn run(&self, policy: &Policy, world: &World) -> Outcome {
        let (user, unnarrowed) = self.caller(world);
        let user = user.as_ref();
        let judged = ask::evaluate(policy, &self.request, user, &mut world.facts(policy));
        let told = judged.and_then(|permit| {
            let mut sent = Vec::new();
            permit.inject(
                RequestContext { request_id: REQUEST_ID, client_name: None, signing: None },
                |name, value| {
                    sent.extend(HeaderValue::from_bytes(value).map(|value| (name.clone(), value)));
                },
            )?;
            Ok((permit, sent))
        });
        let (verdict, route, wrong) = match &told {
            Ok((permit, _)) if permit.awaits() != Awaited::Nothing => {
                (UNDECIDED.to_owned(), Some(permit.route().index), Vec::new())
            }
            Ok((permit, sent)) => {
                let wrong = [self.headers_differ(permit, sent), self.goes_elsewhere(policy, permit)].concat();
                let verdict = match (self.gets(permit, &mut world.facts(policy)), &self.expect) {
                    (Err(denial), _) => told_as(&denial),
                    (Ok(Some(answer)), Expect::Answer(_)) => answer.to_string(),
                    (Ok(None), Expect::Answer(_)) => UNDECIDED.to_owned(),
                    (Ok(_), _) => "allow".to_owned(),
                };
                (verdict, Some(permit.route().index), wrong)
            }
            Err(denial) => (told_as(denial), denial.route, Vec::new()),
        };
        let route = route.and_then(|at| policy.routes().get(at));
        let is_expected = match &self.expect {
            Expect::Allow | Expect::Answer(_) => verdict == self.expect.to_string(),
            Expect::Refuse(_, Some(_)) => verdict == self.expect.to_string(),
            Expect::Refuse(status, None) => verdict.split(' ').next() == Some(&status.to_string()),
        };
        let join = |side: fn(&(String, String)) -> &str| wrong.iter().map(side).collect::<Vec<_>>().join(", ");
        let differs = match (is_expected, wrong.is_empty()) {
            (true, true) => None,
            (true, false) => Some((join(|(expected, _)| expected), join(|(_, got)| got))),
            (false, _) => Some((self.expect.to_string(), verdict.clone())),
        };
        let failure = differs.map(|(expected, got)| {
            let facts = &mut world.facts(policy);
            let explanation = Explanation::of(policy, &self.request, user, facts);
            let explanation = explanation.beside(policy, &self.request, unnarrowed.as_ref(), facts);
            Failure { expected, got, why: explain::reasons(&explanation) }
        });
        Outcome { verdict, route: route.map(told_place), failure }
    }

    /// Pairs of what must be sent and what is sent in its place.
    fn headers_differ(&self, permit: &Permit<&Policy>, sent: &[(HeaderName, HeaderValue)]) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (name, expected) in &self.inject {
            let found = sent.iter().find(|(sent, _)| sent == name).map(|(_, value)| value);
            let Some(expected) = expected else {
                let passes = || self.passed_on(name, permit);
                if let Some(value) = found.or_else(passes) {
                    wrong.push((format!("no {name}"), format!("{name}: {}", shown(value))));
                }
                continue;
            };
            // A text may be written as it is, or as it is encoded.
            let is_equal = |value: &HeaderValue| value == &**expected || *value == header_value(expected);
            if !found.is_some_and(is_equal) {
                let got = found.map_or("nothing".to_owned(), |value| format!("{name}: {}", shown(value)));
                wrong.push((format!("{name}: {expected}"), if found.is_some() { got } else { format!("no {name}") }));
            }
        }
        wrong
    }
}

impl Case {
    /// What the client sent under that name, where nothing takes it away.
    fn passed_on(&self, name: &HeaderName, permit: &Permit<&Policy>) -> Option<&HeaderValue> {
        self.request.headers.get(name).filter(|_| !permit.strips(name))
    }

    /// What of the answer its caller gets, where the case says what that is.
    fn gets(&self, permit: &Permit<&Policy>, facts: &mut dyn ask::Facts) -> Result<Option<Json>, Denial> {
        if let Some(empty) = permit.listed().and_then(Listed::empty) {
            return Ok(serde_json::from_str(&empty).ok());
        }
        let Some(answer) = self.request.answer.as_ref().map(Answer::view) else { return Ok(None) };
        let Some(listed) = permit.listed() else { return Ok(serde_json::from_slice(answer.body).ok()) };
        let mut found = FoundItems::new();
        if let Some(ItemLookup { lookup, .. }) = listed.lookup() {
            for arg in listed.asks(answer)? {
                let key = LookupKey { lookup: Arc::clone(lookup), args: [arg.clone()].into() };
                let object = facts
                    .object(&key)
                    .map_err(|LookupFailure(hint)| Denial::new(Reason::LookupFailed).with_hint(hint))?;
                found.extend(object.map(|object| (arg, object)));
            }
        }
        Ok(serde_json::from_slice(&listed.left(answer, &found)?.0).ok())
    }

    /// Pairs of where it must go and where it goes.
    fn goes_elsewhere(&self, policy: &Policy, permit: &Permit<&Policy>) -> Vec<(String, String)> {
        let Forwarded { target, upstream } = &self.forwarded;
        let is_asked = permit.listed().and_then(Listed::empty).is_none();
        let goes_to = if is_asked { permit.rewritten().unwrap_or(&self.request.target) } else { "nowhere" };
        let its = policy.upstreams().get(permit.route().upstream).map_or("", |name| &**name);
        let pairs = [("forwarded", target, goes_to), ("upstream", upstream, its)];
        let differs = pairs.into_iter().filter_map(|(word, wanted, found)| {
            let wanted = wanted.as_deref().filter(|wanted| *wanted != found)?;
            let found = if found.is_empty() { "the only one" } else { found };
            Some((format!("{word} {wanted}"), format!("{word} {found}")))
        });
        differs.collect()
    }
}

fn told_as(denial: &Denial) -> String {
    format!("{} {}", denial.status.as_u16(), denial.reason.code())
}

/// `/x/** (routes.yaml:12)`
fn told_place(route: &Route) -> String {
    format!("{} ({}:{})", route.pattern, route.file, route.line)
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

impl Suite {
    #[must_use]
    pub fn run(self, policy: &Policy) -> Report {
        let Self { file, world, cases } = self;
        let outcomes = cases
            .into_iter()
            .map(|case| {
                let outcome = case.run(policy, &world);
                (case, outcome)
            })
            .collect();
        Report { file, outcomes }
    }
}
