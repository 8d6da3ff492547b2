//! What the gate knows of one client connection, from request to request.

use super::client::Client;
use crate::decision::{Denial, Reason};
use crate::fronts::Front;
use crate::net::connection::Connection;
use crate::request_target::host::{HostError, canonical_host};
use http::{HeaderMap, HeaderValue, Request};
use ipnet::IpNet;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

pub struct ClientConnection {
    /// The socket's side of it.
    pub connection: Rc<Connection>,
    /// The other end; shared by the streams of HTTP/2.
    pub client: Rc<Client>,
    /// The current request's body was larger than the limit.
    pub body_too_large: Cell<bool>,
    /// The front that asks, where this connection is one of questions.
    pub front: Option<Front>,
    /// The answer to the current question goes to the front's client as it is.
    pub is_for_client: Cell<bool>,
    /// Who is connected to the front, where it says that.
    pub source: Cell<Option<IpAddr>>,
    /// The current request's body broke off on the client's side.
    pub body_broken: Cell<bool>,
    /// The last request's `Host` and its canonical form: nearly always the next one's too. A copy, since the value is a piece of the
    /// buffer that the whole head was read into, and would keep that. Shared by the streams of HTTP/2.
    host: Rc<RefCell<Option<KnownHost>>>,
}

struct KnownHost {
    raw: Box<[u8]>,
    canonical: Rc<str>,
}

impl ClientConnection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(connection: Rc<Connection>, trusted_proxies: &[IpNet], front: Option<Front>) -> Self {
        Self {
            client: Rc::new(Client::new(connection.peer, connection.secured.as_deref(), trusted_proxies)),
            connection,
            front,
            is_for_client: Cell::new(false),
            source: Cell::new(None),
            body_too_large: Cell::new(false),
            body_broken: Cell::new(false),
            host: Rc::default(),
        }
    }

    /// A stream of this HTTP/2 connection.
    #[must_use]
    pub fn stream(&self, stream: Rc<Connection>) -> Self {
        Self {
            connection: stream,
            client: Rc::clone(&self.client),
            front: self.front,
            is_for_client: Cell::new(false),
            source: Cell::new(None),
            body_too_large: Cell::new(false),
            body_broken: Cell::new(false),
            host: Rc::clone(&self.host),
        }
    }

    /// Makes of a front's question the request that it is about.
    ///
    /// # Errors
    /// Whoever asks is none of `trusted_proxies`; or see [`Front::read`].
    #[cold]
    pub fn asked<B>(&self, front: Front, question: &mut Request<B>) -> Result<(), Denial> {
        self.may_ask()?;
        self.is_for_client.set(front.read(question)?);
        Ok(())
    }

    /// # Errors
    /// Whoever asks is none of `trusted_proxies`.
    pub fn may_ask(&self) -> Result<(), Denial> {
        let hint = "whoever asks is none of `trusted_proxies`";
        if self.client.is_trusted() { Ok(()) } else { Err(Denial::new(Reason::Denied).with_hint(hint)) }
    }

    /// The address that a request really comes from. A front that says who is connected to it says that of its own: what the request's
    /// headers say is believed only from there on.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
        match self.source.get() {
            None => self.client.address(headers, trusted_proxies),
            Some(source) => {
                Client::new(SocketAddr::new(source, 0), None, trusted_proxies).address(headers, trusted_proxies)
            }
        }
    }

    /// The canonical form of a `Host`.
    ///
    /// # Errors
    /// It is none.
    pub fn canonical_host(&self, raw: &HeaderValue) -> Result<Rc<str>, HostError> {
        let mut known = self.host.borrow_mut();
        if let Some(last) = &*known
            && *last.raw == *raw.as_bytes()
        {
            return Ok(Rc::clone(&last.canonical));
        }
        let canonical: Rc<str> = canonical_host(raw.to_str().map_err(|_| HostError::Character)?)?.into();
        *known = Some(KnownHost { raw: raw.as_bytes().into(), canonical: Rc::clone(&canonical) });
        Ok(canonical)
    }
}
