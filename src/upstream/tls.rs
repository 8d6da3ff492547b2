//! TLS towards upstreams: always verified, against the public authorities or the configured ones alone.

use arc_swap::ArcSwap;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
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
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// They do not fit together.
    #[error("the TLS settings cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// The authorities are none.
    #[error("{path} has no certificate of an authority")]
    NoAuthority {
        /// Which.
        path: PathBuf,
    },
}

/// TLS of one upstream; what is in force can be loaded anew while connections are made.
#[derive(Debug)]
pub struct Tls {
    settings: Settings,
    current: ArcSwap<ClientConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(settings: Settings) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(read(&settings)?);
        Ok(Self { settings, current })
    }

    /// Reads the files again; new connections use what they say now.
    ///
    /// # Errors
    /// See [`TlsError`]; what is in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.settings)?));
        Ok(())
    }

    /// What a new connection uses.
    #[must_use]
    pub fn current(&self) -> Arc<ClientConfig> {
        self.current.load_full()
    }

    /// The configured name in the upstream's certificate.
    #[must_use]
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.settings.server_name.as_ref()
    }

    /// The files that it was read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.settings.identity.iter().flat_map(|(chain, key)| [chain, key]);
        self.settings.ca.iter().chain(identity).map(PathBuf::as_path)
    }
}

fn pem<T: PemObject>(path: &Path) -> Result<Vec<T>, TlsError> {
    let failed = |why: String| TlsError::File { path: path.to_owned(), why };
    let items = T::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    items.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))
}

fn read(settings: &Settings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let (added, _) = roots.add_parsable_certificates(pem::<CertificateDer<'static>>(path)?);
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
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let missing = || TlsError::File { path: key.clone(), why: "it has no private key".to_owned() };
            let private = pem::<PrivateKeyDer<'static>>(key)?.into_iter().next().ok_or_else(missing)?;
            builder.with_client_auth_cert(pem(chain)?, private)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
