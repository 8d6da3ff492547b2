//! The name of the host that a request is for, in one spelling (RFC 9110, 7.2; RFC 3986, 3.2.2).
//!
//! Routes are chosen by it, so `API.Example.COM`, `api.example.com.` and `api.example.com:443` are one host. What is neither a
//! DNS-like name nor an IP literal is refused: user information, percent-escapes, zones and bytes beyond ASCII have no place here.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use thiserror::Error;

/// Why a host is refused. The answer is 400 `bad_target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum HostError {
    Empty,
    UserInfo,
    /// A byte that no name has: blanks, controls, non-ASCII, escapes, delimiters.
    Character,
    /// An empty label, a label over 63 bytes or a name over 253 bytes (RFC 1035, 2.3.4).
    Label,
    /// Not a number from 0 to 65535.
    Port,
    /// Brackets around something else than an IPv6 address.
    Ipv6,
}

impl HostError {
    /// The text of the refusal, for an answer or a log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "the host is empty",
            Self::UserInfo => "the host has user information",
            Self::Character => "the host has a character that no name has",
            Self::Label => "the host has a label that is empty or too long",
            Self::Port => "the port is not a number",
            Self::Ipv6 => "the host is not an IPv6 literal",
        }
    }
}

/// The host of a `Host` or `:authority` value: lower case, without port and without a trailing dot.
///
/// IPv6 literals keep their brackets and get the text form of RFC 5952. Borrows where nothing changes.
///
/// # Errors
/// The value is not `name[:port]` or `[IPv6][:port]`: see [`HostError`].
pub fn canonical_host(raw: &str) -> Result<Cow<'_, str>, HostError> {
    match parse(raw)? {
        Host::Name(name) if name.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Cow::Owned(name.to_ascii_lowercase())),
        Host::Name(name) => Ok(Cow::Borrowed(name)),
        Host::Ipv6(address) => Ok(Cow::Owned(format!("[{address}]"))),
    }
}

/// Whether [`canonical_host`] accepts these bytes; allocates nothing.
pub(crate) fn check(raw: &[u8]) -> Result<(), HostError> {
    parse(std::str::from_utf8(raw).map_err(|_| HostError::Character)?).map(|_| ())
}

/// What stands behind the colon of a `Host`; nothing where there is none.
#[must_use]
pub fn port(raw: &str) -> &str {
    raw.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or("", |(_, port)| port)
}

/// Whether two values name one host and port; `port` is what stands for none.
pub(crate) fn are_same(one: &[u8], other: &[u8], port: &str) -> bool {
    let read = |raw: &[u8]| {
        let raw = std::str::from_utf8(raw).ok()?;
        let number = self::port(raw).trim_start_matches('0');
        Some((canonical_host(raw).ok()?.into_owned(), if number == port { String::new() } else { number.to_owned() }))
    };
    one.eq_ignore_ascii_case(other) || read(one).is_some_and(|one| Some(one) == read(other))
}

enum Host<'a> {
    /// Valid, without port and trailing dot, in the case of the sender.
    Name(&'a str),
    Ipv6(Ipv6Addr),
}

fn parse(raw: &str) -> Result<Host<'_>, HostError> {
    let host = match raw.strip_prefix('[') {
        Some(literal) => parse_ipv6(literal),
        None => parse_name(raw),
    };
    host.map_err(|error| if raw.contains('@') { HostError::UserInfo } else { error })
}

/// What follows `[`.
fn parse_ipv6(literal: &str) -> Result<Host<'_>, HostError> {
    let (address, rest) = literal.split_once(']').ok_or(HostError::Ipv6)?;
    if !rest.is_empty() {
        check_port(rest.strip_prefix(':').ok_or(HostError::Ipv6)?)?;
    }
    address.parse().map(Host::Ipv6).map_err(|_| HostError::Ipv6)
}

fn parse_name(raw: &str) -> Result<Host<'_>, HostError> {
    let name = match memchr::memchr(b':', raw.as_bytes()).and_then(|at| raw.split_at_checked(at)) {
        Some((name, port)) => {
            check_port(port.strip_prefix(':').unwrap_or_default())?;
            name
        }
        None => raw,
    };
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut label = 0;
    let mut labels_are_good = name.len() <= 253;
    for b in name.bytes() {
        match b {
            b'.' => {
                labels_are_good &= (1..=63).contains(&label);
                label = 0;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            _ => return Err(HostError::Character),
        }
    }
    if labels_are_good && (1..=63).contains(&label) { Ok(Host::Name(name)) } else { Err(HostError::Label) }
}

