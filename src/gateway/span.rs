//! A request's part in a trace: its id for the access line, and, where it is sampled, two spans for the collector.
//!
//! The first span is the request as its client sees it, the second, below it, what the upstream did; the upstream is told
//! the second one's id in `traceparent`, so that its own spans hang below. Names and attributes are those of OpenTelemetry's
//! semantic conventions for HTTP; what is ours is called `postern.…`. Neither holds a credential, a query or a body.

use super::entropy::Entropy;
use crate::telemetry::access::Line;
use crate::telemetry::trace::Tracer;
use http::HeaderValue;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{KeyValue, StringValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

/// What is kept of a trace until the request ends.
#[derive(Debug)]
pub struct Traced {
    /// What the upstream is told.
    traceparent: HeaderValue,
    /// What the caller told us.
    parent: Option<HeaderValue>,
    /// Spans are wanted.
    pub sampled: bool,
}

/// What an access line does not say of a request.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// It went to the upstream.
    pub handed_over: bool,
    /// `https` downstream.
    pub scheme: &'static str,
}

impl Traced {
    /// Where there is something to keep: a trace that somebody else began, or one that is sampled.
    #[must_use]
    pub fn new(traceparent: &HeaderValue, parent: Option<&HeaderValue>, tracer: Option<&Tracer>) -> Option<Box<Self>> {
        let sampled = tracer.is_some() && flags(traceparent) & 1 == 1;
        let kept = || Box::new(Self { traceparent: traceparent.clone(), parent: parent.cloned(), sampled });
        (sampled || parent.is_some()).then(kept)
    }

    /// The trace's id, as it is written.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        piece(&self.traceparent, 3..35)
    }

    /// Hands the spans of a request over, and says how many found no room.
    #[must_use]
    pub fn send(&self, tracer: &Tracer, line: &Line<'_>, way: Way, entropy: &Entropy) -> u64 {
        let Some(spans) = self.spans(tracer, line, way, entropy) else { return 0 };
        spans.into_iter().flatten().map(|span| u64::from(!tracer.send(span))).sum()
    }

    fn spans(&self, tracer: &Tracer, line: &Line<'_>, way: Way, entropy: &Entropy) -> Option<[Option<SpanData>; 2]> {
        let trace = TraceId::from_hex(self.id()?).ok()?;
        let told = SpanId::from_hex(piece(&self.traceparent, 36..52)?).ok()?;
        let parent = self.parent.as_ref().and_then(|parent| SpanId::from_hex(piece(parent, 36..52)?).ok());
        // Where the upstream heard nothing, the id that it would have heard is the request's own.
        let own = if way.handed_over { SpanId::from_bytes(entropy.next().to_be_bytes()) } else { told };
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
        let mut server = span(own, parent, SpanKind::Server, parent.is_some());
        server.name = Cow::Owned(match (line.method, line.route) {
            (Some(method), Some(route)) => format!("{method} {route}"),
            (Some(method), None) => method.to_owned(),
            (None, _) => "HTTP".to_owned(),
        });
        server.attributes = attributes(line, way);
        let client = way.handed_over.then(|| {
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

fn attributes(line: &Line<'_>, way: Way) -> Vec<KeyValue> {
    let failed = line.status >= 500;
    let some = [
        ("http.request.method", line.method),
        ("url.scheme", Some(way.scheme)),
        ("url.path", line.path),
        ("server.address", line.host),
        ("http.route", line.route),
        ("error.type", line.code.filter(|_| failed)),
        ("postern.request_id", Some(line.request_id)),
        ("postern.reason", line.code),
        ("user.id", line.user),
        ("postern.organization", line.org),
        ("postern.level", line.level),
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

/// A part of a `traceparent` that was made, or looked at, by [`super::headers::Trace`].
fn piece(traceparent: &HeaderValue, range: std::ops::Range<usize>) -> Option<&str> {
    traceparent.as_bytes().get(range).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

fn flags(traceparent: &HeaderValue) -> u8 {
    piece(traceparent, 53..55).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0)
}
