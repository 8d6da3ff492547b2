//! The permit: that a request may pass, and everything that must be known to pass it on. Only an evaluation makes one.

use super::matching::Hit;
use super::need::Objects;
use super::verdict::{OrgAccess, Verdict};
use super::{Awaited, Caller, Denial, Listed, Reason, Upgrade, assertion};
use crate::assertion::Signing;
use crate::facts::{FieldValue, Level, Organization, Snapshot, User, Value, header_value};
use crate::policy::{Inject, InjectValue, Policy, Route, Rule, RuleId};
use crate::request_target::plain;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;

/// What is known of a request beside what it was judged by, and may be told to the upstream.
#[derive(Clone, Copy)]
pub struct RequestContext<'a> {
    pub request_id: &'a str,
    /// The name of the client's verified certificate.
    pub client_name: Option<&'a [u8]>,
    /// What signs whose it is; `None` where nothing is sent.
    pub signing: Option<Signing<'a>>,
}

/// A request that may pass, and everything that must be known to pass it on, until its answer has ended. `P` is a cheap handle of the
/// policy that permitted it.
#[derive(Clone)]
pub struct Permit<P> {
    policy: P,
    rule: RuleId,
    /// Nobody on a public route.
    caller: Caller,
    access: Option<OrgAccess>,
    by_superuser: bool,
    few_have: Option<Box<FewHave>>,
    /// The target to forward, where the route rewrites it.
    rewritten: Option<Arc<str>>,
    /// The variables of the path that are injected, by number.
    variables: Box<[(usize, HeaderValue)]>,
    upgrade: Upgrade,
    awaits: Awaited,
}

/// What a rule in shadow mode says of a request, which goes on whatever it says.
#[derive(Clone, Debug)]
pub enum ShadowVerdict {
    Allowed,
    /// It would be refused: it goes on as it came and in nobody's name.
    Refused(Denial),
    /// The answer would decide, and what has come of it does not say how.
    NotJudged,
}

impl ShadowVerdict {
    /// `allow`, `not_judged`, or the reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Allowed => "allow",
            Self::Refused(denial) => denial.reason.code(),
            Self::NotJudged => "not_judged",
        }
    }
}

/// What few routes have.
#[derive(Clone, Default)]
struct FewHave {
    /// What was found of its objects.
    objects: Objects,
    /// What of the answer the caller gets.
    listed: Option<Box<Listed>>,
    /// What the rule says, where it is in shadow mode.
    shadow: Option<ShadowVerdict>,
}

impl<P: Deref<Target = Policy>> Permit<P> {
    pub(super) fn new(
        policy: P,
        (rule, hit): (RuleId, &Hit<'_>),
        caller: Caller,
        (Verdict { access, by_superuser }, objects): (Verdict, Objects),
        rewritten: Option<Arc<str>>,
        (upgrade, awaits, listed): (Upgrade, Awaited, Option<Box<Listed>>),
    ) -> Self {
        let variable = |inject: &Inject| match inject.value {
            InjectValue::Path(at) => Some((at, header_value(&plain(hit.variable(at)?)))),
            _ => None,
        };
        // Few rules inject any.
        let is_variable = |inject: &Inject| matches!(inject.value, InjectValue::Path(_));
        let variables = match hit.rule.inject.iter().any(is_variable) {
            true => hit.rule.inject.iter().filter_map(variable).collect(),
            false => Box::default(),
        };
        let has_any = !objects.is_empty() || listed.is_some();
        let few_have = has_any.then(|| Box::new(FewHave { objects, listed, shadow: None }));
        Self { policy, rule, caller, access, by_superuser, few_have, rewritten, variables, upgrade, awaits }
    }

    /// The permit of a request that goes on in spite of its rule: in nobody's name, with what it would be refused for.
    pub(super) fn in_spite(
        policy: P,
        rule: RuleId,
        rewritten: Option<Arc<str>>,
        upgrade: Upgrade,
        denial: Denial,
    ) -> Self {
        let shadow = Some(ShadowVerdict::Refused(denial));
        Self {
            policy,
            rule,
            caller: Caller::default(),
            access: None,
            by_superuser: false,
            few_have: Some(Box::new(FewHave { shadow, ..FewHave::default() })),
            rewritten,
            variables: Box::default(),
            upgrade,
            awaits: Awaited::Nothing,
        }
    }

    /// Notes that its rule is in shadow mode, and allows it.
    #[cold]
    pub(super) fn note_shadow(&mut self) {
        self.few_have.get_or_insert_default().shadow = Some(ShadowVerdict::Allowed);
    }

    /// The route that the request came in by.
    #[must_use]
    pub fn route(&self) -> &Route {
        self.policy.rule(self.rule).0
    }

    /// The rule that permitted it.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        self.policy.rule(self.rule).1
    }

    /// Bytes of its body at most.
    #[must_use]
    pub fn body_limit(&self) -> u64 {
        let (route, rule) = self.policy.rule(self.rule);
        route.body_limit(rule)
    }

