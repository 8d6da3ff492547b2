//! What becomes wider or narrower from one policy to another.
//!
//! Requests are made for every route of both policies and judged by both: what was refused and now passes is wider, what
//! passed and is now refused is narrower. Where both let somebody pass, what a verdict does not show is compared: where it
//! goes, what the upstream is told, how the organization is found. Such an edit counts as wider unless it can be shown not
//! to be.

use super::super::ask::Request;
use super::parts::parts;
use super::probe::{Cast, Probe, Relation, World, alternatives, hosts, names_it_so};
use super::{COLUMNS, Column, Verdict, label, methods, told};
use crate::normalized_name::same_name;
use crate::policy::{Policy, Route, Rule};
use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

/// What is different between two policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What passes now and did not, and what cannot be shown to be no wider.
    pub wider: Vec<Difference>,
    /// What does not pass any more, and edits that only take away.
    pub narrower: Vec<Difference>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The pattern: of the new policy, or of the old one where the route is gone.
    pub pattern: String,
    /// `file:line` of it; empty where it is about all routes.
    pub place: String,
    /// `read`, `write`, `any` or names.
    pub methods: String,
    /// For whom: `member, foreign manager`; `all` where it is about everybody who passes.
    pub who: String,
    pub was: String,
    pub now: String,
    /// The other rules of which the same is true: an edit of the defaults is one difference.
    pub others: Vec<Elsewhere>,
}

/// Another rule that differs in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub pattern: String,
    pub place: String,
    /// `read`, `write`, `any` or names.
    pub methods: String,
}

impl Difference {
    /// Whether somebody whom nobody knows may pass now.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.now == "allow" && self.who.split(", ").any(|who| who == "anonymous")
    }
}

/// In one line: `/x (routes.yaml:3) any: member: 403 org_level_missing -> allow`.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pattern, place, methods, who, was, now, others } = self;
        let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
        write!(f, "{pattern}{place} {methods}: {who}: {was} -> {now}")?;
        if others.is_empty() { Ok(()) } else { write!(f, "; the same of {} more", others.len()) }
    }
}

/// So many of the rules that differ alike are named to people.
const SHOWN: usize = 3;

#[must_use]
pub fn compare(old: &Policy, new: &Policy) -> Comparison {
    // Nothing says that it is over.
    compare_while(old, new, || true).unwrap_or_default()
}

/// The same for as long as there is time; `None` where that was not enough.
#[must_use]
pub fn compare_while(old: &Policy, new: &Policy, has_time: impl Fn() -> bool) -> Option<Comparison> {
    let mut run = Run {
        old,
        new,
        named: named_methods(&[old, new]),
        seen: HashSet::new(),
        parts: HashSet::new(),
        alike: HashMap::new(),
        verdicts: BTreeMap::new(),
        comparison: Comparison::default(),
    };
    let mut cast = Cast::default();
    for (policy, other) in [(new, old), (old, new)] {
        for route in policy.routes() {
            if !has_time() {
                return None;
            }
            run.route(policy, other, route, &mut cast);
        }
    }
    run.headers_that_pass();
    Some(run.finish())
}

/// The methods that the policies name beside the usual ones: few, so that all are tried everywhere.
fn named_methods(policies: &[&Policy]) -> Vec<Method> {
    let mut list: Vec<Method> = Vec::new();
    for method in policies.iter().flat_map(|policy| policy.routes()).flat_map(Route::named_methods) {
        if !list.contains(method) {
            list.push(method.clone());
        }
    }
    list
}

/// Where a difference belongs: routes of the old and new policy by number.
type Pair = (Option<usize>, Option<usize>);

/// Rules of the old and new policy, by route and rule.
type RulePair = (usize, usize, *const Rule, *const Rule);

/// A method, and for whom its verdict changed.
type Change = (Method, Vec<Column>);

struct Run<'p> {
    old: &'p Policy,
    new: &'p Policy,
    named: Vec<Method>,
    /// Requests that were judged already.
    seen: HashSet<(Method, String, Relation)>,
    /// Pairs of rules whose parts were compared already, by route and rule.
    parts: HashSet<RulePair>,
    /// Whether pairs of rules say the same.
    alike: HashMap<RulePair, bool>,
    verdicts: BTreeMap<(Pair, Verdict, Verdict), Vec<Change>>,
    comparison: Comparison,
}

