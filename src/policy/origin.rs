//! What of an origin a rule can read: some requests bring no body, and some change something before there is an answer.

use super::access::Access;
use super::applicable::{is_safe, takes_body};
use super::methods::Methods;
use super::options::org::{Item, Source};
use crate::yaml::{Findings, Span};
use std::sync::Arc;

/// The origin of a rule of this level for these methods, without what it can never read; where that is all of it, it has none.
pub(super) fn readable(
    origin: Arc<[Item]>,
    (access, methods): (Access, Option<&Methods>),
    span: Span,
    findings: &mut Findings,
) -> Arc<[Item]> {
    let is_body = |source: &Source| matches!(source, Source::Body(..));
    let origin = match takes_body(methods) {
        true => origin,
        false => without(origin, is_body, |is_all| {
            if is_all && access.asks_organization() {
                findings
                    .error("org_needed", span, "the organization is in the body, and these methods bring none")
                    .help("give them an `org` of their own: `GET: { level: member, org: lookup.device }`");
            }
        }),
    };
    let is_looked_at = !matches!(access, Access::Public | Access::Deny);
    if is_looked_at && is_safe(methods) {
        return origin;
    }
    // What only the answer says must not be left out where it decides.
    without(origin, Source::is_of_answer, |_| {
        if access.asks_organization() {
            findings
                .error(
                    "org_needed",
                    span,
                    "the organization is in the answer, and these methods change something before that is there",
                )
                .help("give them an `org` of their own: `write: { level: manager, org: lookup.device }`");
        }
    })
}

/// Takes sources out; `told` is called where there are any, with whether nothing is left.
fn without(origin: Arc<[Item]>, is_out: impl Fn(&Source) -> bool, told: impl FnOnce(bool)) -> Arc<[Item]> {
    if !origin.iter().flat_map(|item| &item.sources).any(&is_out) {
        return origin;
    }
    let left = origin.iter().filter_map(|item| {
        let sources: Box<[Source]> = item.sources.iter().filter(|source| !is_out(source)).cloned().collect();
        (!sources.is_empty()).then(|| Item { sources, ..item.clone() })
    });
    let left: Arc<[Item]> = left.collect();
    told(left.is_empty());
    left
}
