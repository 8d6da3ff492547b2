//! Other people's software on either side of the gate: clients in Python and Node, a browser, nginx, HAProxy, Envoy and Hypercorn.
//!
//! What each of them does on its own is in a program beside this (`*.py`, `*.mjs`); scripts/test.sh and scripts/peers.sh bring what they need.

mod browser;
mod clients;
mod proxies;
mod sockets;

pub(crate) use proxies::{envoy, haproxy_program, nginx};

use crate::support::{Options, Postern, Upstream, eventually};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where all of them are let through, and where not.
const ROUTES: &str = r#"
version: 1
upstream: echo
defaults:
  inject: { X-Postern-User: user.username }
routes:
  /public/**: public
  /me/**: authenticated
  /ws/**: { upstream: sockets, GET: { level: authenticated, upgrade: [websocket] } }
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /echo.Echo/**: authenticated
"#;

/// A program of this folder.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/interop").join(name)
}

/// The Python of scripts/peers.sh; other programs are beside it.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/peers.sh");
        let made = Command::new("bash").arg(script).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
    })
}

/// Runs one that fails where anything is not as it should be.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A service that says what it was asked, in JSON.
fn service() -> Upstream {
    Upstream::with(|exchange| {
        let size = exchange.body()?;
        let request = &exchange.request;
        let seen = serde_json::json!({
            "method": request.method, "target": request.target, "size": size,
            "user": request.folded("x-postern-user"), "for": request.folded("x-forwarded-for"),
        });
        exchange.answer("200 OK", &[("Content-Type", "application/json")], seen.to_string().as_bytes())
    })
}

/// A postern before these, each as in postern.yaml: what answers requests, and what takes WebSockets.
fn postern(upstream: &str, sockets: &str, config: &str) -> Postern {
    let mut options = Options::policy(ROUTES);
    options.config = config.to_owned();
    options.upstreams = Some(format!("{{ echo: {upstream}, sockets: {sockets} }}"));
    Postern::start(SocketAddr::from(([127, 0, 0, 1], 1)), &options)
}

/// An upstream in the clear.
fn http(address: SocketAddr) -> String {
    format!("\"http://{address}\"")
}

/// A running server of others. It is killed when dropped.
pub(crate) struct Server {
    process: Child,
    _home: TempDir,
}

impl Server {
    /// Starts a program on a configuration, whose `HOME` is a directory of its own; returns when the port answers.
    pub(crate) fn start(program: &str, arguments: &[&str], configuration: &str, port: u16) -> Self {
        let home = TempDir::new().unwrap();
        let place = home.path().to_str().unwrap();
        let file = home.path().join("configuration");
        std::fs::write(&file, configuration.replace("HOME", place)).unwrap();
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|word| word.replace("HOME", place))).stdin(Stdio::null());
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut server = Self { process, _home: home };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("it listens", || {
            let log = || std::fs::read_to_string(file.with_file_name("log")).unwrap_or_default();
            assert!(server.process.try_wait().unwrap().is_none(), "{program} ended: {}", log());
            TcpStream::connect(address).ok()
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
