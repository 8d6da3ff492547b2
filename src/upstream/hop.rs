//! Hop-by-hop fields (RFC 9110, 7.6.1): what speaks of one connection alone and never goes on to the next.

use arrayvec::ArrayVec;

/// Whether a field is hop-by-hop, whether `Connection` names it or not; `name` is in lower case.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'e') => name == "expect",
        Some(b'h') => name == "http2-settings",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

/// Names that a message keeps whatever `Connection` says: without them it would be another message.
const ESSENTIAL: [&str; 4] = ["host", "content-length", "content-type", "content-encoding"];

/// So many names fit without an allocation; nearly always there is none.
const FEW: usize = 4;

/// What the `Connection` fields of a message say.
#[derive(Debug, Default)]
pub struct Options<'h> {
    /// This message is the last.
    pub close: bool,
    /// HTTP/1.0: it is not.
    pub keep_alive: bool,
    few: ArrayVec<&'h [u8], FEW>,
    more: Vec<&'h [u8]>,
}

impl<'h> Options<'h> {
    /// Reads one `Connection` field.
    pub fn read(&mut self, value: &'h [u8]) {
        for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty()) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if self.few.try_push(option).is_err() {
                self.more.push(option);
            }
        }
    }

    /// Whether a field, whose name is given in lower case, is meant for this connection alone.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        !self.few.is_empty()
            && self.few.iter().chain(&self.more).any(|named| named.eq_ignore_ascii_case(name.as_bytes()))
            && !ESSENTIAL.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, is_hop_by_hop};

    #[test]
    fn what_connection_names_does_not_pass_but_what_makes_the_message_does() {
        let mut options = Options::default();
        options.read(b" keep-alive,, X-Mine ,\tcookie, host,a,b,c");
        assert!(options.keep_alive && !options.close);
        options.read(b"Close");
        assert!(options.close);
        for (name, named) in [("x-mine", true), ("cookie", true), ("c", true), ("host", false), ("d", false)] {
            assert_eq!(options.names(name), named, "{name}");
        }
        assert!(!Options::default().names("x-mine"));
    }

    #[test]
    fn some_fields_never_pass() {
        for name in ["connection", "keep-alive", "te", "trailer", "upgrade", "proxy-authenticate", "transfer-encoding"]
        {
            assert!(is_hop_by_hop(name), "{name}");
        }
        assert!(!is_hop_by_hop("content-length") && !is_hop_by_hop("x") && !is_hop_by_hop(""));
    }
}
