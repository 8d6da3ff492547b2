//! The second stage: which organization the request itself names. Nothing of the caller is known or needed here.

use super::matching::{Hit, Matched};
use super::{Caller, Denial, Reason, RequestView};
use crate::facts::{Organization, Snapshot};
use crate::id::OrgId;
use crate::policy::{By, Captures, Item, MAX_SOURCES, Source, is_slug};
use crate::request_target::field::{self, FieldError};
use crate::request_target::{plain, query};
use arrayvec::ArrayVec;
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use std::borrow::Cow;
use std::sync::Arc;

/// Longest slug or external id that is looked up.
const MAX_KEY: usize = 255;

/// How a request names an organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrgKey<'r> {
    Id(OrgId),
    Slug(Cow<'r, str>),
    External(Cow<'r, str>),
}

impl OrgKey<'_> {
    /// The same key, free of the request.
    #[must_use]
    pub fn into_owned(self) -> OrgKey<'static> {
        match self {
            Self::Id(id) => OrgKey::Id(id),
            Self::Slug(text) => OrgKey::Slug(Cow::Owned(text.into_owned())),
            Self::External(text) => OrgKey::External(Cow::Owned(text.into_owned())),
        }
    }

    /// Whether it names this organization.
    #[must_use]
    pub fn names(&self, organization: &Organization) -> bool {
        match self {
            Self::Id(id) => organization.id == *id,
            Self::Slug(slug) => organization.slug.as_str() == slug,
            Self::External(key) => organization.external_id.as_ref().is_some_and(|e| e.as_str() == key),
        }
    }

    /// Whether the caller belongs to it.
    fn is_known(&self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Id(id) => snapshot.membership(*id).is_some(),
            _ => snapshot.memberships().iter().any(|m| self.names(&m.organization)),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Referent<'r> {
    /// The request names this one.
    Key(OrgKey<'r>),
    /// The caller's only one.
    Only,
    /// None: the object is shared.
    Shared,
}

/// What one item of an origin says: which item, and one of its sources.
#[derive(Clone, Debug)]
pub(super) struct OrgReference<'r> {
    /// The number of the item in the rule's origin.
    pub(super) item: usize,
    pub(super) named: Referent<'r>,
}

/// Faults of requests, for whoever sent them.
pub(super) const TWO: &str = "two places name two organizations";
const NONE: &str = "nothing names the organization";

/// All that is said about the organization for one rule, in the order of its origin.
pub(super) type RuleReferences<'r> = ArrayVec<OrgReference<'r>, MAX_SOURCES>;

/// Which organizations the request names.
#[derive(Clone, Debug)]
pub struct OrgReferences<'r> {
    pub(super) first: RuleReferences<'r>,
    /// For the rule of the rewritten target.
    pub(super) second: Option<Box<RuleReferences<'r>>>,
}

/// Reads the organizations that the request names.
///
/// # Errors
/// 400 `org_missing`: one that must be there is not, or is not of the form that the rule reads. 400 `ambiguous`: it is there
/// more than once or in another spelling, or two places name two.
pub fn claim<'r>(matched: &'r Matched<'_>, view: &RequestView<'r>) -> Result<OrgReferences<'r>, Denial> {
    let path = view.target.decoded();
    credential_goes_on(&matched.hit, view)?;
    let first = references_of_rule(&matched.hit, path, view)?;
    let second = match &matched.rewritten {
        Some(rewritten) => match &rewritten.hit {
            Some(hit) => Some(Box::new(references_of_rule(hit, &rewritten.decoded, view)?)),
            None => None,
        },
        None => None,
    };
    Ok(OrgReferences { first, second })
}

/// Where the service is to see the credential, `Connection` must not take it away.
fn credential_goes_on(hit: &Hit<'_>, view: &RequestView<'_>) -> Result<(), Denial> {
    let is_read =
        hit.rule.forward_authorization && hit.rule.access.credential() != crate::policy::CredentialNeed::Ignored;
    let goes = |name| !(view.headers.contains_key(&name) && field::is_dropped(view.headers, &name));
    if !is_read || (goes(AUTHORIZATION) && goes(COOKIE)) {
        return Ok(());
    }
    Err(Denial::from(FieldError::Dropped).at(hit.route.index))
}

