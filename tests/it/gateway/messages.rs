//! Messages in all their forms: HEAD, 204, 304, interim answers, old clients, keep-alive and pipelines.

use crate::support::{Gate, Options, ROUTES, Upstream, Who, World, get, request};
use std::time::Duration;

#[test]
fn an_answer_comes_through_as_it_was_given() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let headers = [
            ("Content-Type", "text/html"),
            ("ETag", "\"x\""),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2"),
            ("Location", "/y"),
            ("X-Own", "1"),
        ];
        exchange.answer("418 I'm a teapot", &headers, b"short and stout")
    });
    let gate = Gate::to(upstream);
    let answer = gate.get(Who::uA, "/me/x");
    assert_eq!((answer.status, answer.text()), (418, "short and stout".into()));
    assert_eq!(answer.all("set-cookie"), ["a=1; Path=/", "b=2"]);
    for (name, value) in
        [("content-type", "text/html"), ("etag", "\"x\""), ("location", "/y"), ("x-own", "1"), ("content-length", "15")]
    {
        assert_eq!(answer.header(name), Some(value));
    }
}

#[test]
fn a_request_comes_through_as_it_was_sent() {
    let gate = Gate::new();
    let headers = [
        ("Accept", "a/b;q=0.5"),
        ("Cookie", "x=1"),
        ("Cookie", "y=2"),
        ("If-None-Match", "\"e\""),
        ("Range", "bytes=0-1"),
        ("User-Agent", "curl"),
        ("X-Own", " spaced "),
    ];
    let sent = gate.forwarded(request(Who::mA, "PUT", "/api/v1/org/a/x?q=a+b%20c&q=2&=&&", &headers, "hello"));
    assert_eq!((sent.method.as_str(), sent.target.as_str()), ("PUT", "/api/v1/org/a/x?q=a+b%20c&q=2&=&&"));
    assert_eq!(sent.body, b"hello");
    for (name, value) in [
        ("accept", "a/b;q=0.5"),
        ("if-none-match", "\"e\""),
        ("range", "bytes=0-1"),
        ("user-agent", "curl"),
        ("x-own", "spaced"),
        ("host", "api.example.com"),
    ] {
        assert_eq!(sent.header(name), Some(value));
    }
    assert_eq!(sent.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie")).count(), 2);
}

/// Names have no case, and some old services and clients have never heard of it.
#[test]
fn names_are_written_as_old_services_and_clients_want_them() {
    let upstream = Upstream::echo();
    let mut options = Options::policy(ROUTES).set("header_case", "title");
    let to = upstream.address();
    options.upstreams = Some(format!("{{ echo: {{ addresses: [\"http://{to}\"], header_case: title }} }}"));
    let gate = Gate::before(upstream, &options);
    let sent = gate.forwarded(request(
        Who::mA,
        "POST",
        "/api/v1/org/a/x-y",
        &[("soapACTION", "a-b"), ("x-own", "c-d")],
        "hello",
    ));
    let names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["Host", "Soapaction", "X-Own", "X-Postern-User", "X-Forwarded-For", "Traceparent", "Content-Length"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with(|c: char| c.is_ascii_lowercase())), "{names:?}");
    assert_eq!(
        (sent.target.as_str(), sent.header("soapaction"), &*sent.body),
        ("/api/v1/org/a/x-y", Some("a-b"), &b"hello"[..])
    );
    let answer = gate.send(get(Who::nobody, "/me/x"));
    assert!(answer.headers.iter().any(|(name, _)| name == "Www-Authenticate"), "{:?}", answer.headers);
}

#[test]
fn head_has_a_length_and_no_body() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    for _ in 0..2 {
        raw.send(request(Who::uA, "HEAD", "/me/x", &[], ""));
        let answer = raw.answer_to_head();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("11")));
    }
    // The next answer is not shifted by a body that was none; refusals neither.
    raw.send(request(Who::uA, "HEAD", "/admin/x", &[], ""));
    assert_eq!(raw.answer_to_head().status, 403);
    raw.send(get(Who::uA, "/me/x"));
    assert_eq!(raw.answer().text(), "GET /me/x\n");
}

#[test]
fn answers_without_a_body_have_none() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        match exchange.request.target.as_str() {
            "/me/204" => exchange.write(b"HTTP/1.1 204 No Content\r\n\r\n"),
            "/me/304" => exchange.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1000\r\n\r\n"),
            "/me/empty" => exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            _ => exchange.answer("200 OK", &[], b"body"),
        }
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    for (target, status) in [("/me/204", 204), ("/me/304", 304), ("/me/empty", 200)] {
        raw.send(get(Who::uA, target));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{target}");
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().text(), "body", "behind {target}");
    }
}

