//! What fields of a body point at: looked up, and of the organization of the request, or where a rule names none, of one of the caller's.
//!
//! Nothing tells an object of somebody else from one that is not there.

use super::body::{BodyFacts, Wanted};
use super::json::Field;
use super::matching::{Hit, Hits};
use super::need::{Facts, Halt, LookupFailure, Need, Objects};
use super::objects::MAX_ARG;
use super::org_key::OrgKey;
use super::org_references::{OrgReference, OrgReferences, Referent, RuleReferences, key, of_field};
use super::rule::{Question, Resolver, is_shared};
use super::{Caller, Denial, Reason, RequestView};
use crate::facts::{Level, Object, Organization, Snapshot};
use crate::policy::{Access, By, LookupKey, Rule, Source};
use http::Method;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MANY: &str = "the body points at too many objects";
const NOTHING: &str = "a field that must point at something does not";

/// What the fields of one rule point at, and whose it must be.
#[derive(Clone, Debug)]
pub(super) struct Pointed {
    objects: Vec<Related>,
    /// The first is that of the request; the others are those of its elements.
    owners: Vec<Owner>,
}

/// An object that a field points at.
#[derive(Clone, Debug)]
struct Related {
    /// The number of the field.
    field: usize,
    /// The question whose it is.
    key: LookupKey,
    /// The number of the owner.
    owner: usize,
}

