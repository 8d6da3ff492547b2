//! Upstreams that are down, late, broken or untruthful.

use crate::support::{Gate, Options, Postern, ROUTES, Upstream, Who, get, post};
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn an_upstream_that_is_down_is_502() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let postern = Postern::start(nobody, &Options::policy(ROUTES));
    let mut raw = postern.raw();
    for _ in 0..3 {
        raw.send(get(Who::uA, "/me/x"));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    }
    // Who may not pass does not learn that the service is down.
    raw.send(get(Who::uA, "/admin/x"));
    assert_eq!(raw.answer().status, 403);
    // Nor does the answer tell where it is.
    raw.send(get(Who::uA, "/me/x"));
    assert!(!raw.answer().text().contains("127.0.0.1"));
    let line = &postern.access_lines(5)[0];
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(502), Some("upstream_unreachable")));
}

#[test]
fn an_upstream_that_cannot_be_resolved_is_502() {
    let mut options = Options::policy(ROUTES);
    options.upstreams = Some("{ echo: \"http://no-such-host.invalid:80\" }".into());
    let gate = Gate::with(&options);
    let answer = gate.get(Who::uA, "/me/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
}

#[test]
fn an_upstream_that_hangs_is_504() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_secs(3));
        exchange.answer("200 OK", &[], b"too late")
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("timeouts.first_byte", "300ms"));
    let mut raw = gate.raw();
    for request in [get(Who::uA, "/me/x"), post(Who::mA, "/api/v1/org/a/x")] {
        raw.send(request);
        let answer = raw.answer();
        assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    }
    assert_eq!(gate.upstream.connections(), 2, "a connection that owes an answer is not used again");
}

#[test]
fn an_upstream_that_stalls_half_way_is_given_up() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        std::thread::sleep(Duration::from_secs(3));
        exchange.write(b"world")
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("timeouts.upstream_idle", "300ms"));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    assert!(raw.try_answer().is_err(), "half an answer must not look like a whole one");
    let line = &gate.postern.access_lines(1)[0];
    assert_eq!((line["aborted"].as_bool(), line["bytes"].as_u64()), (Some(true), Some(5)), "{line}");
}

#[test]
fn an_answer_that_is_cut_short_is_cut_short_for_the_client_too() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", "only this"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", "9\r\nonly this\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nonly this", "9\r\nonly this\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n", "9\r\nonly this\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nonly this", ""),
    ] {
        let gate = Gate::to(Upstream::saying(answer));
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        // All that came, and no end.
        let told = String::from_utf8(raw.rest()).unwrap();
        let (head, told) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer:?}: {head}");
        assert_eq!(told, body, "{answer:?}");
        assert_eq!(gate.postern.access_lines(1)[0]["aborted"], true);
        crate::support::eventually("it is counted", || {
            (gate.postern.metric("postern_answers_aborted_total") == 1.0).then_some(())
        });
    }
}

#[test]
fn an_upstream_that_dies_before_it_answers_is_502() {
    let gate = Gate::to(Upstream::with(|exchange| {
        exchange.body()?;
        exchange.hang_up();
        Ok(())
    }));
    for request in [get(Who::uA, "/me/x"), post(Who::mA, "/api/v1/org/a/x")] {
        let answer = gate.send(request);
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    }
    assert_eq!(gate.upstream.recorded().len(), 2, "what was sent is never sent twice");
}

#[test]
fn a_head_that_is_cut_short_is_502() {
    for answer in ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let gate = Gate::to(Upstream::saying(answer));
        let told = gate.get(Who::uA, "/me/x");
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_unreachable"), "{answer:?}");
    }
}

#[test]
fn a_head_without_end_is_502() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Long: ")?;
        while exchange.write(&[b'x'; 16 * 1024]).is_ok() {}
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let before = gate.postern.memory();
    let answer = gate.get(Who::uA, "/me/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_invalid"));
    assert!(gate.postern.memory() < before + (8 << 20));
}

/// An upstream closes connections after each answer without saying so: the pool must not hand out a dead one.
#[test]
fn a_stale_connection_is_replaced() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.answer("200 OK", &[], b"and goodbye")?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    for _ in 0..10 {
        for request in [get(Who::uA, "/me/x"), post(Who::mA, "/api/v1/org/a/x")] {
            raw.send(request);
            assert_eq!(raw.answer().status, 200);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(gate.upstream.recorded().len(), 20);
}

#[test]
fn an_idle_upstream_connection_is_not_kept_for_ever() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.keep", "300ms"));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(gate.postern.metric("postern_upstream_connections_idle"), 0.0);
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert_eq!(gate.upstream.connections(), 2);
}

/// An upstream may answer before it has read everything.
#[test]
fn an_early_answer_reaches_the_client() {
    let upstream = Upstream::with(|exchange| {
        exchange.answer("409 Conflict", &[("Connection", "close")], b"no need to go on")?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhello");
    let answer = raw.answer();
    assert_eq!((answer.status, answer.text()), (409, "no need to go on".into()));
}

/// A client that breaks its body off is at fault, not the upstream.
#[test]
fn a_body_that_breaks_its_framing_is_the_client_s_fault() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n");
    let answer = raw.answer();
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_framing"));
    raw.assert_closed();
    let recorded = gate.upstream.recorded();
    assert!(recorded.iter().all(|sent| !sent.complete), "{recorded:?}");
    assert_eq!(gate.postern.access_lines(1)[0]["code"], "bad_framing");
}

/// Two services, one of them down: the other is served.
#[test]
fn a_service_that_is_down_takes_no_other_with_it() {
    let upstream = Upstream::echo();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let policy = "version: 1\nroutes:\n  /up/**: { level: public, upstream: up }\n  /down/**: { level: public, upstream: down }\n";
    let mut options = Options::policy(policy);
    options.upstreams = Some(format!("{{ up: \"http://{}\", down: \"http://{nobody}\" }}", upstream.address()));
    let gate = Gate::before(upstream, &options);
    let mut raw = gate.raw();
    for _ in 0..5 {
        raw.send(get(Who::nobody, "/down/x"));
        assert_eq!(raw.answer().status, 502);
        raw.send(get(Who::nobody, "/up/x"));
        assert_eq!(raw.answer().status, 200);
    }
}
