//! One exchange on a stream: the request goes out, its body behind it, and the answer's head comes in.

use super::answer;
use super::body::{Body, Rest};
use super::head;
use super::session::StreamPermit;
use super::tunnel::Tunnel;
use super::upload::Upload;
use crate::upstream::answer::Answer;
use crate::upstream::fault::{Failed, Fault, Unseen};
use crate::upstream::head::Fields;
use ::h2::client::ResponseFuture;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::Bytes;
use http::header::SEC_WEBSOCKET_ACCEPT;
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::Body as HttpBody;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Interim answers to one request, at most.
const INTERIM: usize = 100;

/// A stream that was opened.
struct Stream {
    answer: ResponseFuture,
    /// Until the request was sent whole.
    request: Option<SendStream<Bytes>>,
    /// The upstream takes no more of the request; its answer says why.
    broken: bool,
    permit: StreamPermit,
}

/// A request on its way, and the answer that is waited for. Dropping it resets its stream.
pub struct Call<B> {
    request: Request<()>,
    /// Where it is to be sent now.
    permit: Option<StreamPermit>,
    upload: Option<Upload<B>>,
    /// It asks for a WebSocket: its side of the stream stays open, and an answer that grants it is what 101 with this
    /// `Sec-WebSocket-Accept` is over HTTP/1.1 (RFC 8441, 5).
    websocket: Option<HeaderValue>,
    stream: Option<Stream>,
    passes: fn(&str) -> bool,
    interim: usize,
    /// Interim answers that go on and have not been taken yet.
    passing: Vec<Answer>,
    /// The answer's body, once its head is there, and how long it is.
    received: Option<(RecvStream, Option<u64>)>,
}

