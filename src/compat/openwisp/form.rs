//! URL-encoded forms and queries, as Django's `QueryDict` reads them.

use super::charset::Charset;
use percent_encoding::percent_decode_str;

/// Fields of a form, at most; the reference's own limit, which counts what stands between separators.
pub(super) const MOST_FIELDS: usize = 1000;

/// The pairs, in their order; `None` where there are too many.
pub(super) fn pairs(body: &[u8], charset: Charset) -> Option<Vec<(String, String)>> {
    // Some clients send raw bytes of another charset: then all of it is read as that one.
    let text = match charset {
        Charset::Utf8 { .. } => std::str::from_utf8(body).map(str::to_owned).ok(),
        other => other.strict(body),
    };
    let text = text.unwrap_or_else(|| Charset::Latin1.lossy(body));
    if text.matches('&').count() >= MOST_FIELDS {
        return None;
    }
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    let pairs = pieces.map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decoded(name, charset), decoded(value, charset))
    });
    Some(pairs.collect())
}

/// Runs of ASCII are decoded each by itself; what is no ASCII is text already.
fn decoded(part: &str, charset: Charset) -> String {
    let part = part.replace('+', " ");
    if !part.contains('%') {
        return part;
    }
    let mut text = String::with_capacity(part.len());
    let mut rest = part.as_str();
    while !rest.is_empty() {
        let is_ascii = rest.starts_with(|c: char| c.is_ascii());
        let end = rest.find(|c: char| c.is_ascii() != is_ascii).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if is_ascii {
            let bytes: Vec<u8> = percent_decode_str(run).collect();
            text.push_str(&charset.lossy(&bytes));
        } else {
            text.push_str(run);
        }
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{MOST_FIELDS, pairs};
    use crate::compat::openwisp::charset::Charset;

    #[test]
    fn a_form_is_read_as_django_reads_it() {
        for (body, name, value) in [
            (&b"a=1"[..], "a", "1"),
            (b"&&a", "a", ""),
            (b"a=b=c", "a", "b=c"),
            (b"a%20b=+c%2B", "a b", " c+"),
            (b"a=%C3%A9", "a", "é"),
            (b"a=%E9", "a", "\u{FFFD}"),
            (b"a=%zz%4", "a", "%zz%4"),
            // Bytes that are no UTF-8 make the whole of it Latin-1.
            (b"a=\xe9%C3%A9", "a", "éé"),
            (b"a=1;b=2", "a", "1;b=2"),
        ] {
            assert_eq!(pairs(body, Charset::UTF8).unwrap(), [(name.to_owned(), value.to_owned())], "{body:?}");
        }
        assert_eq!(pairs(b"", Charset::UTF8).unwrap(), []);
        assert!(pairs("&".repeat(MOST_FIELDS - 1).as_bytes(), Charset::UTF8).is_some());
        assert_eq!(pairs("&".repeat(MOST_FIELDS).as_bytes(), Charset::UTF8), None);
    }
}
