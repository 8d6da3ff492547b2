//! Who somebody is, by every scheme: tokens that other programs make, and the ways in which they are refused.

mod assertion;
mod basic;
mod fields;
mod header;
mod jwt;
mod jwt_as_issued;
mod rotation;
mod scopes;
mod sesame;
mod session;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Runs one of `tests/python` with this on its standard input.
pub fn python(program: &str, input: &Value) -> Value {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = PYTHON.get_or_init(|| {
        let made = Command::new("bash").arg(root.join("scripts/python.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    });
    let mut child = Command::new(python)
        .arg(root.join("tests/python").join(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Somebody's request with this in `Authorization`.
pub fn ask(method: &str, target: &str, authorization: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: {authorization}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// An issuer's address: answers every request with the same bytes, and counts.
pub struct Keys {
    pub address: SocketAddr,
    answer: Arc<Mutex<String>>,
    count: Arc<AtomicUsize>,
}

impl Keys {
    pub fn serve(jwks: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let keys = Self { address: listener.local_addr().unwrap(), answer: Arc::default(), count: Arc::default() };
        keys.publish(jwks);
        let (answer, count) = (Arc::clone(&keys.answer), Arc::clone(&keys.count));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        keys
    }

    /// These keys from now on.
    pub fn publish(&self, jwks: &Value) {
        let body = jwks.to_string();
        self.answer_with(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
    }

    /// These bytes from now on.
    pub fn answer_with(&self, bytes: &str) {
        *self.answer.lock().unwrap() = bytes.to_owned();
    }

    /// How often they were fetched.
    pub fn fetched(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}