fn references_of_rule<'r>(hit: &Hit<'_>, path: &'r str, view: &RequestView<'r>) -> Result<RuleReferences<'r>, Denial> {
    let mut references_of_rule = RuleReferences::new();
    let access = hit.rule.access;
    if access.credential() == crate::policy::CredentialNeed::Ignored {
        return Ok(references_of_rule);
    }
    for (number, item) in hit.rule.origin.iter().enumerate() {
        let before = references_of_rule.len();
        for source in &item.sources {
            let named = read(source, hit, path, view).map_err(|denial| denial.at(hit.route.index))?;
            let Some(named) = named else { continue };
            let said = references_of_rule.get(before..).unwrap_or_default();
            // `user.only` is what the caller falls back to: it is asked for only where the request says nothing before.
            let is_fallback = matches!(named, Referent::Only) && !said.is_empty();
            // Whoever says the same in two places has said it once; two things in one form are two things.
            match (is_fallback, &named) {
                (false, Referent::Key(key)) if said.iter().any(|s| is_other(&s.named, key)) => {
                    return Err(Denial::new(Reason::Ambiguous).with_fault(TWO).at(hit.route.index));
                }
                (false, _) => {
                    // The policy's limit on sources is this vector's capacity; what did not fit would go unjudged.
                    let full = |_| Denial::new(Reason::Ambiguous).at(hit.route.index);
                    references_of_rule.try_push(OrgReference { item: number, named }).map_err(full)?;
                }
                (true, _) => {}
            }
        }
        let may_be_absent = !access.asks_organization() || (item.optional && *view.method == Method::PATCH);
        if references_of_rule.len() == before && !may_be_absent {
            return Err(Denial::new(Reason::OrgMissing).with_fault(NONE).at(hit.route.index));
        }
    }
    // Every item was optional and absent: nothing says whose the object is.
    if references_of_rule.is_empty() && !hit.rule.origin.is_empty() && access.asks_organization() {
        return Err(Denial::new(Reason::OrgMissing).with_fault(NONE).at(hit.route.index));
    }
    Ok(references_of_rule)
}

/// Whether two sources, in the same form, name two organizations. Forms that differ are compared when they are resolved.
fn is_other(said: &Referent<'_>, key: &OrgKey<'_>) -> bool {
    match said {
        Referent::Key(said) => std::mem::discriminant(said) == std::mem::discriminant(key) && said != key,
        Referent::Only | Referent::Shared => false,
    }
}

pub(super) fn read<'r>(
    source: &Source,
    hit: &Hit<'_>,
    path: &'r str,
    view: &RequestView<'r>,
) -> Result<Option<Referent<'r>>, Denial> {
    let (text, by) = match source {
        Source::UserOnly => return Ok(Some(Referent::Only)),
        Source::Path(at, by) => (captured(path, &hit.path, *at).map(plain), *by),
        Source::Host(at, by) => (captured(view.host, &hit.host, *at).map(Cow::Borrowed), *by),
        Source::Query(name, by) => (query::single(view.target.query(), name)?, *by),
        Source::Claim(name, by) => (view.claims.and_then(|claims| claims.text(name)), *by),
        Source::Header(name, by) => (field::single(view.headers, name)?.map(Cow::Borrowed), *by),
    };
    text.map(|text| key(text, by).map(Referent::Key)).transpose()
}

/// What the variable with that number matched.
pub(super) fn captured<'r>(text: &'r str, captures: &Captures, at: usize) -> Option<&'r str> {
    let (start, end) = captures.get(at)?;
    text.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
}

