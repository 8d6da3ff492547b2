//! What the configuration says of an upstream, checked.

use super::cluster::settings;
use super::tls;
use crate::address::{self, Url};
use http::HeaderValue;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Which `Host` the upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    Preserve,
    Upstream,
    Text(HeaderValue),
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// Within TLS; the certificate is always verified, and the handshake says which version is spoken.
    Https,
    /// HTTP/2 in the clear, with prior knowledge (RFC 9113, 3.3).
    H2c,
    /// The uwsgi protocol, in the clear: only the request's head differs from HTTP/1.1.
    Uwsgi,
}

/// Which version of HTTP an upstream is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What its addresses say: `http` and `unix` the first, `h2c` the second, `https` what the handshake agrees on. Answers over `uwsgi`
    /// are read as those of the first.
    #[default]
    Auto,
    Http1,
    Http2,
}

impl Protocol {
    /// What is spoken at an address; [`Protocol::Auto`] where its TLS handshake says so.
    #[must_use]
    pub const fn at(self, scheme: Scheme) -> Self {
        match (self, scheme) {
            (Self::Auto, Scheme::Http) | (_, Scheme::Uwsgi) => Self::Http1,
            (Self::Auto, Scheme::H2c) => Self::Http2,
            (Self::Auto, Scheme::Https) | (Self::Http1 | Self::Http2, _) => self,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A host name or an IP address (IPv6 without brackets), and a port.
    Host {
        host: Box<str>,
        port: u16,
    },
    Unix(PathBuf),
}

/// One configured address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub scheme: Scheme,
    pub location: Location,
    /// The same as a `Host` header.
    pub authority: HeaderValue,
    /// Its share beside the others, from 1.
    pub weight: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub name: Box<str>,
    /// Where it is; at least one, all of one scheme.
    pub addresses: Vec<Address>,
    pub host: HostHeader,
    /// Which version of HTTP it is spoken to in.
    pub protocol: Protocol,
    /// Over HTTP/1.1 it is told names of headers `Like-This`, and not in lower case.
    pub title_case: bool,
    /// How its certificate is verified and ours shown.
    pub tls: tls::Settings,
    /// Several addresses, checks or limits; `None` is one address that is simply connected to.
    pub cluster: Option<settings::Settings>,
}

/// Why an upstream's URL cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    #[error(
        "`{0}` is not a URL; write http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT, uwsgi://HOST:PORT, unix:///PATH or uwsgi+unix:///PATH"
    )]
    NotUrl(String),
    /// No port is usual for uwsgi.
    #[error("`{0}` has no port; write uwsgi://HOST:PORT")]
    NoPort(String),
    /// Its host or its port is none.
    #[error("`{0}`: {1}")]
    Server(String, address::AddressError),
    /// More than scheme, host and port.
    #[error(
        "`{0}`: an upstream is scheme, host and port alone; paths are changed by a route's `rewrite`, credentials do not belong here"
    )]
    MoreThanOrigin(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Unix(path) => write!(f, "unix://{}", path.display()),
            Location::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Location::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Address {
    /// Reads `http://host[:port]`, `https://host[:port]`, `h2c://host[:port]`, `uwsgi://host:port`, `unix:///path` or `uwsgi+unix:///path`.
    ///
    /// # Errors
    /// See [`AddressError`]; a text with credentials in it is never repeated whole.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let shown = || url.rsplit_once('@').map_or(url, |(_, after)| after).to_owned();
        let sockets = [("unix://", Scheme::Http), ("uwsgi+unix://", Scheme::Uwsgi)];
        if let Some((scheme, path)) =
            sockets.into_iter().find_map(|(prefix, scheme)| Some((scheme, url.strip_prefix(prefix)?)))
        {
            // The kernel takes 107 bytes.
            if !path.starts_with('/') || path.len() > 107 || path.contains(['?', '#', '\0']) {
                return Err(AddressError::NotUrl(shown()));
            }
            let location = Location::Unix(PathBuf::from(path));
            return Ok(Self { scheme, location, authority: HeaderValue::from_static("localhost"), weight: 1 });
        }
        let schemes =
            [("http", Scheme::Http), ("https", Scheme::Https), ("h2c", Scheme::H2c), ("uwsgi", Scheme::Uwsgi)];
        let written = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let scheme = schemes.into_iter().find(|(name, _)| written.eq_ignore_ascii_case(name));
        let (_, scheme) = scheme.ok_or_else(|| AddressError::NotUrl(shown()))?;
        let read = Url::parse(url).map_err(|error| match error {
            address::AddressError::Credentials | address::AddressError::Character => {
                AddressError::MoreThanOrigin(shown())
            }
            error => AddressError::Server(shown(), error),
        })?;
        if !read.is_origin() {
            return Err(AddressError::MoreThanOrigin(shown()));
        }
        let authority = HeaderValue::from_str(read.authority).map_err(|_| AddressError::NotUrl(shown()))?;
        let usual = match scheme {
            Scheme::Https => Some(443),
            Scheme::Http | Scheme::H2c => Some(80),
            Scheme::Uwsgi => None,
        };
        let port = read.server.port.or(usual).ok_or_else(|| AddressError::NoPort(shown()))?;
        let location = Location::Host { host: read.server.host.into(), port };
        Ok(Self { scheme, location, authority, weight: 1 })
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

impl Address {
    fn url(&self) -> String {
        match (&self.location, self.scheme) {
            (Location::Unix(path), Scheme::Uwsgi) => format!("uwsgi+unix://{}", path.display()),
            (Location::Unix(_), _) => self.to_string(),
            (Location::Host { .. }, Scheme::Http) => format!("http://{self}"),
            (Location::Host { .. }, Scheme::Https) => format!("https://{self}"),
            (Location::Host { .. }, Scheme::H2c) => format!("h2c://{self}"),
            (Location::Host { .. }, Scheme::Uwsgi) => format!("uwsgi://{self}"),
        }
    }
}

impl Upstream {
    /// An upstream of one address, see [`Address::parse`].
    pub fn parse(name: &str, url: &str, host: HostHeader) -> Result<Self, AddressError> {
        let addresses = vec![Address::parse(url)?];
        let (protocol, tls) = (Protocol::default(), tls::Settings::default());
        Ok(Self { name: name.into(), addresses, host, protocol, title_case: false, tls, cluster: None })
    }

    /// Where it is and which `Host` it sees, for people who compare.
    #[must_use]
    pub fn words(&self) -> String {
        let urls: Vec<String> = self.addresses.iter().map(Address::url).collect();
        let cluster = self.cluster.as_ref().map(|cluster| format!(", {cluster:?}")).unwrap_or_default();
        let tls = if self.tls == tls::Settings::default() { String::new() } else { format!(", {:?}", self.tls) };
        let protocol = match self.protocol {
            Protocol::Auto => "",
            Protocol::Http1 => ", protocol: http1",
            Protocol::Http2 => ", protocol: http2",
        };
        let case = if self.title_case { ", header_case: title" } else { "" };
        format!("{}, host: {}{protocol}{case}{tls}{cluster}", urls.join(" "), self.host.words())
    }

    /// What is spoken to it; [`Protocol::Auto`] where its TLS handshake says so.
    #[must_use]
    pub fn spoken(&self) -> Protocol {
        self.addresses.first().map_or(self.protocol, |address| self.protocol.at(address.scheme))
    }

    /// Whether it is told requests in the uwsgi protocol.
    #[must_use]
    pub fn is_uwsgi(&self) -> bool {
        self.addresses.iter().any(|address| address.scheme == Scheme::Uwsgi)
    }

    /// Whether it is spoken to within TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.addresses.iter().any(|address| address.scheme == Scheme::Https)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, Scheme};

    #[test]
    fn an_upstream_is_scheme_host_and_port_or_a_socket() {
        let parse = |url| Address::parse(url).map(|address| (address.scheme, address.to_string()));
        let of = |scheme, text: &str| Ok((scheme, text.to_owned()));
        assert_eq!(parse("http://127.0.0.1:8000"), of(Scheme::Http, "127.0.0.1:8000"));
        assert_eq!(parse("http://legacy/"), of(Scheme::Http, "legacy:80"));
        assert_eq!(parse("https://legacy"), of(Scheme::Https, "legacy:443"));
        assert_eq!(parse("http://[::1]:8000"), of(Scheme::Http, "[::1]:8000"));
        assert_eq!(parse("unix:///run/a.sock"), of(Scheme::Http, "unix:///run/a.sock"));
        assert_eq!(parse("h2c://a"), of(Scheme::H2c, "a:80"));
        assert_eq!(parse("uwsgi://a:3031"), of(Scheme::Uwsgi, "a:3031"));
        assert_eq!(parse("uwsgi+unix:///run/a.sock"), of(Scheme::Uwsgi, "unix:///run/a.sock"));
        assert!(matches!(parse("uwsgi://a"), Err(AddressError::NoPort(_))));
        assert!(matches!(parse("uwsgi://a:1/base"), Err(AddressError::MoreThanOrigin(_))));
        for url in ["uwsgi://[::1]:3031", "uwsgi+unix:///run/a.sock", "unix:///run/a.sock", "h2c://a:80"] {
            assert_eq!(Address::parse(url).map(|address| address.url()), Ok(url.to_owned()));
        }
        assert!(matches!(parse("http://a/base"), Err(AddressError::MoreThanOrigin(_))));
        for not_a_url in
            ["127.0.0.1:8000", "legacy", "ftp://a", "unix://a", "unix://", "unix:/a", "uwsgi+unix://a", "uwsgis://a:1"]
        {
            assert!(matches!(parse(not_a_url), Err(AddressError::NotUrl(_))), "{not_a_url}: {:?}", parse(not_a_url));
        }
        for no_server in ["http://a:0", "http://", "https://a:8O00", "h2c://a:99999", "http://[::1]:", "http://a:+80"] {
            assert!(matches!(parse(no_server), Err(AddressError::Server(..))), "{no_server}: {:?}", parse(no_server));
        }
        let error = parse("http://user:secret@a:1").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
