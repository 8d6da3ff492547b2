//! The lookups of all files, and those that one route asks, bound to its variables.

use super::http;
use super::sql::Dialect;
use super::written::RawQuestion;
use super::{EXAMPLE, Lookup, LookupCall, Question};
use crate::policy::Names;
use crate::policy::options::org::{self, By, RawSource, Source};
use crate::policy::pattern::{HostPattern, Pattern};
use crate::policy::secret::Secrets;
use crate::policy::source::File;
use crate::policy::upstreams::Upstreams;
use crate::yaml::{Findings, Span, Spanned, suggest};
use std::cell::RefCell;
use std::sync::Arc;

/// Lookups that one route asks, at most, those for arguments of others among them.
const MAX_CALLS: usize = 8;

/// The lookups of all files, and which of them something uses.
pub(in crate::policy) struct LookupTable {
    list: Vec<(Span, Vec<Spanned<RawSource>>, Arc<Lookup>)>,
    used: RefCell<Vec<bool>>,
}

impl LookupTable {
    pub(in crate::policy) fn new(
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
    pub(in crate::policy) fn all(&self) -> impl Iterator<Item = &Arc<Lookup>> {
        self.list.iter().map(|(.., lookup)| lookup)
    }

    /// Whether the arguments of a lookup use a variable of the path, or those of its parents.
    pub(in crate::policy) fn uses(&self, name: &str, variable: &str) -> bool {
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
    pub(in crate::policy) fn check_used(&self, findings: &mut Findings) {
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
pub(in crate::policy) struct Binder<'a> {
    lookups: &'a LookupTable,
    pattern: &'a Spanned<Pattern>,
    hosts: &'a [Spanned<HostPattern>],
    calls: RefCell<Vec<LookupCall>>,
    /// Those that are being bound: one that asks itself would never end.
    open: RefCell<Vec<usize>>,
}

impl<'a> Binder<'a> {
    pub(in crate::policy) const fn new(
        lookups: &'a LookupTable,
        pattern: &'a Spanned<Pattern>,
        hosts: &'a [Spanned<HostPattern>],
    ) -> Self {
        Self { lookups, pattern, hosts, calls: RefCell::new(Vec::new()), open: RefCell::new(Vec::new()) }
    }

    /// The number of the call of that name in this route, for one of its columns; reports what there is not.
    pub(in crate::policy) fn column(
        &self,
        name: &str,
        column: &str,
        span: Span,
        findings: &mut Findings,
    ) -> Option<usize> {
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
    pub(in crate::policy) fn of_value(
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
    pub(in crate::policy) fn call(&self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
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
    pub(in crate::policy) fn variable(&self, name: &str, span: Span, findings: &mut Findings) -> Option<usize> {
        org::variable(name, span, self.pattern, findings)
    }

    /// Binds a source to the route's variables; `None` when it was reported.
    pub(in crate::policy) fn source(&self, raw: &Spanned<RawSource>, findings: &mut Findings) -> Option<Source> {
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
    pub(in crate::policy) fn reads_body(&self, calls: &[usize]) -> bool {
        let all = self.calls.borrow();
        let mut args = calls.iter().filter_map(|at| all.get(*at)).flat_map(|call| &call.args);
        args.any(|source| matches!(source, Source::Body(..)))
    }

    /// What was bound: each after those that its arguments come from.
    pub(in crate::policy) fn into_calls(self) -> Box<[LookupCall]> {
        self.calls.into_inner().into()
    }

    /// The calls of these numbers with those that they need, in the order in which they can be asked.
    pub(in crate::policy) fn closed(&self, wanted: impl Iterator<Item = usize>) -> Box<[usize]> {
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
