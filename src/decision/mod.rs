//! The decision: pure. A policy, a request and facts go in; a [`Permit`] or a [`Denial`] comes out.
//!
//! An [`Evaluation`] goes through the [`Stage`]s of the pipeline, and stops where it needs what only its caller can know ([`Need`]); with
//! the answer it goes on from there. So the first reason in the pipeline's order is the one that is told, whoever asks: the gateway,
//! an open WebSocket, `explain`, `test` or `matrix`. There is no clock, no store and no lock in here.

mod answer;
mod assertion;
mod body;
pub mod csrf;
mod denial;
mod evaluation;
mod fields;
mod items;
mod json;
mod listed;
mod looked_up;
mod matching;
mod media_type;
mod multipart;
mod need;
mod objects;
mod org_key;
mod org_references;
mod permit;
mod preflight;
mod push;
mod rule;
mod second_factor;
mod sources;
mod standing;
mod strict_source;
mod verdict;
mod websocket;

pub use crate::policy::CredentialNeed;
pub use answer::{AnswerView, Awaited};
pub use csrf::CsrfToken;
pub use denial::{Denial, Reason};
pub use evaluation::{Evaluation, Stage};
pub use items::FoundItems;
pub use listed::{KeptItems, Listed};
pub use looked_up::looked_up;
pub use need::{Halt, LookupAnswer, LookupFailure, Need};
pub use org_key::OrgKey;
pub use permit::{Permit, RequestContext, ShadowVerdict};
pub use preflight::{Preflight, preflight};
pub use second_factor::SecondFactor;
pub use sources::{Reading, Says};
pub use standing::{Standing, standing};
pub use websocket::Upgrade;

use crate::claims::Claims;
use crate::facts::{Membership, Snapshot};
use crate::policy::{Route, Rule};
use crate::request_target::Target;
use http::{HeaderMap, Method};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What a decision sees of a request.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method as it came; nothing overrides it.
    pub method: &'a Method,
    /// The host, canonical (see [`crate::request_target::host`]).
    pub host: &'a str,
    pub target: &'a Target<'a>,
    /// The headers as the client sent them, before anything is removed.
    pub headers: &'a HeaderMap,
    /// The client's address, behind trusted proxies; `None` where it is not known.
    pub client: Option<IpAddr>,
    /// In which form it may ask to become a WebSocket.
    pub upgrade: Upgrade,
    /// How long its body is; `None` where that is not said before it comes.
    pub body_length: Option<u64>,
    /// Its body, where all of it was read.
    pub body: Option<&'a [u8]>,
    /// What the service answers, where that decides and is there.
    pub answer: Option<AnswerView<'a>>,
}

impl<'a> RequestView<'a> {
    /// A request without a body that becomes nothing else, of whatever client.
    #[must_use]
    pub const fn new(method: &'a Method, host: &'a str, target: &'a Target<'a>, headers: &'a HeaderMap) -> Self {
        let (client, upgrade, body_length, body, answer) = (None, Upgrade::None, Some(0), None, None);
        Self { method, host, target, headers, client, upgrade, body_length, body, answer }
    }
}

/// Without the headers and the body: they carry credentials and secrets.
impl fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, host, target, .. } = self;
        f.debug_struct("RequestView").field("method", method).field("host", host).field("target", target).finish()
    }
}

/// Who sent a request, as far as a good credential says it.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `None`: no credential was sent.
    pub user: Option<Arc<Snapshot>>,
    /// What the credential says besides.
    pub claims: Option<Arc<Claims>>,
    /// The second factor behind it.
    pub second_factor: SecondFactor,
}

impl Caller {
    #[must_use]
    pub fn of(user: Option<&Arc<Snapshot>>) -> Self {
        Self { user: user.cloned(), ..Self::default() }
    }

    fn memberships(&self) -> &[Membership] {
        self.user.as_ref().map(|user| user.memberships()).unwrap_or_default()
    }
}

/// A route, and its rule of a request's method.
pub type Ruled<'p> = (&'p Route, &'p Rule);
