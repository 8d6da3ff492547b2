//! A Redis of one test's own, and a wire to it that can be slow, deaf or cut.

use super::eventually;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A free port of loopback.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A running redis-server; it is killed when dropped.
pub struct RedisServer {
    directory: TempDir,
    child: Option<Child>,
    options: Vec<String>,
    /// Where it listens.
    pub port: u16,
}

impl RedisServer {
    /// Starts one.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with these arguments besides.
    pub fn with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { directory: TempDir::new().unwrap(), child: None, options, port: free_port() };
        server.up();
        server
    }

    /// Starts it again, on the same port, with what it had saved.
    pub fn up(&mut self) {
        let plain = !self.options.iter().any(|option| option == "--port");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(self.directory.path()).args(["--save", ""]);
        if plain {
            command.args(["--port", &self.port.to_string()]);
        }
        command.args(&self.options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server (scripts/test.sh installs it)"));
        if plain {
            eventually("Redis answers", || self.try_cli(&["PING"]).filter(|answer| answer == "PONG"));
        }
    }

    /// Kills it, as a power cut does.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What `redis-cli` prints.
    pub fn cli(&self, args: &[&str]) -> String {
        // A server that becomes master breaks its clients' connections.
        eventually("redis-cli", || self.try_cli(args))
    }

    fn try_cli(&self, args: &[&str]) -> Option<String> {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Names of keys, sorted.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys: Vec<_> = self.cli(&["KEYS", pattern]).lines().map(str::to_owned).collect();
        keys.retain(|key| !key.is_empty());
        keys.sort();
        keys
    }

    /// The only key of a pattern, as soon as there is one.
    pub fn key(&self, pattern: &str) -> String {
        eventually(pattern, || self.keys(pattern).pop())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.down();
    }
}

/// What a wire does with bytes.
#[derive(Default)]
struct Manner {
    /// Milliseconds that every piece of an answer takes longer.
    delay: AtomicU64,
    /// Bytes are swallowed in both directions, and nobody is told.
    deaf: AtomicBool,
    /// New connections are closed at once.
    closed: AtomicBool,
    /// Connections that were asked for so far.
    asked: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// A TCP relay before some server.
pub struct Wire {
    manner: Arc<Manner>,
    /// Where to connect.
    pub address: SocketAddr,
}

impl Wire {
    /// To a port of loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::<Manner>::default();
        let shared = Arc::clone(&manner);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                shared.asked.fetch_add(1, Ordering::SeqCst);
                if shared.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let twins = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                shared.open.lock().unwrap().extend(twins.map(|twin| twin.try_clone().unwrap()));
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || relay(from, to, &there, false));
                std::thread::spawn(move || relay(server, client, &back, true));
            }
        });
        Self { manner, address }
    }

    /// Answers come so much later.
    pub fn delay(&self, delay: Duration) {
        self.manner.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Whether connections stay open and nothing comes through.
    pub fn deaf(&self, deaf: bool) {
        self.manner.deaf.store(deaf, Ordering::SeqCst);
    }

    /// How often somebody connected so far, or tried to.
    pub fn asked(&self) -> u64 {
        self.manner.asked.load(Ordering::SeqCst)
    }

    /// Lets everything through again, on new connections.
    pub fn mend(&self) {
        self.deaf(false);
        self.delay(Duration::ZERO);
        self.cut(false);
    }

    /// Breaks every connection; new ones are possible where `closed` is not.
    pub fn cut(&self, closed: bool) {
        self.manner.closed.store(closed, Ordering::SeqCst);
        for stream in self.manner.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, manner: &Manner, is_answer: bool) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if manner.deaf.load(Ordering::SeqCst) {
            continue;
        }
        let delay = manner.delay.load(Ordering::SeqCst);
        if is_answer && delay > 0 {
            std::thread::sleep(Duration::from_millis(delay));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
