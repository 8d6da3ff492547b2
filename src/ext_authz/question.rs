//! A `CheckRequest`: which request is asked about.

use super::wire::{Fields, Malformed, Value, once};
use std::net::IpAddr;

/// What a `CheckRequest` tells of the request. Each text is the message's own; one that is not told is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Question<'a> {
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    pub host: &'a str,
    pub scheme: &'a str,
    /// What Envoy leaves empty, since the path has it.
    pub query: &'a str,
    pub fragment: &'a str,
    /// In the order of the message. Only so many as were asked for, and one more.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// Headers of one name came as one, with commas between them.
    pub is_joined: bool,
    /// The body, or its beginning, byte for byte.
    pub raw_body: Option<&'a [u8]>,
    /// Who is connected to Envoy.
    pub source: Option<IpAddr>,
}

/// The fields of `envoy.service.auth.v3.AttributeContext.HttpRequest` that are read.
#[derive(Default)]
struct Http<'a> {
    method: Option<&'a str>,
    path: Option<&'a str>,
    host: Option<&'a str>,
    scheme: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
    raw_body: Option<&'a [u8]>,
    header_map: Option<&'a [u8]>,
}

impl<'a> Question<'a> {
    /// Reads a message, of whose headers so many are kept, and one more.
    ///
    /// # Errors
    /// It is no such message, or could be read in two ways.
    pub fn read(message: &'a [u8], most: usize) -> Result<Self, Malformed> {
        let mut attributes = None;
        for field in Fields::of(message) {
            if let (1, value) = field? {
                once(&mut attributes, value.bytes()?)?;
            }
        }
        let (mut source, mut request) = (None, None);
        for field in Fields::of(attributes.ok_or(Malformed::Missing)?) {
            match field? {
                (1, value) => once(&mut source, value.bytes()?)?,
                (4, value) => once(&mut request, value.bytes()?)?,
                _ => {}
            }
        }
        let mut http = None;
        for field in Fields::of(request.ok_or(Malformed::Missing)?) {
            if let (2, value) = field? {
                once(&mut http, value.bytes()?)?;
            }
        }
        let mut question = Self::of_http(http.ok_or(Malformed::Missing)?, most)?;
        question.source = source.map(peer).transpose()?.flatten();
        Ok(question)
    }

    fn of_http(message: &'a [u8], most: usize) -> Result<Self, Malformed> {
        let (mut http, mut headers) = (Http::default(), Vec::with_capacity(most.min(32)));
        for field in Fields::of(message) {
            match field? {
                (2, value) => once(&mut http.method, value.text()?)?,
                (3, value) => {
                    let (key, value) = entry(value, false)?;
                    if headers.len() <= most {
                        headers.push((key, value));
                    }
                }
                (4, value) => once(&mut http.path, value.text()?)?,
                (5, value) => once(&mut http.host, value.text()?)?,
                (6, value) => once(&mut http.scheme, value.text()?)?,
                (7, value) => once(&mut http.query, value.text()?)?,
                (8, value) => once(&mut http.fragment, value.text()?)?,
                (12, value) => once(&mut http.raw_body, value.bytes()?)?,
                (13, value) => once(&mut http.header_map, value.bytes()?)?,
                _ => {}
            }
        }
        if let Some(map) = http.header_map {
            headers.clear();
            for field in Fields::of(map) {
                if let (1, value) = field? {
                    let told = entry(value, true)?;
                    if headers.len() <= most {
                        headers.push(told);
                    }
                }
            }
        }
        Ok(Self {
            method: http.method.unwrap_or_default(),
            path: http.path.unwrap_or_default(),
            host: http.host.unwrap_or_default(),
            scheme: http.scheme.unwrap_or_default(),
            query: http.query.unwrap_or_default(),
            fragment: http.fragment.unwrap_or_default(),
            headers,
            is_joined: http.header_map.is_none(),
            raw_body: http.raw_body,
            source: None,
        })
    }
}

/// A name and a value: of a map, or of `envoy.config.core.v3.HeaderValue`, which has bytes besides.
fn entry(entry: Value<'_>, has_bytes: bool) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut text, mut bytes) = (None, None, None);
    for field in Fields::of(entry.bytes()?) {
        match field? {
            (1, value) => once(&mut key, value.text()?)?,
            (2, value) => once(&mut text, value.text()?.as_bytes())?,
            (3, value) if has_bytes => once(&mut bytes, value.bytes()?)?,
            _ => {}
        }
    }
    let value = match (text.unwrap_or_default(), bytes.unwrap_or_default()) {
        ([], bytes) => bytes,
        (text, []) => text,
        (text, bytes) if text == bytes => text,
        _ => return Err(Malformed::Repeated),
    };
    Ok((key.filter(|key| !key.is_empty()).ok_or(Malformed::Missing)?, value))
}

/// The address of an `AttributeContext.Peer`: that of a socket; who comes over a Unix socket is on this machine.
fn peer(message: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let (mut address, mut found) = (None, None);
    for field in Fields::of(message) {
        if let (1, value) = field? {
            once(&mut address, value.bytes()?)?;
        }
    }
    for field in Fields::of(address.unwrap_or_default()) {
        match field? {
            (1, socket) => once(&mut found, of_socket(socket.bytes()?)?)?,
            (2, _) => once(&mut found, Some(IpAddr::from([127, 0, 0, 1])))?,
            _ => {}
        }
    }
    Ok(found.flatten())
}

/// The address of an `envoy.config.core.v3.SocketAddress`.
fn of_socket(message: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let mut address = None;
    for field in Fields::of(message) {
        if let (2, value) = field? {
            once(&mut address, value.text()?)?;
        }
    }
    Ok(address.and_then(|address| address.parse().ok()))
}
