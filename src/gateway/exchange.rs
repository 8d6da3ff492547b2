//! One request and all that is known of it, from its head to the last byte of its answer.
//!
//! It stays in one place in memory and travels as a pointer: with the judging, then with the sending, at last with the
//! answer's body. However a request ends — answered, refused, broken off — its end is noted once, when this is dropped.

mod evaluate;
pub(super) mod front;

pub(super) use evaluate::find_page;

use super::active_policy::{Rules, SharedPolicy};
use super::client_connection::ClientConnection;
use super::evaluate::{Paused, Permit, RequestInfo};
use super::request_body::RequestBody;
use super::request_id::RequestId;
use super::span::{SpanExtras, Traced};
use super::upstream_target::InFlight;
use super::worker::Worker;
use crate::api::secret_path;
use crate::decision::{Reason, ShadowVerdict};
use crate::facts::Organization;
use crate::net::deadline::{Deadlines, Phase};
use crate::policy::is_read;
use crate::request_target::Target;
use crate::telemetry::access::Line;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::recent::{Disagreement, Entry, Short, What};
use crate::upstream;
use crate::upstream::cluster::admission::ConcurrencyPermit;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri, Version};
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub struct Exchange {
    worker: Rc<Worker>,
    /// Those that were in force when it began, to its end.
    rules: Rc<Rules>,
    link: Rc<ClientConnection>,
    /// The request as the client sent it, until it is made ready for the upstream.
    request: Option<Request<RequestBody>>,
    /// The request to the upstream, until it is answered.
    pub sending: Option<InFlight>,
    /// Its place among the requests at a cluster, until its answer has ended.
    pub seat: ConcurrencyPermit,
    /// Its evaluation, while something is fetched for it, or its answer is waited for that decides.
    paused: Option<Box<Paused>>,
    start: Instant,
    ours: Option<Duration>,
    upstream: Option<Duration>,
    /// What was found on the way.
    pub info: RequestInfo,
    organization: Option<Arc<Organization>>,
    /// What lets it pass, to the end of its answer.
    permit: Option<Permit>,
    /// What only the access line needs.
    shown: Option<Box<Shown>>,
    request_id: RequestId,
    traced: Option<Box<Traced>>,
    client: IpAddr,
    /// The client understands interim answers, and they can be told to it.
    takes_interim: bool,
    /// A gRPC call, which is refused in other words.
    pub grpc: bool,
    status: StatusCode,
    outcome: Option<Outcome>,
    sent: u64,
    /// What its rule in shadow mode says is known when its answer has ended, and counted then.
    is_watched: bool,
    aborted: bool,
}

struct Shown {
    at: Duration,
    /// What was wrong with it.
    fault: Option<Cow<'static, str>>,
    /// Items of a list that would be dropped, if its rule were not in shadow mode.
    would_drop: u64,
    /// `None` when it could not be read.
    head: Option<ShownHead>,
}

struct ShownHead {
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Exchange {
    /// A request that has just arrived.
    #[must_use]
    pub fn begin(worker: &Rc<Worker>, link: &Rc<ClientConnection>, request: Request<RequestBody>) -> Box<Self> {
        let start = crate::clock::monotonic();
        let client = link.address(request.headers(), &worker.shared.trusted_proxies);
        let is_trusted = link.client.is_trusted();
        let request_id = RequestId::of(request.headers(), is_trusted, &worker.entropy);
        let tracer = worker.shared.tracer.as_ref();
        let traced = Traced::of(request.headers(), is_trusted, &request_id, &worker.entropy, tracer);
        let is_shown = worker.lines.is_some() || traced.as_ref().is_some_and(|traced| traced.sampled);
        let shown = is_shown.then(|| {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let host = request.headers().get(HOST).cloned();
            Box::new(Shown {
                at: crate::clock::unix(),
                fault: None,
                would_drop: 0,
                head: Some(ShownHead { method, uri, host }),
            })
        });
        // A front would take a gRPC call's refusal, whose status is 200, for a permission.
        let grpc = link.front.is_none() && super::grpc::is_call(request.method(), request.headers());
        // RFC 9110, 15.2: never to HTTP/1.0. The parser of HTTP/2 has no way for them.
        let takes_interim =
            request.version() == Version::HTTP_11 && !link.connection.is_stream() && link.front.is_none();
        Box::new(Self {
            worker: Rc::clone(worker),
            rules: worker.rules(),
            link: Rc::clone(link),
            request: Some(request),
            paused: None,
            start,
            ours: None,
            upstream: None,
            info: RequestInfo::default(),
            organization: None,
            permit: None,
            shown,
            request_id,
            traced,
            client,
            sending: None,
            seat: None,
            takes_interim,
            grpc,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            outcome: None,
            sent: 0,
            is_watched: false,
            aborted: false,
        })
    }

    /// The head was refused below the parser: what stands in its place says nothing about what was sent.
    pub fn unread(&mut self) {
        if let Some(shown) = &mut self.shown {
            shown.head = None;
        }
    }

    /// What was wrong with it: for the operator alone.
    pub fn fault(&mut self, fault: impl Into<Cow<'static, str>>) {
        if let Some(shown) = &mut self.shown {
            shown.fault.get_or_insert_with(|| fault.into());
        }
    }

    /// Whether it goes on in nobody's name, in spite of its rule.
    #[must_use]
    pub fn is_shadowed(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.shadowed().is_some())
    }

