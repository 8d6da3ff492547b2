//! Listening sockets, and errors that say what is in the way.

use super::keepalive::keep_alive;
use super::stream::{LOCAL, Stream};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix {
        path: PathBuf,
        /// Who may connect: its permission bits.
        mode: u32,
    },
}

impl Address {
    /// The address and port, where it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix://{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Why an address cannot be listened on, with the remedy.
#[derive(Debug, Error)]
pub enum ListenError {
    #[error(
        "{key}: {address} is already in use. Stop the process that listens there, or choose another address with `{key}`"
    )]
    InUse { key: &'static str, address: Address },
    #[error(
        "{key}: no permission to listen on {address}. Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher port with `{key}`"
    )]
    Denied { key: &'static str, address: Address },
    /// The machine has no such address.
    #[error(
        "{key}: {address} is not an address of this machine. Use 0.0.0.0 or [::] for all of them, 127.0.0.1 for this machine alone"
    )]
    NotHere { key: &'static str, address: Address },
    #[error("{key}: cannot listen on {address}: {source}")]
    Other { key: &'static str, address: Address, source: io::Error },
}

/// A bound listener of the data port.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    /// A Unix socket, whose file is removed at the end.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket that is ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    mode: u32,
    /// Device and inode: the file may be somebody else's by then.
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Listener {
    /// Where it listens, with the port that the system chose for 0.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix { path: file.path.clone(), mode: file.mode }),
        }
    }

    /// Gives it to this thread's runtime.
    pub(super) fn register(self) -> io::Result<Registered> {
        Ok(match self {
            Self::Tcp(listener) => Registered::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Self::Unix(listener, file) => Registered::Unix(tokio::net::UnixListener::from_std(listener)?, file),
        })
    }
}

/// A listener that a runtime drives.
pub(super) enum Registered {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, #[allow(dead_code)] SocketFile),
}

impl Registered {
    /// The next connection, and where it comes from.
    pub(super) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), peer)),
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), LOCAL)),
        }
    }
}

/// Listens on `address`; `key` is the configuration's name for it.
pub fn listen_on(key: &'static str, address: &Address) -> Result<Listener, ListenError> {
    match address {
        Address::Tcp(address) => listen(key, *address).map(Listener::Tcp),
        Address::Unix { path, mode } => {
            let bound = bind_unix(path, *mode).map_err(|source| wrong(key, address.clone(), source))?;
            let identity = identity(path);
            Ok(Listener::Unix(bound, SocketFile { path: path.clone(), mode: *mode, identity }))
        }
    }
}

/// Listens on a TCP address; `key` is the configuration's name for it.
///
/// Options that accepted sockets inherit are set here once: no delay (small answers leave at once), and questions of the
/// kernel's to a peer that is silent, since one that is gone without a word is noticed by nothing else while an answer is quiet.
pub fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| wrong(key, address.into(), source))
}

fn wrong(key: &'static str, address: Address, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { key, address },
        io::ErrorKind::PermissionDenied => ListenError::Denied { key, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { key, address },
        _ => ListenError::Other { key, address, source },
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    keep_alive(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Binds a Unix socket. Nobody can connect before its permissions are set, since it does not listen before.
fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Removes what a killed process left behind: a socket at which nobody listens. Anything else stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name, which is not a socket"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            // Somebody listens, or may.
            _ => Err(io::ErrorKind::AddrInUse.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, ListenError, listen_on};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_is_taken_over_only_from_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.sock");
        let address = Address::Unix { path: path.clone(), mode: 0o600 };
        // Left behind by a process that was killed.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = listen_on("listen", &address).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        assert!(matches!(listen_on("listen", &address), Err(ListenError::InUse { .. })));
        drop(listener);
        assert!(!path.exists(), "it is removed at the end");
        std::fs::write(&path, "a file").unwrap();
        let error = listen_on("listen", &address).unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
    }

    #[test]
    fn another_s_socket_is_left_alone_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.sock");
        let first = listen_on("listen", &Address::Unix { path: path.clone(), mode: 0o600 }).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
