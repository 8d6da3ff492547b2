//! A request's part in a trace: its id for the access line, and, where it is sampled, two spans for the collector.
//!
//! The first span is the request as its client sees it, the second, below it, what the upstream did; the upstream is told
//! the second one's id in `traceparent`, so that its own spans hang below. Names and attributes are those of OpenTelemetry's
//! semantic conventions for HTTP; what is ours is called `postern.…`. Neither holds a credential, a query or a body.

use super::entropy::Entropy;
use super::request_id::RequestId;
use super::traceparent::Trace;
use crate::telemetry::access::Line;
use crate::telemetry::trace::Tracer;
use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{KeyValue, StringValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

/// What is kept of a trace until the request ends.
#[derive(Debug)]
pub struct Traced {
    /// What the upstream is told: `00-<trace>-<span>-<flags>`.
    traceparent: [u8; 55],
    /// The caller's span, where the trace goes on.
    parent: Option<SpanId>,
    pub sampled: bool,
}

/// What an access line does not say of a request.
#[derive(Clone, Copy, Debug)]
pub struct SpanExtras {
    /// It went to the upstream.
    pub handed_over: bool,
    pub scheme: &'static str,
}

impl Traced {
    /// Where there is something to settle: a trace that a trusted proxy began, or one that is sampled here.
    #[must_use]
    pub fn of(
        headers: &HeaderMap,
        trusted: bool,
        request_id: &RequestId,
        entropy: &Entropy,
        tracer: Option<&Tracer>,
    ) -> Option<Box<Self>> {
        let given = if trusted { Trace::given(headers) } else { None };
        if tracer.is_none() && given.is_none() {
            return None;
        }
        let mut traceparent = *Trace::of(headers, trusted, request_id, entropy).traceparent();
        let parent = given.and_then(|given| SpanId::from_hex(piece(given, 36..52)?).ok());
        let number = |range| piece(&traceparent, range).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let sampled = tracer.is_some_and(|tracer| match given {
            Some(_) => number(53..55).is_some_and(|flags| flags & 1 == 1),
            None => number(19..35).is_some_and(|trace| tracer.samples(trace)),
        });
        if sampled && given.is_none() {
            traceparent.get_mut(53..).unwrap_or_default().copy_from_slice(b"01");
        }
        (sampled || given.is_some()).then(|| Box::new(Self { traceparent, parent, sampled }))
    }

    /// The trace's id, as it is written.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        piece(&self.traceparent, 3..35)
    }

    /// What the upstream is told.
    #[must_use]
    pub fn place<'h>(&self, headers: &'h HeaderMap) -> Trace<'h> {
        Trace::settled(headers, self.traceparent, self.goes_on())
    }

    const fn goes_on(&self) -> bool {
        self.parent.is_some()
    }

    /// Hands the spans of a request over, and says how many found no room.
    #[must_use]
    pub fn send(&self, tracer: &Tracer, line: &Line<'_>, extras: SpanExtras, entropy: &Entropy) -> u64 {
        let Some(spans) = self.spans(tracer, line, extras, entropy) else { return 0 };
        spans.into_iter().flatten().map(|span| u64::from(!tracer.send(span))).sum()
    }

    fn spans(
        &self,
        tracer: &Tracer,
        line: &Line<'_>,
        extras: SpanExtras,
        entropy: &Entropy,
    ) -> Option<[Option<SpanData>; 2]> {
        let trace = TraceId::from_hex(self.id()?).ok()?;
        let told = SpanId::from_hex(piece(&self.traceparent, 36..52)?).ok()?;
        // Where the upstream heard nothing, the id that it would have heard is the request's own.
        let own = if extras.handed_over { SpanId::from_bytes(entropy.next().to_be_bytes()) } else { told };
        let span = |id, parent: Option<SpanId>, kind: SpanKind, remote| SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: remote,
            span_kind: kind,
            name: Cow::Borrowed("HTTP"),
            start_time: UNIX_EPOCH + line.at,
            end_time: UNIX_EPOCH + line.at + line.total,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: status(line),
            instrumentation_scope: tracer.scope.clone(),
        };
        let mut server = span(own, self.parent, SpanKind::Server, self.goes_on());
        server.name = Cow::Owned(match (line.method, line.route) {
            (Some(method), Some(route)) => format!("{method} {route}"),
            (Some(method), None) => method.to_owned(),
            (None, _) => "HTTP".to_owned(),
        });
        server.attributes = attributes(line, extras);
        let client = extras.handed_over.then(|| {
            let mut client = span(told, Some(own), SpanKind::Client, false);
            client.name = Cow::Owned(line.method.unwrap_or("HTTP").to_owned());
            client.start_time += line.ours;
            // To the head of the answer where there was one.
            client.end_time = client.start_time + line.upstream.unwrap_or(line.total.saturating_sub(line.ours));
            let method = line.method.map(|method| text("http.request.method", method));
            let answered =
                line.code.is_none().then(|| KeyValue::new("http.response.status_code", i64::from(line.status)));
            client.attributes = method.into_iter().chain(answered).collect();
            client
        });
        Some([Some(server), client])
    }
}

fn attributes(line: &Line<'_>, extras: SpanExtras) -> Vec<KeyValue> {
    let failed = line.status >= 500;
    let some = [
        ("http.request.method", line.method),
        ("url.scheme", Some(extras.scheme)),
        ("url.path", line.path),
        ("server.address", line.host),
        ("http.route", line.route),
        ("error.type", line.code.filter(|_| failed)),
        ("postern.request_id", Some(line.request_id)),
        ("postern.reason", line.code),
        ("user.id", line.user),
        ("postern.organization", line.org),
        ("postern.level", line.level),
        ("postern.shadow", line.shadow),
    ];
    let mut attributes: Vec<KeyValue> = some.into_iter().filter_map(|(name, value)| Some(text(name, value?))).collect();
    attributes.push(KeyValue::new("http.response.status_code", i64::from(line.status)));
    attributes.push(text("client.address", &line.client.to_string()));
    attributes.push(KeyValue::new("http.response.body.size", i64::try_from(line.sent).unwrap_or(i64::MAX)));
    attributes.push(KeyValue::new("postern.own_us", micros(line.ours)));
    if line.superuser_pass {
        attributes.push(KeyValue::new("postern.superuser_pass", true));
    }
    if line.aborted {
        attributes.push(KeyValue::new("postern.aborted", true));
    }
    attributes
}

/// A refusal is an answer; what went wrong on our side, or broke off, is an error.
fn status(line: &Line<'_>) -> Status {
    match (line.status >= 500, line.aborted) {
        (true, _) => Status::error(line.code.unwrap_or("the upstream's answer").to_owned()),
        (false, true) => Status::error("it broke off"),
        (false, false) => Status::Unset,
    }
}

fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, StringValue::from(value.to_owned()))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A part of a `traceparent` that [`Trace`] has made, or looked at.
fn piece(traceparent: &[u8], range: std::ops::Range<usize>) -> Option<&str> {
    traceparent.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok())
}
