//! One request, put to the evaluation as the gateway would put it.
//!
//! The gateway's own part is small: what no target and no host can be is refused, and a credential is read where the route
//! asks for one. Here the caller is given, so that a credential in the headers is one that nobody has.

use crate::claims::Claims;
use crate::decision::{
    AnswerView, Awaited, Caller, CsrfToken, Denial, Evaluation, Halt, LookupAnswer, Need, OrgKey, Permit, Reason,
    RequestView, SecondFactor, Upgrade,
};
use crate::facts::{Organization, Snapshot};
use crate::identity::{self, Credential, Places, Presented, credential};
use crate::limit::Verdict;
use crate::policy::{LookupKey, Policy, Scheme, Schemes};
use crate::request_target::Target;
use crate::request_target::field::FieldError;
use crate::request_target::host::{HostError, canonical_host};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What stands for the token of a session, which only a real session has.
pub const CSRF_TOKEN: &str = "token";

/// A request as somebody wrote it down.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// The target as it would stand on the wire.
    pub target: String,
    /// The headers; `Host` among them where the request names one.
    pub headers: HeaderMap,
    /// The client's address, where it is said.
    pub client: Option<IpAddr>,
    /// What the caller's credential says besides.
    pub claims: Option<Arc<Claims>>,
    pub body: Body,
    /// The caller's credential is a session's cookie.
    pub session: bool,
    /// How long ago a second factor was shown with the caller's credential, where it was.
    pub mfa: Option<Duration>,
    /// Whoever is counted has come as often as they may.
    pub throttled: bool,
    /// What the service answers, where that is said.
    pub answer: Option<Answer>,
}

/// A service's answer as somebody wrote it down: JSON, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    body: Box<[u8]>,
}

impl Answer {
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Box<[u8]>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers, body: body.into() }
    }

    #[must_use]
    pub const fn view(&self) -> AnswerView<'_> {
        AnswerView { status: self.status, headers: &self.headers, body: &self.body }
    }
}

/// What is said of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    None,
    /// How long it is; what is in it would be refused by nobody.
    Length(u64),
    Bytes(Box<[u8]>),
}

/// Without the headers and the query: they may carry credentials.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        f.debug_struct("Request").field("method", &self.method).field("path", &path).finish_non_exhaustive()
    }
}

/// What a request is judged by, besides its caller.
pub trait Facts {
    /// The organization that a superuser names.
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>>;

    /// What a lookup finds.
    fn object(&mut self, key: &LookupKey) -> LookupAnswer;
}

/// A request whose target and host are canonical.
pub struct Readable<'r> {
    request: &'r Request,
    target: Target<'r>,
    host: Cow<'r, str>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            client: None,
            claims: None,
            body: Body::None,
            session: false,
            mfa: None,
            throttled: false,
            answer: None,
        }
    }

    /// The same as a handshake, where it asks for a WebSocket: what such a one must have besides, and nobody wants to write.
    #[must_use]
    pub fn as_handshake(mut self) -> Self {
        let asks = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
        if self.headers.get(header::UPGRADE).is_some_and(asks) {
            for (name, value) in [
                (header::CONNECTION, "Upgrade"),
                (header::SEC_WEBSOCKET_VERSION, "13"),
                (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            ] {
                self.headers.entry(name).or_insert(HeaderValue::from_static(value));
            }
        }
        self
    }

    fn second_factor(&self) -> SecondFactor {
        match (self.mfa, self.session) {
            (Some(age), _) => SecondFactor::Shown(u32::try_from(age.as_secs()).unwrap_or(u32::MAX)),
            (None, true) => SecondFactor::Missing,
            (None, false) => SecondFactor::Impossible,
        }
    }

    /// Reads target and host as the gateway does.
    ///
    /// # Errors
    /// 400 `bad_framing` or `bad_target`.
    pub fn read(&self, policy: &Policy) -> Result<Readable<'_>, Denial> {
        // A lenient upstream could take `get` for GET, which was not judged.
        if self.method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(Denial::new(Reason::BadFraming).with_fault("the method is written in lower case"));
        }
        let target = Target::read(&self.target)?;
        let mut hosts = self.headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (None, _) => Cow::Owned(policy.usual_host(target.decoded())),
            (Some(host), None) => {
                let host = host.to_str().map_err(|_| HostError::Character)?;
                canonical_host(host)?
            }
            (Some(_), Some(_)) => return Err(Denial::new(Reason::BadTarget).with_fault("the Host header is repeated")),
        };
        Ok(Readable { request: self, target, host })
    }
}

