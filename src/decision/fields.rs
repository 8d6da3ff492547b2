//! What fields of a body point at: looked up, and of the organization of the request, or where a rule names none, of one of the caller's.
//!
//! Nothing tells an object of somebody else from one that is not there.

use super::body::{self, Wanted};
use super::json::Field;
use super::matching::{Hit, Hits};
use super::need::{Facts, Halt, LookupFailure, Need, Objects};
use super::objects::MAX_ARG;
use super::org_key::OrgKey;
use super::org_references::{OrgReference, OrgReferences, Referent, RuleReferences, key};
use super::rule::{Question, Resolver, is_shared};
use super::{Caller, Denial, Reason, RequestView};
use crate::facts::{Level, Object, Organization, Snapshot};
use crate::policy::{Access, LookupKey, RelatedField, Rule, Source};
use http::Method;
use std::borrow::Cow;
use std::sync::Arc;

const MANY: &str = "the body points at too many objects";
const NOTHING: &str = "a field that must point at something does not";

/// What the fields of one rule point at, and whose it must be.
#[derive(Clone, Debug)]
pub(super) struct Pointed {
    /// The number of the field, and the question whose the object is.
    objects: Vec<(usize, LookupKey)>,
    owner: Owner,
}

/// Whose the objects must be that a body points at.
#[derive(Clone, Debug)]
enum Owner {
    /// One of these: the organization of the request.
    Of(Vec<Arc<Organization>>),
    /// Nobody's: the object of the request is shared.
    Nobody,
    /// The request names none: one in which the caller stands high enough.
    Caller,
}

