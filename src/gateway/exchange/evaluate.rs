//! From a request that has arrived to one that is ready for the upstream: evaluated, counted against its limits, and written anew. What
//! must be known first is asked for, and fetched; then the evaluation goes on from where it was.

use super::super::active_policy::{PolicyHandle, Rules};
use super::super::evaluate::{
    self, CredentialFacts, Evaluation, Interrupt, Need, Paused, Permit, RequestInfo, link_login,
};
use super::super::handshake::head_of;
use super::super::prepare::{Prepared, prepare};
use super::super::request_body::RequestBody;
use super::super::response_headers;
use super::super::worker::Worker;
use super::Exchange;
use crate::decision::csrf::is_opened_here;
use crate::decision::{
    AnswerView, Awaited, Denial, FoundItems, Listed, LookupFailure, OrgKey, Reason, RequestView, Stage, Upgrade,
};
use crate::fact_cache::Lookup;
use crate::facts::{Organization, Snapshot};
use crate::fronts::Front;
use crate::identity::cookie::cookies;
use crate::identity::{CredentialQuery, Presented};
use crate::limit::{Verdict, Who};
use crate::policy::{self, Scheme, Schemes};
use crate::request_target::Target;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper::ext::Protocol;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

impl Exchange {
    /// Evaluates the request and, with the permit, makes it ready for the upstream.
    ///
    /// # Errors
    /// It is refused, or something must be fetched first.
    #[inline]
    pub fn prepare(&mut self) -> Result<Prepared, Interrupt> {
        let prepared = self.go_on();
        match self.link.front {
            None => prepared,
            Some(front) => prepared.map_err(|interrupt| self.for_front(front, interrupt)),
        }
    }

    fn go_on(&mut self) -> Result<Prepared, Interrupt> {
        let Self { worker, rules, link, request, paused, start, info, client, organization, .. } = self;
        let (worker, rules) = (Rc::clone(worker), Rc::clone(rules));
        // It is there until it is permitted.
        let Some(request) = request else { return Err(Denial::new(Reason::BadFraming).into()) };
        let before = paused.take();
        let is_new = before.is_none();
        let (target, host, mut evaluation, mut credential, now) = match before {
            None => {
                let (target, host) = evaluate::validate_request(link, request)?;
                let evaluation = Evaluation::new(PolicyHandle::new(&rules));
                (target, host, evaluation, CredentialFacts::default(), *start)
            }
            Some(before) => {
                let Paused { target, host, mut evaluation, credential, .. } = *before;
                if credential.have_changed(&worker) {
                    evaluation.forget_caller();
                }
                // What was fetched took time, in which a proof may have ended.
                (target, host, evaluation, credential, crate::clock::monotonic())
            }
        };
        let view = view(request, *client, &host, &target, link.front);
        if is_new {
            evaluate::own_answers(&worker, rules.policy(), &view, info)?;
        }
        let permit = loop {
            let outcome = evaluate::evaluate(&worker, &mut evaluation, &view, &mut credential, now, info);
            if matches!(outcome, Err(Interrupt::Denied(_))) && credential.is_one_too_many {
                let besides = info.besides.get_or_insert_default();
                let denial = response_headers::too_many(&worker, *client, *start, besides);
                break in_shadow(&mut evaluation, &view, denial, info)?;
            }
            let is_decided = evaluation.stage() > Stage::Condition;
            // Before the store is asked whose a link is, and where nothing but limits could keep it from going on.
            let is_next = matches!(outcome, Err(Interrupt::Needs(Need::Credential(_)) | Interrupt::BeginSession(_)));
            if (is_decided || is_next) && replaces_unasked(&worker, request.headers(), info) {
                return Err(Interrupt::AskFirst);
            }
            if is_decided {
                let organization_of = outcome.as_ref().map_or_else(|_| evaluation.organization(), Permit::organization);
                *organization = organization_of.cloned();
            }
            match outcome {
                Ok(permit) => break permit,
                Err(Interrupt::Needs(need)) => {
                    if let Need::Throttle(key, quota) = need
                        && let Some(verdict) = worker.shared.limits.try_spend(key, quota, *start)
                    {
                        count(&mut evaluation, verdict, info);
                        continue;
                    }
                    let target = target.into_owned();
                    *paused = Some(Box::new(Paused { target, host, evaluation, credential, asked: None }));
                    return Err(Interrupt::Needs(need));
                }
                Err(Interrupt::Denied(denial)) => break in_shadow(&mut evaluation, &view, denial, info)?,
                Err(interrupt) => return Err(interrupt),
            }
        };
        if let Some(user) = permit.user()
            && let Some(login) = link_login(&worker, info, request.headers(), target.raw(), user.user.id)
        {
            return Err(Interrupt::BeginSession(Box::new(login)));
        }
        if link.front.is_some() {
            self.permit = Some(permit);
            return Err(Interrupt::Permitted);
        }
        if let Some(list) = permit.listed().and_then(Listed::empty) {
            self.permit = Some(permit);
            return Err(Interrupt::Empty(list));
        }
        if permit.awaits() != Awaited::Nothing {
            let (target, asked) = (target.into_owned(), Some(head_of(request)));
            *paused = Some(Box::new(Paused { target, host, evaluation, credential, asked }));
        }
        Ok(self.with_permit(permit, &worker, &rules)?)
    }

