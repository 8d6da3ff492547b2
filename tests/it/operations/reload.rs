//! New files while requests are served: what comes into force, and that nobody notices the exchange. What must not is among
//! the attacks (`attacks/new_files.rs`).

use crate::support::reloads::{gate, one_more, policy, reload, reload_behind, reloads, said, status, write};
use crate::support::{Gate, Options, Signal, Upstream, Who, eventually, get, request};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_changed_policy_comes_into_force_by_itself() {
    let gate = gate();
    let fingerprint = || {
        let text = gate.postern.admin("/metrics").text();
        text.lines().find(|line| line.starts_with("postern_policy_info")).unwrap().to_owned()
    };
    let before = fingerprint();
    assert_eq!(status(&gate, Who::nobody), 200);
    write(&gate, "routes.yaml", &policy("authenticated", "second"));
    eventually("the new policy", || (status(&gate, Who::nobody) == 401).then_some(()));
    assert_eq!(status(&gate, Who::uA), 200);
    assert_eq!(gate.upstream.last().target, "/second/x/1");
    assert_ne!(fingerprint(), before);
    assert_eq!(reloads(&gate, "policy", "loaded"), 1.0);
    // An editor puts a new file in the old one's place.
    let new = gate.postern.home().join("routes.yaml~");
    fs::write(&new, policy("public", "third")).unwrap();
    fs::rename(&new, gate.postern.home().join("routes.yaml")).unwrap();
    eventually("the third policy", || (status(&gate, Who::nobody) == 200).then_some(()));
    assert_eq!(gate.upstream.last().target, "/third/x/1");
    // What was read, and the database beside it, change nothing.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(reloads(&gate, "policy", "loaded"), 2.0);
    assert_eq!(gate.postern.metric("postern_policy_routes"), 1.0);
}

/// `hup` is also for those whose file system tells nothing.
#[test]
fn a_signal_reloads_at_once_and_says_so_when_nothing_has_changed() {
    let gate = gate();
    gate.postern.signal(Signal::Hup);
    said(&gate, &["nothing has changed", "policy"]);
    write(&gate, "routes.yaml", &policy("deny", "second"));
    gate.postern.signal(Signal::Hup);
    eventually("the new policy", || (status(&gate, Who::nobody) == 403).then_some(()));
    one_more(&gate, "policy", "loaded", 0.0);
    assert_eq!(reloads(&gate, "policy", "loaded"), 1.0);
}

#[test]
fn what_became_wider_or_narrower_is_told_line_by_line() {
    let gate = Gate::with(&Options::policy("version: 1\nroutes:\n  /a: manager\n  /b: authenticated\n  /c: public\n"));
    write(&gate, "routes.yaml", "version: 1\nroutes:\n  /a: member\n  /b: public\n  /c: authenticated\n");
    let wider = said(&gate, &["wider: /a", "routes.yaml:3", "member", "403 org_level_missing -> allow"]);
    assert_eq!((&wider["level"], &wider["public"]), (&"WARN".into(), &false.into()));
    assert_eq!(said(&gate, &["wider: /b", "anonymous", "-> allow"])["public"], true);
    said(&gate, &["narrower: /c", "anonymous", "allow -> 401 credentials_missing"]);
    let total = said(&gate, &["another policy"]);
    let count = |direction: &str| {
        gate.postern.metric(&format!("postern_policy_differences_total{{direction=\"{direction}\"}}"))
    };
    eventually("it is in force", || (gate.get(Who::nobody, "/b").status == 200).then_some(()));
    assert_eq!((Some(count("wider")), Some(count("narrower"))), (total["wider"].as_f64(), total["narrower"].as_f64()));
    assert!(count("wider") >= 2.0 && count("narrower") >= 1.0, "{total}");
}

#[test]
fn upstreams_and_secrets_move_without_a_restart_and_the_rest_is_told() {
    let home_secret = "version: 1\nroutes:\n  /x/**: { level: public, inject: { X-Key: { secret: key } } }\n";
    let mut options = Options::policy(home_secret);
    options.config = "secrets: { key: { env: POSTERN_TEST_KEY } }\n".into();
    let upstream = Upstream::echo();
    let home = crate::support::Postern::prepare(Some(upstream.address()), &options);
    let mut command = crate::support::Postern::serve(home.path(), &options);
    let gate = Gate { postern: crate::support::Postern::run(home, command.env("POSTERN_TEST_KEY", "one")), upstream };
    assert_eq!(gate.forwarded(get(Who::nobody, "/x/1")).header("x-key"), Some("one"));
    let config = fs::read_to_string(gate.postern.home().join("postern.yaml")).unwrap();
    write(&gate, "key", "two\n");
    let config = config.replace("{ env: POSTERN_TEST_KEY }", "{ file: key }");
    write(&gate, "postern.yaml", &config);
    let key = |wanted: &str| {
        eventually(wanted, || {
            assert_eq!(status(&gate, Who::nobody), 200);
            (gate.upstream.last().header("x-key") == Some(wanted)).then_some(())
        });
    };
    key("two");
    write(&gate, "key", "three\n");
    key("three");
    let other = Upstream::echo();
    let moved = config.replace(&gate.upstream.address().to_string(), &other.address().to_string())
        + "limits: { body: 1KiB }\ntimeouts: { idle: 9s }\n";
    write(&gate, "postern.yaml", &moved);
    eventually("requests go elsewhere", || {
        assert_eq!(status(&gate, Who::nobody), 200);
        (!other.recorded().is_empty()).then_some(())
    });
    said(&gate, &["limits.body", "counts from the next start"]);
    said(&gate, &["timeouts.idle", "counts from the next start"]);
    let checks = gate.postern.admin("/readyz").json()["checks"].clone();
    assert_eq!(checks["restart"], "`limits.body` and 1 more of the configuration counts from the next start");
    assert_eq!(gate.postern.metric("postern_restart_needed"), 2.0);
    // With a configuration that cannot be used, the last one that could still serves the rest.
    write(&gate, "postern.yaml", "listen: [\n");
    one_more(&gate, "configuration", "failed", 0.0);
    write(&gate, "routes.yaml", &home_secret.replace("public", "deny"));
    eventually("the policy", || (status(&gate, Who::nobody) == 403).then_some(()));
    let secrets = gate.postern.stderr().join("\n");
    assert!(!secrets.contains("three") && !secrets.contains("two\""), "{secrets}");
}

