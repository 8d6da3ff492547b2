//! Services over uwsgi: a real uWSGI with Django (`service.py`), and sockets that record what comes or lie.

mod answers;
mod bodies;
mod manual;
mod requests;
mod trouble;

use crate::interop;
use crate::strict::uwsgi::decode;
use crate::support::{Options, Postern, ROUTES, eventually, free_port};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A uWSGI that serves `service.py`. It is killed when dropped.
pub struct Service {
    child: Child,
    /// As an upstream's URL.
    pub url: String,
}

impl Service {
    /// On a port of its own.
    pub fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], free_port())))
    }

    fn at(address: SocketAddr) -> Self {
        let is_there = || TcpStream::connect(address).is_ok();
        Self::run(&address.to_string(), format!("uwsgi://{address}"), is_there)
    }

    /// On a socket in a directory.
    fn unix(home: &Path) -> Self {
        let path = home.join("service.sock");
        Self::run(path.to_str().unwrap(), format!("uwsgi+unix://{}", path.display()), || {
            UnixStream::connect(&path).is_ok()
        })
    }

    fn run(socket: &str, url: String, is_there: impl Fn() -> bool) -> Self {
        let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/uwsgi/service.py");
        let mut child = Command::new(interop::python().with_file_name("uwsgi"))
            .args(["--uwsgi-socket", socket, "--wsgi-file", service.to_str().unwrap(), "--need-app"])
            .args(["--threads", "4", "--buffer-size", "65535", "--disable-logging", "--die-on-term"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("uWSGI serves", || {
            assert!(child.try_wait().unwrap().is_none(), "uWSGI ended");
            is_there().then_some(())
        });
        Self { child, url }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A postern with the tests' policy before an upstream of this URL.
fn before(url: &str) -> Postern {
    with(&Options::policy(ROUTES), &format!("\"{url}\""))
}

fn with(options: &Options, upstream: &str) -> Postern {
    let options = Options { upstreams: Some(format!("{{ echo: {upstream} }}")), ..options.clone() };
    Postern::start(SocketAddr::from(([127, 0, 0, 1], 1)), &options)
}

/// A request as it came over uwsgi.
#[derive(Clone, Debug)]
pub struct Told {
    pub variables: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// A socket that records requests over uwsgi, and says the same to each.
pub struct Recorder {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Recorder {
    fn saying(answer: impl AsRef<[u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, answer) = (Arc::default(), answer.as_ref().to_vec());
        let recorded: Arc<Mutex<Vec<Told>>> = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, recorded, answer) = (stream.unwrap(), Arc::clone(&recorded), answer.clone());
                std::thread::spawn(move || {
                    if let Some(one) = read(&mut stream) {
                        recorded.lock().unwrap().push(one);
                        let _ = stream.write_all(&answer);
                    }
                });
            }
        });
        Self { address, told }
    }

    /// One that is content with everything.
    pub fn new() -> Self {
        Self::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    pub fn url(&self) -> String {
        format!("uwsgi://{}", self.address)
    }

    /// What it was told since the last time.
    pub fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The one request since the last time.
    fn one(&self) -> Told {
        let told = self.take();
        assert_eq!(told.len(), 1, "{told:?}");
        told.into_iter().next().unwrap()
    }
}

/// Reads one request; `None` where it breaks off.
fn read(stream: &mut TcpStream) -> Option<Told> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let mut more = |bytes: &mut Vec<u8>| {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        Some(())
    };
    loop {
        if let Some((variables, body)) = decode(&bytes) {
            let count = variables.len();
            let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
            let variables: BTreeMap<_, _> = variables.into_iter().map(|(name, value)| (name, text(value))).collect();
            assert_eq!(variables.len(), count, "each variable once: {variables:?}");
            let length = variables.get("CONTENT_LENGTH").filter(|length| !length.is_empty());
            let length = length.map_or(0, |length| length.parse().unwrap());
            let mut body = body.to_vec();
            while body.len() < length {
                more(&mut body)?;
            }
            return Some(Told { variables, body });
        }
        more(&mut bytes)?;
    }
}
