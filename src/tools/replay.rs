//! `postern replay`: which decisions of an access log would be others by another policy.
//!
//! A line does not hold all that a request was judged by: no header, no query, no body, no claim. What depends on such a thing is not
//! decidable from a line, and is told as that, never as unchanged.

use super::access_log::{AccessLine, Group, Tally, printable};
use super::ask::{Facts, Request};
use crate::decision::{Caller, Evaluation, Halt, Need, Reason, Ruled, SecondFactor, Stage};
use crate::facts::Snapshot;
use crate::limit::Verdict as Limit;
use crate::policy::{Access, Policy, Route, Source};
use http::{HeaderValue, Method, header};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What recorded requests are judged by, besides what their lines say.
pub trait People: Facts {
    /// Whoever has that id.
    fn user(&mut self, id: Uuid) -> Option<Arc<Snapshot>>;
}

/// What became of a request, or would become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Allow,
    Refuse(&'static str),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Refuse(code) => code,
        })
    }
}

/// Why a line does not say enough.
type Undecidable = &'static str;

/// Route, what was decided, and what would be.
type Key = (Box<str>, Verdict, Verdict);

/// What another policy makes of a log.
pub struct Replay<'p> {
    policy: &'p Policy,
    wider: Tally<Key>,
    narrower: Tally<Key>,
    pub unchanged: u64,
    /// Refused by both, for another reason.
    pub otherwise: u64,
    undecidable: BTreeMap<Undecidable, u64>,
    pub unreadable: u64,
}

impl<'p> Replay<'p> {
    /// With so many examples of each change.
    #[must_use]
    pub fn new(policy: &'p Policy, examples: usize) -> Self {
        Self {
            policy,
            wider: Tally::new(examples),
            narrower: Tally::new(examples),
            unchanged: 0,
            otherwise: 0,
            undecidable: BTreeMap::new(),
            unreadable: 0,
        }
    }

    pub fn add(&mut self, line: &AccessLine<'_>, people: &mut dyn People) {
        let judged = recorded(line).and_then(|was| Ok((was, self.judge(line, was, people)?)));
        let (was, (now, route)) = match judged {
            Ok(judged) => judged,
            Err(why) => {
                *self.undecidable.entry(why).or_default() += 1;
                return;
            }
        };
        let key = || (route.as_deref().or(line.route.as_deref()).unwrap_or("-").into(), was, now);
        match (was, now) {
            (Verdict::Allow, Verdict::Refuse(_)) => self.narrower.add(key(), line),
            (Verdict::Refuse(_), Verdict::Allow) => self.wider.add(key(), line),
            _ if was == now => self.unchanged += 1,
            _ => self.otherwise += 1,
        }
    }

    /// What the policy says of a recorded request, and by which route.
    fn judge(
        &self,
        line: &AccessLine<'_>,
        was: Verdict,
        people: &mut dyn People,
    ) -> Result<(Verdict, Option<Box<str>>), Undecidable> {
        let (Some(method), Some(path)) = (&line.method, &line.path) else {
            return Err("a head that could not be read");
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| "a head that could not be read")?;
        let mut request = Request::new(method, &**path);
        request.client = Some(line.client);
        if let Some(host) = line.host.as_deref().filter(|host| !host.is_empty()) {
            let host = HeaderValue::from_str(host).map_err(|_| "a head that could not be read")?;
            request.headers.insert(header::HOST, host);
        }
        let refused = |reason: Reason| Verdict::Refuse(reason.code());
        let readable = match request.read(self.policy) {
            Ok(readable) => readable,
            Err(denial) => return Ok((refused(denial.reason), None)),
        };
        // What a body is, and how long, is not known.
        let view = crate::decision::RequestView { body_length: None, ..readable.view() };
        let mut evaluation = Evaluation::new(self.policy);
        let verdict = loop {
            let need = match evaluation.step(&view) {
                Ok(_) => break Verdict::Allow,
                Err(Halt::Denied(denial)) => break refused(denial.reason),
                Err(Halt::Need(need)) => need,
            };
            match need {
                Need::Credential(_) => match caller(line, was, people)? {
                    Some(caller) => evaluation.identify(caller),
                    None => break refused(Reason::CredentialsInvalid),
                },
                Need::Organization(key) => {
                    let found = people.organization(&key);
                    evaluation.learn(key, found);
                }
                Need::Throttle(..) => evaluation.count(Limit::Pass { remaining: 0, reset: Duration::ZERO }),
                Need::Lookups(_) => return Err("a lookup"),
                Need::Body(_) => return Err("a body"),
            }
        };
        if self.policy.own(view.target.decoded()).is_some() {
            return Err("postern's own answer");
        }
        let passes = verdict == Verdict::Allow;
        let stage = if passes { Stage::Permitted } else { evaluation.stage() };
        let first = evaluation.ruled();
        let second = evaluation.rewritten().and_then(|(_, ruled)| ruled);
        for ruled in first.into_iter().chain(second) {
            unknown(ruled, &view, line, stage).map_or(Ok(()), Err)?;
        }
        if passes && let Verdict::Refuse(code) = was {
            is_of_line(code)?;
        }
        let route = first.map(|(route, _): (&Route, _)| route.pattern.clone());
        Ok((verdict, route))
    }

