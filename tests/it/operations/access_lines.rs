//! One access line a request: who, what, by which route, with which outcome; and nothing that is secret.

use crate::support::{Gate, ORG_A, ORG_B, Options, Postern, ROUTES, Upstream, Who, eventually, get, post, request};
use std::io::{BufRead, BufReader};

#[test]
fn an_allowed_request_leaves_its_facts() {
    let gate = Gate::new();
    let sent = gate.forwarded(request(Who::mA, "POST", "/api/v1/org/a/x%20y?secret=1", &[], "hello"));
    let line = &gate.postern.access_lines(1)[0];
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("host", "api.example.com"),
        ("path", "/api/v1/org/a/x%20y"),
        ("route", "/api/v1/org/{org:slug}/**"),
        ("org", ORG_A),
        ("level", "manager"),
        ("request_id", sent.header("x-request-id").unwrap()),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], "POST /api/v1/org/a/x%20y?secret=1\n".len());
    for absent in ["code", "aborted", "superuser_pass"] {
        assert!(line.get(absent).is_none(), "{absent}: {line}");
    }
    for time in ["ts", "own_us", "upstream_us", "total_us"] {
        assert!(line[time].is_number(), "{time}: {line}");
    }
    let shown = gate.postern.cli(&["user", "show", "mA", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(line["user"], shown["id"]);
}

#[test]
fn a_refusal_leaves_its_code_and_as_much_as_was_known() {
    let gate = Gate::new();
    gate.refused(post(Who::uA, "/api/v1/org/a/x"), 403, "org_level_missing");
    gate.refused(get(Who::uA, "/none"), 404, "no_route");
    gate.refused(get(Who::nobody, "/me/x"), 401, "credentials_missing");
    let lines = gate.postern.access_lines(3);
    assert_eq!(
        (&lines[0]["code"], &lines[0]["route"]),
        (&"org_level_missing".into(), &"/api/v1/org/{org:slug}/**".into())
    );
    assert!(lines[0]["user"].is_string());
    assert_eq!((&lines[1]["code"], lines[1].get("route"), lines[1].get("user")), (&"no_route".into(), None, None));
    assert_eq!((&lines[2]["code"], lines[2].get("user")), (&"credentials_missing".into(), None));
    for line in &lines {
        assert!(line.get("upstream_us").is_none(), "{line}");
    }
}

#[test]
fn a_refusal_names_the_organization_that_was_asked_for() {
    let gate = Gate::new();
    let unknown = "cccccccc-0000-4000-8000-00000000000c";
    let asked = [
        (get(Who::uA, &format!("/api/v1/id/{}/x", ORG_B.to_uppercase())), 403, "org_foreign", Some(ORG_B)),
        (get(Who::uA, &format!("/api/v1/id/{unknown}/x")), 403, "org_foreign", Some(unknown)),
        (get(Who::uA, "/api/v1/org/b/x"), 403, "org_foreign", Some("b")),
        (post(Who::uA, "/api/v1/org/a/x"), 403, "org_level_missing", Some(ORG_A)),
        (get(Who::su, "/api/v1/org/nothing/x"), 403, "org_foreign", Some("nothing")),
        (get(Who::uA, "/query/x?organization=no%22such"), 400, "org_missing", None),
        (get(Who::uA, "/query/x"), 400, "org_missing", None),
        (get(Who::nobody, "/api/v1/org/b/x"), 401, "credentials_missing", None),
        (get(Who::uA, "/admin/x"), 403, "superuser_only", None),
    ];
    for (bytes, status, code, _) in &asked {
        gate.refused(bytes, *status, code);
    }
    let lines = gate.postern.access_lines(asked.len());
    for (line, (_, _, code, org)) in lines.iter().zip(&asked) {
        assert_eq!((line["code"].as_str(), line["org"].as_str()), (Some(*code), *org), "{line}");
    }
}

/// Every line is one JSON object, whatever strangers write.
#[test]
fn no_request_breaks_a_line() {
    let gate = Gate::new();
    let odd = [
        "/public/%22x%22",
        "/public/'x'",
        "/public/x%7B%22status%22%3A200%7D",
        "/public/~x!$&()*+,=:@-._",
        "/public\\\"}\\n{",
        "/public/\"},{\"status\":200",
    ];
    for target in odd {
        let _ = gate.get(Who::nobody, target);
    }
    let lines = gate.postern.access_lines(odd.len());
    assert_eq!(lines.len(), odd.len());
    for line in lines {
        assert!(line["ts"].is_number() && line["method"].is_string(), "{line}");
    }
}

#[test]
fn the_lines_can_be_turned_off() {
    let gate = Gate::with(&Options::policy(ROUTES).set("log.access", "false"));
    for _ in 0..3 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(gate.postern.stdout().is_empty());
}

/// A log that nobody reads holds nobody up.
#[test]
fn a_log_that_nobody_reads_drops_lines_and_not_requests() {
    use crate::support::{Postern, Upstream};
    let upstream = Upstream::echo();
    let options = Options::policy(ROUTES);
    let home = Postern::prepare(Some(upstream.address()), &options);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Postern::serve(home.path(), &options);
    command.stdout(writer);
    let postern = Postern::run(home, &mut command);
    drop(command);
    // Longer paths fill the pipe sooner.
    let target = format!("/none/{}", "x".repeat(8_000));
    let before = postern.memory();
    let mut raw = postern.raw();
    for _ in 0..600 {
        raw.send(get(Who::nobody, &target));
        assert_eq!(raw.answer().status, 404);
    }
    assert!(postern.memory() < before + (16 << 20));
    crate::support::eventually("dropped lines are counted", || {
        (postern.metric("postern_access_log_dropped_total") > 0.0).then_some(())
    });
    drop(reader);
    raw.send(get(Who::nobody, "/none"));
    assert_eq!(raw.answer().status, 404);
}

/// `postern serve | head -1`: who reads the lines is gone, and nobody else.
#[test]
fn lines_that_nobody_reads_any_more_are_counted_and_requests_served() {
    let (upstream, options) = (Upstream::echo(), Options::policy(ROUTES));
    let home = Postern::prepare(Some(upstream.address()), &options);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, command.stdout(writer));
    drop(command);
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    let mut reader = BufReader::new(reader);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("\"/me/x\""), "{first}");
    drop(reader);
    for count in 1..=3 {
        assert_eq!(postern.get(Who::uA, "/me/y").status, 200);
        eventually("each is counted", || {
            (postern.metric("postern_access_log_dropped_total") == f64::from(count)).then_some(())
        });
    }
    let said = postern.stderr().iter().filter(|line| line.contains("access lines cannot be written")).count();
    assert_eq!(said, 1, "once");
}
