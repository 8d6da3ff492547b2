//! Several certificates on one port, chosen by the name that the client asks for (SNI, RFC 6066, 3).

use super::{Pair, TlsError, chain, names};
use ahash::AHashMap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;

/// The certificates by their names.
#[derive(Debug)]
pub(super) struct Certificates {
    /// For every other name, and for clients that name none.
    first: Arc<CertifiedKey>,
    /// By name, in lower case; a wildcard's key is `*.example.com`.
    named: AHashMap<String, Arc<CertifiedKey>>,
    /// When the first of them expires, in seconds of Unix time.
    pub(super) expires: i64,
}

impl Certificates {
    pub(super) fn load(pairs: &[Pair], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut first = None;
        let mut named = AHashMap::new();
        let mut expires = i64::MAX;
        for pair in pairs {
            let chain = chain(&pair.cert)?;
            let read = chain.first().and_then(|own| names::read(own));
            let read = read.ok_or_else(|| TlsError::file(&pair.cert, "the certificate cannot be read"))?;
            let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| TlsError::file(&pair.key, error))?;
            // Checks that the key is the certificate's.
            let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
                TlsError::file(&pair.key, format!("does not go with {}: {error}", pair.cert.display()))
            })?;
            let certified = Arc::new(certified);
            expires = expires.min(read.expires);
            for name in read.dns {
                named.entry(name).or_insert_with(|| Arc::clone(&certified));
            }
            first.get_or_insert(certified);
        }
        let first = first.ok_or_else(|| TlsError::Config("there is no certificate".to_owned()))?;
        Ok(Self { first, named, expires })
    }

    fn of(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        // A wildcard stands for one label (RFC 9525, 6.3).
        let wildcard = || name.split_once('.').and_then(|(_, domain)| self.named.get(&format!("*.{domain}")));
        self.named.get(&name).or_else(wildcard)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(hello.server_name().and_then(|name| self.of(name)).unwrap_or(&self.first)))
    }
}
