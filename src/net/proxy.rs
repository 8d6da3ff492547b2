//! The PROXY protocol, versions 1 and 2: a proxy's first bytes say whose connection it passes on.
//!
//! Read only from the proxies that are configured, and then required: a receiver that guesses lets anybody claim an address
//! (section 2 of the specification). The reader is strict and takes not one byte more than the header. Extensions (TLVs) of
//! version 2 are skipped.
//!
//! Reference: <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The twelve bytes that begin version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The shortest header of version 1, `PROXY UNKNOWN` and its line end; one of version 2 has one byte more at least.
const SHORTEST: usize = 15;

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The most that a header of version 2 may hold behind its 16 bytes: addresses and extensions.
const LONGEST_REST: usize = 2048;

/// Why a connection that must begin with a header does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// It begins with something else.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    #[error("the PROXY header is malformed")]
    Malformed,
    /// Longer than any honest one.
    #[error("the PROXY header is too long")]
    TooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own, a health check for instance; or it does not know.
    Proxy,
    Client(SocketAddr),
}

/// Reads a header from the beginning of a connection.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] with a [`ProxyError`]; or what the connection says.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Source> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await?);
        let rest = rest_of_v2(&header)?;
        let start = header.len();
        header.resize(start + rest, 0);
        stream.read_exact(header.get_mut(start..).unwrap_or_default()).await?;
        return Ok(v2(&header)?);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(ProxyError::Missing.into());
    }
    while !header.ends_with(b"\n") {
        if header.len() >= LONGEST_LINE {
            return Err(ProxyError::TooLong.into());
        }
        header.push(stream.read_u8().await?);
    }
    Ok(v1(&header)?)
}

impl From<ProxyError> for io::Error {
    fn from(error: ProxyError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads a whole line of version 1, its CRLF included.
pub fn v1(line: &[u8]) -> Result<Source, ProxyError> {
    if line.len() > LONGEST_LINE {
        return Err(ProxyError::TooLong);
    }
    let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    let words = text.ok_or(ProxyError::Malformed)?.strip_prefix("PROXY ").ok_or(ProxyError::Missing)?;
    if words == "UNKNOWN" || words.starts_with("UNKNOWN ") {
        // Whatever follows must be ignored (section 2.1), as long as it is one line.
        return if words.contains(['\r', '\n']) { Err(ProxyError::Malformed) } else { Ok(Source::Proxy) };
    }
    let mut words = words.split(' ');
    let mut word = || words.next().ok_or(ProxyError::Malformed);
    let (family, source, destination) = (word()?, word()?, word()?);
    let (source_port, _) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(ProxyError::Malformed);
    }
    let parse = |text: &str| -> Result<IpAddr, ProxyError> {
        let address: IpAddr = text.parse().map_err(|_| ProxyError::Malformed)?;
        let fits = match family {
            "TCP4" => address.is_ipv4(),
            "TCP6" => address.is_ipv6(),
            _ => false,
        };
        if fits { Ok(address) } else { Err(ProxyError::Malformed) }
    };
    parse(destination)?;
    Ok(Source::Client(SocketAddr::new(parse(source)?, source_port)))
}

/// A decimal port without a sign or leading zeros.
fn port(text: &str) -> Result<u16, ProxyError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(ProxyError::Malformed)
}

/// How many bytes follow the first sixteen of version 2.
fn rest_of_v2(start: &[u8]) -> Result<usize, ProxyError> {
    let length = start.get(14..16).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let length = usize::from(length.ok_or(ProxyError::Malformed)?);
    if length > LONGEST_REST { Err(ProxyError::TooLong) } else { Ok(length) }
}

/// Reads a whole header of version 2.
pub fn v2(header: &[u8]) -> Result<Source, ProxyError> {
    let rest = header.strip_prefix(SIGNATURE).ok_or(ProxyError::Missing)?;
    let [command, family, _, _, rest @ ..] = rest else { return Err(ProxyError::Malformed) };
    if rest.len() != rest_of_v2(header)? {
        return Err(ProxyError::Malformed);
    }
    match command {
        // LOCAL: the addresses must be ignored.
        0x20 => return Ok(Source::Proxy),
        0x21 => {}
        _ => return Err(ProxyError::Malformed),
    }
    match family {
        // Unspecified.
        0x00 => Ok(Source::Proxy),
        // TCP over IPv4.
        0x11 => {
            let (address, port) = source::<4>(rest)?;
            Ok(Source::Client(SocketAddr::new(Ipv4Addr::from(address).into(), port)))
        }
        // TCP over IPv6.
        0x21 => {
            let (address, port) = source::<16>(rest)?;
            Ok(Source::Client(SocketAddr::new(Ipv6Addr::from(address).into(), port)))
        }
        // A Unix socket: 108 bytes each. It is the proxy's machine.
        0x31 if rest.len() >= 216 => Ok(Source::Proxy),
        _ => Err(ProxyError::Malformed),
    }
}

/// The source's address and port, out of both addresses and then both ports; extensions behind them are skipped, if their
/// lengths are true.
fn source<const N: usize>(rest: &[u8]) -> Result<([u8; N], u16), ProxyError> {
    let (source, rest) = rest.split_first_chunk::<N>().ok_or(ProxyError::Malformed)?;
    let (_, rest) = rest.split_first_chunk::<N>().ok_or(ProxyError::Malformed)?;
    let (port, rest) = rest.split_first_chunk::<2>().ok_or(ProxyError::Malformed)?;
    let (_, mut extensions) = rest.split_first_chunk::<2>().ok_or(ProxyError::Malformed)?;
    while !extensions.is_empty() {
        let [_, high, low, value @ ..] = extensions else { return Err(ProxyError::Malformed) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        extensions = value.get(length..).ok_or(ProxyError::Malformed)?;
    }
    Ok((*source, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests;
