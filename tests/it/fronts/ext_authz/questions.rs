//! What becomes of a request that is asked about.

use super::{BOTH, Grpc, about, http};
use crate::fronts::questions::{ONLY_THE_PROXY, REQUESTS};
use crate::support::{Gate, ROUTES, Who, request};
use envoy_types::pb::envoy::config::core::v3::{SocketAddress, address::Address as Place};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use tonic::Code;

#[test]
fn the_verdict_is_that_of_the_proxy() {
    let (grpc, gate) = (Grpc::new(ROUTES), Gate::new());
    for is_raw in BOTH {
        for (who, method, target) in REQUESTS {
            gate.upstream.forget();
            let answer = gate.send(request(who, method, target, &[], ""));
            let told = grpc.ask(http(is_raw, who, method, target, &[]));
            let case = format!("{who:?} {method} {target}, raw: {is_raw}");
            if let Some(HttpResponse::OkResponse(allowed)) = &told.0.http_response {
                assert_eq!((told.code(), answer.status), (0, 200), "{case}");
                let seen = &gate.upstream.recorded()[0];
                for name in ["x-postern-user", "x-postern-organization", "x-postern-organizations", "x-postern-role"] {
                    assert_eq!(told.header(name), seen.folded(name), "{case}: {name}");
                }
                assert!(allowed.headers_to_remove.iter().any(|name| name == "authorization") || who == Who::nobody);
                continue;
            }
            assert_eq!(told.refusal(), (i32::from(answer.status), answer.code()), "{case}");
            for name in ["www-authenticate", "allow", "content-type", "retry-after"] {
                assert_eq!(told.denied(name).2.first().map(String::as_str), answer.header(name), "{case}: {name}");
            }
        }
    }
}

#[test]
fn what_a_client_says_of_itself_goes_in_every_spelling() {
    let grpc = Grpc::new(ROUTES);
    let spoofed = [
        ("x-postern-role", "owner"),
        ("x_postern_user", "su"),
        ("x.postern.user", "su"),
        ("remote-user", "su"),
        ("x-kept", "1"),
    ];
    for is_raw in BOTH {
        let told = grpc.ask(http(is_raw, Who::mA, "GET", "/api/v1/org/a/x", &spoofed));
        for name in ["authorization", "x.postern.user", "x_postern_user", "remote-user"] {
            assert!(told.removed().iter().any(|removed| removed == name), "{name}: {told:?}");
        }
        assert!(!told.removed().iter().any(|name| ["x-postern-role", "x-kept", "host"].contains(&name.as_str())));
        assert_eq!(told.header("x-postern-role"), ["manager"]);
        assert_eq!(told.header("x-request-id").len(), 1);
        // What Envoy was configured not to show goes as well.
        let told = grpc.ask(http(is_raw, Who::nobody, "GET", "/public/x", &[]));
        assert!(told.removed().iter().any(|name| name == "x-postern-user"), "{told:?}");
    }
}

#[test]
fn envoy_s_log_is_told_whose_request_it_is() {
    let grpc = Grpc::new(ROUTES);
    let told = grpc.ask(http(true, Who::mA, "GET", "/api/v1/org/a/x", &[("x-request-id", "ab12")]));
    let line = &grpc.postern.access_lines(1)[0];
    for name in ["request_id", "route", "user", "org"] {
        assert_eq!(told.metadata(name).as_deref(), line[name].as_str(), "{name}: {line}");
    }
    assert_eq!(line["path"], "/api/v1/org/a/x");
    let refused = grpc.ask(http(true, Who::nobody, "GET", "/me/x", &[]));
    assert_eq!((refused.metadata("route").as_deref(), refused.metadata("user")), (Some("/me/**"), None));
}

#[test]
fn two_credentials_are_ambiguous_however_they_are_told() {
    let grpc = Grpc::new(ROUTES);
    for is_raw in BOTH {
        for second in ["Bearer x", "Basic eDp5", "x"] {
            let told = grpc.ask(http(is_raw, Who::mA, "GET", "/me/x", &[("authorization", second)]));
            assert_eq!(told.refusal(), (400, "ambiguous".to_owned()), "{second}, raw: {is_raw}");
        }
    }
}

