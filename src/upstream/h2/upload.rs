//! A request's body on its way: as much as the upstream's windows take, and once more where it has to begin again.

use crate::upstream::fault::Fault;
use ::h2::{Reason, SendStream};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as HttpBody;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a body that are kept until the answer begins, so that a refused request can be sent again.
const KEPT: usize = 64 * 1024;

/// A body and what of it was sent.
pub(super) struct Upload<B> {
    body: B,
    /// The body has given all that it has.
    ended: bool,
    trailers: Option<HeaderMap>,
    /// All that the body has given, as long as that is not much.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// Of what is kept, so many pieces were sent on this stream.
    sent: usize,
    /// The stream's last frame was sent.
    done: bool,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Upload<B> {
    pub(super) fn new(body: B) -> Self {
        let kept = Some(Vec::new());
        Self { body, ended: false, trailers: None, kept, kept_bytes: 0, sent: 0, done: false }
    }

    /// Begins again on another stream; `false` where that cannot be.
    pub(super) fn begin_again(&mut self) -> bool {
        (self.sent, self.done) = (0, false);
        self.kept.is_some()
    }

    /// It will not begin again.
    pub(super) fn forget(&mut self) {
        // What was not sent yet must be.
        if self.kept.as_ref().is_some_and(|kept| kept.len() == self.sent) {
            self.kept = None;
        }
    }

    pub(super) fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// Sends until everything is sent or the upstream's window is full.
    ///
    /// # Errors
    /// [`Fault::Request`] when the body breaks off, of which the upstream is told; else the stream was reset.
    pub(super) fn poll(&mut self, stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.done {
            // Room for a byte first: a piece that has no room at all is not taken from the client.
            stream.reserve_capacity(1);
            while stream.capacity() == 0 {
                match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(error.into())),
                    None => return Poll::Ready(Err(::h2::Error::from(Reason::CANCEL).into())),
                }
            }
            match ready!(self.poll_piece(cx)) {
                Ok(Some(piece)) => {
                    let last = self.is_end();
                    stream.send_data(piece, last)?;
                    self.done = last;
                }
                Ok(None) => {
                    // The byte of room goes back.
                    stream.reserve_capacity(0);
                    match &self.trailers {
                        Some(trailers) => stream.send_trailers(trailers.clone())?,
                        None => stream.send_data(Bytes::new(), true)?,
                    }
                    self.done = true;
                }
                Err(fault) => {
                    stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(fault));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the piece that was given last is the last frame.
    fn is_end(&self) -> bool {
        let all_sent = self.kept.as_ref().is_none_or(|kept| kept.len() == self.sent);
        all_sent && self.trailers.is_none() && (self.ended || self.body.is_end_stream())
    }

    /// The next piece, which is not empty; `None` when there is none.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if let Some(piece) = self.kept.as_ref().and_then(|kept| kept.get(self.sent)) {
            self.sent += 1;
            return Poll::Ready(Ok(Some(piece.clone())));
        }
        while !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(_)) => return Poll::Ready(Err(Fault::Request)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if piece.is_empty() => {}
                    Ok(piece) => {
                        self.keep(&piece);
                        return Poll::Ready(Ok(Some(piece)));
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
            }
        }
        Poll::Ready(Ok(None))
    }

    fn keep(&mut self, piece: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        self.kept_bytes += piece.len();
        if self.kept_bytes <= KEPT {
            kept.push(piece.clone());
            self.sent += 1;
        } else {
            self.kept = None;
        }
    }
}