    /// Makes the request ready for the upstream.
    ///
    /// # Errors
    /// It cannot be sent after all.
    #[inline]
    fn with_permit(&mut self, permit: Permit, worker: &Worker, rules: &Rc<Rules>) -> Result<Prepared, Denial> {
        // Hints tell of an answer that nobody has judged.
        self.takes_interim &= !permit.holds_answer();
        let Some(request) = self.request.take() else { return Err(Denial::new(Reason::BadFraming)) };
        let prepared = prepare(worker, rules, &permit, request, self);
        self.permit = Some(permit);
        prepared
    }

    /// Goes on where something could not be fetched for a rule in shadow mode.
    ///
    /// # Errors
    /// The refusal, which is enforced.
    pub fn go_on_without(&mut self, denial: Denial) -> Result<Prepared, Interrupt> {
        let (Some(paused), Some(request)) = (self.paused.take(), &self.request) else { return Err(denial.into()) };
        let Paused { target, host, mut evaluation, .. } = *paused;
        let view = view(request, self.client, &host, &target, self.link.front);
        let permit = in_shadow(&mut evaluation, &view, denial, &mut self.info)?;
        if let Some(front) = self.link.front {
            self.permit = Some(permit);
            return Err(self.for_front(front, Interrupt::Permitted));
        }
        let (worker, rules) = (Rc::clone(&self.worker), Rc::clone(&self.rules));
        Ok(self.with_permit(permit, &worker, &rules)?)
    }

