//! Logins behind another single sign-on, whose proxy tells in a header who somebody is: believed from its addresses alone, where nothing
//! makes the header say two things, and of the login page alone. No route of a policy ever goes by it.

use crate::directory::UserKey;
use crate::normalized_name::same_name;
use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::IpAddr;

/// Longest name that is looked up, in bytes.
const LONGEST: usize = 512;

/// By what the header names users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    #[default]
    Username,
    Email,
    ExternalId,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub header: HeaderName,
    /// Where those are who may say it: the addresses that connections come from.
    pub from: Vec<IpNet>,
    pub named: Named,
    /// Whether superusers log in so.
    pub superusers: bool,
}

/// What a request says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Nothing,
    Somebody(UserKey),
    /// It is there more than once, in another spelling, or is no name.
    Unclear,
}

impl Settings {
    /// Reads a request that came over a connection of `peer`. What others send is nothing, as if it were not there.
    #[must_use]
    pub fn read(&self, peer: IpAddr, headers: &HeaderMap) -> Said {
        if !self.from.iter().any(|network| network.contains(&peer)) {
            return Said::Nothing;
        }
        let mut alike = headers.iter().filter(|(name, _)| same_name(name.as_str(), self.header.as_str()));
        let Some((name, value)) = alike.next() else { return Said::Nothing };
        if name != self.header || alike.next().is_some() {
            return Said::Unclear;
        }
        match value.to_str().map(str::trim) {
            Ok("") => Said::Nothing,
            // Proxies join what they got twice by commas.
            Ok(text) if text.len() <= LONGEST && !text.contains(',') => Said::Somebody(match self.named {
                Named::Username => UserKey::Username(text.to_owned()),
                Named::Email => UserKey::Email(text.to_owned()),
                Named::ExternalId => UserKey::ExternalId(text.to_owned()),
            }),
            _ => Said::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Named, Said, Settings};
    use crate::directory::UserKey;
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn one_header_in_one_spelling_is_believed_from_one_place() {
        let settings = Settings {
            header: HeaderName::from_static("x-remote-user"),
            from: vec!["10.0.0.0/8".parse().unwrap()],
            named: Named::Username,
            superusers: false,
        };
        let read = |peer: &str, list: &[(&'static str, &[u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
            }
            settings.read(peer.parse().unwrap(), &headers)
        };
        let ann = || Said::Somebody(UserKey::Username("ann".to_owned()));
        assert_eq!(read("10.1.2.3", &[("x-remote-user", b" ann ")]), ann());
        for peer in ["127.0.0.1", "11.0.0.1", "::1", "::ffff:10.1.2.3"] {
            assert_eq!(read(peer, &[("x-remote-user", b"ann")]), Said::Nothing, "{peer}");
        }
        for nothing in [&[][..], &[("x-remote-user", &b""[..])][..], &[("x-remote-users", &b"ann"[..])][..]] {
            assert_eq!(read("10.1.2.3", nothing), Said::Nothing);
        }
        for unclear in [
            &[("x_remote_user", &b"ann"[..])][..],
            &[("x-remote-user", b"ann"), ("x-remote-user", b"ann")],
            &[("x-remote-user", b"ann"), ("x_remote_user", b"boss")],
            &[("x-remote-user", b"ann"), ("xremoteuser", b"boss")],
            &[("x-remote-user", b"ann,boss")],
            &[("x-remote-user", b"\xffann")],
            &[("x-remote-user", &[b'a'; 600])],
        ] {
            assert_eq!(read("10.1.2.3", unclear), Said::Unclear, "{unclear:?}");
        }
    }
}
