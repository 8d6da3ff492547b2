//! What lookups found of the objects that a request is about: asked for before a rule is, in an order in which each has its arguments.

use super::body::BodyFacts;
use super::matching::Hit;
use super::need::{Facts, Halt, LookupFailure, Need, Objects};
use super::org_references;
use super::{Reason, RequestView};
use crate::claims::Claims;
use crate::policy::{Item, LookupKey, MAX_ARGS};
use arrayvec::ArrayVec;
use std::borrow::Cow;
use std::sync::Arc;

/// Longest argument, in bytes: longer ones name nothing.
pub(super) const MAX_ARG: usize = 1024;

/// Whether the object of a lookup need not be there: the request makes it.
fn makes(hit: &Hit<'_>, view: &RequestView<'_>, at: usize) -> bool {
    let reads = |item: &&Item| item.sources.iter().any(|source| source.lookup() == Some(at));
    hit.rule.origin.iter().filter(reads).any(|item| org_references::may_be_created(item, view))
}

/// Finds what a rule needs that has lookups.
///
/// # Errors
/// 404 `lookup_not_found`, 503 `lookup_failed`; 400 where an argument cannot be read; or what must be looked up first.
pub(super) fn find(
    hit: &Hit<'_>,
    view: &RequestView<'_>,
    claims: Option<&Claims>,
    facts: &Facts,
    objects: &mut Objects,
    body: &BodyFacts,
) -> Result<(), Halt> {
    objects.clear();
    objects.resize(hit.route.lookups.len(), None);
    for at in &hit.rule.lookups {
        let Some(call) = hit.route.lookups.get(*at) else { continue };
        let mut args = ArrayVec::<Cow<'_, str>, MAX_ARGS>::new();
        for source in &call.args {
            let text = org_references::text(source, hit, view, claims, objects, body);
            match text.map_err(|denial| denial.at(hit.route.index))? {
                Some(text) => args.push(text),
                None => break,
            }
        }
        // The request names no object here; whether it must is for the rule to say.
        if args.len() < call.args.len() {
            continue;
        }
        match facts.object(&call.lookup, &args) {
            // PostgreSQL has no text with a NUL, and no key is so long.
            None if args.iter().any(|arg| arg.len() > MAX_ARG || arg.contains('\0')) => {
                return Err(hit.deny(Reason::LookupNotFound).into());
            }
            None => {
                let args = args.iter().map(|arg| Box::from(&**arg)).collect();
                let key = LookupKey { lookup: Arc::clone(&call.lookup), args };
                return Err(Halt::Need(Need::Lookups(vec![key])));
            }
            Some(Ok(Some(object))) => {
                if let Some(place) = objects.get_mut(*at) {
                    *place = Some(Arc::clone(object));
                }
            }
            Some(Ok(None)) if makes(hit, view, *at) => {}
            Some(Ok(None)) => return Err(hit.deny(Reason::LookupNotFound).into()),
            Some(Err(LookupFailure(hint))) => return Err(hit.deny(Reason::LookupFailed).with_hint(hint).into()),
        }
    }
    Ok(())
}
