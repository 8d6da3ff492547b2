//! What proxies say of the way of a request: lists in `X-Forwarded-*`, and `Forwarded` (RFC 7239). Only what trusted ones say is read.

use http::header::{FORWARDED, HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

/// The elements of a list (RFC 9110, 5.6.1) over all fields of a name, without empty ones; `None` stands for one that is no text.
pub fn elements<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = Option<&'h str>> + use<'h> {
    let values = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    values
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(|element| std::str::from_utf8(element).ok())
}

/// The one thing that all elements of a list say; `None` where there is none, or where they differ.
pub fn agreed<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut elements = elements(headers, name);
    let first = elements.next()??;
    elements.all(|other| other.is_some_and(|other| other.eq_ignore_ascii_case(first))).then_some(first)
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Who sent the request to this proxy; `None` for `unknown`, a name that hides it, and nonsense.
    pub address: Option<IpAddr>,
    pub proto: Option<String>,
    /// The `Host` that was asked for.
    pub host: Option<String>,
}

/// The hops of all `Forwarded` fields, from left to right. What cannot be read ends what is known of everything before it.
pub fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for value in headers.get_all(FORWARDED) {
        let read = std::str::from_utf8(value.as_bytes()).ok().and_then(field);
        match read {
            Some(read) => hops.extend(read),
            None => hops = vec![Hop::default()],
        }
    }
    hops
}

/// `for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"`
fn field(text: &str) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for element in split(text, ',')? {
        if element.trim().is_empty() {
            continue;
        }
        let mut hop = Hop::default();
        let mut seen = Vec::new();
        for pair in split(element, ';')? {
            if pair.trim().is_empty() {
                continue;
            }
            let (name, value) = pair.trim().split_once('=')?;
            let name = name.to_ascii_lowercase();
            // Twice in one element is nonsense (RFC 7239, 4).
            if seen.contains(&name) {
                return None;
            }
            let value = unquoted(value)?;
            match name.as_str() {
                "for" => hop.address = address(&value),
                "proto" => hop.proto = Some(value),
                "host" => hop.host = Some(value),
                _ => {}
            }
            seen.push(name);
        }
        hops.push(hop);
    }
    Some(hops)
}

/// Splits outside of quotes; `None` where a quote is not closed.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut pieces, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == at && !quoted => {
                pieces.push(text.get(begin..index)?);
                begin = index + 1;
            }
            _ => {}
        }
    }
    pieces.push(text.get(begin..)?);
    (!quoted).then_some(pieces)
}

/// A token as it is, or what a quoted string says.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return (!value.is_empty() && !value.contains(['"', ' ', '\t'])).then(|| value.to_owned());
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(out)
}

/// An address of a chain, with or without a port.
pub fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{Hop, agreed, elements, hops};
    use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

    fn list(values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("x-list");
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn said(value: &str) -> Vec<Hop> {
        hops(&HeaderMap::from_iter([(FORWARDED, HeaderValue::from_str(value).unwrap())]))
    }

    fn hop(address: &str, proto: Option<&str>, host: Option<&str>) -> Hop {
        Hop { address: address.parse().ok(), proto: proto.map(str::to_owned), host: host.map(str::to_owned) }
    }

    #[test]
    fn empty_elements_of_a_list_are_passed_over() {
        let headers = list(&[", a,,b ,", "", " c"]);
        let name = HeaderName::from_static("x-list");
        assert!(elements(&headers, &name).eq([Some("a"), Some("b"), Some("c")]));
        for (values, says) in [
            (&["https"][..], Some("https")),
            (&["https, https"], Some("https")),
            (&["https,", "HTTPS"], Some("https")),
            (&["https, http"], None),
            (&["", ","], None),
            (&[], None),
        ] {
            assert_eq!(agreed(&list(values), &name), says, "{values:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        assert_eq!(
            said(
                "for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\";Proto=https;by=203.0.113.43;host=\"a.example:8443\""
            ),
            [hop("192.0.2.43", None, None), hop("2001:db8:cafe::17", Some("https"), Some("a.example:8443"))]
        );
        assert_eq!(said("for=\"192.0.2.1:80\" ; proto=\"ht\\tps\",, "), [hop("192.0.2.1", Some("https"), None)]);
        for hidden in ["for=unknown", "for=_hidden", "for=\"_a,b\"", "proto=https", "for=garbage"] {
            assert!(said(hidden).iter().all(|hop| hop.address.is_none()), "{hidden}");
        }
        for nonsense in ["for=1.2.3.4;for=5.6.7.8", "for=\"1.2.3.4", "for", "for=1.2.3.4, x y", "for=a b"] {
            assert_eq!(said(nonsense), [Hop::default()], "{nonsense}");
        }
        let two = HeaderMap::from_iter(
            ["for=1.2.3.4", "for=\"", "for=5.6.7.8"].map(|value| (FORWARDED, HeaderValue::from_static(value))),
        );
        assert_eq!(hops(&two), [Hop::default(), hop("5.6.7.8", None, None)], "what is behind nonsense is still known");
    }
}
