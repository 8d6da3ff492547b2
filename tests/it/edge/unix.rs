//! The data port as a Unix socket.

use crate::support::{Gate, Options, ROUTES, Who, get, request};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

fn ask(path: &std::path::Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_and_is_gone_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.sock");
    let mut options = Options::policy(ROUTES).set("listen", format!("unix://{}", path.display()));
    options.config = "listen_mode: 0600\ntrusted_proxies: [127.0.0.1]\n".to_owned();
    let mut gate = Gate::with(&options);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let answer = ask(&path, &get(Who::uA, "/me/x"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(gate.upstream.last().header("x-forwarded-for"), Some("127.0.0.1"));
    // Whoever is on this machine may be a proxy.
    ask(&path, &request(Who::uA, "GET", "/me/x", &[("X-Forwarded-For", "192.0.2.7")], ""));
    assert_eq!(gate.upstream.last().header("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    // HTTP/2 too.
    let output = Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "--unix-socket"])
        .args([path.to_str().unwrap(), "http://api.example.com/public/x"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("2 200"), "{output:?}");
    gate.postern.signal(crate::support::Signal::Term);
    assert!(gate.postern.wait().success());
    assert!(!path.exists());
}
