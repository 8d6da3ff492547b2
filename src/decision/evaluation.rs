//! The evaluation of one request: the stages of the pipeline, in their order, for whoever asks.

use super::body::{self, BodyFacts};
use super::csrf;
use super::fields::{self, Pointed};
use super::matching::{Hits, Matched};
use super::need::{Facts, Halt, LookupAnswer, Need, Objects};
use super::objects;
use super::org_references::OrgReferences;
use super::rule::{Question, READ_ONLY, require_authentication};
use super::second_factor;
use super::strict_source;
use super::verdict::{OrgAccess, Verdict};
use super::{
    Awaited, Caller, CredentialNeed, CsrfToken, Denial, Listed, OrgKey, Permit, Reason, RequestView, Ruled, Upgrade,
    websocket,
};
use crate::facts::{Organization, Scope};
use crate::limit::{self, Key, Who};
use crate::policy::{Access, CountedBy, LookupKey, Policy, Rule, Schemes, Throttle};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The stages of the pipeline, in its order: what is looked at in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Target and host are canonical.
    Target,
    Route,
    /// The route has the method, and does not close it.
    Method,
    /// There is a good credential, where one is needed.
    Credential,
    /// The request names its organization, which is the caller's.
    Organization,
    /// The caller stands high enough.
    Level,
    Permission,
    Condition,
    /// What fields of the body point at is of the same organization.
    Fields,
    /// The body does not name again what the organization was read from.
    StrictSource,
    Throttle,
    /// The body is not too long.
    Body,
    /// The page may open a WebSocket.
    Origin,
    /// There is a permit to ask the service, whose answer decides.
    Answer,
    /// Everything was: there is a permit.
    Permitted,
}

/// The evaluation of a request by a policy, which `P` is a cheap handle of. What was found so far stays in it while its caller finds out
/// what it needs; it borrows nothing of the request.
#[derive(Clone)]
pub struct Evaluation<P> {
    policy: P,
    stage: Stage,
    matched: Matched,
    caller: Option<Caller>,
    /// What pages of the session repeat, where the caller came by one.
    csrf: Option<CsrfToken>,
    /// While organizations are looked up.
    references: Option<OrgReferences<'static>>,
    facts: Facts,
    /// What was found of its objects, for its rule and for that of the rewritten target.
    objects: [Objects; 2],
    verdict: Verdict,
    /// What the body says, once it was read.
    said: Option<Box<BodyFacts>>,
    /// What the body points at, for each of its rules.
    pointed: Option<Box<[Pointed]>>,
    limit: Option<limit::Verdict>,
    asked: Option<Box<str>>,
    /// The service has answered, which decides.
    is_answered: bool,
}

/// Shows nothing of the caller.
impl<P> fmt::Debug for Evaluation<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<P: Deref<Target = Policy> + Clone> Evaluation<P> {
    /// The evaluation of a request whose target and host are canonical already.
    #[must_use]
    pub fn new(policy: P) -> Self {
        Self {
            policy,
            stage: Stage::Route,
            matched: Matched::default(),
            caller: None,
            csrf: None,
            references: None,
            facts: Facts::default(),
            objects: Default::default(),
            verdict: Verdict::default(),
            said: None,
            pointed: None,
            limit: None,
            asked: None,
            is_answered: false,
        }
    }

