//! The last stage: everything is known, and the rule says yes or no. Pure; allocates nothing where it says yes, unless the
//! policy forwards a variable of the path.

use super::matching::{Hit, Matched};
use super::org_references::{self, Facts, OrgKey, OrgReferences, Referent, RuleReferences};
use super::permit::{OrgAccess, Permit};
use super::{Caller, Denial, Reason, RequestView};
use crate::facts::{Level, Membership, Organization, Snapshot};
use crate::id::OrgId;
use crate::policy::{Access, Asked, Failure, Foreign, RuleOptions, Subject};
use crate::request_target::{plain, shown};
use http::StatusCode;
use std::sync::Arc;

/// Refuses, before the organization is read, a caller who has to be somebody and is not.
///
/// # Errors
/// 401 `credentials_missing`: a credential is required and none was sent. 401 `user_inactive`.
pub fn admit(matched: &Matched<'_>, caller: Caller<'_>) -> Result<(), Denial> {
    for hit in matched.hits() {
        somebody(hit, caller)?;
    }
    Ok(())
}

/// The active user whom a rule judges; `None` where it lets anybody pass.
fn somebody<'c>(hit: &Hit<'_>, caller: Caller<'c>) -> Result<Option<&'c Arc<Snapshot>>, Denial> {
    match (hit.rule.access, caller) {
        (Access::Deny, _) => Err(Denial::new(Reason::Denied).at(hit.route.index)),
        (Access::Public, _) | (Access::Optional, Caller::Anonymous) => Ok(None),
        (_, Caller::Anonymous) => Err(Denial::new(Reason::CredentialsMissing).at(hit.route.index)),
        (_, Caller::User(snapshot)) if !snapshot.user.is_active => {
            Err(Denial::new(Reason::UserInactive).at(hit.route.index))
        }
        (_, Caller::User(snapshot)) => Ok(Some(snapshot)),
    }
}

/// Says yes or no. The only maker of [`Permit`]s.
///
/// `caller` is [`Caller::Anonymous`] only where no credential was sent; a bad one never gets here.
///
/// # Errors
/// The first reason of the pipeline's order: credential, organization, level. 503 `store_unavailable` when an organization of
/// [`OrgReferences::unknown`] was not looked up.
pub fn decide<'p>(
    matched: &Matched<'p>,
    claim: &OrgReferences<'_>,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    facts: &Facts<'_>,
) -> Result<Permit<'p>, Denial> {
    let verdict = judge(&matched.hit, view.target.decoded(), &claim.first, view, caller, facts)?;
    let mut by_superuser = verdict.by_superuser;
    if let Some(rewritten) = &matched.rewritten
        && let Some(hit) = &rewritten.hit
    {
        let saying = claim.second.as_deref().ok_or_else(|| Denial::new(Reason::OrgMissing).at(hit.route.index))?;
        by_superuser |= judge(hit, &rewritten.decoded, saying, view, caller, facts)?.by_superuser;
    }
    let snapshot = match caller {
        // A public route knows nobody, whoever they are.
        Caller::User(snapshot) if matched.hit.rule.access != Access::Public => Some(snapshot.clone()),
        _ => None,
    };
    let claims = view.claims.filter(|_| snapshot.is_some()).cloned();
    Ok(Permit::new(matched, view.target.decoded(), (snapshot, claims), verdict.standing, by_superuser))
}

/// What a rule says when it says yes.
struct Verdict {
    /// The organization of the request and how the caller stands in it.
    standing: Option<OrgAccess>,
    /// A superuser passed where their membership would not have been enough.
    by_superuser: bool,
}

impl Verdict {
    const NOBODY: Self = Self { standing: None, by_superuser: false };
}

