//! Lookups over HTTP: the service behind the gate, or another one, says whose an object is.

use super::MISSING;
use crate::gateway::websockets;
use crate::support::{
    Answer, Exchange, Gate, H2Upstream, ORG_A, ORG_B, Options, Upstream, Who, eventually, get, request,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

const POLICY: &str = r#"
version: 1
upstream: echo
defaults:
  shared: { read: manager, write: superuser }
  inject: { X-Organization: org.slug }
lookups:
  build:
    http:
      upstream: legacy
      get: /api/v1/build/{1}/
      org: /category/organization
      columns: { is_locked: /is_locked, model: /model/id, name: /name }
      headers: { Authorization: { secret: legacy }, X-Asks: { literal: postern } }
    args: [path.id]
  model:
    http: { upstream: legacy, get: '/api/v1/model/?id={1}', org: /slug as slug }
    args: [lookup.build.model]
  kept:
    http: { upstream: legacy, get: '/api/v1/build/{1}/', org: /category/organization, columns: { name: /name } }
    args: [path.id]
    cache: 1h
  odd:
    http: { upstream: legacy, get: '/odd/{1}', org: /organization, timeout: 400ms }
    args: [path.name]
  column:
    http: { upstream: legacy, get: '/odd/{1}', org: /organization, columns: { size: /size } }
    args: [path.name]
routes:
  /build/{id}/:
    org: lookup.build
    inject: { X-Name: lookup.build.name }
    read: member
    write: { level: manager, when: '!lookup.build.is_locked' }
  /model/{id}/: { org: lookup.model, level: member }
  /kept/{id}/: { org: lookup.kept, level: member, inject: { X-Name: lookup.kept.name } }
  /odd/{name}: { org: lookup.odd, level: member }
  /column/{name}: { org: lookup.column, level: member, inject: { X-Size: lookup.column.size } }
"#;

/// The builds of a service, and whatever else it may answer.
fn answer(target: &str) -> Vec<u8> {
    let json = |status: &str, body: &str| said(status, "Content-Type: application/json\r\n", body.as_bytes());
    let build = |organization: &str, is_locked: bool| {
        let body = format!(
            r#"{{"id": 1, "category": {{"organization": {organization}}}, "is_locked": {is_locked}, "model": {{"id": 5}}, "name": "Küche"}}"#
        );
        json("200 OK", &body)
    };
    match target {
        "/api/v1/build/17/" => build(&format!("\"{ORG_A}\""), false),
        "/api/v1/build/lo%20ck/" => build(&format!("\"{ORG_A}\""), true),
        "/api/v1/build/18/" => build(&format!("\"{ORG_B}\""), false),
        "/api/v1/build/19/" => build("null", false),
        "/api/v1/model/?id=5" => json("200 OK", r#"{"slug": "a"}"#),
        _ => match target.strip_prefix("/odd/") {
            Some(name) => odd(name),
            None => json("404 Not Found", r#"{"detail": "Not found."}"#),
        },
    }
}

fn said(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What a service should not answer, by name.
fn odd(name: &str) -> Vec<u8> {
    let good = format!(r#"{{"organization": "{ORG_A}", "size": 1}}"#);
    let with = |status: &str, headers: &str| said(status, headers, good.as_bytes());
    let json = |body: &[u8]| said("200 OK", "Content-Type: application/json\r\n", body);
    match name {
        "good" => json(good.as_bytes()),
        "redirect" => with("302 Found", "Location: /odd/good\r\nContent-Type: application/json\r\n"),
        "moved" => with("308 Permanent Redirect", "Location: /odd/good\r\nContent-Type: application/json\r\n"),
        "error" => with("500 Internal Server Error", "Content-Type: application/json\r\n"),
        "forbidden" => with("403 Forbidden", "Content-Type: application/json\r\n"),
        "partial" => with("206 Partial Content", "Content-Type: application/json\r\n"),
        "html" => with("200 OK", "Content-Type: text/html\r\n"),
        "untyped" => with("200 OK", ""),
        "typed_twice" => with("200 OK", "Content-Type: application/json\r\nContent-Type: text/html\r\n"),
        "charset" => with("200 OK", "Content-Type: application/json; charset=utf-16\r\n"),
        "gzip" => with("200 OK", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"),
        "two" => json(format!("{good} {good}").as_bytes()),
        "twice" => json(format!(r#"{{"organization": "{ORG_A}", "organi\u007aation": "{ORG_B}"}}"#).as_bytes()),
        "spelt" => json(format!(r#"{{"organization": "{ORG_A}", "Organization": "{ORG_B}"}}"#).as_bytes()),
        "missing" => json(b"{\"id\": 1}"),
        "list" => json(format!("[{good}]").as_bytes()),
        "object" => json(format!(r#"{{"organization": {{"id": "{ORG_A}"}}}}"#).as_bytes()),
        "flag" => json(b"{\"organization\": true}"),
        "nothing" => json(b""),
        "word" => json(b"{\"organization\": \"acme\"}"),
        "latin" => json(b"{\"organization\": null, \"x\": \"\xff\"}"),
        "cut" => json(good.get(..20).unwrap_or_default().as_bytes()),
        "large" => json(format!(r#"{{"organization": null, "x": "{}"}}"#, "x".repeat(300_000)).as_bytes()),
        "size_missing" => json(format!(r#"{{"organization": "{ORG_A}"}}"#).as_bytes()),
        "size_huge" => json(format!(r#"{{"organization": "{ORG_A}", "size": 1e999}}"#).as_bytes()),
        "size_long" => json(format!(r#"{{"organization": "{ORG_A}", "size": 12345678901234567890123}}"#).as_bytes()),
        "size_list" => json(format!(r#"{{"organization": "{ORG_A}", "size": [1]}}"#).as_bytes()),
        "broken_off" => {
            let mut bytes = json(good.as_bytes());
            bytes.truncate(bytes.len() - 4);
            bytes
        }
        "endless" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let piece = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
            format!("{head}{}", piece.repeat(64)).into_bytes()
        }
        _ => Vec::new(),
    }
}

/// A gate in front of an echo, and the service that its lookups ask.
struct Asked {
    gate: Gate,
    service: Upstream,
}

impl Asked {
    fn new() -> Self {
        Self::with(POLICY, |exchange| {
            let target = exchange.request.target.clone();
            if target == "/odd/slow" {
                std::thread::sleep(Duration::from_secs(2));
            }
            exchange.write(&answer(&target))?;
            if target.starts_with("/odd/") {
                exchange.hang_up();
            }
            Ok(())
        })
    }

    fn with(policy: &str, handle: impl Fn(&mut Exchange) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let (echo, service) = (Upstream::echo(), Upstream::with(handle));
        let upstreams = format!("{{ echo: \"http://{}\", legacy: \"http://{}\" }}", echo.address(), service.address());
        let config = "secrets: { legacy: \"Bearer s3cret-of-lookups\" }\n".to_owned();
        let options = Options { config, upstreams: Some(upstreams), ..Options::policy(policy) };
        Self { gate: Gate::before(echo, &options), service }
    }

    fn told(&self, who: Who, target: &str) -> Answer {
        self.gate.refused(get(who, target), 404, "no_route")
    }
}

#[test]
fn a_service_says_whose_an_object_is() {
    let asked = Asked::new();
    let gate = &asked.gate;
    let sent = gate.forwarded(get(Who::uA, "/build/17/"));
    assert_eq!((sent.header("x-organization"), sent.header("x-name")), (Some("a"), Some("K%C3%BCche")));
    // The credentials are the lookup's own, and nothing of the caller's is told.
    let question = asked.service.last();
    assert_eq!((question.method.as_str(), question.target.as_str()), ("GET", "/api/v1/build/17/"));
    assert_eq!(question.header("authorization"), Some("Bearer s3cret-of-lookups"));
    assert_eq!(question.header("x-asks"), Some("postern"));
    assert_eq!(question.header("host"), Some(asked.service.address().to_string().as_str()));
    for name in ["cookie", "x-request-id", "x-forwarded-for", "x-organization"] {
        assert_eq!(question.header(name), None, "{name}");
    }
    gate.forwarded(get(Who::uB, "/build/18/"));
    let put = |who, id: &str| request(who, "PUT", &format!("/build/{id}/"), &[], "x");
    gate.refused(put(Who::uA, "17"), 403, "org_level_missing");
    gate.forwarded(put(Who::mA, "17"));
    gate.refused(put(Who::mA, "lo%20ck"), 403, "condition_false");
    // Null is shared.
    gate.forwarded(get(Who::mA, "/build/19/"));
    gate.refused(get(Who::uA, "/build/19/"), 403, "shared_denied");
    // Through a parent, whose column is the argument; as a slug.
    gate.forwarded(get(Who::uA, "/model/17/"));
    assert_eq!(asked.service.last().target, "/api/v1/model/?id=5");
    asked.told(Who::uB, "/model/17/");
    // Connections are used again.
    assert!(asked.service.connections() < 4, "{}", asked.service.connections());
    let log = gate.postern.stderr().join("\n");
    assert!(!log.contains("s3cret"), "{log}");
}

/// Attacks 78 and 79: nothing tells a foreign object from one that is not there, and no argument leaves its segment.
#[test]
fn an_argument_is_never_more_than_a_piece_of_the_target() {
    let asked = Asked::new();
    let plain = |target: &str| {
        let answer = asked.told(Who::mA, target);
        let headers: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date").cloned().collect();
        (answer.text(), headers)
    };
    let missing = plain(&format!("/build/{MISSING}/"));
    for id in ["18", "99", "17%3Fx", "17%23", "1%20OR%201=1", "%C3%A9", "17%26a=b"] {
        assert_eq!(plain(&format!("/build/{id}/")), missing, "{id}");
    }
    for question in asked.service.recorded() {
        assert!(
            question.target.starts_with("/api/v1/build/") && question.target.matches('/').count() == 5,
            "{}",
            question.target
        );
    }
    // What would be another segment elsewhere is not asked at all.
    asked.service.forget();
    assert_eq!(plain(&format!("/build/{}/", "n".repeat(5000))), missing);
    asked.service.assert_untouched("it names no object");
    asked.gate.refused(get(Who::nobody, "/build/17/"), 401, "credentials_missing");
    asked.service.assert_untouched("nobody is looked up for");
}

#[test]
fn what_a_service_should_not_answer_is_our_own_fault() {
    let asked = Asked::new();
    asked.gate.forwarded(get(Who::uA, "/odd/good"));
    let names = [
        "redirect",
        "moved",
        "error",
        "forbidden",
        "partial",
        "html",
        "untyped",
        "typed_twice",
        "charset",
        "gzip",
        "two",
        "twice",
        "spelt",
        "missing",
        "list",
        "object",
        "flag",
        "nothing",
        "word",
        "latin",
        "cut",
        "large",
        "broken_off",
        "endless",
        "slow",
        "hangs_up",
    ];
    for name in names {
        let begun = postern::clock::monotonic();
        asked.gate.refused(get(Who::uA, &format!("/odd/{name}")), 503, "lookup_failed");
        // A superuser is told no more, and passes no more.
        asked.gate.refused(get(Who::su, &format!("/odd/{name}")), 503, "lookup_failed");
        assert!(begun.elapsed() < Duration::from_secs(3), "{name}");
    }
    assert_eq!(asked.gate.forwarded(get(Who::uA, "/column/good")).header("x-size"), Some("1"));
    assert_eq!(
        asked.gate.forwarded(get(Who::uA, "/column/size_long")).header("x-size"),
        Some("12345678901234567890123")
    );
    for name in ["size_missing", "size_huge", "size_list"] {
        asked.gate.refused(get(Who::uA, &format!("/column/{name}")), 503, "lookup_failed");
    }
    let log = asked.gate.postern.stderr().join("\n");
    assert!(log.contains("redirects are not followed") && log.contains("took too long"), "{log}");
    let tells = |name: &str| log.contains(&format!("/odd/{name}"));
    assert!(!names.into_iter().any(tells) && !log.contains("s3cret"), "{log}");
}

#[test]
fn an_answer_is_kept_and_many_who_wait_make_one_question() {
    let asked = Asked::with(POLICY, |exchange| {
        std::thread::sleep(Duration::from_millis(200));
        exchange.write(&answer(&exchange.request.target.clone()))
    });
    let status = |target: &str| asked.gate.get(Who::uA, target).status;
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(|| status("/kept/17/"))).collect();
        assert!(asked.into_iter().all(|asked| asked.join().unwrap() == 200));
    });
    assert_eq!(status("/kept/17/"), 200);
    assert_eq!(asked.service.recorded().len(), 1);
    // That there is nothing is asked each time.
    for _ in 0..2 {
        assert_eq!(status("/kept/99/"), 404);
    }
    assert_eq!(asked.service.recorded().len(), 3);
    assert_eq!(asked.gate.postern.metric("postern_lookups_total"), 3.0);
}

#[test]
fn a_service_that_is_away_heals_and_may_move() {
    let asked = Asked::new();
    asked.gate.forwarded(get(Who::uA, "/build/17/"));
    let echo = asked.gate.upstream.address();
    // Its connections end with it, and nobody listens.
    let config = asked.gate.postern.home().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let moved = Upstream::with(|exchange| exchange.write(&answer(&exchange.request.target.clone())));
    let old = asked.service.address().to_string();
    std::fs::write(&config, text.replace(&old, &moved.address().to_string())).unwrap();
    eventually("the new service is asked", || {
        assert_eq!(asked.gate.get(Who::uA, "/build/17/").status, 200);
        (!moved.recorded().is_empty()).then_some(())
    });
    assert_eq!(asked.gate.upstream.address(), echo);
}

#[test]
fn a_service_may_speak_http2_alone() {
    let echo = Upstream::echo();
    let service = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        state.read(request).await;
        let response = http::Response::builder().header("content-type", "application/json").body(()).unwrap();
        let mut body = respond.send_response(response, false)?;
        body.send_data(Bytes::from(format!(r#"{{"category": {{"organization": "{ORG_A}"}}, "name": "x"}}"#)), true)
    });
    let upstreams = format!("{{ echo: \"http://{}\", legacy: \"h2c://{}\" }}", echo.address(), service.address());
    let config = "secrets: { legacy: \"Bearer s3cret-of-lookups\" }\n".to_owned();
    let gate = Gate::before(echo, &Options { config, upstreams: Some(upstreams), ..Options::policy(POLICY) });
    for id in ["1", "2", "3"] {
        gate.forwarded(get(Who::uA, &format!("/kept/{id}/")));
    }
    assert_eq!((service.seen().len(), service.connections()), (3, 1));
    assert!(service.last().uri.ends_with("/api/v1/build/3/"), "{}", service.last().uri);
}

#[test]
fn explain_and_doctor_ask_the_service_as_it_stands() {
    let asked = Asked::new();
    let postern = &asked.gate.postern;
    let told = postern.cli(&["explain", "GET", "/build/17/", "--as", "uA"]);
    assert!(told.contains("lookup.build") && told.contains("x-name: K%C3%BCche"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    assert_eq!(asked.service.last().header("authorization"), Some("Bearer s3cret-of-lookups"));
    assert!(postern.try_cli(&["explain", "GET", "/build/18/", "--as", "uA"]).is_err());
    let told = postern.cli(&["doctor"]);
    assert!(told.contains("lookup build") && told.contains("organization, is_locked, model, name"), "{told}");
}

const LIVE: &str = r#"
version: 1
upstream: echo
lookups:
  build: { http: { upstream: legacy, get: '/build/{1}', org: /organization }, args: [path.id] }
routes:
  /live/{id}: { org: lookup.build, GET: { level: member, upgrade: [websocket] } }
"#;

/// A handshake is judged by what the service says of the object, and what it says later ends the connection.
#[test]
fn a_websocket_belongs_to_an_object_as_long_as_the_service_says_so() {
    let is_moved = Arc::new(AtomicBool::new(false));
    let moved = Arc::clone(&is_moved);
    let service = Upstream::with(move |exchange| {
        let organization = if moved.load(Ordering::Relaxed) { ORG_B } else { ORG_A };
        let json = |body: &str| said("200 OK", "Content-Type: application/json\r\n", body.as_bytes());
        let answer = match exchange.request.target.as_str() {
            "/build/17" => json(&format!(r#"{{"organization": "{organization}"}}"#)),
            "/build/odd" => json("{}"),
            _ => said("404 Not Found", "", b""),
        };
        exchange.write(&answer)
    });
    let upstreams = format!("{{ echo: \"http://{}\", legacy: \"http://{}\" }}", websockets::echo(), service.address());
    let options = Options { upstreams: Some(upstreams), ..Options::policy(LIVE) };
    let gate = Gate::before(Upstream::echo(), &options);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for (who, target, status) in [
            (Who::uB, "/live/17", 404),
            (Who::uA, "/live/18", 404),
            (Who::uA, "/live/a%20b", 404),
            (Who::uA, "/live/odd", 503),
            (Who::nobody, "/live/17", 401),
        ] {
            match websockets::open(&gate, who, target, None).await {
                Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status, "{who:?} {target}"),
                other => panic!("{who:?} {target}: {other:?}"),
            }
        }
        let mut socket = websockets::open(&gate, Who::uA, "/live/17", None).await.unwrap();
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("x"));
        is_moved.store(true, Ordering::Relaxed);
        let end = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("it ends");
        assert!(matches!(end, Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Policy));
        assert!(websockets::open(&gate, Who::uB, "/live/17", None).await.is_ok());
    });
}
