//! `lookups:` — objects whose organization the request does not name: what is asked of which database ([`sql`]) or service ([`http`]), with
//! which arguments.
//!
//! As written ([`RawLookup`]) a lookup names its arguments in the words of `org`; each route that uses it binds them to its own
//! variables ([`LookupCall`]). A policy only says what is to be asked: see [`LookupKey`].

mod http;
mod sql;

pub use http::Resource;
pub use sql::{Dialect, Statement};

use self::http::RawResource;
use self::sql::RawStatement;
use super::options::PolicyOption;
use super::options::allow_lint::AllowLint;
use super::options::inject::InjectValue;
use super::options::org::{self, By, RawSource, Source};
use super::options::when::Condition;
use super::pattern::{HostPattern, Pattern, is_name};
use super::route::{Route, Rule};
use super::secret::Secrets;
use super::source::File;
use super::upstreams::Upstreams;
use super::{Names, Policy};
use crate::facts::{Column, Object, Organization};
use crate::yaml::{Entry, Findings, Key, Keys, Map, Node, Span, Spanned, suggest};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// The keys of a lookup.
const KEYS: [&str; 7] = ["sql", "http", "database", "args", "cache", "trigger", "allow_lint"];
/// Arguments of a lookup, at most.
pub const MAX_ARGS: usize = 8;
/// LookupTable that one route asks, at most, those for arguments of others among them.
const MAX_CALLS: usize = 8;
/// Longest that an answer is kept.
const MAX_CACHE: Duration = Duration::from_secs(3600);
const EXAMPLE: &str =
    "write `device: { sql: \"SELECT organization_id FROM config_device WHERE id = $1\", args: [path.id] }`";

/// What is asked about an object.
#[derive(Debug)]
pub struct Lookup {
    pub name: Box<str>,
    pub question: Question,
    /// How long an answer may be kept; `None`: it is asked each time.
    pub cache: Option<Duration>,
    /// Whether a trigger tells when an answer that is kept has become wrong, as the policy says.
    pub has_trigger: bool,
    /// What tells it from every other: two of the same are one.
    identity: [u8; 16],
}

/// Whom a lookup asks, and what.
#[derive(Debug)]
pub enum Question {
    Sql(Statement),
    Http(Resource),
}

impl Lookup {
    fn new(raw: &RawLookup, question: Question) -> Self {
        let name = &*raw.name.value;
        let (cache, has_trigger) = (raw.cache, raw.has_trigger);
        let mut lookup = Self { name: name.into(), question, cache, has_trigger, identity: [0; 16] };
        let mut hash = Sha256::new();
        for text in [name, &lookup.place_words(), &lookup.question_words()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let digest = hash.finalize();
        lookup.identity = digest.first_chunk().copied().unwrap_or_default();
        lookup
    }

    /// Whom it asks: ` in legacy_db`, ` at legacy`, or nothing where there is only one.
    #[must_use]
    pub fn place_words(&self) -> String {
        match &self.question {
            Question::Sql(Statement { database, .. }) if database.is_empty() => String::new(),
            Question::Sql(Statement { database, .. }) => format!(" in {database}"),
            Question::Http(Resource { upstream, .. }) if upstream.is_empty() => String::new(),
            Question::Http(Resource { upstream, .. }) => format!(" at {upstream}"),
        }
    }

    /// What it asks.
    #[must_use]
    pub fn question_words(&self) -> String {
        match &self.question {
            Question::Sql(statement) => statement.text.to_string(),
            Question::Http(resource) => resource.words(),
        }
    }
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Lookup {}

impl Hash for Lookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity.hash(state);
    }
}

/// A question about one object: which lookup, with which arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LookupKey {
    pub lookup: Arc<Lookup>,
    pub args: Arc<[Box<str>]>,
}

/// A lookup as a route asks it.
#[derive(Clone, Debug)]
pub struct LookupCall {
    pub lookup: Arc<Lookup>,
    /// Where its arguments stand. What they are read by says nothing here: they are texts.
    pub args: Box<[Source]>,
}

/// A lookup as it is written.
#[derive(Debug)]
pub(super) struct RawLookup {
    name: Spanned<Box<str>>,
    question: RawQuestion,
    args: Vec<Spanned<RawSource>>,
    cache: Option<Duration>,
    has_trigger: bool,
    lints: Vec<&'static str>,
    span: Span,
}

#[derive(Debug)]
enum RawQuestion {
    Sql(RawStatement),
    Http(Box<RawResource>),
}

