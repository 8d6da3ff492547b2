//! `postern matrix`: who may do what, over all routes; and what becomes wider or narrower between two policies.
//!
//! `probe` makes requests that really fall under a route, and people of every kind to send them; the decision engine judges
//! each. [`Matrix`] is the table, [`compare()`] judges the same requests by two policies: a reload asks it too.

mod compare;
mod parts;
mod people;
mod probe;

#[cfg(test)]
mod tests;

pub use compare::{Comparison, Difference, Elsewhere, compare, compare_while};
pub use people::Person;
pub use probe::{Principal, Relation};

use super::ask::Request;
use crate::decision::Denial;
use crate::policy::{Judged, Policy, Route, Rule};
use http::Method;
use probe::{Cast, Probe};
use serde_json::{Value as Json, json};
use std::fmt::{self, Write};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Allow,
    /// It is refused with this status and for this reason.
    Refuse(u16, &'static str),
}

impl Verdict {
    fn of<T>(result: &Result<T, Denial>) -> Self {
        match result {
            Ok(_) => Self::Allow,
            Err(denial) => Self::Refuse(denial.status.as_u16(), denial.reason.code()),
        }
    }

    #[must_use]
    pub fn is_allow(self) -> bool {
        self == Self::Allow
    }
}

impl Verdict {
    /// Whether it passes for somebody who has the permissions, in a request for which the condition holds: the people here
    /// have none, and the requests nothing that a condition might ask.
    fn may_pass(self) -> bool {
        matches!(self, Self::Allow | Self::Refuse(_, "permission_missing" | "condition_false"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Refuse(status, code) => write!(f, "{status} {code}"),
        }
    }
}

/// A column: who, in whose organization.
pub type Column = (Principal, Relation);

/// The columns of the table. Who belongs nowhere stands in every organization as in a foreign one.
pub const COLUMNS: [Column; 10] = [
    (Principal::Anonymous, Relation::Own),
    (Principal::Outsider, Relation::Own),
    (Principal::Member, Relation::Own),
    (Principal::Manager, Relation::Own),
    (Principal::Owner, Relation::Own),
    (Principal::Member, Relation::Foreign),
    (Principal::Manager, Relation::Foreign),
    (Principal::Owner, Relation::Foreign),
    (Principal::Staff, Relation::Own),
    (Principal::Superuser, Relation::Own),
];

/// The methods of one route that are judged alike.
#[derive(Debug)]
pub struct Row<'p> {
    pub route: &'p Route,
    /// `read`, `write`, `any`, or their names.
    pub methods: String,
    /// A verdict for each column: allow where a request passes that names the organization in any of the rule's ways;
    /// `None` where a foreign organization cannot be named.
    pub cells: Vec<Option<Verdict>>,
    /// The request that was judged, in the caller's organization.
    pub own: Request,
    /// The same in a foreign organization.
    pub foreign: Option<Request>,
}

/// What became of the requests that name the organization in one way, or in several.
struct Probed {
    cells: Vec<Option<Verdict>>,
    own: Request,
    foreign: Option<Request>,
}

impl Probed {
    /// Whoever passes in either way passes.
    fn or(mut self, other: Self) -> Self {
        for (cell, other) in self.cells.iter_mut().zip(other.cells) {
            if cell.is_none() || other.is_some_and(Verdict::is_allow) {
                *cell = other;
            }
        }
        self.foreign = self.foreign.or(other.foreign);
        self
    }
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub who: String,
    /// In whose organization: `own`, `foreign`; of real people the organization's slug, or `elsewhere`.
    pub whose: String,
}

impl Head {
    /// `member`, `foreign member`, `ann in acme`, `ann elsewhere`
    #[must_use]
    pub fn words(&self) -> String {
        let Self { who, whose } = self;
        match whose.as_str() {
            "own" | "" => who.clone(),
            "foreign" => format!("foreign {who}"),
            people::ELSEWHERE => format!("{who} {whose}"),
            _ => format!("{who} in {whose}"),
        }
    }
}

/// What limits requests that pass, by methods of one route that are limited alike.
#[derive(Debug)]
pub struct Limits<'p> {
    pub route: &'p Route,
    /// As those of a [`Row`].
    pub methods: String,
    pub words: LimitWords,
}