    /// How many recorded refusals would pass.
    #[must_use]
    pub fn wider(&self) -> u64 {
        self.wider.total()
    }

    #[must_use]
    pub fn narrower(&self) -> u64 {
        self.narrower.total()
    }

    fn changes(&self) -> [(&'static str, &Tally<Key>); 2] {
        [("wider", &self.wider), ("narrower", &self.narrower)]
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (word, tally) in self.changes() {
            for ((route, was, now), group) in tally.sorted() {
                let _ = writeln!(out, "{word}: {} {was} -> {now}: {}", printable(route), group.count);
                for example in &group.examples {
                    let _ = writeln!(out, "    {}", example.words());
                }
            }
            if tally.others > 0 {
                let _ = writeln!(out, "{word}: {} more, on more routes than are told apart", tally.others);
            }
        }
        let undecidable: u64 = self.undecidable.values().sum();
        let _ = writeln!(
            out,
            "{} wider, {} narrower, {} refused for another reason, {} unchanged, {undecidable} not decidable from a line",
            self.wider(),
            self.narrower(),
            self.otherwise,
            self.unchanged
        );
        for (why, count) in &self.undecidable {
            let _ = writeln!(out, "  {count}: {why}");
        }
        if self.unreadable > 0 {
            let _ = writeln!(out, "{} lines that are none", self.unreadable);
        }
        out
    }

    #[must_use]
    pub fn to_json(&self) -> Json {
        let list = |tally: &Tally<Key>| -> Vec<Json> {
            let told = |((route, was, now), group): (&Key, &Group)| {
                json!({
                    "route": route, "was": was.to_string(), "now": now.to_string(), "count": group.count,
                    "examples": group.examples,
                })
            };
            tally.sorted().into_iter().map(told).collect()
        };
        json!({
            "wider": list(&self.wider), "wider_count": self.wider(),
            "narrower": list(&self.narrower), "narrower_count": self.narrower(),
            "otherwise_refused": self.otherwise, "unchanged": self.unchanged,
            "undecidable": self.undecidable, "unreadable": self.unreadable,
        })
    }
}

/// What was decided, as a line says it; in shadow mode, what would have been.
fn recorded(line: &AccessLine<'_>) -> Result<Verdict, Undecidable> {
    let code = match (line.shadow.as_deref(), line.code.as_deref()) {
        (Some("allow"), _) => return Ok(Verdict::Allow),
        (Some("not_judged"), _) => return Err("the service's answer"),
        (Some(reason), _) => reason,
        (None, None) if line.route.is_none() => return Err("postern's own answer"),
        (None, None) => return Ok(Verdict::Allow),
        (None, Some(code)) => code,
    };
    let Some(reason) = Reason::ALL.into_iter().find(|reason| reason.code() == code) else {
        return Err("nobody was answered");
    };
    match reason {
        // They were let through before that.
        Reason::UpstreamUnreachable
        | Reason::UpstreamInvalid
        | Reason::UpstreamTimeout
        | Reason::UpstreamOverloaded
        | Reason::UpstreamUnhealthy
        | Reason::IdentityTooLarge => Ok(Verdict::Allow),
        Reason::StoreUnavailable | Reason::LookupFailed => Err("it could not be judged then either"),
        Reason::AnswerUnreadable | Reason::UpstreamError => Err("the service's answer"),
        Reason::BadFraming | Reason::BadTarget => Err("a head that could not be read"),
        reason => Ok(Verdict::Refuse(reason.code())),
    }
}

/// Whether a refusal of that reason is one of what a line shows: of another one, nobody can tell whether it is still there.
fn is_of_line(code: &str) -> Result<(), Undecidable> {
    let of = |reasons: &[Reason]| reasons.iter().any(|reason| reason.code() == code);
    if of(&[Reason::Throttled]) {
        return Err("how often somebody came");
    }
    if of(&[Reason::BodyTooLarge, Reason::BodyInvalid, Reason::BodyType]) {
        return Err("a body");
    }
    if of(&[
        Reason::Ambiguous,
        Reason::BadField,
        Reason::OriginDenied,
        Reason::CsrfFailed,
        Reason::OrgMissing,
        Reason::LookupNotFound,
    ]) {
        return Err("what was refused is not in the line");
    }
    if of(&[Reason::ScopeExceeded, Reason::PasswordExpired]) {
        return Err("what the credential is good for");
    }
    Ok(())
}

/// Who sent a recorded request; `None`: somebody with a credential that is nobody's.
fn caller(line: &AccessLine<'_>, was: Verdict, people: &mut dyn People) -> Result<Option<Caller>, Undecidable> {
    if line.narrowed {
        return Err("what the credential is good for");
    }
    match (line.user, was) {
        (Some(id), _) => match people.user(id) {
            // Lines do not say when it was shown: see [`unknown`].
            Some(user) => {
                let second_factor = SecondFactor::Shown(0);
                Ok(Some(Caller { second_factor, ..Caller::of(Some(&user)) }))
            }
            None => Err("a user who is not in the directory"),
        },
        (None, Verdict::Refuse(code)) if code == Reason::CredentialsMissing.code() => Ok(Some(Caller::default())),
        (None, Verdict::Refuse(code)) if code == Reason::CredentialsInvalid.code() => Ok(None),
        (None, _) => Err("nobody was asked who it is"),
    }
}

/// What a rule goes by that is in no line, as far as the evaluation came.
fn unknown(
    (route, rule): Ruled<'_>,
    view: &crate::decision::RequestView<'_>,
    line: &AccessLine<'_>,
    stage: Stage,
) -> Option<Undecidable> {
    if stage < Stage::Organization || matches!(rule.access, Access::Deny) {
        return None;
    }
    if rule.mfa().is_some() {
        return Some("when a second factor was shown");
    }
    let source = |source: &Source| match source {
        Source::Path(..) | Source::Host(..) | Source::UserOnly => None,
        Source::Query(..) => Some("the query"),
        Source::Header(..) => Some("a header"),
        Source::Claim(..) => Some("what the credential says"),
        Source::Lookup(..) => Some("a lookup"),
        Source::Body(..) => Some("a body"),
        Source::Answer(..) => Some("the service's answer"),
    };
    if let Some(unknown) = rule.origin.iter().flat_map(|item| &item.sources).find_map(source) {
        return Some(unknown);
    }
    if stage < Stage::Condition {
        return None;
    }
    let options = rule.options.as_ref();
    if let Some(unknown) = options.and_then(|options| options.when.as_ref()?.asks_what_is_not_logged()) {
        return Some(unknown);
    }
    if stage < Stage::Permitted {
        return None;
    }
    if rule.judges_answer() {
        return Some("the service's answer");
    }
    if options.is_some_and(|options| options.upgrade.is_some()) && line.status == 101 {
        return Some("the page that opens a WebSocket");
    }
    (route.options.cors.is_some() && *view.method == Method::OPTIONS).then_some("a preflight")
}

#[cfg(test)]
mod tests;
