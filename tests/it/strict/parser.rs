//! hyper's server as the other reader of a connection, and the promise that it sees the messages that the scanner let pass.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use postern::net::framing::{Limits, Position, Scan, Scanner, Stop};
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// hyper's own defaults, so that both have the same.
pub const LIMITS: Limits = Limits { head_bytes: 16 * 1024, headers: 100 };

/// One message, as either reader sees it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub line: String,
    pub body: Vec<u8>,
    pub trailers: usize,
    /// Whether its body came to its end.
    pub whole: bool,
}

/// Checks the promise of the framing scanner for any bytes.
///
/// Splits change nothing, and hyper reads the accepted bytes into the same messages. Returns the verdict.
pub fn check(stream: &[u8]) -> Scan {
    let scan = Scanner::new(LIMITS).scan(stream);
    let (trickled, scanned) = by_byte(stream);
    assert_eq!(trickled, scan, "byte by byte: {}", show(stream));
    let at = stream.iter().fold(7_usize, |sum, &b| sum.wrapping_mul(31).wrapping_add(b.into())) % (stream.len() + 1);
    assert_eq!(in_two(stream, at), scan, "split at {at}: {}", show(stream));

    let accepted = &stream[..scan.accepted];
    for size in [usize::MAX, 1 + at % 7] {
        let (parsed, closed_well) = hyper_reads(accepted, size);
        assert_eq!(parsed, scanned, "hyper reads other messages: {}", show(accepted));
        let whole = scanned.last().is_none_or(|message| message.whole);
        assert!(closed_well || !whole, "hyper found an error: {}", show(accepted));
    }
    scan
}

fn show(stream: &[u8]) -> String {
    stream.escape_ascii().to_string()
}

fn in_two(stream: &[u8], at: usize) -> Scan {
    let mut scanner = Scanner::new(LIMITS);
    let first = scanner.scan(&stream[..at]);
    let second = scanner.scan(&stream[first.accepted..]);
    Scan { accepted: first.accepted + second.accepted, stop: second.stop }
}

/// Scans byte by byte, which shows the boundaries, and cuts the stream there with means of its own.
fn by_byte(stream: &[u8]) -> (Scan, Vec<Message>) {
    let mut scanner = Scanner::new(LIMITS);
    let mut messages: Vec<Message> = Vec::new();
    let (mut accepted, mut stop) = (0, Stop::None);
    let (mut begin, mut head_end) = (0, None);
    for end in 1..=stream.len() {
        let heads = scanner.heads();
        let scan = scanner.scan(&stream[accepted..end]);
        accepted += scan.accepted;
        stop = scan.stop;
        if scanner.heads() > heads {
            head_end = Some(accepted);
        }
        if let (Some(head), Position::BetweenMessages) = (head_end, scanner.position()) {
            let whole = !matches!(stop, Stop::Refused(_)) || scan.accepted > 0;
            messages.push(message(&stream[begin..head], &stream[head..accepted], whole));
            (begin, head_end) = (accepted, None);
        }
    }
    if let Some(head) = head_end {
        messages.push(message(&stream[begin..head], &stream[head..accepted], false));
    }
    (Scan { accepted, stop }, messages)
}

/// Reads a head and body that the scanner cut out, in the plainest way.
fn message(head: &[u8], body: &[u8], whole: bool) -> Message {
    let head = String::from_utf8_lossy(head);
    let line = head.trim_start().lines().next().unwrap_or_default().to_owned();
    let chunked = head.to_ascii_lowercase().lines().any(|line| line.starts_with("transfer-encoding:"));
    let mut message = Message { line, whole, ..Message::default() };
    if !chunked {
        message.body = body.to_vec();
        return message;
    }
    let mut rest = body;
    loop {
        let Some(end) = rest.iter().position(|&b| b == b'\n') else { return message };
        let size: String = rest.iter().map(|&b| char::from(b)).take_while(char::is_ascii_hexdigit).collect();
        let size = usize::try_from(u64::from_str_radix(&size, 16).expect("a size")).unwrap_or(usize::MAX);
        rest = &rest[end + 1..];
        if size == 0 {
            message.trailers = rest.split(|&b| b == b'\n').filter(|line| line.contains(&b':')).count();
            if !whole {
                message.trailers = 0;
            }
            return message;
        }
        message.body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
}

/// Serves the bytes with hyper, `size` at a time, then the end of the stream; whether the connection ended without an error.
fn hyper_reads(stream: &[u8], size: usize) -> (Vec<Message>, bool) {
    let messages = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
        let at = messages.borrow().len();
        messages.borrow_mut().push(Message { line, ..Message::default() });
        let mut body = request.into_body();
        let whole = loop {
            match body.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => messages.borrow_mut()[at].body.extend_from_slice(&data),
                    Err(frame) => {
                        messages.borrow_mut()[at].trailers += frame.into_trailers().map_or(0, |trailers| trailers.len())
                    }
                },
            }
        };
        messages.borrow_mut()[at].whole = whole;
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let connection = http1::Builder::new()
        .half_close(true)
        .max_headers(LIMITS.headers)
        .serve_connection(Wire { stream, size }, service);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ended = runtime.block_on(connection).is_ok();
    (messages.into_inner(), ended)
}

/// An in-memory connection: reads come in pieces, what is written is forgotten.
struct Wire<'a> {
    stream: &'a [u8],
    size: usize,
}

impl Read for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let count = self.stream.len().min(self.size).min(buf.remaining());
        let (now, later) = self.stream.split_at(count);
        buf.put_slice(now);
        self.stream = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
