//! What the upstream is told about the way of a request: which host, from where, and as part of which trace.

use crate::support::{Gate, Options, ROUTES, Recorded, Upstream, Who, get, request};

#[test]
fn the_upstream_sees_the_host_that_the_configuration_says() {
    for (host, seen) in [("preserve", None), ("upstream", Some("")), ("legacy.internal", Some("legacy.internal"))] {
        let upstream = Upstream::echo();
        let address = upstream.address().to_string();
        let mut options = Options::policy(ROUTES);
        options.upstreams = Some(format!("{{ echo: {{ addresses: [\"http://{address}\"], host: {host} }} }}"));
        let gate = Gate::before(upstream, &options);
        let sent = gate.forwarded(get(Who::uA, "/me/x"));
        let expected = match seen {
            None => "api.example.com",
            Some("") => &address,
            Some(text) => text,
        };
        assert_eq!(sent.header("host"), Some(expected));
        assert_eq!(sent.header("x-forwarded-host"), Some("api.example.com"));
    }
}

fn behind_a_proxy() -> Gate {
    Gate::with(&Options::policy(ROUTES).set("trusted_proxies", "[127.0.0.0/8, 10.0.0.0/8]"))
}

fn way(sent: &Recorded) -> [Option<&str>; 4] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].map(|name| sent.header(name))
}

#[test]
fn a_trusted_proxy_says_where_the_client_is() {
    let gate = behind_a_proxy();
    let claims = [
        ("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 10.0.0.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.example.com"),
        ("Forwarded", "for=6.6.6.6;proto=http"),
    ];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &claims, ""));
    assert_eq!(
        way(&sent),
        [
            Some("192.0.2.7, 10.0.0.9, 127.0.0.1"),
            Some("https"),
            Some("www.example.com"),
            Some("for=192.0.2.7;proto=https")
        ]
    );
    assert_eq!(gate.postern.access_lines(1)[0]["client"], "192.0.2.7");
}

#[test]
fn a_trusted_proxy_s_nonsense_is_not_passed_on() {
    let gate = behind_a_proxy();
    for claims in [
        &[("X-Forwarded-For", "garbage")][..],
        &[("X-Forwarded-For", "192.0.2.7; DROP TABLE")],
        &[("X-Forwarded-For", ",")],
        &[("X-Forwarded-Host", "user@evil")],
        &[("X-Forwarded-Host", "a.example"), ("X-Forwarded-Host", "b.example")],
        &[("X-Forwarded-Proto", "javascript")],
        &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    ] {
        let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", claims, ""));
        assert_eq!(way(&sent), [Some("127.0.0.1"), Some("http"), Some("api.example.com"), None], "{claims:?}");
    }
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &[("Forwarded", "for=192.0.2.7")], ""));
    assert_eq!(sent.header("forwarded"), Some("for=192.0.2.7;proto=http"), "rebuilt where a trusted proxy speaks it");
    // A chain without end is the client's invention: it is cut, and postern's own hop stays.
    let long = vec!["10.0.0.1"; 500].join(", ");
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &[("X-Forwarded-For", &long)], ""));
    assert!(
        sent.header("x-forwarded-for")
            .is_some_and(|chain| chain.split(", ").count() < 50 && chain.ends_with("127.0.0.1"))
    );
}

/// RFC 7239; where both are there, `X-Forwarded-For` counts and `Forwarded` for nothing.
#[test]
fn forwarded_of_a_trusted_proxy_is_read_where_it_stands_alone() {
    let gate = behind_a_proxy();
    let said = "for=6.6.6.6, For=\"[2001:db8::7]:4711\";Proto=wss;host=www.example.com, for=10.0.0.9;proto=http";
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &[("Forwarded", said)], ""));
    assert_eq!(
        way(&sent),
        [
            Some("2001:db8::7, 10.0.0.9, 127.0.0.1"),
            Some("https"),
            Some("www.example.com"),
            Some("for=\"[2001:db8::7]\";proto=https")
        ]
    );
    let both = [("Forwarded", said), ("X-Forwarded-For", "192.0.2.8")];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &both, ""));
    assert_eq!(way(&sent)[..3], [Some("192.0.2.8, 127.0.0.1"), Some("http"), Some("api.example.com")]);
    for (proto, told) in [("wss", "https"), ("ws", "http"), ("https, https", "https"), (",https,", "https")] {
        let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &[("X-Forwarded-Proto", proto)], ""));
        assert_eq!(sent.header("x-forwarded-proto"), Some(told), "{proto}");
    }
    // Of a stranger nothing counts.
    let sent = Gate::new().forwarded(request(Who::uA, "GET", "/me/x", &[("Forwarded", said)], ""));
    assert_eq!(way(&sent), [Some("127.0.0.1"), Some("http"), Some("api.example.com"), None]);
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_stranger_begins_a_new_trace() {
    let gate = Gate::new();
    let claims = [("X-Request-Id", "mine"), ("traceparent", PARENT), ("tracestate", "x=1"), ("X_Request_Id", "mine")];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &claims, ""));
    let id = sent.header("x-request-id").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert_eq!(sent.folded("x-request-id"), [id]);
    let parent = sent.header("traceparent").unwrap();
    assert!(parent.starts_with(&format!("00-{id}-")) && parent.len() == 55, "{parent}");
    assert_eq!(sent.header("tracestate"), None);
    assert_eq!(gate.postern.access_lines(1)[0]["request_id"], id);
}

