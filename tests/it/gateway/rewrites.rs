//! Rewrites as services and their clients see them.

use crate::support::{Gate, Options, Upstream, Who, get};

/// A more specific route of another upstream stands before the rule of this one.
#[test]
fn a_rewrite_does_not_pass_by_a_rule_of_its_own_upstream() {
    let (app, docs) = (Upstream::echo(), Upstream::echo());
    let policy = "version: 1\nupstream: app\nroutes:\n  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }\n  \
                  /admin/**: superuser\n  /admin/docs/**: { read: public, upstream: docs }\n  /me/**: authenticated\n";
    let mut options = Options::policy(policy);
    options.upstreams = Some(format!("{{ app: http://{}, docs: http://{} }}", app.address(), docs.address()));
    let gate = Gate::before(app, &options);
    gate.refused(get(Who::uA, "/ext/admin/docs/x"), 403, "superuser_only");
    gate.refused(get(Who::uA, "/ext/nowhere"), 404, "no_route");
    assert_eq!(gate.get(Who::uA, "/admin/docs/x").status, 200);
    assert_eq!(docs.last().target, "/admin/docs/x");
    assert_eq!(gate.forwarded(get(Who::su, "/ext/admin/docs/x")).target, "/admin/docs/x");
    let sent = gate.forwarded(get(Who::uA, "/ext/me/x"));
    assert_eq!((sent.target.as_str(), sent.header("x-forwarded-prefix")), ("/me/x", Some("/ext")));
    assert_eq!(gate.forwarded(get(Who::uA, "/me/x")).header("x-forwarded-prefix"), None);
}

#[test]
fn an_answer_s_paths_are_mapped_back_where_asked() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://api.example.com/v2/login?next=/v2/x\r\n\
                  Set-Cookie: a=b; Path=/v2; HttpOnly\r\nSet-Cookie: c=d; Path=/v2/deep\r\n\
                  Connection: close\r\nContent-Length: 0\r\n\r\n";
    let policy = "version: 1\nroutes:\n  \
                  /ext/**: { level: public, rewrite: { strip_prefix: /ext, add_prefix: /v2, unmatched: allow, answers: true } }\n  \
                  /raw/**: { level: public, rewrite: { strip_prefix: /raw, add_prefix: /v2, unmatched: allow } }\n";
    let gate = Gate::before(Upstream::saying(answer), &Options::policy(policy));
    let mapped = gate.get(Who::nobody, "/ext/x");
    assert_eq!(mapped.header("location"), Some("http://api.example.com/ext/login?next=/v2/x"));
    assert_eq!(mapped.all("set-cookie"), ["a=b; Path=/ext; HttpOnly", "c=d; Path=/ext/deep"]);
    let raw = gate.get(Who::nobody, "/raw/x");
    assert_eq!(raw.header("location"), Some("http://api.example.com/v2/login?next=/v2/x"));
    assert_eq!(raw.all("set-cookie"), ["a=b; Path=/v2; HttpOnly", "c=d; Path=/v2/deep"]);
}
