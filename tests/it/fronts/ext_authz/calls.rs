//! Calls of gRPC: what is none, how the listener is, and how it goes down.

use super::{Grpc, about, http};
use crate::support::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM, block};
use crate::support::h2::{Ask, H2};
use crate::support::tls::Wire;
use crate::support::{Options, Postern, ROUTES, Raw, Signal, Who, eventually, free_port};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use prost::Message;
use std::net::SocketAddr;
use tonic::Code;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

fn call<'a>(target: &'a str, body: &'a [u8]) -> Ask<'a> {
    Ask::post(target, body).header("content-type", "application/grpc").header("te", "trailers")
}

/// A message as gRPC sends it.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

fn question() -> Vec<u8> {
    framed(&about(http(true, Who::uA, "GET", "/me/x", &[])).encode_to_vec())
}

#[test]
fn a_call_is_one_whole_message() {
    let grpc = Grpc::new(ROUTES);
    let mut client = H2::plain(grpc.address);
    let mut status = |ask: &Ask<'_>| {
        let (answer, trailers) = client.try_ask(Who::nobody, ask).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let said = trailers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
        said.or_else(|| answer.header("grpc-status").map(str::to_owned)).unwrap()
    };
    let good = question();
    assert_eq!(status(&call(CHECK, &good)), "0");
    let twice = [&good[..], &good].concat();
    let mut compressed = good.clone();
    compressed[0] = 1;
    let large = framed(&vec![0; 1_200_000]);
    for (body, code) in [
        (&good[..good.len() - 1], "3"),
        (&good[..3], "3"),
        (b"", "3"),
        (&twice, "3"),
        (&compressed, "12"),
        (&framed(b"\x0a\xff"), "3"),
    ] {
        assert_eq!(status(&call(CHECK, body)), code, "{} bytes", body.len());
    }
    assert_eq!(status(&call("/envoy.service.auth.v2.Authorization/Check", &good)), "12");
    assert_eq!(status(&call("/grpc.health.v1.Health/List", &good)), "12");
    assert_eq!(status(&Ask::post(CHECK, &good).header("content-type", "application/grpc")), "3", "no `te: trailers`");
    drop(grpc);
    let small = Grpc::with(ROUTES, "trusted_proxies: [127.0.0.1]\nlimits: { body: 1KiB }\n");
    let (answer, _) = H2::plain(small.address).try_ask(Who::nobody, &call(CHECK, &large)).unwrap();
    assert_eq!(answer.header("grpc-status"), Some("8"), "{answer:?}");
}

#[test]
fn what_is_no_call_is_answered_as_http() {
    let grpc = Grpc::new(ROUTES);
    let good = question();
    let mut client = H2::plain(grpc.address);
    let json = client.ask(Who::nobody, &Ask::post(CHECK, &good).header("content-type", "application/json"));
    assert_eq!((json.status, json.code().as_str()), (415, "bad_framing"));
    assert_eq!(client.ask(Who::su, &Ask::get("/public/x")).status, 415, "it forwards nothing");
    let old = Raw::connect(grpc.address).send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").answer();
    assert_eq!(old.status, 415);
    let old = format!(
        "POST {CHECK} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"
    );
    let old = Raw::connect(grpc.address).send(old).answer();
    assert_eq!(old.header("grpc-status"), Some("3"), "{old:?}");
}

#[test]
fn nobody_but_trusted_proxies_may_ask() {
    let grpc = Grpc::with(ROUTES, "trusted_proxies: [10.0.0.0/8]\n");
    let refused = grpc.put(about(http(true, Who::su, "GET", "/public/x", &[]))).unwrap_err();
    assert_eq!((refused.code(), refused.message().starts_with("denied")), (Code::PermissionDenied, true), "{refused}");
}

#[test]
fn without_trusted_proxies_it_does_not_start() {
    let mut options = Options::policy(ROUTES);
    options.config = "ext_authz: { listen: 127.0.0.1:0 }\n".to_owned();
    let home = Postern::prepare(None, &options);
    let output = Postern::serve(home.path(), &options).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`ext_authz` answers `trusted_proxies` alone"), "{said}");
}