/// Every request is judged, rewritten and told of by one policy, and none fails.
#[test]
fn requests_notice_nothing_of_an_exchange() {
    let gate = gate();
    let ends = AtomicBool::new(false);
    let asked: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (gate, ends) = (&gate, &ends);
                scope.spawn(move || {
                    // Each on one connection, which no reload may cost.
                    let mut raw = gate.raw();
                    let mut count = 0;
                    while !ends.load(Ordering::Relaxed) {
                        raw.send(request(Who::uA, "POST", "/x/1", &[], &"b".repeat(client * 1000)));
                        let answer = raw.answer();
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for number in 0..60 {
            let level = if number % 2 == 0 { "authenticated" } else { "public" };
            reload(&gate, &policy(level, &format!("v{number}")));
        }
        ends.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let recorded = gate.upstream.recorded();
    assert_eq!(recorded.len(), asked);
    let mut names: Vec<String> = Vec::new();
    for request in &recorded {
        let name = request.target.trim_start_matches('/').split('/').next().unwrap();
        assert_eq!((request.header("x-one"), request.header("x-two")), (Some(name), Some(name)), "{}", request.target);
        if names.last().is_none_or(|last| last != name) {
            names.push(name.to_owned());
        }
    }
    assert!(names.len() > 20, "{names:?}");
    assert_eq!(reloads(&gate, "policy", "failed"), 0.0);
    // The upstream's connections stayed, too.
    assert!(gate.upstream.connections() <= 16, "{}", gate.upstream.connections());
}

/// What was counted towards a throttle, and in the metrics of a route that stays, goes on; a route that is gone is not shown.
#[test]
fn what_was_counted_stays_counted() {
    let limited = "  /limited: { level: public, throttle: { rate: 3/hour, by: address } }\n";
    let policy = |more: &str| format!("version: 1\nroutes:\n{limited}{more}");
    let gate = Gate::with(&Options::policy(policy("  /old: public\n")));
    let ask = |path: &str| gate.get(Who::nobody, path).status;
    assert_eq!([ask("/limited"), ask("/limited"), ask("/old")], [200; 3]);
    write(&gate, "routes.yaml", &policy("  /new: public\n"));
    eventually("the new policy", || (ask("/new") == 200).then_some(()));
    assert_eq!([ask("/limited"), ask("/limited"), ask("/old")], [200, 429, 404]);
    let count = |route: &str, decision: &str, reason: &str| {
        let labels = format!("route=\"{route}\",decision=\"{decision}\",reason=\"{reason}\"");
        gate.postern.metric(&format!("postern_requests_total{{{labels}}}"))
    };
    assert_eq!(count("/limited", "allow", "ok"), 3.0);
    assert_eq!(count("/limited", "refuse", "throttled"), 1.0);
    assert_eq!(count("/old", "allow", "ok"), 0.0);
    assert!(!gate.postern.admin("/metrics").text().contains("/old"));
}

#[test]
fn a_thousand_reloads_leave_nothing_behind() {
    let gate = gate();
    let threads = || fs::read_dir(Path::new("/proc").join(gate.postern.id().to_string()).join("task")).unwrap().count();
    let files = || fs::read_dir(Path::new("/proc").join(gate.postern.id().to_string()).join("fd")).unwrap().count();
    let routes: String = (0..5).map(|n| format!("  /r{n}/{{id:uuid}}/**: authenticated\n")).collect();
    let (mut done, mut lines) = (0, gate.postern.stderr().len());
    let mut reload = |times: usize| {
        for _ in 0..times {
            done += 1;
            lines = reload_behind(&gate, &(policy("public", &format!("v{}", done % 7)) + &routes), lines);
            if done % 10 == 0 {
                assert_eq!(status(&gate, Who::nobody), 200);
            }
        }
    };
    reload(100);
    let (memory, before_threads, before_files) = (gate.postern.memory(), threads(), files());
    reload(900);
    let grown = gate.postern.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "{} KiB more after 900 reloads", grown >> 10);
    assert!(threads() <= before_threads + 2, "{before_threads} threads before, {} after", threads());
    assert!(files() <= before_files + 4, "{before_files} files before, {} after", files());
}
