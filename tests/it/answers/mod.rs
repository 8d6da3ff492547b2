//! Answers that decide: the service says whose an object is, and nobody else sees a byte of it.

mod lists;
mod lists_of_all_kinds;
mod looked_up;
mod looked_up_elsewhere;
mod looked_up_events;
mod narrowed;
mod trouble;

use crate::support::h2::{Ask, H2};
use crate::support::h2_upstream::H2Upstream;
use crate::support::{Answer, Gate, ORG_A, ORG_B, ORG_GONE, Options, Postern, Upstream, Who, get, request};
use bytes::Bytes;
use http::Response;
use std::sync::{Arc, Mutex};

pub const POLICY: &str = r#"
version: 1
defaults:
  shared: { read: manager, write: superuser }
  inject: { X-Organization: org.slug, X-User: user.username }
routes:
  /device/{id}: { read: { level: member, org: response./organization }, write: deny }
  /passing/{id}: { GET: { level: member, org: response./organization, error_passthrough: true } }
  /small/{id}: { GET: { level: member, org: response./organization, inspect_limit: 1KiB } }
  /free/{id}: { GET: authenticated }
"#;

/// What a service says, and is made to say next.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Vec<u8>>>);

impl Script {
    /// The next answers, byte for byte.
    pub fn say(&self, bytes: impl Into<Vec<u8>>) {
        *self.0.lock().unwrap() = bytes.into();
    }

    /// The next answers: 200 with these headers and this body.
    pub fn answer(&self, headers: &str, body: &str) {
        let length = body.len();
        self.say(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}"));
    }

    pub fn json(&self, body: &str) {
        self.answer("Content-Type: application/json\r\n", body);
    }

    /// A service that says it.
    pub fn serve(&self) -> Upstream {
        let said = self.clone();
        Upstream::with(move |exchange| {
            exchange.body()?;
            let bytes = said.0.lock().unwrap().clone();
            exchange.write(&bytes)
        })
    }

    pub fn object_of(&self, organization: &str) -> String {
        let body = format!("{{\"id\": 17, \"organization\": \"{organization}\", \"secret\": \"sesame\"}}");
        self.json(&body);
        body
    }
}

/// A gate before a service that says what it is told to.
pub fn scripted(policy: &str, change: impl FnOnce(Options) -> Options) -> (Gate, Script) {
    let script = Script::default();
    (Gate::before(script.serve(), &change(Options::policy(policy))), script)
}

/// Everything that is said of an answer but when and to which request.
fn told(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date").cloned();
    (answer.status, answer.text(), headers.collect())
}

#[test]
fn the_service_says_whose_an_object_is() {
    let (gate, script) = scripted(POLICY, |options| options);
    let body = script.object_of(ORG_A);
    let answer = gate.get(Who::uA, "/device/17");
    assert_eq!((answer.status, answer.text()), (200, body.clone()));
    assert_eq!(answer.header("cache-control"), Some("private"));
    let sent = gate.upstream.last();
    // It is asked before anybody knows whose it is.
    assert_eq!((sent.header("x-user"), sent.header("x-organization")), (Some("uA"), None));
    for (who, status) in [(Who::mA, 200), (Who::both, 200), (Who::su, 200), (Who::uB, 404), (Who::gone, 404)] {
        assert_eq!(gate.get(who, "/device/17").status, status, "{who:?}");
    }
    gate.upstream.forget();
    gate.refused(get(Who::nobody, "/device/17"), 401, "credentials_missing");
    gate.refused(request(Who::mA, "PUT", "/device/17", &[], "x"), 403, "denied");
    // Null is shared: managers read it.
    script.json("{\"organization\": null}");
    assert_eq!(gate.get(Who::mA, "/device/17").status, 200);
    assert_eq!((gate.get(Who::uA, "/device/17").code().as_str()), "shared_denied");
    // A superuser passes everywhere, but not into what does not exist.
    script.object_of(ORG_GONE);
    assert_eq!(gate.get(Who::su, "/device/17").status, 200);
    assert_eq!(gate.get(Who::gone, "/device/17").status, 404);
    script.object_of("00000000-0000-4000-8000-000000000000");
    assert_eq!(gate.get(Who::su, "/device/17").status, 404);
    let lines = gate.postern.access_lines(12);
    let of_b = lines.iter().find(|line| line["user"].is_string() && line["code"] == "org_foreign").unwrap();
    assert_eq!(of_b["org"], ORG_A);
    assert!(lines.iter().any(|line| line["superuser_pass"] == true));
}

