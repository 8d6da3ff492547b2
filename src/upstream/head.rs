//! A request's head as data: its fields, in the order in which they are said, which each version of HTTP encodes in its own way.
//!
//! Whoever tells an upstream something tells it to [`PutField`]. Where HTTP/1.1 will be spoken, that writes the bytes at once
//! ([`h1::HeadWriter`](super::h1::HeadWriter)). Where the next connection decides, they are kept as [`Fields`] until it is there.

use super::fault::Fault;
use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{InvalidUri, PathAndQuery};

pub(super) const CANNOT_BE_SAID: Fault = Fault::Rule("it cannot be said in HTTP/2");

/// Takes a head's fields one after the other. Values have no control characters but tabs (as in a [`HeaderValue`]).
pub trait PutField {
    fn put(&mut self, name: &HeaderName, value: &[u8]);
}

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none, and nothing is said of it.
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
}

impl Framing {
    /// How many bytes the body has; `None` where its end tells.
    #[must_use]
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked => None,
        }
    }
}

/// A head that is kept until it is known which version of HTTP is spoken. It has no `Debug`, since it holds credentials.
pub struct Fields {
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    /// What the upstream sees as `Host`, or as `:authority`.
    pub(super) host: Option<Bytes>,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// The client takes trailers, which gRPC servers want to hear.
    pub(super) takes_trailers: bool,
    /// It asks for a WebSocket: the `Sec-WebSocket-Accept` that is right over HTTP/1.1.
    pub(super) websocket: Option<HeaderValue>,
    /// There was something that cannot be said.
    is_malformed: bool,
    /// Where values are copied to: one piece of memory for all.
    values: BytesMut,
}

impl Fields {
    /// A head without fields yet.
    ///
    /// # Errors
    /// The target is none.
    pub fn new(method: &Method, target: &str, framing: Framing, takes_trailers: bool) -> Result<Self, InvalidUri> {
        let mut values = BytesMut::with_capacity(1024);
        values.extend_from_slice(target.as_bytes());
        Ok(Self {
            method: method.clone(),
            target: PathAndQuery::from_maybe_shared(values.split().freeze())?,
            host: None,
            headers: HeaderMap::with_capacity(32),
            framing,
            takes_trailers,
            websocket: None,
            is_malformed: false,
            values,
        })
    }

    /// It asks for a WebSocket, with the fields that do so over HTTP/1.1; `accept` is the answer to its key there.
    pub fn ask_for_websocket(&mut self, accept: HeaderValue) {
        self.websocket = Some(accept);
    }

    /// The head, where all of it can be said.
    pub(super) fn checked(self) -> Result<Self, Fault> {
        if self.is_malformed { Err(CANNOT_BE_SAID) } else { Ok(self) }
    }
}

impl PutField for Fields {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        self.values.extend_from_slice(value);
        let value = self.values.split().freeze();
        self.is_malformed |= if *name == header::HOST {
            self.host.replace(value).is_some()
        } else {
            let value = HeaderValue::from_maybe_shared(value);
            value.map_or(true, |value| self.headers.try_append(name, value).is_err())
        };
    }
}
