//! Names in certificates: those that a server's is for, and the one that a client's says who it is by.

use crate::facts::header_value;
use http::HeaderValue;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a server's certificate says.
pub(super) struct Read {
    /// Names that it is for, in lower case.
    pub(super) dns: Vec<String>,
    /// When it expires, in seconds of Unix time.
    pub(super) expires: i64,
}

/// Reads a server's certificate; `None` for what is none.
pub(super) fn read(der: &[u8]) -> Option<Read> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut dns = Vec::new();
    for name in alternative(&certificate) {
        if let GeneralName::DNSName(name) = name {
            dns.push(name.to_ascii_lowercase());
        }
    }
    Some(Read { dns, expires: certificate.validity().not_after.timestamp() })
}

/// Who a verified client's certificate says it is: its first URI (a SPIFFE id, for one), else its first DNS name, else its
/// first e-mail address, else its common name. Bytes beyond ASCII are percent-encoded.
#[must_use]
pub fn client_name(der: &[u8]) -> Option<HeaderValue> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = alternative(&certificate);
    let first = |of: fn(&GeneralName<'_>) -> Option<String>| names.iter().find_map(of);
    let name = first(|name| if let GeneralName::URI(uri) = name { Some((*uri).to_owned()) } else { None })
        .or_else(|| first(|name| if let GeneralName::DNSName(dns) = name { Some((*dns).to_owned()) } else { None }))
        .or_else(|| first(|name| if let GeneralName::RFC822Name(at) = name { Some((*at).to_owned()) } else { None }))
        .or_else(|| certificate.subject().iter_common_name().find_map(|name| name.as_str().ok()).map(str::to_owned))?;
    Some(header_value(&name)).filter(|value| !value.is_empty())
}

fn alternative<'c>(certificate: &'c X509Certificate<'_>) -> Vec<GeneralName<'c>> {
    match certificate.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.clone(),
        _ => Vec::new(),
    }
}