impl RawLookup {
    /// Warns where what is kept may be wrong for a while, unless that is known.
    pub(super) fn lint(&self, names: Option<&Names>, findings: &mut Findings) {
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
    fn dialect(&self, names: Option<&Names>) -> Option<Dialect> {
        match &self.question {
            RawQuestion::Sql(statement) => statement.dialect(names),
            RawQuestion::Http(_) => None,
        }
    }

    /// The upstream that it names.
    pub(super) fn upstream(&self) -> Option<&str> {
        match &self.question {
            RawQuestion::Sql(_) => None,
            RawQuestion::Http(resource) => resource.upstream(),
        }
    }
}

/// Reads `lookups:`; what was reported is left out.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Vec<RawLookup> {
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

/// The lookups of all files, and which of them something uses.
pub(super) struct LookupTable {
    list: Vec<(Span, Vec<Spanned<RawSource>>, Arc<Lookup>)>,
    used: RefCell<Vec<bool>>,
}

impl LookupTable {
    pub(super) fn new(
        files: &[File],
        names: Option<&Names>,
        (upstreams, secrets): (&mut Upstreams<'_>, &mut Secrets<'_>),
        findings: &mut Findings,
    ) -> Self {
        let mut list: Vec<(Span, Vec<Spanned<RawSource>>, Arc<Lookup>)> = Vec::new();
        for raw in files.iter().flat_map(|file| &file.lookups) {
            let Spanned { value: name, span } = &raw.name;
            if let Some((first, ..)) = list.iter().find(|(.., known)| known.name == *name) {
                findings
                    .error("duplicate_key", *span, format!("the lookup `{name}` is there already"))
                    .related(*first, "first here")
                    .help("lookups are known in all files: leave one of them out, or give it another name");
                continue;
            }
            let question = match &raw.question {
                RawQuestion::Sql(statement) => Question::Sql(statement.compile(&raw.name, names, findings)),
                RawQuestion::Http(resource) => Question::Http(resource.compile((upstreams, secrets), names, findings)),
            };
            if raw.has_trigger && raw.dialect(names) == Some(Dialect::Mysql) {
                let message = format!(
                    "no trigger can tell of changes of the lookup `{name}`: MySQL and MariaDB have no notifications"
                );
                let help = "leave `trigger` out; a short `cache` bounds how long an answer may be wrong";
                findings.error("no_meaning", *span, message).help(help);
            }
            let lookup = Lookup::new(raw, question);
            list.push((*span, raw.args.clone(), Arc::new(lookup)));
        }
        let used = RefCell::new(vec![false; list.len()]);
        Self { list, used }
    }

    /// All of them, in the order of the files.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Lookup>> {
        self.list.iter().map(|(.., lookup)| lookup)
    }

    /// Whether the arguments of a lookup use a variable of the path, or those of its parents.
    pub(super) fn uses(&self, name: &str, variable: &str) -> bool {
        self.uses_within(name, variable, 0)
    }

    fn uses_within(&self, name: &str, variable: &str, depth: usize) -> bool {
        let named = self.list.iter().find(|(.., lookup)| *lookup.name == *name);
        depth < MAX_CALLS
            && named.iter().flat_map(|(_, args, _)| args).any(|arg| match &arg.value {
                RawSource::Path(found, _) => found == variable,
                RawSource::Lookup(parent, ..) => self.uses_within(parent, variable, depth + 1),
                RawSource::Host(..) | RawSource::Ready(_) => false,
            })
    }

    /// Reports those that nothing uses: whoever wrote one believes that it decides something.
    pub(super) fn check_used(&self, findings: &mut Findings) {
        for ((span, _, lookup), used) in self.list.iter().zip(self.used.borrow().iter()) {
            if !used {
                let message = format!("nothing uses the lookup `{}`", lookup.name);
                findings
                    .error("unused_lookup", *span, message)
                    .help(format!("use it: `org: lookup.{}`; or leave it out", lookup.name));
            }
        }
    }
}

/// Whether a lookup gives that column, as far as the policy knows; reports it where it does not.
fn gives(lookup: &Lookup, column: &str, span: Span, findings: &mut Findings) -> bool {
    match &lookup.question {
        Question::Sql(_) => true,
        Question::Http(resource) => http::check_column(&lookup.name, resource, column, span, findings),
    }
}

/// As what the lookup itself says that its organization is named.
fn usual_form(lookup: &Lookup) -> Option<By> {
    match &lookup.question {
        Question::Sql(_) => None,
        Question::Http(resource) => Some(resource.by),
    }
}

/// What a route asks: lookups are bound to it as it names them.
pub(super) struct Binder<'a> {
    lookups: &'a LookupTable,
    pattern: &'a Spanned<Pattern>,
    hosts: &'a [Spanned<HostPattern>],
    calls: RefCell<Vec<LookupCall>>,
    /// Those that are being bound: one that asks itself would never end.
    open: RefCell<Vec<usize>>,
}