#[test]
fn a_trusted_proxy_s_trace_goes_on() {
    let gate = behind_a_proxy();
    let claims = [("X-Request-Id", "abc-123"), ("traceparent", PARENT), ("tracestate", "x=1")];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &claims, ""));
    assert_eq!((sent.header("x-request-id"), sent.header("tracestate")), (Some("abc-123"), Some("x=1")));
    let parent = sent.header("traceparent").unwrap();
    assert!(parent.starts_with(&PARENT[..36]) && parent.ends_with("-01") && parent != PARENT, "{parent}");
    for bad in [
        "",
        "00-0-0-0",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    ] {
        let sent =
            gate.forwarded(request(Who::uA, "GET", "/me/x", &[("traceparent", bad), ("X-Request-Id", "a b")], ""));
        assert!(sent.header("traceparent").is_some_and(|parent| parent.len() == 55 && parent != bad));
        assert!(sent.header("x-request-id").is_some_and(|id| id.len() == 32));
    }
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..50 {
        raw.send(get(Who::uA, "/admin/x"));
        assert!(ids.insert(raw.answer().header("x-request-id").unwrap().to_owned()));
    }
}

/// A policy names it, the configuration has it, the upstream gets it, and nobody else sees it.
#[test]
fn a_secret_reaches_the_upstream_and_no_log() {
    let policy = "version: 1\ndefaults: { inject: { X-Key: { secret: key }, X-Other: { secret: other } } }\nroutes:\n  /**: authenticated\n";
    let config = "secrets: { key: { env: POSTERN_TEST_KEY }, other: { file: other.txt } }\n";
    let options = crate::support::Options { config: config.to_owned(), ..crate::support::Options::policy(policy) };
    let upstream = Upstream::echo();
    let home = crate::support::Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("other.txt"), "s3cret-of-file\n").unwrap();
    let start = |value: Option<&str>| {
        let mut command = crate::support::Postern::serve(home.path(), &options);
        value.map(|value| command.env("POSTERN_TEST_KEY", value));
        command
    };
    let output = start(None).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("no `POSTERN_TEST_KEY`"), "{told}");

    let mut command = start(Some("s3cret-of-env"));
    let postern = crate::support::Postern::run(home, &mut command);
    let gate = Gate { postern, upstream };
    let bytes = request(Who::uA, "GET", "/x", &[("X-Key", "mine"), ("X_Other", "mine")], "");
    let seen = gate.forwarded(bytes);
    assert_eq!((seen.header("x-key"), seen.header("x-other")), (Some("s3cret-of-env"), Some("s3cret-of-file")));
    assert_eq!(seen.folded("x_other").len(), 1);
    let explained = gate.postern.cli(&["explain", "GET", "/x", "--as", "uA"]);
    assert!(explained.contains("***") && !explained.contains("s3cret"), "{explained}");
    let lines = [gate.postern.stdout(), gate.postern.stderr()].concat().join("\n");
    assert!(!lines.contains("s3cret"), "{lines}");
}

#[test]
fn a_condition_asks_for_the_address_behind_trusted_proxies() {
    let policy = "version: 1\nupstream: echo\nroutes:\n  /in: { level: public, when: 'client.within([\"10.0.0.0/8\", \"2001:db8::/32\"])' }\n  \
                  /here: { level: public, when: 'client.address == \"127.0.0.1\"' }\n";
    let ask = |target: &str, claims: &[(&str, &str)]| request(Who::nobody, "GET", target, claims, "");
    // Nobody is believed who is no proxy.
    let gate = Gate::with(&Options::policy(policy));
    gate.forwarded(ask("/here", &[("X-Forwarded-For", "10.1.2.3")]));
    gate.refused(ask("/in", &[("X-Forwarded-For", "10.1.2.3")]), 403, "condition_false");
    let gate = Gate::with(&Options::policy(policy).set("trusted_proxies", "[127.0.0.0/8, 192.0.2.0/24]"));
    for chain in ["10.1.2.3", "6.6.6.6, 10.1.2.3", "10.1.2.3, 192.0.2.1", "::ffff:10.1.2.3", "2001:db8::7"] {
        gate.forwarded(ask("/in", &[("X-Forwarded-For", chain)]));
        gate.refused(ask("/here", &[("X-Forwarded-For", chain)]), 403, "condition_false");
    }
    gate.forwarded(ask("/in", &[("Forwarded", "for=10.1.2.3")]));
    for chain in ["10.1.2.3, 6.6.6.6", "6.6.6.6", "10.1.2.3, nonsense"] {
        gate.refused(ask("/in", &[("X-Forwarded-For", chain)]), 403, "condition_false");
    }
}
