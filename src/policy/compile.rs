//! Files as written to a policy that runs: defaults merged, variables bound, patterns indexed.
//!
//! Everything is reported, nothing stops at the first problem; afterwards nothing can fail.

mod checks;
mod rules;
mod tables;

use super::access::Access;
use super::applicable::{RulePlace, is_safe, takes_body};
use super::lint;
use super::lookup::{Binder, LookupTable};
use super::methods::Methods;
use super::options::inject::{Inject, RawInject};
use super::options::org::{self, Item, Source};
use super::options::{RawOptions, RouteContext, RouteOptions};
use super::own::Reserved;
use super::pattern::HostPattern;
use super::route::Route;
use super::secret::Secrets;
use super::source::{File, RawRoute, RawRule};
use super::strip::StripSet;
use super::table::Table;
use super::upstreams::Upstreams;
use super::{Names, Policy};
use crate::normalized_name::{normalized_key, same_name};
use crate::yaml::{Findings, Span, Spanned};
use http::HeaderName;
use std::sync::Arc;

/// Compiles all files together; the policy is only worth something when `findings` has no error afterwards.
pub(super) fn compile(files: &[File], names: Option<&Names>, findings: &mut Findings) -> Policy {
    let reserved = names.map(|names| names.reserved.clone()).unwrap_or_default();
    let (mut upstreams, mut secrets) = (Upstreams::new(files, names), Secrets::new(names));
    let lookups = LookupTable::new(files, names, (&mut upstreams, &mut secrets), findings);
    let mut compiler = Compiler {
        lookups: &lookups,
        managers_are_appointed: names.is_some_and(|names| names.managers_are_appointed),
        findings,
        upstreams,
        secrets,
        table: Table::new(),
        routes: Vec::new(),
        places: Vec::new(),
        hosts: Vec::new(),
        reserved: &reserved,
        list_limit: names.map_or(super::LIST_LIMIT, Names::list_limit),
        body_limit: names.and_then(|names| names.body_limit).unwrap_or(super::BODY_LIMIT),
        assertion: names.and_then(|names| names.assertion.as_ref()),
    };
    for file in files {
        compiler.file(file);
    }
    let Compiler { findings, upstreams, secrets, table, routes, hosts, .. } = compiler;
    // What could not be read may be what would have used it.
    if !findings.has_errors() {
        lookups.check_used(findings);
    }
    if !findings.has_errors() {
        let served = names.and_then(Names::schemes);
        let known = lint::Known {
            reserved: &reserved,
            schemes: served,
            list_limit: names.map(Names::list_limit),
            usernames_are_shared: names.is_some_and(|names| names.usernames_are_shared),
            names,
            upstreams: &upstreams.names,
        };
        lint::lint(files, &routes, &table, known, findings);
    }
    let rules = || routes.iter().flat_map(|route: &Route| route.rules());
    let assertion = names.and_then(|names| names.assertion.as_ref());
    let injected = rules().flat_map(|rule| rule.inject.iter()).map(|inject| &inject.name).chain(assertion);
    let with_tokens = rules().flat_map(|rule| rule.schemes.headers());
    let mut own_headers: Vec<HeaderName> = injected.clone().chain(with_tokens.clone()).cloned().collect();
    own_headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    own_headers.dedup();
    let (injected, with_tokens) = (injected.map(HeaderName::as_str), with_tokens.map(HeaderName::as_str));
    let strip = StripSet::new(injected.clone().chain(with_tokens.clone()));
    let ours = StripSet::new(injected);
    let mut credentials: Vec<Box<str>> = with_tokens.filter(|name| !ours.contains(name)).map(normalized_key).collect();
    credentials.sort_unstable();
    credentials.dedup();
    Policy {
        routes,
        closed: Box::new(Route::closed()),
        table,
        upstreams: upstreams.names.into(),
        strip,
        own_headers: own_headers.into(),
        credentials: credentials.into(),
        secrets: secrets.list.into(),
        lookups: lookups.all().cloned().collect(),
        hosts: hosts.into(),
        warnings: Findings::new(),
        fingerprint: Box::default(),
        reserved,
    }
}

struct Compiler<'a> {
    managers_are_appointed: bool,
    findings: &'a mut Findings,
    lookups: &'a LookupTable,
    upstreams: Upstreams<'a>,
    secrets: Secrets<'a>,
    table: Table,
    routes: Vec<Route>,
    /// Where each pattern stands, by the number of its route.
    places: Vec<Span>,
    hosts: Vec<Arc<[HostPattern]>>,
    reserved: &'a Reserved,
    /// Longest list of organizations in a header.
    list_limit: usize,
    /// Longest body where a rule says no other.
    body_limit: u64,
    /// The header that says whose a request is, signed.
    assertion: Option<&'a HeaderName>,
}

/// What of a route holds for all its rules.
struct Base<'a> {
    file: &'a File,
    route: &'a RawRoute,
    binder: Binder<'a>,
    /// What the route says, and what stands above it.
    options: RawOptions,
    origin: Arc<[Item]>,
    inject: Arc<[Inject]>,
}

