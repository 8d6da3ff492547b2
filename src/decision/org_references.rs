//! Which organization the request itself names. Nothing of the caller is needed here.

use super::answer;
use super::body::{self, BodyFacts, Wanted};
use super::json::Field;
use super::matching::{Hit, Hits};
use super::need::{Facts, Objects};
use super::org_key::OrgKey;
use super::rule::goes_abroad;
use super::{AnswerView, Caller, CredentialNeed, Denial, Reason, RequestView};
use crate::claims::Claims;
use crate::facts::Object;
use crate::id::OrgId;
use crate::policy::{By, Item, MAX_SOURCES, Pointer, Source, is_slug};
use crate::request_target::field::{self, FieldError};
use crate::request_target::{plain, query};
use arrayvec::ArrayVec;
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use std::borrow::Cow;
use std::sync::Arc;

/// Longest slug or external id that is looked up.
const MAX_KEY: usize = 255;

#[derive(Clone, Debug)]
pub(super) enum Referent<'r> {
    /// The request names this one.
    Key(OrgKey<'r>),
    /// The caller's only one.
    Only,
    /// None: the object is shared.
    Shared,
    /// Elements of the body name these, and some, where it says so, none: they are shared.
    Each(Box<[OrgKey<'r>]>, bool),
}

impl<'r> Referent<'r> {
    /// The organizations that are named.
    pub(super) fn keys(&self) -> &[OrgKey<'r>] {
        match self {
            Self::Key(key) => std::slice::from_ref(key),
            Self::Each(keys, _) => keys,
            Self::Only | Self::Shared => &[],
        }
    }
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
#[derive(Clone, Debug, Default)]
pub(super) struct OrgReferences<'r> {
    pub(super) first: RuleReferences<'r>,
    /// For the rule of the rewritten target.
    pub(super) second: Option<Box<RuleReferences<'r>>>,
}

impl<'r> OrgReferences<'r> {
    /// Reads the organizations that the request names, into their place: lists are long, and are not moved.
    ///
    /// # Errors
    /// 400 `org_missing`: one that must be there is not, or is not of the form that the rule reads. 400 `ambiguous`: it is there
    /// more than once or in another spelling, or two places name two.
    pub(super) fn read(
        &mut self,
        hits: &Hits<'r>,
        view: &RequestView<'r>,
        claims: Option<&'r Claims>,
        objects: [&'r Objects; 2],
        body: &BodyFacts,
    ) -> Result<(), Denial> {
        credential_goes_on(&hits.first, view)?;
        let [of_first, of_second] = objects;
        references_of_rule(&mut self.first, &hits.first, view, claims, of_first, body)?;
        if let Some(hit) = &hits.second {
            references_of_rule(self.second.get_or_insert_default(), hit, view, claims, of_second, body)?;
        }
        Ok(())
    }

    /// Those of a request for an object that belongs to no organization: what a source says that says null.
    pub(super) fn of_shared_object() -> Self {
        Self { first: RuleReferences::from_iter([OrgReference { item: 0, named: Referent::Shared }]), second: None }
    }

    /// The same, free of the request.
    pub(super) fn into_owned(self) -> OrgReferences<'static> {
        fn owned(list: RuleReferences<'_>) -> RuleReferences<'static> {
            let owned = |OrgReference { item, named }: OrgReference<'_>| {
                let named = match named {
                    Referent::Key(key) => Referent::Key(key.into_owned()),
                    Referent::Only => Referent::Only,
                    Referent::Shared => Referent::Shared,
                    Referent::Each(keys, shared) => {
                        Referent::Each(keys.into_iter().map(OrgKey::into_owned).collect(), shared)
                    }
                };
                OrgReference { item, named }
            };
            list.into_iter().map(owned).collect()
        }
        OrgReferences { first: owned(self.first), second: self.second.map(|list| Box::new(owned(*list))) }
    }

    /// The first organization that the request names, for the log: its id, or what the request calls it where neither the caller's
    /// memberships nor `facts` have it.
    pub(super) fn asked(&self, caller: &Caller, facts: &Facts) -> Option<Box<str>> {
        let memberships = caller.memberships();
        let said = self.first.iter().find(|said| !matches!(said.named, Referent::Shared))?;
        let key = match (said.named.keys(), &said.named, memberships) {
            ([key, ..], ..) => key,
            ([], Referent::Only, [only]) => return Some(only.organization.id.to_string().into()),
            _ => return None,
        };
        let own = memberships.iter().map(|membership| &membership.organization).find(|own| key.names(own));
        let known = own.or_else(|| facts.organization(key).flatten()).map(|organization| organization.id);
        Some(match (known, key) {
            (Some(id), _) => id.to_string().into(),
            (None, OrgKey::Id(id)) => id.to_string().into(),
            (None, OrgKey::Slug(text) | OrgKey::External(text)) => (&**text).into(),
        })
    }

    /// The first organization that must be looked up before deciding: one that somebody names without belonging to it who may pass all the
    /// same, a superuser or whom a permission lets in. Everybody else's organizations are in their snapshot.
    pub(super) fn unknown(
        &self,
        hits: &Hits<'_>,
        method: &Method,
        caller: &Caller,
        facts: &Facts,
    ) -> Option<&OrgKey<'r>> {
        let user = caller.user.as_ref()?;
        let first = Some((&hits.first, &self.first));
        let second = hits.second.as_ref().zip(self.second.as_deref());
        let mut of_rules = first.into_iter().chain(second).filter(|(hit, _)| goes_abroad(hit, method, user));
        let is_unknown = |key: &&OrgKey<'_>| key.membership(user).is_none() && facts.organization(key).is_none();
        // Few callers go abroad.
        of_rules.find_map(|(_, list)| list.iter().flat_map(|said| said.named.keys()).find(is_unknown))
    }
}

/// Where the service is to see the credential, `Connection` must not take it away.
fn credential_goes_on(hit: &Hit<'_>, view: &RequestView<'_>) -> Result<(), Denial> {
    let is_read = hit.rule.forward_authorization && hit.rule.access.credential() != CredentialNeed::Ignored;
    let goes = |name| !(view.headers.contains_key(&name) && field::is_dropped(view.headers, &name));
    if !is_read || (goes(AUTHORIZATION) && goes(COOKIE)) {
        return Ok(());
    }
    Err(Denial::from(FieldError::Dropped).at(hit.route.index))
}

fn references_of_rule<'r>(
    references: &mut RuleReferences<'r>,
    hit: &Hit<'r>,
    view: &RequestView<'r>,
    claims: Option<&'r Claims>,
    objects: &'r Objects,
    body: &BodyFacts,
) -> Result<(), Denial> {
    let access = hit.rule.access;
    if access.credential() == CredentialNeed::Ignored {
        return Ok(());
    }
    let is_told_by_body = body::is_read(view.method);
    let is_awaited = is_awaited(hit, view);
    for (number, item) in hit.rule.origin.iter().enumerate() {
        let before = references.len();
        // What only a body could say is not asked of requests that bring none.
        if !is_told_by_body && item.sources.iter().all(|source| matches!(source, Source::Body(..))) {
            continue;
        }
        let mut say = |named| said(references, OrgReference { item: number, named }, before, hit);
        let is_of_answer = item.sources.iter().any(|source| matches!(source, Source::Answer(..)));
        let mut is_of_body = false;
        for source in &item.sources {
            if let (Source::Body(pointer, by), true) = (source, is_told_by_body) {
                is_of_body = true;
                if item.each {
                    let named = each(pointer, *by, body).map_err(|denial| denial.at(hit.route.index))?;
                    named.map_or(Ok(()), &mut say)?;
                    continue;
                }
                let fields = of_body(pointer, body).map_err(|denial| denial.at(hit.route.index))?;
                for field in fields {
                    say(of_field(field, *by).map_err(|denial| denial.at(hit.route.index))?)?;
                }
            } else if let Some(named) =
                read(source, hit, view, claims, objects, body).map_err(|denial| denial.at(hit.route.index))?
            {
                say(named)?;
            }
        }
        // A field that is not sent is null, but where a part is edited.
        if references.len() == before && is_of_body && *view.method != Method::PATCH && access.asks_organization() {
            said(references, OrgReference { item: number, named: Referent::Shared }, before, hit)?;
        }
        let may_be_absent = !access.asks_organization()
            || (item.optional && *view.method == Method::PATCH)
            || may_be_created(item, view)
            || (is_of_answer && is_awaited);
        if references.len() == before && !may_be_absent {
            return Err(match is_of_answer {
                true => answer::unreadable("nothing in the answer names the organization").at(hit.route.index),
                false => hit.deny(Reason::OrgMissing).with_fault(NONE),
            });
        }
    }
    // Every item was optional and absent: nothing says whose the object is.
    if references.is_empty() && !hit.rule.origin.is_empty() && access.asks_organization() && !is_awaited {
        return Err(hit.deny(Reason::OrgMissing).with_fault(NONE));
    }
    Ok(())
}