/// One rule's word: the level, then what else the rule asks. `path` is what the rule's pattern was matched against.
fn judge(
    hit: &Hit<'_>,
    path: &str,
    saying: &RuleReferences<'_>,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    facts: &Facts<'_>,
) -> Result<Verdict, Denial> {
    let verdict = level(hit, saying, view, caller, facts)?;
    if let Some(options) = &hit.rule.options {
        // A public rule knows nobody, whoever they are.
        let snapshot = match caller {
            Caller::User(snapshot) if hit.rule.access != Access::Public => Some(snapshot),
            _ => None,
        };
        if let Some(snapshot) = snapshot {
            Judge { hit, snapshot, facts }.permissions(options, &verdict, saying, view)?;
        }
        if options.asks_condition() {
            hold(options, hit, path, view, snapshot, &verdict)?;
        }
    }
    Ok(verdict)
}

/// The rule's `when` and its like, about the request as the rule sees it.
fn hold(
    options: &RuleOptions,
    hit: &Hit<'_>,
    path: &str,
    view: &RequestView<'_>,
    snapshot: Option<&Arc<Snapshot>>,
    verdict: &Verdict,
) -> Result<(), Denial> {
    let subject = Subject {
        method: view.method,
        path: &shown(path),
        host: view.host,
        client: view.client,
        query: view.target.query(),
        headers: view.headers,
        user: snapshot.map(|snapshot| &**snapshot),
        claims: view.claims.map(|claims| &**claims),
        organization: verdict.standing.as_ref().map(|standing| (&*standing.organization, standing.level_text())),
        variable: &|at| org_references::captured(path, &hit.path, at).map(plain),
    };
    let deny = |reason| Denial::new(reason).at(hit.route.index);
    match options.hold(&subject) {
        Ok(true) => Ok(()),
        Ok(false) => Err(deny(Reason::ConditionFalse)),
        Err(Failure::Parameter(error)) => Err(Denial::from(error).at(hit.route.index)),
        Err(Failure::Header(error)) => Err(Denial::from(error).at(hit.route.index)),
        Err(Failure::Undefined) => {
            Err(deny(Reason::ConditionFalse).with_hint("`when` asks something that this request does not have"))
        }
    }
}

fn level(
    hit: &Hit<'_>,
    saying: &RuleReferences<'_>,
    view: &RequestView<'_>,
    caller: Caller<'_>,
    facts: &Facts<'_>,
) -> Result<Verdict, Denial> {
    let deny = |reason| Denial::new(reason).at(hit.route.index);
    let access = hit.rule.access;
    let Some(snapshot) = somebody(hit, caller)? else { return Ok(Verdict::NOBODY) };
    let judge = Judge { hit, snapshot, facts };
    if access.asks_organization() && saying.iter().any(|said| matches!(said.named, Referent::Shared)) {
        return judge.shared(saying, view);
    }
    let standings = judge.standings(saying);
    if !access.asks_organization() {
        // The organization only goes into headers here: one that is not the caller's is simply not told.
        let standing = match standings {
            Ok(standings) => standings.of_request,
            Err(denial) if matches!(denial.reason, Reason::OrgForeign | Reason::OrgMissing) => None,
            Err(denial) => return Err(denial),
        };
        if access == Access::Staff && !snapshot.user.is_staff {
            return Err(deny(Reason::StaffOnly));
        }
        return Ok(Verdict { standing, by_superuser: false });
    }
    let standings = standings?;
    let Access::In(needed) = access else {
        return if snapshot.user.is_superuser {
            Ok(Verdict { standing: standings.of_request, by_superuser: false })
        } else {
            Err(deny(Reason::SuperuserOnly))
        };
    };
    let enough = if hit.rule.origin.is_empty() {
        let appointed = hit.rule.appointed && needed == Level::Manager;
        snapshot.memberships().iter().any(|m| if appointed { m.is_admin } else { m.level() >= needed })
    } else {
        standings.lowest >= Some(needed)
    };
    if enough || snapshot.user.is_superuser {
        Ok(Verdict { standing: standings.of_request, by_superuser: !enough })
    } else {
        Err(deny(Reason::OrgLevelMissing))
    }
}

