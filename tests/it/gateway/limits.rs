//! How often, how long, how much: limits of the policy, over the wire.

use crate::support::{Gate, Options, Postern, Upstream, Who, get, post, request};
use std::time::Duration;

#[test]
fn who_comes_too_often_waits_and_is_told_how_long() {
    let policy = "version: 1\nroutes:\n  /me/**: { level: authenticated, throttle: { rate: 3/minute, by: user } }\n  \
                  /org/{org}: { org: path.org as slug, level: member, throttle: { rate: 2/hour, by: org } }\n  \
                  /open: { level: public, throttle: { rate: 2/day, by: address } }\n  /free: authenticated\n";
    let gate = Gate::with(&Options::policy(policy));
    for left in ["2", "1", "0"] {
        let answer = gate.get(Who::uA, "/me/x");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"user\";q=3;w=60"));
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"user\";r={left};t=")));
        assert_eq!(answer.header("retry-after"), None);
    }
    gate.upstream.forget();
    let answer = gate.refused(post(Who::uA, "/me/y"), 429, "throttled");
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit"), Some(format!("\"user\";r=0;t={wait}").as_str()));
    // It is the user who is counted, on this route.
    assert_eq!(gate.get(Who::uB, "/me/x").status, 200);
    assert_eq!(gate.get(Who::uA, "/free").status, 200);
    assert_eq!(gate.get(Who::uA, "/free").header("ratelimit"), None);

    // All members spend their organization's.
    assert_eq!((gate.get(Who::uA, "/org/a").status, gate.get(Who::mA, "/org/a").status), (200, 200));
    assert_eq!(gate.get(Who::both, "/org/a").status, 429);
    assert_eq!(gate.get(Who::both, "/org/b").status, 200);
    // A refusal of an earlier stage spends nothing.
    assert_eq!(gate.get(Who::uA, "/org/b").status, 403);
    assert_eq!(gate.get(Who::both, "/org/b").status, 200);

    assert_eq!([(); 3].map(|()| gate.get(Who::nobody, "/open").status), [200, 200, 429]);
}

#[test]
fn a_user_s_throttle_under_defaults_counts_nobody_on_a_public_route() {
    let defaults = "version: 1\ndefaults: { throttle: { rate: 1/day, by: user } }\nroutes:\n";
    let policy = format!("{defaults}  /open: public\n  /me: authenticated\n");
    let gate = Gate::with(&Options::policy(&policy));
    for _ in 0..3 {
        let answer = gate.get(Who::nobody, "/open");
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    assert_eq!([(); 2].map(|()| gate.get(Who::uA, "/me").status), [200, 429]);

    let own = format!("{defaults}  /open: {{ level: public, throttle: {{ rate: 2/day, by: user }} }}\n");
    let findings = postern::policy::load(&[("routes.yaml", own)], None).unwrap_err();
    assert!(
        findings.list().iter().any(|finding| finding.code == "no_meaning" && finding.place.line == 4),
        "{findings:?}"
    );
}

#[test]
fn an_address_is_the_client_s_and_not_its_word_about_itself() {
    let policy = "version: 1\nroutes:\n  /**: { level: public, throttle: { rate: 1/day, by: address } }\n";
    let from = |address: &str| request(Who::nobody, "GET", "/", &[("X-Forwarded-For", address)], "");
    let direct = Gate::with(&Options::policy(policy));
    assert_eq!((direct.send(from("192.0.2.1")).status, direct.send(from("192.0.2.2")).status), (200, 429));
    let behind = Gate::with(&Options::policy(policy).set("trusted_proxies", "[127.0.0.0/8]"));
    for (address, status) in
        [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.1", 429), ("2001:db8::1", 200), ("2001:db8::2", 429)]
    {
        assert_eq!(behind.send(from(address)).status, status, "{address}");
    }
}

#[test]
fn a_stranger_cannot_keep_the_store_busy_with_invented_tokens() {
    let gate = Gate::new();
    let invented = |n: u32| {
        let token = format!("Bearer 0123456789abcdef0123456789abcdef{n:08x}");
        gate.send(request(Who::nobody, "GET", "/me/x", &[("Authorization", &token)], ""))
    };
    let answers: Vec<_> = (0..200).map(invented).collect();
    let refused = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert!(refused(401) >= 100, "{}", refused(401));
    assert!(refused(429) > 0 && refused(401) + refused(429) == 200);
    let late = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!((late.code().as_str(), late.header("retry-after")), ("throttled", Some("1")));
    // A token of ours is nothing that a stranger could invent: it is looked up, from the same address too.
    assert_eq!(gate.send(get(Who::uA, "/me/x")).status, 200);
}

/// Behind one balancer there are strangers and owners of good credentials that look like anybody's: those are answered.
#[test]
fn good_credentials_are_answered_where_strangers_have_used_up_their_tries() {
    let routes =
        "version: 1\nupstream: echo\nauthenticate: [bearer, session, sesame]\nroutes: { /me/**: authenticated }\n";
    let config = "identity:\n  session: { secure: false }\n  sesame: { key: { file: django.key } }\n";
    let options = Options { config: config.to_owned(), ..Options::policy(routes) };
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), "a key of Django's that is long enough to be one").unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    let imported = |n: u32| format!("{n:08x}0123456789abcdef0123456789abcdef");
    for n in 0..20 {
        gate.postern.cli_with(&["token", "create", "--user", "uA", "--import", "-"], &imported(n));
    }
    let links: Vec<_> =
        (0..3).map(|_| gate.postern.cli(&["sesame", "mint", "--user", "uA"]).trim().to_owned()).collect();
    let ask =
        |credential: &str| gate.send(request(Who::nobody, "GET", "/me/x", &[("Authorization", credential)], "")).status;
    let invent = |n: u32| ask(&format!("Bearer 0123456789abcdef0123456789abcdef{n:08x}"));
    // One by one, behind more than they may.
    for n in 0..10 {
        while invent(rand()) != 429 {}
        assert_eq!(ask(&format!("Bearer {}", imported(n))), 200, "{n}");
    }
    while invent(rand()) != 429 {}
    assert_eq!(ask(&format!("sesame {}", links[0])), 200);
    while ask("sesame AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") != 429 {}
    // And while strangers go on.
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!([401, 429].contains(&invent(rand())));
                }
            });
        }
        let answers: Vec<u16> = (10..20).map(|n| ask(&format!("Bearer {}", imported(n)))).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(answers, [200; 10]);
    });
}