/// Whether a lookup may find nothing: PUT makes what is not there, and other sources say whose it is to be.
pub(super) fn may_be_created(item: &Item, view: &RequestView<'_>) -> bool {
    item.optional && *view.method == Method::PUT && item.sources.iter().all(|source| source.lookup().is_some())
}

/// What elements of a body name: one, as if it stood there once; or each of several.
pub(super) fn each(pointer: &Pointer, by: By, body: &BodyFacts) -> Result<Option<Referent<'static>>, Denial> {
    let fields = &body.said(pointer, Wanted::Organizations, 0)?.all;
    if fields.len() < 2 {
        return fields.first().map(|field| of_field(field, by)).transpose();
    }
    let mut keys = Vec::new();
    let mut is_shared = false;
    for field in fields {
        match of_field(field, by)? {
            Referent::Key(key) if !keys.contains(&key) => keys.push(key),
            Referent::Key(_) => {}
            _ => is_shared = true,
        }
    }
    // Written in two ways it is one organization all the same.
    Ok(Some(match keys.pop() {
        Some(key) if keys.is_empty() && !is_shared => Referent::Key(key),
        last => {
            keys.extend(last);
            Referent::Each(keys.into(), is_shared)
        }
    }))
}

/// Whether a rule goes by an answer that is not there yet.
pub(super) fn is_awaited(hit: &Hit<'_>, view: &RequestView<'_>) -> bool {
    hit.rule.reads_answer && view.answer.is_none()
}

