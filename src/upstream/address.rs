//! What the configuration says of an upstream, checked.

use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};
use thiserror::Error;

/// Which `Host` the upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's own.
    Preserve,
    /// The upstream's address.
    Upstream,
    /// A fixed text.
    Text(HeaderValue),
}

/// One upstream service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in policies.
    pub name: Box<str>,
    /// `host:port` to connect to; a host name is resolved at each new connection.
    pub address: Box<str>,
    /// The same as a `Host` header.
    pub authority: HeaderValue,
    /// Which `Host` it sees.
    pub host: HostHeader,
}

/// Why an upstream's URL cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// Not a URL.
    #[error("`{0}` is not a URL; write http://HOST:PORT")]
    NotUrl(String),
    /// A scheme that comes later.
    #[error("`{0}`: {1} upstreams are not yet supported; use http://HOST:PORT")]
    NotYet(String, &'static str),
    /// More than scheme, host and port.
    #[error(
        "`{0}`: an upstream is scheme, host and port alone; paths are changed by a route's `rewrite`, credentials do not belong here"
    )]
    MoreThanOrigin(String),
}

impl Upstream {
    /// Reads `http://host[:port]`.
    ///
    /// # Errors
    /// See [`AddressError`]; a text with credentials in it is never repeated whole.
    pub fn parse(name: &str, url: &str, host: HostHeader) -> Result<Self, AddressError> {
        let shown = || url.rsplit_once('@').map_or(url, |(_, after)| after).to_owned();
        for (prefix, scheme) in [("https:", "https"), ("h2c:", "h2c"), ("unix:", "unix"), ("https+", "https")] {
            if url.starts_with(prefix) {
                return Err(AddressError::NotYet(shown(), scheme));
            }
        }
        let uri: Uri = url.parse().map_err(|_| AddressError::NotUrl(shown()))?;
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTP));
        let authority = authority.ok_or_else(|| AddressError::NotUrl(shown()))?;
        let bare = uri.path_and_query().is_none_or(|path| path == "/") && !authority.as_str().contains('@');
        if !bare {
            return Err(AddressError::MoreThanOrigin(shown()));
        }
        let header = HeaderValue::from_str(authority.as_str()).map_err(|_| AddressError::NotUrl(shown()))?;
        Ok(Self { name: name.into(), address: connect_to(authority).into(), authority: header, host })
    }
}

impl HostHeader {
    fn words(&self) -> String {
        match self {
            Self::Preserve => "preserve".to_owned(),
            Self::Upstream => "upstream".to_owned(),
            Self::Text(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        }
    }
}

impl Upstream {
    /// Where it is and which `Host` it sees, for people who compare.
    #[must_use]
    pub fn words(&self) -> String {
        format!("http://{}, host: {}", self.address, self.host.words())
    }
}

fn connect_to(authority: &Authority) -> String {
    format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80))
}

#[cfg(test)]
mod tests {
    use super::{AddressError, HostHeader, Upstream};

    #[test]
    fn an_upstream_is_scheme_host_and_port() {
        let parse =
            |url| Upstream::parse("legacy", url, HostHeader::Preserve).map(|upstream| upstream.address.into_string());
        assert_eq!(parse("http://127.0.0.1:8000"), Ok("127.0.0.1:8000".to_owned()));
        assert_eq!(parse("http://legacy/"), Ok("legacy:80".to_owned()));
        assert_eq!(parse("http://[::1]:8000"), Ok("[::1]:8000".to_owned()));
        assert!(matches!(parse("https://a"), Err(AddressError::NotYet(..))));
        assert!(matches!(parse("unix:///run/a.sock"), Err(AddressError::NotYet(..))));
        assert!(matches!(parse("http://a/base"), Err(AddressError::MoreThanOrigin(_))));
        assert!(matches!(parse("127.0.0.1:8000"), Err(AddressError::NotUrl(_))));
        assert!(matches!(parse("legacy"), Err(AddressError::NotUrl(_))));
        let error = parse("http://user:secret@a:1").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
