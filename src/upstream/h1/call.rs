//! One exchange: the request goes out, its body behind it, and the answer's head comes in.

use super::answer::{BodyEnd, Interim, Reading};
use super::body::Body;
use super::connection::Connection;
use super::head::Request;
use crate::upstream::answer::Answer;
use crate::upstream::fault::{Failed, Fault, Unseen};
use crate::upstream::stream::Stream;
use bytes::{Buf, Bytes};
use http_body::Body as HttpBody;
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Bytes of a request that are gathered before they are written, as far as they are there.
const GATHER: usize = 16 * 1024;

/// An answer's body, behind its head.
pub enum Received<S = Stream> {
    /// All of it came with the head. The connection is there if it may serve again.
    Whole(Bytes, Option<Box<Connection<S>>>),
    /// It is still to be read.
    Partly(Body<S>),
}

/// A request on its way, and the answer that is waited for.
pub struct Call<B, S = Stream> {
    connection: Box<Connection<S>>,
    /// The connection has served before.
    reused: bool,
    /// What is being written; once all of it was, what follows of the body.
    out: Vec<u8>,
    written: usize,
    /// A byte was written.
    begun: bool,
    upload: Option<Upload<B>>,
    /// Why writing ended; an answer may have come before that.
    broken: Option<Fault>,
    /// See [`Reading`], whose parts would cost a word more together.
    to_head: bool,
    over_uwsgi: bool,
    passes: fn(&str) -> bool,
    interim: Interim,
    /// How the body ends and whether the connection serves again, once the answer's head is there.
    framing: (BodyEnd, bool),
}

