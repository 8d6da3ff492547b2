//! Who is calling, by address, and what the upstream is told about it.
//!
//! Forwarded headers are believed from configured proxies alone; from anybody else they are replaced. What an untrusted
//! client's connection looks like to the upstream is worked out once a connection.

use super::forwarded::{self, Hop, agreed, elements};
use crate::net::tls::Secured;
use arrayvec::ArrayVec;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

pub const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// At most so many addresses of a chain are passed on; a longer one is the client's invention.
const LONGEST_CHAIN: usize = 20;

#[derive(Debug)]
pub struct Client {
    /// Its address, IPv4-mapped ones as IPv4.
    peer: IpAddr,
    /// The peer is a configured proxy.
    trusted: bool,
    for_value: HeaderValue,
    proto: HeaderValue,
    /// The name of its verified certificate.
    name: Option<HeaderValue>,
}

/// What the upstream is told about the client.
#[derive(Debug)]
pub struct Origin {
    pub address: IpAddr,
    pub x_forwarded_for: HeaderValue,
    pub x_forwarded_proto: HeaderValue,
    /// `X-Forwarded-Host`, where it differs from what the client asked us for.
    pub x_forwarded_host: Option<HeaderValue>,
    /// `Forwarded` (RFC 7239), rebuilt where a trusted proxy speaks it.
    pub forwarded: Option<HeaderValue>,
}

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

impl Client {
    /// A connection from `peer`, over TLS where `secured` says so.
    #[must_use]
    pub fn new(peer: SocketAddr, secured: Option<&Secured>, trusted_proxies: &[IpNet]) -> Self {
        let peer = peer.ip().to_canonical();
        let trusted = is_trusted(peer, trusted_proxies);
        let proto = if secured.is_some() { HTTPS } else { HTTP };
        let name = secured.and_then(|secured| secured.client.clone());
        Self { peer, trusted, for_value: address_value(peer), proto, name }
    }

    /// The name of its verified certificate.
    #[must_use]
    pub const fn name(&self) -> Option<&HeaderValue> {
        self.name.as_ref()
    }

