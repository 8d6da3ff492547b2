//! A started postern: the real binary in a directory of its own, on free ports, over a copy of the world's store.

use super::world::command;
use super::{Raw, World, eventually};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The last of the usual lines of postern.yaml.
pub(super) const USUAL_END: &str = "drain: { lame_duck: 0s, limit: 10s }\n";

/// What a test wants different.
#[derive(Clone, Debug)]
pub struct Options {
    /// `routes.yaml`, by the files' names; none is `--any-authenticated`.
    pub policies: Vec<(&'static str, String)>,
    /// Lines of postern.yaml behind the usual ones.
    pub config: String,
    /// Overrides, by their place in the configuration: `timeouts.head`.
    pub set: Vec<(&'static str, String)>,
    /// `upstreams:`, where it is not the test's one upstream.
    pub upstreams: Option<String>,
    /// The store's file begins as a copy of the world's.
    pub world: bool,
}

impl Options {
    /// The usual postern with this policy.
    pub fn policy(text: impl Into<String>) -> Self {
        let policies = vec![("routes.yaml", text.into())];
        Self { policies, config: String::new(), set: Vec::new(), upstreams: None, world: true }
    }

    /// Another value at this place of the configuration.
    pub fn set(mut self, place: &'static str, value: impl ToString) -> Self {
        self.set.push((place, value.to_string()));
        self
    }
}

/// Signals.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// What an orchestrator sends.
    Term,
    /// Ctrl-C.
    Int,
    /// Reload.
    Hup,
}

/// Lines that a thread collects from a pipe.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running postern. It is killed when dropped, and must not have panicked.
pub struct Postern {
    home: TempDir,
    child: Child,
    /// The data port.
    pub data: SocketAddr,
    /// The management port.
    pub admin: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

fn collect(pipe: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let shared = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            shared.lock().unwrap().push(line);
        }
    });
    lines
}

impl Postern {
    /// A directory with a configuration, a policy and a store, and nothing that runs.
    pub fn prepare(upstream: Option<SocketAddr>, options: &Options) -> TempDir {
        let home = TempDir::new().unwrap();
        if options.world {
            World::get().copy_to(home.path());
        }
        for (name, text) in &options.policies {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let names: Vec<_> = options.policies.iter().map(|(name, _)| *name).collect();
        let named = || upstream.map_or("{}".to_owned(), |address| format!("{{ echo: \"http://{address}\" }}"));
        let upstreams = options.upstreams.clone().unwrap_or_else(named);
        let config = format!(
            "listen: 127.0.0.1:0\nmanagement: 127.0.0.1:0\nworkers: 2\nlog: {{ format: json }}\ndatabase: sqlite:postern.db\n\
             policy: [{}]\nupstreams: {upstreams}\n{USUAL_END}{}",
            names.join(", "),
            options.config
        );
        std::fs::write(home.path().join("postern.yaml"), config).unwrap();
        home
    }

    /// `postern serve` in a prepared directory.
    pub fn serve(home: &Path, options: &Options) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.arg("serve").current_dir(home).env("POSTERN_DATA_DIR", home).env_remove("POSTERN_LOG");
        if options.policies.is_empty() {
            command.arg("--any-authenticated");
        }
        for (place, value) in &options.set {
            command.env(format!("POSTERN__{}", place.to_uppercase().replace('.', "__")), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts one, and returns when it serves.
    pub fn start(upstream: SocketAddr, options: &Options) -> Self {
        let home = Self::prepare(Some(upstream), options);
        let mut command = Self::serve(home.path(), options);
        Self::run(home, &mut command)
    }

    /// Starts what [`Postern::serve`] gave, and returns when it serves.
    pub fn run(home: TempDir, command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        // A test may have taken standard output for itself.
        let stdout = child.stdout.take().map(collect).unwrap_or_default();
        let stderr = collect(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut postern = Self { home, child, data: nowhere, admin: nowhere, stdout, stderr };
        let serving = eventually("postern serves", || {
            assert!(postern.child.try_wait().unwrap().is_none(), "postern ended: {:#?}", postern.stderr());
            postern.stderr().into_iter().find(|line| line.contains("\"serving\""))
        });
        let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        // A Unix socket has no port.
        let unix = serving["address"].as_str().unwrap().starts_with("unix:");
        (postern.data, postern.admin) = (if unix { nowhere } else { address("address") }, address("management"));
        postern
    }

    /// A connection to the data port.
    pub fn raw(&self) -> Raw {
        Raw::connect(self.data)
    }

    /// Somebody's GET, on a connection of its own.
    pub fn get(&self, who: super::Who, target: &str) -> super::Answer {
        let mut raw = self.raw();
        raw.send(super::get(who, target));
        raw.answer()
    }

    /// What the management port answers to GET.
    pub fn admin(&self, path: &str) -> super::Answer {
        let mut raw = Raw::connect(self.admin);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        raw.answer()
    }

    /// The value of a metric's one sample, by its name and labels as they are written.
    pub fn metric(&self, sample: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Runs a command on the same store.
    pub fn cli(&self, args: &[&str]) -> String {
        command(self.home.path(), args, "").unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// The same, with this on standard input.
    pub fn cli_with(&self, args: &[&str], input: &str) -> String {
        command(self.home.path(), args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// One text out of the store, as another program would read it.
    pub fn query(&self, sql: &str) -> String {
        let store = rusqlite::Connection::open(self.home.path().join("postern.db")).unwrap();
        store.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Runs a command with the directory's configuration: standard output, or standard error where it fails.
    pub fn try_cli(&self, args: &[&str]) -> Result<String, String> {
        self.try_cli_with(args, "")
    }

    /// The same, with this on standard input.
    pub fn try_cli_with(&self, args: &[&str], input: &str) -> Result<String, String> {
        command(self.home.path(), args, input)
    }

    /// Raw SQL on a connection of its own, as another program would.
    pub fn sql(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.home.path().join("postern.db")).unwrap();
        store.busy_timeout(super::PATIENCE).unwrap();
        store.execute_batch(sql).unwrap();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its own directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Int => "INT",
            Signal::Hup => "HUP",
        };
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success(), "postern has gone already");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("postern ends", || self.child.try_wait().unwrap())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// The lines on standard error behind the first `count`.
    pub fn stderr_behind(&self, count: usize) -> Vec<String> {
        self.stderr.lock().unwrap().iter().skip(count).cloned().collect()
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// Access lines that are there by now.
    pub fn access_lines_now(&self) -> Vec<serde_json::Value> {
        self.stdout().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Access lines, as soon as there are `count` of them; each is one JSON object.
    pub fn access_lines(&self, count: usize) -> Vec<serde_json::Value> {
        eventually("access lines", || {
            let lines = self.stdout();
            let enough = lines.len() >= count;
            enough.then(|| lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
        })
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let panicked: Vec<_> = self.stderr().into_iter().filter(|line| line.contains("panicked")).collect();
        if std::thread::panicking() {
            eprintln!("postern said: {:#?}", self.stderr());
        } else {
            assert!(panicked.is_empty(), "postern panicked: {panicked:#?}");
        }
    }
}