    /// Whether the upstream's answer must be judged before any of it goes on.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::holds_answer)
    }

    /// Whether the upstream's answer goes on as it comes, and is judged beside.
    #[must_use]
    pub fn watches_answer(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::watches_answer)
    }

    /// Notes what the answer would be refused for, if it were not for shadow mode.
    #[cold]
    pub fn record(&mut self, denial: Denial) {
        if let Some(permit) = &mut self.permit {
            permit.record(denial);
        }
    }

    /// Notes that nobody can tell what would become of the answer, if it were not for shadow mode.
    #[cold]
    pub fn note_not_judged(&mut self) {
        if let Some(permit) = &mut self.permit {
            permit.note_not_judged();
        }
    }

    /// The same as [`Exchange::judge`] of an answer that goes on whatever is said of it.
    ///
    /// # Errors
    /// It would be refused, or something must be fetched first.
    pub fn judge_beside(&mut self, answer: AnswerView<'_>) -> Result<(), Interrupt> {
        let permit = self.permit.clone();
        let judged = self.judge(answer);
        if judged.is_err() {
            self.permit = permit;
        }
        judged
    }

    /// Says which organization it is that the answer names, or that there is none.
    pub fn learn_organization(&mut self, key: OrgKey<'static>, found: Option<Arc<Organization>>) {
        if let Some(paused) = &mut self.paused {
            paused.evaluation.learn(key, found);
        }
    }

    /// Whether the upstream's answer is a list, of which the caller gets their own.
    #[must_use]
    pub fn listed(&self) -> Option<&Listed> {
        self.permit.as_ref()?.listed()
    }

    /// The method of a request that was sent on and whose answer decides.
    #[must_use]
    pub fn asked_method(&self) -> Option<&Method> {
        Some(self.paused.as_ref()?.asked.as_ref()?.method())
    }

    /// Whether the body of an answer decides; `false`: it goes on as it comes.
    ///
    /// # Errors
    /// Nothing of it may go on.
    pub fn is_decided_by_body(&self, status: StatusCode, headers: &HeaderMap) -> Result<bool, Denial> {
        self.permit.as_ref().map_or(Ok(false), |permit| permit.awaits().is_decided_by_body(status, headers))
    }

    /// Bytes of an answer, at most, that is held until it was judged.
    #[must_use]
    pub fn inspect_limit(&self) -> u64 {
        self.permit.as_ref().map_or(0, |permit| permit.rule().inspect_limit())
    }

    /// Goes on with the evaluation of a request that was sent on, with its answer.
    ///
    /// # Errors
    /// It is refused, or something must be fetched first.
    pub fn judge(&mut self, answer: AnswerView<'_>) -> Result<(), Interrupt> {
        let Self { worker, paused, info, client, organization, permit, .. } = self;
        // What let it be sent lets nothing go on.
        *permit = None;
        let refused = || Denial::new(Reason::Denied);
        let Paused { target, host, mut evaluation, mut credential, asked } = *paused.take().ok_or_else(refused)?;
        let Some(head) = &asked else { return Err(refused().into()) };
        if credential.have_changed(worker) {
            evaluation.forget_caller();
        }
        let view = RequestView {
            client: Some(*client),
            answer: Some(answer),
            ..RequestView::new(head.method(), &host, &target, head.headers())
        };
        let now = crate::clock::monotonic();
        match evaluate::evaluate(worker, &mut evaluation, &view, &mut credential, now, info) {
            Ok(permitted) => {
                *organization = permitted.organization().cloned();
                *permit = Some(permitted);
                Ok(())
            }
            Err(Interrupt::Needs(need)) => {
                *paused = Some(Box::new(Paused { target, host, evaluation, credential, asked }));
                Err(Interrupt::Needs(need))
            }
            Err(interrupt) => {
                *organization = None;
                Err(interrupt)
            }
        }
    }

    /// Fetches what the evaluation asked for.
    ///
    /// # Errors
    /// It is refused without that.
    pub async fn fetch(&mut self, need: Need) -> Result<(), Denial> {
        let worker = Rc::clone(&self.worker);
        match need {
            Need::Body(limit) => {
                if let Some(request) = &mut self.request {
                    request.body_mut().hold(limit).await?;
                }
            }
            Need::Throttle(key, quota) => {
                let verdict = worker.shared.limits.spend(key, quota, crate::clock::monotonic()).await;
                if let Some(paused) = &mut self.paused {
                    count(&mut paused.evaluation, verdict, &mut self.info);
                }
            }
            Need::Organization(key) => {
                worker.shard.cache_misses.inc();
                let found = worker.shared.fact_cache.organization(&key, crate::clock::monotonic()).await;
                let found = found.map_err(|_| Denial::new(Reason::StoreUnavailable))?;
                if let Some(paused) = &mut self.paused {
                    paused.evaluation.learn(key, found);
                }
            }
            Need::Lookups(keys) => {
                let found = worker.shared.lookups.find_all(keys).await;
                if let Some(paused) = &mut self.paused {
                    found.into_iter().for_each(|(key, answer)| paused.evaluation.learn_object(key, answer));
                }
            }
            Need::Credential(query) => {
                let (found, is_one_too_many) = self.find_out(&worker, &query).await;
                if let Some(paused) = &mut self.paused {
                    paused.credential.is_one_too_many = is_one_too_many;
                    paused.credential.fetched = Some(Box::new(found));
                }
            }
        }
        Ok(())
    }

    /// Who sent a request that no route stands for, by a credential of these schemes.
    ///
    /// # Errors
    /// Nobody did, or the credential is not good.
    pub async fn authenticate(&mut self, schemes: &Schemes) -> Result<Arc<Snapshot>, Denial> {
        let worker = Rc::clone(&self.worker);
        let mut credential = CredentialFacts::default();
        let mut now = self.start;
        self.info.schemes = schemes.clone();
        loop {
            let Some(request) = &self.request else { return Err(Denial::new(Reason::BadFraming)) };
            let presented = Presented { method: request.method(), headers: request.headers(), query: None };
            match evaluate::authenticate(&worker, presented, schemes, &mut credential, now) {
                Ok((caller, _)) => {
                    self.info.user.clone_from(&caller.user);
                    return caller.user.ok_or_else(|| Denial::new(Reason::CredentialsMissing));
                }
                Err(Interrupt::Needs(Need::Credential(query))) => {
                    let (found, is_one_too_many) = self.find_out(&worker, &query).await;
                    (credential.is_one_too_many, credential.fetched) = (is_one_too_many, Some(Box::new(found)));
                    // What was fetched took time, in which a proof may have ended.
                    now = crate::clock::monotonic();
                }
                Err(Interrupt::Denied(_)) if credential.is_one_too_many => {
                    let besides = self.info.besides.get_or_insert_default();
                    return Err(response_headers::too_many(&worker, self.client, self.start, besides));
                }
                Err(Interrupt::Denied(denial)) => return Err(denial),
                Err(_) => return Err(Denial::new(Reason::Denied)),
            }
        }
    }

    /// Asks the store whose the credential is; by the narrow way alone, where too much of its address was nobody's. Then it may be one
    /// too many.
    async fn find_out(&self, worker: &Worker, query: &CredentialQuery) -> ((Lookup, Instant), bool) {
        worker.shard.cache_misses.inc();
        let is_strained = query.asks_for_strangers() && response_headers::is_strained(worker, self.client, self.start);
        let turn = match is_strained {
            true => worker.shared.unauthenticated_quota.turn(Who::address(self.client)).await,
            false => None,
        };
        let found = if is_strained && turn.is_none() {
            // Too many wait for that.
            (Lookup::Unknown, crate::clock::monotonic())
        } else {
            let found = evaluate::find_out(&worker.shared, query).await;
            if query.is_foreign() && matches!(found.0, Lookup::Unknown | Lookup::Refused(_)) {
                response_headers::was_unknown(worker, self.client, self.start);
            }
            found
        };
        let is_one_too_many = is_strained && matches!(found.0, Lookup::Unknown);
        (found, is_one_too_many)
    }
}