    /// `https` or `http`, as its connection is.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.proto == HTTPS { "https" } else { "http" }
    }

    /// Who the connection is of.
    #[must_use]
    pub const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether forwarded headers of this peer are believed.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The address that a request really comes from: that of [`Client::origin`], without what is told of it.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
        if self.trusted {
            self.chain(headers, trusted_proxies).0.last().copied().unwrap_or(self.peer)
        } else {
            self.peer
        }
    }

    /// The peer and those in front of it, as far as trusted proxies say; and what the last of them says besides.
    fn chain(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> (Vec<IpAddr>, Option<Hop>) {
        let listed = elements(headers, &X_FORWARDED_FOR);
        let mut hops: Vec<Hop> = if elements(headers, &X_FORWARDED_FOR).next().is_some() {
            listed.map(|hop| Hop { address: hop.and_then(bare_address), ..Hop::default() }).collect()
        } else {
            forwarded::hops(headers)
        };
        let mut chain = vec![self.peer];
        let mut nearest = None;
        while let Some(hop) = hops.pop().filter(|_| chain.len() <= LONGEST_CHAIN) {
            // An unreadable hop ends what can be believed; what the trusted proxy says besides still holds.
            let address = hop.address;
            nearest = Some(hop);
            let Some(address) = address else { break };
            chain.push(address);
            if !is_trusted(address, trusted_proxies) {
                break;
            }
        }
        (chain, nearest)
    }

    /// Where a request really comes from: the peer, or what trusted proxies say in front of it.
    ///
    /// In `X-Forwarded-For`, the rightmost address that is not itself a trusted proxy is the client's; everything to its
    /// left is the client's own word, and is dropped. `Forwarded` (RFC 7239) is read in the same way where there is no
    /// `X-Forwarded-For`; where both are, it counts for nothing.
    #[must_use]
    pub fn origin(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> Origin {
        if !self.trusted {
            return Origin {
                address: self.peer,
                x_forwarded_for: self.for_value.clone(),
                x_forwarded_proto: self.proto.clone(),
                x_forwarded_host: None,
                forwarded: None,
            };
        }
        let (chain, nearest) = self.chain(headers, trusted_proxies);
        let (proto, host) = nearest.map(|hop| (hop.proto, hop.host)).unwrap_or_default();
        let address = chain.last().copied().unwrap_or(self.peer);
        let shown: Vec<String> = chain.iter().rev().map(IpAddr::to_string).collect();
        let is_https = match elements(headers, &X_FORWARDED_PROTO).next() {
            Some(_) => elements(headers, &X_FORWARDED_PROTO).all(|scheme| scheme.is_some_and(is_secure)),
            None => proto.as_deref().map_or(self.proto == HTTPS, is_secure),
        };
        let host = match elements(headers, &X_FORWARDED_HOST).next() {
            Some(_) => agreed(headers, &X_FORWARDED_HOST),
            None => host.as_deref(),
        };
        let host = host.filter(|host| crate::request_target::host::canonical_host(host).is_ok());
        Origin {
            address,
            x_forwarded_for: value(&shown.join(", ")),
            x_forwarded_proto: if is_https { HTTPS } else { HTTP },
            x_forwarded_host: host.map(value),
            forwarded: headers
                .contains_key(FORWARDED)
                .then(|| rebuilt(address, if is_https { "https" } else { "http" })),
        }
    }
}

/// Whether a scheme is one over TLS; proxies name that of a WebSocket too (RFC 6455, 3).
fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// An address of `X-Forwarded-For`, where some write blanks between.
fn bare_address(hop: &str) -> Option<IpAddr> {
    forwarded::address(&hop.replace([' ', '\t'], ""))
}

/// An address as text; by hand for IPv4, since every new connection needs it.
fn address_value(address: IpAddr) -> HeaderValue {
    let IpAddr::V4(v4) = address else { return value(&address.to_string()) };
    let mut text = ArrayVec::<u8, 15>::new();
    for (at, octet) in v4.octets().into_iter().enumerate() {
        if at > 0 {
            text.push(b'.');
        }
        let _ = text.try_extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("unknown"))
}

fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|network| network.contains(&address))
}

