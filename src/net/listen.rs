//! Listening sockets, and errors that say what is in the way.

use std::io;
use std::net::{SocketAddr, TcpListener};
use thiserror::Error;

/// Why an address cannot be listened on, with the remedy.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error(
        "{key}: {address} is already in use. Stop the process that listens there, or choose another address with `{key}`"
    )]
    InUse {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The process may not.
    #[error(
        "{key}: no permission to listen on {address}. Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher port with `{key}`"
    )]
    Denied {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error(
        "{key}: {address} is not an address of this machine. Use 0.0.0.0 or [::] for all of them, 127.0.0.1 for this machine alone"
    )]
    NotHere {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{key}: cannot listen on {address}: {source}")]
    Other {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on `address`; `key` is the configuration's name for it.
///
/// Options that accepted sockets inherit are set here once: no delay (small answers leave at once).
///
/// # Errors
/// See [`ListenError`].
pub fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { key, address },
        io::ErrorKind::PermissionDenied => ListenError::Denied { key, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { key, address },
        _ => ListenError::Other { key, address, source },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}
