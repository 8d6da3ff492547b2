//! A policy file as it is written: every option with its place, nothing merged and nothing bound.
//!
//! Unknown keys, keys of later versions and values of the wrong shape are reported here; what options mean together is
//! `compile`'s business.

use super::access::Access;
use super::lookup::{self, RawLookup};
use super::methods::{METHODS, Methods};
use super::options::{ROUTE_KEYS, RULE_KEYS, RawOptions};
use super::pattern::{HostPattern, Pattern};
use crate::yaml::{Entry, FileId, Findings, Key, Keys, Map, Node, Span, Spanned, Value, parse, suggest};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct File {
    pub(super) id: FileId,
    pub(super) hosts: Vec<Spanned<HostPattern>>,
    pub(super) defaults: Arc<RawOptions>,
    pub(super) lookups: Vec<RawLookup>,
    /// The routes, those of groups too: a group is a shorter way to write its routes.
    pub(super) routes: Vec<RawRoute>,
    /// What groups say, and where they stand.
    pub(super) groups: Vec<(RawOptions, Span)>,
}

/// A route: its pattern, what it says for all methods, and its rules.
#[derive(Debug)]
pub(super) struct RawRoute {
    pub(super) pattern: Spanned<Pattern>,
    /// What stands above it: the defaults, and what its group says over them.
    pub(super) above: Arc<RawOptions>,
    pub(super) options: RawOptions,
    pub(super) rules: Vec<RawRule>,
    pub(super) span: Span,
    /// Something in it was reported, so that what it does not say may only be what could not be read.
    pub(super) is_doubtful: bool,
}

/// `read`, `write` or a method, and what it says.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) methods: Methods,
    pub(super) span: Span,
    pub(super) options: RawOptions,
}

/// Reads one file; `None` when there is nothing to go on with. Problems are in `findings`.
pub(super) fn read(id: FileId, findings: &mut Findings) -> Option<File> {
    let root = parse(findings, id)?;
    let map = root.expect_map_like("a policy", "begin with `version: 1` and `routes:`", findings)?;
    file_keys(map, findings);
    version(map, root.span, findings);
    let mut defaults = map.get("defaults").map_or_else(RawOptions::default, |node| {
        node.expect_map_like(
            "`defaults`",
            "write options of every route: `defaults: { shared: { read: manager } }`",
            findings,
        )
        .map_or_else(RawOptions::default, |map| options(map, Place::Defaults, findings))
    });
    // What a file says of its own is no more than a default.
    let mut of_file = RawOptions::default();
    for Entry { key, value } in &map.entries {
        if matches!(key.text.as_str(), "authenticate" | "upstream") {
            of_file.read(key, value, findings);
        }
    }
    defaults = defaults.over(&of_file);
    let hosts = map.get("hosts").map_or_else(Vec::new, |node| hosts(node, findings));
    let defaults = Arc::new(defaults);
    let lookups = map.get("lookups").map_or_else(Vec::new, |node| lookup::read(node, findings));
    let mut list = match map.get("routes") {
        Some(node) => routes(node, &Above { options: &defaults, prefix: None }, findings),
        None if map.get("groups").is_some() || is_misspelt(map, "routes") => Vec::new(),
        None => {
            findings
                .error("no_routes", Span { end: root.span.start, ..root.span }, "the policy has no `routes`")
                .help("write patterns and who may pass: `routes: { /healthz: { GET: public } }`");
            Vec::new()
        }
    };
    let mut said = Vec::new();
    let groups = map.get("groups").and_then(|node| node.expect_seq("`groups`", findings));
    for node in groups.unwrap_or_default() {
        group(node, &defaults, (&mut list, &mut said), findings);
    }
    Some(File { id, hosts, defaults, lookups, routes: list, groups: said })
}

/// Whether a word is an option of a route or of a rule.
fn is_option(word: &str) -> bool {
    RULE_KEYS.contains(&word) || ROUTE_KEYS.contains(&word)
}

/// Whether some key of the map is probably that one: then it is not missing.
fn is_misspelt(map: &Map, word: &'static str) -> bool {
    map.entries.iter().any(|entry| suggest(&entry.key.text, [word]).is_some())
}

fn file_keys(map: &Map, findings: &mut Findings) {
    const KNOWN: [&str; 8] =
        ["version", "upstream", "hosts", "authenticate", "defaults", "lookups", "routes", "groups"];
    for Entry { key, .. } in &map.entries {
        let word = key.text.as_str();
        if KNOWN.contains(&word) {
            continue;
        }
        let home = if word.starts_with('/') {
            "`routes:`"
        } else if is_option(word) {
            "`defaults:` or a route"
        } else {
            Keys { known: &KNOWN, not_yet: &[] }.refuse(key, "a policy", findings);
            continue;
        };
        let help = format!("indent it below {home}");
        findings.error("misplaced_key", key.span, format!("`{word}` belongs under {home}")).help(help);
    }
}

