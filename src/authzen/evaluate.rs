//! The answer to one question: the policy's, or what the facts say of an organization, a permission or a role.

use super::Authzen;
use super::question::{Fault, Question};
use super::template::{Template, encoded};
use crate::decision::{
    Awaited, Caller, Denial, Evaluation, Halt, Need, OrgKey, Reason, RequestView, Standing, standing,
};
use crate::directory::{HeldRole, StoreError, UserKey};
use crate::fact_cache::Lookup;
use crate::facts::{Level, Organization, Snapshot};
use crate::id::{OrgId, RoleId};
use crate::limit::Verdict;
use crate::policy::{Kind, Policy, is_slug};
use crate::request_target::Target;
use crate::request_target::host::canonical_host;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Permit,
    /// With the reason.
    Deny(Reason),
    /// It cannot be read as what its type says.
    Fault(Fault),
}

/// Nobody can say: the store is away.
#[derive(Debug)]
pub struct Unavailable;

/// The two types of subjects that are users: that of most who ask, and that of API gateways.
pub const USERS: [&str; 2] = ["user", "identity"];
/// Somebody who sends no credential.
const ANONYMOUS: &str = "anonymous";
/// What is done with a permission or a role.
pub const HAVE: &str = "have";
/// What somebody can be in an organization.
pub const LEVELS: [(&str, Level); 3] =
    [("manager", Level::Manager), ("member", Level::Member), ("owner", Level::Owner)];

/// A policy in force, which an answer may outlive a borrow of.
pub trait Handle: Deref<Target = Policy> + Clone + Send + Sync {}

impl<P: Deref<Target = Policy> + Clone + Send + Sync> Handle for P {}

/// Answers the questions of one call by one policy, and knows each subject once.
pub struct Evaluator<'a, P> {
    authzen: &'a Authzen,
    policy: P,
    subjects: HashMap<String, Option<Arc<Snapshot>>>,
}

/// Whom a question is about.
enum Subject {
    Anonymous,
    User(Arc<Snapshot>),
    Nobody,
}