impl<'a> Binder<'a> {
    pub(super) const fn new(
        lookups: &'a LookupTable,
        pattern: &'a Spanned<Pattern>,
        hosts: &'a [Spanned<HostPattern>],
    ) -> Self {
        Self { lookups, pattern, hosts, calls: RefCell::new(Vec::new()), open: RefCell::new(Vec::new()) }
    }

    /// The number of the call of that name in this route, for one of its columns; reports what there is not.
    pub(super) fn column(&self, name: &str, column: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        let at = self.call(name, span, findings)?;
        let lookup = self.calls.borrow().get(at).map(|call| Arc::clone(&call.lookup))?;
        gives(&lookup, column, span, findings).then_some(at)
    }

    /// The number of the lookup of that name, which is used now; reports one that there is not.
    fn named(&self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        let Some(at) = self.lookups.list.iter().position(|(.., lookup)| *lookup.name == *name) else {
            let near = suggest(name, self.lookups.all().map(|lookup| &*lookup.name));
            let help = near.map_or_else(|| EXAMPLE.to_owned(), |near| format!("did you mean `lookup.{near}`?"));
            findings.error("unknown_lookup", span, format!("no lookup is named `{name}`")).help(help);
            return None;
        };
        if let Some(used) = self.lookups.used.borrow_mut().get_mut(at) {
            *used = true;
        }
        Some(at)
    }

    /// The lookup of that name for values of `what`, which are its one argument, whatever it names itself; and as what the
    /// organization is named.
    pub(super) fn of_value(
        &self,
        (name, column, by): (&str, Option<&str>, By),
        what: &str,
        span: Span,
        findings: &mut Findings,
    ) -> Option<(Arc<Lookup>, By)> {
        let (_, args, lookup) = self.lookups.list.get(self.named(name, span, findings)?)?;
        if args.len() != 1 {
            let message = format!("the lookup `{name}` has {} arguments, and {what} is one", args.len());
            let help = "ask another lookup, whose one argument that can be";
            findings.error("bad_lookup", span, message).help(help);
            return None;
        }
        let by = match column {
            Some(column) => gives(lookup, column, span, findings).then_some(by)?,
            None => usual_form(lookup).filter(|_| by == By::Id).unwrap_or(by),
        };
        Some((Arc::clone(lookup), by))
    }

    /// The number of the call of that name in this route; reports one that there is not.
    pub(super) fn call(&self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        let at = self.named(name, span, findings)?;
        let (place, args, lookup) = self.lookups.list.get(at)?;
        let known = self.calls.borrow().iter().position(|call| call.lookup == *lookup);
        if known.is_some() {
            return known;
        }
        if self.open.borrow().contains(&at) {
            let message = format!("the lookup `{name}` needs itself for its own arguments");
            findings.error("bad_lookup", *place, message).help("give it an argument that the request has: `path.id`");
            return None;
        }
        self.open.borrow_mut().push(at);
        let bound: Vec<_> = args.iter().map(|arg| self.source(arg, findings)).collect();
        self.open.borrow_mut().pop();
        let args = bound.into_iter().collect::<Option<Vec<_>>>()?.into();
        let mut calls = self.calls.borrow_mut();
        if calls.len() == MAX_CALLS {
            let message = format!("a route asks at most {MAX_CALLS} lookups");
            findings.error("bad_lookup", span, message).help("join the tables in one statement");
            return None;
        }
        calls.push(LookupCall { lookup: Arc::clone(lookup), args });
        Some(calls.len() - 1)
    }

    /// The number of a variable of the path; reports one that the pattern does not bind.
    pub(super) fn variable(&self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        org::variable(name, span, self.pattern, findings)
    }

    /// Binds a source to the route's variables; `None` when it was reported.
    pub(super) fn source(&self, raw: &Spanned<RawSource>, findings: &mut Findings) -> Option<Source> {
        let Spanned { value, span } = raw;
        Some(match value {
            RawSource::Ready(source) => source.clone(),
            RawSource::Path(name, by) => Source::Path(self.variable(name, *span, findings)?, *by),
            RawSource::Host(name, by) => Source::Host(org::host_variable(name, *span, self.hosts, findings)?, *by),
            RawSource::Lookup(name, Some(column), by) => {
                Source::Lookup(self.column(name, column, *span, findings)?, Some(column.clone()), *by)
            }
            RawSource::Lookup(name, None, by) => {
                let at = self.call(name, *span, findings)?;
                let usual = self.calls.borrow().get(at).and_then(|call| usual_form(&call.lookup));
                Source::Lookup(at, None, usual.filter(|_| *by == By::Id).unwrap_or(*by))
            }
        })
    }

    /// Whether one of these calls has an argument in the body.
    pub(super) fn reads_body(&self, calls: &[usize]) -> bool {
        let all = self.calls.borrow();
        let mut args = calls.iter().filter_map(|at| all.get(*at)).flat_map(|call| &call.args);
        args.any(|source| matches!(source, Source::Body(..)))
    }

