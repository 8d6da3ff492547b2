//! What options need of a rule to mean something there: one that none of a route's rules can use could never apply.

use super::access::Access;
use super::methods::Methods;
use super::route::is_read;
use http::Method;

/// What of a rule decides which options mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct RulePlace {
    pub(super) access: Access,
    pub(super) has_organization: bool,
    pub(super) reads_query: bool,
    pub(super) takes_body: bool,
    /// Its methods may change something.
    pub(super) is_unsafe: bool,
    /// Its answers are lists.
    pub(super) lists: bool,
    /// Whether the answer decides.
    pub(super) reads_answer: bool,
    /// Whether the organization of the request is known before the answer is there.
    pub(super) knows_organization: bool,
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
    /// That it is asked whose objects are: that of the request, or those of a list.
    Objects,
    /// That users can be counted, an anonymous one by address.
    CountableUser,
    CountableOrganization,
    /// That its methods bring a body.
    Body,
    /// That credentials are looked at, and its methods may change something.
    Change,
    /// That the organization is read from the query: Rack reads a body of GET too.
    Query,
    /// That answers are judged.
    Answer,
    /// That the organization, where there is one, is known before the service is asked.
    EarlyOrganization,
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

/// Whether requests of these methods change nothing (RFC 9110, 9.2.1); `None`: of all methods.
pub(super) fn is_safe(methods: Option<&Methods>) -> bool {
    match methods {
        None | Some(Methods::Write) => false,
        Some(Methods::Read) => true,
        Some(Methods::One(method)) => is_read(method),
    }
}

impl RulePlace {
    pub(super) fn asks_organization(self) -> bool {
        self.has_organization && self.access.asks_organization()
    }

    pub(super) fn has(self, needs: Needs) -> bool {
        match needs {
            Needs::Passage => self.access != Access::Deny,
            // A route may be closed by its level alone: what it would do if it were open may stay.
            Needs::Credential | Needs::CountableUser => self.access != Access::Public,
            Needs::CountableOrganization => {
                self.has_organization && self.knows_organization && self.access != Access::Public
            }
            Needs::Somebody => !matches!(self.access, Access::Public | Access::Optional | Access::Deny),
            Needs::Organization => self.has_organization && (self.access == Access::Deny || self.asks_organization()),
            Needs::Objects => self.lists && self.has(Needs::Somebody) || self.has(Needs::Organization),
            Needs::Body => self.takes_body,
            Needs::Change => self.is_unsafe && self.has(Needs::Credential),
            Needs::Query => self.reads_query && self.access != Access::Public,
            Needs::Answer => self.reads_answer || self.lists,
            Needs::EarlyOrganization => self.knows_organization,
        }
    }
}

impl Needs {
    /// What is missing, and what to do.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Passage => ("has no meaning here: nobody passes", "leave it out, or say who passes"),
            Self::Credential => (
                "has no meaning here: no credential is looked at",
                "raise the level to `optional` at least, or leave it out",
            ),
            Self::Somebody => (
                "has no meaning here: nobody has to say who they are",
                "raise the level to `authenticated` at least, or leave it out",
            ),
            Self::Organization | Self::Objects => (
                "has no meaning here: no organization is asked for",
                "it takes an `org` and a level in it; or leave it out",
            ),
            Self::CountableUser => ("cannot count here: nobody has to say who they are", "count `by: address`"),
            Self::CountableOrganization => (
                "cannot count here: there is no organization when the request comes",
                "say where it comes from, `org: path.org`",
            ),
            Self::Answer => (
                "has no meaning here: no answer is judged",
                "it takes an `org` that is read from the answer, `org: response./organization`; or leave it out",
            ),
            Self::EarlyOrganization => (
                "has no meaning here: the organization is in the answer, and headers are sent before that is there",
                "inject what is known of the caller, `user.id`; or leave it out",
            ),
            Self::Query => (
                "has no meaning here: no organization is read from the query",
                "it takes `org: query.NAME`; or leave it out",
            ),
            Self::Change => (
                "has no meaning here: nothing is changed, or no credential is looked at",
                "put it on methods that change something, where the level is `optional` at least",
            ),
            Self::Body => (
                "has no meaning here: GET, HEAD and OPTIONS bring no body",
                "put it on the methods that bring one, or leave it out",
            ),
        }
    }
}
