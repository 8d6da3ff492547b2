//! The permit: that a request may pass, and everything that must be known to pass it on. Only `decide` makes one.

use super::matching::Matched;
use super::org_references::captured;
use super::{Denial, Reason};
use crate::claims::Claims;
use crate::facts::{Level, Organization, Snapshot, Value, header_value};
use crate::policy::{InjectValue, Route, Rule};
use crate::request_target::plain;
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// How the caller stands in an organization.
#[derive(Clone, Debug)]
pub(super) struct OrgAccess {
    pub(super) organization: Arc<Organization>,
    /// `None`: a superuser who does not belong to it.
    pub(super) level: Option<Level>,
}

impl OrgAccess {
    pub(super) fn level_text(&self) -> &'static str {
        self.level.map_or("superuser", Level::as_str)
    }
}

/// What is known of a request beside what it was judged by, and may be told to the upstream.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    pub request_id: &'a str,
    /// The name of the client's verified certificate.
    pub client_name: Option<&'a [u8]>,
}

/// A request that may pass.
#[derive(Clone, Debug)]
pub struct Permit<'p> {
    route: &'p Route,
    rule: &'p Rule,
    /// Who sent it; `None` on a public route and for an anonymous caller.
    snapshot: Option<Arc<Snapshot>>,
    /// What their credential says besides.
    claims: Option<Arc<Claims>>,
    standing: Option<OrgAccess>,
    by_superuser: bool,
    /// The target to forward, where the route rewrites it.
    rewritten: Option<Arc<str>>,
    /// The rule that the rewritten target falls under, which permits it too.
    rewritten_rule: Option<&'p Rule>,
    /// The variables of the path that are injected, by number.
    variables: Vec<(usize, HeaderValue)>,
}

impl<'p> Permit<'p> {
    pub(super) fn new(
        matched: &Matched<'p>,
        path: &str,
        (snapshot, claims): (Option<Arc<Snapshot>>, Option<Arc<Claims>>),
        standing: Option<OrgAccess>,
        by_superuser: bool,
    ) -> Self {
        let hit = &matched.hit;
        let variable = |inject: &crate::policy::Inject| match inject.value {
            InjectValue::Path(at) => Some((at, header_value(&plain(captured(path, &hit.path, at)?)))),
            _ => None,
        };
        Self {
            route: hit.route,
            rule: hit.rule,
            snapshot,
            claims,
            standing,
            by_superuser,
            rewritten: matched.rewritten.as_ref().map(|r| r.raw.clone()),
            rewritten_rule: matched.rewritten.as_ref().and_then(|r| r.hit.as_ref()).map(|hit| hit.rule),
            variables: hit.rule.inject.iter().filter_map(variable).collect(),
        }
    }

    /// The route that the request came in by.
    #[must_use]
    pub const fn route(&self) -> &'p Route {
        self.route
    }

    /// The rule that permitted it.
    #[must_use]
    pub const fn rule(&self) -> &'p Rule {
        self.rule
    }

    /// Who sent it; `None` on a public route and for an anonymous caller.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The organization of the request.
    #[must_use]
    pub fn organization(&self) -> Option<&Arc<Organization>> {
        self.standing.as_ref().map(|s| &s.organization)
    }

    /// The caller's level in the organization of the request: `member`, `manager`, `owner`, or `superuser` for one who does
    /// not belong to it.
    #[must_use]
    pub fn level(&self) -> Option<&'static str> {
        self.standing.as_ref().map(OrgAccess::level_text)
    }

    /// Whether a superuser passed where their membership would have refused. Every such pass is logged and counted.
    #[must_use]
    pub const fn by_superuser(&self) -> bool {
        self.by_superuser
    }

    /// The target to forward where it is not the one that came.
    #[must_use]
    pub fn rewritten(&self) -> Option<&str> {
        self.rewritten.as_deref()
    }

    /// The parameters of the query that the body must not name again.
    pub fn strict_sources(&self) -> impl Iterator<Item = &'p str> + Clone + use<'p> {
        let rules = std::iter::once(self.rule).chain(self.rewritten_rule);
        rules.filter(|rule| rule.is_strict_source()).flat_map(Rule::query_sources)
    }

    /// Gives every header that the upstream is told to `put`, whose names [`crate::policy::StripSet`] has removed before. A
    /// name without a value is not put. Values are those of a [`HeaderValue`], given as bytes since most are only copied.
    ///
    /// # Errors
    /// 431 `identity_too_large`: the caller belongs to more organizations than the header may list.
    pub fn inject(&self, told: RequestContext<'_>, mut put: impl FnMut(&HeaderName, &[u8])) -> Result<(), Denial> {
        for inject in self.rule.inject.iter() {
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
        let user = self.snapshot.as_ref().map(|s| &s.user);
        let organization = self.organization();
        let mut text = Uuid::encode_buffer();
        let value: Option<&[u8]> = match value {
            InjectValue::UserId => user.map(|u| hyphenated(u.id.0, &mut text)),
            InjectValue::Username => user.and_then(|u| u.username.as_ref()).map(told),
            InjectValue::Email => user.and_then(|u| u.email.as_deref()).map(told),
            InjectValue::Issuer => user.and_then(|u| u.issuer.as_deref()).map(told),
            InjectValue::UserExternalId => user.and_then(|u| u.external_id.as_deref()).map(told),
            InjectValue::Groups => {
                if let Some(snapshot) = &self.snapshot {
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
                if let Some(snapshot) = &self.snapshot {
                    put(self.organizations(snapshot, *level)?.as_bytes());
                }
                None
            }
            InjectValue::Path(at) => self.variables.iter().find(|(n, _)| n == at).map(|(_, v)| v.as_bytes()),
            InjectValue::Claim(name) => {
                if let Some(texts) = self.claims.as_ref().and_then(|claims| claims.texts(name)) {
                    put(self.list(&texts)?.as_slice());
                }
                None
            }
            InjectValue::RequestId => Some(of.request_id.as_bytes()),
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
        if texts.len() > 1 && list.len() > self.route.list_limit {
            let hint = "a list that is injected would be longer than `limits.identity_header`";
            return Err(Denial::new(Reason::IdentityTooLarge).at(self.route.index).with_hint(hint));
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
            if list.len() > self.route.list_limit {
                return Err(Denial::new(Reason::IdentityTooLarge).at(self.route.index).with_hint(
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
