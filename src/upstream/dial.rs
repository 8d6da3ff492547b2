//! Opens a connection to an address: TCP or a Unix socket, and TLS within where the scheme says so.

use super::address::{Address, Location, Protocol, Scheme};
use super::cluster::endpoint::ResolvedAddress;
use super::stream::Stream;
use super::tls::Tls;
use crate::net::keepalive::keep_alive;
use crate::net::stream::Stream as Socket;
use rustls::pki_types::ServerName;
use std::io::{Error, Result};
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// What dialling needs beside the address; clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// TLS of this upstream, where it is spoken to within.
    pub tls: Option<Arc<Tls>>,
    /// Which version of HTTP is to be spoken.
    pub protocol: Protocol,
}

impl Dial {
    /// The same, where nothing but HTTP/1.1 will do.
    #[must_use]
    pub fn for_http1(&self) -> Self {
        Self { tls: self.tls.clone(), protocol: Protocol::Http1 }
    }
}

/// Whether HTTP/2 is spoken on a connection that was opened to this address.
///
/// # Errors
/// It must be, and the other side does not.
pub fn speaks_http2(stream: &Stream, address: &Address, dial: &Dial) -> Result<bool> {
    match (dial.protocol.at(address.scheme), address.scheme) {
        (Protocol::Http1, _) => Ok(false),
        (Protocol::Auto, _) => Ok(stream.agreed_on_http2()),
        (Protocol::Http2, Scheme::Https) if !stream.agreed_on_http2() => {
            Err(Error::other("the upstream does not speak HTTP/2"))
        }
        (Protocol::Http2, _) => Ok(true),
    }
}

/// Opens a connection to what a configured address was resolved to.
///
/// # Errors
/// It cannot be opened, or its certificate does not hold.
pub async fn dial(resolved: &ResolvedAddress, address: &Address, dial: &Dial) -> Result<Stream> {
    match resolved {
        ResolvedAddress::Inet(socket) => secured(TcpStream::connect(socket).await?, address, dial).await,
        ResolvedAddress::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?).into()),
    }
}

/// Opens a connection to a configured address; a host name is resolved now, and each of its addresses tried.
pub async fn dial_by_name(address: &Address, dial: &Dial) -> Result<Stream> {
    match &address.location {
        Location::Host { host, port } => secured(TcpStream::connect((&**host, *port)).await?, address, dial).await,
        Location::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?).into()),
    }
}

async fn secured(tcp: TcpStream, address: &Address, dial: &Dial) -> Result<Stream> {
    tcp.set_nodelay(true)?;
    keep_alive(&tcp)?;
    if address.scheme != Scheme::Https {
        return Ok(Socket::Tcp(tcp).into());
    }
    // Without TLS settings an https address is not spoken to at all: never in the clear.
    let tls = dial.tls.as_ref().ok_or_else(|| Error::other("there are no TLS settings for an https upstream"))?;
    let name = match (tls.server_name(), &address.location) {
        (Some(name), _) => name.clone(),
        (None, Location::Host { host, .. }) => ServerName::try_from(host.to_string()).map_err(Error::other)?,
        (None, Location::Unix(_)) => return Err(Error::other("an https upstream needs a name")),
    };
    let stream = TlsConnector::from(tls.current(dial.protocol)).connect(name, Socket::Tcp(tcp)).await?;
    Ok(Socket::Tls(Box::new(stream.into())).into())
}