impl<'a, P: Handle> Evaluator<'a, P> {
    pub fn new(authzen: &'a Authzen, policy: P) -> Self {
        Self { authzen, policy, subjects: HashMap::new() }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the subject may do it.
    ///
    /// # Errors
    /// The store is needed, and away.
    pub async fn decide(&mut self, question: &Question<'_>) -> Result<Decision, Unavailable> {
        let caller = match self.subject(question).await? {
            Subject::Nobody => return Ok(Decision::Deny(Reason::CredentialsInvalid)),
            Subject::Anonymous => None,
            Subject::User(user) => Some(user),
        };
        self.decide_of(question, caller.as_ref()).await
    }

    /// The same of somebody who is known already.
    ///
    /// # Errors
    /// The store is needed, and away.
    pub async fn decide_of(
        &self,
        question: &Question<'_>,
        user: Option<&Arc<Snapshot>>,
    ) -> Result<Decision, Unavailable> {
        let Question { action, resource, .. } = question;
        match resource.kind {
            "route" => {
                let Ok(method) = Method::from_bytes(action.name.as_bytes()) else {
                    return Ok(Decision::Fault("`action.name` of a route is no method"));
                };
                match route_target(question) {
                    Ok(target) => self.request(question, &method, host(question), &target, user).await,
                    Err(fault) => Ok(Decision::Fault(fault)),
                }
            }
            "organization" => match (level(action.name), user) {
                (_, None) => Ok(Decision::Deny(Reason::CredentialsMissing)),
                (Some(level), Some(user)) => self.standing(user, resource.id, Standing::Level(level)).await,
                (None, Some(user)) if action.name.contains('.') => {
                    self.standing(user, resource.id, Standing::Permission(action.name)).await
                }
                _ => Ok(Decision::Deny(Reason::NoRoute)),
            },
            "permission" if action.name == HAVE => match (user, question.property("organization")) {
                (None, _) => Ok(Decision::Deny(Reason::CredentialsMissing)),
                (_, Err(fault)) => Ok(Decision::Fault(fault)),
                (Some(user), Ok(Some(organization))) => {
                    self.standing(user, &organization, Standing::Permission(resource.id)).await
                }
                (Some(user), Ok(None)) => Ok(match user.has_permission(resource.id, None) {
                    true => Decision::Permit,
                    false if user.user.is_active => Decision::Deny(Reason::PermissionMissing),
                    false => Decision::Deny(Reason::UserInactive),
                }),
            },
            "role" if action.name == HAVE => match (user, question.property("organization")) {
                (None, _) => Ok(Decision::Deny(Reason::CredentialsMissing)),
                (_, Err(fault)) => Ok(Decision::Fault(fault)),
                (Some(user), Ok(organization)) => self.role(user, resource.id, organization.as_deref()).await,
            },
            kind => match self.authzen.settings.template(kind, action.name) {
                None => Ok(Decision::Deny(Reason::NoRoute)),
                Some(template) => self.template(question, template, user).await,
            },
        }
    }

    async fn template(
        &self,
        question: &Question<'_>,
        template: &Template,
        user: Option<&Arc<Snapshot>>,
    ) -> Result<Decision, Unavailable> {
        match template.fill(question) {
            Ok(target) => {
                let host = template.host.as_deref().map(Cow::Borrowed);
                self.request(question, &template.method, Ok(host), &target, user).await
            }
            Err(fault) => Ok(Decision::Fault(fault)),
        }
    }

    /// Asks the policy about a request that the subject would send.
    async fn request(
        &self,
        question: &Question<'_>,
        method: &Method,
        host: Result<Option<Cow<'_, str>>, Fault>,
        target: &str,
        user: Option<&Arc<Snapshot>>,
    ) -> Result<Decision, Unavailable> {
        let (host, headers, client) = match (host, headers(question), client(question)) {
            (Ok(host), Ok(headers), Ok(client)) => (host, headers, client),
            (Err(fault), _, _) | (_, Err(fault), _) | (_, _, Err(fault)) => return Ok(Decision::Fault(fault)),
        };
        // A lenient upstream could take `get` for GET: the gateway refuses it, and so is it here.
        if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
            return Ok(Decision::Deny(Reason::BadFraming));
        }
        let Ok(target) = Target::read(target) else { return Ok(Decision::Deny(Reason::BadTarget)) };
        let host = match &host {
            Some(host) => match canonical_host(host) {
                Ok(host) => host,
                Err(_) => return Ok(Decision::Deny(Reason::BadTarget)),
            },
            None => Cow::Owned(self.policy.usual_host(target.decoded())),
        };
        let view = RequestView { client, ..RequestView::new(method, &host, &target, &headers) };
        let mut evaluation = Evaluation::new(self.policy.clone());
        loop {
            match evaluation.step(&view) {
                // A question is no request: the service that would answer is not asked.
                Ok(permit) if permit.awaits() != Awaited::Nothing => {
                    return Ok(Decision::Deny(Reason::AnswerUnreadable));
                }
                Ok(_) => return Ok(Decision::Permit),
                Err(Halt::Denied(Denial { reason: Reason::StoreUnavailable, .. })) => return Err(Unavailable),
                Err(Halt::Denied(denial)) => return Ok(Decision::Deny(denial.reason)),
                Err(Halt::Need(Need::Credential(_))) => {
                    evaluation.identify(Caller::of(user));
                }
                Err(Halt::Need(Need::Organization(key))) => {
                    let found = self.organization(&key).await?;
                    evaluation.learn(key, found);
                }
                Err(Halt::Need(Need::Lookups(keys))) => {
                    let found = self.authzen.lookups.find_all(keys).await;
                    found.into_iter().for_each(|(key, answer)| evaluation.learn_object(key, answer));
                }
                // A question is no request: it counts towards no limit, and has no body.
                Err(Halt::Need(Need::Throttle(..))) => {
                    evaluation.count(Verdict::Pass { remaining: 0, reset: Duration::ZERO });
                }
                Err(Halt::Need(Need::Body(_))) => return Ok(Decision::Deny(Reason::BodyInvalid)),
            }
        }
    }

    async fn standing(
        &self,
        user: &Arc<Snapshot>,
        organization: &str,
        asked: Standing<'_>,
    ) -> Result<Decision, Unavailable> {
        let key = match org_key(organization) {
            Some(key) => key,
            None => return Ok(Decision::Deny(Reason::OrgForeign)),
        };
        let decided = match standing(user, &key, asked, None) {
            Err(None) => {
                let found = self.organization(&key).await?;
                standing(user, &key, asked, Some(found.as_deref()))
            }
            decided => decided,
        };
        match decided {
            Ok(()) => Ok(Decision::Permit),
            Err(Some(reason)) => Ok(Decision::Deny(reason)),
            Err(None) => Err(Unavailable),
        }
    }

    /// Whether somebody holds a role: one of that name in an organization of theirs, or where none is named, one of that id.
    async fn role(&self, user: &Snapshot, role: &str, organization: Option<&str>) -> Result<Decision, Unavailable> {
        if !user.user.is_active {
            return Ok(Decision::Deny(Reason::UserInactive));
        }
        let mut named = None;
        if let Some(text) = organization {
            let Some(key) = org_key(text) else { return Ok(Decision::Deny(Reason::OrgForeign)) };
            let own = user.memberships().iter().map(|membership| &membership.organization);
            let Some(found) = own.into_iter().find(|own| key.names(own)) else {
                return Ok(Decision::Deny(Reason::OrgForeign));
            };
            named = Some(found.id);
        } else if RoleId::parse(role).is_err() {
            return Ok(Decision::Fault(
                "`properties.organization` is missing: a role's name is one of an organization",
            ));
        }
        let most = u32::try_from(user.memberships().len()).unwrap_or(u32::MAX).saturating_add(1);
        let held = self.authzen.store.roles_held(user.user.id, Some(role), RoleId::default(), most).await?;
        let holds = |held: &HeldRole| match named {
            Some(organization) => held.organization == organization,
            None => held.id.to_string() == role.to_ascii_lowercase(),
        };
        let denied = Decision::Deny(Reason::PermissionMissing);
        Ok(if held.iter().any(holds) { Decision::Permit } else { denied })
    }

