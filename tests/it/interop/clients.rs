//! Clients as applications use them.

use super::{http, postern, program, python, service, succeeds};
use crate::gateway::websockets::echo;
use crate::support::tls::Authority;
use crate::support::{Upstream, Who, World, free_port};
use std::process::Command;

fn token(who: Who) -> &'static str {
    World::get().token(who).unwrap()
}

/// Runs a program against a gate in the clear and one within TLS, before the same service.
fn run(command: &mut Command) {
    let (authority, service): (_, Upstream) = (Authority::new(), service());
    let (upstream, sockets) = (http(service.address()), http(echo()));
    let plain = postern(&upstream, &sockets, "");
    let tls = format!("tls: {{ {} }}\n", authority.sign("api", &["localhost"]));
    let secure = postern(&upstream, &sockets, &tls);
    command.arg(plain.data.to_string()).arg(format!("localhost:{}", secure.data.port()));
    succeeds(command.arg(authority.file("ca.pem")).args([token(Who::mA), token(Who::uB)]));
    let asked = service.recorded();
    assert!(asked.iter().all(|request| request.folded("x-postern-user") == ["mA"]), "the refused never came");
}

#[test]
fn python_s_clients() {
    run(Command::new(python()).arg(program("clients.py")));
}

#[test]
fn node_s_clients() {
    run(Command::new("node").arg(program("clients.mjs")));
}

/// gRPC's own library on both sides, which is not that of the other tests.
#[test]
fn grpc_s_client_and_server() {
    let authority = Authority::new();
    let tls = authority.sign("api", &["localhost"]);
    let (clear, within) = (free_port(), free_port());
    let ca = authority.file("ca.pem");
    let plain = postern(&format!("\"h2c://127.0.0.1:{clear}\""), "http://127.0.0.1:1", "");
    let upstream = format!("{{ addresses: [\"https://localhost:{within}\"], tls: {{ ca: {} }} }}", ca.display());
    let secure = postern(&upstream, "http://127.0.0.1:1", &format!("tls: {{ {tls} }}\n"));
    succeeds(
        Command::new(python())
            .arg(program("grpc_calls.py"))
            .args([clear, within, plain.data.port(), secure.data.port()].map(|port| port.to_string()))
            .args([authority.file("api.crt"), authority.file("api.key"), ca])
            .arg(token(Who::mA)),
    );
}
