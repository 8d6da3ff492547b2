//! What an evaluation must know before it can go on, and what was found out for it.

use super::Denial;
use super::org_key::OrgKey;
use crate::facts::{Object, Organization};
use crate::limit::{Key, Quota};
use crate::policy::{Lookup, LookupKey, Schemes};
use std::sync::Arc;

/// What must be known before an evaluation can go on. Asked for again until it is answered.
#[derive(Clone, Debug)]
pub enum Need {
    /// Who sent the request, by a credential of these schemes: [`super::Evaluation::identify`].
    Credential(Schemes),
    /// The organization that a superuser named: [`super::Evaluation::learn`].
    Organization(OrgKey<'static>),
    /// What is said of these objects, each of them: [`super::Evaluation::learn_object`].
    Lookups(Vec<LookupKey>),
    /// All of the body, of so many bytes at most: [`super::RequestView::body`].
    Body(u64),
    /// Whether one more is within a limit: [`super::Evaluation::count`].
    Throttle(Key, Quota),
}

/// Why there is no permit yet, or none at all.
#[derive(Debug)]
pub enum Halt {
    Need(Need),
    Denied(Denial),
}

impl From<Denial> for Halt {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// What a database says of an object; `None`: there is no such object.
pub type LookupAnswer = Result<Option<Arc<Object>>, LookupFailure>;

/// Why a lookup has no answer, for the operator alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupFailure(pub &'static str);

/// What was found, by the number of the route's lookup; `None`: the rule does not need it, or the request names no object.
pub(super) type Objects = Vec<Option<Arc<Object>>>;

/// What was looked up: organizations that the caller does not belong to, and objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    organizations: Vec<(OrgKey<'static>, Option<Arc<Organization>>)>,
    objects: Vec<(LookupKey, LookupAnswer)>,
}

impl Facts {
    /// Remembers what a lookup found; `None`: there is no such organization.
    pub(super) fn learn(&mut self, key: OrgKey<'static>, organization: Option<Arc<Organization>>) {
        self.organizations.push((key, organization));
    }

    pub(super) fn organization(&self, key: &OrgKey<'_>) -> Option<Option<&Arc<Organization>>> {
        self.organizations.iter().find(|(known, _)| known == key).map(|(_, found)| found.as_ref())
    }

    /// Remembers what was found of an object.
    pub(super) fn learn_object(&mut self, key: LookupKey, answer: LookupAnswer) {
        self.objects.push((key, answer));
    }

    pub(super) fn object(
        &self,
        lookup: &Lookup,
        args: &[impl AsRef<str>],
    ) -> Option<Result<Option<&Arc<Object>>, LookupFailure>> {
        let is_same = |known: &LookupKey| {
            *known.lookup == *lookup && known.args.iter().map(AsRef::as_ref).eq(args.iter().map(AsRef::as_ref))
        };
        let (_, answer) = self.objects.iter().find(|(known, _)| is_same(known))?;
        Some(answer.as_ref().map(Option::as_ref).map_err(|failure| *failure))
    }
}
