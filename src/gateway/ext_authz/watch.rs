//! `grpc.health.v1.Health/Watch`: how the process is, and each change of that, until it ends.

use super::IsReady;
use super::call::Open;
use crate::ext_authz::health::Health;
use crate::gateway::grpc;
use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// So many are answered at a time by each worker: anybody may ask.
const MOST: usize = 32;
/// How late a change is told at most.
const LOOK: Duration = Duration::from_millis(100);
/// The code of gRPC for a process that goes down.
const UNAVAILABLE: u8 = 14;

/// The calls of a worker that watch.
#[derive(Clone, Default)]
pub struct Watchers(Rc<Cell<usize>>);

/// The place of one of them.
pub(super) struct Place(Rc<Cell<usize>>);

impl Watchers {
    /// A place for one more, where there is one.
    pub(super) fn place(&self) -> Option<Place> {
        let count = self.0.get();
        (count < MOST).then(|| {
            self.0.set(count + 1);
            Place(Rc::clone(&self.0))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One call.
pub struct Watch {
    /// Whether what it asks about is served here.
    is_known: bool,
    is_ready: IsReady,
    told: Option<Health>,
    look: Interval,
    has_ended: bool,
    open: Open,
    _place: Place,
}

impl Watch {
    pub(super) fn new(is_known: bool, is_ready: IsReady, place: Place, open: Open) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { is_known, is_ready, told: None, look, has_ended: false, open, _place: place }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        loop {
            if self.has_ended {
                return Poll::Ready(None);
            }
            let health = if self.is_known { Health::of((self.is_ready)()) } else { Health::Unknown };
            if self.told.replace(health) != Some(health) {
                return Poll::Ready(Some(Frame::data(health.answer())));
            }
            // The process waits for calls that are open.
            if self.open.is_last() {
                self.has_ended = true;
                let mut trailers = HeaderMap::with_capacity(1);
                grpc::put_status(&mut trailers, UNAVAILABLE);
                return Poll::Ready(Some(Frame::trailers(trailers)));
            }
            ready!(self.look.poll_tick(cx));
        }
    }
}
