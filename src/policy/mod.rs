//! The route policy language: `routes.yaml` to a [`Policy`] that decisions are made with.
//!
//! `source` reads files as they are written, `compile` merges defaults, binds variables and indexes patterns; both report
//! everything at once, with file, line and column. What is left is [`Route`]s and [`Rule`]s in which nothing can fail, found
//! by host and path at a cost that does not depend on how many there are. [`StripSet`] names the headers that no client may
//! send through.

mod access;
mod applicable;
mod compile;
mod index;
mod lint;
mod lookup;
mod methods;
mod options;
mod origin;
mod own;
mod pattern;
mod pointer;
mod route;
mod secret;
mod source;
mod strip;
mod table;
mod upstreams;
mod uwsgi;
mod words;

pub use access::{Access, CredentialNeed};
pub use index::{Captures, Conflict, Trie};
pub use lookup::{Dialect, Lookup, LookupCall, LookupKey, MAX_ARGS, Question, Resource, Statement};
pub(crate) use methods::METHODS;
pub use options::authenticate::{Scheme, Schemes};
pub(crate) use options::inject::WORDS as INJECT_WORDS;
pub use options::inject::{Inject, InjectValue, is_injectable};
pub use options::org::{By, Item, MAX_SOURCES, Source};
pub use options::when::Condition;
pub use options::{
    Asked, BodyLimit, Cors, CountedBy, Csrf, ErrorPassthrough, Fields, Foreign, InspectLimit, ItemBy, ItemLookup,
    Judged, List, Model, OptionChange, Permissions, Push, RelatedField, Rewrite, RouteOptions, RuleOptions, Shared,
    StrictSource, Throttle, Timeout, Upgrade, UserPermissions,
};
pub use options::{Failure, Subject};
pub(crate) use options::{ROUTE_KEYS, RULE_KEYS, option_schema};
pub use own::{Own, docs, places_beside};
pub(crate) use pattern::NAMELESS;
pub use pattern::{HostPattern, Kind, MAX_VARIABLES, Pattern, Segment, is_slug};
pub use pointer::Pointer;
pub use route::{Route, Rule, RuleId, is_read};
pub use secret::{Secret, is_secret_name};
pub(crate) use source::GROUP_KEYS;
pub use strip::StripSet;

use crate::normalized_name::same_name;
use crate::yaml::Findings;
use http::HeaderName;
use own::Reserved;
use sha2::{Digest, Sha256};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Names that only the configuration can declare. Without them they are not checked.
#[derive(Clone, Debug, Default)]
pub struct Names {
    upstreams: Vec<String>,
    uwsgi: Vec<String>,
    secrets: Vec<String>,
    databases: Vec<(Box<str>, Dialect)>,
    reserved: Reserved,
    schemes: Option<Schemes>,
    list_limit: Option<usize>,
    body_limit: Option<u64>,
    managers_are_appointed: bool,
    usernames_are_shared: bool,
    asks_second_factors: Option<bool>,
    assertion: Option<HeaderName>,
}

/// Longest list of organizations that is put in a header where nothing is said, in bytes: services commonly take 8 KiB.
pub const LIST_LIMIT: usize = 8 * 1024;

/// The host of requests that name none, where the policy is for every host.
pub const DEFAULT_HOST: &str = "localhost";

/// Longest body of a request where nothing is said, in bytes.
pub const BODY_LIMIT: u64 = 100 << 20;