    /// What was bound: each after those that its arguments come from.
    pub(super) fn into_calls(self) -> Box<[LookupCall]> {
        self.calls.into_inner().into()
    }

    /// The calls of these numbers with those that they need, in the order in which they can be asked.
    pub(super) fn closed(&self, wanted: impl Iterator<Item = usize>) -> Box<[usize]> {
        let calls = self.calls.borrow();
        let mut needed = vec![false; calls.len()];
        wanted.for_each(|at| needed.get_mut(at).into_iter().for_each(|needed| *needed = true));
        // A call stands behind those that it needs: from the last to the first, one look is enough.
        for at in (0..calls.len()).rev().collect::<Vec<_>>() {
            if needed.get(at) == Some(&true) {
                for source in calls.get(at).iter().flat_map(|call| call.args.iter()) {
                    if let Source::Lookup(of, ..) = source
                        && let Some(needed) = needed.get_mut(*of)
                    {
                        *needed = true;
                    }
                }
            }
        }
        needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(at, _)| at).collect()
    }
}

impl Route {
    /// What its rules read of lookups: the number of each, with the column, and in which form an organization is read of it.
    fn reads(&self) -> impl Iterator<Item = (usize, Option<&str>, Option<By>)> {
        let args = self.lookups.iter().flat_map(|call| &call.args).map(|source| (source, false));
        let origins = self.rules().iter().flat_map(|rule| rule.origin.iter()).flat_map(|item| &item.sources);
        let sources = args.chain(origins.map(|source| (source, true))).filter_map(|(source, names)| match source {
            Source::Lookup(at, column, by) => Some((*at, column.as_deref(), names.then_some(*by))),
            _ => None,
        });
        let injected =
            self.rules().iter().flat_map(|rule| rule.inject.iter()).filter_map(|inject| match &inject.value {
                InjectValue::Lookup(at, column) => Some((*at, Some(&**column), None)),
                _ => None,
            });
        let options = self.rules().iter().filter_map(|rule| rule.options.as_ref());
        let conditions = options.filter_map(|options| options.when.as_ref()).flat_map(Condition::columns);
        sources.chain(injected).chain(conditions.map(|(at, column)| (at, Some(column), None)))
    }
}

impl Policy {
    fn reads_of<'p>(&'p self, lookup: &'p Lookup) -> impl Iterator<Item = (Option<&'p str>, Option<By>)> {
        let reads = self.routes().iter().flat_map(|route| route.reads().map(move |read| (route, read)));
        let reads = reads.filter_map(move |(route, (at, column, by))| {
            route.lookups.get(at).is_some_and(|call| *call.lookup == *lookup).then_some((column, by))
        });
        let fields = self.routes().iter().flat_map(Route::rules).flat_map(Rule::fields);
        let fields = fields.filter(move |field| *field.lookup == *lookup);
        let items = self.routes().iter().flat_map(Route::rules).filter_map(|rule| rule.list()?.lookup.as_deref());
        let items = items.filter(move |items| *items.lookup == *lookup);
        let values = fields.map(|field| (&field.column, field.by)).chain(items.map(|items| (&items.column, items.by)));
        reads.chain(values.map(|(column, by)| (column.as_deref(), Some(by))))
    }

    /// The columns of a lookup that something reads by name.
    #[must_use]
    pub fn columns_of(&self, lookup: &Lookup) -> BTreeSet<&str> {
        let known = self.lookups().iter().find(|known| ***known == *lookup);
        known.map(|known| self.reads_of(known).filter_map(|(column, _)| column).collect()).unwrap_or_default()
    }

    /// An object as a lookup would find it that belongs to this organization, or to none: for tools. Of other columns it has `columns`,
    /// and null for those that something reads besides.
    #[must_use]
    pub fn sample_object(
        &self,
        lookup: &Lookup,
        organization: Option<&Organization>,
        columns: &[(Box<str>, Column)],
    ) -> Object {
        let known = self.lookups().iter().find(|known| ***known == *lookup);
        let named = known.and_then(|known| self.reads_of(known).find_map(|(column, by)| Some((column, by?))));
        let (column, by) = named.unwrap_or((None, By::Id));
        let text = organization.map_or(Column::Null, |organization| {
            let text = match by {
                By::Id => organization.id.to_string(),
                By::Slug => organization.slug.as_str().to_owned(),
                By::External => organization.external_id.as_ref().map_or_else(String::new, |id| id.as_str().to_owned()),
            };
            Column::Text(text.into())
        });
        let mut object = vec![(column.unwrap_or("organization").into(), text)];
        object.extend(columns.iter().cloned());
        for column in self.columns_of(lookup) {
            if !object.iter().any(|(known, _)| **known == *column) {
                object.push((column.into(), Column::Null));
            }
        }
        Object::new(object)
    }
}