    /// Goes on as far as what is known leads. `view` is the same request each time, of whose body more may be known.
    ///
    /// A permit that [awaits](Permit::awaits) the answer lets the request go to its service, and nothing of the answer to the caller: the
    /// evaluation goes on with the answer in `view`, from the organization on, and ends in the permit for that, or in a denial.
    ///
    /// # Errors
    /// The first refusal of the pipeline, or what must be known before it can go on.
    pub fn step(&mut self, view: &RequestView<'_>) -> Result<Permit<P>, Halt> {
        let Self {
            policy,
            stage,
            matched,
            caller,
            csrf,
            references,
            facts,
            objects,
            verdict,
            said,
            pointed,
            limit,
            asked,
            is_answered,
        } = self;
        if *stage <= Stage::Method {
            matched.find(policy, view, stage)?;
            *stage = Stage::Credential;
        }
        // A match was found before; whoever steps on after a permit gets no second one.
        let used_up = || Denial::new(Reason::Denied);
        if *stage == Stage::Answer {
            let answer = view.answer.ok_or_else(used_up)?;
            let hits = matched.hits(policy, view).ok_or_else(used_up)?;
            let is_decided = Awaited::of(hits.rules()).is_decided_by_body(answer.status, answer.headers);
            *stage = match (is_decided.map_err(|denial| denial.at(hits.first.route.index))?, &caller) {
                (true, Some(_)) => Stage::Organization,
                (true, None) => Stage::Credential,
                (false, _) => Stage::Origin,
            };
            *is_answered = true;
        }
        // Nobody judges by an answer that nobody has asked for.
        if view.answer.is_some() != *is_answered {
            return Err(used_up().into());
        }
        let hits = matched.hits(policy, view).filter(|_| *stage < Stage::Permitted).ok_or_else(used_up)?;
        if *stage == Stage::Credential && caller.is_none() {
            if hits.credential() != CredentialNeed::Ignored {
                return Err(Halt::Need(Need::Credential(hits.schemes())));
            }
            *caller = Some(Caller::default());
        }
        let caller = caller.get_or_insert_default();
        if *stage == Stage::Credential {
            for hit in hits.iter() {
                require_authentication(hit, caller, view.method)?;
            }
            // What was shown before the service was asked need not be shown again.
            if !*is_answered {
                second_factor::check(&hits, caller)?;
                csrf::check(&hits, csrf.as_ref(), view)?;
            }
            *stage = Stage::Organization;
        }
        if *stage <= Stage::Condition {
            *stage = Stage::Organization;
            if body::is_read(view.method) && hits.any(|rule| rule.reads_body) {
                require_body(&hits, view)?;
                said.get_or_insert_with(|| BodyFacts::read(&hits, view).into());
            }
            let nothing = BodyFacts::default();
            let said = said.as_deref().unwrap_or(&nothing);
            for (hit, objects) in hits.iter().zip(objects.iter_mut()).filter(|(hit, _)| !hit.rule.lookups.is_empty()) {
                objects::find(hit, view, caller.claims.as_deref(), facts, objects, said)?;
            }
            let of_rules = objects.each_ref();
            let mut named = OrgReferences::default();
            match references.take() {
                Some(references) => named = references,
                None => named.read(&hits, view, caller.claims.as_deref(), of_rules, said)?,
            }
            if let Some(key) = named.unknown(&hits, view.method, caller, facts) {
                let key = key.clone().into_owned();
                *references = Some(named.into_owned());
                return Err(Halt::Need(Need::Organization(key)));
            }
            match decide(&hits, &named, view, caller, facts, of_rules, stage) {
                Ok(decided) => *verdict = decided,
                Err(denial) => {
                    *asked = named.asked(caller, facts);
                    return Err(denial.into());
                }
            }
            *stage = Stage::Fields;
        }
        if *stage == Stage::Fields {
            if body::is_read(view.method) && !*is_answered && hits.any(Rule::points) {
                let pointed = match pointed {
                    Some(pointed) => pointed,
                    None => {
                        require_body(&hits, view)?;
                        let said = said.get_or_insert_with(|| BodyFacts::read(&hits, view).into());
                        let claims = caller.claims.as_deref();
                        let mut named = OrgReferences::default();
                        named.read(&hits, view, claims, objects.each_ref(), said)?;
                        pointed.insert(fields::read(&hits, view, caller, facts, (&named, said))?)
                    }
                };
                fields::judge(pointed, &hits, caller, facts)?;
            }
            *stage = Stage::StrictSource;
        }
        if *stage == Stage::StrictSource {
            check_strict_sources(&hits, view)?;
            *stage = Stage::Throttle;
        }
        if *stage == Stage::Throttle {
            check_throttle(&hits, view, caller, verdict.access.as_ref(), *limit)?;
            *stage = Stage::Body;
        }
        if *stage == Stage::Body {
            let first = &hits.first;
            if view.body_length.is_some_and(|length| length > first.route.body_limit(first.rule)) {
                return Err(first.deny(Reason::BodyTooLarge).into());
            }
            *stage = Stage::Origin;
        }
        let upgrade = websocket::evaluate(&hits.first, view)?;
        let (awaits, listed) = match hits.any(Rule::judges_answer) && !*is_answered {
            true => {
                let target = matched.rewritten.as_ref().map_or(view.target.raw(), |rewritten| &rewritten.raw);
                judged_answer(&hits, view, caller, upgrade, target)?
            }
            false => (Awaited::Nothing, None),
        };
        // It begins with a GET, and who knows what it changes.
        let is_read_only = || caller.user.as_ref().and_then(|user| user.scope()).is_some_and(Scope::is_read_only);
        if upgrade != Upgrade::None && hits.first.rule.access != Access::Public && is_read_only() {
            return Err(hits.first.deny(Reason::ScopeExceeded).with_fault(READ_ONLY).into());
        }
        let is_last = awaits == Awaited::Nothing;
        *stage = if is_last { Stage::Permitted } else { Stage::Answer };
        // A public route knows nobody, whoever they are.
        let is_known = caller.user.is_some() && hits.first.rule.access != Access::Public;
        let caller = match (is_known, is_last) {
            (true, true) => std::mem::take(caller),
            (true, false) => caller.clone(),
            (false, _) => Caller::default(),
        };
        let narrowed = listed.as_ref().and_then(|listed| listed.target());
        let rewritten = narrowed.or(matched.rewritten.as_ref().map(|rewritten| &rewritten.raw)).cloned();
        let rule = matched.first.as_ref().map(|first| first.rule).ok_or_else(used_up)?;
        let [objects, _] = objects;
        let verdict = if is_last { std::mem::take(verdict) } else { verdict.clone() };
        let objects = if is_last { std::mem::take(objects) } else { objects.clone() };
        let passage = (upgrade, awaits, listed);
        let mut permit =
            Permit::new(policy.clone(), (rule, &hits.first), caller, (verdict, objects), rewritten, passage);
        if hits.are_shadow() {
            permit.note_shadow();
        }
        Ok(permit)
    }

