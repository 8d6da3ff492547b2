//! Names in certificates: those that a server's is for, and the one that a client's says who it is by.

use crate::facts::header_value;
use http::HeaderValue;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The attribute `commonName` (RFC 4519 2.3).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What a server's certificate says.
pub(super) struct Read {
    /// Names that it is for, in lower case.
    pub(super) dns: Vec<String>,
    /// When it expires, in seconds of Unix time.
    pub(super) expires: i64,
}

/// Reads a server's certificate; `None` for what is none.
pub(super) fn read(der: &[u8]) -> Option<Read> {
    let certificate = Certificate::from_der(der).ok()?;
    let mut dns = Vec::new();
    for name in alternative(&certificate) {
        if let GeneralName::DnsName(name) = name {
            dns.push(name.as_str().to_ascii_lowercase());
        }
    }
    let expires = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Some(Read { dns, expires: i64::try_from(expires.as_secs()).unwrap_or(i64::MAX) })
}

/// Who a verified client's certificate says it is: its first URI (a SPIFFE id, for one), else its first DNS name, else its
/// first e-mail address, else its common name. Bytes beyond ASCII are percent-encoded.
#[must_use]
pub fn client_name(der: &[u8]) -> Option<HeaderValue> {
    let certificate = Certificate::from_der(der).ok()?;
    let names = alternative(&certificate);
    let first = |of: fn(&GeneralName) -> Option<&str>| names.iter().find_map(of);
    let name =
        first(|name| if let GeneralName::UniformResourceIdentifier(uri) = name { Some(uri.as_str()) } else { None })
            .or_else(|| first(|name| if let GeneralName::DnsName(dns) = name { Some(dns.as_str()) } else { None }))
            .or_else(|| first(|name| if let GeneralName::Rfc822Name(at) = name { Some(at.as_str()) } else { None }))
            .or_else(|| common_name(&certificate))?;
    Some(header_value(name)).filter(|value| !value.is_empty())
}

fn alternative(certificate: &Certificate) -> Vec<GeneralName> {
    match certificate.tbs_certificate().get_extension::<SubjectAltName>() {
        Ok(Some((_, names))) => names.0,
        _ => Vec::new(),
    }
}

fn common_name(certificate: &Certificate) -> Option<&str> {
    certificate
        .tbs_certificate()
        .subject()
        .iter()
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .find_map(|attribute| text(&attribute.value))
}

/// A string of one of the types whose bytes are UTF-8.
fn text(value: &Any) -> Option<&str> {
    let is_text = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString);
    std::str::from_utf8(value.value()).ok().filter(|_| is_text)
}