/// Attack 81: an object of somebody else, one that is not there, and a route that is not there are one to the caller.
#[test]
fn a_foreign_object_is_told_like_one_that_is_not_there() {
    let (gate, script) = scripted(POLICY, |options| options);
    let missing_route = told(&gate.get(Who::mA, "/nothing"));
    assert_eq!(missing_route.0, 404);
    script.object_of(ORG_B);
    assert_eq!(told(&gate.get(Who::mA, "/device/17")), missing_route);
    script.object_of(ORG_GONE);
    assert_eq!(told(&gate.get(Who::mA, "/device/17")), missing_route);
    script.say(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Secret: sesame\r\nContent-Length: 6\r\n\r\nsesame",
    );
    assert_eq!(told(&gate.get(Who::mA, "/device/17")), missing_route);
    // Whoever wants to see the service's own says so.
    let answer = gate.get(Who::mA, "/passing/17");
    assert_eq!((answer.status, answer.text().as_str()), (404, "sesame"));
    script.say("HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nX-Secret: sesame\r\nContent-Length: 6\r\n\r\nsesame");
    let answer = gate.get(Who::mA, "/device/17");
    assert_eq!((answer.status, answer.code().as_str(), answer.header("x-secret")), (500, "upstream_error", None));
    assert!(!answer.text().contains("sesame"));
    script.object_of(ORG_B);
    assert_eq!(told(&gate.get(Who::mA, "/passing/17")), missing_route);
}

/// Attacks 81 and 86: nothing asks for less than a whole answer, and nothing lets a cache serve it to others.
#[test]
fn all_of_an_answer_is_asked_for_as_it_is() {
    let (gate, script) = scripted(POLICY, |options| options);
    let asks = [
        ("If-None-Match", "\"1\""),
        ("If_None_Match", "\"1\""),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Range", "bytes=0-3"),
        ("If-Range", "\"1\""),
        ("Accept-Encoding", "gzip, br"),
        ("A-IM", "vcdiff"),
        ("Accept", "application/json"),
    ];
    let headers = "Content-Type: application/json\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nCache-Control: public, max-age=60\r\n";
    let body = format!("{{\"organization\": \"{ORG_A}\"}}");
    script.answer(headers, &body);
    let answer = gate.send(request(Who::uA, "GET", "/device/17", &asks, ""));
    assert_eq!((answer.status, answer.text()), (200, body.clone()));
    assert_eq!(answer.header("cache-control"), Some("max-age=60, private"));
    assert_eq!((answer.header("etag"), answer.header("accept-ranges")), (Some("\"1\""), None));
    let sent = gate.upstream.last();
    assert_eq!(sent.folded("accept-encoding"), ["identity"]);
    for (name, _) in asks.iter().filter(|(name, _)| !name.starts_with("Accept")) {
        assert!(sent.folded(name).is_empty(), "{name}");
    }
    assert_eq!(sent.header("accept"), Some("application/json"));
    // Elsewhere they pass.
    gate.send(request(Who::uA, "GET", "/free/17", &asks, ""));
    assert_eq!(gate.upstream.last().header("if-none-match"), Some("\"1\""));
    // HEAD: the service is asked for what it would say, and it is judged.
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "HEAD", "/device/17", &[], ""));
    let answer = raw.answer_to_head();
    assert_eq!((answer.status, answer.header("content-length")), (200, Some(body.len().to_string().as_str())));
    assert_eq!(gate.upstream.last().method, "GET");
    script.object_of(ORG_B);
    raw.send(request(Who::uA, "HEAD", "/device/17", &[], ""));
    assert_eq!(raw.answer_to_head().status, 404);
    // The connection goes on behind it.
    script.object_of(ORG_A);
    raw.send(get(Who::uA, "/device/17"));
    assert_eq!(raw.answer().status, 200);
}

#[test]
fn an_answer_that_decides_passes_over_http2_on_both_sides() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        let seen = state.read(request).await;
        let organization = if seen.uri.ends_with("/b") { ORG_B } else { ORG_A };
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        let mut stream = respond.send_response(head, false)?;
        stream.send_data(Bytes::from("{\"organization\": "), false)?;
        stream.send_data(Bytes::from(format!("\"{organization}\"}}")), true)
    });
    let mut options = Options::policy(POLICY);
    options.upstreams =
        Some(format!("{{ echo: {{ addresses: \"http://{}\", protocol: http2 }} }}", upstream.address()));
    let postern = Postern::start(upstream.address(), &options);
    let mut client = H2::plain(postern.data);
    for _ in 0..3 {
        let answer = client.ask(Who::uA, &Ask::get("/device/a").header("range", "bytes=0-1"));
        assert_eq!((answer.status, answer.json()["organization"].as_str()), (200, Some(ORG_A)));
        assert!(upstream.last().header("range").is_none());
        let answer = client.ask(Who::uA, &Ask::get("/device/b"));
        assert_eq!((answer.status, answer.code().as_str()), (404, "no_route"));
        assert_eq!(client.ask(Who::uB, &Ask::get("/device/b")).status, 200);
    }
}

#[test]
fn explain_says_that_the_answer_decides() {
    let (gate, _) = scripted(POLICY, |options| options);
    let told = gate.postern.cli(&["explain", "GET", "/device/17", "--as", "uA"]);
    assert!(told.contains("whose answer decides") && told.contains("before any of it reaches the caller"), "{told}");
    assert!(gate.postern.try_cli(&["explain", "PUT", "/device/17", "--as", "uA"]).is_err());
    let told = gate.postern.cli(&["matrix"]);
    let line = told.lines().find(|line| line.starts_with("/device/{id}")).unwrap();
    let cells: Vec<_> = line.split_whitespace().skip(2).collect();
    assert_eq!(cells, ["401", "404", "allow", "allow", "allow", "404", "404", "404", "404", "allow"], "{told}");
}
