//! TLS on the data port: rustls with its own defaults (TLS 1.2 and 1.3, forward secrecy, authenticated ciphers alone).
//!
//! Certificates are chosen by the name that the client asks for ([`names`]); the first one stands in for all other names.
//! Client certificates are verified where `client_ca` is set. [`Tls::read_again`] reads the files again: what does not load
//! leaves the running certificates in force. Connections that are open keep what they began with.

mod certificates;
pub mod names;

use arc_swap::ArcSwap;
use certificates::Certificates;
use http::HeaderValue;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// A certificate chain and its key, both in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// What the data port shows and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificates; the first is shown for names that no other one has.
    pub pairs: Vec<Pair>,
    /// Who signs clients' certificates, in a PEM file; `None` asks for none.
    pub client_ca: Option<PathBuf>,
    /// A client without a certificate may connect, too.
    pub client_optional: bool,
}

/// Why TLS cannot be served with these files.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("tls: {}: {reason}", path.display())]
    File {
        path: PathBuf,
        /// What is wrong; never anything of a key.
        reason: String,
    },
    /// They do not go together.
    #[error("tls: {0}")]
    Config(String),
}

impl TlsError {
    fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// The TLS side of the data port.
#[derive(Debug)]
pub struct Tls {
    live: ArcSwap<Live>,
}

#[derive(Debug)]
pub(super) struct Live {
    config: Arc<ServerConfig>,
    /// The files' contents, as a digest.
    version: [u8; 32],
    /// When the first certificate expires, in seconds of Unix time.
    expires: i64,
}

/// What was read and is not in force yet.
#[derive(Debug)]
pub struct Loaded(Live);

impl Tls {
    /// Reads the files.
    pub fn load(files: &Files) -> Result<Arc<Self>, TlsError> {
        let live = Live::load(files, version(files)?)?;
        Ok(Arc::new(Self { live: ArcSwap::from_pointee(live) }))
    }

    /// Reads these files, which may be others than before; `None` where they hold what is in force.
    ///
    /// # Errors
    /// They cannot be used; what is in force remains.
    pub fn read_again(&self, files: &Files) -> Result<Option<Loaded>, TlsError> {
        let version = version(files)?;
        if self.live.load().version == version {
            return Ok(None);
        }
        Live::load(files, version).map(Loaded).map(Some)
    }

    /// From now on new connections get what was loaded. Sessions from before do not resume, since what was verified then may
    /// not be good now.
    pub fn activate(&self, loaded: Loaded) {
        self.live.store(Arc::new(loaded.0));
    }

    /// When the first of the certificates in force expires, in seconds of Unix time.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.live.load().expires
    }

    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.live.load().config))
    }
}

impl Files {
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.pairs.iter().flat_map(|pair| [&*pair.cert, &*pair.key]);
        pairs.chain(self.client_ca.as_deref())
    }
}

fn version(files: &Files) -> Result<[u8; 32], TlsError> {
    use sha2::Digest;
    let mut digest = sha2::Sha256::new();
    digest.update([u8::from(files.client_ca.is_some()), u8::from(files.client_optional)]);
    for path in files.all() {
        let text = std::fs::read(path).map_err(|error| TlsError::file(path, error))?;
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    Ok(digest.finalize().into())
}

/// The cryptography of every TLS connection of the process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Live {
    fn load(files: &Files, version: [u8; 32]) -> Result<Self, TlsError> {
        let provider = provider();
        let wrong = |error: rustls::Error| TlsError::Config(error.to_string());
        let certificates = Certificates::load(&files.pairs, &provider)?;
        let expires = certificates.expires;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
                let verifier = if files.client_optional { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| TlsError::file(path, error))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if files.client_ca.is_none() {
            // Tickets are sealed with a key of this process that changes every few hours.
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(wrong)?;
        } else {
            // A resumed session is not verified again: with client certificates each connection is.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), version, expires })
    }
}

/// The authorities of a PEM file, of which there must be one at least.
///
/// # Errors
/// It cannot be read, or has none.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| TlsError::file(path, error))?;
    }
    Ok(roots)
}

/// The certificates of a PEM file, of which there must be one at least.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::file(path, "there is no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(TlsError::file(path, error)),
    }
}

/// What a finished handshake says.
#[derive(Clone, Debug)]
pub struct Secured {
    /// The client and we have agreed on HTTP/2.
    pub http2: bool,
    /// The name of the client's verified certificate.
    pub client: Option<HeaderValue>,
    pub resumed: bool,
}

impl Secured {
    /// Reads it off a connection.
    #[must_use]
    pub fn of(connection: &rustls::ServerConnection) -> Self {
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Self {
            http2: connection.alpn_protocol() == Some(b"h2"),
            client: certificate.and_then(|certificate| names::client_name(certificate)),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        }
    }
}

#[cfg(test)]
mod tests;
