//! A request's body on its way to the upstream: streamed, and held only where it decides.

use super::active_policy::Rules;
use super::client_connection::ClientConnection;
use super::content_coding::Undecodable;
use super::failures;
use crate::answers::Unreadable;
use crate::decision::{Denial, Reason};
use crate::net::deadline::{Phase, Rate, Ticks};
use crate::upstream::fault::Fault;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use thiserror::Error;

/// Why a body broke off.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error("the connection broke off: {0}")]
    Client(#[from] hyper::Error),
    #[error("{0}")]
    Upstream(#[from] Fault),
    #[error("the body is larger than the limit")]
    TooLarge,
    #[error("nothing was sent for too long")]
    Stalled,
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("{0}")]
    Undecodable(#[from] Undecodable),
    /// What must be known of it is not.
    #[error("{0}")]
    Unknown(&'static str),
}

impl From<Denial> for BodyError {
    fn from(denial: Denial) -> Self {
        Self::Unknown(denial.hint.unwrap_or(denial.reason.code()))
    }
}

/// A request's body on its way to the upstream. Trailers stay behind, unless it is said which may pass.
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// All of it, where it was held back until then, and until it goes on.
    held: Option<Box<Bytes>>,
    left: u64,
    link: Rc<ClientConnection>,
    /// How long the upstream may take for its answer when nothing moves.
    first_byte: Ticks,
    /// The least rate at which the upstream takes it.
    rate: Rate,
    /// Since when the client keeps us waiting for more.
    awaited: Option<u32>,
    /// By which rules trailers pass, where they do.
    trailers: Option<Rc<Rules>>,
    /// The answer has begun: the client may take its time.
    talking: bool,
}

impl RequestBody {
    /// At most `limit` bytes of `incoming`.
    #[must_use]
    pub fn new(incoming: Incoming, limit: u64, link: Rc<ClientConnection>) -> Self {
        let incoming = Some(incoming).filter(|incoming| !incoming.is_end_stream());
        let mut body = Self::shown(None, link);
        (body.incoming, body.left) = (incoming, limit);
        body
    }

    /// What a front shows of the body of the request that it asks about: all of it, or nothing.
    #[must_use]
    pub fn shown(body: Option<Bytes>, link: Rc<ClientConnection>) -> Self {
        link.body_too_large.set(false);
        link.body_broken.set(false);
        Self {
            incoming: None,
            held: body.map(Box::new),
            left: 0,
            link,
            first_byte: Ticks(0),
            rate: Rate::NONE,
            awaited: None,
            trailers: None,
            talking: false,
        }
    }

    /// Another limit than the usual one, before anything was read.
    pub fn limit(&mut self, limit: u64) {
        self.left = limit;
    }

    /// Reads all of it, at most `limit` bytes.
    ///
    /// # Errors
    /// 413 `body_too_large`; 400 where it breaks off, or does not come.
    pub async fn gather(&mut self, limit: u64) -> Result<Bytes, Denial> {
        self.limit(limit);
        if self.size_hint().lower() > limit {
            return Err(Denial::new(Reason::BodyTooLarge));
        }
        let gathered = (&mut *self).collect().await;
        gathered.map(Collected::to_bytes).map_err(|_| match self.link.body_too_large.get() {
            true => Denial::new(Reason::BodyTooLarge),
            false => failures::of_broken_body(self.link.connection.broken_body()),
        })
    }

    /// Reads all of it before any of it goes on. Trailers stay behind.
    ///
    /// # Errors
    /// As of [`RequestBody::gather`].
    pub async fn hold(&mut self, limit: u64) -> Result<(), Denial> {
        let body = self.gather(limit).await?;
        self.incoming = None;
        self.held = Some(Box::new(body));
        Ok(())
    }

    /// All of it, where it was held back.
    #[must_use]
    pub fn held(&self) -> Option<&Bytes> {
        self.held.as_deref()
    }

    /// How long it is, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        if self.is_end_stream() { Some(0) } else { self.size_hint().exact() }
    }

    /// Trailers pass, as far as these rules let them.
    pub fn pass_trailers(&mut self, rules: Rc<Rules>) {
        self.trailers = Some(rules);
    }

    /// What follows the data: trailers that may pass, or the end.
    fn behind(&self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, BodyError>> {
        let trailers = frame.into_trailers().ok()?;
        let passing = super::trailers::of_request(&trailers, self.trailers.as_ref()?.policy());
        (!passing.is_empty()).then(|| Ok(Frame::trailers(passing)))
    }

    /// While the body moves, the upstream is not late with its answer: it has `first_byte` for that, and for each piece the time that
    /// `rate` gives it.
    pub fn wait_for_answer(&mut self, first_byte: Ticks, rate: Rate) {
        (self.first_byte, self.rate) = (first_byte, rate);
    }

    /// The answer has begun while the body is still to come, and has deadlines of its own. Where both sides may talk for long, a client
    /// that listens is not late.
    pub fn answered(&mut self, may_talk: bool) {
        self.first_byte = Ticks(0);
        if may_talk {
            self.talking = true;
            self.link.connection.body_moved(0);
        }
    }

    /// The client has sent more: what it took for that is not the upstream's, which has time to take it.
    fn more(&mut self, bytes: usize) {
        let deadlines = &self.link.connection.deadlines;
        let awaited = self.awaited.take().map_or(0, |since| deadlines.now().saturating_sub(since));
        if self.first_byte == Ticks(0) || !deadlines.armed(Phase::Upstream) {
            return;
        }
        if bytes == 0 || self.incoming.as_ref().is_none_or(Incoming::is_end_stream) {
            deadlines.arm(Phase::Upstream, self.first_byte);
        } else {
            let time = Ticks(self.rate.time_for(bytes).0.saturating_add(awaited));
            deadlines.extend(Phase::Upstream, time, self.first_byte);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(held) = this.held.take().filter(|held| !held.is_empty()) {
            this.more(0);
            return Poll::Ready(Some(Ok(Frame::data(*held))));
        }
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(cx);
        if polled.is_pending() && this.awaited.is_none() {
            this.awaited = Some(this.link.connection.deadlines.now());
        }
        if polled.is_pending() && !this.talking && this.link.connection.body_is_late() {
            this.incoming = None;
            this.link.body_broken.set(true);
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                this.incoming = None;
                this.link.body_broken.set(true);
                return Poll::Ready(Some(Err(error.into())));
            }
            None => {
                this.incoming = None;
                this.more(0);
                return Poll::Ready(None);
            }
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return Poll::Ready(this.behind(frame)),
        };
        this.link.connection.body_moved(data.len());
        let size = data.len() as u64;
        if size > this.left {
            this.link.body_too_large.set(true);
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        this.left -= size;
        this.more(data.len());
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
            && self.held.as_ref().is_none_or(|held| held.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        let held = || SizeHint::with_exact(self.held.as_ref().map_or(0, |held| held.len() as u64));
        self.incoming.as_ref().map_or_else(held, Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(rest) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            self.link.connection.leave(rest);
        }
    }
}