/// Joined, they would be one value that is none of both.
#[test]
fn a_header_that_decides_is_ambiguous_where_it_may_be_two() {
    let grpc = Grpc::new(ROUTES);
    for is_raw in BOTH {
        let ask = |headers: &[(&str, &str)]| grpc.ask(http(is_raw, Who::both, "GET", "/header/x", headers));
        assert_eq!(ask(&[("x-org", "a"), ("accept", "a/b, c/d")]).code(), 0);
        for headers in [[("x-org", "a"), ("x-org", "a")], [("x-org", "a"), ("x-org", "b")]] {
            assert_eq!(ask(&headers).refusal(), (400, "ambiguous".to_owned()), "raw: {is_raw}");
        }
    }
}

#[test]
fn what_is_told_twice_must_be_the_same() {
    let grpc = Grpc::new(ROUTES);
    for (name, other) in
        [(":path", "/public/x"), (":method", "HEAD"), (":authority", "b"), (":scheme", "https"), ("host", "b")]
    {
        let mut question = http(true, Who::mA, "GET", "/me/x", &[]);
        let headers = &mut question.header_map.as_mut().unwrap().headers;
        headers.retain(|header| header.key != name);
        let mut header = headers[0].clone();
        (header.key, header.raw_value) = (name.to_owned(), other.into());
        headers.push(header);
        let (status, code) = grpc.ask(question).refusal();
        assert_eq!(status, 400, "{name}: {code}");
    }
    for (change, code) in [
        ("/me/x#y", "bad_target"),
        ("me", "bad_target"),
        ("*", "bad_target"),
        ("/me/%2e%2e/x", "bad_target"),
        ("/me/a%2Fb", "bad_target"),
    ] {
        let question = http(true, Who::mA, "GET", change, &[]);
        assert_eq!(grpc.ask(question).refusal(), (400, code.to_owned()), "{change}");
    }
    let mut question = http(true, Who::mA, "GET", "/me/x?a=1", &[]);
    question.query = "a=2".to_owned();
    assert_eq!(grpc.ask(question.clone()).refusal().1, "bad_target");
    question.query = "a=1".to_owned();
    assert_eq!(grpc.ask(question).code(), 0);
}

#[test]
fn a_client_s_address_is_what_envoy_says_and_its_proxies_before_it() {
    const POLICY: &str =
        "version: 1\nupstream: echo\nroutes: { /few: { level: public, throttle: { rate: 1/hour, by: address } } }\n";
    let grpc = Grpc::with(POLICY, "trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n");
    let cases = [
        ("192.0.2.7", "6.6.6.6", "192.0.2.7"),
        ("::ffff:192.0.2.8", "6.6.6.6", "192.0.2.8"),
        ("10.1.1.1", "6.6.6.6, 192.0.2.9", "192.0.2.9"),
        ("10.1.1.1", "192.0.2.10, 10.1.1.1", "192.0.2.10"),
        ("", "6.6.6.6, 192.0.2.11", "192.0.2.11"),
    ];
    for (number, (source, forwarded, client)) in cases.into_iter().enumerate() {
        let mut question = about(http(true, Who::nobody, "GET", "/few", &[("x-forwarded-for", forwarded)]));
        let socket = SocketAddress { address: source.to_owned(), ..SocketAddress::default() };
        let peer = question.attributes.as_mut().unwrap().source.as_mut().unwrap();
        peer.address.as_mut().unwrap().address = Some(Place::SocketAddress(socket));
        let told = grpc.put(question.clone()).unwrap();
        assert_eq!(told.code(), 0, "{told:?}");
        assert_eq!(told.besides("ratelimit").len(), 1, "{told:?}");
        let again = grpc.put(question).unwrap();
        assert_eq!(again.refusal(), (429, "throttled".to_owned()));
        assert_eq!(again.denied("retry-after").2.len(), 1);
        let lines = grpc.postern.access_lines(2 * number + 2);
        assert_eq!(lines.last().unwrap()["client"], client, "{source} {forwarded}");
    }
}