fn version(map: &Map, root: Span, findings: &mut Findings) {
    let Some(node) = map.get("version") else {
        if is_misspelt(map, "version") {
            return;
        }
        let start = Span { end: root.start, ..root };
        findings.error("bad_version", start, "the policy does not say its `version`").help("begin with `version: 1`");
        return;
    };
    match &node.value {
        Value::Scalar(scalar) if scalar.text == "1" && scalar.plain => {}
        Value::Faulty => {}
        other => {
            let found = match other {
                Value::Scalar(scalar) if scalar.plain => format!("`{}`", scalar.text),
                Value::Scalar(scalar) => format!("the text \"{}\"", scalar.text),
                Value::Seq(_) => "a list".to_owned(),
                _ => "a map".to_owned(),
            };
            findings
                .error("bad_version", node.span, format!("`version` must be 1, the only one there is, not {found}"))
                .help("write `version: 1`");
        }
    }
}

fn hosts(node: &Node, findings: &mut Findings) -> Vec<Spanned<HostPattern>> {
    if matches!(node.value, Value::Map(_)) {
        findings
            .error("wrong_type", node.span, "`hosts` must be a list of hosts, not a map")
            .help("write `hosts: [api.example.com]`");
        return Vec::new();
    }
    let Some(texts) = node.expect_strs("a host", findings) else { return Vec::new() };
    if texts.is_empty() {
        findings.error("bad_host", node.span, "`hosts` is an empty list").help("leave it out to match every host");
    }
    texts
        .into_iter()
        .filter_map(|(text, span)| HostPattern::read(text, span, findings).map(|value| Spanned { value, span }))
        .collect()
}

struct Above<'a> {
    /// What they take where they say nothing.
    options: &'a Arc<RawOptions>,
    /// What their patterns begin with.
    prefix: Option<&'a Pattern>,
}

/// The keys of a group beside its options.
pub(crate) const GROUP_KEYS: [&str; 2] = ["prefix", "routes"];

/// One group: its routes go to `routes`, what it says to `said`.
fn group(
    node: &Node,
    defaults: &Arc<RawOptions>,
    (list, said): (&mut Vec<RawRoute>, &mut Vec<(RawOptions, Span)>),
    findings: &mut Findings,
) {
    let help = "for example `- { prefix: /api/v1, level: member, routes: { /device/: { GET: staff } } }`";
    let Some(map) = node.expect_map_like("a group", help, findings) else { return };
    let own = options(map, Place::Group, findings);
    let prefix = map.get("prefix").and_then(|node| prefix(node, findings));
    let Some(node_of_routes) = map.get("routes") else {
        if !is_misspelt(map, "routes") {
            findings
                .error("no_routes", Span { end: node.span.start, ..node.span }, "the group has no `routes`")
                .help(help);
        }
        return;
    };
    // Without its prefix, its routes would be others.
    if map.get("prefix").is_none() || prefix.is_some() {
        let above = Arc::new(own.over(defaults));
        list.extend(routes(node_of_routes, &Above { options: &above, prefix: prefix.as_ref() }, findings));
    }
    said.push((own, node.span));
}

fn prefix(node: &Node, findings: &mut Findings) -> Option<Pattern> {
    let text = node.expect_word("`prefix`", findings)?;
    let pattern = Pattern::read(text, node.span, findings)?;
    if pattern.rest || pattern.ends_with_slash() {
        findings
            .error(
                "bad_pattern",
                node.span,
                format!(
                    "a prefix is followed by the patterns of its routes, and `{text}` ends with `{}`",
                    if pattern.rest { "**" } else { "/" }
                ),
            )
            .help("write `/api/v1`: each route of the group goes on with a slash");
        return None;
    }
    Some(pattern)
}

fn routes(node: &Node, above: &Above<'_>, findings: &mut Findings) -> Vec<RawRoute> {
    let help = "write patterns and who may pass: `routes: { /healthz: { GET: public } }`";
    let Some(map) = node.expect_map_like("`routes`", help, findings) else { return Vec::new() };
    let span = node.span;
    // Where keys were refused, it is not empty because nothing was written.
    if map.entries.is_empty() && !findings.has_errors() {
        findings.error("no_routes", span, "`routes` is empty: every request would be refused").help(help);
    }
    map.entries.iter().filter_map(|entry| route(entry, above, findings)).collect()
}

