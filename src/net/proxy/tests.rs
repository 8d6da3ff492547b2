use super::{LONGEST_LINE, ProxyError, SIGNATURE, Source, read, v1, v2};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

/// Reads from bytes with more behind them: the header's reading, and what it left.
fn begin(bytes: &[u8]) -> (Result<Source, String>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut rest = bytes;
    let source = runtime.block_on(read(&mut rest)).map_err(|error| error.to_string());
    (source, rest.to_vec())
}

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

fn client(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

#[test]
fn a_header_says_whose_connection_it_is_and_leaves_the_rest() {
    let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];
    let with_extension = [&v4[..], &[0x04, 0, 2, 0, 0]].concat();
    for (header, source) in [
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n".to_vec(), client("192.0.2.1:56324")),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), client("[2001:db8::1]:1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Source::Proxy),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Source::Proxy),
        (header(0x21, 0x11, &v4), client("192.0.2.1:56324")),
        (header(0x21, 0x11, &with_extension), client("192.0.2.1:56324")),
        (header(0x20, 0x00, &[]), Source::Proxy),
        (header(0x20, 0x11, &v4), Source::Proxy),
        (header(0x21, 0x00, &[1, 2, 3]), Source::Proxy),
        (header(0x21, 0x31, &[0; 216]), Source::Proxy),
    ] {
        let behind = b"GET / HTTP/1.1\r\n";
        let (read, rest) = begin(&[&header[..], behind].concat());
        assert_eq!(read, Ok(source), "{:?}", String::from_utf8_lossy(&header));
        assert_eq!(rest, behind);
    }
}

#[test]
fn what_is_not_exactly_a_header_is_none() {
    use ProxyError::{Malformed, Missing, TooLong};
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE));
    for (line, error) in [
        ("GET / HTTP/1.1\r\n", Missing),
        ("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Missing),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", Malformed),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Malformed),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Malformed),
        ("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", Malformed),
        ("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", Malformed),
        ("PROXY TCP4 1.1.1.1 ::1 1 2\r\n", Malformed),
        ("PROXY TCP6 1.1.1.1 ::1 1 2\r\n", Malformed),
        ("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", Malformed),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Malformed),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", Malformed),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", Malformed),
        ("PROXY UNKNOWNX\r\n", Malformed),
        (&long, TooLong),
    ] {
        assert_eq!(v1(line.as_bytes()), Err(error), "{line:?}");
        assert!(begin(line.as_bytes()).0.is_err(), "{line:?}");
    }
    for (header, error) in [
        (header(0x11, 0x11, &[0; 12]), Malformed),
        (header(0x22, 0x11, &[0; 12]), Malformed),
        (header(0x21, 0x12, &[0; 12]), Malformed),
        (header(0x21, 0x11, &[0; 11]), Malformed),
        (header(0x21, 0x21, &[0; 35]), Malformed),
        (header(0x21, 0x31, &[0; 215]), Malformed),
        (header(0x21, 0x11, &[0; 13]), Malformed),
        (header(0x21, 0x11, &[&[0; 12][..], &[4, 0, 9, 0]].concat()), Malformed),
        (header(0x20, 0x00, &[0; 3000]), TooLong),
    ] {
        assert_eq!(v2(&header), Err(error), "{header:?}");
        assert!(begin(&header).0.is_err(), "{header:?}");
    }
    assert!(begin(b"").0.is_err());
}

proptest! {
    /// Whatever a proxy writes by the book is read as it was meant, and nothing behind it is touched.
    #[test]
    fn every_honest_header_is_understood(source: SocketAddr, destination: SocketAddr, behind: Vec<u8>) {
        let destination = match source.ip() {
            IpAddr::V4(_) => IpAddr::V4([10, 0, 0, 1].into()),
            IpAddr::V6(_) => IpAddr::V6([0, 0, 0, 0, 0, 0, 0, 1].into()),
        }.to_string() + &format!(" {} {}", source.port(), destination.port());
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {} {destination}\r\n", source.ip());
        let (read, rest) = begin(&[line.as_bytes(), &behind].concat());
        let meant = Source::Client(SocketAddr::new(source.ip(), source.port()));
        prop_assert_eq!(read, Ok(meant));
        prop_assert_eq!(rest, behind.clone());

        let mut addresses = match source.ip() {
            IpAddr::V4(v4) => [v4.octets(); 2].concat(),
            IpAddr::V6(v6) => [v6.octets(); 2].concat(),
        };
        addresses.extend(source.port().to_be_bytes());
        addresses.extend([0, 80]);
        let v2 = header(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &addresses);
        let (read, rest) = begin(&[&v2[..], &behind].concat());
        prop_assert_eq!(read, Ok(meant));
        prop_assert_eq!(rest, behind);
    }

    /// Anything may come; at most the longest header is taken.
    #[test]
    fn no_bytes_are_a_surprise(mut bytes: Vec<u8>, signature: bool, line: bool) {
        if signature {
            bytes.splice(..0, *SIGNATURE);
        } else if line {
            bytes.splice(..0, *b"PROXY TCP4 ");
        }
        let length = bytes.len();
        let (read, rest) = begin(&bytes);
        prop_assert!(rest.len() <= length);
        if let Ok(Source::Client(_)) = read {
            prop_assert!(signature || line);
        }
    }
}
