//! A real server of HTTP/2 behind the gate, not of our making: nghttp2's, with padded frames, in the clear and within TLS.

use crate::support::h2::{Ask, H2};
use crate::support::tls::Authority;
use crate::support::{Options, Postern, Who, eventually, free_port, request};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const ROUTES: &str = "version: 1\nupstream: echo\nroutes:\n  /files/**: authenticated\n";

struct Nghttpd {
    process: Child,
    address: SocketAddr,
    _home: TempDir,
}

impl Drop for Nghttpd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| u8::try_from(at % 253).unwrap()).collect()
}

fn serve(authority: Option<&Authority>) -> Nghttpd {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join("files")).unwrap();
    std::fs::write(home.path().join("files/small"), "small\n").unwrap();
    std::fs::write(home.path().join("files/large"), large()).unwrap();
    let port = free_port();
    let mut command = Command::new("nghttpd");
    command.args(["-a", "127.0.0.1", "-b", "200", "-m", "20", "--echo-upload", "--trailer", "x-checksum: 42"]);
    command.arg("-d").arg(home.path());
    match authority {
        None => drop(command.arg("--no-tls").arg(port.to_string())),
        Some(authority) => {
            authority.sign("upstream", &["localhost"]);
            command.arg(port.to_string()).arg(authority.file("upstream.key")).arg(authority.file("upstream.crt"));
        }
    }
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nghttpd is installed");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("nghttpd listens", || TcpStream::connect(address).ok());
    Nghttpd { process, address, _home: home }
}

fn it_serves_either_client(postern: &Postern) {
    let mut client = H2::plain(postern.data);
    let (answer, trailers) = client.try_ask(Who::uA, &Ask::get("/files/small")).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "small\n"));
    assert_eq!(trailers["x-checksum"], "42");
    assert!(answer.header("server").unwrap().starts_with("nghttpd"), "{answer:?}");
    assert_eq!(client.ask(Who::uA, &Ask::get("/files/none")).status, 404);
    assert!(client.ask(Who::uA, &Ask::get("/files/large")).body == large(), "the whole of it");
    let mut raw = postern.raw();
    for _ in 0..2 {
        raw.send(request(Who::uA, "GET", "/files/large", &[], ""));
        assert!(raw.answer().body == large(), "the whole of it");
        raw.send(request(Who::uA, "HEAD", "/files/large", &[], ""));
        assert_eq!(raw.answer_to_head().header("content-length"), Some("3000000"));
    }
    let body = large();
    let answer = client.ask(Who::uA, &Ask::post("/files/echo", &body));
    assert!((answer.status, answer.body.len()) == (200, body.len()) && answer.body == body, "{}", answer.status);
    // More at once than it allows on a connection.
    let mut many: Vec<_> = (0..60).map(|_| postern.raw()).collect();
    for raw in &mut many {
        raw.send(request(Who::uA, "GET", "/files/small", &[], ""));
    }
    for raw in &mut many {
        assert_eq!(raw.answer().text(), "small\n");
    }
}

#[test]
fn nghttpd_serves_in_the_clear() {
    let mut server = serve(None);
    let mut options = Options::policy(ROUTES);
    options.upstreams = Some(format!("{{ echo: \"h2c://{}\" }}", server.address));
    let postern = Postern::start(server.address, &options);
    it_serves_either_client(&postern);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    assert_eq!(postern.get(Who::uA, "/files/small").status, 502);
}

#[test]
fn nghttpd_serves_within_tls() {
    let authority = Authority::new();
    let server = serve(Some(&authority));
    let mut options = Options::policy(ROUTES);
    let (port, ca) = (server.address.port(), authority.file("ca.pem"));
    options.upstreams =
        Some(format!("{{ echo: {{ addresses: \"https://localhost:{port}\", tls: {{ ca: {} }} }} }}", ca.display()));
    let postern = Postern::start(server.address, &options);
    it_serves_either_client(&postern);
}