    /// Whether it becomes a WebSocket, and in which form it asks for that.
    #[must_use]
    pub const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// Whether the answer must be judged before any of it reaches the caller.
    #[must_use]
    pub const fn awaits(&self) -> Awaited {
        self.awaits
    }

    /// Whether nothing of the answer reaches the caller before it was judged, or filtered.
    #[must_use]
    pub fn holds_answer(&self) -> bool {
        self.judges_answer() && self.shadow().is_none()
    }

    /// Whether the answer goes on as it comes, and is judged beside: in shadow mode.
    #[must_use]
    pub fn watches_answer(&self) -> bool {
        self.judges_answer() && self.shadow().is_some()
    }

    fn judges_answer(&self) -> bool {
        self.awaits != Awaited::Nothing || self.listed().is_some()
    }

    /// Notes what an answer would be refused for that goes on in shadow mode.
    #[cold]
    pub fn record(&mut self, denial: Denial) {
        self.few_have.get_or_insert_default().shadow = Some(ShadowVerdict::Refused(denial));
    }

    /// Notes that nobody can tell what would become of the answer, unless it is known that it would be refused.
    #[cold]
    pub fn note_not_judged(&mut self) {
        if self.shadowed().is_none() {
            self.few_have.get_or_insert_default().shadow = Some(ShadowVerdict::NotJudged);
        }
    }

    /// What its rule says, where that is in shadow mode.
    #[must_use]
    pub fn shadow(&self) -> Option<&ShadowVerdict> {
        self.few_have.as_ref()?.shadow.as_ref()
    }

    /// Why it would be refused, if its rule were not in shadow mode.
    #[must_use]
    pub fn shadowed(&self) -> Option<&Denial> {
        match self.shadow()? {
            ShadowVerdict::Allowed | ShadowVerdict::NotJudged => None,
            ShadowVerdict::Refused(denial) => Some(denial),
        }
    }

    /// Whether the upstream sees the credential.
    #[must_use]
    pub fn forwards_credential(&self) -> bool {
        self.rule().forward_authorization || self.shadowed().is_some()
    }

    /// Whether a header that the client sent stays behind, since the upstream is told it, or only told it.
    #[must_use]
    pub fn strips(&self, header: &HeaderName) -> bool {
        let keeps_credential = self.forwards_credential();
        let is_credential = *header == AUTHORIZATION && !keeps_credential;
        is_credential || self.policy.strips(header.as_str(), keeps_credential)
    }

    /// Who sent it; `None` on a public route and for an anonymous caller.
    #[must_use]
    pub const fn user(&self) -> Option<&Arc<Snapshot>> {
        self.caller.user.as_ref()
    }

    /// The organization of the request.
    #[must_use]
    pub fn organization(&self) -> Option<&Arc<Organization>> {
        self.access.as_ref().map(|s| &s.organization)
    }

