//! What is written and could never apply: an option of a route or of a rule that none of its rules can use.
//!
//! What stands further up, in the defaults, is for the rules that can use it; the others take none of it.

use super::access::Access;
use super::methods::Methods;
use super::origin::{Item, Source};
use super::source::Options;
use super::throttle::CountedBy;
use crate::yaml::{Findings, Span};
use http::Method;

/// What of a rule decides which options mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) access: Access,
    pub(super) has_organization: bool,
    pub(super) reads_query: bool,
    pub(super) takes_body: bool,
}

/// What a rule must be for an option to mean something in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    /// That anybody passes at all.
    Passage,
    /// That credentials are looked at.
    Credential,
    /// That whoever passes has said who they are.
    Somebody,
    Organization,
    /// That its methods bring a body.
    Body,
    /// That the organization is read from the query: Rack reads a body of GET too.
    Query,
}

/// Whether requests of these methods bring a body; `None`: of all methods. Nothing says what a body of GET or HEAD would
/// mean (RFC 9110, 9.3.1), and OPTIONS has no use for one.
pub(super) fn takes_body(methods: Option<&Methods>) -> bool {
    match methods {
        None | Some(Methods::Write) => true,
        Some(Methods::Read) => false,
        Some(Methods::One(method)) => !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS),
    }
}

impl Place {
    pub(super) fn new(access: Access, origin: &[Item], methods: Option<&Methods>) -> Self {
        let reads_query =
            origin.iter().flat_map(|item| &item.sources).any(|source| matches!(source, Source::Query(..)));
        Self { access, has_organization: !origin.is_empty(), reads_query, takes_body: takes_body(methods) }
    }

    /// Whether whoever passes has said who they are.
    pub(super) fn knows_somebody(self) -> bool {
        !matches!(self.access, Access::Public | Access::Optional | Access::Deny)
    }

    /// Whether requests can be told apart by it.
    pub(super) fn can_count(self, by: CountedBy) -> bool {
        match by {
            CountedBy::Address => true,
            CountedBy::User => self.access != Access::Public,
            CountedBy::Org => self.has_organization && self.access != Access::Public,
        }
    }

    pub(super) fn asks_organization(self) -> bool {
        self.has_organization && self.access.asks_organization()
    }

    pub(super) fn has(self, needs: Needs) -> bool {
        match needs {
            Needs::Passage => self.access != Access::Deny,
            // A route may be closed by its level alone: what it would do if it were open may stay.
            Needs::Credential => self.access != Access::Public,
            Needs::Somebody => self.knows_somebody(),
            Needs::Organization => self.has_organization && (self.access == Access::Deny || self.asks_organization()),
            Needs::Body => self.takes_body,
            Needs::Query => self.reads_query && self.access != Access::Public,
        }
    }
}

impl Needs {
    /// What is missing, and what to do.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Passage => ("nobody passes", "leave it out, or say who passes"),
            Self::Credential => {
                ("no credential is looked at", "raise the level to `optional` at least, or leave it out")
            }
            Self::Somebody => {
                ("nobody has to say who they are", "raise the level to `authenticated` at least, or leave it out")
            }
            Self::Organization => {
                ("no organization is asked for", "it takes an `org` and a level in it; or leave it out")
            }
            Self::Query => ("no organization is read from the query", "it takes `org: query.NAME`; or leave it out"),
            Self::Body => {
                ("GET, HEAD and OPTIONS bring no body", "put it on the methods that bring one, or leave it out")
            }
        }
    }
}

/// Reports the options that none of these rules can use.
pub(super) fn check(options: &Options, rules: impl Iterator<Item = Place> + Clone, findings: &mut Findings) {
    let mut report = |name: &str, span: Span, (why, help): (&str, &str)| {
        findings.error("no_meaning", span, format!("`{name}` has no meaning here: {why}")).help(help);
    };
    for (name, span, needs) in written(options) {
        if !rules.clone().any(|rule| rule.has(needs)) {
            report(name, span, needs.words());
        }
    }
    if let Some((by, span)) = options.rule_options.counts()
        && !rules.clone().any(|rule| rule.can_count(by))
    {
        let (what, help) = match by {
            CountedBy::Org => ("there is no organization", "say where it comes from, `org: path.org`"),
            _ => ("nobody has to say who they are", "count `by: address`"),
        };
        findings.error("no_meaning", span, format!("`throttle` cannot count here: {what}")).help(help);
    }
}

/// What is written, where it stands, and what it needs.
fn written(options: &Options) -> Vec<(&'static str, Span, Needs)> {
    let mut list = options.rule_options.written();
    let own = [
        ("org", options.org.as_ref().map(|o| o.span), Needs::Credential),
        ("foreign", options.foreign.as_ref().map(|f| f.span), Needs::Organization),
        ("authenticate", options.authenticate.as_ref().map(|s| s.span), Needs::Credential),
    ];
    list.extend(own.into_iter().filter_map(|(name, span, needs)| Some((name, span?, needs))));
    let told = options.inject.iter().filter(|inject| inject.asks_credential());
    list.extend(told.map(|inject| ("inject", inject.name.span, Needs::Credential)));
    list
}
