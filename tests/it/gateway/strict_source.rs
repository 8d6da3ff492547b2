//! `strict_source`: what the query was judged by, no body names again.

use crate::support::{Gate, Options, Who, request};

const POLICY: &str = "version: 1
defaults: { org: query.tenant as slug, strict_source: true }
routes:
  /all: member
  /lenient:
    POST: { level: member, strict_source: false }
    allow_lint: { query_beside_body: the service reads the query alone }
  /small: { POST: { level: member, body_limit: 1KiB } }
  /once: { POST: { level: member, throttle: { rate: 1/hour, by: user } } }
  /ext/all: { level: member, org: header.X-Org as slug, rewrite: { strip_prefix: /ext } }
";

fn posted(target: &str, media_type: &str, body: &str) -> Vec<u8> {
    request(Who::uA, "POST", target, &[("Content-Type", media_type)], body)
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_body_that_names_the_tenant_again_never_reaches_the_service() {
    let gate = Gate::with(&Options::policy(POLICY));
    for (media_type, body) in [
        (FORM, "name=x&tenant=b"),
        (FORM, "tenant[]=b"),
        ("application/json", r#"{"tenant": "b"}"#),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"tenant\"\r\n\r\nb\r\n--x--\r\n",
        ),
    ] {
        gate.refused(posted("/all?tenant=a", media_type, body), 400, "ambiguous");
        // What a rewrite leads to is as strict.
        let headers = [("Content-Type", media_type), ("X-Org", "a")];
        gate.refused(request(Who::uA, "POST", "/ext/all?tenant=a", &headers, body), 400, "ambiguous");
    }
    gate.refused(posted("/all?tenant=a", "application/xml", "<tenant>b</tenant>"), 400, "body_invalid");
    gate.refused(posted("/all?tenant=b", FORM, "name=x"), 403, "org_foreign");
    gate.upstream.assert_untouched("whatever stands in a body that is refused");
    assert_eq!(gate.send(posted("/lenient?tenant=a", FORM, "tenant=b")).status, 200);
}

#[test]
fn a_body_that_names_other_things_arrives_as_it_was_sent() {
    let gate = Gate::with(&Options::policy(POLICY));
    let body = format!("name={}&x=%zz", "y".repeat(300_000));
    let whole = gate.forwarded(posted("/all?tenant=a", FORM, &body));
    assert_eq!(whole.body, body.as_bytes());
    // In chunks, and on the same connection another one after it.
    let mut raw = gate.raw();
    for _ in 0..2 {
        let head =
            request(Who::uA, "POST", "/all?tenant=a", &[("Content-Type", FORM), ("Transfer-Encoding", "chunked")], "");
        raw.send(head);
        raw.send("4\r\nname\r\n");
        raw.send("2\r\n=x\r\n0\r\n\r\n");
        assert_eq!(raw.answer().status, 200);
        assert_eq!(gate.upstream.last().body, b"name=x");
    }
    assert_eq!(gate.forwarded(request(Who::uA, "GET", "/all?tenant=a", &[], "")).body, b"");
    assert_eq!(gate.forwarded(posted("/all?tenant=a", FORM, "")).body, b"");
}

#[test]
fn a_body_that_is_held_back_has_its_limit_and_is_counted_once() {
    let gate = Gate::with(&Options::policy(POLICY));
    gate.refused(posted("/all?tenant=a", FORM, &"x".repeat((1 << 20) + 1)), 413, "body_too_large");
    gate.refused(posted("/small?tenant=a", FORM, &"x".repeat(1025)), 413, "body_too_large");
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "POST", "/small?tenant=a", &[("Transfer-Encoding", "chunked")], ""));
    raw.send(format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(1025)));
    assert_eq!(raw.answer().status, 413);
    // A refused body spends nothing, and one that passes spends once.
    gate.refused(posted("/once?tenant=a", FORM, "tenant=b"), 400, "ambiguous");
    gate.upstream.assert_untouched("a body that is too large, or refused");
    assert_eq!(gate.send(posted("/once?tenant=a", FORM, "a=b")).status, 200);
    assert_eq!(gate.send(posted("/once?tenant=a", FORM, "a=b")).status, 429);
}