impl<'r> Readable<'r> {
    #[must_use]
    pub fn view(&self) -> RequestView<'_> {
        let (body_length, body): (_, Option<&[u8]>) = match &self.request.body {
            Body::None => (0, None),
            Body::Length(length) => (*length, Some(&[])),
            Body::Bytes(bytes) => (bytes.len() as u64, Some(bytes)),
        };
        RequestView {
            client: self.request.client,
            upgrade: Upgrade::Connection,
            body_length: Some(body_length),
            body,
            ..RequestView::new(&self.request.method, &self.host, &self.target, &self.request.headers)
        }
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub const fn target(&self) -> &Target<'r> {
        &self.target
    }

    /// Whether the headers or the query carry a credential of one of these schemes, or one that none of them takes.
    #[must_use]
    pub fn carries_credential(&self, schemes: &Schemes) -> bool {
        !matches!(self.credential(schemes), Credential::None)
    }

    fn credential(&self, schemes: &Schemes) -> Credential<'_> {
        let Request { method, headers, .. } = self.request;
        identity::read(Presented { method, headers, query: self.target.query() }, schemes, &Places::default())
    }

    /// Who the request is judged as: the given user, unless the headers carry a credential of their own.
    ///
    /// # Errors
    /// The credentials in the headers are nobody's: 401, or 400 for several.
    fn caller(&self, schemes: &Schemes, given: Option<&Arc<Snapshot>>) -> Result<Caller, Denial> {
        match self.credential(schemes) {
            Credential::None if self.request.session && !schemes.has(Scheme::Session) => Ok(Caller::default()),
            Credential::None => {
                let second_factor = self.request.second_factor();
                Ok(Caller { claims: self.request.claims.clone(), second_factor, ..Caller::of(given) })
            }
            Credential::Ambiguous => Err(Denial::new(Reason::Ambiguous).with_fault(credential::SEVERAL)),
            Credential::NotAscii => Err(FieldError::NotAscii.into()),
            Credential::Refused(_) | Credential::Presented(..) => Err(Denial::new(Reason::CredentialsInvalid)),
        }
    }

    /// The same with what the service answers, where that is said.
    #[must_use]
    pub fn answered(&self) -> RequestView<'_> {
        RequestView { answer: self.request.answer.as_ref().map(Answer::view), ..self.view() }
    }

    /// Takes an evaluation of the request to its end; where its answer decides and is not said, to the permit to ask for that.
    ///
    /// # Errors
    /// The first refusal on the way.
    pub fn settle<'p>(
        &self,
        evaluation: &mut Evaluation<&'p Policy>,
        user: Option<&Arc<Snapshot>>,
        facts: &mut dyn Facts,
    ) -> Result<Permit<&'p Policy>, Denial> {
        let mut view = self.view();
        loop {
            let need = match evaluation.step(&view) {
                Ok(permit) if permit.awaits() != Awaited::Nothing && self.request.answer.is_some() => {
                    view = self.answered();
                    continue;
                }
                Ok(permit) => return Ok(permit),
                Err(Halt::Denied(denial)) => return Err(denial),
                Err(Halt::Need(need)) => need,
            };
            match need {
                Need::Credential(schemes) => {
                    let route = evaluation.ruled().map(|(route, _)| route.index);
                    let caller = self.caller(&schemes, user);
                    evaluation.identify(caller.map_err(|denial| Denial { route, ..denial })?);
                    if self.request.session {
                        evaluation.came_by_session(CsrfToken::written(CSRF_TOKEN));
                    }
                }
                Need::Organization(key) => {
                    let found = facts.organization(&key);
                    evaluation.learn(key, found);
                }
                Need::Lookups(keys) => {
                    for key in keys {
                        let answer = facts.object(&key);
                        evaluation.learn_object(key, answer);
                    }
                }
                Need::Throttle(..) if self.request.throttled => evaluation.count(Verdict::Wait(Duration::ZERO)),
                Need::Throttle(..) => evaluation.count(Verdict::Pass { remaining: 0, reset: Duration::ZERO }),
                // All that is said of a body is in the view.
                Need::Body(_) => return Err(Denial::new(Reason::BodyInvalid)),
            }
        }
    }
}

/// Evaluates a request of a user, or of nobody.
///
/// # Errors
/// The first refusal on the way.
pub fn evaluate<'p>(
    policy: &'p Policy,
    request: &Request,
    user: Option<&Arc<Snapshot>>,
    facts: &mut dyn Facts,
) -> Result<Permit<&'p Policy>, Denial> {
    request.read(policy)?.settle(&mut Evaluation::new(policy), user, facts)
}