/// How the caller stands in the organizations that a request names.
struct Standings {
    /// That of the request: of the primary item, or of all.
    of_request: Option<OrgAccess>,
    /// The lowest level among them; `None` where the caller does not belong to one, or none is named.
    lowest: Option<Level>,
}

/// Resolves what was said to organizations, for one caller.
struct Judge<'a, 'p> {
    hit: &'a Hit<'p>,
    snapshot: &'a Arc<Snapshot>,
    facts: &'a Facts<'a>,
}

impl Judge<'_, '_> {
    /// Every item must resolve, and all to one organization, unless one is primary.
    fn standings(&self, saying: &RuleReferences<'_>) -> Result<Standings, Denial> {
        let mut of_request: Option<OrgAccess> = None;
        let mut lowest = None;
        let has_primary = self.hit.rule.origin.iter().any(|i| i.primary);
        let mut rest = saying.as_slice();
        while let Some(said) = rest.first() {
            let number = said.item;
            let (item, others) =
                rest.split_at_checked(rest.partition_point(|s| s.item == number)).unwrap_or((rest, &[]));
            rest = others;
            let standing = self.standing(item)?;
            lowest = if of_request.is_none() { standing.level } else { lowest.min(standing.level) };
            let is_primary = org_references::item(self.hit, number).is_some_and(|i| i.primary);
            match &of_request {
                Some(known) if !has_primary && known.organization.id != standing.organization.id => {
                    return Err(self.deny(Reason::Ambiguous).with_fault(org_references::TWO));
                }
                Some(_) if !is_primary => {}
                _ => of_request = Some(standing),
            }
        }
        Ok(Standings { of_request, lowest })
    }