impl<'p> Run<'p> {
    fn route(&mut self, policy: &Policy, other: &Policy, route: &Route, cast: &mut Cast) {
        let mut list = methods(route);
        let new: Vec<Method> = self.named.iter().filter(|m| !list.contains(m)).cloned().collect();
        list.extend(new);
        for host in hosts(route) {
            for method in &list {
                // Where the method is refused, any rule of the route tells where organizations stand.
                let Some(rule) = route.rule(method).or_else(|| route.rules().first()) else { continue };
                for (alternative, is_slashed) in (0..alternatives(rule)).flat_map(|way| [(way, false), (way, true)]) {
                    let (theirs, host, whose) = (None, &host, Relation::Own);
                    let aim = Probe { route, rule, alternative, is_slashed, theirs, host, method, whose };
                    self.aim(policy, other, aim, cast);
                }
            }
        }
    }

    /// Judges what one way to name the organization comes to, in one's own and in a foreign one.
    fn aim(&mut self, policy: &Policy, other: &Policy, aim: Probe<'_>, cast: &mut Cast) {
        for whose in [Relation::Own, Relation::Foreign] {
            let aim = Probe { whose, ..aim };
            let Some((request, _)) = aim.request(policy, cast) else { continue };
            // The other policy may read the organization elsewhere: it must be there too, in each of its ways.
            let theirs = falls_under(other, &request).and_then(|theirs| Some((theirs, theirs.rule(aim.method)?)));
            for way in 0..theirs.map_or(1, |(_, rule)| alternatives(rule)) {
                let named =
                    names_it_so(aim.rule, aim.alternative) || theirs.is_some_and(|(_, rule)| names_it_so(rule, way));
                if whose == Relation::Foreign && !named {
                    continue;
                }
                let aim = Probe { theirs: theirs.map(|theirs| (theirs, way)), ..aim };
                let Some((request, world)) = aim.request(policy, cast) else { continue };
                let spelt = format!("{}\n{}", request.target, spelt(&request.headers));
                if self.seen.insert((aim.method.clone(), spelt, whose)) {
                    self.evaluate(&request, &world, whose);
                }
            }
        }
    }

    /// Judges one request of everybody by both policies.
    fn evaluate(&mut self, request: &Request, world: &World, whose: Relation) {
        let (old, new) = (falls_under(self.old, request), falls_under(self.new, request));
        let pair = (old.map(|r| r.index), new.map(|r| r.index));
        if let (Some(old), Some(new)) = (old, new)
            && self.are_alike(old, new, &request.method)
        {
            return;
        }
        for column in COLUMNS.into_iter().filter(|(_, of)| *of == whose) {
            let was = Verdict::of(&world.evaluate(self.old, request, column));
            let now = Verdict::of(&world.evaluate(self.new, request, column));
            if was.may_pass()
                && now.may_pass()
                && let (Some(old), Some(new)) = (old, new)
            {
                self.compare_parts(old, new, &request.method);
            }
            if was.may_pass() == now.may_pass() {
                continue;
            }
            let changes = self.verdicts.entry((pair, was, now)).or_default();
            match changes.iter_mut().find(|(known, _)| *known == request.method) {
                Some((_, columns)) if columns.contains(&column) => {}
                Some((_, columns)) => columns.push(column),
                None => changes.push((request.method.clone(), vec![column])),
            }
        }
    }

    /// Whether two rules say the same in every part: then nobody needs to be asked.
    fn are_alike(&mut self, old: &Route, new: &Route, method: &Method) -> bool {
        let (Some(was), Some(now)) = (old.rule(method), new.rule(method)) else { return false };
        let pair = (old.index, new.index, std::ptr::from_ref(was), std::ptr::from_ref(now));
        *self.alike.entry(pair).or_insert_with(|| {
            // Sources are told by the numbers of variables: they mean the same in the same pattern alone.
            let hosts = |route: &Route| format!("{:?}", route.hosts());
            let place = old.pattern == new.pattern && hosts(old) == hosts(new);
            let same = was.access == now.access && was.foreign == now.foreign;
            place && same && parts((self.old, old, was), (self.new, new, now)).is_empty()
        })
    }

    /// What verdicts do not show, once for each pair of rules.
    fn compare_parts(&mut self, old: &Route, new: &Route, method: &Method) {
        let (Some(was), Some(now)) = (old.rule(method), new.rule(method)) else { return };
        if !self.parts.insert((old.index, new.index, std::ptr::from_ref(was), std::ptr::from_ref(now))) {
            return;
        }
        let all = methods(new);
        let same = |m: &Method| {
            let is = |route: &Route, rule: &Rule| route.rule(m).is_some_and(|r| std::ptr::eq(r, rule));
            is(old, was) && is(new, now)
        };
        let methods: Vec<Method> = all.into_iter().filter(same).collect();
        for part in parts((self.old, old, was), (self.new, new, now)) {
            let list = if part.is_narrower { &mut self.comparison.narrower } else { &mut self.comparison.wider };
            let (was, now) =
                (format!("{}: {}", part.name, or_none(&part.was)), format!("{}: {}", part.name, or_none(&part.now)));
            let (pattern, place, methods) = (new.pattern.to_string(), place(new), label(&methods));
            match list.iter_mut().find(|known| known.was == was && known.now == now) {
                Some(known) => known.others.push(Elsewhere { pattern, place, methods }),
                None => {
                    let (who, others) = ("all".to_owned(), Vec::new());
                    list.push(Difference { pattern, place, methods, who, was, now, others });
                }
            }
        }
    }