impl Names {
    /// The names of all upstreams, in an order that [`Policy::upstreams`] keeps.
    pub fn new(upstreams: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { upstreams: upstreams.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same with the names of secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { secrets: secrets.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same, with the names of the databases that lookups may ask, and what they are asked in.
    #[must_use]
    pub fn with_databases(self, names: impl IntoIterator<Item = (impl Into<Box<str>>, Dialect)>) -> Self {
        Self { databases: names.into_iter().map(|(name, dialect)| (name.into(), dialect)).collect(), ..self }
    }

    /// The names of the databases.
    #[must_use]
    pub fn databases(&self) -> &[(Box<str>, Dialect)] {
        &self.databases
    }

    /// The same, with the names of those upstreams that are told requests in the uwsgi protocol.
    #[must_use]
    pub fn with_uwsgi(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { uwsgi: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same, where a service has the page that describes all, and postern what describes its API to programs. To be said first.
    #[must_use]
    pub fn with_shared_docs(self, shares_docs: bool) -> Self {
        Self { reserved: Reserved { shares_docs, ..self.reserved }, ..self }
    }

    /// The same, with the prefix under which postern answers itself, `/api/v1/users/`; what describes that stands beside it.
    #[must_use]
    pub fn with_identity_api(self, prefix: Option<Box<str>>) -> Self {
        let part = if self.reserved.shares_docs { "openapi.json" } else { "" };
        let docs = prefix.as_deref().map(|prefix| format!("{}{part}", own::docs(prefix)).into());
        Self { reserved: Reserved { identity: prefix, docs, ..self.reserved }, ..self }
    }

    /// The same, where AuthZEN's paths are postern's own.
    #[must_use]
    pub fn with_authzen(self, is: bool) -> Self {
        Self { reserved: Reserved { authzen: is, ..self.reserved }, ..self }
    }

    /// The same, with the prefix under which the admin UI is served on the data port.
    #[must_use]
    pub fn with_admin_ui(self, prefix: Option<Box<str>>) -> Self {
        Self { reserved: Reserved { admin_ui: prefix, ..self.reserved }, ..self }
    }

    /// The same, with the schemes that the configuration can check.
    #[must_use]
    pub fn with_schemes(self, schemes: Schemes) -> Self {
        Self { schemes: Some(schemes), ..self }
    }

    /// The same, where sessions are asked for second factors, or are not.
    #[must_use]
    pub fn with_second_factors(self, asks: bool) -> Self {
        Self { asks_second_factors: Some(asks), ..self }
    }

    /// The schemes that the configuration can check, where that is known.
    #[must_use]
    pub fn schemes(&self) -> Option<&Schemes> {
        self.schemes.as_ref()
    }

    /// The same, with the length of a header that lists organizations, at most.
    #[must_use]
    pub fn with_list_limit(self, limit: usize) -> Self {
        Self { list_limit: Some(limit), ..self }
    }

    /// Bytes of a header that lists organizations, at most.
    #[must_use]
    pub fn list_limit(&self) -> usize {
        self.list_limit.unwrap_or(LIST_LIMIT)
    }

    /// The same, with the length of a request's body, at most, where a rule says no other.
    #[must_use]
    pub fn with_body_limit(self, limit: u64) -> Self {
        Self { body_limit: Some(limit), ..self }
    }

    /// The same, where a manager of any organization is one who was appointed, as openwisp-users has it: its
    /// `organizations_managed` leaves owners out who are no managers.
    #[must_use]
    pub fn with_appointed_managers(self, is: bool) -> Self {
        Self { managers_are_appointed: is, ..self }
    }

    /// The same, where usernames are unique in an organization alone.
    #[must_use]
    pub fn with_shared_usernames(self, are: bool) -> Self {
        Self { usernames_are_shared: are, ..self }
    }

    /// The same, with the header that says whose a request is, signed.
    #[must_use]
    pub fn with_assertion(self, header: Option<HeaderName>) -> Self {
        Self { assertion: header, ..self }
    }

    /// Whether an upstream is told requests in the uwsgi protocol.
    #[must_use]
    pub fn is_uwsgi(&self, upstream: &str) -> bool {
        self.uwsgi.iter().any(|name| name == upstream)
    }

    /// The names of the secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// The names of the upstreams.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        self.upstreams.iter().map(String::as_str)
    }
}

/// All policy files together, checked.
#[derive(Debug)]
pub struct Policy {
    routes: Vec<Route>,
    /// Where a [`RuleId`] of another policy leads.
    closed: Box<(Route, Rule)>,
    table: table::Table,
    upstreams: Box<[Box<str>]>,
    strip: StripSet,
    /// The headers that rules inject or read tokens from.
    own_headers: Box<[HeaderName]>,
    /// Folded names of headers that hold tokens, and nothing that is injected.
    credentials: Box<[Box<str>]>,
    secrets: Box<[Arc<Secret>]>,
    lookups: Box<[Arc<Lookup>]>,
    hosts: Box<[Arc<[HostPattern]>]>,
    warnings: Findings,
    fingerprint: Box<str>,
    reserved: Reserved,
}

/// A route that was found, and what its variables matched.
#[derive(Clone, Debug)]
pub struct Found<'p> {
    pub route: &'p Route,
    /// What the path's variables matched: ranges of the decoded path.
    pub path: Captures,
    /// What the host's variables matched: ranges of the host.
    pub host: Captures,
}

/// Checks and compiles policy files, each a name for messages and its text.
///
/// # Errors
/// At least one of the findings is an error; all are there, in the order of files and lines.
pub fn load(files: &[(impl AsRef<str>, impl AsRef<str>)], names: Option<&Names>) -> Result<Policy, Findings> {
    let fingerprint = fingerprint(files);
    let mut findings = Findings::new();
    let ids: Vec<_> = files.iter().map(|(name, text)| findings.add_source(name.as_ref(), text.as_ref())).collect();
    if ids.is_empty() {
        findings.general("no_routes", "there is no policy file");
    }
    let files: Vec<_> = ids.into_iter().filter_map(|id| source::read(id, &mut findings)).collect();
    let mut policy = compile::compile(&files, names, &mut findings);
    findings.sort();
    if findings.has_errors() {
        return Err(findings);
    }
    policy.warnings = findings;
    policy.fingerprint = fingerprint;
    Ok(policy)
}

/// What tells these files from others: 16 hexadecimal digits of a digest of their texts, in their order.
#[must_use]
pub fn fingerprint(files: &[(impl AsRef<str>, impl AsRef<str>)]) -> Box<str> {
    let mut hash = Sha256::new();
    for text in files.iter().map(|(_, text)| text.as_ref()) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let digest = hash.finalize();
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()).into()
}

impl Policy {
    /// The most specific route of a canonical host and a decoded path. Allocates nothing.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Found<'_>> {
        self.find_among(host, path, |_| true)
    }

    /// The most specific route among those of one upstream: those of others speak of other resources.
    #[must_use]
    pub fn find_of_upstream(&self, host: &str, path: &str, upstream: usize) -> Option<Found<'_>> {
        self.find_among(host, path, |route| self.routes.get(route).is_some_and(|route| route.upstream == upstream))
    }