#[test]
fn interim_answers_of_the_upstream_are_not_the_answer() {
    let gate = Gate::to(Upstream::saying(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal",
    ));
    assert_eq!(gate.get(Who::uA, "/me/x").text(), "final");
}

#[test]
fn whoever_may_send_a_body_is_told_to_go_on() {
    let gate = Gate::new();
    let token = World::get().token(Who::mA).unwrap();
    let mut raw = gate.raw();
    raw.send(format!(
        "POST /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(String::from_utf8(raw.bytes().unwrap()).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("hello");
    assert_eq!(raw.answer().status, 200);
    let sent = gate.upstream.last();
    assert_eq!((&*sent.body, sent.header("expect")), (&b"hello"[..], None));
}

#[test]
fn whoever_is_refused_is_never_told_to_go_on() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.body", "10B"));
    let expect = [("Expect", "100-continue")];
    for (who, target, length, status) in [
        (Who::nobody, "/me/x", "5", 401),
        (Who::uA, "/api/v1/org/a/x", "5", 403),
        (Who::uA, "/api/v1/org/b/x", "5", 403),
        (Who::uA, "/none", "5", 404),
        (Who::uA, "/readonly", "5", 405),
        (Who::mA, "/api/v1/org/a/x", "11", 413),
        (Who::mA, "/api/v1/org/a/../x", "5", 400),
    ] {
        let mut raw = gate.raw();
        raw.send(request(who, "POST", target, &[expect[0], ("Content-Length", length)], ""));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.interim.len()), (status, 0), "{target}");
    }
    gate.upstream.assert_untouched("refused before the body");
}

#[test]
fn an_old_client_gets_an_answer_that_it_understands() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send("GET /public/x HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = raw.answer();
    assert_eq!((answer.status, answer.text(), answer.header("transfer-encoding")), (200, "abc".into(), None));
    raw.assert_closed();
}

#[test]
fn an_old_upstream_is_understood() {
    let gate = Gate::to(Upstream::saying("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil I hang up"));
    let mut raw = gate.raw();
    for _ in 0..3 {
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().text(), "until I hang up");
    }
}

#[test]
fn one_connection_serves_many_requests_on_both_sides() {
    let gate = Gate::with(&Options::policy(ROUTES).set("workers", 1));
    let mut raw = gate.raw();
    for number in 0..100 {
        raw.send(get(Who::uA, &format!("/me/{number}")));
        assert_eq!(raw.answer().text(), format!("GET /me/{number}\n"));
    }
    assert_eq!(gate.upstream.connections(), 1);
    crate::support::eventually("reuse is counted", || {
        (gate.postern.metric("postern_upstream_reused_total") == 99.0).then_some(())
    });
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    let stream: Vec<u8> = (0..200)
        .flat_map(|number| match number % 3 {
            0 => get(Who::uA, &format!("/me/{number}")),
            1 => request(Who::mA, "POST", &format!("/api/v1/org/a/{number}"), &[], "body"),
            _ => get(Who::uA, &format!("/admin/{number}")),
        })
        .collect();
    raw.send(stream);
    for number in 0..200 {
        let answer = raw.answer();
        match number % 3 {
            0 => assert_eq!(answer.text(), format!("GET /me/{number}\n")),
            1 => assert_eq!(answer.text(), format!("POST /api/v1/org/a/{number}\n")),
            _ => assert_eq!(answer.code(), "superuser_only"),
        }
    }
}

#[test]
fn the_client_s_wish_to_close_is_granted() {
    let gate = Gate::new();
    for headers in [&[("Connection", "close")][..], &[("Connection", "Keep-Alive, Close")]] {
        let mut raw = gate.raw();
        raw.send(request(Who::uA, "GET", "/me/x", headers, ""));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        raw.assert_closed();
    }
    // What follows the last request belongs to none.
    let mut raw = gate.raw();
    gate.upstream.forget();
    raw.send([request(Who::uA, "GET", "/me/last", &[("Connection", "close")], ""), get(Who::uA, "/me/after")].concat());
    assert_eq!(raw.answer().status, 200);
    raw.assert_closed();
    assert_eq!(gate.upstream.recorded().len(), 1);
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_millis(5));
        let user = exchange.request.header("x-postern-user").unwrap_or("-").to_owned();
        exchange.answer("200 OK", &[], format!("{user} {}", exchange.request.target).as_bytes())
    });
    let gate = Gate::to(upstream);
    std::thread::scope(|scope| {
        for client in 0..16 {
            let gate = &gate;
            scope.spawn(move || {
                let mut raw = gate.raw();
                let who = [Who::uA, Who::mA, Who::uB, Who::both][client % 4];
                for number in 0..20 {
                    raw.send(get(who, &format!("/me/{client}-{number}")));
                    assert_eq!(raw.answer().text(), format!("{who:?} /me/{client}-{number}"));
                }
            });
        }
    });
}
