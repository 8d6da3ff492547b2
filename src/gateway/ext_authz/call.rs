//! A call of gRPC, and its answer: one message each.

use super::watch::Watch;
use super::{CHECK, HEALTH, WATCH};
use crate::decision::{Denial, Reason};
use crate::ext_authz::frame::FrameError;
use crate::ext_authz::wire::Malformed;
use crate::gateway::AnswerBody;
use crate::gateway::grpc;
use crate::gateway::request_body::BodyError;
use crate::net::connection::Connection;
use bytes::Bytes;
use http::header::TE;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The code of gRPC for a service whose health is not known.
const NOT_FOUND: u8 = 5;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Check,
    Health,
    Watch,
}

impl Call {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// It is no call, or one of something else.
    pub(super) fn read<B>(request: &Request<B>) -> Result<Self, Denial> {
        let bad = |fault| Err(Denial::new(Reason::BadFraming).with_fault(fault));
        if !grpc::is_call(request.method(), request.headers()) {
            let denial = Denial::new(Reason::BadFraming).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(denial.with_fault("nothing but calls of gRPC is answered here"));
        }
        if request.version() != Version::HTTP_2 {
            return bad("gRPC is spoken over HTTP/2");
        }
        // Where something between understands no trailers, the answer's status would be lost.
        if request.headers().get(TE).is_none_or(|te| te != "trailers") {
            return bad("a call of gRPC has `te: trailers`");
        }
        match request.uri().path() {
            CHECK => Ok(Self::Check),
            HEALTH => Ok(Self::Health),
            WATCH => Ok(Self::Watch),
            _ => Err(Denial::new(Reason::NoRoute)),
        }
    }
}

/// What is said of a message that cannot be taken out of its frame.
pub(super) fn unread(error: FrameError) -> Denial {
    match error {
        FrameError::Length => Denial::new(Reason::BadFraming).with_fault("a call has one whole message"),
        FrameError::Compressed => {
            let denial = Denial::new(Reason::BadFraming).with_status(StatusCode::NOT_IMPLEMENTED);
            denial.with_fault("a compressed message is not read here")
        }
    }
}

/// What is said where too many watch already.
pub(super) fn watched() -> Denial {
    let denial = Denial::new(Reason::Denied).with_status(StatusCode::TOO_MANY_REQUESTS);
    denial.with_hint("as many watch as may: ask `Check`, again and again")
}

/// What is said of a message that cannot be read.
pub(super) fn malformed(error: Malformed) -> Denial {
    tracing::debug!(%error, "a message cannot be read");
    Denial::new(Reason::BadFraming).with_fault("the message is none of this method, or could be read in two ways")
}

/// A call that no exchange stands for yet, so that the connection knows when it has ended.
pub(super) struct Open(Option<Rc<Connection>>);

impl Open {
    /// A call that the connection has begun.
    pub(super) fn new(connection: &Rc<Connection>) -> Self {
        Self(Some(Rc::clone(connection)))
    }

    /// Whether the process goes down, and waits for this call.
    pub(super) fn is_last(&self) -> bool {
        self.0.as_ref().is_some_and(|connection| connection.deadlines.draining())
    }

    /// From now on an exchange stands for it.
    pub(super) fn passes_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.end();
        }
    }
}

/// The answer to a call.
pub enum Reply {
    /// One message, and that all went well.
    Message(Message),
    /// One message after the other.
    Watch(Box<Watch>),
    /// Another answer of ours: a refusal of gRPC, or one of HTTP.
    Other(AnswerBody),
}

/// A message on its way, and how the call has ended; with what ends when that has left.
pub struct Message {
    bytes: Option<Bytes>,
    code: Option<u8>,
    _of: Of,
}

enum Of {
    Exchange { _body: AnswerBody },
    Call { _open: Open },
}

impl Reply {
    /// A message that tells what became of a request.
    pub(super) fn judged(bytes: Bytes, body: AnswerBody) -> Self {
        Self::Message(Message { bytes: Some(bytes), code: Some(0), _of: Of::Exchange { _body: body } })
    }

    /// How a service is, where it is known.
    pub(super) fn health(bytes: Option<Bytes>, open: Open) -> Self {
        let code = if bytes.is_some() { 0 } else { NOT_FOUND };
        Self::Message(Message { bytes, code: Some(code), _of: Of::Call { _open: open } })
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Message(message) => Poll::Ready(message.next().map(Ok)),
            Self::Watch(watch) => watch.poll(cx).map(|frame| frame.map(Ok)),
            Self::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(message) => message.code.is_none(),
            Self::Watch(_) => false,
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Message(_) | Self::Watch(_) => SizeHint::default(),
            Self::Other(body) => body.size_hint(),
        }
    }
}

impl Message {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(bytes) = self.bytes.take() {
            return Some(Frame::data(bytes));
        }
        let mut trailers = HeaderMap::with_capacity(1);
        grpc::put_status(&mut trailers, self.code.take()?);
        Some(Frame::trailers(trailers))
    }
}
