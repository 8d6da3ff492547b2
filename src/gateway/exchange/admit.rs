//! From a request that has arrived to one that is ready for the upstream: judged, counted against its limits, and written anew. What
//! must be known first is asked for, and fetched.

use super::super::besides;
use super::super::judge::{Entry, Need, Stop, judge};
use super::super::prepare::{Prepared, prepare, without_parameter};
use super::Exchange;
use crate::decision::{Denial, Reason};
use crate::identity::cookie::cookies;
use crate::policy::Scheme;
use std::rc::Rc;

impl Exchange {
    /// Judges the request and, with the permit, makes it ready for the upstream.
    ///
    /// # Errors
    /// It is refused, or something must be fetched first.
    pub fn prepare(&mut self) -> Result<Prepared, Stop> {
        let Self { worker, rules, link, request, fetched, start, noted, client, organization, .. } = self;
        let (worker, rules) = (Rc::clone(worker), Rc::clone(rules));
        // It is there until it is permitted.
        let Some(request) = request else { return Err(Denial::new(Reason::BadFraming).into()) };
        // What was fetched took time, in which a proof may have ended.
        let now = if fetched.is_empty() { *start } else { crate::clock::monotonic() };
        let permit = match judge(&worker, &rules, link, request, fetched, now, noted) {
            Ok(permit) => permit,
            Err(Stop::Needs(Need::Credential(wanted))) if wanted.is_foreign() => {
                besides::may_ask(&worker, *client, *start, noted.besides.get_or_insert_default())?;
                return Err(Stop::Needs(Need::Credential(wanted)));
            }
            Err(stop) => return Err(stop),
        };
        *organization = permit.organization().cloned();
        if let Some(throttle) = permit.rule().further.as_ref().and_then(|further| further.throttle.as_ref()) {
            let key = besides::counted(&permit, throttle, *client);
            let verdict = fetched.limited(key).or_else(|| worker.shared.limits.try_spend(key, throttle.quota, *start));
            let Some(verdict) = verdict else {
                return Err(Stop::Needs(Need::Limit(Box::new((key, throttle.quota)))));
            };
            besides::throttle(&permit, throttle, verdict, noted.besides.get_or_insert_default())?;
        }
        let places = &worker.shared.identity.places;
        if noted.by_parameter
            && places.exchange
            && noted.schemes.has(Scheme::Session)
            && let Some(user) = permit.snapshot()
            && let Some(name) = &places.parameter
            && let Some(target) =
                request.uri().path_and_query().and_then(|target| without_parameter(target.as_str(), name))
        {
            let old = places.cookie.as_deref().and_then(|name| cookies(request.headers(), name).flatten().last());
            let entry = Entry { user: user.user.id, target, old: old.map(str::to_owned) };
            return Err(Stop::BeginSession(Box::new(entry)));
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
        if !matches!(need, Need::Limit(_)) {
            worker.shard.cache_misses.inc();
        }
        let was_known = self.fetched.fetch(&worker.shared, need, crate::clock::monotonic()).await;
        if !was_known {
            besides::was_unknown(&worker, self.client, self.start);
        }
    }
}
