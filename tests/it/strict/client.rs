//! An answer, read by ours and by hyper's client. An oracle: the fuzz target uses it too.

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postern::request_target::hop::{Options, is_hop_by_hop};
use postern::upstream::Framing;
use postern::upstream::h1::{Call, Connection, HeadWriter, Memory, Received, Request};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer as either reader sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// Those that are not hop-by-hop, without lengths.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

fn headers(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut options = Options::default();
    for value in map.get_all("connection") {
        options.read(value.as_bytes());
    }
    let mut all: Vec<_> = map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    all.retain(|(name, _)| !is_hop_by_hop(name) && !options.names(name) && name != "content-length");
    all.sort();
    all
}

/// Reads with ours, `size` bytes at a time; whether the connection would serve again.
pub fn ours(stream: &[u8], size: usize, method: &Method) -> Result<(Seen, bool), String> {
    answer_to(stream, size, || HeadWriter::new(Vec::new(), method, "/").end(Framing::None, false))
}

/// The same, as the answer to this request.
pub fn answer_to(stream: &[u8], size: usize, request: impl Fn() -> Request) -> Result<(Seen, bool), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let wire = Wire::new(stream, size);
        // As if the upstream had answered before, in the same words and in others.
        let memory = Memory::default();
        for before in [stream, b"HTTP/1.1 200 OK\r\nServer: a\r\nX-Y: q\r\n\r\n", stream] {
            let connection = Connection::new(Wire::new(before, usize::MAX), &memory);
            let mut call = Call::new(connection, false, request(), Empty::<Bytes>::new(), |_| true);
            let _ = poll_fn(|cx| call.poll_answer(cx)).await;
        }
        let connection = Connection::new(wire, &memory);
        let mut call = Call::new(connection, false, request(), Empty::<Bytes>::new(), |_| true);
        let head = poll_fn(|cx| call.poll_answer(cx)).await.map_err(|failed| format!("{failed:?}"))?;
        let mut seen = Seen { status: head.status.as_u16(), headers: headers(&head.headers), body: Vec::new() };
        let again = match call.receive(None, |_| {}) {
            Received::Whole(bytes, connection) => {
                seen.body = bytes.to_vec();
                connection.is_some()
            }
            Received::Partly(mut body) => {
                while let Some(piece) = poll_fn(|cx| body.poll_data(cx)).await {
                    seen.body.extend_from_slice(&piece.map_err(|fault| fault.to_string())?);
                }
                assert!(body.is_end());
                body.into_connection().is_some()
            }
        };
        Ok((seen, again))
    })
}

/// Reads with hyper's client.
pub fn hypers(stream: &[u8], method: &Method) -> Result<Seen, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let wire = Wire::new(stream, usize::MAX);
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(|error| error.to_string())?;
        let driven = tokio::spawn(connection);
        let request = http::Request::builder().method(method).uri("/").header("host", "a");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes().to_vec();
        driven.abort();
        Ok(Seen { status: head.status.as_u16(), headers: headers(&head.headers), body })
    })
}

/// Holds a stream that may be an answer to the promise: refused, or read as hyper reads it, in one piece or in many; whether
/// it was read.
pub fn check(stream: &[u8], size: usize, method: &Method) -> bool {
    let show = || stream.escape_ascii().to_string();
    let whole = ours(stream, usize::MAX, method);
    match (&whole, &ours(stream, size, method)) {
        (Ok((seen, _)), Ok((other, _))) => assert_eq!(seen, other, "pieces of {size}: {}", show()),
        (Err(_), Err(_)) => {}
        (whole, pieces) => panic!("pieces of {size}: {whole:?} or {pieces:?}: {}", show()),
    }
    let Ok((seen, _)) = whole else { return false };
    // What follows a switch of protocols is not HTTP.
    if seen.status != 101 {
        assert_eq!(hypers(stream, method), Ok(seen), "{}", show());
    }
    true
}

/// An in-memory connection, which gives nothing before it was written to.
struct Wire {
    stream: Vec<u8>,
    size: usize,
    at: usize,
    asked: bool,
    reader: Option<Waker>,
}

impl Wire {
    fn new(stream: &[u8], size: usize) -> Self {
        Self { stream: stream.to_vec(), size, at: 0, asked: false, reader: None }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.asked {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let rest = &self.stream[self.at..];
        let count = rest.len().min(self.size).min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        self.reader.take().inspect(Waker::wake_by_ref);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