    /// What becomes of a refusal in shadow mode: a permit for the request as it came, in nobody's name, which says what it would be
    /// refused for. [`Evaluation::step`] knows nothing of that, so that whoever only asks hears what the policy says.
    ///
    /// # Errors
    /// The refusal, where it is enforced: one of its rules is not in shadow mode, or the [reason](Reason::is_shadowed) is none that
    /// shadow mode is about. 413 `body_too_large`.
    #[cold]
    pub fn shadow(&mut self, view: &RequestView<'_>, denial: Denial) -> Result<Permit<P>, Denial> {
        let Self { policy, stage, matched, .. } = self;
        let is_open = denial.reason.is_shadowed() && (Stage::Credential..Stage::Answer).contains(stage);
        let Some(hits) = matched.hits(policy, view).filter(|hits| is_open && hits.are_shadow()) else {
            return Err(denial);
        };
        let Some(rule) = matched.first.as_ref().map(|first| first.rule) else { return Err(denial) };
        let first = &hits.first;
        if view.body_length.is_some_and(|length| length > first.route.body_limit(first.rule)) {
            return Err(first.deny(Reason::BodyTooLarge));
        }
        // It may be refused for more than one reason, of which the first is told.
        let upgrade = match websocket::evaluate(first, view) {
            Ok(upgrade) => upgrade,
            Err(next) if next.reason.is_shadowed() => view.upgrade,
            Err(next) => return Err(next),
        };
        *stage = Stage::Permitted;
        let rewritten = matched.rewritten.as_ref().map(|rewritten| Arc::clone(&rewritten.raw));
        Ok(Permit::in_spite(policy.clone(), rule, rewritten, upgrade, denial))
    }