impl Compiler<'_> {
    fn file(&mut self, file: &File) {
        let tables = self.tables(file);
        let name: Arc<str> = self.findings.source(file.id).map_or("", |s| s.name.as_str()).into();
        let hosts: Arc<[HostPattern]> = file.hosts.iter().map(|h| h.value.clone()).collect();
        self.hosts.push(Arc::clone(&hosts));
        for route in &file.routes {
            let number = self.routes.len();
            self.places.push(route.pattern.span);
            self.index(&tables, route, number);
            let compiled = self.route(file, route, number, (name.clone(), hosts.clone()));
            self.routes.push(compiled);
        }
    }

    fn route(
        &mut self,
        file: &File,
        route: &RawRoute,
        number: usize,
        (name, hosts): (Arc<str>, Arc<[HostPattern]>),
    ) -> Route {
        let Spanned { value: pattern, span } = &route.pattern;
        let before = self.findings.list().len();
        // The defaults' `org` is for the rules that read one: `/healthz: public` need not bind its variables.
        let default = route.above.org.as_ref().filter(|_| reads_organization(route));
        let org = route.options.org.as_ref().or(default);
        let binder = Binder::new(self.lookups, &route.pattern, &file.hosts);
        let origin = org.and_then(|org| self.origin(&org.value, &binder)).unwrap_or_default();
        let inject = self.inject(&[], &[injected(&route.above), injected(&route.options)], &binder);
        let base = Base { file, route, binder, options: route.options.over(&route.above), origin, inject };
        let rules = self.rules(&base);
        if !route.is_doubtful && self.findings.list().len() == before {
            let methods = route.rules.iter().map(|raw| Some(&raw.methods)).chain([None]);
            let places = rules.all.iter().zip(methods);
            let lists = base.options.list.is_some();
            let places =
                places.map(|(rule, methods)| place(rule.access, &rule.origin, methods, lists || rule.list().is_some()));
            route.options.check_applicable(places, self.findings);
            self.variables_are_used(&base);
        }
        self.organizations_are_there(&base, &rules);
        Route {
            list_limit: self.list_limit,
            body_limit: self.body_limit,
            index: number,
            pattern: pattern.text.clone(),
            file: name,
            line: self.findings.place(*span).line,
            upstream: self.upstream(&base),
            options: RouteOptions::compile(
                &route.options,
                &route.above,
                &RouteContext { pattern: &route.pattern },
                self.findings,
            ),
            allow: rules.allow(),
            lookups: base.binder.into_calls(),
            rules,
            variables: pattern.variables().map(Box::from).collect(),
            shape: pattern.clone(),
            hosts,
        }
    }

    fn origin(&mut self, items: &[org::RawItem], binder: &Binder<'_>) -> Option<Arc<[Item]>> {
        org::bind(items, binder, self.findings).map(Arc::from)
    }

    /// Binds the maps, the later of which win, over what is bound already.
    fn inject(&mut self, below: &[Inject], maps: &[&[RawInject]], binder: &Binder<'_>) -> Arc<[Inject]> {
        let mut winners: Vec<&RawInject> = Vec::new();
        for raw in maps.iter().copied().flatten() {
            match winners.iter_mut().find(|w| w.normalized == raw.normalized) {
                Some(loser) => *loser = raw,
                None => winners.push(raw),
            }
        }
        let is_replaced = |i: &&Inject| winners.iter().any(|w| same_name(i.name.as_str(), &*w.normalized));
        let taken =
            |raw: &&&RawInject| self.assertion.is_some_and(|assertion| same_name(assertion.as_str(), &*raw.normalized));
        for RawInject { name, .. } in winners.iter().filter(taken) {
            self.findings
                .error("bad_header", name.span, format!("`{}` is the header of the signed assertion", name.value))
                .help("choose another name, or another `assertion.header` in postern.yaml");
        }
        let mut list: Vec<Inject> = below.iter().filter(|i| !is_replaced(i)).cloned().collect();
        list.extend(winners.iter().filter_map(|w| w.bind(binder, &mut self.secrets, self.findings)));
        list.into()
    }

    fn upstream(&mut self, base: &Base<'_>) -> usize {
        self.upstreams.index(base.options.upstream.as_ref(), base.route.pattern.span, self.findings)
    }
}

/// The headers that these options name.
fn injected(options: &RawOptions) -> &[RawInject] {
    options.inject.as_ref().map_or(&[], |inject| &inject.value)
}

fn place(access: Access, origin: &[Item], methods: Option<&Methods>, lists: bool) -> RulePlace {
    let mut sources = origin.iter().flat_map(|item| &item.sources);
    let reads_query = sources.any(|source| matches!(source, Source::Query(..)));
    let reads_answer = origin.iter().flat_map(|item| &item.sources).any(Source::is_of_answer);
    RulePlace {
        access,
        has_organization: !origin.is_empty(),
        reads_query,
        takes_body: takes_body(methods),
        is_unsafe: !is_safe(methods),
        lists,
        reads_answer,
        knows_organization: !reads_answer || org::is_known_early(origin),
    }
}

/// Whether some rule of a route takes its organization from above and does something with it.
fn reads_organization(route: &RawRoute) -> bool {
    let level = |options: &RawOptions| options.level.as_ref().map(|level| level.value);
    let above = level(&route.options).or(level(&route.above));
    let reads = |access: Option<Access>| !matches!(access, None | Some(Access::Public | Access::Deny));
    let from_above = |rule: &RawRule| rule.options.org.is_none() && reads(level(&rule.options).or(above));
    if route.rules.is_empty() { reads(above) } else { route.rules.iter().any(from_above) }
}