    /// The first of one item's sources counts; the others must name the same organization.
    fn standing(&self, item: &[org_references::OrgReference<'_>]) -> Result<OrgAccess, Denial> {
        let mut found: Option<OrgAccess> = None;
        for said in item {
            let standing = match &said.named {
                Referent::Only => match self.snapshot.memberships() {
                    [only] => OrgAccess::of(only),
                    _ => continue,
                },
                // Only where the organization does not decide: it is simply not told.
                Referent::Shared => continue,
                Referent::Key(key) => match (self.resolve(key)?, &found) {
                    (Some(standing), _) => standing,
                    (None, None) => return Err(self.foreign()),
                    // Whatever it is, it is not the one that was named before.
                    (None, Some(_)) => return Err(self.deny(Reason::Ambiguous).with_fault(org_references::TWO)),
                },
            };
            match &found {
                Some(known) if known.organization.id != standing.organization.id => {
                    return Err(self.deny(Reason::Ambiguous).with_fault(org_references::TWO));
                }
                Some(_) => {}
                None => found = Some(standing),
            }
        }
        found.ok_or_else(|| {
            let fault = "nothing names the organization, and you do not belong to exactly one";
            self.deny(Reason::OrgMissing).with_fault(fault)
        })
    }

    /// `None`: foreign, disabled or unknown, which nobody may tell apart.
    fn resolve(&self, key: &OrgKey<'_>) -> Result<Option<OrgAccess>, Denial> {
        let membership = match key {
            OrgKey::Id(id) => self.snapshot.membership(*id),
            _ => self.snapshot.memberships().iter().find(|m| key.names(&m.organization)),
        };
        if let Some(membership) = membership {
            return Ok(Some(OrgAccess::of(membership)));
        }
        if !self.snapshot.user.is_superuser {
            return Ok(None);
        }
        // Superusers pass everywhere, into disabled organizations too, but not into one that does not exist.
        match self.facts.organization(key) {
            Some(found) => Ok(found.map(|o| OrgAccess { organization: o.clone(), level: None })),
            None => Err(self.deny(Reason::StoreUnavailable).with_hint("the organization was not looked up")),
        }
    }

    /// An object that belongs to no organization is judged by the levels of `shared`, in any organization.
    fn shared(&self, saying: &RuleReferences<'_>, view: &RequestView<'_>) -> Result<Verdict, Denial> {
        // Null in one place and an organization in another are two things.
        if saying.iter().any(|said| !matches!(said.named, Referent::Shared)) {
            let fault = "one place names an organization, and another says that there is none";
            return Err(self.deny(Reason::Ambiguous).with_fault(fault));
        }
        let user = &self.snapshot.user;
        let asked = self.hit.rule.shared().of(view.method);
        if self.hit.rule.access == Access::Superuser && !user.is_superuser {
            return Err(self.deny(Reason::SuperuserOnly));
        }
        let enough = match asked {
            Access::Public | Access::Optional | Access::Authenticated => true,
            Access::Staff => user.is_staff,
            Access::In(level) => self.snapshot.memberships().iter().any(|m| m.level() >= level),
            Access::Superuser | Access::Deny => false,
        };
        if enough || (user.is_superuser && asked != Access::Deny) {
            Ok(Verdict { standing: None, by_superuser: !enough && asked != Access::Superuser })
        } else {
            Err(self.deny(Reason::SharedDenied))
        }
    }

    /// The permissions that the rule names, and those of its model: in the organization of the request (in each of them,
    /// where one is primary); in any, where the rule names none.
    fn permissions(
        &self,
        options: &RuleOptions,
        verdict: &Verdict,
        saying: &RuleReferences<'_>,
        view: &RequestView<'_>,
    ) -> Result<(), Denial> {
        let asked = options.model.as_ref().map_or(Asked::Nothing, |model| model.asks(view.method));
        if options.permissions.is_none() && asked == Asked::Nothing {
            return Ok(());
        }
        let has = |scope: Scope| {
            let held = |permission: &str| scope.holds(self.snapshot, permission);
            options.permissions.as_ref().is_none_or(|permissions| permissions.are_met(held))
                && match asked {
                    Asked::Nothing => true,
                    Asked::One(permission) => held(permission),
                    Asked::Either(one, other) => held(one) || held(other),
                    Asked::Refused => false,
                }
        };
        let origin = &self.hit.rule.origin;
        let all = match &verdict.standing {
            None if origin.is_empty() => has(Scope::Anywhere),
            // A role in some other organization does not count for one that could not be read, or that is foreign.
            None => has(Scope::Everywhere),
            Some(standing) => {
                let mut all = has(Scope::In(standing.organization.id));
                if origin.iter().any(|item| item.primary) {
                    for item in saying.chunk_by(|a, b| a.item == b.item) {
                        all &= has(Scope::In(self.standing(item)?.organization.id));
                    }
                }
                all
            }
        };
        if all { Ok(()) } else { Err(self.deny(Reason::PermissionMissing)) }
    }

    fn foreign(&self) -> Denial {
        let status = match self.hit.rule.foreign {
            Foreign::Forbidden => StatusCode::FORBIDDEN,
            Foreign::NotFound => StatusCode::NOT_FOUND,
        };
        self.deny(Reason::OrgForeign).with_status(status)
    }

    fn deny(&self, reason: Reason) -> Denial {
        Denial::new(reason).at(self.hit.route.index)
    }
}

/// Where a permission must hold.
#[derive(Clone, Copy)]
enum Scope {
    /// In any organization, or everywhere.
    Anywhere,
    /// In this organization, or everywhere.
    In(OrgId),
    /// By no role of one organization alone.
    Everywhere,
}

impl Scope {
    fn holds(self, snapshot: &Snapshot, permission: &str) -> bool {
        match self {
            Self::Anywhere => snapshot.has_permission(permission, None),
            Self::In(organization) => snapshot.has_permission(permission, Some(organization)),
            Self::Everywhere => snapshot.has_permission_everywhere(permission),
        }
    }
}

impl OrgAccess {
    fn of(membership: &Membership) -> Self {
        Self { organization: Arc::<Organization>::clone(&membership.organization), level: Some(membership.level()) }
    }
}
