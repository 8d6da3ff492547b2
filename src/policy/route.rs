//! What a policy is when it runs: routes and rules, everything bound, nothing left that could fail.

use super::access::Access;
use super::lookup::LookupCall;
use super::options::authenticate::Schemes;
use super::options::inject::Inject;
use super::options::org::{Item, Source};
use super::options::{
    BodyLimit, Csrf, Foreign, INSPECT_LIMIT, List, RelatedField, RouteOptions, RuleOptions, Shared, Throttle,
};
use super::pattern::{HostPattern, Pattern};
use super::pointer::Pointer;
use http::{HeaderValue, Method};
use std::sync::Arc;
use std::time::Duration;

/// A route: one pattern on its hosts.
#[derive(Debug)]
pub struct Route {
    /// Longest list of organizations that is put in a header, in bytes.
    pub list_limit: usize,
    /// Bytes of a request's body at most, where its rule says no other limit.
    pub body_limit: u64,
    /// Its number in the policy, from 0: a label for metrics that is small and bounded.
    pub index: usize,
    /// The pattern as it was written.
    pub pattern: Box<str>,
    /// The file that it stands in.
    pub file: Arc<str>,
    /// Its line there, from 1.
    pub line: usize,
    /// Where it is forwarded to: an index into [`super::Policy::upstreams`].
    pub upstream: usize,
    /// The `Allow` header of its 405.
    pub allow: HeaderValue,
    pub options: RouteOptions,
    /// What its rules may ask of databases, each behind those that its arguments come from.
    pub lookups: Box<[LookupCall]>,
    pub(super) rules: Rules,
    pub(super) variables: Box<[Box<str>]>,
    pub(super) shape: Pattern,
    pub(super) hosts: Arc<[HostPattern]>,
}

/// Which rule of a policy: what outlives a borrow of it. See [`super::Policy::rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId {
    pub(super) route: usize,
    pub(super) rule: usize,
}

/// What a route says about some of its methods.
#[derive(Debug)]
pub struct Rule {
    pub access: Access,
    /// Where the organization comes from; empty: no organization.
    pub origin: Arc<[Item]>,
    /// The route's lookups that it needs, in the order in which they can be asked.
    pub lookups: Box<[usize]>,
    /// Whether it reads the body: its organization, or arguments of its lookups.
    pub reads_body: bool,
    /// Whether it reads the organization from the service's answer.
    pub reads_answer: bool,
    /// The status of a foreign organization.
    pub foreign: Foreign,
    /// What the upstream is told.
    pub inject: Arc<[Inject]>,
    /// The credentials that it takes.
    pub schemes: Schemes,
    /// A manager of any organization is one who was appointed: where no organization is named, an owner alone is none.
    pub appointed: bool,
    /// Whether the credential is forwarded.
    pub forward_authorization: bool,
    /// What else it asks or limits; `None` for most rules.
    pub options: Option<Box<RuleOptions>>,
}

impl Rule {
    /// Who may touch an object that belongs to no organization.
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.options.as_ref().and_then(|options| options.shared).unwrap_or_default()
    }

    /// Whether something of the answer is judged before it reaches the caller.
    #[must_use]
    pub fn judges_answer(&self) -> bool {
        self.reads_answer || self.list().is_some()
    }

    /// Which items of its answers somebody gets, where they are lists.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        self.options.as_ref()?.list.as_ref()
    }

    /// Whether fields of a body point at objects.
    #[must_use]
    pub fn points(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.fields.is_some())
    }

    /// Where the elements of a body are that name the organization, each by itself.
    #[must_use]
    pub fn elements(&self) -> Option<&Pointer> {
        match &*self.origin {
            [Item { each: true, sources, .. }] => match &**sources {
                [Source::Body(pointer, _)] => Some(pointer),
                _ => None,
            },
            _ => None,
        }
    }

    /// The fields of a body that point at objects.
    #[must_use]
    pub fn fields(&self) -> &[RelatedField] {
        let fields = self.options.as_ref().and_then(|options| options.fields.as_ref());
        fields.map(|fields| &*fields.0).unwrap_or_default()
    }

    /// How long ago at most a second factor was shown.
    #[must_use]
    pub fn mfa(&self) -> Option<Duration> {
        self.options.as_ref()?.mfa.map(|mfa| mfa.0)
    }

    /// What shows that a page of this origin sent a session's cookie.
    #[must_use]
    pub fn csrf(&self) -> Csrf {
        self.options.as_ref().and_then(|options| options.csrf).unwrap_or_default()
    }

    /// How often it may be asked.
    #[must_use]
    pub fn throttle(&self) -> Option<&Throttle> {
        self.options.as_ref()?.throttle.as_ref()
    }

    /// Bytes at most of what is held until it was judged.
    #[must_use]
    pub fn inspect_limit(&self) -> u64 {
        self.options.as_ref().and_then(|options| options.inspect_limit).map_or(INSPECT_LIMIT, |limit| limit.0)
    }

    /// Whether refusals and failures of the service go on unjudged, where its answers are judged.
    #[must_use]
    pub fn passes_errors(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.error_passthrough.is_some())
    }

    /// Whether what it refuses goes on, and is only recorded.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.mode.is_some())
    }

    /// Whether a body must not name again what the query names.
    #[must_use]
    pub fn is_strict_source(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.strict_source.is_some())
    }

    /// The parameters of the query that name an organization, and that a body must not name again.
    pub fn strict_sources(&self) -> impl Iterator<Item = &str> + Clone {
        let is_strict = self.is_strict_source();
        let sources = self.origin.iter().filter(move |_| is_strict).flat_map(|item| &item.sources);
        sources.filter_map(|source| match source {
            Source::Query(name, _) => Some(&**name),
            _ => None,
        })
    }
}