/// Text to key, in the form that the rule reads and no other.
fn key(text: Cow<'_, str>, by: By) -> Result<OrgKey<'_>, Denial> {
    let fits = text.len() <= MAX_KEY;
    let not = |what| Denial::new(Reason::OrgMissing).with_fault(what);
    match by {
        By::Id => OrgId::parse(&text).map(OrgKey::Id).map_err(|_| not("what names the organization is not a UUID")),
        By::Slug if fits && is_slug(&text) => Ok(OrgKey::Slug(text)),
        By::Slug => Err(not("what names the organization is not a slug")),
        By::External if fits && !text.is_empty() && !text.chars().any(char::is_control) => Ok(OrgKey::External(text)),
        By::External => Err(not("what names the organization is not an external id")),
    }
}

impl<'r> OrgReferences<'r> {
    /// The claim of an object that belongs to no organization: what a source says that says null. For tools, as long as
    /// no source can.
    #[must_use]
    pub fn of_shared_object() -> Self {
        Self { first: RuleReferences::from_iter([OrgReference { item: 0, named: Referent::Shared }]), second: None }
    }

    /// The first organization that the request names, for the log: its id, or what the request calls it where neither the caller's
    /// memberships nor `facts` have it.
    #[must_use]
    pub fn asked(&self, caller: Caller<'_>, facts: &Facts<'_>) -> Option<Box<str>> {
        let memberships = match caller {
            Caller::User(snapshot) => snapshot.memberships(),
            Caller::Anonymous => &[],
        };
        let said = self.first.iter().find(|said| !matches!(said.named, Referent::Shared))?;
        let key = match (&said.named, memberships) {
            (Referent::Key(key), _) => key,
            (Referent::Only, [only]) => return Some(only.organization.id.to_string().into()),
            (Referent::Only | Referent::Shared, _) => return None,
        };
        let own = memberships.iter().map(|membership| &membership.organization).find(|own| key.names(own));
        let known = own.or_else(|| facts.organization(key).flatten()).map(|organization| organization.id);
        Some(match (known, key) {
            (Some(id), _) => id.to_string().into(),
            (None, OrgKey::Id(id)) => id.to_string().into(),
            (None, OrgKey::Slug(text) | OrgKey::External(text)) => (&**text).into(),
        })
    }

    /// The organizations whose facts must be looked up before deciding: those that a superuser names without belonging to
    /// them. Everybody else's organizations are in their snapshot.
    pub fn unknown<'x>(&'x self, caller: Caller<'x>) -> impl Iterator<Item = &'x OrgKey<'r>> + use<'x, 'r> {
        let superuser = match caller {
            Caller::User(snapshot) if snapshot.user.is_superuser && snapshot.user.is_active => Some(snapshot),
            _ => None,
        };
        let keys =
            self.first.iter().chain(self.second.iter().flat_map(|s| s.iter())).filter_map(|said| match &said.named {
                Referent::Key(key) => Some(key),
                Referent::Only | Referent::Shared => None,
            });
        keys.filter(move |key| superuser.is_some_and(|snapshot| !key.is_known(snapshot)))
    }
}

/// What was looked up of organizations that the caller does not belong to.
#[derive(Clone, Debug, Default)]
pub struct Facts<'r> {
    organizations: Vec<(OrgKey<'r>, Option<Arc<Organization>>)>,
}

impl<'r> Facts<'r> {
    /// Nothing looked up; allocates nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { organizations: Vec::new() }
    }

    /// Remembers what a lookup found; `None`: there is no such organization.
    pub fn learn(&mut self, key: OrgKey<'r>, organization: Option<Arc<Organization>>) {
        self.organizations.push((key, organization));
    }

    pub(super) fn organization(&self, key: &OrgKey<'_>) -> Option<Option<&Arc<Organization>>> {
        self.organizations.iter().find(|(known, _)| known == key).map(|(_, found)| found.as_ref())
    }
}

/// The optional and primary marks of an item, by its number.
pub(super) fn item<'p>(hit: &Hit<'p>, number: usize) -> Option<&'p Item> {
    hit.rule.origin.get(number)
}
