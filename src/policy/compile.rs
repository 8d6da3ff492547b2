//! Files as written to a policy that runs: defaults merged, variables bound, patterns indexed.
//!
//! Everything is reported, nothing stops at the first problem; afterwards nothing can fail.

use super::access::Access;
use super::applicable::{Needs, RulePlace, is_safe, takes_body};
use super::index::Conflict;
use super::lint;
use super::lookup::{Binder, LookupTable};
use super::methods::Methods;
use super::options::inject::{Inject, InjectValue, RawInject};
use super::options::org::{self, Item, Source};
use super::options::trailing_slash::TrailingSlash;
use super::options::when::Condition;
use super::options::{Foreign, RawOptions, RouteContext, RouteOptions, RuleContext, of_rule};
use super::origin;
use super::own::Reserved;
use super::pattern::{HostPattern, Pattern, Segment};
use super::route::{Route, Rule, Rules};
use super::secret::Secrets;
use super::source::{File, RawRoute, RawRule};
use super::strip::StripSet;
use super::table::Table;
use super::upstreams::Upstreams;
use super::{CredentialNeed, Names, Policy};
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

    /// The tables that a file's routes go to.
    fn tables(&mut self, file: &File) -> Vec<usize> {
        if file.hosts.is_empty() {
            return vec![0];
        }
        let mut tables = Vec::with_capacity(file.hosts.len());
        for Spanned { value, span } in &file.hosts {
            match self.table.host(value) {
                Ok(table) if tables.contains(&table) => {
                    let message = format!("`{}` is the same host as another one here", value.text);
                    self.findings.error("conflict", *span, message).help("leave it out");
                }
                Ok(table) => tables.push(table),
                Err(_) => {
                    let message =
                        format!("`{}` has a variable of another type than a host pattern like it", value.text);
                    self.findings.error("type_overlap", *span, message).help("use the same type in both");
                }
            }
        }
        tables
    }

    /// Puts a route's pattern into the index of each of its hosts.
    fn index(&mut self, tables: &[usize], route: &RawRoute, number: usize) {
        let Spanned { value: pattern, span } = &route.pattern;
        let slash = route.options.trailing_slash.as_ref().or(route.above.trailing_slash.as_ref());
        let either = slash.is_some_and(|slash| slash.value == TrailingSlash::Either);
        let variants = [Some(pattern.segments.to_vec()), either.then(|| slashed(pattern)).flatten()];
        for segments in variants.into_iter().flatten() {
            let mut places = self.reserved.places();
            if let Some((place, own)) = places.find(|(place, _)| lies_under(&segments, pattern.rest, place)) {
                self.findings
                    .error("reserved_path", *span, format!("`{place}` is postern's own {}", own.words()))
                    .help(format!("no route can stand under it; {}", own.help()));
            }
            for table in tables {
                if let Err(conflict) = self.table.insert(*table, &segments, pattern.rest, number) {
                    self.conflict(conflict, pattern, *span);
                    return;
                }
            }
        }
    }

    fn conflict(&mut self, conflict: Conflict, pattern: &Pattern, span: Span) {
        let text = &pattern.text;
        match conflict {
            Conflict::Same(first) => {
                let detail = self.findings.error(
                    "conflict",
                    span,
                    format!("`{text}` matches the same targets as another route"),
                );
                let detail = detail.help("make one route of them, or make one more specific: a literal or a type");
                if let Some(place) = self.places.get(first as usize) {
                    detail.related(*place, "the other one; neither is more specific");
                }
            }
            Conflict::Types { first, theirs, ours } => {
                let (ours, theirs) = (ours.as_str(), theirs.as_str());
                let message =
                    format!("`{text}` has `{ours}` where another route has `{theirs}`, and a segment can be both");
                let detail = self.findings.error("type_overlap", span, message);
                if let Some(place) = self.places.get(first as usize) {
                    detail.related(*place, "this route").help("use the same type in both, or none in one of them");
                }
            }
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

    fn rules(&mut self, base: &Base<'_>) -> Rules {
        let mut rules = Rules::default();
        let raw = &base.route.rules;
        let level = base.options.level.as_ref().map(|level| level.value);
        if raw.is_empty() {
            let Some(access) = level else {
                let Spanned { value, span } = &base.route.pattern;
                self.grants_nothing(base, *span, format!("`{}` grants nothing to anybody", value.text));
                return rules;
            };
            rules.all.push(self.rule(base, access, None, base.route.pattern.span, &RawOptions::default()));
            (rules.read, rules.write) = (Some(0), Some(0));
            return rules;
        }
        for RawRule { methods, span, options } in raw {
            let Some(access) = options.level.as_ref().map(|level| level.value).or(level) else {
                self.grants_nothing(base, *span, "this rule grants nothing to anybody".to_owned());
                continue;
            };
            let at = rules.all.len();
            rules.all.push(self.rule(base, access, Some(methods), *span, options));
            match methods {
                Methods::Read => rules.read = Some(at),
                Methods::Write => rules.write = Some(at),
                Methods::One(method) => rules.named.push((method.clone(), at)),
            }
        }
        rules
    }

    fn grants_nothing(&mut self, base: &Base<'_>, span: Span, message: String) {
        if !base.route.is_doubtful {
            let help = "say who may pass: `level: member`, or `deny` to close it";
            self.findings.error("grants_nothing", span, message).help(help);
        }
    }

    fn rule(
        &mut self,
        base: &Base<'_>,
        access: Access,
        methods: Option<&Methods>,
        span: Span,
        own: &RawOptions,
    ) -> Rule {
        let Base { file, route, binder, .. } = base;
        let origin = match &own.org {
            Some(org) => self.origin(&org.value, binder).unwrap_or_default(),
            None => base.origin.clone(),
        };
        let origin = origin::readable(origin, (access, methods), span, self.findings);
        let inject = match injected(own) {
            [] => base.inject.clone(),
            own => self.inject(&base.inject, &[own], binder),
        };
        let lists = own.list.is_some() || base.options.list.is_some();
        let place = place(access, &origin, methods, lists);
        // What the answer says comes too late for a header, also for one that the defaults name.
        let early = |inject: &&Inject| place.has(Needs::EarlyOrganization) || !inject.value.asks_organization();
        let inject =
            if inject.iter().all(|one| early(&one)) { inject } else { inject.iter().filter(early).cloned().collect() };
        let inject = match self.assertion.filter(|_| access.credential() != CredentialNeed::Ignored) {
            Some(name) => {
                let signed = Inject { name: name.clone(), value: InjectValue::Assertion };
                inject.iter().cloned().chain([signed]).collect()
            }
            None => inject,
        };
        own.check_applicable(std::iter::once(place), self.findings);
        let variables: Vec<_> = route.pattern.value.typed_variables().collect();
        let hosts: Vec<&str> = file.hosts.iter().map(|host| &*host.value.text).collect();
        let pattern = &route.pattern.value.text;
        let context = RuleContext { methods, place, variables: &variables, span, pattern, hosts: &hosts, binder };
        let options = of_rule(own, &base.options, &context, self.findings);
        let asks_permission =
            options.as_ref().is_some_and(|options| options.permissions.is_some() || options.model.is_some());
        let alone = methods.is_none().then_some(&route.options);
        let switch = own.user_permissions.as_ref().or(alone.and_then(|route| route.user_permissions.as_ref()));
        if let Some(switch) = switch.filter(|_| !asks_permission && place.has(Needs::Somebody)) {
            self.findings
                .error("no_meaning", switch.span, "`user_permissions` has no meaning here: no permission is asked for")
                .help("it takes `permissions` or a `model`; or leave it out");
        }
        let upgrade = own.upgrade.as_ref().or(base.options.upgrade.as_ref());
        if let Some(upgrade) = upgrade.filter(|_| place.has(Needs::Answer)) {
            self.findings
                .error(
                    "no_meaning",
                    upgrade.span,
                    "`upgrade` has no meaning here: a WebSocket has no answer that can be judged",
                )
                .help("name the organization in the request: `org: path.org`");
        }
        let list = own.list.as_ref().or(base.options.list.as_ref());
        if let Some(list) = list.filter(|_| place.reads_answer) {
            self.findings
                .error(
                    "no_meaning",
                    list.span,
                    "`list` has no meaning here: the answer is one object, whose organization `org` reads",
                )
                .help("leave `list` out, or name the organization in the request: `org: path.org`");
        }
        if access == Access::Permitted && !base.route.is_doubtful {
            self.permitted(span, asks_permission, place.has_organization);
        }
        let by_origin = origin.iter().flat_map(|item| &item.sources).filter_map(Source::lookup);
        let by_inject = inject.iter().filter_map(|inject| inject.value.lookup());
        let by_condition = options.iter().filter_map(|options| options.when.as_ref()).flat_map(Condition::lookups);
        // What a lookup found is the caller's business no more than a foreign organization is.
        let is_of_object = by_origin.clone().next().is_some() || place.reads_answer;
        let usual = if is_of_object { Foreign::NotFound } else { Foreign::Forbidden };
        let lookups = binder.closed(by_origin.chain(by_inject).chain(by_condition));
        let mut sources = origin.iter().flat_map(|item| &item.sources);
        let reads_body = sources.any(|source| matches!(source, Source::Body(..))) || binder.reads_body(&lookups);
        Rule {
            access,
            lookups,
            reads_body,
            reads_answer: place.reads_answer,
            appointed: self.managers_are_appointed,
            foreign: nearest(&own.foreign, &base.options.foreign).copied().unwrap_or(usual),
            origin,
            inject,
            schemes: nearest(&own.authenticate, &base.options.authenticate).cloned().unwrap_or_default(),
            forward_authorization: nearest(&own.forward_authorization, &base.options.forward_authorization)
                == Some(&true),
            options,
        }
    }

    /// `permitted` asks for permissions, in an organization.
    fn permitted(&mut self, span: Span, asks_permission: bool, has_organization: bool) {
        if !asks_permission {
            self.findings
                .error("permission_needed", span, "`permitted` asks for a permission, and none is named")
                .help("say which: `permissions: [app.codename]`, or `model: app.model`");
        }
        if !has_organization {
            self.findings
                .error("org_needed", span, "`permitted` asks in an organization, and there is none")
                .help("say where it comes from: `org: path.org`; or ask `authenticated` with the permissions");
        }
    }

    fn variables_are_used(&mut self, base: &Base<'_>) {
        let Base { route, .. } = base;
        let options = || [&*route.above, &route.options].into_iter().chain(route.rules.iter().map(|r| &r.options));
        for name in route.pattern.value.variables().filter(|name| promises(name)) {
            let by_origin = options().filter_map(|o| o.org.as_ref()).any(|o| org::uses(&o.value, name, self.lookups));
            let by_inject = options().flat_map(injected).any(|i| i.uses(name, self.lookups));
            let by_condition =
                options().filter_map(|o| o.when.as_ref()).any(|when| when.value.uses(name, self.lookups));
            if !by_origin && !by_inject && !by_condition {
                let message =
                    format!("the variable `{name}` is not used, and its name promises that somebody looks at it");
                self.findings
                    .warning("unused_variable", route.pattern.span, message)
                    .help(format!("use `path.{name}` in `org`, `inject` or `when`; or give it no name: `{{_}}`"));
            }
        }
    }

    /// A route that injects `org.…` by its own words must have an `org` somewhere; defaults are for those that do.
    fn organizations_are_there(&mut self, base: &Base<'_>, rules: &Rules) {
        let options = std::iter::once(&base.route.options).chain(base.route.rules.iter().map(|r| &r.options));
        let org = base.route.above.org.is_some() || options.clone().any(|o| o.org.is_some());
        if org || rules.all.iter().any(|r| !r.origin.is_empty()) {
            return;
        }
        for span in options.flat_map(injected).filter_map(RawInject::asks_organization) {
            self.findings
                .error("org_needed", span, "there is no organization: the route has no `org`")
                .help("say where it comes from: `org: path.org`");
        }
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

/// Whether the name of a variable says whose something is: a reader takes it for granted that this is looked at.
fn promises(name: &str) -> bool {
    const WORDS: [&str; 15] = [
        "account",
        "company",
        "customer",
        "member",
        "org",
        "organisation",
        "organization",
        "orgs",
        "owner",
        "team",
        "tenant",
        "user",
        "userid",
        "username",
        "workspace",
    ];
    // `org_id`, `orgId`, `tenantSlug`
    let mut words: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if c == '_' || (was_small && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        was_small = c.is_ascii_lowercase();
        if let Some(word) = words.last_mut()
            && c != '_'
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether some rule of a route takes its organization from above and does something with it.
fn reads_organization(route: &RawRoute) -> bool {
    let level = |options: &RawOptions| options.level.as_ref().map(|level| level.value);
    let above = level(&route.options).or(level(&route.above));
    let reads = |access: Option<Access>| !matches!(access, None | Some(Access::Public | Access::Deny));
    let from_above = |rule: &RawRule| rule.options.org.is_none() && reads(level(&rule.options).or(above));
    if route.rules.is_empty() { reads(above) } else { route.rules.iter().any(from_above) }
}

/// The pattern with a slash at its end, or without it; `None` where there is no other one.
fn slashed(pattern: &Pattern) -> Option<Vec<Segment>> {
    if pattern.rest {
        return None;
    }
    let empty = Segment::Literal("".into());
    let mut segments = pattern.segments.to_vec();
    if segments.last() == Some(&empty) {
        segments.pop();
        (!segments.is_empty()).then_some(segments)
    } else {
        segments.push(empty);
        Some(segments)
    }
}

/// Whether all that a pattern matches lies under a prefix, which ends with a slash.
fn lies_under(segments: &[Segment], rest: bool, prefix: &str) -> bool {
    let steps: Vec<&str> = prefix.trim_matches('/').split('/').collect();
    let is = |(segment, step): (&Segment, &&str)| matches!(segment, Segment::Literal(text) if **text == **step);
    // What does not end in a slash is one path and no prefix.
    let is_there = match prefix.ends_with('/') {
        true => segments.len() > steps.len() || (rest && segments.len() == steps.len()),
        false => segments.len() == steps.len(),
    };
    is_there && segments.iter().zip(&steps).all(is)
}

/// What is said here, else what is said above.
fn nearest<'a, T>(own: &'a Option<Spanned<T>>, above: &'a Option<Spanned<T>>) -> Option<&'a T> {
    own.as_ref().or(above.as_ref()).map(|said| &said.value)
}
