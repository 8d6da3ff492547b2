//! Traces as a collector gets them: a real OTLP/gRPC receiver, on tonic.

use crate::attacks::secret_paths;
use crate::support::{Gate, Options, Postern, ROUTES, Upstream, Who, eventually, get, request};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What was received: spans, and the attributes of who sent them.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<(Vec<Span>, Vec<KeyValue>)>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            received.1 = resource.resource.unwrap().attributes;
            received.0.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector of its own, with a runtime of its own.
struct Collector {
    address: SocketAddr,
    received: Received,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start(tls: Option<Identity>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let received = Received::default();
        let mut server = Server::builder();
        if let Some(identity) = tls {
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let _within = runtime.enter();
        let incoming = tonic::transport::server::TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = TraceServiceServer::new(received.clone());
        runtime.spawn(server.add_service(service).serve_with_incoming(incoming));
        drop(_within);
        Self { address, received, _runtime: runtime }
    }

    fn plain() -> Self {
        Self::start(None)
    }

    fn spans(&self) -> Vec<Span> {
        self.received.0.lock().unwrap().0.clone()
    }

    /// The spans, as soon as there are `count`.
    fn wait(&self, count: usize) -> Vec<Span> {
        eventually("spans", || Some(self.spans()).filter(|spans| spans.len() >= count))
    }
}

fn traced(collector: &Collector, more: &str) -> Options {
    Options {
        config: format!("tracing: {{ otlp: \"http://{}\"{more} }}\n", collector.address),
        ..Options::policy(ROUTES)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    })
}