impl<B: HttpBody<Data = Bytes> + Unpin + 'static> Call<B> {
    /// Sends a request with `body`, on a stream of this connection. `passes` says which fields of the answer go on (names in lower case).
    ///
    /// # Errors
    /// It cannot be said in HTTP/2.
    pub fn new(
        permit: StreamPermit,
        fields: Fields,
        body: B,
        secure: bool,
        passes: fn(&str) -> bool,
    ) -> Result<Self, Fault> {
        let upload = (fields.framing.length() != Some(0)).then(|| Upload::new(body));
        let websocket = fields.websocket.clone();
        let request = head::encode(fields, if secure { Scheme::HTTPS } else { Scheme::HTTP })?;
        let (stream, passing, received, permit) = (None, Vec::new(), None, Some(permit));
        Ok(Self { request, permit, upload, websocket, stream, passes, interim: 0, passing, received })
    }

    /// Goes to another connection, from its beginning, after [`Failed::Unseen`].
    pub fn again_on(&mut self, permit: StreamPermit) {
        self.permit = Some(permit);
    }

    fn open(&mut self, mut permit: StreamPermit) -> Result<(), Failed> {
        if self.upload.as_mut().is_some_and(|upload| !upload.begin_again()) {
            return Err(Fault::Request.into());
        }
        let ends = self.upload.is_none() && self.websocket.is_none();
        let opened = permit.open(self.request.clone(), ends);
        let (answer, request) = opened.map_err(|error| Unseen::GoneAway(error.into()))?;
        let request = (!ends).then_some(request);
        self.stream = Some(Stream { answer, request, broken: false, permit });
        Ok(())
    }

    /// Whether the connection has answered another request before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.permit.is_reused())
    }

    /// The upstream is late: its connection is looked at.
    pub fn mark_suspect(&self) {
        if let Some(stream) = &self.stream {
            stream.permit.mark_suspect();
        }
    }

    /// Sends on, and waits for the answer's head.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failed>> {
        if let Some(permit) = self.permit.take() {
            self.open(permit)?;
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Fault::Cut.into())) };
        if let (Some(upload), Some(request), false) = (&mut self.upload, &mut stream.request, stream.broken) {
            match upload.poll(request, cx) {
                Poll::Ready(Ok(())) => stream.request = None,
                Poll::Ready(Err(Fault::Http2(_))) => stream.broken = true,
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault.into())),
                Poll::Pending => {}
            }
        }
        while let Poll::Ready(Some(Ok(interim))) = stream.answer.poll_informational(cx) {
            self.interim += 1;
            self.passing.extend(answer::interim(interim.into_parts().0, self.passes)?);
            if self.interim > INTERIM {
                return Poll::Ready(Err(Fault::Rule("there are too many interim answers").into()));
            }
        }
        let answered = ready!(Pin::new(&mut stream.answer).poll(cx));
        let (parts, incoming) = match answered {
            Ok(answer) => answer.into_parts(),
            Err(error) => return Poll::Ready(Err(self.failed(error))),
        };
        let mut parsed = answer::read(parts, *self.request.method() == Method::HEAD, self.passes)?;
        if let Some(accept) = self.websocket.take() {
            if parsed.answer.status.is_success() {
                parsed.answer.status = StatusCode::SWITCHING_PROTOCOLS;
                parsed.answer.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
                parsed.has_body = true;
            } else if let Some(mut request) = stream.request.take() {
                // An answer like others, to a request that has ended.
                let _ = request.send_data(Bytes::new(), true);
            }
        }
        self.received = parsed.has_body.then_some((incoming, parsed.length));
        Poll::Ready(Ok(parsed.answer))
    }

    /// The interim answers that have come since, but for 100.
    pub fn interim(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.passing)
    }

    /// RFC 9113, 8.7: what the upstream refuses so, or says that it will not look at any more, may be sent again.
    fn failed(&mut self, error: ::h2::Error) -> Failed {
        let is_refused = error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        let is_unseen = error.is_remote() && error.is_go_away();
        if let Some(stream) = self.stream.take().filter(|_| !error.is_reset()) {
            stream.permit.retire();
        }
        let again = (is_refused || is_unseen) && self.upload.as_mut().is_none_or(Upload::begin_again);
        match (again, is_refused) {
            (false, _) => Failed::Fault(error.into()),
            (true, true) => Unseen::Refused(error.into()).into(),
            (true, false) => Unseen::GoneAway(error.into()).into(),
        }
    }

    /// Whether it asks for a WebSocket, and has no answer yet.
    #[must_use]
    pub const fn asks_for_websocket(&self) -> bool {
        self.websocket.is_some()
    }

    /// The stream, where it has become a WebSocket.
    #[must_use]
    pub fn into_tunnel(self) -> Option<Tunnel> {
        let ((incoming, _), Stream { request, permit, .. }) = (self.received?, self.stream?);
        Some(Tunnel::new(incoming, request?, permit))
    }

    /// What is to be read behind the answer's head; `None` where it has no body. A request that is not sent whole by then goes on
    /// by itself, as long as the answer does, and as the upstream takes something within `stall`; its body is told `answered`.
    #[must_use]
    pub fn receive(mut self, stall: Option<Duration>, answered: impl FnOnce(&mut B)) -> Option<Body> {
        let ((incoming, length), stream) = (self.received?, self.stream?);
        let upload = self.upload.take().zip(stream.request).filter(|_| !stream.broken).map(|(mut upload, request)| {
            upload.forget();
            answered(upload.body_mut());
            Rest::new(tokio::task::spawn_local(go_on(upload, request, stall)))
        });
        Some(Body::new(incoming, length, stream.permit, upload))
    }
}

/// Sends the rest of a request whose answer has begun.
async fn go_on<B>(mut upload: Upload<B>, mut stream: SendStream<Bytes>, stall: Option<Duration>)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut sleep = pin!(tokio::time::sleep(stall.unwrap_or_default()));
    let late = poll_fn(|cx| {
        let is_full = stream.capacity() == 0;
        if upload.poll(&mut stream, cx).is_ready() {
            return Poll::Ready(false);
        }
        let Some(stall) = stall else { return Poll::Pending };
        // A window that stays full is a wait for the upstream, an open one for the client.
        if !is_full || stream.capacity() > 0 {
            sleep.as_mut().reset(tokio::time::Instant::now() + stall);
        }
        sleep.as_mut().poll(cx).map(|()| true)
    })
    .await;
    if late {
        stream.send_reset(Reason::CANCEL);
    }
}
