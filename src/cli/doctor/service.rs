//! A service that stands where a front forwards to: it keeps what comes, and answers what services answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What it answers with.
pub(super) const BODY: &str = "the service was reached\n";
/// Its own header, of those that are postern's to say.
pub(super) const OWN: &str = "X-Postern-User: told-by-the-service";

/// Bytes of a head, and of a body, at most.
const MOST: u64 = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A request as it came.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    /// The value of a header, in any case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Listens as long as the process lives.
pub(super) struct Service(Arc<Mutex<Vec<Seen>>>);

impl Service {
    pub(super) fn start(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::Builder::new().name("service".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                let serve = move || serve(stream, &kept);
                // A front that cannot be served sees the connection closed.
                let _ = std::thread::Builder::new().spawn(serve);
            }
        })?;
        Ok(Self(seen))
    }

    /// What has come since it was last asked.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Seen>>) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let is_head = request.method == "HEAD";
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let length = BODY.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{OWN}\r\nSet-Cookie: one=1\r\nSet-Cookie: two=2\r\n\r\n"
        );
        let body = if is_head { "" } else { BODY };
        if stream.get_mut().write_all((head + body).as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request; `None`: there is none that can be read.
fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = Vec::new();
        stream.take(MOST).read_until(b'\n', &mut line).ok()?;
        let line = line.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let mut seen = Seen { method: words.next()?, target: words.next()?, ..Seen::default() };
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        seen.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    if seen.header("expect").is_some() {
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if seen.header("transfer-encoding").is_some() {
        seen.body = chunks(stream)?;
    } else if let Some(length) = seen.header("content-length") {
        let length: u64 = length.parse().ok()?;
        stream.take(length.min(MOST)).read_to_end(&mut seen.body).ok()?;
    }
    Some(seen)
}

fn chunks(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.take(MOST).read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        let mut chunk = Vec::new();
        stream.take((size + 2).min(MOST)).read_to_end(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        chunk.truncate(usize::try_from(size).ok()?);
        body.extend(chunk);
        if body.len() as u64 > MOST {
            return None;
        }
    }
}