fn of(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

/// The request's span, and the upstream's below it.
fn pair(spans: &[Span]) -> (&Span, &Span) {
    let of_kind = |kind: SpanKind| spans.iter().find(|span| span.kind == kind as i32).unwrap();
    (of_kind(SpanKind::Server), of_kind(SpanKind::Client))
}

#[test]
fn a_forwarded_request_leaves_two_spans_and_the_upstream_hangs_below_them() {
    let collector = Collector::plain();
    let gate = Gate::with(&traced(&collector, ", service: gate"));
    let recorded = gate.forwarded(get(Who::uA, "/api/v1/org/a/x?secret=1"));
    let spans = collector.wait(2);
    assert_eq!(spans.len(), 2);
    let (server, client) = pair(&spans);
    let told = format!("00-{}-{}-01", hex(&server.trace_id), hex(&client.span_id));
    assert_eq!(recorded.header("traceparent"), Some(&*told));
    assert_eq!(recorded.header("x-request-id"), Some(&*hex(&server.trace_id)));
    assert_eq!((&client.parent_span_id, &client.trace_id), (&server.span_id, &server.trace_id));
    assert!(server.parent_span_id.is_empty(), "it begins here");
    assert_eq!(server.name, "GET /api/v1/org/{org:slug}/**");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/v1/org/{org:slug}/**"),
        ("url.path", "/api/v1/org/a/x"),
        ("server.address", "api.example.com"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("postern.level", "member"),
    ] {
        assert_eq!(of(server, key).as_deref(), Some(value), "{key}");
    }
    assert!(of(server, "user.id").is_some() && of(server, "postern.organization").is_some());
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
    assert!(!format!("{spans:?}").contains("secret"), "no span holds a query");
    let resource = collector.received.0.lock().unwrap().1.clone();
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("gate"));
    assert_eq!(attribute(&resource, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    // The access line leads to the trace.
    assert_eq!(gate.postern.access_lines(1)[0]["trace_id"], hex(&server.trace_id));
    // Counted when the collector has answered, which is after it has them.
    eventually("they are counted", || (gate.postern.metric("postern_spans_total") == 2.0).then_some(()));
}

#[test]
fn a_link_of_a_letter_is_in_no_span() {
    let collector = Collector::plain();
    let gate =
        Gate::with(&Options { config: traced(&collector, "").config, ..Options::policy(secret_paths::routes()) });
    let targets = secret_paths::targets();
    for target in &targets {
        gate.send(format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"));
    }
    let is_server = |span: &&Span| span.kind == SpanKind::Server as i32;
    let spans = eventually("a span of each", || {
        Some(collector.spans()).filter(|spans| spans.iter().filter(is_server).count() == targets.len())
    });
    assert!(spans.iter().any(|span| of(span, "url.path").as_deref() == Some("/api/v1/users/password/reset/key/...")));
    let lines = secret_paths::telling(&format!("{spans:#?}"));
    assert!(lines.is_empty(), "{lines:#?}");
}

#[test]
fn a_refusal_is_one_span_with_its_reason_and_no_error() {
    let collector = Collector::plain();
    let gate = Gate::with(&traced(&collector, ""));
    gate.refused(get(Who::uB, "/api/v1/org/a/x"), 403, "org_foreign");
    let spans = collector.wait(1);
    assert_eq!(spans.len(), 1);
    assert_eq!(of(&spans[0], "postern.reason").as_deref(), Some("org_foreign"));
    assert!(spans[0].status.as_ref().is_none_or(|status| status.code == 0), "a refusal is an answer");
}

#[test]
fn an_upstream_that_fails_is_an_error_of_both_spans() {
    let collector = Collector::plain();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let postern = Postern::start(nobody, &traced(&collector, ""));
    let mut raw = postern.raw();
    raw.send(get(Who::nobody, "/public/x"));
    assert_eq!(raw.answer().status, 502);
    let spans = collector.wait(2);
    let (server, client) = pair(&spans);
    for span in [server, client] {
        let status = span.status.as_ref().unwrap();
        assert_eq!((status.code, &*status.message), (2, "upstream_unreachable"));
    }
    assert_eq!(of(server, "error.type").as_deref(), Some("upstream_unreachable"));
    assert_eq!(of(client, "http.response.status_code"), None, "nobody answered");
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

/// A trusted caller's trace goes on, and its word about sampling counts whatever our own ratio is.
#[test]
fn a_trusted_caller_s_trace_goes_on_and_a_stranger_s_does_not() {
    let collector = Collector::plain();
    let mut options = traced(&collector, ", sample: 0");
    options.config += "trusted_proxies: [127.0.0.0/8]\n";
    let gate = Gate::with(&options);
    let ask = |flags: &str| {
        let parent = format!("{PARENT}-{flags}");
        gate.forwarded(request(Who::uA, "GET", "/me/x", &[("traceparent", &parent), ("tracestate", "a=b")], ""))
    };
    let unsampled = ask("00");
    assert!(unsampled.header("traceparent").unwrap().ends_with("-00"));
    let sampled = ask("01");
    assert!(sampled.header("traceparent").unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert_eq!(sampled.header("tracestate"), Some("a=b"));
    let spans = collector.wait(2);
    assert_eq!(spans.len(), 2, "of the sampled one alone");
    let (server, client) = pair(&spans);
    assert_eq!(
        (hex(&server.trace_id), hex(&server.parent_span_id)),
        (PARENT[3..35].to_owned(), PARENT[36..].to_owned())
    );
    assert!(sampled.header("traceparent").unwrap().contains(&hex(&client.span_id)));
    // The trace is in the access lines of both.
    for line in gate.postern.access_lines(2) {
        assert_eq!(line["trace_id"], PARENT[3..35], "{line}");
    }

    let stranger = Gate::with(&traced(&collector, ", sample: 0"));
    let parent = format!("{PARENT}-01");
    let recorded = stranger.forwarded(request(Who::uA, "GET", "/me/x", &[("traceparent", &parent)], ""));
    assert!(!recorded.header("traceparent").unwrap().contains(&PARENT[3..35]));
    assert!(recorded.header("traceparent").unwrap().ends_with("-00"), "a stranger cannot ask to be recorded");
}

#[test]
fn a_part_of_the_traces_is_sampled_and_the_upstream_is_told_which() {
    let collector = Collector::plain();
    let gate = Gate::with(&traced(&collector, ", sample: 0.5"));
    let mut sampled = 0;
    for _ in 0..200 {
        let recorded = gate.forwarded(get(Who::nobody, "/public/x"));
        sampled += usize::from(recorded.header("traceparent").unwrap().ends_with("-01"));
    }
    assert!((50..150).contains(&sampled), "{sampled} of 200");
    assert_eq!(collector.wait(2 * sampled).len(), 2 * sampled);
}

/// The last spans are sent on the way down.
#[test]
fn nothing_is_lost_when_the_process_ends_in_order() {
    let collector = Collector::plain();
    let mut gate = Gate::with(&traced(&collector, ""));
    for _ in 0..20 {
        gate.get(Who::uA, "/me/x");
    }
    gate.postern.signal(crate::support::Signal::Term);
    assert!(gate.postern.wait().success());
    assert_eq!(collector.spans().len(), 40);
}

/// Spans of a collector that is away are dropped and counted, said once, and no request waits.
#[test]
fn without_a_collector_requests_are_served_and_the_loss_is_counted() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { config: format!("tracing: {{ otlp: \"http://{nobody}\" }}\n"), ..Options::policy(ROUTES) };
    let gate = Gate::with(&options);
    for _ in 0..10 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    }
    eventually("the loss is counted", || (gate.postern.metric("postern_spans_dropped_total") >= 20.0).then_some(()));
    let said = || gate.postern.stderr().into_iter().filter(|line| line.contains("trace collector")).count();
    eventually("it is said", || (said() > 0).then_some(()));
    assert_eq!(said(), 1);
}

#[test]
fn an_https_collector_is_verified() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let collector = Collector::start(Some(Identity::from_pem(&certificate, key)));
    let home = tempfile::tempdir().unwrap();
    let ca: PathBuf = home.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let options = |ca: &str| Options {
        config: format!("tracing: {{ otlp: \"https://localhost:{}\"{ca} }}\n", collector.address.port()),
        ..Options::policy(ROUTES)
    };
    let unknown = Gate::with(&options(""));
    unknown.get(Who::uA, "/me/x");
    eventually("the loss is counted", || (unknown.postern.metric("postern_spans_dropped_total") >= 2.0).then_some(()));
    assert!(collector.spans().is_empty(), "sent to somebody whom nobody vouches for");
    let known = Gate::with(&options(&format!(", ca: \"{}\"", ca.display())));
    known.get(Who::uA, "/me/x");
    assert_eq!(collector.wait(2).len(), 2);
}

#[test]
fn a_collector_s_address_that_cannot_be_meant_is_refused_at_the_start() {
    for (tracing, told) in [
        ("{ otlp: \"collector:4317\" }", "must be scheme, host and port of a collector"),
        ("{ otlp: \"http://collector\" }", "must be scheme, host and port of a collector"),
        ("{ otlp: \"http://collector:4317\", sample: 2 }", "from 0 to 1"),
        ("{ otlp: \"https://collector:4317\", ca: none.pem }", "cannot read `tracing.ca`"),
    ] {
        let options = Options { config: format!("tracing: {tracing}\n"), ..Options::policy(ROUTES) };
        let upstream = Upstream::echo();
        let home = Postern::prepare(Some(upstream.address()), &options);
        let output = Postern::serve(home.path(), &options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(told), "{tracing}: {said}");
    }
}