/// Adds what one source says to what is said already, from `before` on by the same item.
fn said<'r>(
    references: &mut RuleReferences<'r>,
    reference: OrgReference<'r>,
    before: usize,
    hit: &Hit<'_>,
) -> Result<(), Denial> {
    let earlier = references.get(before..).unwrap_or_default();
    match &reference.named {
        // What the caller falls back to is asked for only where the request says nothing before.
        Referent::Only if !earlier.is_empty() => return Ok(()),
        // Whoever says the same in two places has said it once; two things in one form are two things.
        Referent::Key(key) if earlier.iter().any(|s| is_other(&s.named, key)) => {
            return Err(hit.deny(Reason::Ambiguous).with_fault(TWO));
        }
        _ => {}
    }
    // The policy's limit on sources is this vector's capacity; what did not fit would go unjudged.
    references.try_push(reference).map_err(|_| hit.deny(Reason::Ambiguous))
}

/// Whether two sources, in the same form, name two organizations. Forms that differ are compared when they are resolved.
fn is_other(said: &Referent<'_>, key: &OrgKey<'_>) -> bool {
    match said {
        Referent::Key(said) => std::mem::discriminant(said) == std::mem::discriminant(key) && said != key,
        Referent::Only | Referent::Shared | Referent::Each(..) => false,
    }
}

pub(super) fn read<'r>(
    source: &'r Source,
    hit: &Hit<'r>,
    view: &RequestView<'r>,
    claims: Option<&'r Claims>,
    objects: &'r Objects,
    body: &BodyFacts,
) -> Result<Option<Referent<'r>>, Denial> {
    if let Source::Lookup(at, column, by) = source {
        return of_object(hit, objects.get(*at), column.as_deref(), *by);
    }
    if let Source::Body(pointer, by) = source {
        let first = if body::is_read(view.method) { of_body(pointer, body)?.first() } else { None };
        return first.map(|field| of_field(field, *by)).transpose();
    }
    if let Source::Answer(pointer, by) = source {
        return view.answer.map_or(Ok(None), |answer| of_answer(answer, pointer, *by));
    }
    let Some(by) = source.by() else { return Ok(Some(Referent::Only)) };
    text(source, hit, view, claims, objects, body)?.map(|text| key(text, by).map(Referent::Key)).transpose()
}