    /// Headers that only the old policy removed from requests.
    fn headers_that_pass(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        let injected = self.old.routes().iter().flat_map(|r| r.rules()).flat_map(|rule| rule.inject.iter());
        for name in injected.map(|i| i.name.as_str()) {
            let known = names.iter().any(|known| same_name(*known, name));
            if !known && !self.new.strip().contains(name) {
                names.push(name);
            }
        }
        for name in names {
            self.comparison.wider.push(Difference {
                pattern: "every route".to_owned(),
                place: String::new(),
                methods: "any".to_owned(),
                who: "all".to_owned(),
                was: format!("{name}: removed from requests"),
                now: format!("{name}: passed on as the client sends it"),
                others: Vec::new(),
            });
        }
    }

    fn finish(mut self) -> Comparison {
        for (((was_route, now_route), was, now), entries) in std::mem::take(&mut self.verdicts) {
            let route = now_route
                .and_then(|at| self.new.routes().get(at))
                .or_else(|| was_route.and_then(|at| self.old.routes().get(at)));
            // Where a new route or none took the old one's place, the old one is the one that people know.
            let old = was_route.and_then(|at| self.old.routes().get(at));
            let pattern = match (old, route) {
                (Some(old), Some(new)) if old.pattern != new.pattern => {
                    format!("{} (was {})", new.pattern, old.pattern)
                }
                (_, Some(route)) => route.pattern.to_string(),
                (_, None) => continue,
            };
            let mut groups: Vec<(Vec<Method>, Vec<Column>)> = Vec::new();
            for (method, columns) in entries {
                match groups.iter_mut().find(|(_, known)| *known == columns) {
                    Some((methods, _)) => methods.push(method),
                    None => groups.push((vec![method], columns)),
                }
            }
            for (methods, columns) in groups {
                let difference = Difference {
                    pattern: pattern.clone(),
                    place: route.map(place).unwrap_or_default(),
                    methods: label(&methods),
                    who: columns.iter().map(|column| told(*column)).collect::<Vec<_>>().join(", "),
                    was: was.to_string(),
                    now: now.to_string(),
                    others: Vec::new(),
                };
                let list = if now.may_pass() { &mut self.comparison.wider } else { &mut self.comparison.narrower };
                list.push(difference);
            }
        }
        self.comparison
    }
}

/// The route of a request.
fn falls_under<'p>(policy: &'p Policy, request: &Request) -> Option<&'p Route> {
    let readable = request.read(policy).ok()?;
    Some(policy.find(readable.host(), readable.target().decoded())?.route)
}

fn spelt(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

fn place(route: &Route) -> String {
    format!("{}:{}", route.file, route.line)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

impl Comparison {
    /// Whether the two policies cannot be told apart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wider.is_empty() && self.narrower.is_empty()
    }

    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let mut out = String::new();
        for (word, code, list) in [("wider", "31", &self.wider), ("narrower", "32", &self.narrower)] {
            for Difference { pattern, place, methods, who, was, now, others } in list {
                let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
                let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
                let _ = writeln!(out, "{word}: {pattern}{place} {methods}: {who}\n    {was} -> {now}");
                if !others.is_empty() {
                    let told = |e: &Elsewhere| format!("{} ({}) {}", e.pattern, e.place, e.methods);
                    let first: Vec<String> = others.iter().take(SHOWN).map(told).collect();
                    let end = if others.len() > SHOWN { ", …" } else { "" };
                    let _ = writeln!(out, "    the same of {} more: {}{end}", others.len(), first.join(", "));
                }
            }
        }
        let _ = writeln!(out, "{} wider, {} narrower", self.wider.len(), self.narrower.len());
        out
    }

    /// For machines: `{wider: [{pattern, place, methods, who, was, now, others: [{pattern, place, methods}]}], narrower: […]}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let elsewhere = |e: &Elsewhere| json!({ "pattern": e.pattern, "place": e.place, "methods": e.methods });
        let list = |list: &[Difference]| -> Json {
            let one = |d: &Difference| {
                json!({
                    "pattern": d.pattern, "place": d.place, "methods": d.methods, "who": d.who, "was": d.was, "now": d.now,
                    "others": d.others.iter().map(elsewhere).collect::<Vec<_>>(),
                })
            };
            list.iter().map(one).collect()
        };
        json!({ "wider": list(&self.wider), "narrower": list(&self.narrower) })
    }
}