/// Reads what the body points at, for each rule.
///
/// # Errors
/// It cannot be read, or points at nothing where it must; or it is still to come.
pub(super) fn read(
    hits: &Hits<'_>,
    (view, body): (&RequestView<'_>, &[u8]),
    caller: &Caller,
    facts: &Facts,
    references: &OrgReferences<'_>,
) -> Result<Box<[Pointed]>, Denial> {
    let none = RuleReferences::new();
    let (first, second) = (&references.first, references.second.as_deref().unwrap_or(&none));
    let read = hits.iter().zip([first, second]).map(|(hit, references)| {
        let pointed = pointed(hit, view, body).map_err(|denial| denial.at(hit.route.index))?;
        let owner = match &caller.user {
            Some(snapshot) if !pointed.is_empty() => {
                let question = Question { hit, view, caller, references, facts, objects: &Objects::new() };
                owner(&Resolver { question, snapshot })?
            }
            _ => Owner::Caller,
        };
        Ok(Pointed { objects: pointed, owner })
    });
    read.collect()
}

fn pointed(hit: &Hit<'_>, view: &RequestView<'_>, body: &[u8]) -> Result<Vec<(usize, LookupKey)>, Denial> {
    let mut objects: Vec<(usize, LookupKey)> = Vec::new();
    for (at, field) in hit.rule.fields().iter().enumerate() {
        let values = body::read(view.headers, body, &field.place, Wanted::Objects)?;
        // What is not sent stays as it is, where a part is edited.
        let is_absent = values.is_empty() && *view.method != Method::PATCH;
        if field.required && (is_absent || values.contains(&Field::Null)) {
            return Err(Denial::new(Reason::BodyInvalid).with_fault(NOTHING));
        }
        for value in values {
            let Field::Text(text) = value else { continue };
            // PostgreSQL has no text with a NUL, and no key is so long.
            if text.len() > MAX_ARG || text.contains('\0') {
                return Err(foreign("a field is longer than any key"));
            }
            if objects.len() == Wanted::MOST {
                return Err(Denial::new(Reason::BodyInvalid).with_fault(MANY));
            }
            objects.push((at, LookupKey { lookup: Arc::clone(&field.lookup), args: [text].into() }));
        }
    }
    Ok(objects)
}

/// Whose the objects must be: where the body itself says whose the object of the request is to be, theirs.
fn owner(resolver: &Resolver<'_>) -> Result<Owner, Denial> {
    let Question { hit, references, .. } = &resolver.question;
    let (rule, references): (&Rule, &RuleReferences<'_>) = (hit.rule, references);
    if !rule.access.asks_organization() || rule.origin.is_empty() {
        return Ok(Owner::Caller);
    }
    if let [OrgReference { named: Referent::Each(keys, _), .. }] = &references[..] {
        let named = keys.iter().map(|key| resolver.resolve(key)).collect::<Result<Vec<_>, Denial>>()?;
        return Ok(Owner::Of(named.into_iter().flatten().map(|access| access.organization).collect()));
    }
    let is_of_body = |item: usize| {
        let sources = rule.origin.get(item).map(|item| &*item.sources).unwrap_or_default();
        sources.iter().any(|source| matches!(source, Source::Body(..)))
    };
    let says_so = references.iter().any(|said| is_of_body(said.item));
    let mut all = Vec::new();
    for item in resolver.items() {
        let counts = !says_so || item.first().is_some_and(|said| is_of_body(said.item));
        if counts && !item.iter().all(is_shared) {
            all.push(resolver.item(item)?.organization);
        }
    }
    Ok(if all.is_empty() { Owner::Nobody } else { Owner::Of(all) })
}

/// Sees to it that every object is there, and whose it must be.
///
/// # Errors
/// 403 `field_foreign`, 503 `lookup_failed`; or what must be looked up first.
pub(super) fn judge(pointed: &[Pointed], hits: &Hits<'_>, caller: &Caller, facts: &Facts) -> Result<(), Halt> {
    for (hit, pointed) in hits.iter().zip(pointed) {
        for (at, key) in &pointed.objects {
            let Some(field) = hit.rule.fields().get(*at) else { continue };
            let object = match facts.object(key) {
                None => return Err(Halt::Need(Need::Lookup(key.clone()))),
                Some(Err(LookupFailure(hint))) => return Err(hit.deny(Reason::LookupFailed).with_hint(hint).into()),
                Some(Ok(None)) => {
                    return Err(foreign("a field points at what is not there").at(hit.route.index).into());
                }
                Some(Ok(Some(object))) => object,
            };
            let owner = named(field, object).map_err(|denial| denial.at(hit.route.index))?;
            let snapshot = caller.user.as_deref();
            let passes = match (&pointed.owner, &owner) {
                (_, None) => field.shared || snapshot.is_some_and(|snapshot| snapshot.user.is_superuser),
                (Owner::Of(organizations), Some(key)) => organizations.iter().any(|own| key.names(own)),
                (Owner::Nobody, Some(_)) => false,
                (Owner::Caller, Some(key)) => snapshot.is_some_and(|snapshot| is_own(hit.rule, key, snapshot)),
            };
            if !passes {
                let hint = if owner.is_some() {
                    "a field points at what is another's"
                } else {
                    "a field points at what is shared"
                };
                return Err(foreign(hint).at(hit.route.index).into());
            }
        }
    }
    Ok(())
}

fn foreign(hint: &'static str) -> Denial {
    Denial::new(Reason::FieldForeign).with_hint(hint)
}

/// Whose an object is; `None`: it is shared. What cannot be read is our own fault, not the request's.
fn named<'o>(field: &RelatedField, object: &'o Object) -> Result<Option<OrgKey<'o>>, Denial> {
    let failed = |hint| Denial::new(Reason::LookupFailed).with_hint(hint);
    let text: Option<Cow<'o, str>> = match &field.column {
        None => object.organization().map(Cow::Borrowed),
        Some(column) => match object.column(column) {
            Some(column) => column.text().map(|text| Cow::Owned(text.into())),
            None => return Err(failed("the lookup gives no column of that name")),
        },
    };
    let unreadable =
        "what the lookup gives is no organization in the form that the field reads: `as slug`, `as external`";
    text.map(|text| key(text, field.by)).transpose().map_err(|_| failed(unreadable))
}

/// Whether somebody stands as high in an organization as the rule asks; members where it asks no level.
fn is_own(rule: &Rule, key: &OrgKey<'_>, snapshot: &Snapshot) -> bool {
    let needed = if let Access::In(level) = rule.access { level } else { Level::Member };
    let appointed = rule.appointed && needed == Level::Manager;
    let by_token = matches!(key, OrgKey::Id(id) if snapshot.is_superuser_in(*id));
    by_token
        || snapshot.user.is_superuser
        || key.membership(snapshot).is_some_and(|m| if appointed { m.is_admin } else { m.level() >= needed })
}