/// Limits, each by its option: `("throttle", "5 in 60 s by user")`.
type LimitWords = Vec<(&'static str, String)>;

impl<'p> Limits<'p> {
    fn of(route: &'p Route) -> Vec<Self> {
        let mut groups: Vec<(LimitWords, Vec<Method>)> = Vec::new();
        for method in methods(route) {
            let options = route.rule(&method).and_then(|rule| rule.options.as_ref());
            let mut words = options.map(|options| options.words()).unwrap_or_default();
            words.retain(|(name, judged, _)| *judged > Judged::Condition && !matches!(*name, "timeout" | "mode"));
            words.sort_by_key(|(_, judged, _)| *judged);
            if words.is_empty() {
                continue;
            }
            let words = words.into_iter().map(|(name, _, words)| (name, words)).collect();
            match groups.iter_mut().find(|(known, _)| *known == words) {
                Some((_, methods)) => methods.push(method),
                None => groups.push((words, vec![method])),
            }
        }
        groups.into_iter().map(|(words, methods)| Self { route, methods: label(&methods), words }).collect()
    }
}

/// Methods that are judged alike, and the first one's requests.
struct Group {
    methods: Vec<Method>,
    cells: Vec<Option<Verdict>>,
    own: Request,
    foreign: Option<Request>,
}

#[derive(Debug)]
pub struct Matrix<'p> {
    /// Who asks, and in whose organization: [`COLUMNS`], unless real people were asked.
    pub heads: Vec<Head>,
    /// The rows, in the order of the files.
    pub rows: Vec<Row<'p>>,
    /// What limits requests that pass, whoever sends them, in the order of the files.
    pub limits: Vec<Limits<'p>>,
    /// Routes in shadow mode: the verdicts are what would be enforced.
    pub shadow: Vec<&'p Route>,
    /// Routes that no request could be found for: more specific ones take them all.
    pub unreachable: Vec<&'p Route>,
    /// The prefix under which postern answers itself, and no route counts.
    pub identity_api: Option<&'p str>,
}

impl<'p> Matrix<'p> {
    /// Judges every kind of request to every route.
    #[must_use]
    pub fn of(policy: &'p Policy) -> Self {
        let mut cast = Cast::default();
        let heads = COLUMNS.map(|column| Head { who: column.0.as_str().into(), whose: column.1.as_str().into() });
        Self::asking(policy, heads.to_vec(), |aim| {
            let mut of = |whose| Probe { whose, ..aim }.request(policy, &mut cast);
            let (own, world) = of(Relation::Own)?;
            let named = probe::names_it_so(aim.rule, aim.alternative);
            let foreign = named.then(|| of(Relation::Foreign)).flatten().map(|(request, _)| request);
            let request = |whose| match whose {
                Relation::Own => Some(&own),
                Relation::Foreign => foreign.as_ref(),
            };
            let evaluate = |(who, whose)| Some(Verdict::of(&world.evaluate(policy, request(whose)?, (who, whose))));
            let cells = COLUMNS.into_iter().map(evaluate).collect();
            Some(Probed { cells, own, foreign })
        })
    }

