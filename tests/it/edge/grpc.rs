//! gRPC callers: refused in trailers alone, let through as they are.

use crate::support::h2::{Ask, H2};
use crate::support::{Gate, Who};

fn call(target: &str) -> Ask<'_> {
    Ask::post(target, b"\0\0\0\0\0").header("content-type", "application/grpc+proto").header("te", "trailers")
}

#[test]
fn a_refusal_is_one_header_block_with_a_status() {
    let gate = Gate::new();
    let mut client = H2::plain(gate.postern.data);
    for (who, target, status, code) in [
        (Who::nobody, "/me/x", "16", "credentials_missing"),
        (Who::uA, "/admin/x", "7", "superuser_only"),
        (Who::uA, "/api/v1/org/a/x", "7", "org_level_missing"),
        (Who::uA, "/nowhere", "12", "no_route"),
        (Who::uA, "/readonly", "12", "method_not_allowed"),
        (Who::uA, "/public/%2e%2e/x", "3", "bad_target"),
    ] {
        let (answer, trailers) = client.try_ask(who, &call(target)).unwrap();
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("grpc-status"), Some(status), "{target}");
        assert!(answer.header("grpc-message").unwrap().starts_with(code), "{target}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        assert!(answer.body.is_empty() && trailers.is_empty(), "{target}");
        assert!(answer.header("x-request-id").is_some());
    }
    gate.upstream.assert_untouched("all were refused");
    // The access lines and metrics know the refusal for what it is.
    let line = gate.postern.access_lines(1).remove(0);
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(401), Some("credentials_missing")));
    // Others get what they always got.
    let other = client.ask(Who::nobody, &Ask::post("/me/x", b"{}").header("content-type", "application/json"));
    assert_eq!((other.status, other.code().as_str()), (401, "credentials_missing"));
}

#[test]
fn a_permitted_call_gets_the_upstream_s_answer_and_trailers() {
    let upstream = crate::support::Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n",
        )
    });
    let gate = Gate::to(upstream);
    let mut client = H2::plain(gate.postern.data);
    let (answer, trailers) = client.try_ask(Who::mA, &call("/api/v1/org/a/x")).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 5));
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["grpc-message"], "fine");
}
