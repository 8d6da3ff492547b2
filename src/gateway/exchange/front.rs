//! What a front is answered that asks about a request and forwards it itself.

use super::super::evaluate::{Interrupt, Need};
use super::super::headers::{is_forwarding_header, is_like_authorization};
use super::Exchange;
use crate::decision::{Awaited, Denial, Reason, RequestContext, Upgrade};
use crate::fronts::{BLANKED, Front, ITS_OWN, Removal};
use crate::identity::cookie::remove_ours;
use crate::request_target::hop::is_hop_by_hop;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::uri::PathAndQuery;

/// What a front does to the request that it forwards.
#[derive(Clone, Debug)]
pub struct Told {
    /// The headers that it puts in the place of the client's.
    pub headers: HeaderMap,
    /// Those of the client's that it takes away.
    pub removed: Vec<HeaderName>,
}

/// So many headers are told without a second allocation; nearly always it is enough.
const FEW: usize = 12;
const BLANK: HeaderValue = HeaderValue::from_static("");

impl Exchange {
    /// What becomes of a request that the front forwards, or not: it sends no body, changes no target and shows no answer.
    #[cold]
    pub(super) fn for_front(&mut self, front: Front, interrupt: Interrupt) -> Interrupt {
        let denied = |reason, hint| Denial::new(reason).with_hint(hint).into();
        match interrupt {
            Interrupt::Needs(Need::Body(_)) => {
                denied(Reason::BodyUnseen, "the body decides, and the front sends none: let postern forward the route")
            }
            Interrupt::Preflight if !self.link.is_for_client.get() && !front.is_refused_by(StatusCode::NO_CONTENT) => {
                denied(Reason::ProxyOnly, "the front would let a preflight pass that postern has answered")
            }
            Interrupt::Identity | Interrupt::Authzen | Interrupt::AdminUi => {
                denied(Reason::NoRoute, "postern answers this at its own port: let the front forward it there")
            }
            Interrupt::Permitted => match self.only_for_the_proxy() {
                Some(hint) => {
                    self.permit = None;
                    denied(Reason::ProxyOnly, hint)
                }
                None => Interrupt::Permitted,
            },
            other => other,
        }
    }

    /// What a permit asks for that no front does.
    fn only_for_the_proxy(&self) -> Option<&'static str> {
        let permit = self.permit.as_ref()?;
        let headers = self.request.as_ref().map(http::Request::headers);
        if headers.is_some_and(|headers| headers.contains_key(UPGRADE)) && permit.upgrade() == Upgrade::None {
            Some(
                "the request asks for another protocol, which the route does not allow, and the front would pass that on",
            )
        } else if self.info.by_parameter && !permit.forwards_credential() {
            Some("the credential stands in the query, and the front would forward it")
        } else if permit.rewritten().is_some() {
            Some("the route rewrites the target: let postern forward it")
        } else if permit.listed().is_some() || permit.awaits() != Awaited::Nothing {
            Some("the route judges the answer, which the front does not show: let postern forward it")
        } else {
            None
        }
    }

    /// What a front puts in the place of the client's headers.
    ///
    /// # Errors
    /// They cannot be told.
    pub fn told(&mut self, front: Front) -> Result<Told, Denial> {
        let refused = || Denial::new(Reason::Denied);
        let request = self.request.take().ok_or_else(refused)?;
        let permit = self.permit.as_ref().ok_or_else(refused)?;
        let http::request::Parts { method, uri, mut headers, .. } = request.into_parts().0;
        let has_changed = headers.contains_key(COOKIE) && {
            let cookies = headers.get_all(COOKIE).iter().cloned().collect::<Vec<_>>();
            remove_ours(&mut headers);
            !headers.get_all(COOKIE).iter().eq(&cookies)
        };

        let (policy, keep) = (self.rules.policy(), permit.forwards_credential());
        let kept = &self.worker.shared.keep_headers;
        // The others take these away without being told.
        let is_told_which = front.removal() != Removal::Empty;
        let goes = |name: &HeaderName| match *name {
            AUTHORIZATION => !keep,
            // Of a WebSocket, which the route allows.
            CONNECTION | UPGRADE => false,
            _ if is_like_authorization(name.as_str()) => true,
            _ => {
                let text = name.as_str();
                let is_of_the_front = || ITS_OWN.contains(&text) || (!is_told_which && BLANKED.contains(&text));
                let is_kept = || kept.contains(name) && !policy.strip().injects(text);
                let tells_the_way = is_forwarding_header(text) && !is_of_the_front();
                let is_needed = || matches!(text, "te" | "transfer-encoding" | "expect");
                let is_of_one_hop = is_told_which && is_hop_by_hop(text) && !is_needed();
                (is_of_one_hop || tells_the_way || policy.strips(text, keep)) && !is_kept()
            }
        };
        let mut told = HeaderMap::with_capacity(FEW);
        let context = RequestContext {
            request_id: self.request_id.as_str(),
            client_name: self.link.client.name().map(HeaderValue::as_bytes),
            signing: self.worker.signing(
                &method,
                uri.path_and_query().map_or("/", PathAndQuery::as_str),
                self.rules.pools.get(permit.route().upstream).map_or("", |pool| &pool.upstream().name),
            ),
        };
        permit.inject(context, |name, value| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                told.insert(name.clone(), value);
            }
        })?;
        let removal = front.removal();
        if removal == Removal::Empty {
            // What has no place in the answer the front would forward.
            let is_told = |name: &HeaderName| *name == AUTHORIZATION || policy.own_headers().contains(name);
            if headers.keys().any(|name| goes(name) && !is_told(name)) {
                let hint = "a header tells who or where somebody is, and the front cannot take it away";
                return Err(Denial::new(Reason::BadField).with_hint(hint));
            }
            // Whatever it copies must be there: where a name is missing, some fronts leave the client's own header.
            for name in policy.own_headers().iter().chain([&AUTHORIZATION, &COOKIE]) {
                if told.contains_key(name) {
                    continue;
                }
                if goes(name) || !headers.contains_key(name) {
                    told.insert(name, BLANK);
                    continue;
                }
                let values: Vec<_> = headers.get_all(name).iter().collect();
                let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
                let joined = values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>().join(separator);
                told.insert(name, HeaderValue::from_bytes(&joined).unwrap_or(BLANK));
            }
            return Ok(Told { headers: told, removed: Vec::new() });
        }
        if has_changed && let Some(rest) = headers.get(COOKIE) {
            told.insert(COOKIE, rest.clone());
        }
        // Envoy's own headers are its own to write anew.
        let is_kept = |name: &HeaderName| front != Front::Haproxy && name.as_str().starts_with("x-envoy-");
        let is_gone = |name: &&HeaderName| goes(name) && !is_kept(name);
        let mut removed: Vec<_> = headers.keys().filter(is_gone).cloned().collect();
        if has_changed && !headers.contains_key(COOKIE) {
            removed.push(COOKIE);
        }
        if removal == Removal::Apart {
            // Those that it was configured not to show.
            removed.extend(policy.own_headers().iter().filter(|name| !headers.contains_key(*name)).cloned());
        }
        removed.retain(|name| !told.contains_key(name));
        Ok(Told { headers: told, removed })
    }
}