/// Whose the objects must be that a body points at.
#[derive(Clone, Debug)]
enum Owner {
    /// One of these: the organization of the request, or of the element that points at it.
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
    view: &RequestView<'_>,
    caller: &Caller,
    facts: &Facts,
    (references, body): (&OrgReferences<'_>, &BodyFacts),
) -> Result<Box<[Pointed]>, Denial> {
    let none = RuleReferences::new();
    let (first, second) = (&references.first, references.second.as_deref().unwrap_or(&none));
    let read = hits.iter().zip([first, second]).map(|(hit, references)| {
        let (objects, elements) = pointed(hit, view, body).map_err(|denial| denial.at(hit.route.index))?;
        let owners = match &caller.user {
            Some(snapshot) if !objects.is_empty() => {
                let question = Question { hit, view, caller, references, facts, objects: &Objects::new() };
                let resolver = Resolver { question, snapshot };
                let of_elements = elements.iter().map(|named| of_elements(named, &resolver));
                std::iter::once(owner(&resolver)).chain(of_elements).collect::<Result<_, _>>()?
            }
            _ => vec![Owner::Caller],
        };
        Ok(Pointed { objects, owners })
    });
    read.collect()
}

/// What elements of a body name: texts, or null.
type Named = BTreeSet<Field>;

/// What fields point at, and what is named by the elements that do, in the order of the owners from the second on.
fn pointed(hit: &Hit<'_>, view: &RequestView<'_>, body: &BodyFacts) -> Result<(Vec<Related>, Vec<Named>), Denial> {
    let mut objects: Vec<Related> = Vec::new();
    let mut elements: Vec<Named> = Vec::new();
    let mut many = 0;
    for (number, field) in hit.rule.fields().iter().enumerate() {
        let named_by = hit.rule.elements().map(|elements| (elements, elements.shared_elements(&field.place)));
        let through = named_by.map_or(0, |(_, through)| through);
        let values = body.said(&field.place, Wanted::of(field), through)?;
        // What is not sent stays as it is, where a part is edited.
        let is_absent = values.all.is_empty() && *view.method != Method::PATCH;
        if field.required && (is_absent || values.all.contains(&Field::Null)) {
            return Err(Denial::new(Reason::BodyInvalid).with_fault(NOTHING));
        }
        // By which elements each of them is pointed at, those that name the same taken together.
        let mut pairs: BTreeSet<(usize, usize)> = BTreeSet::new();
        match named_by.filter(|_| through > 0) {
            Some((pointer, _)) => {
                let organizations = body.said(pointer, Wanted::Organizations, through)?;
                let mut named: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
                for (element, at) in &organizations.places {
                    named.entry(*element).or_default().insert(*at);
                }
                for (element, value) in &values.places {
                    let texts = named.get(element).into_iter().flatten();
                    let texts: Named =
                        texts.filter_map(|at| organizations.all.get(usize::from(*at)).cloned()).collect();
                    let known = elements.iter().position(|known| *known == texts);
                    let at = known.unwrap_or_else(|| {
                        elements.push(texts);
                        elements.len() - 1
                    });
                    pairs.insert((usize::from(*value), at + 1));
                }
            }
            None => pairs.extend((0..values.all.len()).map(|value| (value, 0))),
        }
        for (at, value) in values.all.iter().enumerate() {
            let Field::Text(text) = value else { continue };
            // PostgreSQL has no text with a NUL, and no key is so long.
            if text.len() > MAX_ARG || text.contains('\0') {
                return Err(foreign("a field is longer than any key"));
            }
            if many == Wanted::MOST {
                return Err(Denial::new(Reason::BodyInvalid).with_fault(MANY));
            }
            many += 1;
            let key = LookupKey { lookup: Arc::clone(&field.lookup), args: [text.clone()].into() };
            // What stands in no element, as in a form, is the request's.
            if pairs.range((at, 0)..=(at, usize::MAX)).next().is_none() {
                pairs.insert((at, 0));
            }
            for (_, owner) in pairs.range((at, 0)..=(at, usize::MAX)) {
                objects.push(Related { field: number, key: key.clone(), owner: *owner });
            }
        }
    }
    Ok((objects, elements))
}

/// Whose the objects must be that elements point at: of the organization that those name.
fn of_elements(named: &Named, resolver: &Resolver<'_>) -> Result<Owner, Denial> {
    let rule = resolver.question.hit.rule;
    if !rule.access.asks_organization() {
        return Ok(Owner::Caller);
    }
    let by = rule.origin.first().and_then(|item| item.sources.first()).and_then(Source::by).unwrap_or(By::Id);
    let mut all = Vec::new();
    for text in named {
        for key in of_field(text, by)?.keys() {
            all.extend(resolver.resolve(key)?.map(|access| access.organization));
        }
    }
    Ok(if all.is_empty() { Owner::Nobody } else { Owner::Of(all) })
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
/// 403 `field_foreign`, 503 `lookup_failed`; or what must be looked up first: all of it at once.
pub(super) fn judge(pointed: &[Pointed], hits: &Hits<'_>, caller: &Caller, facts: &Facts) -> Result<(), Halt> {
    let mut unknown: Vec<LookupKey> = Vec::new();
    for Related { key, .. } in pointed.iter().flat_map(|pointed| &pointed.objects) {
        if facts.object(&key.lookup, &key.args).is_none() && !unknown.contains(key) {
            unknown.push(key.clone());
        }
    }
    if !unknown.is_empty() {
        return Err(Halt::Need(Need::Lookups(unknown)));
    }
    for (hit, pointed) in hits.iter().zip(pointed) {
        for Related { field, key, owner: of } in &pointed.objects {
            let Some(field) = hit.rule.fields().get(*field) else { continue };
            let object = match facts.object(&key.lookup, &key.args) {
                None => return Err(Halt::Need(Need::Lookups(vec![key.clone()]))),
                Some(Err(LookupFailure(hint))) => return Err(hit.deny(Reason::LookupFailed).with_hint(hint).into()),
                Some(Ok(None)) => {
                    return Err(foreign("a field points at what is not there").at(hit.route.index).into());
                }
                Some(Ok(Some(object))) => object,
            };
            let owner =
                owner_of(object, field.column.as_deref(), field.by).map_err(|denial| denial.at(hit.route.index))?;
            let snapshot = caller.user.as_deref();
            let passes = match (pointed.owners.get(*of), &owner) {
                (_, None) => field.shared || snapshot.is_some_and(|snapshot| snapshot.user.is_superuser),
                (Some(Owner::Of(organizations)), Some(key)) => organizations.iter().any(|own| key.names(own)),
                (Some(Owner::Caller), Some(key)) => snapshot.is_some_and(|snapshot| is_own(hit.rule, key, snapshot)),
                (Some(Owner::Nobody) | None, Some(_)) => false,
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
///
/// # Errors
/// 503 `lookup_failed`.
pub(super) fn owner_of<'o>(object: &'o Object, column: Option<&str>, by: By) -> Result<Option<OrgKey<'o>>, Denial> {
    let failed = |hint| Denial::new(Reason::LookupFailed).with_hint(hint);
    let text: Option<Cow<'o, str>> = match column {
        None => object.organization().map(Cow::Borrowed),
        Some(column) => match object.column(column) {
            Some(column) => column.text().map(|text| Cow::Owned(text.into())),
            None => return Err(failed("the lookup gives no column of that name")),
        },
    };
    let unreadable =
        "what the lookup gives is no organization in the form that the policy reads: `as slug`, `as external`";
    text.map(|text| key(text, by)).transpose().map_err(|_| failed(unreadable))
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
