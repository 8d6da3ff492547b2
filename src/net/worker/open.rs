//! What stands before a connection's first request: whose it is, and TLS.

use super::drive::{ConnectionPermits, Drive};
use super::{LoadPermit, Worker};
use crate::net::connection::Connection;
use crate::net::io::StrictIo;
use crate::net::per_address_limit::AddressPermit;
use crate::net::proxy::{self, Source};
use crate::net::serve::Serve;
use crate::net::stream::Stream;
use crate::net::tls::{Secured, Tls};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

impl<S: Serve> Worker<S> {
    /// Serves a connection in a task of its own.
    pub(super) fn spawn(self: &Rc<Self>, stream: Stream, peer: SocketAddr, load: LoadPermit) {
        let proxy = self.is_proxy(peer.ip());
        let announced = proxy && self.settings.proxy_protocol;
        if !announced && self.settings.tls.is_none() {
            // The usual way takes no detour.
            if let Ok(address) = self.admit(peer.ip()) {
                let permits = ConnectionPermits { _load: load, _address: address };
                tokio::task::spawn_local(self.serve(stream, peer, None, permits));
            }
            return;
        }
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // Watched from now on, so that the shutdown waits for it.
            let watched = worker.ticker.watch();
            let limit = worker.settings.timeouts.head;
            let opened = worker.open(stream, peer, announced, load);
            let opened = match limit.duration() {
                None => opened.await,
                Some(limit) => match tokio::time::timeout(limit, opened).await {
                    Ok(opened) => opened,
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                },
            };
            match opened {
                Ok(drive) => {
                    drop(watched);
                    drive.await;
                }
                Err(error) => tracing::debug!(%peer, %error, "a connection was not opened"),
            }
        });
    }

    async fn open(
        self: &Rc<Self>,
        mut stream: Stream,
        mut peer: SocketAddr,
        announced: bool,
        load: LoadPermit,
    ) -> io::Result<Drive<S>> {
        if announced {
            match proxy::read(&mut stream).await {
                Ok(Source::Client(client)) => peer = client,
                Ok(Source::Proxy) => {}
                Err(error) => {
                    self.settings.counts.proxy_refused.add_shared(1);
                    return Err(error);
                }
            }
        }
        let address = self.admit(peer.ip())?;
        let permits = ConnectionPermits { _load: load, _address: address };
        let Some(tls) = &self.settings.tls else { return Ok(self.serve(stream, peer, None, permits)) };
        let (stream, secured) = self.handshake(stream, tls).await.inspect_err(|_| {
            self.settings.counts.handshakes_failed.add_shared(1);
        })?;
        Ok(self.serve(stream, peer, Some(secured), permits))
    }

    async fn handshake(&self, stream: Stream, tls: &Tls) -> io::Result<(Stream, Secured)> {
        let stream = tls.acceptor().accept(stream).await?;
        let secured = Secured::of(stream.get_ref().1);
        self.settings.counts.handshakes.add_shared(1);
        self.settings.counts.resumed.add_shared(u64::from(secured.resumed));
        Ok((Stream::Tls(Box::new(stream.into())), secured))
    }

    fn serve(
        self: &Rc<Self>,
        stream: Stream,
        peer: SocketAddr,
        secured: Option<Secured>,
        permits: ConnectionPermits,
    ) -> Drive<S> {
        let http2 = secured.as_ref().is_some_and(|secured| secured.http2);
        let connection = Connection::new(peer, secured, self.ticker.watch(), self.settings.timeouts);
        let io = StrictIo::new(stream, Rc::new(connection), self.settings.head, Rc::clone(&self.scratch));
        Drive::begin(self, io, http2, permits)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.settings.proxies.iter().any(|network| network.contains(&address))
    }

    /// Counts one more connection of the address.
    fn admit(&self, address: IpAddr) -> io::Result<Option<AddressPermit>> {
        if self.is_proxy(address) {
            return Ok(None);
        }
        let permit = self.per_address.enter(address);
        if permit.is_none() {
            self.settings.counts.over_address.add_shared(1);
            return Err(io::Error::other("the address has too many connections"));
        }
        Ok(permit)
    }
}
