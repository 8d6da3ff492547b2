//! What each source of an organization says, for whoever asks why: also those that no stage came to.

use super::body::{self, BodyFacts};
use super::org_references::{self, Referent};
use super::{Caller, Denial, Evaluation, OrgKey, RequestView};
use crate::facts::{Level, Membership, Organization};
use crate::policy::{Policy, Source};
use std::ops::Deref;
use std::sync::Arc;

/// What one source of an organization says.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The source, in the policy's words.
    pub source: String,
    pub says: Says,
}

#[derive(Clone, Debug)]
pub enum Says {
    Nothing,
    Unreadable(Denial),
    /// That the object belongs to none.
    Shared,
    /// The caller's only organization.
    Only(Option<(Arc<Organization>, Level)>),
    /// This one; the organization where there is one, and the caller's level where they belong to it.
    Key(OrgKey<'static>, Option<Arc<Organization>>, Option<Level>),
}

impl<P: Deref<Target = Policy> + Clone> Evaluation<P> {
    /// Reads every source of every rule that the request falls under. `lookup` may be asked for any organization that is named.
    pub fn readings(
        &self,
        view: &RequestView<'_>,
        caller: &Caller,
        lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
    ) -> Vec<Reading> {
        let Some(hits) = self.hits(view) else { return Vec::new() };
        let is_body_read = body::is_read(view.method) && hits.any(|rule| rule.reads_body);
        let body = if is_body_read { BodyFacts::read(&hits, view) } else { BodyFacts::default() };
        let mut list = Vec::new();
        for (hit, objects) in hits.iter().zip(self.objects()) {
            for (item, source) in hit.rule.origin.iter().flat_map(|item| item.sources.iter().map(move |s| (item, s))) {
                let words = || hit.route.source_words(source);
                let read = match source {
                    Source::Body(pointer, by) if item.each && body::is_read(view.method) => {
                        org_references::each(pointer, *by, &body)
                    }
                    _ => org_references::read(source, hit, view, caller.claims.as_deref(), objects, &body),
                };
                if let Ok(Some(Referent::Each(keys, is_shared))) = &read {
                    let keys = keys.iter().map(|key| Ok(Some(Referent::Key(key.clone()))));
                    let shared = is_shared.then_some(Ok(Some(Referent::Shared)));
                    for named in keys.chain(shared) {
                        list.push(Reading { source: words(), says: says(named, caller, lookup) });
                    }
                } else {
                    list.push(Reading { source: words(), says: says(read, caller, lookup) });
                }
            }
        }
        list
    }
}

fn says(
    read: Result<Option<Referent<'_>>, Denial>,
    caller: &Caller,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Says {
    let memberships = caller.memberships();
    match read {
        Ok(None | Some(Referent::Each(..))) => Says::Nothing,
        Err(denial) => Says::Unreadable(denial),
        Ok(Some(Referent::Shared)) => Says::Shared,
        Ok(Some(Referent::Only)) => Says::Only(match memberships {
            [only] => Some((only.organization.clone(), only.level())),
            _ => None,
        }),
        Ok(Some(Referent::Key(key))) => {
            let membership = memberships.iter().find(|m| key.names(&m.organization));
            let organization = membership.map(|m| m.organization.clone()).or_else(|| lookup(&key));
            Says::Key(key.into_owned(), organization, membership.map(Membership::level))
        }
    }
}
