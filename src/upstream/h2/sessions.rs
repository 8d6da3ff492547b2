//! A worker's HTTP/2 connections to one upstream: as few as its streams need.

use super::session::{Session, StreamPermit};
use crate::upstream::cluster::endpoint::{EndpointRef, is_same};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The connections to one address.
pub struct SessionGroup {
    endpoint: EndpointRef,
    sessions: RefCell<Vec<Open>>,
    /// One connects at a time: whoever waits finds room on the new connection.
    pub connecting: Mutex<()>,
    /// What the last handshake agreed on; where that is HTTP/1.1 nobody need wait for another.
    pub speaks_http1: Cell<bool>,
    /// Its streams become no WebSockets, as the last connection has said.
    pub takes_no_websockets: Cell<bool>,
}

/// One of them, and since which tick it has no stream.
struct Open {
    session: Rc<Session>,
    quiet: Option<u32>,
}

#[derive(Default)]
pub struct Sessions(RefCell<Vec<Rc<SessionGroup>>>);

impl SessionGroup {
    /// A stream on a connection that has room: the first, so that surplus ones run dry and are closed.
    #[must_use]
    pub fn permit(&self) -> Option<StreamPermit> {
        self.sessions.borrow().iter().find_map(|open| open.session.permit())
    }

    /// A new connection, which serves from now on.
    pub fn add(&self, session: Rc<Session>) {
        self.takes_no_websockets.set(false);
        self.sessions.borrow_mut().push(Open { session, quiet: None });
    }

    /// Lets go of connections that are retired, or had no stream for `keep` ticks (zero is any number).
    fn sweep(&self, now: u32, keep: u32) {
        self.sessions.borrow_mut().retain_mut(|open| {
            let is_quiet = open.session.active() == 0;
            open.quiet = is_quiet.then(|| open.quiet.unwrap_or(now));
            let is_old = open.quiet.is_some_and(|since| keep != 0 && now.saturating_sub(since) >= keep);
            !is_old && !open.session.is_retired()
        });
    }

    fn idle(&self) -> usize {
        self.sessions.borrow().iter().filter(|open| open.session.active() == 0).count()
    }
}

impl Sessions {
    #[must_use]
    pub fn group(&self, endpoint: &EndpointRef) -> Rc<SessionGroup> {
        let mut groups = self.0.borrow_mut();
        if let Some(group) = groups.iter().find(|group| is_same(&group.endpoint, endpoint)) {
            return Rc::clone(group);
        }
        let group = Rc::new(SessionGroup {
            endpoint: endpoint.clone(),
            sessions: RefCell::default(),
            connecting: Mutex::default(),
            speaks_http1: Cell::default(),
            takes_no_websockets: Cell::default(),
        });
        groups.push(Rc::clone(&group));
        group
    }

    /// Closes what is not needed; run it about once a second.
    pub fn sweep(&self, now: u32, keep: u32) {
        let mut groups = self.0.borrow_mut();
        groups.retain(|group| {
            group.sweep(now, keep);
            // Addresses come and go: one that only we remember is gone.
            let is_gone = group.endpoint.as_ref().is_some_and(|endpoint| Arc::strong_count(endpoint) == 1);
            !is_gone || Rc::strong_count(group) > 1 || !group.sessions.borrow().is_empty()
        });
    }

    #[must_use]
    pub fn idle(&self) -> usize {
        self.0.borrow().iter().map(|group| group.idle()).sum()
    }
}
