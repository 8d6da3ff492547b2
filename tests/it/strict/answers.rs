//! The reader of answers against hyper's client: they agree on what is well formed, and where ours reads more strictly it
//! refuses, and never reads anything else.

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postern::upstream::h1::{Call, Connection, Framing, Head, Memory, Received};
use postern::upstream::hop::{Options, is_hop_by_hop};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer as either reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    /// Those that are not hop-by-hop, without lengths.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
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
fn ours(stream: &[u8], size: usize, method: &Method) -> Result<(Seen, bool), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let wire = Wire::new(stream, size);
        let request = Head::new(Vec::new(), method, "/").end(Framing::None);
        // As if the upstream had answered before, in the same words and in others.
        let memory = Memory::default();
        for before in [stream, b"HTTP/1.1 200 OK\r\nServer: a\r\nX-Y: q\r\n\r\n", stream] {
            let request = Head::new(Vec::new(), method, "/").end(Framing::None);
            let connection = Connection::new(Wire::new(before, usize::MAX), &memory);
            let mut call = Call::new(connection, false, request, Empty::<Bytes>::new(), |_| true);
            let _ = poll_fn(|cx| call.poll_answer(cx)).await;
        }
        let connection = Connection::new(wire, &memory);
        let mut call = Call::new(connection, false, request, Empty::<Bytes>::new(), |_| true);
        let head = poll_fn(|cx| call.poll_answer(cx)).await.map_err(|failed| format!("{failed:?}"))?;
        let mut seen = Seen { status: head.status.as_u16(), headers: headers(&head.headers), body: Vec::new() };
        let again = match call.receive(None) {
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
fn hypers(stream: &[u8], method: &Method) -> Result<Seen, String> {
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

/// A well-formed answer that ends by itself: its head, its body as it is sent, and its body.
fn answer() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let interim =
        select(&["", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"][..]);
    let status = select(&["200 OK", "200", "204 No Content", "304 Not Modified", "404 \u{e4}", "599 x y", "201 "][..]);
    let fields = prop::collection::vec(
        select(
            &[
                "X-Y: z",
                "Set-Cookie: a=1",
                "Set-Cookie: b=2",
                "Empty:",
                "Vary:  Accept \t",
                "Server: n\u{e9}",
                "Connection: x-named",
                "X-Named: 1",
                "Keep-Alive: timeout=5",
                "Proxy-X: 1",
            ][..],
        ),
        0..6,
    );
    let data = || prop::collection::vec(any::<u8>(), 0..300);
    let body = prop_oneof![
        data().prop_map(|data| ("length", vec![data])),
        prop::collection::vec(data().prop_filter("data", |data| !data.is_empty()), 0..4)
            .prop_map(|all| ("chunked", all)),
        Just(("none", Vec::new())),
    ];
    (interim, status, fields, body, any::<bool>()).prop_map(|(interim, status, fields, (framing, body), close)| {
        let mut out = format!("{interim}HTTP/1.1 {status}\r\n");
        for field in fields {
            out += &format!("{field}\r\n");
        }
        if close {
            out += "Connection: close\r\n";
        }
        let empty = status.starts_with("204") || status.starts_with("304");
        let mut out = out.into_bytes();
        match framing {
            "length" => {
                out.extend(format!("Content-Length: {}\r\n\r\n", body[0].len()).bytes());
                if !empty {
                    out.extend(&body[0]);
                }
            }
            "chunked" => {
                out.extend(b"transfer-encoding: Chunked\r\n\r\n");
                for data in body.iter().filter(|_| !empty) {
                    out.extend(format!("{:X};a=b\r\n", data.len()).bytes());
                    out.extend(data);
                    out.extend(b"\r\n");
                }
                if !empty {
                    out.extend(b"0\r\nX-Sum: 1\r\n\r\n");
                }
            }
            _ => out.extend(if empty { &b"\r\n"[..] } else { b"Content-Length: 0\r\n\r\n" }),
        }
        (out, close)
    })
}

/// What breaks answers.
const NASTY: [&str; 24] = [
    "Content-Length: 5\r\n",
    "Content-Length: 5, 5\r\n",
    "content-length: 05\r\n",
    "Content-Length: +5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 200\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "ffffffffffffffff\r\n",
    "5;\r\n",
    ";a=\"\n\"\r\n",
    "Connection: close\r\n",
    "X: \u{e9}\r\n",
    ":\r\n",
];

fn show(stream: &[u8]) -> String {
    stream.escape_ascii().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn well_formed_answers_are_read_alike((stream, close) in answer(), size in 1_usize..40) {
        let (seen, again) = ours(&stream, usize::MAX, &Method::GET).map_err(|e| TestCaseError::fail(format!("{e}: {}", show(&stream))))?;
        prop_assert_eq!(&seen, &hypers(&stream, &Method::GET).unwrap(), "{}", show(&stream));
        prop_assert_eq!(again, !close, "{}", show(&stream));
        prop_assert_eq!(ours(&stream, size, &Method::GET).unwrap().0, seen, "{}", show(&stream));
    }

    /// Whatever follows an answer is never taken for the next one.
    #[test]
    fn a_connection_that_says_more_than_it_was_asked_serves_no_more((mut stream, _) in answer(), more in select(&["x", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"][..])) {
        let (alone, _) = ours(&stream, usize::MAX, &Method::GET).unwrap();
        stream.extend(more.bytes());
        let (seen, again) = ours(&stream, usize::MAX, &Method::GET).unwrap();
        prop_assert_eq!(seen, alone);
        prop_assert!(!again, "{}", show(&stream));
    }

    /// A broken answer is refused, or read as hyper reads it; never as something else.
    #[test]
    fn broken_answers_are_refused_or_read_alike(
        (mut stream, _) in answer(),
        edits in prop::collection::vec((any::<Index>(), select(&NASTY[..]), 0_usize..6), 1..3),
        size in 1_usize..40,
        head in any::<bool>(),
    ) {
        for (at, text, cut) in edits {
            let at = at.index(stream.len() + 1);
            let end = (at + cut).min(stream.len());
            stream.splice(at..end, text.bytes());
        }
        let method = if head { Method::HEAD } else { Method::GET };
        let whole = ours(&stream, usize::MAX, &method);
        let pieces = ours(&stream, size, &method);
        match (&whole, &pieces) {
            (Ok((seen, _)), Ok((other, _))) => prop_assert_eq!(seen, other, "{}", show(&stream)),
            (Err(_), Err(_)) => {}
            _ => prop_assert!(false, "pieces of {size}: {whole:?} or {pieces:?}: {}", show(&stream)),
        }
        if let Ok((seen, _)) = whole && seen.status != 101 {
            prop_assert_eq!(hypers(&stream, &method), Ok(seen), "{}", show(&stream));
        }
    }
}