/// A port is one to five digits, or none behind its colon (RFC 3986, 3.2.3).
fn check_port(port: &str) -> Result<(), HostError> {
    if port.is_empty() {
        return Ok(());
    }
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    if digits && port.parse::<u16>().is_ok() { Ok(()) } else { Err(HostError::Port) }
}

#[cfg(test)]
mod tests {
    use super::HostError::{Character, Empty, Ipv6, Label, Port, UserInfo};
    use super::{canonical_host, check};
    use std::borrow::Cow;

    #[test]
    fn every_spelling_of_a_host_is_one_host() {
        for raw in
            ["api.example.com", "API.Example.COM", "api.example.com.", "api.example.com:443", "Api.example.com.:8080"]
        {
            assert_eq!(canonical_host(raw).as_deref(), Ok("api.example.com"), "{raw}");
        }
        assert_eq!(canonical_host("api.example.com:").as_deref(), Ok("api.example.com"));
        for raw in ["[::1]", "[::1]:", "[::1]:443", "[0:0:0:0:0:0:0:1]", "[::0001]"] {
            assert_eq!(canonical_host(raw).as_deref(), Ok("[::1]"), "{raw}");
        }
        assert_eq!(canonical_host("[2001:DB8::A]").as_deref(), Ok("[2001:db8::a]"));
        assert_eq!(canonical_host("127.0.0.1:8080").as_deref(), Ok("127.0.0.1"));
        assert_eq!(canonical_host("my_service").as_deref(), Ok("my_service"));
    }

    #[test]
    fn a_name_and_its_labels_have_their_greatest_length() {
        let label = "a".repeat(63);
        let of_253 = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(canonical_host(&of_253).as_deref(), Ok(of_253.as_str()));
        assert_eq!(canonical_host(&format!("{of_253}a")), Err(Label));
        assert_eq!(canonical_host(&format!("{label}a.example")), Err(Label));
    }

    #[test]
    fn what_is_canonical_already_is_borrowed() {
        assert!(matches!(canonical_host("api.example.com:443"), Ok(Cow::Borrowed("api.example.com"))));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = ["a"; 128].join(".");
        for (raw, error) in [
            ("", Empty),
            (":80", Empty),
            (".", Label),
            ("a..b", Label),
            (".a", Label),
            ("a..", Label),
            (&long_label, Label),
            (&long_name, Label),
            ("user@host", UserInfo),
            ("host@", UserInfo),
            ("a b", Character),
            (" a", Character),
            ("a\t", Character),
            ("a\r", Character),
            ("a\0", Character),
            ("caf\u{e9}", Character),
            ("a%2eb", Character),
            ("a/b", Character),
            ("a,b", Character),
            ("a#", Character),
            ("host:80a", Port),
            ("host:+80", Port),
            ("host:65536", Port),
            ("host:000080", Port),
            ("host:80:80", Port),
            ("::1", Port),
            ("[::1", Ipv6),
            ("[]", Ipv6),
            ("[::1]a", Ipv6),
            (":", Empty),
            ("host::", Port),
            ("[::1%25eth0]", Ipv6),
            ("[v1.a]", Ipv6),
            ("[1.2.3.4]", Ipv6),
        ] {
            assert_eq!(canonical_host(raw), Err(error), "{raw:?}");
            assert_eq!(check(raw.as_bytes()), Err(error), "{raw:?}");
        }
        assert_eq!(check(b"a\xff"), Err(Character));
    }

    #[test]
    fn a_host_is_the_same_with_and_without_the_usual_port() {
        for (one, other, is) in [
            ("a", "A", true),
            ("a:443", "a", true),
            ("a:", "a.", true),
            ("a:80", "a", false),
            ("a:8443", "a:08443", true),
            ("[::1]", "[0::1]:443", true),
            ("[::1]:1", "[::1]", false),
            ("a", "b", false),
            ("a@b", "b", false),
        ] {
            assert_eq!(super::are_same(one.as_bytes(), other.as_bytes(), "443"), is, "{one} {other}");
        }
    }

    #[test]
    fn the_canonical_form_is_its_own_canonical_form() {
        for raw in ["API.example.com.:1", "[0::1]:80", "X"] {
            let once = canonical_host(raw).unwrap();
            assert_eq!(canonical_host(&once), Ok(Cow::Borrowed(&*once)));
        }
    }
}