    /// The caller's level in the organization of the request: `member`, `manager`, `owner`; of who does not belong to it `superuser`, or
    /// `permitted` where a permission lets them in.
    #[must_use]
    pub fn level(&self) -> Option<&'static str> {
        self.access.as_ref().map(OrgAccess::level_text)
    }

    /// Whether a superuser passed where their membership would have refused. Every such pass is logged and counted.
    #[must_use]
    pub const fn by_superuser(&self) -> bool {
        self.by_superuser
    }

    /// What of the answer the caller gets, where it is a list.
    #[must_use]
    pub fn listed(&self) -> Option<&Listed> {
        self.few_have.as_ref()?.listed.as_deref()
    }

    /// The target to forward where it is not the one that came.
    #[must_use]
    pub fn rewritten(&self) -> Option<&str> {
        self.rewritten.as_deref()
    }

    /// Gives every header that the upstream is told to `put`, whose names [`crate::policy::StripSet`] has removed before. A
    /// name without a value is not put. Values are those of a [`HeaderValue`], given as bytes since most are only copied. Of a request
    /// that goes on in spite of its rule nothing is told.
    ///
    /// # Errors
    /// 431 `identity_too_large`: the caller belongs to more organizations than the header may list.
    pub fn inject(&self, told: RequestContext<'_>, mut put: impl FnMut(&HeaderName, &[u8])) -> Result<(), Denial> {
        if self.shadowed().is_some() {
            return Ok(());
        }
        for inject in self.rule().inject.iter() {
            let put = |value: &[u8]| {
                if !value.is_empty() {
                    put(&inject.name, value);
                }
            };
            self.tell(&inject.value, told, put)?;
        }
        Ok(())
    }

    fn tell(&self, value: &InjectValue, of: RequestContext<'_>, mut put: impl FnMut(&[u8])) -> Result<(), Denial> {
        let user = self.user().map(|s| &s.user);
        let organization = self.organization();
        let mut text = Uuid::encode_buffer();
        let value: Option<&[u8]> = match value {
            InjectValue::UserId => user.map(|u| hyphenated(u.id.0, &mut text)),
            InjectValue::Username => user.and_then(|u| u.username.as_ref()).map(told),
            InjectValue::Login => user.and_then(User::login).map(told),
            InjectValue::Organization => user.and_then(User::organization).map(told),
            InjectValue::Email => user.and_then(|u| u.email.as_deref()).map(told),
            InjectValue::Issuer => user.and_then(|u| u.issuer.as_deref()).map(told),
            InjectValue::UserField(name) => user.and_then(|u| u.fields.as_deref()?.get(name)).map(FieldValue::header),
            InjectValue::UserExternalId => user.and_then(|u| u.external_id.as_deref()).map(told),
            InjectValue::Groups => {
                if let Some(snapshot) = self.user() {
                    let names: Vec<_> = snapshot.groups().iter().map(|name| Cow::Borrowed(&**name)).collect();
                    put(&self.list(&names)?);
                }
                None
            }
            InjectValue::IsStaff => user.map(|u| flag(u.is_staff)),
            InjectValue::IsSuperuser => user.map(|u| flag(u.is_superuser)),
            InjectValue::OrgId => organization.map(|o| hyphenated(o.id.0, &mut text)),
            InjectValue::OrgSlug => organization.map(|o| told(&o.slug)),
            InjectValue::OrgName => organization.map(|o| told(&o.name)),
            InjectValue::OrgExternalId => organization.and_then(|o| o.external_id.as_deref()).map(told),
            InjectValue::OrgLevel => self.level().map(str::as_bytes),
            InjectValue::Orgs(level) => {
                if let Some(snapshot) = self.user() {
                    put(self.organizations(snapshot, *level)?.as_bytes());
                }
                None
            }
            InjectValue::Path(at) => self.variables.iter().find(|(n, _)| n == at).map(|(_, v)| v.as_bytes()),
            InjectValue::Claim(name) => {
                if let Some(texts) = self.caller.claims.as_ref().and_then(|claims| claims.texts(name)) {
                    put(self.list(&texts)?.as_slice());
                }
                None
            }
            InjectValue::RequestId => Some(of.request_id.as_bytes()),
            InjectValue::Lookup(at, name) => {
                if let Some(Some(object)) = self.few_have.as_ref().and_then(|few| few.objects.get(*at)) {
                    let column = object.column(name).ok_or_else(|| {
                        let hint = "the lookup gives no column of the name that is injected";
                        Denial::new(Reason::LookupFailed).at(self.route().index).with_hint(hint)
                    })?;
                    if let Some(value) = column.header() {
                        put(value.as_bytes());
                    }
                }
                None
            }
            InjectValue::Assertion => {
                if let (Some(signing), Some(caller)) = (of.signing, self.user()) {
                    let organization = organization.map(|organization| (&**organization, self.level()));
                    let told = assertion::Told { caller, organization, route: self.route() };
                    let claims = assertion::claims(&told, signing, of.request_id)?;
                    let signed = signing.assertions.sign(&claims).ok_or_else(|| {
                        Denial::new(Reason::StoreUnavailable).with_hint("the assertion cannot be signed: no randomness")
                    })?;
                    put(signed.as_bytes());
                }
                None
            }
            InjectValue::ClientName => of.client_name,
            InjectValue::Literal(value) => Some(value.as_bytes()),
            InjectValue::Secret(secret) => {
                put(secret.value().as_bytes());
                None
            }
        };
        if let Some(value) = value {
            put(value);
        }
        Ok(())
    }

    /// Texts as one value: each is encoded so that it holds no comma.
    fn list(&self, texts: &[Cow<'_, str>]) -> Result<Vec<u8>, Denial> {
        let list: Vec<HeaderValue> = texts.iter().map(|text| header_value(text)).collect();
        let list = list.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b',');
        if texts.len() > 1 && list.len() > self.route().list_limit {
            let hint = "a list that is injected would be longer than `limits.identity_header`";
            return Err(Denial::new(Reason::IdentityTooLarge).at(self.route().index).with_hint(hint));
        }
        Ok(list)
    }

    /// The ids of the organizations where the caller is at least `level`: sorted (as memberships are), comma-separated.
    fn organizations(&self, snapshot: &Snapshot, level: Level) -> Result<String, Denial> {
        let mut list = String::new();
        for membership in snapshot.memberships().iter().filter(|m| m.level() >= level) {
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(membership.organization.id.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            if list.len() > self.route().list_limit {
                return Err(Denial::new(Reason::IdentityTooLarge).at(self.route().index).with_hint(
                    "`orgs.…` would be longer than `limits.identity_header`: raise it as far as the service takes such headers, or let \
                     the route name one organization and inject `org.id`",
                ));
            }
        }
        Ok(list)
    }
}

fn hyphenated(id: Uuid, text: &mut [u8; 45]) -> &[u8] {
    id.as_hyphenated().encode_lower(text).as_bytes()
}

fn told(value: &Value) -> &[u8] {
    value.header().as_bytes()
}

const fn flag(is: bool) -> &'static [u8] {
    if is { b"true" } else { b"false" }
}