impl<B, S> Call<B, S>
where
    B: HttpBody<Data = Bytes> + Unpin + 'static,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Sends `request` with `body`, on a connection that may have served before. `passes` says which fields of the answer
    /// go on (names in lower case).
    pub fn new(
        connection: Box<Connection<S>>,
        reused: bool,
        request: Request,
        body: B,
        passes: fn(&str) -> bool,
    ) -> Self {
        let left = request.framing.length();
        Self {
            connection,
            reused,
            out: request.bytes,
            written: 0,
            begun: false,
            upload: (left != Some(0)).then_some(Upload { body, left }),
            broken: None,
            to_head: request.to_head,
            over_uwsgi: request.over_uwsgi,
            passes,
            interim: Interim::default(),
            framing: (BodyEnd::Close, false),
        }
    }

    /// Goes to another connection, after [`Unseen::Stale`].
    pub fn again_on(&mut self, connection: Box<Connection<S>>, reused: bool) {
        (self.connection, self.reused) = (connection, reused);
    }

    /// Whether the connection had served before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The memory that the head was written to, for another one; none while it is still needed.
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = self.broken.is_some() || self.is_sent();
        is_free.then(|| std::mem::take(&mut self.out))
    }

    /// Whether all of the request was written.
    fn is_sent(&self) -> bool {
        self.upload.is_none() && self.written >= self.out.len()
    }

    /// Sends on, and waits for the answer's head.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failed>> {
        match self.poll_upload(cx) {
            Poll::Ready(Err(Fault::Io(_))) if self.reused && !self.begun => {
                return Poll::Ready(Err(Unseen::Stale.into()));
            }
            Poll::Ready(Err(fault @ Fault::Io(_))) => {
                self.upload = None;
                self.broken = Some(fault);
            }
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault.into())),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let reading = Reading { to_head: self.to_head, over_uwsgi: self.over_uwsgi, passes: self.passes };
        let parsed = match ready!(self.connection.poll_head(cx, &reading, &mut self.interim)) {
            Ok(parsed) => parsed,
            Err(fault) => return Poll::Ready(Err(self.broken.take().unwrap_or(fault).into())),
        };
        // The uwsgi protocol has one request on a connection.
        self.framing = (parsed.framing, parsed.keep && !self.over_uwsgi);
        Poll::Ready(Ok(parsed.answer))
    }

    /// The interim answers that have come since, but for 100.
    pub fn interim(&mut self) -> Vec<Answer> {
        self.interim.drain()
    }

    /// Writes until everything is written or must wait.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        if self.broken.is_some() {
            return Poll::Pending;
        }
        loop {
            // Before the first byte too: what is there of the body goes along with the head.
            if let Some(upload) = &mut self.upload
                && (self.written == self.out.len() || !self.begun)
            {
                if self.written == self.out.len() {
                    self.out.clear();
                    self.written = 0;
                }
                match upload.poll_fill(cx, &mut self.out)? {
                    Poll::Ready(()) => self.upload = None,
                    Poll::Pending if self.out.is_empty() => {
                        ready!(self.connection.poll_flush(cx))?;
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
                match ready!(self.connection.poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into())),
                    count => self.written += count,
                }
                self.begun = true;
            }
            if self.upload.is_none() {
                ready!(self.connection.poll_flush(cx))?;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The socket, and what was read from it behind the answer's head, where the two sides no longer speak HTTP; `None` while
    /// the request is still being sent.
    #[must_use]
    pub fn into_socket(mut self) -> Option<(S, Bytes)> {
        if self.broken.is_some() || !self.is_sent() {
            return None;
        }
        let unread = std::mem::take(&mut self.connection.unread);
        self.connection.into_socket().map(|socket| (socket, unread))
    }

    /// What is to be read behind the answer's head. A request that is not sent whole by then goes on by itself, as long as
    /// the upstream takes something within `stall`; its body is told `answered`, and the connection then serves no more.
    pub fn receive(mut self, stall: Option<Duration>, answered: impl FnOnce(&mut B)) -> Received<S> {
        let (framing, mut keep) = self.framing;
        if self.broken.is_some() {
            keep = false;
        } else if !self.is_sent() {
            keep = false;
            if let Some(writer) = self.connection.take_writer() {
                let unsent = self.out.split_off(self.written);
                if let Some(upload) = &mut self.upload {
                    answered(&mut upload.body);
                }
                tokio::task::spawn_local(go_on(writer, unsent, self.upload, stall));
            }
        }
        let unread = &mut self.connection.unread;
        if let BodyEnd::Length(length) = framing
            && let Some(length) = usize::try_from(length).ok().filter(|length| *length <= unread.len())
        {
            let mut whole = std::mem::take(unread);
            // What comes behind the message belongs to nobody.
            keep &= whole.len() == length;
            whole.truncate(length);
            self.connection.rest();
            return Received::Whole(whole, keep.then_some(self.connection));
        }
        Received::Partly(Body::new(self.connection, framing, keep))
    }
}

/// Sends the rest of a request that was answered early. If it breaks off, the upstream is told so at once by the end of the
/// stream, and the answer tells the client.
async fn go_on<B, W>(mut writer: W, out: Vec<u8>, upload: Option<Upload<B>>, stall: Option<Duration>)
where
    B: HttpBody<Data = Bytes> + Unpin,
    W: AsyncWrite + Unpin,
{
    if !sent_whole(&mut writer, out, upload, stall).await {
        let _ = writer.shutdown().await;
    }
}

async fn sent_whole<B, W>(
    writer: &mut W,
    mut out: Vec<u8>,
    mut upload: Option<Upload<B>>,
    stall: Option<Duration>,
) -> bool
where
    B: HttpBody<Data = Bytes> + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        let written = match stall {
            Some(stall) => {
                tokio::time::timeout(stall, written).await.unwrap_or(Err(std::io::ErrorKind::TimedOut.into()))
            }
            None => written.await,
        };
        out.clear();
        if written.is_err() {
            return false;
        }
        let Some(more) = &mut upload else { return true };
        match poll_fn(|cx| more.poll_some(cx, &mut out)).await {
            Ok(true) => upload = None,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
}

/// The rest of a request's body.
struct Upload<B> {
    body: B,
    /// How much is left; unknown if it goes in chunks.
    left: Option<u64>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Upload<B> {
    /// Appends what is there to `out`; ready when that is all.
    fn poll_fill(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Fault>> {
        while out.len() < GATHER {
            if ready!(self.poll_piece(cx, out))? {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Appends some to `out`, at least one byte of it, unless it is at its end; whether it is.
    fn poll_some(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<bool, Fault>> {
        loop {
            let end = ready!(self.poll_piece(cx, out))?;
            if end || !out.is_empty() {
                return Poll::Ready(Ok(end));
            }
        }
    }

    /// Appends what follows the last chunk (RFC 9112, 7.1.2).
    fn trailers(&self, frame: http_body::Frame<Bytes>, out: &mut Vec<u8>) -> Result<bool, Fault> {
        if self.left.is_some() {
            return Err(Fault::Request);
        }
        out.extend_from_slice(b"0\r\n");
        for (name, value) in &frame.into_trailers().unwrap_or_default() {
            for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(piece);
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(true)
    }

    /// Appends the next piece; whether it was the last.
    fn poll_piece(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<bool, Fault>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(frame) => return Poll::Ready(self.trailers(frame, out)),
            },
            Some(Err(_)) => return Poll::Ready(Err(Fault::Request)),
            None if self.left.is_none() => {
                out.extend_from_slice(b"0\r\n\r\n");
                return Poll::Ready(Ok(true));
            }
            None => return Poll::Ready(Err(Fault::Request)),
        };
        if !frame.has_remaining() {
            return Poll::Ready(Ok(false));
        }
        let size = frame.len() as u64;
        match &mut self.left {
            Some(left) => {
                *left = left.checked_sub(size).ok_or(Fault::Request)?;
                out.extend_from_slice(&frame);
            }
            None => {
                write!(out, "{size:x}\r\n").map_err(Fault::Io)?;
                out.extend_from_slice(&frame);
                out.extend_from_slice(b"\r\n");
            }
        }
        Poll::Ready(Ok(self.left == Some(0)))
    }
}
