//! From a request that has arrived to one that is ready for the upstream: judged, counted against its limits, and written anew. What
//! must be known first is asked for, and fetched.

use super::super::judge::{Interrupt, LinkLogin, Need, RequestInfo, judge};
use super::super::prepare::{Prepared, prepare, without_parameter};
use super::super::response_headers;
use super::super::worker::Worker;
use super::Exchange;
use crate::decision::{Denial, Reason, strict_source};
use crate::identity::cookie::cookies;
use crate::identity::session;
use crate::limit::Who;
use crate::policy::{BodyLimit, Scheme};
use http::HeaderMap;
use http_body::Body;
use std::rc::Rc;

impl Exchange {
    /// Judges the request and, with the permit, makes it ready for the upstream.
    ///
    /// # Errors
    /// It is refused, or something must be fetched first.
    pub fn prepare(&mut self) -> Result<Prepared, Interrupt> {
        let Self { worker, rules, link, request, fetched, start, info, client, organization, .. } = self;
        let (worker, rules) = (Rc::clone(worker), Rc::clone(rules));
        // It is there until it is permitted.
        let Some(request) = request else { return Err(Denial::new(Reason::BadFraming).into()) };
        // What was fetched took time, in which a proof may have ended.
        let now = if fetched.is_empty() { *start } else { crate::clock::monotonic() };
        let verdict = judge(&worker, &rules, (link, *client), request, fetched, now, info);
        if matches!(verdict, Ok(_) | Err(Interrupt::Needs(Need::Credential(_))))
            && replaces_unasked(&worker, request.headers(), info)
        {
            return Err(Interrupt::AskFirst);
        }
        let permit = match verdict {
            Ok(permit) => permit,
            Err(Interrupt::Needs(Need::Credential(wanted))) => {
                fetched.is_strained =
                    wanted.asks_for_strangers() && response_headers::is_strained(&worker, *client, *start);
                return Err(Interrupt::Needs(Need::Credential(wanted)));
            }
            Err(Interrupt::Denied(_)) if fetched.is_one_too_many() => {
                let besides = info.besides.get_or_insert_default();
                return Err(response_headers::too_many(&worker, *client, *start, besides).into());
            }
            Err(stop) => return Err(stop),
        };
        *organization = permit.organization().cloned();
        if permit.strict_sources().next().is_some() {
            if let Some(denial) = fetched.no_body() {
                return Err(denial.clone().into());
            }
            match request.body().held() {
                Some(body) => strict_source::check(request.headers(), body, permit.strict_sources())
                    .map_err(|denial| denial.at(permit.route().index))?,
                None if request.body().is_end_stream() => {}
                None => {
                    let own = permit.rule().options.as_ref().and_then(|options| options.body_limit);
                    let limit = own.map_or(worker.shared.body_limit, |BodyLimit(own)| own);
                    let limit = strict_source::MOST_HELD.min(limit);
                    return Err(Interrupt::Needs(Need::Body(limit)));
                }
            }
        }
        if let Some(throttle) = permit.rule().options.as_ref().and_then(|options| options.throttle.as_ref()) {
            let key = response_headers::counted(&permit, throttle, *client);
            let verdict = fetched.limited(key).or_else(|| worker.shared.limits.try_spend(key, throttle.quota, *start));
            let Some(verdict) = verdict else {
                return Err(Interrupt::Needs(Need::Limit(Box::new((key, throttle.quota)))));
            };
            response_headers::throttle(&permit, throttle, verdict, info.besides.get_or_insert_default())?;
        }
        let places = &worker.shared.identity.places;
        if info.by_parameter
            && places.exchange
            && info.schemes.has(Scheme::Session)
            && let Some(user) = permit.snapshot()
            && let Some(name) = &places.parameter
            && let Some(target) =
                request.uri().path_and_query().and_then(|target| without_parameter(target.as_str(), name))
        {
            let old = places.cookie.as_deref().and_then(|name| cookies(request.headers(), name).flatten().last());
            let entry = LinkLogin { user: user.user.id, target, old: old.map(str::to_owned) };
            return Err(Interrupt::BeginSession(Box::new(entry)));
        }
        let Some(request) = self.request.take() else { return Err(Denial::new(Reason::BadFraming).into()) };
        let prepared = prepare(&worker, &rules, &permit, request, self);
        self.level = permit.level();
        self.superuser_pass = permit.by_superuser();
        Ok(prepared?)
    }

    /// Fetches what the judging asked for.
    pub async fn fetch(&mut self, need: Need) {
        let worker = Rc::clone(&self.worker);
        if let Need::Body(limit) = need {
            if let Some(request) = &mut self.request
                && let Err(denial) = request.body_mut().hold(limit).await
            {
                self.fetched.without_body(denial);
            }
            return;
        }
        if !matches!(need, Need::Limit(_)) {
            worker.shard.cache_misses.inc();
        }
        let is_asked_for = matches!(&need, Need::Credential(wanted) if wanted.asks_for_strangers());
        let _turn = if is_asked_for && self.fetched.is_strained {
            let turn = worker.shared.unauthenticated_quota.turn(Who::address(self.client)).await;
            if turn.is_none() {
                return self.fetched.give_up();
            }
            turn
        } else {
            None
        };
        let was_known = self.fetched.fetch(&worker.shared, need, crate::clock::monotonic()).await;
        if !was_known {
            response_headers::was_unknown(&worker, self.client, self.start);
        }
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
        is_strict || places.cookie.as_deref().is_some_and(|name| cookies(headers, name).next().is_some())
    };
    begins && !session::is_opened_here(headers) && has_session()
}
