//! What one rule says: everything is known of the request and its caller. Allocates nothing where it says yes.

use super::matching::Hit;
use super::need::{Facts, Objects};
use super::org_key::OrgKey;
use super::org_references::{OrgReference, Referent, RuleReferences, TWO, is_awaited};
use super::verdict::{OrgAccess, Verdict};
use super::{Caller, Denial, Reason, RequestView, Stage};
use crate::facts::{Grants, Level, Organization, Place, Scope, Snapshot};
use crate::policy::{Access, Asked, Failure, Foreign, Rule, RuleOptions, Subject, UserPermissions, is_read};
use crate::request_target::{plain, shown};
use http::{Method, StatusCode};
use std::sync::Arc;

/// What a token is not good for, for whoever has it.
pub(super) const READ_ONLY: &str = "the token is for reading alone";
const NO_PERMISSION: &str = "the token is narrowed to permissions, and nothing here asks for one";

/// The active user whom a rule judges; `None` where it lets anybody pass.
///
/// # Errors
/// 401 `credentials_missing`: a credential is required and none was sent. 401 `user_inactive`. 403 `scope_exceeded`: the token is
/// for reading.
pub(super) fn require_authentication<'c>(
    hit: &Hit<'_>,
    caller: &'c Caller,
    method: &Method,
) -> Result<Option<&'c Arc<Snapshot>>, Denial> {
    match (hit.rule.access, &caller.user) {
        (Access::Deny, _) => Err(hit.deny(Reason::Denied)),
        (Access::Public, _) | (Access::Optional, None) => Ok(None),
        (_, None) => Err(hit.deny(Reason::CredentialsMissing)),
        (_, Some(snapshot)) if !snapshot.user.is_active => Err(hit.deny(Reason::UserInactive)),
        (_, Some(snapshot)) if snapshot.scope().is_some_and(Scope::is_read_only) && !is_read(method) => {
            Err(hit.deny(Reason::ScopeExceeded).with_fault(READ_ONLY))
        }
        (_, Some(snapshot)) => Ok(Some(snapshot)),
    }
}

/// What a rule is asked about.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) hit: &'a Hit<'a>,
    pub(super) view: &'a RequestView<'a>,
    pub(super) caller: &'a Caller,
    /// What the request says of the organization.
    pub(super) references: &'a RuleReferences<'a>,
    pub(super) facts: &'a Facts,
    /// What was found of its objects.
    pub(super) objects: &'a Objects,
}

impl Question<'_> {
    /// Asks the rule: the organization, the level, then what else it asks. `stage` is where it came to. Where it goes by an answer that
    /// is not there yet, it is asked as far as the request says something.
    ///
    /// # Errors
    /// The first reason of the pipeline's order. 503 `store_unavailable` when an organization was not looked up.
    pub(super) fn evaluate(&self, stage: &mut Stage) -> Result<Verdict, Denial> {
        *stage = Stage::Organization;
        let somebody = require_authentication(self.hit, self.caller, self.view.method)?;
        let resolver = somebody.map(|snapshot| Resolver { question: *self, snapshot });
        let verdict = match &resolver {
            Some(resolver) => resolver.access(stage)?,
            None => Verdict::default(),
        };
        if is_awaited(self.hit, self.view) {
            return Ok(verdict);
        }
        if let Some(options) = &self.hit.rule.options {
            *stage = Stage::Permission;
            // A public rule knows nobody, whoever they are.
            if let Some(resolver) = &resolver {
                resolver.permissions(&verdict)?;
            }
            if options.asks_condition() {
                *stage = Stage::Condition;
                self.hold(options, somebody, &verdict)?;
            }
        }
        Ok(verdict)
    }

    /// The rule's `when` and its like, about the request as the rule sees it.
    fn hold(&self, options: &RuleOptions, snapshot: Option<&Arc<Snapshot>>, verdict: &Verdict) -> Result<(), Denial> {
        let Self { hit, view, .. } = self;
        let subject = Subject {
            method: view.method,
            path: &shown(hit.path),
            host: view.host,
            client: view.client,
            query: view.target.query(),
            headers: view.headers,
            user: snapshot.map(|snapshot| &**snapshot),
            claims: self.caller.claims.as_deref(),
            organization: verdict.access.as_ref().map(|access| (&*access.organization, access.level_text())),
            variable: &|at| hit.variable(at).map(plain),
            object: &|at| self.objects.get(at)?.as_deref(),
        };
        match options.hold(&subject) {
            Ok(true) => Ok(()),
            Ok(false) => Err(hit.deny(Reason::ConditionFalse)),
            Err(Failure::Parameter(error)) => Err(Denial::from(error).at(hit.route.index)),
            Err(Failure::Header(error)) => Err(Denial::from(error).at(hit.route.index)),
            Err(Failure::Undefined) => {
                Err(hit.deny(Reason::ConditionFalse).with_hint("`when` asks something that this request does not have"))
            }
        }
    }
}

