//! The permit: that a request may pass, and everything that must be known to pass it on. Only `decide` makes one.

use super::claim::captured;
use super::matching::Matched;
use super::{Denial, Reason};
use crate::facts::{Claims, Level, Organization, Snapshot, Value, header_value, id_header};
use crate::policy::{InjectValue, Route, Rule};
use bytes::{BufMut, BytesMut};
use http::{HeaderName, HeaderValue};
use std::fmt::Write;
use std::sync::Arc;

/// Longest list of organizations that is put in a header, in bytes.
pub const MAX_LIST: usize = 8 * 1024;

/// How the caller stands in an organization.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) organization: Arc<Organization>,
    /// `None`: a superuser who does not belong to it.
    pub(super) level: Option<Level>,
}

impl Standing {
    /// The level's word.
    pub(super) fn level_text(&self) -> &'static str {
        self.level.map_or("superuser", Level::as_str)
    }
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
    standing: Option<Standing>,
    by_superuser: bool,
    /// The target to forward, where the route rewrites it.
    rewritten: Option<Arc<str>>,
    /// The variables of the path that are injected, by number.
    variables: Vec<(usize, HeaderValue)>,
}

impl<'p> Permit<'p> {
    pub(super) fn new(
        matched: &Matched<'p>,
        path: &str,
        (snapshot, claims): (Option<Arc<Snapshot>>, Option<Arc<Claims>>),
        standing: Option<Standing>,
        by_superuser: bool,
    ) -> Self {
        let hit = &matched.hit;
        let variable = |inject: &crate::policy::Inject| match inject.value {
            InjectValue::Path(at) => Some((at, header_value(captured(path, &hit.path, at)?))),
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
        self.standing.as_ref().map(Standing::level_text)
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

    /// Gives every header that the upstream is told to `put`, whose names [`crate::policy::StripSet`] has removed before. A
    /// name without a value is not put.
    ///
    /// # Errors
    /// 500 `identity_too_large`: the caller belongs to more organizations than 8 KiB can list.
    pub fn inject(
        &self,
        request_id: &HeaderValue,
        mut put: impl FnMut(&HeaderName, HeaderValue),
    ) -> Result<(), Denial> {
        for inject in self.rule.inject.iter() {
            if let Some(value) = self.value(&inject.value, request_id)?
                && !value.is_empty()
            {
                put(&inject.name, value);
            }
        }
        Ok(())
    }

    fn value(&self, value: &InjectValue, request_id: &HeaderValue) -> Result<Option<HeaderValue>, Denial> {
        let user = self.snapshot.as_ref().map(|s| &s.user);
        let organization = self.organization();
        let known = |value: Option<&Value>| value.map(|v| v.header().clone());
        Ok(match value {
            InjectValue::UserId => user.map(|u| id_header(u.id.0)),
            InjectValue::Username => known(user.map(|u| &u.username)),
            InjectValue::Email => known(user.and_then(|u| u.email.as_deref())),
            InjectValue::UserExternalId => known(user.and_then(|u| u.external_id.as_deref())),
            InjectValue::IsStaff => user.map(|u| flag(u.is_staff)),
            InjectValue::IsSuperuser => user.map(|u| flag(u.is_superuser)),
            InjectValue::OrgId => organization.map(|o| id_header(o.id.0)),
            InjectValue::OrgSlug => known(organization.map(|o| &o.slug)),
            InjectValue::OrgName => known(organization.map(|o| &o.name)),
            InjectValue::OrgExternalId => known(organization.and_then(|o| o.external_id.as_deref())),
            InjectValue::OrgLevel => self.level().map(HeaderValue::from_static),
            InjectValue::Orgs(level) => match &self.snapshot {
                Some(snapshot) => Some(self.organizations(snapshot, *level)?),
                None => None,
            },
            InjectValue::Path(at) => self.variables.iter().find(|(n, _)| n == at).map(|(_, v)| v.clone()),
            InjectValue::Claim(name) => {
                self.claims.as_ref().and_then(|claims| claims.text(name)).map(|text| header_value(&text))
            }
            InjectValue::RequestId => Some(request_id.clone()),
            InjectValue::Literal(value) => Some(value.clone()),
            InjectValue::Secret(secret) => Some(secret.value()),
        })
    }

    /// The ids of the organizations where the caller is at least `level`: sorted (as memberships are), comma-separated.
    fn organizations(&self, snapshot: &Snapshot, level: Level) -> Result<HeaderValue, Denial> {
        let too_large = || {
            Denial::new(Reason::IdentityTooLarge).at(self.route.index).with_hint(
                "`orgs.…` would be longer than 8 KiB: let the route name one organization, and inject `org.id`",
            )
        };
        let mut list = BytesMut::new();
        for membership in snapshot.memberships().iter().filter(|m| m.level() >= level) {
            if !list.is_empty() {
                list.put_u8(b',');
            }
            write!(list, "{}", membership.organization.id).map_err(|_| too_large())?;
            if list.len() > MAX_LIST {
                return Err(too_large());
            }
        }
        HeaderValue::from_maybe_shared(list.freeze()).map_err(|_| too_large())
    }
}

const fn flag(is: bool) -> HeaderValue {
    HeaderValue::from_static(if is { "true" } else { "false" })
}
