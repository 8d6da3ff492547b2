//! What a request leaves behind: the metrics when its answer begins, one access line when it ends.
//!
//! The record travels with the answer's body, so that however a request ends — answered, refused, broken off — its end is
//! noted exactly once, when the record is dropped.

use super::worker::Worker;
use crate::facts::{Organization, Snapshot};
use crate::net::io::Connection;
use crate::telemetry::access::Line;
use crate::telemetry::metrics::Outcome;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request's record.
pub struct Record {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    start: Instant,
    ours: Option<Duration>,
    handed_over: Option<Instant>,
    upstream: Option<Duration>,
    request_id: HeaderValue,
    client: IpAddr,
    /// The index of the route that was found.
    pub route: Option<usize>,
    /// Who asked.
    pub user: Option<Arc<Snapshot>>,
    /// For which organization.
    pub organization: Option<Arc<Organization>>,
    /// The level that let them in.
    pub level: Option<&'static str>,
    /// Only the superuser flag let them in.
    pub superuser_pass: bool,
    /// What only the access line needs.
    shown: Option<Shown>,
    status: StatusCode,
    outcome: Option<Outcome>,
    sent: u64,
    aborted: bool,
}

struct Shown {
    at: Duration,
    /// `None` when it could not be read.
    head: Option<ShownHead>,
}

struct ShownHead {
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Record {
    /// A request that has just arrived.
    #[must_use]
    pub fn begin(
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        parts: &Parts,
        client: IpAddr,
        request_id: HeaderValue,
    ) -> Self {
        let shown = worker.lines.as_ref().map(|_| Shown {
            at: crate::clock::unix(),
            head: Some(ShownHead {
                method: parts.method.clone(),
                uri: parts.uri.clone(),
                host: parts.headers.get(HOST).cloned(),
            }),
        });
        Self {
            worker: Rc::clone(worker),
            connection: Rc::clone(connection),
            start: crate::clock::monotonic(),
            ours: None,
            handed_over: None,
            upstream: None,
            request_id,
            client,
            route: None,
            user: None,
            organization: None,
            level: None,
            superuser_pass: false,
            shown,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            outcome: None,
            sent: 0,
            aborted: false,
        }
    }

    /// The head was refused below the parser: what stands in its place says nothing about what was sent.
    pub fn unread(&mut self) {
        if let Some(shown) = &mut self.shown {
            shown.head = None;
        }
    }

    /// When the request arrived.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The worker that serves it.
    #[must_use]
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The connection that it came on.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its id.
    #[must_use]
    pub fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// It goes to the upstream now.
    pub fn hand_over(&mut self) {
        let now = crate::clock::monotonic();
        self.ours = Some(now.duration_since(self.start));
        self.handed_over = Some(now);
    }

    /// Its answer begins now.
    pub fn answer(&mut self, status: StatusCode, outcome: Outcome) {
        let now = crate::clock::monotonic();
        self.upstream = self.handed_over.map(|since| now.duration_since(since));
        let ours = *self.ours.get_or_insert_with(|| now.duration_since(self.start));
        self.status = status;
        self.outcome = Some(outcome);
        if let Some(cell) = self.worker.routes.cell(self.route) {
            cell.observe(outcome, ours, self.upstream);
        }
        if self.superuser_pass {
            self.worker.shard.superuser_passes.inc();
        }
    }

    /// So many bytes of the answer's body went out.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The answer broke off.
    pub fn aborted(&mut self) {
        self.aborted = true;
        self.worker.shard.answers_aborted.inc();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.connection.end();
        let (Some(lines), Some(shown)) = (&self.worker.lines, &self.shown) else { return };
        // Nothing was answered: the client went away while it waited.
        let gone = self.outcome.is_none();
        let code = match self.outcome {
            Some(Outcome::Refused(reason)) => Some(reason.code()),
            Some(Outcome::Allowed) => None,
            None => Some("client_gone"),
        };
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let now = crate::clock::monotonic();
        let total = now.duration_since(self.start);
        let head = shown.head.as_ref();
        let host = head.and_then(|head| head.host.as_ref()).map(|host| text(Some(host)));
        let line = Line {
            at: shown.at,
            request_id: &text(Some(&self.request_id)),
            client: self.client,
            method: head.map(|head| head.method.as_str()),
            host: host.as_deref(),
            path: head.map(|head| head.uri.path()),
            route: self.route.and_then(|at| self.worker.shared.labels.get(at)).map(|label| &**label),
            status: if gone { 499 } else { self.status.as_u16() },
            code,
            user: self.user.as_ref().map(|user| user.user.id_value.as_str()),
            org: self.organization.as_ref().map(|org| org.id_value.as_str()),
            level: self.level,
            superuser_pass: self.superuser_pass,
            sent: self.sent,
            ours: self.ours.unwrap_or(total),
            upstream: self.upstream,
            total,
            aborted: self.aborted || gone,
        };
        lines.push(&line, &self.worker.shard.log_dropped);
    }
}