/// The caller's access to the organizations that a request names.
struct NamedOrgs {
    /// That of the request: of the primary item, or of all.
    of_request: Option<OrgAccess>,
    /// The lowest level among them; `None` where the caller does not belong to one, or none is named.
    lowest: Option<Level>,
}

/// Resolves what was said to organizations, for one user.
pub(super) struct Resolver<'a> {
    pub(super) question: Question<'a>,
    pub(super) snapshot: &'a Arc<Snapshot>,
}

impl Resolver<'_> {
    /// Whether the user stands high enough where the rule wants it.
    fn access(&self, stage: &mut Stage) -> Result<Verdict, Denial> {
        let access = self.question.hit.rule.access;
        let is_of_permissions = self.snapshot.scope().is_some_and(|scope| !scope.permissions().is_empty());
        if is_of_permissions && !matches!(access, Access::Authenticated | Access::Optional) && !self.asks_permission() {
            *stage = Stage::Level;
            return Err(self.deny(Reason::ScopeExceeded).with_fault(NO_PERMISSION));
        }
        if self.question.references.is_empty() && is_awaited(self.question.hit, self.question.view) {
            *stage = Stage::Level;
            return self.flags();
        }
        let references = self.question.references;
        let mut by_superuser = false;
        let is_odd = |said: &OrgReference<'_>| matches!(said.named, Referent::Shared | Referent::Each(..));
        if access.asks_organization() && references.iter().any(is_odd) {
            if let [OrgReference { named: Referent::Each(keys, is_shared), .. }] = &references[..] {
                return self.each(keys, *is_shared, stage);
            }
            // Null in one place and an organization in another are two things, but of what may move from one to the other.
            let is_one = match self.has_primary() {
                true => self.items().all(|item| item.iter().all(is_shared) || !item.iter().any(is_shared)),
                false => references.iter().all(is_shared),
            };
            if !is_one {
                let fault = "one place names an organization, and another says that there is none";
                return Err(self.deny(Reason::Ambiguous).with_fault(fault));
            }
            *stage = Stage::Level;
            let verdict = self.shared()?;
            if references.iter().all(is_shared) {
                return Ok(verdict);
            }
            by_superuser = verdict.by_superuser;
        }
        let orgs = match self.named() {
            Ok(orgs) => orgs,
            // The organization only goes into headers here: one that is not the caller's is simply not told.
            Err(denial)
                if !access.asks_organization() && matches!(denial.reason, Reason::OrgForeign | Reason::OrgMissing) =>
            {
                NamedOrgs { of_request: None, lowest: None }
            }
            Err(denial) => return Err(denial),
        };
        *stage = Stage::Level;
        let verdict = self.level(orgs)?;
        Ok(Verdict { by_superuser: by_superuser || verdict.by_superuser, ..verdict })
    }

    /// What is said, item by item of the origin.
    pub(super) fn items(&self) -> impl Iterator<Item = &[OrgReference<'_>]> {
        self.question.references.chunk_by(|a, b| a.item == b.item)
    }

    /// Whether one item is the request's organization, whatever the others are.
    fn has_primary(&self) -> bool {
        self.question.hit.rule.origin.iter().any(|item| item.primary)
    }

    /// Each of several organizations must pass, and where something is shared, that too.
    #[cold]
    fn each(&self, keys: &[OrgKey<'_>], is_shared: bool, stage: &mut Stage) -> Result<Verdict, Denial> {
        let named = keys.iter().map(|key| self.resolve(key)?.ok_or_else(|| self.foreign()));
        let named = named.collect::<Result<Vec<_>, Denial>>()?;
        *stage = Stage::Level;
        let mut by_superuser = false;
        for access in named {
            let lowest = access.level;
            by_superuser |= self.level(NamedOrgs { of_request: Some(access), lowest })?.by_superuser;
        }
        if is_shared {
            by_superuser |= self.shared()?.by_superuser;
        }
        // None of them is that of the request.
        Ok(Verdict { access: None, by_superuser })
    }

    /// Whether the user has the flag that the level asks, whatever the organization is.
    fn flags(&self) -> Result<Verdict, Denial> {
        let user = &self.snapshot.user;
        match self.question.hit.rule.access {
            Access::Staff if !user.is_staff => Err(self.deny(Reason::StaffOnly)),
            Access::Superuser if !user.is_superuser => Err(self.deny(Reason::SuperuserOnly)),
            _ => Ok(Verdict::default()),
        }
    }

    #[inline]
    fn level(&self, orgs: NamedOrgs) -> Result<Verdict, Denial> {
        let (rule, user) = (self.question.hit.rule, &self.snapshot.user);
        let passes = |access: &OrgAccess| self.snapshot.is_superuser_in(access.organization.id);
        let needed = match rule.access {
            Access::In(needed) => needed,
            Access::Permitted => {
                let access = orgs.of_request;
                let granted = |permission: &str, place, grants| self.snapshot.is_granted(permission, place, grants);
                let is_superuser = access.as_ref().is_some_and(passes);
                let by_superuser = is_superuser && !self.are_permitted(access.as_ref(), granted)?;
                return Ok(Verdict { access, by_superuser });
            }
            Access::Staff if !user.is_staff => return Err(self.deny(Reason::StaffOnly)),
            Access::Superuser if !user.is_superuser => return Err(self.deny(Reason::SuperuserOnly)),
            _ => return Ok(Verdict { access: orgs.of_request, by_superuser: false }),
        };
        let enough = if rule.origin.is_empty() {
            let appointed = rule.appointed && needed == Level::Manager;
            self.snapshot.memberships().iter().any(|m| if appointed { m.is_admin } else { m.level() >= needed })
        } else {
            orgs.lowest >= Some(needed)
        };
        if enough || user.is_superuser || orgs.of_request.as_ref().is_some_and(passes) {
            Ok(Verdict { access: orgs.of_request, by_superuser: !enough })
        } else {
            Err(self.deny(Reason::OrgLevelMissing))
        }
    }

    /// Every item must resolve, and all to one organization, unless one is primary.
    fn named(&self) -> Result<NamedOrgs, Denial> {
        let mut of_request: Option<OrgAccess> = None;
        let mut lowest = None;
        let origin = &self.question.hit.rule.origin;
        let (has_primary, mut primary_is_shared) = (self.has_primary(), false);
        for item in self.items() {
            let is_primary = item.first().and_then(|said| origin.get(said.item)).is_some_and(|i| i.primary);
            // The levels of `shared` are for those.
            if has_primary && item.iter().all(is_shared) {
                primary_is_shared |= is_primary;
                continue;
            }
            let access = self.item(item)?;
            lowest = if of_request.is_none() { access.level } else { lowest.min(access.level) };
            match &of_request {
                Some(known) if !has_primary && known.organization.id != access.organization.id => {
                    return Err(self.deny(Reason::Ambiguous).with_fault(TWO));
                }
                Some(_) if !is_primary => {}
                _ => of_request = Some(access),
            }
        }
        Ok(NamedOrgs { of_request: of_request.filter(|_| !primary_is_shared), lowest })
    }

    /// The first of one item's sources counts; the others must name the same organization.
    pub(super) fn item(&self, item: &[OrgReference<'_>]) -> Result<OrgAccess, Denial> {
        let mut found: Option<OrgAccess> = None;
        for said in item {
            let access = match &said.named {
                Referent::Only => match self.snapshot.only_membership() {
                    Some(only) => OrgAccess::of(only),
                    None => continue,
                },
                // Only where the organization does not decide: it is simply not told.
                Referent::Shared | Referent::Each(..) => continue,
                Referent::Key(key) => match (self.resolve(key)?, &found) {
                    (Some(access), _) => access,
                    (None, None) => return Err(self.foreign()),
                    // Whatever it is, it is not the one that was named before.
                    (None, Some(_)) => return Err(self.deny(Reason::Ambiguous).with_fault(TWO)),
                },
            };
            match &found {
                Some(known) if known.organization.id != access.organization.id => {
                    return Err(self.deny(Reason::Ambiguous).with_fault(TWO));
                }
                Some(_) => {}
                None => found = Some(access),
            }
        }
        found.ok_or_else(|| {
            let fault = "nothing names the organization, and you do not belong to exactly one";
            self.deny(Reason::OrgMissing).with_fault(fault)
        })
    }

    /// `None`: foreign, disabled or unknown, which nobody may tell apart.
    #[inline]
    pub(super) fn resolve(&self, key: &OrgKey<'_>) -> Result<Option<OrgAccess>, Denial> {
        if let Some(membership) = key.membership(self.snapshot) {
            return Ok(Some(OrgAccess::of(membership)));
        }
        let (Question { hit, view, facts, .. }, snapshot) = (&self.question, self.snapshot);
        if !goes_abroad(hit, view.method, snapshot) {
            return Ok(None);
        }
        // Superusers pass everywhere that their token is good for, into disabled organizations too, but not into one that does not exist.
        let is_superuser = |found: &Organization| snapshot.is_superuser_in(found.id);
        let enters = |found: &Organization| is_superuser(found) || (found.is_active && snapshot.is_good_in(found.id));
        match facts.organization(key) {
            Some(found) => Ok(found.filter(|found| enters(found)).map(|found| OrgAccess {
                organization: Arc::clone(found),
                level: None,
                by_permission: !is_superuser(found),
            })),
            None => Err(self.deny(Reason::StoreUnavailable).with_hint("the organization was not looked up")),
        }
    }

    /// An object that belongs to no organization is judged by the levels of `shared`, in any organization.
    fn shared(&self) -> Result<Verdict, Denial> {
        let (rule, user) = (self.question.hit.rule, &self.snapshot.user);
        let asked = rule.shared().of(self.question.view.method);
        if rule.access == Access::Superuser && !user.is_superuser {
            return Err(self.deny(Reason::SuperuserOnly));
        }
        let enough = stands_for_shared(asked, self.snapshot);
        if enough || (user.is_superuser && asked != Access::Deny) {
            Ok(Verdict { access: None, by_superuser: !enough && asked != Access::Superuser })
        } else {
            Err(self.deny(Reason::SharedDenied))
        }
    }

    /// The permissions that the rule names, and those of its model: in the organization of the request (in each of them,
    /// where one is primary); in any, where the rule names none.
    fn permissions(&self, verdict: &Verdict) -> Result<(), Denial> {
        let has = |permission: &str, place, grants| self.snapshot.has(permission, place, grants);
        let all = !self.asks_permission() || self.are_permitted(verdict.access.as_ref(), has)?;
        if all { Ok(()) } else { Err(self.deny(Reason::PermissionMissing)) }
    }

    fn are_permitted(&self, access: Option<&OrgAccess>, has: impl Held) -> Result<bool, Denial> {
        let Question { hit, view, references, .. } = &self.question;
        let all_in = |place| permits(hit, view.method, place, &has);
        let origin = &hit.rule.origin;
        if let [OrgReference { named: Referent::Each(keys, is_shared), .. }] = &references[..] {
            let mut all = !is_shared || all_in(Place::Everywhere);
            for key in keys {
                // Only where the organization does not decide: it is as if it were not named.
                let place = self.resolve(key)?.map_or(Place::Everywhere, |access| Place::In(access.organization.id));
                all &= all_in(place);
            }
            return Ok(all);
        }
        Ok(match access {
            None if origin.is_empty() => all_in(Place::Anywhere),
            // A role in some other organization does not count for one that could not be read, or that is foreign.
            None => all_in(Place::Everywhere),
            Some(access) => {
                let mut all = all_in(Place::In(access.organization.id));
                if self.has_primary() {
                    for item in self.items() {
                        let is_shared = item.iter().all(is_shared);
                        all &= all_in(if is_shared {
                            Place::Everywhere
                        } else {
                            Place::In(self.item(item)?.organization.id)
                        });
                    }
                }
                all
            }
        })
    }

    /// Whether the rule asks this request for a permission.
    fn asks_permission(&self) -> bool {
        asks_permission(self.question.hit, self.question.view.method)
    }

    fn foreign(&self) -> Denial {
        let status = match self.question.hit.rule.foreign {
            Foreign::Forbidden => StatusCode::FORBIDDEN,
            Foreign::NotFound => StatusCode::NOT_FOUND,
        };
        self.deny(Reason::OrgForeign).with_status(status)
    }

    fn deny(&self, reason: Reason) -> Denial {
        self.question.hit.deny(reason)
    }
}

pub(super) fn is_shared(said: &OrgReference<'_>) -> bool {
    matches!(said.named, Referent::Shared)
}

/// Whether somebody stands as high as an object that belongs to no organization asks, superuser or not.
fn stands_for_shared(asked: Access, snapshot: &Snapshot) -> bool {
    match asked {
        Access::Public | Access::Optional | Access::Authenticated => true,
        Access::Staff => snapshot.user.is_staff,
        Access::In(level) => snapshot.memberships().iter().any(|m| m.level() >= level),
        Access::Permitted | Access::Superuser | Access::Deny => false,
    }
}

/// Whether somebody may touch objects that belong to no organization.
pub(super) fn passes_shared(rule: &Rule, method: &Method, snapshot: &Snapshot) -> bool {
    let asked = rule.shared().of(method);
    stands_for_shared(asked, snapshot) || (snapshot.user.is_superuser && asked != Access::Deny)
}

/// Whether a permission is held in a place, by what gives it.
trait Held: Fn(&str, Place, Grants) -> bool {}

impl<F: Fn(&str, Place, Grants) -> bool> Held for F {}

/// Whether somebody may pass in an organization that they do not belong to: then it is looked up, and nobody else's word makes that
/// necessary.
pub(super) fn goes_abroad(hit: &Hit<'_>, method: &Method, snapshot: &Snapshot) -> bool {
    let is_permitted = || {
        let granted = |permission: &str, place, grants| snapshot.is_granted(permission, place, grants);
        hit.rule.access == Access::Permitted
            && asks_permission(hit, method)
            && permits(hit, method, Place::Abroad, granted)
    };
    snapshot.user.is_active && (snapshot.is_superuser_somewhere() || is_permitted())
}

fn asks_permission(hit: &Hit<'_>, method: &Method) -> bool {
    hit.rule.options.as_ref().is_some_and(|options| {
        options.permissions.is_some()
            || options.model.as_ref().is_some_and(|model| model.asks(method) != Asked::Nothing)
    })
}

/// Whether those are held that a rule asks, those of its model included.
fn permits(hit: &Hit<'_>, method: &Method, place: Place, has: impl Held) -> bool {
    let Some(options) = &hit.rule.options else { return true };
    let grants = UserPermissions::grants(options.user_permissions);
    let held = |permission: &str| has(permission, place, grants);
    options.permissions.as_ref().is_none_or(|permissions| permissions.are_met(held))
        && match options.model.as_ref().map_or(Asked::Nothing, |model| model.asks(method)) {
            Asked::Nothing => true,
            Asked::One(permission) => held(permission),
            Asked::Either(one, other) => held(one) || held(other),
            Asked::Refused => false,
        }
}