/// What a decision sees of a request that has not been sent on.
fn view<'a>(
    request: &'a Request<RequestBody>,
    client: IpAddr,
    host: &'a str,
    target: &'a Target<'a>,
    front: Option<Front>,
) -> RequestView<'a> {
    RequestView {
        client: Some(client),
        upgrade: upgrade(request, front),
        // What a front asks with has no body, whatever the request has that it asks about; unless it shows that.
        body_length: request.body().length().filter(|_| front.is_none() || request.body().held().is_some()),
        body: request.body().held().map(|body| &**body),
        ..RequestView::new(request.method(), host, target, request.headers())
    }
}

/// What becomes of a refusal where it is only recorded. Who passes is told of no limit that they are over.
///
/// # Errors
/// It is enforced.
#[cold]
fn in_shadow(
    evaluation: &mut Evaluation,
    view: &RequestView<'_>,
    denial: Denial,
    info: &mut RequestInfo,
) -> Result<Permit, Denial> {
    let is_over = denial.reason == Reason::Throttled;
    let permit = evaluation.shadow(view, denial)?;
    if let Some(besides) = info.besides.as_mut().filter(|_| is_over) {
        besides.without_limits();
    }
    Ok(permit)
}

/// Tells an evaluation what became of its request at its rule's limit, and the client too.
fn count(evaluation: &mut Evaluation, verdict: Verdict, info: &mut RequestInfo) {
    if let Some((throttle, _)) = evaluation.throttle() {
        response_headers::throttle(throttle, verdict, info.besides.get_or_insert_default());
    }
    evaluation.count(verdict);
}

/// In which form a request may ask to become a WebSocket.
fn upgrade<B>(request: &Request<B>, front: Option<Front>) -> Upgrade {
    match request.version() {
        _ if front.is_some() => Upgrade::Connection,
        _ if request.extensions().get::<Protocol>().is_some() => Upgrade::Stream,
        Version::HTTP_11 => Upgrade::Connection,
        _ => Upgrade::None,
    }
}

/// Whether a link would put a session in the place of the browser's, and no page of ours and nobody's hand has opened it: another site
/// could log its visitors in as somebody else.
fn replaces_unasked(worker: &Worker, headers: &HeaderMap, info: &RequestInfo) -> bool {
    let places = &worker.shared.identity.places;
    let begins = info.by_parameter && places.exchange && info.schemes.has(Scheme::Session);
    // A strict cookie does not come along with what another site opens.
    let has_session = || {
        let is_strict = worker.shared.identity.sessions().is_some_and(|sessions| sessions.strict);
        let names = [places.cookie.as_deref(), places.django.as_deref()];
        is_strict || names.into_iter().flatten().any(|name| cookies(headers, name).next().is_some())
    };
    begins && !is_opened_here(headers) && has_session()
}

/// What a lookup finds of the objects that a page of a list names.
///
/// # Errors
/// 503 `lookup_failed`.
pub(in crate::gateway) async fn find_page(
    worker: &Worker,
    lookup: &Arc<policy::Lookup>,
    args: Vec<Box<str>>,
) -> Result<Arc<FoundItems>, Denial> {
    let found = worker.shared.lookups.find_page(lookup, args).await;
    found.map_err(|LookupFailure(hint)| Denial::new(Reason::LookupFailed).with_hint(hint))
}
