//! Hop-by-hop fields (RFC 9110, 7.6.1): what speaks of one connection alone and never goes on to the next.

use crate::normalized_name::normalized;
use arrayvec::ArrayVec;
use http::header::{CONNECTION, HeaderMap};

/// The normalized names of hop-by-hop fields; beside them there is everything that begins with `proxy`.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "expect", "http2settings", "keepalive", "te", "trailer", "transferencoding", "upgrade"];

/// Whether a field is hop-by-hop, whether `Connection` names it or not; `name` is in lower case. In every spelling, since a
/// service may read `keep_alive` and `proxy_authorization` as the fields that they resemble.
#[must_use]
#[inline]
pub fn is_hop_by_hop(name: &str) -> bool {
    let is = |hop: &str| normalized(name).eq(hop.bytes());
    let is_proxy = || normalized(name).take(5).eq("proxy".bytes());
    // Most names are out of the question by their first byte.
    match name.as_bytes().first() {
        Some(b'c') => is("connection"),
        Some(b'e') => is("expect"),
        Some(b'h') => is("http2settings"),
        Some(b'k') => is("keepalive"),
        Some(b'p') => is_proxy(),
        Some(b't') => is("te") || is("trailer") || is("transferencoding"),
        Some(b'u') => is("upgrade"),
        Some(first) if !first.is_ascii_alphanumeric() => is_proxy() || HOP_BY_HOP.into_iter().any(is),
        _ => false,
    }
}

/// Names that a message keeps whatever `Connection` says: without them it would be another message.
const ESSENTIAL: [&str; 4] = ["host", "content-length", "content-type", "content-encoding"];

/// So many names fit without an allocation; nearly always there is none.
const FEW: usize = 4;

/// What the `Connection` fields of a message say.
#[derive(Debug, Default)]
pub struct Options<'h> {
    /// This message is the last.
    pub close: bool,
    /// HTTP/1.0: it is not.
    pub keep_alive: bool,
    few: ArrayVec<&'h [u8], FEW>,
    more: Vec<&'h [u8]>,
}

impl<'h> Options<'h> {
    /// Reads all `Connection` fields of a message.
    #[must_use]
    pub fn of(headers: &'h HeaderMap) -> Self {
        let mut options = Self::default();
        for value in headers.get_all(CONNECTION) {
            options.read(value.as_bytes());
        }
        options
    }

    pub fn read(&mut self, value: &'h [u8]) {
        for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty()) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if self.few.try_push(option).is_err() {
                self.more.push(option);
            }
        }
    }

    /// Whether a field, whose name is given in lower case, is meant for this connection alone.
    #[must_use]
    #[inline]
    pub fn names(&self, name: &str) -> bool {
        !self.few.is_empty()
            && self.few.iter().chain(&self.more).any(|named| named.eq_ignore_ascii_case(name.as_bytes()))
            && !ESSENTIAL.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, is_hop_by_hop};

    #[test]
    fn what_connection_names_does_not_pass_but_what_makes_the_message_does() {
        let mut options = Options::default();
        options.read(b" keep-alive,, X-Mine ,\tcookie, host,a,b,c");
        assert!(options.keep_alive && !options.close);
        options.read(b"Close");
        assert!(options.close);
        for (name, named) in [("x-mine", true), ("cookie", true), ("c", true), ("host", false), ("d", false)] {
            assert_eq!(options.names(name), named, "{name}");
        }
        assert!(!Options::default().names("x-mine"));
    }

    #[test]
    fn some_fields_never_pass() {
        for name in ["connection", "keep-alive", "te", "trailer", "upgrade", "proxy-authenticate", "transfer-encoding"]
        {
            assert!(is_hop_by_hop(name), "{name}");
        }
        for disguised in [
            "keep_alive",
            "keep.alive",
            "-te",
            "t_e",
            "proxy_authorization",
            "proxyconnection",
            "_upgrade",
            "http2_settings",
        ] {
            assert!(is_hop_by_hop(disguised), "{disguised}");
        }
        for name in
            ["content-length", "cookie", "x", "", "-", "trailers", "keep", "upgrade-insecure-requests", "tea", "prox"]
        {
            assert!(!is_hop_by_hop(name), "{name}");
        }
    }
}