#[test]
fn only_a_whole_body_decides() {
    let grpc = Grpc::new(
        "version: 1\nupstream: echo\nroutes: { /body: { POST: { level: member, org: body.organization as slug } } }\n",
    );
    let kind = ("content-type", "application/json");
    let ask = |who, body: &str, length: &str, partial: &[&str]| {
        let mut headers = vec![kind, ("content-length", length)];
        headers.retain(|(_, value)| !value.is_empty());
        headers.extend(partial.iter().map(|partial| ("x-envoy-auth-partial-body", *partial)));
        let mut question = http(true, who, "POST", "/body", &headers);
        question.raw_body = body.as_bytes().to_vec();
        let told = grpc.ask(question);
        if told.code() == 0 { "passes".to_owned() } else { told.refusal().1 }
    };
    let own = r#"{"organization":"a"}"#;
    assert_eq!(ask(Who::mA, own, "20", &["false"]), "passes");
    assert_eq!(ask(Who::mA, r#"{"organization":"b"}"#, "20", &["false"]), "org_foreign");
    assert_eq!(ask(Who::mA, r#"{"organization":"a""#, "19", &["false"]), "body_invalid");
    for (length, partial) in [
        ("20", &["true"][..]),
        ("21", &["false"]),
        ("", &["false"]),
        ("20", &[]),
        ("20", &["false", "true"]),
        ("20", &["False"]),
    ] {
        assert_eq!(ask(Who::mA, own, length, partial), "body_unseen", "{length} {partial:?}");
    }
    assert_eq!(ask(Who::mA, "", "0", &["false"]), "body_unseen");
    // A text is not what will be forwarded, where it was none.
    let mut text =
        http(true, Who::mA, "POST", "/body", &[kind, ("content-length", "20"), ("x-envoy-auth-partial-body", "false")]);
    text.body = own.to_owned();
    assert_eq!(grpc.ask(text).refusal().1, "body_unseen");
}

#[test]
fn what_only_the_proxy_can_do_is_refused_by_its_own_reason() {
    let grpc = Grpc::new(ONLY_THE_PROXY);
    for (method, target, code) in [
        ("POST", "/body", "body_unseen"),
        ("GET", "/list", "proxy_only"),
        ("GET", "/answer/1", "proxy_only"),
        ("GET", "/ext/body", "proxy_only"),
    ] {
        assert_eq!(grpc.ask(http(true, Who::uA, method, target, &[])).refusal(), (403, code.to_owned()), "{target}");
    }
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let told = grpc.ask(http(true, Who::nobody, "OPTIONS", "/cors", &preflight));
    let (status, _, origins) = told.denied("access-control-allow-origin");
    assert_eq!((status, told.code(), origins), (204, 7, vec!["https://a.example".to_owned()]));
}

#[test]
fn a_message_that_could_be_read_in_two_ways_is_no_question() {
    let grpc = Grpc::new(ROUTES);
    let refused = |question| grpc.put(question).unwrap_err().code();
    assert_eq!(refused(envoy_types::pb::envoy::service::auth::v3::CheckRequest::default()), Code::InvalidArgument);
    let mut nameless = http(true, Who::mA, "GET", "/me/x", &[]);
    nameless.header_map.as_mut().unwrap().headers[0].key.clear();
    assert_eq!(refused(about(nameless)), Code::InvalidArgument);
    let mut two = http(true, Who::mA, "GET", "/me/x", &[]);
    two.header_map.as_mut().unwrap().headers[0].value = "other".to_owned();
    assert_eq!(refused(about(two)), Code::InvalidArgument);
    let line = &grpc.postern.access_lines(1)[0];
    assert_eq!(line["code"], "bad_framing", "{line}");
}