#[test]
fn its_health_is_readiness_and_calls_end_before_the_process() {
    // Health is no secret: what keeps processes alive is no proxy.
    let mut options = Options::policy(ROUTES);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    options.config = format!("ext_authz: {{ listen: \"{address}\" }}\ntrusted_proxies: [10.0.0.0/8]\n");
    let options = options.set("drain.lame_duck", "1s");
    let postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], 1)), &options);
    let mut client = H2::plain(address);
    let mut health = |message: &[u8]| {
        let (answer, trailers) =
            client.try_ask(Who::nobody, &call("/grpc.health.v1.Health/Check", &framed(message))).unwrap();
        let status = trailers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
        (status.or_else(|| answer.header("grpc-status").map(str::to_owned)).unwrap(), answer.body)
    };
    let serving = ("0".to_owned(), b"\0\0\0\0\x02\x08\x01".to_vec());
    assert_eq!(health(b""), serving);
    assert_eq!(
        health(b"\x0a\x26envoy.service.auth.v3.Authorization"),
        ("3".to_owned(), Vec::new()),
        "its length is wrong"
    );
    assert_eq!(health(b"\x0a\x23envoy.service.auth.v3.Authorization"), serving);
    assert_eq!(health(b"\x0a\x01x"), ("5".to_owned(), Vec::new()));
    postern.signal(Signal::Term);
    eventually("it is not ready", || (health(b"").1 == b"\0\0\0\0\x02\x08\x02").then_some(()));
    assert!(postern.access_lines(0).is_empty(), "probes are no requests");
}

#[test]
fn envoy_may_ask_over_a_unix_socket() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("ask.sock");
    let mut options = Options::policy(ROUTES);
    options.config =
        format!("trusted_proxies: [127.0.0.1]\next_authz: {{ listen: \"unix://{}\" }}\n", socket.display());
    let _postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], free_port())), &options);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let mut client = AuthorizationClient::connect(format!("unix://{}", socket.display())).await.unwrap();
        client.check(about(http(true, Who::uA, "GET", "/me/x", &[]))).await.unwrap().into_inner()
    });
    assert_eq!(told.status.unwrap().code, 0);
}

/// Calls `Watch` on a stream.
fn watch(peer: &mut Peer, stream: u32, service: &str) {
    let fields: [(&str, &[u8]); 6] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", b"/grpc.health.v1.Health/Watch"),
        (":authority", b"a"),
        ("content-type", b"application/grpc"),
        ("te", b"trailers"),
    ];
    peer.send(HEADERS, END_HEADERS, stream, &block(&fields));
    let message = [&[10, u8::try_from(service.len()).unwrap()], service.as_bytes()].concat();
    peer.send(DATA, END_STREAM, stream, &framed(&message));
}

/// The next status that is told, or the end of a call.
fn told(peer: &mut Peer) -> (u32, Option<u8>) {
    loop {
        let frame = peer.frame().expect("the connection is open");
        match (frame.kind, frame.flags & END_STREAM != 0) {
            (DATA, false) => return (frame.stream, frame.payload.last().copied()),
            (HEADERS, true) => return (frame.stream, None),
            _ => {}
        }
    }
}

#[test]
fn a_watch_is_told_each_change_until_the_process_goes_down() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut options = Options::policy(ROUTES);
    options.config = format!("ext_authz: {{ listen: \"{address}\" }}\ntrusted_proxies: [10.0.0.0/8]\n");
    let options = options.set("drain.lame_duck", "1s");
    let mut postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], 1)), &options);
    let mut peer = Peer::begin(Wire::plain(address), &[]);
    watch(&mut peer, 1, "envoy.service.auth.v3.Authorization");
    assert_eq!(told(&mut peer), (1, Some(1)));
    watch(&mut peer, 3, "x");
    assert_eq!(told(&mut peer), (3, Some(3)), "there is no such service yet");
    postern.signal(Signal::Term);
    assert_eq!(told(&mut peer), (1, Some(2)));
    let mut ends = [told(&mut peer), told(&mut peer)];
    ends.sort_unstable();
    assert_eq!(ends, [(1, None), (3, None)]);
    assert!(postern.wait().success(), "it waits for nobody who watches");
}

#[test]
fn as_many_watch_as_may_and_who_ends_makes_room() {
    const MOST: u32 = 32;
    let grpc = Grpc::new(ROUTES);
    let mut peer = Peer::begin(Wire::plain(grpc.address), &[]);
    for at in 0..=MOST {
        watch(&mut peer, 2 * at + 1, "");
        assert_eq!(told(&mut peer), (2 * at + 1, (at < MOST).then_some(1)));
    }
    peer.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    peer.assert_alive();
    watch(&mut peer, 2 * MOST + 3, "");
    assert_eq!(told(&mut peer), (2 * MOST + 3, Some(1)));
}
