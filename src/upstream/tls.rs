//! TLS towards upstreams: always verified, against the public authorities or the configured ones alone.

use super::Protocol;
use arc_swap::ArcSwap;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What the configuration says; files are read by [`Tls::load`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Authorities to believe instead of the public ones.
    pub ca: Option<PathBuf>,
    /// Our certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the upstream's certificate, where it is not the address's own.
    pub server_name: Option<ServerName<'static>>,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {path}: {why}")]
    File { path: PathBuf, why: String },
    /// They do not fit together.
    #[error("the TLS settings cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("{path} has no certificate of an authority")]
    NoAuthority { path: PathBuf },
}

/// What was read from the files, and the versions of HTTP that are offered with it (ALPN, RFC 7301).
pub struct Loaded {
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    digest: [u8; 32],
}

/// TLS of one upstream; what is in force can be exchanged while connections are made.
pub struct Tls {
    settings: Settings,
    current: ArcSwap<Loaded>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub fn load(settings: Settings) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(read(&settings)?);
        Ok(Self { settings, current })
    }

    /// Reads the files again; `None` where they say what is in force.
    pub fn read_again(&self) -> Result<Option<Loaded>, TlsError> {
        let loaded = read(&self.settings)?;
        Ok((loaded.digest != self.current.load().digest).then_some(loaded))
    }

    /// New connections use this from now on.
    pub fn activate(&self, loaded: Loaded) {
        self.current.store(Arc::new(loaded));
    }

    /// What a new connection uses that is to speak this.
    #[must_use]
    pub fn current(&self, protocol: Protocol) -> Arc<ClientConfig> {
        let current = self.current.load();
        Arc::clone(match protocol {
            Protocol::Auto => &current.either,
            Protocol::Http1 => &current.http1,
            Protocol::Http2 => &current.http2,
        })
    }

    /// The configured name in the upstream's certificate.
    #[must_use]
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.settings.server_name.as_ref()
    }
}

impl Settings {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(chain, key)| [chain, key]);
        self.ca.iter().chain(identity).map(PathBuf::as_path)
    }
}

/// Reads PEM items, and the file's bytes into the digest.
fn pem<T: PemObject>(path: &Path, digest: &mut Sha256) -> Result<Vec<T>, TlsError> {
    let failed = |why: String| TlsError::File { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    digest.update(&bytes);
    T::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))
}

fn read(settings: &Settings) -> Result<Loaded, TlsError> {
    let mut digest = Sha256::new();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let (added, _) = roots.add_parsable_certificates(pem::<CertificateDer<'static>>(path, &mut digest)?);
            if added == 0 {
                return Err(TlsError::NoAuthority { path: path.clone() });
            }
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_webpki_verifier(verifier);
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let missing = || TlsError::File { path: key.clone(), why: "it has no private key".to_owned() };
            let private = pem::<PrivateKeyDer<'static>>(key, &mut digest)?.into_iter().next().ok_or_else(missing)?;
            builder.with_client_auth_cert(pem(chain, &mut digest)?, private)?
        }
    };
    let offering = |protocols: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    };
    Ok(Loaded {
        either: offering(&[b"h2", b"http/1.1"]),
        http1: offering(&[b"http/1.1"]),
        http2: offering(&[b"h2"]),
        digest: digest.finalize().into(),
    })
}