    /// Says who sent the request: to [`Need::Credential`].
    pub fn identify(&mut self, caller: Caller) {
        self.caller = Some(caller);
    }

    /// Says that the caller came by a session's cookie, which pages of others can send too, and what pages of its own repeat.
    pub fn came_by_session(&mut self, csrf: CsrfToken) {
        self.csrf = Some(csrf);
    }

    /// Takes back who sent the request, since what was known of them has changed; it is asked for again.
    pub fn forget_caller(&mut self) {
        if (Stage::Credential..Stage::Permitted).contains(&self.stage) {
            (self.caller, self.csrf, self.references) = (None, None, None);
            self.stage = if self.stage == Stage::Answer { Stage::Answer } else { Stage::Credential };
        }
    }

    /// Says which organization it is, or that there is none: to [`Need::Organization`].
    pub fn learn(&mut self, key: OrgKey<'static>, organization: Option<Arc<Organization>>) {
        self.facts.learn(key, organization);
    }

    /// Says what was found of an object: to [`Need::Lookups`].
    pub fn learn_object(&mut self, key: LookupKey, answer: LookupAnswer) {
        self.facts.learn_object(key, answer);
    }

    /// Says that the object belongs to no organization, whatever the request names. For tools, as long as no source can tell.
    pub fn share(&mut self) {
        self.references = Some(OrgReferences::of_shared_object());
    }

    /// Says whether it is within the limit, where it was counted: to [`Need::Throttle`].
    pub fn count(&mut self, verdict: limit::Verdict) {
        self.limit = Some(verdict);
    }

    /// The stage that it has come to: the one that refused, or that needs something.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The route that the request came in by, and its rule.
    #[must_use]
    pub fn ruled(&self) -> Option<Ruled<'_>> {
        self.matched.first.as_ref().map(|first| self.policy.rule(first.rule))
    }

    /// The target after the rewrite, and what judges it too.
    #[must_use]
    pub fn rewritten(&self) -> Option<(&str, Option<Ruled<'_>>)> {
        let rewritten = self.matched.rewritten.as_ref()?;
        Some((&rewritten.raw, rewritten.found.as_ref().map(|found| self.policy.rule(found.rule))))
    }

    /// What must be known of the caller; `None` before that is known.
    #[must_use]
    pub fn credential(&self, view: &RequestView<'_>) -> Option<CredentialNeed> {
        self.hits(view).filter(|_| self.stage >= Stage::Credential).map(|hits| hits.credential())
    }

    /// The credentials that are taken; `None` before that is known.
    #[must_use]
    pub fn schemes(&self, view: &RequestView<'_>) -> Option<Schemes> {
        self.hits(view).map(|hits| hits.schemes())
    }

    /// The limit that the request counts towards, and what became of it there.
    #[must_use]
    pub fn throttle(&self) -> Option<(&Throttle, Option<limit::Verdict>)> {
        Some((self.ruled()?.1.throttle()?, self.limit))
    }

    /// The organization of the request, once its rules have let it pass and before there is a permit.
    #[must_use]
    pub fn organization(&self) -> Option<&Arc<Organization>> {
        self.verdict.access.as_ref().map(|access| &access.organization)
    }

    /// The organization that a refused request asked for: its id where it is known, or else what the request calls it.
    pub fn take_asked(&mut self) -> Option<Box<str>> {
        self.asked.take()
    }

    /// What was found of the objects of its rules.
    pub(super) const fn objects(&self) -> &[Objects; 2] {
        &self.objects
    }

    pub(super) fn hits<'p>(&'p self, view: &RequestView<'p>) -> Option<Hits<'p>> {
        self.matched.hits(&self.policy, view)
    }
}

