//! Where Redis is, as a URL says it.
//!
//! `redis://` one server, `rediss://` the same by TLS; `redis+cluster://` and `rediss+cluster://` some nodes of a cluster;
//! `redis+sentinel://` and `rediss+sentinel://` the sentinels, whose path begins with the master's name.

use crate::address::{AddressError, Server};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// A server's name or address, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name or address, without brackets.
    pub host: String,
    pub port: u16,
}

/// How many servers, and how they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    Single(Node),
    /// Nodes of a cluster to begin with.
    Cluster(Vec<Node>),
    /// The sentinels that know where the master is.
    Sentinel {
        nodes: Vec<Node>,
        master: String,
    },
}

#[derive(Clone, Debug)]
pub struct Address {
    pub topology: Topology,
    pub tls: bool,
    pub username: Option<String>,
    /// Where the URL has one.
    pub password: Option<SecretString>,
    /// Number of the database; a cluster has only 0.
    pub database: i64,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without its password.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const SCHEMES: &str = "must begin with redis://, rediss://, redis+cluster://, rediss+cluster://, redis+sentinel:// or rediss+sentinel://";
        let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, "single"));
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(SCHEMES),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return Err("has no query and no fragment");
        }
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let (username, password) = user.map_or(Ok((None, None)), credentials)?;
        let default = if kind == "sentinel" { 26379 } else { 6379 };
        let mut nodes = hosts.split(',').map(|host| node(host, default)).collect::<Result<Vec<_>, _>>()?;
        let number = |text: &str| match text {
            "" => Ok(0),
            text => text.parse::<u16>().map(i64::from).map_err(|_| "has a database that is no number"),
        };
        let (topology, database) = match kind {
            "single" if nodes.len() == 1 => (Topology::Single(nodes.remove(0)), number(path)?),
            "single" => return Err("has several servers: that is redis+cluster:// or redis+sentinel://"),
            "cluster" if number(path)? == 0 => (Topology::Cluster(nodes), 0),
            "cluster" => return Err("has a database: a cluster has only number 0"),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err("has no master's name: redis+sentinel://HOST,HOST/MASTER");
                }
                (Topology::Sentinel { nodes, master: decode(master)? }, number(database)?)
            }
            _ => return Err(SCHEMES),
        };
        Ok(Self { topology, tls, username, password, database })
    }
}

fn decode(text: &str) -> Result<String, &'static str> {
    percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| "has something that is not UTF-8")
}

fn credentials(text: &str) -> Result<(Option<String>, Option<SecretString>), &'static str> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let user = Some(decode(user)?).filter(|user| !user.is_empty());
    Ok((user, password.map(decode).transpose()?.map(SecretString::from)))
}

fn node(text: &str, default: u16) -> Result<Node, &'static str> {
    let Server { host, port } = Server::parse(text).map_err(|error| match error {
        AddressError::Port => "has a port that is not a number from 1 to 65535, in digits alone",
        AddressError::NoPort => "has a colon and no port behind it",
        _ => "has a server that is not HOST or HOST:PORT",
    })?;
    Ok(Node { host: host.to_owned(), port: port.unwrap_or(default) })
}

#[cfg(test)]
mod tests {
    use super::{Address, Node, Topology};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    #[test]
    fn a_url_says_where_and_who_and_how() {
        let read = |url: &str| Address::parse(url).unwrap();
        assert_eq!(read("redis://cache").topology, Topology::Single(node("cache", 6379)));
        let full = read("rediss://po%40stern:p%3Ass@[::1]:6380/3");
        assert_eq!((full.topology, full.tls, full.database), (Topology::Single(node("::1", 6380)), true, 3));
        assert_eq!(full.username.as_deref(), Some("po@stern"));
        assert_eq!(full.password.unwrap().expose_secret(), "p:ss");
        let cluster = read("redis+cluster://a:7000,b:7001");
        assert_eq!(cluster.topology, Topology::Cluster(vec![node("a", 7000), node("b", 7001)]));
        let sentinel = read("rediss+sentinel://:secret@s1,s2:5/mymaster/2");
        let nodes = vec![node("s1", 26379), node("s2", 5)];
        assert_eq!(sentinel.topology, Topology::Sentinel { nodes, master: "mymaster".into() });
        assert_eq!((sentinel.database, sentinel.tls, sentinel.username), (2, true, None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (url, part) in [
            ("cache:6379", "must begin"),
            ("http://cache", "must begin"),
            ("redis+ring://a", "must begin"),
            ("redis://a,b", "several servers"),
            ("redis://", "HOST:PORT"),
            ("redis://a:x", "digits alone"),
            ("redis://a:0", "from 1 to 65535"),
            ("redis://a:", "no port behind"),
            ("redis://a/x", "no number"),
            ("redis://a?db=1", "no query"),
            ("redis+cluster://a/1", "only number 0"),
            ("redis+sentinel://a", "no master"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(rediss?(\\+cluster|\\+sentinel)?://)?\\PC{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                let nodes = match address.topology {
                    Topology::Single(node) => vec![node],
                    Topology::Cluster(nodes) | Topology::Sentinel { nodes, .. } => nodes,
                };
                prop_assert!(nodes.iter().all(|node| !node.host.is_empty() && node.port > 0));
            }
        }
    }
}