    fn find_among(&self, host: &str, path: &str, counts: impl Fn(usize) -> bool) -> Option<Found<'_>> {
        // No pattern can stand there, and none reaches in from above: what is there is postern's own to answer.
        if self.is_reserved(path) {
            return None;
        }
        let table::Found { route, path, host } = self.table.find(host, path, counts)?;
        Some(Found { route: self.routes.get(route)?, path, host })
    }

    /// Every route that matches a canonical host and a decoded path, the one that [`Policy::find`] takes first. For tools.
    #[must_use]
    pub fn matching(&self, host: &str, path: &str) -> Vec<&Route> {
        if self.is_reserved(path) {
            return Vec::new();
        }
        self.table.all(host, path).into_iter().filter_map(|route| self.routes.get(route)).collect()
    }

    /// Whose a decoded path is, where postern answers it itself.
    #[must_use]
    pub fn own(&self, path: &str) -> Option<Own> {
        self.reserved.owner(path)
    }

    /// Whether a decoded path is postern's own.
    #[must_use]
    pub fn is_reserved(&self, path: &str) -> bool {
        self.own(path).is_some()
    }

    /// The places of postern's own, where no route can be: paths, and, with a slash at their end, what paths begin with.
    pub fn own_places(&self) -> impl Iterator<Item = &str> {
        self.reserved.places().map(|(place, _)| place)
    }

    /// Whether AuthZEN is served.
    #[must_use]
    pub const fn serves_authzen(&self) -> bool {
        self.reserved.authzen
    }

    /// The prefix of the admin UI, where it is on the data port.
    #[must_use]
    pub fn admin_ui(&self) -> Option<&str> {
        self.reserved.admin_ui.as_deref()
    }

    /// The host of a request for a path, where nobody says which: the first that the policy names and that has a route for it.
    #[must_use]
    pub fn usual_host(&self, path: &str) -> String {
        let hosts = || self.hosts().filter_map(HostPattern::literal);
        let fitting = hosts().find(|host| self.find(host, path).is_some());
        fitting.or_else(|| hosts().next()).unwrap_or_else(|| DEFAULT_HOST.to_owned())
    }

    /// The prefix of the identity API, where it is served.
    #[must_use]
    pub fn identity_api(&self) -> Option<&str> {
        self.reserved.identity.as_deref()
    }

    /// All routes, in the order of the files; each stands at its [`Route::index`].
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// A rule of this policy with its route.
    #[must_use]
    pub fn rule(&self, RuleId { route, rule }: RuleId) -> (&Route, &Rule) {
        let found = self.routes.get(route).and_then(|route| Some((route, route.rules().get(rule)?)));
        found.unwrap_or((&self.closed.0, &self.closed.1))
    }

    /// The names of the upstreams: those of [`Names`] in its order; without it, those that are mentioned, and an empty name
    /// for "the only one" where none is.
    #[must_use]
    pub fn upstreams(&self) -> &[Box<str>] {
        &self.upstreams
    }

    /// The headers that are removed from every request.
    #[must_use]
    pub const fn strip(&self) -> &StripSet {
        &self.strip
    }

    /// The headers that any of its rules injects or reads a token from.
    #[must_use]
    pub const fn own_headers(&self) -> &[HeaderName] {
        &self.own_headers
    }

    /// Whether a header is removed from a request: it could be taken for one that is injected, or it holds a token, which stays for a
    /// rule that says `forward_authorization`.
    #[must_use]
    #[inline]
    pub fn strips(&self, header: &str, keeps_credential: bool) -> bool {
        let is_credential = || self.credentials.iter().any(|name| same_name(&**name, header));
        self.strip.contains(header) && !(keeps_credential && is_credential())
    }

    /// Whether a header of this name, in whatever spelling, tells any route which organization is meant.
    #[must_use]
    pub fn finds_organization_in(&self, header: &str) -> bool {
        let rules = self.routes.iter().flat_map(Route::rules);
        let mut sources = rules.flat_map(|rule| rule.origin.iter()).flat_map(|item| &item.sources);
        sources.any(|source| matches!(source, Source::Header(name, _) if same_name(name.as_str(), header)))
    }

    /// The secrets that it names; the configuration gives them their values.
    #[must_use]
    pub fn secrets(&self) -> &[Arc<Secret>] {
        &self.secrets
    }

    /// What it asks of databases and services.
    #[must_use]
    pub fn lookups(&self) -> &[Arc<Lookup>] {
        &self.lookups
    }

    /// The hosts that files name, in their order.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.hosts.iter().flat_map(|hosts| hosts.iter())
    }

    /// The [`fingerprint()`] of its files.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What was found that does not keep the policy from being used.
    #[must_use]
    pub const fn warnings(&self) -> &Findings {
        &self.warnings
    }
}