    async fn organization(&self, key: &OrgKey<'_>) -> Result<Option<Arc<Organization>>, Unavailable> {
        let found = self.authzen.fact_cache.organization(key, crate::clock::monotonic()).await;
        found.map_err(|_: StoreError| Unavailable)
    }

    async fn subject(&mut self, question: &Question<'_>) -> Result<Subject, Unavailable> {
        let subject = question.subject;
        if subject.kind == ANONYMOUS {
            return Ok(Subject::Anonymous);
        }
        if !USERS.contains(&subject.kind) {
            return Ok(Subject::Nobody);
        }
        let known = match self.subjects.get(subject.id) {
            Some(known) => known.clone(),
            None => {
                let known = match self.authzen.settings.subject.key(subject.id) {
                    Some(key) => self.user(&key).await?,
                    None => None,
                };
                self.subjects.insert(subject.id.to_owned(), known.clone());
                known
            }
        };
        Ok(known.map_or(Subject::Nobody, Subject::User))
    }

    /// Whom the asker means; `None` where it is nobody.
    ///
    /// # Errors
    /// The store is away.
    pub async fn user(&self, key: &UserKey) -> Result<Option<Arc<Snapshot>>, Unavailable> {
        match self.authzen.identity.user(key).await {
            Lookup::Known(known) => Ok(Some(Arc::clone(&known.snapshot))),
            Lookup::Unknown | Lookup::Refused(_) => Ok(None),
            Lookup::Unavailable => Err(Unavailable),
        }
    }
}

pub fn level(name: &str) -> Option<Level> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

/// A UUID with its dashes is an id, and everything else a slug.
fn org_key(text: &str) -> Option<OrgKey<'_>> {
    if Kind::Uuid.matches(text) {
        return OrgId::parse(text).ok().map(OrgKey::Id);
    }
    (text.len() <= 255 && is_slug(text)).then_some(OrgKey::Slug(Cow::Borrowed(text)))
}

/// The host that the question names, as gateways call it too.
fn host<'q>(question: &Question<'q>) -> Result<Option<Cow<'q, str>>, Fault> {
    Ok(question.property("host")?.or(question.property("hostname")?))
}

/// The target of a route: its id as it stands, or, where that is a pattern as API gateways have them (`/todos/{todoId}`), with the
/// variables that `properties.params` has. What is in none of them is something that nobody has: it names no organization.
fn route_target<'q>(question: &Question<'q>) -> Result<Cow<'q, str>, Fault> {
    let id = question.resource.id;
    if !id.contains('{') {
        return Ok(Cow::Borrowed(id));
    }
    let params = question.resource.properties.and_then(|properties| properties.get("params"));
    let mut target = String::new();
    let mut rest = id;
    while let Some((before, behind)) = rest.split_once('{') {
        let (variable, behind) = behind.split_once('}').ok_or("a `{` of the route has no `}`")?;
        let (name, kind) = variable.split_once(':').unwrap_or((variable, ""));
        target.push_str(before);
        match params.and_then(|params| params.map()?.get(name)) {
            Some(value) => {
                let value = value.scalar().ok_or("a variable of the route is a list or an object")?;
                target.extend(encoded(&value));
            }
            None => target.push_str(&somebody_elses(name, kind)),
        }
        rest = behind;
    }
    target.push_str(rest);
    Ok(Cow::Owned(target))
}

/// A value of a type that is no organization's: the text of the pattern itself, the greatest UUID, a slug that is too long to be one.
fn somebody_elses(name: &str, kind: &str) -> String {
    match kind {
        "uuid" => "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned(),
        "int" => "0".to_owned(),
        "slug" => "x".repeat(256),
        _ => encoded(&format!("{{{name}}}")).to_string(),
    }
}

/// `context.headers`: what the request has besides. Never who sends it, which the subject says.
fn headers(question: &Question<'_>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    let Some(said) = question.context.and_then(|context| context.get("headers")) else { return Ok(headers) };
    let said = said.map().ok_or("`context.headers` is not an object")?;
    for (name, value) in said.iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a name in `context.headers` is no header's")?;
        let value = value.text().and_then(|text| HeaderValue::from_str(text).ok());
        headers.append(name, value.ok_or("a value in `context.headers` is no header's")?);
    }
    Ok(headers)
}

/// `context.ip`: where the request comes from.
fn client(question: &Question<'_>) -> Result<Option<IpAddr>, Fault> {
    let Some(address) = question.context.and_then(|context| context.get("ip")) else { return Ok(None) };
    let parsed = address.text().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or("`context.ip` is no address")
}
