//! A lookup as it is written: whom it asks what, with which arguments, and how long an answer is kept.

use super::http::RawResource;
use super::sql::{Dialect, RawStatement};
use super::{EXAMPLE, MAX_ARGS, http, sql};
use crate::policy::Names;
use crate::policy::options::PolicyOption;
use crate::policy::options::allow_lint::AllowLint;
use crate::policy::options::org::{self, RawSource};
use crate::policy::pattern::is_name;
use crate::yaml::{Entry, Findings, Key, Keys, Map, Node, Span, Spanned};
use std::time::Duration;

/// The keys of a lookup.
const KEYS: [&str; 7] = ["sql", "http", "database", "args", "cache", "trigger", "allow_lint"];
/// Longest that an answer is kept.
const MAX_CACHE: Duration = Duration::from_secs(3600);

/// A lookup as it is written.
#[derive(Debug)]
pub(in crate::policy) struct RawLookup {
    pub(super) name: Spanned<Box<str>>,
    pub(super) question: RawQuestion,
    pub(super) args: Vec<Spanned<RawSource>>,
    pub(super) cache: Option<Duration>,
    pub(super) has_trigger: bool,
    lints: Vec<&'static str>,
    span: Span,
}

#[derive(Debug)]
pub(super) enum RawQuestion {
    Sql(RawStatement),
    Http(Box<RawResource>),
}

impl RawLookup {
    /// Warns where what is kept may be wrong for a while, unless that is known.
    pub(in crate::policy) fn lint(&self, names: Option<&Names>, findings: &mut Findings) {
        let Spanned { value: name, span } = &self.name;
        if let Some(time) = self.cache.filter(|_| !self.has_trigger) {
            let message = format!("what is kept of the lookup `{name}` may be wrong for {time:?} after a change");
            let help = if self.dialect(names) == Some(Dialect::Mysql) {
                "MySQL and MariaDB tell nobody of changes: keep it for as long as it may be wrong, and `allow_lint` says that it is known".to_owned()
            } else {
                format!(
                    "install what `postern lookup trigger {name}` prints, and say `trigger: installed`; or `allow_lint` says that it is known"
                )
            };
            findings.warning("cached_lookup", *span, message).help(help);
        }
        for lint in &self.lints {
            findings.silence(lint, self.span);
        }
    }

    /// What its database is asked in, as far as that is known.
    pub(super) fn dialect(&self, names: Option<&Names>) -> Option<Dialect> {
        match &self.question {
            RawQuestion::Sql(statement) => statement.dialect(names),
            RawQuestion::Http(_) => None,
        }
    }

    /// The upstream that it names.
    pub(in crate::policy) fn upstream(&self) -> Option<&str> {
        match &self.question {
            RawQuestion::Sql(_) => None,
            RawQuestion::Http(resource) => resource.upstream(),
        }
    }
}

/// Reads `lookups:`; what was reported is left out.
pub(in crate::policy) fn read(node: &Node, findings: &mut Findings) -> Vec<RawLookup> {
    let Some(map) = node.expect_map_like("`lookups`", EXAMPLE, findings) else { return Vec::new() };
    map.entries.iter().filter_map(|Entry { key, value }| lookup(key, value, findings)).collect()
}

fn lookup(key: &Key, node: &Node, findings: &mut Findings) -> Option<RawLookup> {
    if !is_name(&key.text) {
        findings
            .error("bad_lookup", key.span, format!("`{}` cannot be the name of a lookup", key.text))
            .help("a name is letters, digits and `_`, and begins with a letter");
        return None;
    }
    let map = node.expect_map_like(&format!("the lookup `{}`", key.text), EXAMPLE, findings)?;
    map.expect_keys("a lookup", Keys { known: &KEYS, not_yet: &[] }, findings);
    let args = args(map, findings);
    let cache = map.get("cache").and_then(|node| cache(node, findings));
    let has_trigger = map.get("trigger").is_some_and(|node| trigger(node, cache.is_some(), findings));
    let lints = map.get("allow_lint").and_then(|node| AllowLint::read(node, findings)).unwrap_or_default();
    let question = question(key, map, args.as_deref(), findings);
    let (question, args) = (question?, args?);
    let name = Spanned { value: key.text.as_str().into(), span: key.span };
    let span = Span { end: node.span.end.max(key.span.end), ..key.span };
    Some(RawLookup { name, question, args, cache, has_trigger, lints, span })
}

/// Whether it is said that the trigger is there.
fn trigger(node: &Node, is_kept: bool, findings: &mut Findings) -> bool {
    let word = node.expect_word("`trigger`", findings);
    if word.is_some_and(|word| word != "installed") {
        findings
            .error("wrong_value", node.span, "`trigger` can only be `installed`")
            .help("say so when what `postern lookup trigger` prints has been run; else leave it out");
    } else if !is_kept {
        findings
            .error("no_meaning", node.span, "`trigger` has no meaning here: nothing is kept that it could drop")
            .help("leave it out, or say how long answers are kept: `cache: 30s`");
    }
    word.is_some()
}

fn question(key: &Key, map: &Map, args: Option<&[Spanned<RawSource>]>, findings: &mut Findings) -> Option<RawQuestion> {
    match (map.get("sql"), map.get("http")) {
        (Some(node), None) => {
            sql::read(node, map.get("database"), args.map(<[_]>::len), findings).map(RawQuestion::Sql)
        }
        (None, Some(node)) => {
            if let Some(database) = map.get("database") {
                findings
                    .error("bad_lookup", database.span, "`database` has no meaning beside `http`")
                    .help("leave it out: `upstream` says whom it asks");
            }
            http::read(key, node, args, findings).map(|resource| RawQuestion::Http(Box::new(resource)))
        }
        (found, _) => {
            let what = if found.is_some() { "asks a database and a service" } else { "does not say what it asks" };
            findings.error("bad_lookup", key.span, format!("the lookup `{}` {what}", key.text)).help(EXAMPLE);
            None
        }
    }
}

fn args(map: &Map, findings: &mut Findings) -> Option<Vec<Spanned<RawSource>>> {
    let Some(node) = map.get("args") else { return Some(Vec::new()) };
    let words = node.expect_words("an argument", findings)?;
    if words.len() > MAX_ARGS {
        let message = format!("a lookup has at most {MAX_ARGS} arguments");
        findings.error("bad_lookup", node.span, message).help("ask less in one statement");
        return None;
    }
    let read: Vec<_> = words.into_iter().map(|(word, span)| org::argument(word, span, findings)).collect();
    read.into_iter().collect()
}

fn cache(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let time = node.expect_duration("`cache`", findings)?;
    if time.is_zero() || time > MAX_CACHE {
        findings
            .error("wrong_value", node.span, "`cache` must be more than nothing and at most an hour")
            .help("for example `cache: 30s`; leave it out to ask each time");
        return None;
    }
    Some(time)
}
