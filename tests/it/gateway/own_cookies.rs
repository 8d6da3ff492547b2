//! Postern's own cookies are between it and the browser: no service sees one, and none sets one.

use super::websockets::{HANDSHAKE, ROUTES, SWITCHED, handshake};
use crate::support::h2::{Ask, H2};
use crate::support::{Gate, Options, Upstream, Who, eventually, request};

const OURS: [&str; 4] = [
    "__Host-postern_session=x; Path=/; Secure; HttpOnly",
    "postern_csrf=x; Path=/",
    "=postern_csrf=x",
    "__host-POSTERN_form=x",
];

#[test]
fn no_service_sets_one() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let mut headers: Vec<_> = OURS.iter().map(|ours| ("Set-Cookie", *ours)).collect();
        headers.extend([
            ("Set-Cookie", "theme=dark; Path=/"),
            ("set_cookie", "postern_csrf=x"),
            ("Set-Cookie2", "a=b"),
        ]);
        exchange.answer("200 OK", &headers, b"x")
    });
    let gate = Gate::to(upstream);
    for who in [Who::nobody, Who::uA] {
        let answer = gate.get(who, "/optional/x");
        assert_eq!((answer.status, answer.all("set-cookie")), (200, vec!["theme=dark; Path=/"]));
        assert!(answer.all("set_cookie").is_empty() && answer.all("set-cookie2").is_empty());
    }
    let answer = H2::plain(gate.postern.data).ask(Who::nobody, &Ask::get("/public/x"));
    assert_eq!((answer.status, answer.all("set-cookie")), (200, vec!["theme=dark; Path=/"]));
    let dropped = (3 * OURS.len()) as f64;
    eventually("each is counted", || {
        (gate.postern.metric("postern_upstream_cookies_dropped_total") == dropped).then_some(())
    });
}

#[test]
fn no_service_sets_one_as_it_switches_to_a_websocket() {
    let mut fields: String = OURS.iter().map(|ours| format!("Set-Cookie: {ours}\r\n")).collect();
    fields += "Set-Cookie: theme=dark; Path=/\r\n\r\n";
    let gate = Gate::before(
        Upstream::saying(SWITCHED.replacen("\r\n\r\n", &format!("\r\n{fields}"), 1)),
        &Options::policy(ROUTES),
    );
    let answer = gate.send(handshake("/ws/me", HANDSHAKE));
    assert_eq!((answer.status, answer.all("set-cookie")), (101, vec!["theme=dark; Path=/"]));
    assert_eq!(gate.postern.metric("postern_upstream_cookies_dropped_total"), OURS.len() as f64);
}

#[test]
fn no_service_sees_one_whether_the_route_takes_sessions_or_not() {
    let gate = Gate::new();
    let all =
        "a=b; __Host-postern_session=s; postern_csrf=c; c=d; __Host-postern_form=f; postern_session=s; postern_form=f";
    for (who, target) in [(Who::nobody, "/public/x"), (Who::uA, "/me/x"), (Who::uA, "/own/x")] {
        let sent = gate.forwarded(request(who, "GET", target, &[("Cookie", all)], ""));
        assert_eq!(sent.header("cookie"), Some("a=b; c=d"), "{target}");
        let sent = gate.forwarded(request(who, "GET", target, &[("Cookie", "postern_csrf=c")], ""));
        assert_eq!(sent.header("cookie"), None, "{target}");
    }
    assert!(
        gate.forwarded(request(Who::uA, "GET", "/own/x", &[("Cookie", all)], "")).header("authorization").is_some()
    );
}
