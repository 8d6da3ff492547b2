//! Addresses of servers as configurations, policies and commands write them: `HOST`, `HOST:PORT`, `[IPV6]:PORT`, and URLs.
//!
//! Whatever names a server is read here before any library sees it. `http::Uri` takes a port that is no number for none, whose
//! place the scheme's usual one then takes, and `u16` reads `+80`: identities and secrets would go to somebody else's server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// Why a text is no address. Never repeats it, since it may hold a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// Not digits alone, 0, or more than 65535.
    #[error("the port must be a number from 1 to 65535, in digits alone")]
    Port,
    /// A colon, and nothing behind it.
    #[error("there is no port behind the colon")]
    NoPort,
    /// Neither a name nor an IP address.
    #[error("the host must be a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    #[error("a URL begins with its scheme, such as http://")]
    Scheme,
    /// A user or a password.
    #[error("a user or a password does not belong into this address")]
    Credentials,
    /// A fragment, or something that must be percent-encoded.
    #[error("a URL has no blank, no `#`, no `\\` and nothing beyond ASCII")]
    Character,
}

/// A host, and the port where one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server<'t> {
    /// A name or an IP address; IPv6 without brackets.
    pub host: &'t str,
    pub port: Option<u16>,
}

/// A URL of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'t> {
    /// As written: [`Url::has_scheme`] compares.
    pub scheme: &'t str,
    /// Host and port as written.
    pub authority: &'t str,
    pub server: Server<'t>,
    /// What follows: nothing, or from the first `/` or `?` on.
    pub path: &'t str,
}

/// A port: one to five digits, from 1 to 65535.
///
/// # Errors
/// Anything else.
pub fn port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoPort);
    }
    let digits = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(AddressError::Port)
}

impl<'t> Server<'t> {
    /// Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &'t str) -> Result<Self, AddressError> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(AddressError::Host)?;
                host.parse::<Ipv6Addr>().map_err(|_| AddressError::Host)?;
                (host, rest)
            }
            None => {
                let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                if !is_host(host) {
                    return Err(AddressError::Host);
                }
                (host, rest)
            }
        };
        let written = match rest.strip_prefix(':') {
            Some(written) => Some(port(written)?),
            None if rest.is_empty() => None,
            None => return Err(AddressError::Host),
        };
        Ok(Self { host, port: written })
    }

    /// Whether it is this machine, to which nobody else's network leads.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl<'t> Url<'t> {
    /// Reads `SCHEME://HOST:PORT/PATH`.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &'t str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !is_scheme {
            return Err(AddressError::Scheme);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::Credentials);
        }
        if !path.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'\\') {
            return Err(AddressError::Character);
        }
        Ok(Self { scheme, authority, server: Server::parse(authority)?, path })
    }

    /// Whether this is its scheme, which has no case (RFC 3986, 3.1).
    #[must_use]
    pub const fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Whether it names a server and nothing on it.
    #[must_use]
    pub fn is_origin(&self) -> bool {
        matches!(self.path, "" | "/")
    }
}

/// A name that resolvers take, or an IPv4 address in its usual spelling: `127.1` and `2130706433` are neither.
fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    let ends_in_a_number = name.rsplit('.').next().is_some_and(is_number);
    name.len() <= 253 && name.split('.').all(is_label) && (!ends_in_a_number || text.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{AddressError, Server, Url};
    use proptest::prelude::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("legacy", "legacy", None),
            ("legacy_app.default.svc.:65535", "legacy_app.default.svc.", Some(65535)),
            ("127.0.0.1:080", "127.0.0.1", Some(80)),
            ("[::1]", "::1", None),
            ("[fe80::1]:1", "fe80::1", Some(1)),
        ] {
            assert_eq!(Server::parse(text), Ok(Server { host, port }), "{text}");
        }
    }

    #[test]
    fn a_port_that_is_no_port_is_refused_and_never_the_usual_one() {
        for port in [
            "8O00", "99999", "65536", "0", "00000", "abc", "+80", "-1", " 80", "80 ", "8_0", "000080", "８０", "0x50",
            "80:80",
        ] {
            assert_eq!(Server::parse(&format!("a:{port}")), Err(AddressError::Port), "{port}");
            assert_eq!(Url::parse(&format!("http://[::1]:{port}/x")), Err(AddressError::Port), "{port}");
        }
        assert_eq!(Server::parse("a:"), Err(AddressError::NoPort));
        assert_eq!(Url::parse("http://a:/"), Err(AddressError::NoPort));
    }

    #[test]
    fn a_host_that_is_no_host_is_refused() {
        for host in [
            "",
            ":80",
            "a..b",
            ".a",
            "a b",
            "a%20b",
            "::1",
            "[::1",
            "[a]",
            "[::1]x",
            "[1.2.3.4]",
            "127.1",
            "2130706433",
            "1.2.3.999",
            "ü",
            "a/b",
            "*",
        ] {
            let read = Server::parse(host);
            assert!(matches!(read, Err(AddressError::Host | AddressError::Port)), "{host}: {read:?}");
        }
        assert!(Server::parse(&"a".repeat(64)).is_err());
    }

    #[test]
    fn a_url_is_read_whole() {
        let url = Url::parse("HTTP://a:80/x?y").unwrap();
        assert!(url.has_scheme("http") && !url.is_origin());
        assert_eq!((url.authority, url.server.port, url.path), ("a:80", Some(80), "/x?y"));
        assert_eq!(Url::parse("http://u:p@a"), Err(AddressError::Credentials));
        for (text, why) in [
            ("a:80", AddressError::Scheme),
            ("//a", AddressError::Scheme),
            ("1://a", AddressError::Scheme),
            ("http://", AddressError::Host),
            ("http:///x", AddressError::Host),
            ("http://a#b", AddressError::Character),
            ("http://a\\b", AddressError::Character),
            ("http://a/ b", AddressError::Character),
        ] {
            assert_eq!(Url::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(text in "[a-z0-9:.\\[\\]+@_-]{0,24}") {
            if let Ok(Server { host, port }) = Server::parse(&text) {
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                let port = port.map(|port| port.to_string());
                let written = text.strip_prefix(&host).unwrap().trim_start_matches(':').trim_start_matches('0').to_owned();
                prop_assert_eq!(written, port.unwrap_or_default());
            }
        }
    }
}