/// Asks the rule of the route that the request came in by, and then that of the rewritten target.
fn decide(
    hits: &Hits<'_>,
    references: &OrgReferences<'_>,
    view: &RequestView<'_>,
    caller: &Caller,
    facts: &Facts,
    [objects, of_second]: [&Objects; 2],
    stage: &mut Stage,
) -> Result<Verdict, Denial> {
    let question = Question { hit: &hits.first, view, caller, references: &references.first, facts, objects };
    let mut verdict = question.evaluate(stage)?;
    if let Some(hit) = &hits.second {
        let references = references.second.as_deref().ok_or_else(|| hit.deny(Reason::OrgMissing))?;
        let question = Question { hit, view, caller, references, facts, objects: of_second };
        verdict.by_superuser |= question.evaluate(stage)?.by_superuser;
    }
    Ok(verdict)
}

/// What must be judged of the answer, and what of it the caller gets.
fn judged_answer(
    hits: &Hits<'_>,
    view: &RequestView<'_>,
    caller: &Caller,
    upgrade: Upgrade,
    target: &str,
) -> Result<(Awaited, Option<Box<Listed>>), Denial> {
    let (awaits, listed) = (Awaited::of(hits.rules()), Listed::of(hits, view, caller, target)?);
    let unreadable = |hint| Err(hits.first.deny(Reason::AnswerUnreadable).with_hint(hint));
    match (awaits != Awaited::Nothing, listed.is_some()) {
        (true, true) => unreadable("an answer that says whose it is, is no list of everybody's"),
        _ if upgrade != Upgrade::None => unreadable("a WebSocket has no answer to judge"),
        _ => Ok((awaits, listed)),
    }
}

/// Sees to it that the body, where it has to be read for that, does not name again what the organization was read from.
fn check_strict_sources(hits: &Hits<'_>, view: &RequestView<'_>) -> Result<(), Halt> {
    if !hits.any(Rule::is_strict_source) {
        return Ok(());
    }
    let names = hits.iter().flat_map(|hit| hit.rule.strict_sources());
    if names.clone().next().is_none() {
        return Ok(());
    }
    let Some(body) = require_body(hits, view)? else { return Ok(()) };
    let checked = strict_source::check(view.headers, body, names);
    Ok(checked.map_err(|denial| denial.at(hits.first.route.index))?)
}

/// The whole body, where there is one.
pub(super) fn require_body<'v>(hits: &Hits<'_>, view: &RequestView<'v>) -> Result<Option<&'v [u8]>, Halt> {
    let first = &hits.first;
    let most = first.rule.inspect_limit().min(first.route.body_limit(first.rule));
    match (view.body, view.body_length) {
        (_, Some(length)) if length > most => Err(first.deny(Reason::BodyTooLarge).into()),
        (Some(body), _) => Ok(Some(body)),
        (None, Some(0)) => Ok(None),
        (None, _) => Err(Halt::Need(Need::Body(most))),
    }
}

fn check_throttle(
    hits: &Hits<'_>,
    view: &RequestView<'_>,
    caller: &Caller,
    access: Option<&OrgAccess>,
    limit: Option<limit::Verdict>,
) -> Result<(), Halt> {
    let Some(throttle) = hits.first.rule.throttle() else { return Ok(()) };
    match limit {
        Some(limit::Verdict::Pass { .. }) => Ok(()),
        Some(limit::Verdict::Wait(_)) => Err(hits.first.deny(Reason::Throttled).into()),
        None => {
            let who = counted(hits.first.rule, throttle.by, view, caller, access);
            Err(Halt::Need(Need::Throttle(Key { limit: throttle.id, who }, throttle.quota)))
        }
    }
}

/// Who is counted when a request counts towards its rule's limit.
fn counted(rule: &Rule, by: CountedBy, view: &RequestView<'_>, caller: &Caller, access: Option<&OrgAccess>) -> Who {
    let address = || view.client.map_or(Who::Crowd, Who::address);
    let is_known = rule.access != Access::Public;
    let user = || caller.user.as_ref().filter(|_| is_known).map_or_else(address, |user| Who::User(user.user.id));
    match by {
        CountedBy::Address => address(),
        CountedBy::User => user(),
        CountedBy::Org => access.map_or_else(user, |access| Who::Organization(access.organization.id)),
    }
}
