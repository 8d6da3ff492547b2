//! A Redis of one test's own, and a wire to it that can be slow, deaf or cut.

use super::eventually;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A free port of loopback, none of those that the system gives to connections (32768 and above): until somebody listens on it, no
/// connection of another test has it.
pub fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = 10_000 + u16::try_from(random % 22_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
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
    /// Milliseconds that every piece of an answer takes longer,
    delay: AtomicU64,
    /// but to whoever listens to a database's notifications.
    spares_listeners: AtomicBool,
    /// Bytes are swallowed in both directions, and nobody is told.
    deaf: AtomicBool,
    /// New connections are closed at once.
    closed: AtomicBool,
    /// Connections that were asked for so far.
    asked: AtomicU64,
    /// Where new connections lead.
    port: AtomicU16,
    open: Mutex<Vec<Pair>>,
}

/// Both ends of a connection, and whether its client listens to a database's notifications.
struct Pair {
    ends: [TcpStream; 2],
    listens: Arc<AtomicBool>,
}

impl Pair {
    fn cut(&self) {
        for stream in &self.ends {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
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
        let manner = Arc::new(Manner { port: AtomicU16::new(port), ..Manner::default() });
        let shared = Arc::clone(&manner);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                shared.asked.fetch_add(1, Ordering::SeqCst);
                if shared.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let port = shared.port.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let listens = Arc::<AtomicBool>::default();
                let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                shared.open.lock().unwrap().push(Pair { ends, listens: Arc::clone(&listens) });
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let too = Arc::clone(&listens);
                std::thread::spawn(move || relay(from, to, &there, &too, false));
                std::thread::spawn(move || relay(server, client, &back, &listens, true));
            }
        });
        Self { manner, address }
    }

    /// Answers come so much later.
    pub fn delay(&self, delay: Duration) {
        self.manner.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The same, but to whoever listens to a database's notifications: looks are quick, and questions are slow.
    pub fn delay_questions(&self, delay: Duration) {
        self.manner.spares_listeners.store(true, Ordering::SeqCst);
        self.delay(delay);
    }

    /// Breaks the connections of those who listen to a database's notifications, and no others.
    pub fn cut_listeners(&self) {
        let open = self.manner.open.lock().unwrap();
        open.iter().filter(|pair| pair.listens.load(Ordering::SeqCst)).for_each(Pair::cut);
    }

    /// New connections lead to another port of loopback; those that are open stay.
    pub fn turn(&self, port: u16) {
        self.manner.port.store(port, Ordering::SeqCst);
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
        self.manner.spares_listeners.store(false, Ordering::SeqCst);
        self.delay(Duration::ZERO);
        self.cut(false);
    }

    /// Breaks every connection; new ones are possible where `closed` is not.
    pub fn cut(&self, closed: bool) {
        self.manner.closed.store(closed, Ordering::SeqCst);
        self.manner.open.lock().unwrap().drain(..).for_each(|pair| pair.cut());
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, manner: &Manner, listens: &AtomicBool, is_answer: bool) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if bytes[..count].windows(7).any(|word| word == b"LISTEN ") {
            listens.store(true, Ordering::SeqCst);
        }
        if manner.deaf.load(Ordering::SeqCst) {
            continue;
        }
        let delay = manner.delay.load(Ordering::SeqCst);
        let is_spared = manner.spares_listeners.load(Ordering::SeqCst) && listens.load(Ordering::SeqCst);
        if is_answer && delay > 0 && !is_spared {
            std::thread::sleep(Duration::from_millis(delay));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
