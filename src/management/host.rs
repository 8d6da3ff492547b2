//! Whose `Host` is told the metrics: their own addresses, and names that the configuration gives them.
//!
//! A page whose name resolves to this machine (DNS rebinding) reads what is on loopback with the browser of whoever looks at it, and
//! cannot choose what its browser sends as `Host`: the page's own name. Who sends none is no browser.

use crate::address::Server;
use http::header::HOST;
use http::{HeaderMap, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// The names of a listener.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[Box<str>]>);

/// What is said to who means another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It cannot be read (RFC 9112, 3.2): 400.
    Malformed,
    /// It is somebody else (RFC 9110, 15.5.20): 421.
    Misdirected,
}

impl Hosts {
    /// These names, besides a listener's own addresses.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(names.into_iter().map(|name| plain(name.as_ref()).into()).collect())
    }

    /// Whether a request that arrived at the address `local` means this listener.
    ///
    /// # Errors
    /// It means another one, or cannot be read.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), Wrong> {
        let mut fields = headers.get_all(HOST).iter();
        let field = fields.next().map(|host| host.to_str().map_err(|_| Wrong::Malformed)).transpose()?;
        if fields.next().is_some() {
            return Err(Wrong::Malformed);
        }
        // The authority of an absolute target counts instead of the field (RFC 9112, 3.2.2); here both must be ours.
        let authority = uri.authority().map(http::uri::Authority::as_str);
        for host in [authority, field].into_iter().flatten().filter(|host| !host.is_empty()) {
            let Server { host, .. } = Server::parse(host).map_err(|_| Wrong::Malformed)?;
            if !self.is_ours(host, local) {
                return Err(Wrong::Misdirected);
            }
        }
        Ok(())
    }

    fn is_ours(&self, host: &str, local: IpAddr) -> bool {
        let is_named = |address: IpAddr| address == local.to_canonical() || address.is_loopback();
        let host = plain(host);
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| is_named(address.to_canonical()))
            || self.0.iter().any(|name| **name == *host)
    }
}

/// As names are compared: an address in its one spelling, a name in lower case, without a dot at its end.
fn plain(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Hosts, Wrong};
    use http::header::{HOST, HeaderValue};
    use http::{HeaderMap, Uri};

    fn check(target: &str, hosts: &[&str]) -> Result<(), Wrong> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        let known = Hosts::new(["Metrics.Example.com", "192.0.2.1", "2001:DB8::0:1"]);
        known.check(&target.parse::<Uri>().unwrap(), &headers, "::ffff:10.1.2.3".parse().unwrap())
    }

    #[test]
    fn a_listener_answers_to_its_own_addresses_and_to_names_that_it_was_given() {
        for host in [
            "10.1.2.3:9090",
            "10.1.2.3",
            "[::ffff:10.1.2.3]:9090",
            "localhost:1",
            "LOCALHOST.",
            "127.0.0.1:9090",
            "[::1]",
            "metrics.example.com.:9090",
            "192.0.2.1",
            "[2001:db8::1]:9",
            "",
        ] {
            assert_eq!(check("/metrics", &[host]), Ok(()), "{host}");
        }
        assert_eq!(check("/metrics", &[]), Ok(()), "an old client");
        assert_eq!(check("http://localhost:9090/metrics", &["localhost:9090"]), Ok(()));
    }

    #[test]
    fn a_rebound_name_reads_nothing() {
        for host in [
            "evil.example",
            "evil.example:9090",
            "10.1.2.4",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::2]",
        ] {
            assert_eq!(check("/metrics", &[host]), Err(Wrong::Misdirected), "{host}");
        }
        assert_eq!(check("http://evil.example/metrics", &["localhost"]), Err(Wrong::Misdirected));
        for hosts in
            [&["localhost", "localhost"][..], &["a b"], &["localhost:x"], &["localhost:"], &["u@localhost"], &["127.1"]]
        {
            assert_eq!(check("/metrics", hosts), Err(Wrong::Malformed), "{hosts:?}");
        }
    }
}