/// RFC 7239, section 6: an IPv6 address is quoted and in brackets.
fn rebuilt(client: IpAddr, proto: &str) -> HeaderValue {
    match client {
        IpAddr::V4(v4) => value(&format!("for={v4};proto={proto}")),
        IpAddr::V6(v6) => value(&format!("for=\"[{v6}]\";proto={proto}")),
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::{Client, X_FORWARDED_FOR, X_FORWARDED_PROTO};
    use http::HeaderMap;
    use ipnet::IpNet;

    fn origin(peer: &str, forwarded_for: &[&str], trusted: &[IpNet]) -> (String, String) {
        let mut headers = HeaderMap::new();
        for value in forwarded_for {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        headers.insert(X_FORWARDED_PROTO, "https".parse().unwrap());
        let origin = Client::new(format!("{peer}:1").parse().unwrap(), None, trusted).origin(&headers, trusted);
        (origin.address.to_string(), origin.x_forwarded_for.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_stranger_s_word_about_itself_is_not_passed_on() {
        assert_eq!(origin("192.0.2.1", &["1.2.3.4"], &[]), ("192.0.2.1".into(), "192.0.2.1".into()));
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(origin("192.0.2.1", &["1.2.3.4"], &trusted).0, "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_stranger_is_the_client() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let chain = origin("10.0.0.1", &["6.6.6.6, 192.0.2.7, 10.0.0.9"], &trusted);
        assert_eq!(chain, ("192.0.2.7".into(), "192.0.2.7, 10.0.0.9, 10.0.0.1".into()));
        let several = origin("10.0.0.1", &["6.6.6.6", "192.0.2.7", "10.0.0.9"], &trusted);
        assert_eq!(several, chain);
        assert_eq!(origin("10.0.0.1", &["192.0.2.7, garbage"], &trusted).0, "10.0.0.1");
        assert_eq!(origin("10.0.0.1", &[], &trusted).0, "10.0.0.1");
        assert_eq!(origin("10.0.0.1", &["[2001:db8::1]:4711"], &trusted).0, "2001:db8::1");
    }

    /// What a trusted proxy says, and what is told of it: address, scheme, host.
    fn told(fields: &[(&str, &str)]) -> [String; 3] {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let origin = Client::new("10.0.0.1:1".parse().unwrap(), None, &trusted).origin(&headers, &trusted);
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let host = origin.x_forwarded_host.as_ref().map(text).unwrap_or_default();
        [origin.address.to_string(), text(&origin.x_forwarded_proto), host]
    }

    #[test]
    fn a_websocket_s_scheme_is_that_of_its_connection() {
        for (values, proto) in [
            (&["wss"][..], "https"),
            (&["WSS"], "https"),
            (&["ws"], "http"),
            (&["https, https"], "https"),
            (&["https,, wss"], "https"),
            (&["https, ws"], "http"),
            (&["https,"], "https"),
            (&["https", "https"], "https"),
            (&["https, http"], "http"),
            (&["", ""], "http"),
            (&["gopher"], "http"),
        ] {
            let fields: Vec<_> = values.iter().map(|value| ("x-forwarded-proto", *value)).collect();
            assert_eq!(told(&fields)[1], proto, "{values:?}");
        }
    }

    #[test]
    fn forwarded_is_believed_where_there_is_no_x_forwarded_for() {
        let all = "for=6.6.6.6;proto=http, for=192.0.2.7;proto=https;host=www.example.com, for=10.0.0.9;proto=http";
        assert_eq!(told(&[("forwarded", all)]), ["192.0.2.7", "https", "www.example.com"]);
        assert_eq!(told(&[("forwarded", "for=\"[2001:db8::1]:4711\";proto=wss")]), ["2001:db8::1", "https", ""]);
        // Both are there: X-Forwarded-For counts, and Forwarded for nothing.
        assert_eq!(told(&[("forwarded", all), ("x-forwarded-for", "192.0.2.8")]), ["192.0.2.8", "http", ""]);
        assert_eq!(told(&[("forwarded", all), ("x-forwarded-for", " , ")])[0], "192.0.2.7", "a list of nothing");
        assert_eq!(told(&[("forwarded", all), ("x-forwarded-proto", "http")])[1], "http");
        // Who hides the client hides all before it.
        assert_eq!(told(&[("forwarded", "for=192.0.2.7, for=_hidden;proto=https")]), ["10.0.0.1", "https", ""]);
        assert_eq!(told(&[("forwarded", "for=\"192.0.2.7")]), ["10.0.0.1", "http", ""]);
        assert_eq!(told(&[("forwarded", "for=192.0.2.7;host=\"a@b\"")]), ["192.0.2.7", "http", ""]);
    }

    #[test]
    fn empty_elements_of_a_chain_are_passed_over() {
        for chain in [", 192.0.2.7,, 10.0.0.9,", "192.0.2.7,10.0.0.9 ,\t"] {
            assert_eq!(told(&[("x-forwarded-for", chain)])[0], "192.0.2.7", "{chain}");
        }
        // A field that is no text ends the chain, so that what a client wrote in front of it is not believed.
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "6.6.6.6".parse().unwrap());
        headers.append(X_FORWARDED_FOR, http::HeaderValue::from_bytes(b"\xff").unwrap());
        let client = Client::new("10.0.0.1:1".parse().unwrap(), None, &trusted);
        assert_eq!(client.address(&headers, &trusted).to_string(), "10.0.0.1");
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for address in ["0.0.0.0", "255.255.255.255", "127.0.0.1", "192.168.10.9", "2001:db8::1"] {
            assert_eq!(super::address_value(address.parse().unwrap()), address);
        }
    }

    #[test]
    fn ipv4_in_ipv6_clothes_is_ipv4() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(origin("[::ffff:10.0.0.1]", &["192.0.2.7"], &trusted).0, "192.0.2.7");
    }
}