/// Whether a method is one of those that `read` is about: safe ones (RFC 9110, 9.2.1).
#[must_use]
pub const fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The rules of a route, by method.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) all: Vec<Rule>,
    pub(super) named: Vec<(Method, usize)>,
    pub(super) read: Option<usize>,
    pub(super) write: Option<usize>,
}

impl Rules {
    /// The number of a method's rule: its own, then for HEAD that of GET, then `read` or `write`.
    fn number(&self, method: &Method) -> Option<usize> {
        if matches!(*method, Method::TRACE | Method::CONNECT) {
            return None;
        }
        let named = |m: &Method| self.named.iter().find(|(name, _)| name == m).map(|(_, at)| *at);
        let class = if is_read(method) { self.read } else { self.write };
        let own = named(method).or_else(|| if *method == Method::HEAD { named(&Method::GET) } else { None });
        own.or(class)
    }

    fn of(&self, method: &Method) -> Option<&Rule> {
        self.all.get(self.number(method)?)
    }

    /// The methods that are not refused for everybody, in one fixed order.
    pub(super) fn allow(&self) -> HeaderValue {
        let usual =
            [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let others = self.named.iter().map(|(m, _)| m).filter(|m| !usual.contains(m));
        let open = |m: &&Method| self.of(m).is_some_and(|rule| rule.access != Access::Deny);
        let names: Vec<&str> = usual.iter().chain(others).filter(open).map(Method::as_str).collect();
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Route {
    /// The rule of a method; `None` is 405.
    #[must_use]
    pub fn rule(&self, method: &Method) -> Option<&Rule> {
        self.rules.of(method)
    }

    /// The same with its number, which outlives the policy's borrow.
    #[must_use]
    pub fn numbered_rule(&self, method: &Method) -> Option<(RuleId, &Rule)> {
        let rule = self.rules.number(method)?;
        Some((RuleId { route: self.index, rule }, self.rules.all.get(rule)?))
    }

    /// Bytes of a request's body at most, by one of its rules.
    #[must_use]
    pub fn body_limit(&self, rule: &Rule) -> u64 {
        rule.options.as_ref().and_then(|options| options.body_limit).map_or(self.body_limit, |BodyLimit(own)| own)
    }

    /// What lets nobody pass: where a number leads that is not of its policy.
    pub(super) fn closed() -> (Self, Rule) {
        let rule = Rule {
            access: Access::Deny,
            origin: Arc::default(),
            lookups: Box::default(),
            reads_body: false,
            reads_answer: false,
            foreign: Foreign::Forbidden,
            inject: Arc::default(),
            schemes: Schemes::default(),
            appointed: false,
            forward_authorization: false,
            options: None,
        };
        let route = Self {
            list_limit: 0,
            body_limit: 0,
            index: usize::MAX,
            pattern: Box::default(),
            file: Arc::default(),
            line: 0,
            upstream: usize::MAX,
            allow: HeaderValue::from_static(""),
            options: RouteOptions::default(),
            lookups: Box::default(),
            rules: Rules::default(),
            variables: Box::default(),
            shape: Pattern { text: Box::default(), segments: Box::default(), rest: false },
            hosts: Arc::default(),
        };
        (route, rule)
    }

    /// Whether one of its rules only records what it refuses.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.rules.all.iter().any(Rule::is_shadow)
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules.all
    }

    #[must_use]
    pub const fn shape(&self) -> &Pattern {
        &self.shape
    }

    /// The hosts of its file; none: every host.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// The methods that the route speaks of by name, in the order of the file.
    pub fn named_methods(&self) -> impl Iterator<Item = &Method> {
        self.rules.named.iter().map(|(method, _)| method)
    }

    /// The names of the path's variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|v| &**v)
    }
}