/// A number that was not there before.
fn rand() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1 << 30);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// One upstream that takes its time: before the answer, in the middle of it, or all the way.
fn slow() -> Upstream {
    Upstream::with(|exchange| {
        exchange.body()?;
        let wait = |millis| std::thread::sleep(Duration::from_millis(millis));
        if exchange.request.target.ends_with("late") {
            wait(1500);
        }
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")?;
        for _ in 0..20 {
            if exchange.request.target.ends_with("drip") {
                wait(100);
            }
            exchange.write(b"x")?;
        }
        Ok(())
    })
}

#[test]
fn a_route_has_its_own_patience() {
    let policy = "version: 1\ndefaults: { timeout: { first_byte: 300ms } }\nroutes:\n  /strict/**: public\n  \
                  /patient/**: { level: public, timeout: { first_byte: 10s } }\n  \
                  /total/**: { level: public, timeout: { first_byte: 10s, total: 500ms } }\n";
    let gate = Gate::before(slow(), &Options::policy(policy));
    let ask = |target| gate.send(get(Who::nobody, target));
    assert_eq!((ask("/strict/late").status, ask("/strict/late").code().as_str()), (504, "upstream_timeout"));
    assert_eq!(ask("/patient/late").status, 200);
    assert_eq!(ask("/total/late").status, 504);
    assert_eq!((ask("/total/now").status, ask("/total/now").body.len()), (200, 20));
    assert_eq!(ask("/strict/drip").body.len(), 20);
    // What drips for longer than the whole exchange may take is cut, on its own connection and none after it.
    let mut raw = gate.raw();
    raw.send(get(Who::nobody, "/total/drip"));
    assert!(raw.try_answer().is_err());
    assert_eq!(ask("/patient/now").status, 200);
}

#[test]
fn a_route_has_its_own_limit_of_what_a_body_may_be() {
    let policy = "version: 1\nroutes:\n  /small: { level: public, body_limit: 10 }\n  \
                  /large: { GET: public, POST: { level: public, body_limit: 1KiB } }\n  /usual: public\n";
    let gate = Gate::with(&Options::policy(policy).set("limits.body", "100"));
    let body = |target: &str, size| request(Who::nobody, "POST", target, &[], &"x".repeat(size));
    for (target, most) in [("/small", 10), ("/usual", 100), ("/large", 1024)] {
        assert_eq!(gate.forwarded(body(target, most)).body.len(), most, "{target}");
        gate.refused(body(target, most + 1), 413, "body_too_large");
    }
    let chunked = "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n";
    assert_eq!(gate.send(chunked).status, 413);
}