/// What a source says, as a text; `None` where it says nothing.
pub(super) fn text<'r>(
    source: &'r Source,
    hit: &Hit<'r>,
    view: &RequestView<'r>,
    claims: Option<&'r Claims>,
    objects: &Objects,
    body: &BodyFacts,
) -> Result<Option<Cow<'r, str>>, Denial> {
    Ok(match source {
        // An answer comes too late to be an argument.
        Source::UserOnly | Source::Answer(..) => None,
        Source::Path(at, _) => hit.variable(*at).map(plain),
        Source::Host(at, _) => hit.host_variable(*at, view.host).map(Cow::Borrowed),
        Source::Query(name, _) => query::single(view.target.query(), name)?,
        Source::Claim(name, _) => claims.and_then(|claims| claims.text(name)),
        Source::Header(name, _) => field::single(view.headers, name)?.map(Cow::Borrowed),
        Source::Body(pointer, _) if body::is_read(view.method) => match of_body(pointer, body)? {
            [] | [Field::Null] => None,
            [Field::Text(text)] => Some(Cow::Owned(text.to_string())),
            _ => return Err(Denial::new(Reason::Ambiguous).with_fault(TWO)),
        },
        Source::Body(..) => None,
        Source::Lookup(at, column, _) => match objects.get(*at) {
            Some(Some(object)) => column_text(hit, object, column.as_deref())?.map(|text| Cow::Owned(text.into())),
            _ => None,
        },
    })
}

fn of_body<'b>(pointer: &Pointer, body: &'b BodyFacts) -> Result<&'b [Field], Denial> {
    body.said(pointer, Wanted::Organization, 0).map(|values| &*values.all)
}

/// Null is shared.
pub(super) fn of_field(field: &Field, by: By) -> Result<Referent<'static>, Denial> {
    match field {
        Field::Null => Ok(Referent::Shared),
        Field::Text(text) => key(Cow::Owned(text.to_string()), by).map(Referent::Key),
    }
}

/// Whose the object of an answer is. What cannot be read is not the request's fault.
fn of_answer(answer: AnswerView<'_>, pointer: &Pointer, by: By) -> Result<Option<Referent<'static>>, Denial> {
    let Some(field) = answer::read(answer, pointer)? else { return Ok(None) };
    let hint = "what the answer names is no organization in the form that the rule reads: `as slug`, `as external`";
    of_field(&field, by).map(Some).map_err(|_| answer::unreadable(hint))
}

fn column_text(hit: &Hit<'_>, object: &Object, column: Option<&str>) -> Result<Option<Box<str>>, Denial> {
    let Some(column) = column else { return Ok(object.organization().map(Box::from)) };
    match object.column(column) {
        Some(column) => Ok(column.text()),
        None => Err(hit.deny(Reason::LookupFailed).with_hint("the lookup gives no column of that name")),
    }
}

/// Whose an object is; null is shared. What cannot be read is our own fault, not the request's.
fn of_object<'r>(
    hit: &Hit<'_>,
    object: Option<&'r Option<Arc<Object>>>,
    column: Option<&str>,
    by: By,
) -> Result<Option<Referent<'r>>, Denial> {
    let Some(Some(object)) = object else { return Ok(None) };
    let text = match column {
        None => object.organization().map(Cow::Borrowed),
        Some(_) => column_text(hit, object, column)?.map(|text| Cow::Owned(text.into())),
    };
    let Some(text) = text else { return Ok(Some(Referent::Shared)) };
    let hint = "what the lookup gives is no organization in the form that the rule reads: `as slug`, `as external`";
    key(text, by).map(|key| Some(Referent::Key(key))).map_err(|_| hit.deny(Reason::LookupFailed).with_hint(hint))
}

/// Text to key, in the form that the rule reads and no other.
pub(super) fn key(text: Cow<'_, str>, by: By) -> Result<OrgKey<'_>, Denial> {
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
