//! What must not be reachable from the data port, and what must not be told.

use crate::support::{Gate, Options, ROUTES, Raw, Who, World, get, request};

/// Management endpoints on the data port.
#[test]
fn the_management_port_is_not_behind_the_data_port() {
    let gate = Gate::new();
    for target in ["/metrics", "/livez", "/readyz", "/healthz", "/admin/metrics", "/debug/pprof"] {
        let answer = gate.get(Who::uA, target);
        assert!([403, 404].contains(&answer.status), "{target}");
        assert!(!answer.text().contains("postern_requests"));
    }
    for target in ["/../metrics", "/public/../metrics", "//metrics", "/%6detrics/.."] {
        gate.refused(get(Who::su, target), 400, "bad_target");
    }
    let host = gate.postern.admin.to_string();
    gate.refused(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404, "no_route");
    gate.refused(format!("GET http://{host}/metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404, "no_route");
    // A policy that lets everything through forwards it; it does not become ours.
    let open = Gate::with(&Options::policy("version: 1\nroutes:\n  /**: public\n"));
    assert_eq!(open.forwarded(get(Who::nobody, "/metrics")).target, "/metrics");
}

/// Management endpoints on the data port: a probe with a body is a probe.
#[test]
fn odd_requests_to_the_management_port_are_answered_or_refused() {
    let gate = Gate::new();
    let ask = |bytes: &str| {
        let mut raw = Raw::connect(gate.postern.admin);
        raw.send(bytes);
        let answer = raw.answer();
        (answer.status, answer.text())
    };
    assert_eq!(ask("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").0, 200);
    assert_eq!(ask("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").0, 405);
    for target in ["/", "/metrics/", "/../metrics", "/METRICS", "/livez/../metrics", "/public/x"] {
        assert_eq!(ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).0, 404, "{target}");
    }
    assert_eq!(ask("GET\0 / HTTP/1.1\r\n\r\n").0, 400);
    gate.forwarded(get(Who::uA, "/me/x"));
}

/// Secrets in logs.
#[test]
fn the_log_of_a_refusal_tells_the_code_and_no_secret() {
    let gate = Gate::new();
    let world = World::get();
    let secret = "s3cret-in-the-query";
    let body = "s3cret-in-the-body";
    let requests: [(Vec<u8>, &str); 8] = [
        (get(Who::uA, &format!("/admin/x?token={secret}")), "superuser_only"),
        (get(Who::uA, &format!("/api/v1/org/b/x?a={secret}")), "org_foreign"),
        (request(Who::uA, "POST", &format!("/api/v1/org/a/x?{secret}"), &[], body), "org_level_missing"),
        (get(Who::nobody, &format!("/me/x?{secret}")), "credentials_missing"),
        (format!("GET /me/x?{secret} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n").into(), "credentials_invalid"),
        (format!("GET /public/../x?{secret} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n").into(), "bad_target"),
        (format!("POST /me/x?{secret} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\nContent-Length: 1,1\r\n\r\n").into(), "bad_framing"),
        (get(Who::uA, &format!("/none?{secret}")), "no_route"),
    ];
    for (bytes, code) in &requests {
        assert_eq!(gate.send(bytes).code(), *code);
    }
    let lines = gate.postern.access_lines(requests.len());
    for (line, (_, code)) in lines.iter().zip(&requests) {
        assert_eq!(line["code"], *code, "{line}");
        assert!(line["status"].as_u64().is_some_and(|status| status >= 400));
        assert!(line["request_id"].as_str().is_some_and(|id| id.len() == 32));
    }
    // Who asked, by which route.
    let user = |line: &serde_json::Value| line["user"].as_str().map(str::to_owned);
    assert!(user(&lines[0]).is_some() && user(&lines[1]).is_some() && user(&lines[3]).is_none());
    assert_eq!(lines[2]["route"], "/api/v1/org/{org:slug}/**");
    assert_eq!(lines[1]["path"], "/api/v1/org/b/x");
    let everything = [gate.postern.stdout(), gate.postern.stderr()].concat().join("\n");
    for word in [secret, body, world.token(Who::uA).unwrap(), "Bearer", "pst_"] {
        assert!(!everything.contains(word), "{word} is in the log: {everything}");
    }
}

/// Secrets in logs: a log that says what a refused head was not is worse than none.
#[test]
fn a_head_that_was_not_read_is_not_made_up() {
    let gate = Gate::new();
    gate.refused("POST /public/x HTTP/1.1\r\nHost: a.example\r\nContent-Length: x\r\n\r\n", 400, "bad_framing");
    let line = &gate.postern.access_lines(1)[0];
    assert_eq!(line["code"], "bad_framing");
    for key in ["method", "path", "host"] {
        assert!(!["GET", "/", "refused"].contains(&line[key].as_str().unwrap_or_default()), "{key}: {line}");
    }
}

/// Secrets in logs, at the most talkative level.
#[test]
fn the_log_holds_no_secret_at_any_level() {
    let options = Options::policy(ROUTES);
    let upstream = crate::support::Upstream::echo();
    let home = crate::support::Postern::prepare(Some(upstream.address()), &options);
    let mut command = crate::support::Postern::serve(home.path(), &options);
    let postern = crate::support::Postern::run(home, command.env("POSTERN_LOG", "trace"));
    let gate = Gate { postern, upstream };
    gate.forwarded(get(Who::uA, "/own/x?s3cret=1"));
    gate.send("GET /me/x?s3cret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\n\r\n");
    gate.send("GET /me/x?s3cret HTTP/1.1\r\nHost: a\r\nAuthorization: s3cret\r\nContent-Length: y\r\n\r\n");
    gate.postern.access_lines(3);
    let everything = [gate.postern.stdout(), gate.postern.stderr()].concat().join("\n");
    for word in ["s3cret", World::get().token(Who::uA).unwrap()] {
        let lines: Vec<_> = everything.lines().filter(|line| line.contains(word)).collect();
        assert!(lines.is_empty(), "{word} is in the log: {lines:#?}");
    }
}

/// Debug headers, as far as there is anything to ask for: no header makes postern talk.
#[test]
fn no_header_makes_postern_explain_itself() {
    let gate = Gate::new();
    let plain = gate.get(Who::uA, "/admin/x");
    for (name, value) in
        [("X-Postern-Explain", "1"), ("X-Postern-Debug", "1"), ("X-Debug", "1"), ("Pragma", "postern-explain")]
    {
        let asked = gate.send(request(Who::uA, "GET", "/admin/x", &[(name, value)], ""));
        assert_eq!((asked.status, &asked.body), (plain.status, &plain.body));
        let names = |answer: &crate::support::Answer| answer.headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        assert_eq!(names(&asked), names(&plain));
    }
}