    /// The worker that serves it.
    #[must_use]
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The connection that it came on.
    #[must_use]
    pub fn link(&self) -> &Rc<ClientConnection> {
        &self.link
    }

    /// The method and the decoded path of the request, before it is taken.
    #[must_use]
    pub fn asked(&self) -> Option<(Method, String)> {
        let request = self.request.as_ref()?;
        let target = Target::read(request.uri().path_and_query()?.as_str()).ok()?;
        Some((request.method().clone(), target.decoded().to_owned()))
    }

    /// A header of the request, before it is taken.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.request.as_ref()?.headers().get(name)
    }

    /// Its target, before it is taken, where a link can lead back to it.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let request = self.request.as_ref().filter(|request| is_read(request.method()))?;
        request.uri().path_and_query().map(PathAndQuery::as_str)
    }

    /// The policy that was in force when it began.
    #[must_use]
    pub fn policy(&self) -> SharedPolicy {
        SharedPolicy::new(&self.rules)
    }

    /// The request, before it is taken.
    #[must_use]
    pub fn request(&self) -> Option<&Request<RequestBody>> {
        self.request.as_ref()
    }

    /// The request as the client sent it; once.
    pub fn take(&mut self) -> Option<Request<RequestBody>> {
        self.request.take()
    }

    /// Its connection's deadlines, and the request to the upstream while there is one.
    pub fn sending(&mut self) -> (&Deadlines, Option<&mut InFlight>) {
        (&self.link.connection.deadlines, self.sending.as_mut())
    }

    /// Its place in a trace, where that was settled at its head.
    #[must_use]
    pub fn traced(&self) -> Option<&Traced> {
        self.traced.as_deref()
    }

    /// Who sent it, by address.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.client
    }

    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// It goes to the upstream now.
    pub fn hand_over(&mut self) {
        self.ours = Some(crate::clock::monotonic().duration_since(self.start));
    }

    /// Interim answers of the upstream go on to the client.
    pub fn hint(&self, answers: Vec<upstream::Answer>) {
        for answer in answers.into_iter().filter(|_| self.takes_interim) {
            self.link.connection.interim.push(answer.status, &answer.headers);
        }
    }

    pub fn answer(&mut self, status: StatusCode, outcome: Outcome) {
        self.link.connection.interim.end();
        let elapsed = crate::clock::monotonic().duration_since(self.start);
        self.upstream = self.ours.map(|ours| elapsed.saturating_sub(ours));
        let ours = *self.ours.get_or_insert(elapsed);
        self.status = status;
        self.outcome = Some(outcome);
        self.is_watched = self.watches_answer();
        if let Some(cell) = self.rules.routes.cell(self.info.route) {
            cell.observe(outcome, ours, self.upstream);
        }
        if let Outcome::Refused(reason) = outcome {
            self.note(What::Refused(reason));
        }
        if !self.is_watched {
            self.observe_shadow();
        }
        if self.permit.as_ref().is_some_and(Permit::by_superuser) {
            self.worker.shard.superuser_passes.inc();
        }
    }

    /// Counts what a rule in shadow mode says, beside what was answered.
    fn observe_shadow(&self) {
        if let Some(verdict) = self.permit.as_ref().and_then(Permit::shadow)
            && let Some(cell) = self.rules.routes.cell(self.info.route)
        {
            cell.observe_shadow(verdict, self.status);
            // Where postern has answered itself nobody disagrees with it.
            if let (Some(disagreement), Some(Outcome::Allowed)) = (Disagreement::of(verdict, self.status), self.outcome)
            {
                self.note(What::Disagreed(disagreement));
            }
        }
    }

    /// Keeps what became of it for whoever looks at what happened a moment ago.
    fn note(&self, what: What) {
        let Some(recent) = &self.worker.recent else { return };
        let head = self.shown.as_ref().and_then(|shown| shown.head.as_ref());
        let (method, path) = match (&self.request, head) {
            // What stands in the place of a head that could not be read says nothing.
            _ if what == What::Refused(Reason::BadFraming) => ("", ""),
            (Some(request), _) => (request.method().as_str(), request.uri().path()),
            (None, Some(head)) => (head.method.as_str(), head.uri.path()),
            (None, None) => ("", ""),
        };
        let parameter = self.worker.shared.identity.places.parameter.as_deref();
        recent.note(Entry {
            at: u64::try_from(crate::clock::unix().as_micros()).unwrap_or(u64::MAX),
            count: 1,
            what,
            status: self.status.as_u16(),
            method: Short::new(method),
            path: Short::new(&secret_path::shown(path, parameter)),
            route: Short::new(self.route().unwrap_or_default()),
            user: self.info.user.as_ref().map(|user| user.user.id),
        });
    }

    /// So many items of the list that goes on would be dropped.
    pub fn would_drop(&mut self, items: u64) {
        if let Some(shown) = &mut self.shown {
            shown.would_drop = items;
        }
    }

    /// So many bytes of the answer's body went out.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// So many items of the answer were asked of nobody: the upstream should not have sent them.
    pub fn count_foreign(&self, items: u64) {
        if let Some(cell) = self.rules.routes.cell(self.info.route) {
            cell.foreign_items.add(items);
        }
    }

    pub fn aborted(&mut self) {
        self.aborted = true;
        self.worker.shard.answers_aborted.inc();
    }

    /// What a front may write into its own log: who asked for what, by the same names as the access line.
    pub fn with_metadata<T>(&self, told: impl FnOnce(&[(&'static str, &str)]) -> T) -> T {
        let user = self.info.user.as_ref().map(|user| user.user.id.0);
        let organization = self.organization.as_ref().map(|organization| organization.id.0);
        let (mut user_text, mut organization_text) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        told(&[
            ("request_id", self.request_id.as_str()),
            ("route", self.route().unwrap_or_default()),
            ("user", user.map_or("", |id| &*id.as_hyphenated().encode_lower(&mut user_text))),
            ("org", organization.map_or("", |id| &*id.as_hyphenated().encode_lower(&mut organization_text))),
        ])
    }

    /// The route that it falls under, as the access line says it.
    fn route(&self) -> Option<&str> {
        self.info.route.and_then(|at| self.rules.in_force.labels.get(at)).map(|label| &**label)
    }

    /// Leaves the access line and the spans.
    fn log(&self) {
        let Some(shown) = &self.shown else { return };
        let (status, code) = match self.outcome {
            Some(Outcome::Refused(reason)) => (self.status.as_u16(), Some(reason.code())),
            Some(Outcome::Allowed) => (self.status.as_u16(), None),
            // Nothing was answered: the client went away while it waited.
            None => (499, Some("client_gone")),
        };
        fn text(value: Option<&HeaderValue>) -> &str {
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        }
        let total = crate::clock::monotonic().duration_since(self.start);
        let head = shown.head.as_ref();
        let user = self.info.user.as_ref().map(|user| user.user.id.0);
        let organization = self.organization.as_ref().map(|organization| organization.id.0);
        let (mut user_text, mut organization_text) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        let parameter = self.worker.shared.identity.places.parameter.as_deref();
        let host = head.map(|head| secret_path::shown(text(head.host.as_ref()), parameter));
        let path = head.map(|head| secret_path::shown(head.uri.path(), parameter));
        let shadowed = self.permit.as_ref().and_then(Permit::shadowed);
        let line = Line {
            at: shown.at,
            request_id: self.request_id.as_str(),
            trace_id: self.traced.as_ref().and_then(|traced| traced.id()),
            client: self.client,
            method: head.map(|head| head.method.as_str()),
            host: host.as_deref(),
            path: path.as_deref(),
            route: self.route(),
            status,
            code,
            fault: shown.fault.as_deref().or(shadowed.and_then(|denial| denial.hint.or(denial.fault))),
            shadow: self.permit.as_ref().and_then(Permit::shadow).map(ShadowVerdict::code),
            user: user.map(|id| &*id.as_hyphenated().encode_lower(&mut user_text)),
            org: organization
                .map(|id| &*id.as_hyphenated().encode_lower(&mut organization_text))
                .or(self.info.asked.as_deref()),
            would_drop: shown.would_drop,
            level: self.permit.as_ref().and_then(Permit::level),
            superuser_pass: self.permit.as_ref().is_some_and(Permit::by_superuser),
            narrowed: self.info.user.as_ref().is_some_and(|user| user.scope().is_some()),
            sent: self.sent,
            ours: self.ours.unwrap_or(total),
            upstream: self.upstream,
            total,
            aborted: self.aborted || self.outcome.is_none(),
        };
        if let Some(lines) = &self.worker.lines {
            lines.push(&line, &self.worker.shard.log_dropped);
        }
        if let (Some(traced), Some(tracer)) = (&self.traced, &self.worker.shared.tracer)
            && traced.sampled
        {
            // Without an answer, `ours` is there only if it was handed over; with one, the upstream's time is.
            let handed_over = self.upstream.is_some() || (self.outcome.is_none() && self.ours.is_some());
            let extras = SpanExtras { handed_over, scheme: self.link.client.scheme() };
            self.worker.shard.spans_dropped.add(traced.send(tracer, &line, extras, &self.worker.entropy));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.link.connection.deadlines.disarm(Phase::Total);
        self.link.connection.end();
        if self.is_watched {
            self.observe_shadow();
        }
        self.log();
    }
}