    /// Asks for every route, method and way to name an organization; `None` where no such request falls under the route.
    fn asking(policy: &'p Policy, heads: Vec<Head>, mut ask: impl FnMut(Probe<'_>) -> Option<Probed>) -> Self {
        let limits = policy.routes().iter().flat_map(Limits::of).collect();
        let identity_api = policy.identity_api();
        let shadow = policy.routes().iter().filter(|route| route.is_shadow()).collect();
        let mut matrix = Self { heads, rows: Vec::new(), limits, shadow, unreachable: Vec::new(), identity_api };
        for route in policy.routes() {
            let mut groups: Vec<Group> = Vec::new();
            let mut reached = false;
            let host = probe::hosts(route).into_iter().next().unwrap_or_default();
            for method in methods(route) {
                let Some(rule) = route.rule(&method) else { continue };
                let mut probed: Option<Probed> = None;
                for alternative in 0..probe::alternatives(rule) {
                    let (theirs, host, method, is_slashed, whose) = (None, &host, &method, false, Relation::Own);
                    let aim = Probe { route, rule, alternative, is_slashed, theirs, host, method, whose };
                    let Some(next) = ask(aim) else { continue };
                    probed = Some(match probed {
                        None => next,
                        Some(before) => before.or(next),
                    });
                }
                let Some(Probed { cells, own, foreign }) = probed else { continue };
                reached = true;
                match groups.iter_mut().find(|group| group.cells == cells) {
                    Some(group) => group.methods.push(method),
                    None => groups.push(Group { methods: vec![method], cells, own, foreign }),
                }
            }
            if !reached {
                matrix.unreachable.push(route);
            }
            let row = |Group { methods, cells, own, foreign }: Group| Row {
                route,
                methods: label(&methods),
                cells,
                own,
                foreign,
            };
            matrix.rows.extend(groups.into_iter().map(row));
        }
        matrix
    }

    fn header(&self) -> Vec<String> {
        let mut header = vec!["ROUTE".to_owned(), "METHODS".to_owned()];
        header.extend(self.heads.iter().map(Head::words));
        header
    }

    /// For people: a line for each row, a column for each kind of person.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let mut rows = vec![self.header()];
        for Row { route, methods, cells, .. } in &self.rows {
            let mut row = vec![route.pattern.to_string(), methods.clone()];
            row.extend(cells.iter().map(|cell| match cell {
                None => "-".to_owned(),
                Some(Verdict::Allow) => "allow".to_owned(),
                Some(Verdict::Refuse(status, _)) => status.to_string(),
            }));
            rows.push(row);
        }
        let width = |at: usize| rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.heads.len() + 2).map(width).collect();
        let mut out = String::new();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let pad = width.saturating_sub(cell.chars().count()) + 2;
                match cell.as_str() {
                    "allow" if colour => line.push_str("\x1b[32mallow\x1b[0m"),
                    cell => line.push_str(cell),
                }
                line.extend(std::iter::repeat_n(' ', pad));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        for Limits { route, methods, words } in &self.limits {
            let words: Vec<String> = words.iter().map(|(name, words)| format!("{name} {words}")).collect();
            let _ = writeln!(out, "{} {methods}: whoever passes is limited by {}", route.pattern, words.join("; "));
        }
        for route in &self.shadow {
            let _ = writeln!(
                out,
                "{}: in shadow mode, where what is refused goes through, without identity",
                route.pattern
            );
        }
        for route in &self.unreachable {
            let _ = writeln!(
                out,
                "{} ({}:{}): more specific routes take every request",
                route.pattern, route.file, route.line
            );
        }
        if let Some(prefix) = self.identity_api {
            let _ = writeln!(out, "{prefix}**: postern's own identity API, open to anybody; no route counts there");
        }
        out
    }

    /// For machines: `{rows: [{pattern, file, line, methods, cells: [{who, whose, allow, status, code}]}], limits, shadow, unreachable, identity_api}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let cell = |(Head { who, whose }, cell): (&Head, &Option<Verdict>)| {
            let (status, code) = match (*cell)? {
                Verdict::Allow => (None, None),
                Verdict::Refuse(status, code) => (Some(status), Some(code)),
            };
            let allow = status.is_none();
            Some(json!({ "who": who, "whose": whose, "allow": allow, "status": status, "code": code }))
        };
        let rows: Vec<Json> = self
            .rows
            .iter()
            .map(|Row { route, methods, cells, own, .. }| {
                let cells: Vec<Json> = self.heads.iter().zip(cells).filter_map(cell).collect();
                json!({
                    "pattern": route.pattern, "file": &*route.file, "line": route.line, "methods": methods, "cells": cells,
                    "example": format!("{} {}", own.method, own.target),
                })
            })
            .collect();
        let unreachable: Vec<&str> = self.unreachable.iter().map(|r| &*r.pattern).collect();
        let limits = |Limits { route, methods, words }: &Limits<'_>| {
            let words: serde_json::Map<_, _> =
                words.iter().map(|(name, words)| ((*name).to_owned(), Json::from(words.as_str()))).collect();
            json!({
                "pattern": route.pattern, "file": &*route.file, "line": route.line, "methods": methods, "limits": words,
            })
        };
        let limits: Vec<Json> = self.limits.iter().map(limits).collect();
        let shadow: Vec<&str> = self.shadow.iter().map(|route| &*route.pattern).collect();
        json!({ "rows": rows, "limits": limits, "shadow": shadow, "unreachable": unreachable, "identity_api": self.identity_api })
    }
}

fn told((who, whose): Column) -> String {
    match whose {
        Relation::Own => who.as_str().to_owned(),
        Relation::Foreign => format!("foreign {}", who.as_str()),
    }
}

const READS: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];
const WRITES: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// A method that no policy names: it stands for every other one.
fn other() -> Method {
    Method::from_bytes(b"OTHER").unwrap_or(Method::POST)
}

/// Every method that a policy can judge in its own way on a route.
fn methods(route: &Route) -> Vec<Method> {
    let usual = READS.iter().chain(&WRITES);
    let named = route.named_methods().filter(|m| !READS.contains(m) && !WRITES.contains(m));
    usual.chain(named).cloned().chain([other()]).collect()
}

/// The rules of a route, each with the shortest name for its methods; what is refused with 405 has none.
#[must_use]
pub fn rules_by_method(route: &Route) -> Vec<(String, &Rule)> {
    let mut groups: Vec<(&Rule, Vec<Method>)> = Vec::new();
    for method in methods(route) {
        let Some(rule) = route.rule(&method) else { continue };
        match groups.iter_mut().find(|(known, _)| std::ptr::eq(*known, rule)) {
            Some((_, methods)) => methods.push(method),
            None => groups.push((rule, vec![method])),
        }
    }
    groups.into_iter().map(|(rule, methods)| (label(&methods), rule)).collect()
}

/// The shortest name for a set of methods.
fn label(methods: &[Method]) -> String {
    let writes: Vec<Method> = WRITES.into_iter().chain([other()]).collect();
    let all_of = |class: &[Method]| class.iter().all(|m| methods.contains(m));
    let (all_read, all_write) = (all_of(&READS), all_of(&writes));
    let mut words: Vec<&str> = Vec::new();
    if all_read && all_write {
        words.push("any");
    } else if all_read {
        words.push("read");
    } else if all_write {
        words.push("write");
    }
    let is_said = |m: &Method| if READS.contains(m) { all_read } else { all_write && writes.contains(m) };
    let rest: Vec<String> = methods
        .iter()
        .filter(|m| !is_said(m))
        .map(|m| if *m == other() { "other".to_owned() } else { m.to_string() })
        .collect();
    words.extend(rest.iter().map(String::as_str));
    words.join(",")
}