fn route(Entry { key, value }: &Entry, above: &Above<'_>, findings: &mut Findings) -> Option<RawRoute> {
    let pattern = Pattern::read(&key.text, key.span, findings);
    let pattern = match above.prefix {
        Some(prefix) => pattern.and_then(|pattern| pattern.under(prefix, key.span, findings)),
        None => pattern,
    };
    let before = findings.list().len();
    let (options, rules) = match &value.value {
        Value::Map(map) => (options(map, Place::Route, findings), rules(map, findings)),
        Value::Scalar(_) => (level_alone(value, findings)?, Vec::new()),
        Value::Faulty | Value::Null => return None,
        Value::Seq(_) => {
            findings
                .error(
                    "wrong_type",
                    value.span,
                    format!("the route `{}` must be a level or a map, not a list", key.text),
                )
                .help("for example `authenticated`, or `{ read: member, write: manager }`");
            return None;
        }
    };
    let is_faulty = |map: &Map| map.entries.iter().any(|entry| matches!(entry.value.value, Value::Faulty));
    let is_doubtful = findings.list().len() > before || matches!(&value.value, Value::Map(map) if is_faulty(map));
    let span = Span { end: value.span.end.max(key.span.end), ..key.span };
    let (pattern, above) = (Spanned { value: pattern?, span: key.span }, Arc::clone(above.options));
    Some(RawRoute { pattern, above, options, rules, span, is_doubtful })
}

/// `/x: member`, `GET: public`: the level and nothing else.
fn level_alone(node: &Node, findings: &mut Findings) -> Option<RawOptions> {
    let level = Spanned { value: Access::read(node, findings)?, span: node.span };
    Some(RawOptions { level: Some(level), ..RawOptions::default() })
}

fn rules(map: &Map, findings: &mut Findings) -> Vec<RawRule> {
    let mut rules = Vec::new();
    for Entry { key, value } in &map.entries {
        let Some(methods) = Methods::of_word(&key.text) else { continue };
        let options = match &value.value {
            Value::Map(map) => Some(options(map, Place::Rule, findings)),
            Value::Faulty => None,
            _ => level_alone(value, findings),
        };
        let options = options.unwrap_or_default();
        rules.push(RawRule { methods, span: key.span, options });
    }
    rules
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Defaults,
    Group,
    Route,
    Rule,
}

fn options(map: &Map, place: Place, findings: &mut Findings) -> RawOptions {
    let mut options = RawOptions::default();
    for Entry { key, value } in &map.entries {
        let word = key.text.as_str();
        if place == Place::Group && GROUP_KEYS.contains(&word) {
            continue;
        }
        let is_rule = Methods::of_word(&key.text).is_some();
        if is_rule && place == Place::Route {
            continue;
        }
        if is_rule || (ROUTE_KEYS.contains(&word) && place == Place::Rule) {
            let message = format!("`{word}` belongs to a route, not to {}", place.name());
            let help = match place {
                Place::Defaults | Place::Group => {
                    format!("what holds for every route stands here; write `{word}` into each route")
                }
                _ if is_rule => "a method has no methods of its own: put it beside".to_owned(),
                _ => "put it one level up: it holds for all methods".to_owned(),
            };
            findings.error("misplaced_key", key.span, message).help(help);
            continue;
        }
        if !options.read(key, value, findings) {
            unknown(key, place, findings);
        }
    }
    options
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Defaults => "the defaults",
            Self::Group => "a group",
            Self::Route => "a route",
            Self::Rule => "a method",
        }
    }
}

fn unknown(key: &Key, place: Place, findings: &mut Findings) {
    if matches!(key.text.as_str(), "TRACE" | "CONNECT") {
        let message = format!("{} is refused on every route", key.text);
        findings.error("refused_method", key.span, message).help("leave it out");
        return;
    }
    let mut known = RULE_KEYS.to_vec();
    if place != Place::Rule {
        known.extend(ROUTE_KEYS);
    }
    if place == Place::Group {
        known.extend(GROUP_KEYS);
    }
    if place == Place::Route {
        known.extend(["read", "write"]);
        known.extend(METHODS);
    }
    if place == Place::Route && key.text.starts_with('/') {
        let message = format!("`{}` stands inside another route", key.text);
        findings
            .error("misplaced_key", key.span, message)
            .help("routes do not nest: write the whole path under `routes:`, or a group with a `prefix`");
        return;
    }
    if let Some((_, meant)) = MEANT.iter().find(|(other, _)| *other == key.text) {
        let message = format!("`{}` is not known in {}", key.text, place.name());
        findings.error("unknown_key", key.span, message).help(*meant);
        return;
    }
    Keys { known: &known, not_yet: &[] }.refuse(key, place.name(), findings);
}

/// Words of other programs, and what says the same here.
const MEANT: [(&str, &str); 14] = [
    ("access", "say who may pass with `level`"),
    ("allow", "say who may pass with `level`"),
    ("auth", "say who may pass with `level`, and which credentials are taken with `authenticate`"),
    ("condition", "did you mean `when`?"),
    ("headers", "headers for the upstream are written under `inject`"),
    ("host", "hosts are said once for a file: `hosts: [api.example.com]` at its beginning"),
    ("hosts", "hosts are said once for a file: `hosts: [api.example.com]` at its beginning"),
    ("methods", "write each method as a key of its own: `GET: member`"),
    ("organisation", "did you mean `org`?"),
    ("organization", "did you mean `org`?"),
    ("rate_limit", "did you mean `throttle`?"),
    ("role", "say who may pass with `level`"),
    ("roles", "say who may pass with `level`"),
    ("tenant", "did you mean `org`?"),
];
