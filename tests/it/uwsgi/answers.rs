//! Answers: of HTTP/1.1 and of CGI, and those that lie.

use super::{Recorder, before};
use crate::support::{Raw, Who, get, request};

#[test]
fn an_answer_is_one_of_http_or_of_cgi() {
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\nX-Own: 1\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.0 200 OK\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 200 OK\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello"),
        ("HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\nhellomore", 200, "hello"),
        ("Status: 200 OK\r\nX-Own: 1\r\n\r\nhello", 200, "hello"),
        ("Status: 404 Not Found\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nno", 404, "no"),
        ("status:201\nX-Own: 1\nConnection: keep-alive\nContent-Length: 2\n\nok", 201, "ok"),
        ("Status: 204 No Content\r\nX-Own: 1\r\n\r\n", 204, ""),
    ] {
        let recorder = Recorder::saying(answer);
        let postern = before(&recorder.url());
        let mut raw = postern.raw();
        for _ in 0..2 {
            raw.send(get(Who::uA, "/me/x"));
            let told = raw.answer();
            assert_eq!(
                (told.status, told.text().as_str(), told.header("x-own")),
                (status, body, Some("1")),
                "{answer:?}"
            );
            assert_eq!(told.header("status"), None);
        }
        assert_eq!(recorder.take().len(), 2, "each on a connection of its own");
    }
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_502() {
    let many = format!("Status: 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("Status: 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000));
    for answer in [
        "hello",
        "\r\n\r\nhello",
        "X-Own: 1\r\n\r\nhello",
        "Content-Type: text/plain\r\nStatus: 200 OK\r\n\r\nhello",
        "Status: OK\r\n\r\nhello",
        "Status:\r\n\r\nhello",
        "Status: 20\r\n\r\nhello",
        "Status: 2000 OK\r\n\r\nhello",
        "Status : 200 OK\r\n\r\nhello",
        "Status: 100 Continue\r\n\r\nStatus: 200 OK\r\n\r\nhello",
        "Status: 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "Status: 200 OK\r\nStatus: 403 Forbidden\r\n\r\nhello",
        "Status: 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Status: 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Status: 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "Status: 200 OK\r\nX-A: b\r\n folded\r\n\r\n",
        "Status: 200 OK\r\nX-A: a\0b\r\n\r\n",
        "Status: 200 OK\r\nX-A: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "\0\x05\0\0hello",
        &many,
        &long,
    ] {
        let recorder = Recorder::saying(answer);
        let told = before(&recorder.url()).get(Who::uA, "/me/x");
        let shown: String = answer.chars().take(80).collect();
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_invalid"), "{shown:?}");
    }
    // A head of CGI is one over uwsgi alone.
    let gate = crate::support::Gate::to(crate::support::Upstream::saying("Status: 200 OK\r\n\r\nhello"));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 502);
}

#[test]
fn an_answer_that_breaks_off_is_never_whole() {
    for answer in ["", "HTT", "Stat", "HTTP/1.1 200 OK\r\nContent-", "Status: 200 OK\r\nX-A: b"] {
        let recorder = Recorder::saying(answer);
        let told = before(&recorder.url()).get(Who::uA, "/me/x");
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_unreachable"), "{answer:?}");
    }
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "Status: 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let recorder = Recorder::saying(answer);
        let postern = before(&recorder.url());
        let mut raw = postern.raw();
        raw.send(get(Who::uA, "/me/x"));
        assert!(raw.try_answer().is_err(), "{answer:?}");
        let line = &postern.access_lines(1)[0];
        assert!(line["fault"].as_str().is_some_and(|fault| fault.contains("closed before")), "{line}");
    }
}

#[test]
fn what_belongs_to_postern_stays_out_of_answers() {
    let recorder = Recorder::saying(
        "Status: 200 OK\r\nX-Postern-User: su\r\nX_Postern_Role: a\r\nServer-Timing: x\r\nKeep-Alive: 5\r\nX-Own: 1\r\n\r\n",
    );
    let postern = before(&recorder.url());
    let told = Raw::connect(postern.data).send(request(Who::uA, "GET", "/me/x", &[], "")).answer();
    for name in ["x-postern-user", "x_postern_role", "server-timing", "keep-alive"] {
        assert_eq!(told.header(name), None, "{name}");
    }
    assert_eq!((told.header("x-own"), told.header("vary")), (Some("1"), Some("Authorization")));
}
