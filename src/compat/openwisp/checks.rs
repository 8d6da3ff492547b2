//! What Django's validators take for an address of mail or of the web, and for a slug.

use regex::Regex;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

const LONGEST_EMAIL: usize = 320;
const LONGEST_URL: usize = 2048;
/// Of a host name, in characters.
const LONGEST_HOST: usize = 253;
const SCHEMES: [&str; 4] = ["http", "https", "ftp", "ftps"];

/// `EmailValidator`.
pub(super) fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.rsplit_once('@') else { return false };
    let is_domain = || domain == "localhost" || is_domain(domain) || is_literal(domain);
    text.chars().count() <= LONGEST_EMAIL && (is_dot_atom(user) || is_quoted(user)) && is_domain()
}

fn is_dot_atom(user: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"-!#$%&'*+/=?^_`{}|~".contains(&b);
    user.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
}

fn is_quoted(user: &str) -> bool {
    let Some(inner) = user.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut chars = inner.bytes();
    while let Some(b) = chars.next() {
        let fits = match b {
            b'\\' => chars.next().is_some_and(|b| matches!(b, 1..=9 | 11 | 12 | 14..=127)),
            b => matches!(b, 1..=8 | 11 | 12 | 14..=31 | b'!' | b'#'..=b'[' | b']'..=127),
        };
        if !fits {
            return false;
        }
    }
    true
}

fn is_literal(domain: &str) -> bool {
    let address = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.is_some_and(|text| text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok())
}

/// A name of at least two labels, the last of which has no digits unless it is punycode.
fn is_domain(domain: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || ('\u{a1}'..='\u{ffff}').contains(&c);
    let fits = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.chars().count())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(fits)
    };
    let Some((names, last)) = domain.rsplit_once('.') else { return false };
    let puny = last.get(..4).filter(|start| start.eq_ignore_ascii_case("xn--")).and_then(|_| last.get(4..));
    let is_puny =
        puny.is_some_and(|rest| (1..=59).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let is_top = last.chars().count() >= 2 && is_label(last) && !last.chars().any(|c| c.is_ascii_digit());
    names.split('.').all(is_label) && (is_top || is_puny)
}

/// `URLValidator`.
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) || text.chars().count() > LONGEST_URL {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let tail = rest.get(authority.len()..).unwrap_or_default();
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let fits = |text: &str| !text.contains([':', '@']) && !text.contains(char::is_whitespace);
            if name.is_empty() || !fits(name) || !fits(password) {
                return false;
            }
            host
        }
        None => authority,
    };
    let (host, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let is_v6 = || {
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
    };
    let named = host.strip_suffix('.').unwrap_or(host);
    let is_host =
        host.parse::<Ipv4Addr>().is_ok() || is_v6() || host.eq_ignore_ascii_case("localhost") || is_domain(named);
    !tail.contains(char::is_whitespace) && port.is_none_or(is_port) && is_host && host.chars().count() <= LONGEST_HOST
}

/// `validate_slug`.
pub(super) fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `UnicodeUsernameValidator`.
pub(super) fn is_username(text: &str) -> bool {
    /// Python's `\w` is letters and numbers; Rust's alphabetic characters are marks and signs too.
    static USERNAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A[\p{L}\p{N}_.@+-]+\z").ok());
    USERNAME.as_ref().is_some_and(|username| username.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::{is_email, is_url};

    /// As Django 5.2 judges them.
    #[test]
    fn addresses_of_mail_are_taken_as_django_takes_them() {
        for text in
            ["a@b.it", "a+b@x.example.org", "a@localhost", "\"a!b\"@b.it", "a@[127.0.0.1]", "a@b.xn--p1ai", "a@bü.de"]
        {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "", "x", "a@b", "a@b.c", "a b@c.it", "a@-b.it", "a@b.1a", ".a@b.it", "a@b..it", "@b.it", "a@b.it.",
            "a@[1.2]",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_web_are_taken_as_django_takes_them() {
        for text in [
            "https://full.example.com/z",
            "ftp://a.example.org",
            "HTTP://LOCALHOST:8000",
            "http://user:pw@a.it?b#c",
            "http://[::1]:80/",
            "http://10.0.0.1",
            "http://a.example.",
        ] {
            assert!(is_url(text), "{text}");
        }
        for text in [
            "bad",
            "x://a.it",
            "http://a",
            "http://a.it/b c",
            "http://a.it:123456",
            "http://",
            "javascript:x",
            "http://[::1/",
            "http://-a.it",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }
}
