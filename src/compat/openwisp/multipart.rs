//! Multipart forms (RFC 7578), as leniently as Django reads them: what stands between two boundaries is a part, wherever they
//! stand, a last one need not be there, and a part without a name is passed over.

use super::charset::Charset;
use super::form::MOST_FIELDS;
use super::media::Header;
use super::value::{Fields, Value};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use thiserror::Error;

/// A part's headers, at most, in bytes.
const LARGEST_HEAD: usize = 1024;
/// Files of a form, at most.
const MOST_FILES: usize = 100;
/// A boundary, at most, in bytes (RFC 2046 says 70).
const LONGEST_BOUNDARY: usize = 201;

/// Why a form is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum MultipartError {
    /// It is not what it says it is.
    #[error("{0}")]
    Broken(String),
    /// Too many fields or files.
    #[error("too many fields")]
    TooMany,
}

/// The fields of a form with this content type.
pub(super) fn fields(
    content_type: &str,
    header: &Header,
    body: &[u8],
    charset: Charset,
) -> Result<Fields, MultipartError> {
    let broken = |text: String| MultipartError::Broken(text);
    if !content_type.starts_with("multipart/") {
        return Err(broken(format!("Invalid Content-Type: {content_type}")));
    }
    let boundary = header.parameter("boundary");
    let fits = |boundary: &&str| {
        let printable = boundary.bytes().all(|b| (b' '..=b'~').contains(&b));
        printable && (1..=LONGEST_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ')
    };
    let Some(boundary) = boundary.filter(fits) else {
        return Err(broken(format!("Invalid boundary in multipart: {}", boundary.unwrap_or("None"))));
    };
    let separator = format!("--{boundary}");
    let (mut texts, mut files) = (Fields::of_form(Vec::new()), Vec::new());
    // The one before the first boundary and the one behind the last count too.
    let (mut others, mut found_files) = (0, 0);
    let mut pieces = parts(body, separator.as_bytes()).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let part = Part::read(piece)?;
        if matches!(part.kind, Kind::File) {
            found_files += 1;
        } else {
            others += 1;
        }
        if others > MOST_FIELDS + 2 || found_files > MOST_FILES {
            return Err(MultipartError::TooMany);
        }
        let Some(name) = part.name else { continue };
        match part.kind {
            Kind::Field => {
                let data = if part.base64 { from_base64(part.data) } else { None };
                texts.insert(name, charset.lossy(data.as_deref().unwrap_or(part.data)).into());
            }
            // A file that breaks off is none.
            Kind::File if pieces.peek().is_some() => files.push(name),
            Kind::File | Kind::Other => {}
        }
    }
    for name in files {
        texts.insert(name, Value::File);
    }
    Ok(texts)
}

/// What a form has in a file of this name; `None` where it has none, or none that was chosen.
#[must_use]
pub fn file<'b>(headers: &HeaderMap, body: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let header = Header::parse(headers.get(CONTENT_TYPE)?.to_str().ok()?)?;
    let boundary = header.parameter("boundary").filter(|boundary| (1..=LONGEST_BOUNDARY).contains(&boundary.len()))?;
    let separator = format!("--{boundary}");
    let parts = parts(body, separator.as_bytes()).into_iter().filter_map(|piece| Part::read(piece).ok());
    let mut files = parts.filter(|part| matches!(part.kind, Kind::File) && part.name.as_deref() == Some(name));
    files.next().map(|part| part.data)
}

/// What stands between boundaries, without the line break before each; nothing behind the last is no part.
fn parts<'b>(body: &'b [u8], separator: &[u8]) -> Vec<&'b [u8]> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, separator) {
        let (piece, after) = rest.split_at_checked(at).unwrap_or_default();
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        found.push(piece.strip_suffix(b"\r").unwrap_or(piece));
        rest = after.get(separator.len()..).unwrap_or_default();
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

enum Kind {
    Field,
    File,
    Other,
}

struct Part<'b> {
    kind: Kind,
    name: Option<String>,
    base64: bool,
    data: &'b [u8],
}

impl<'b> Part<'b> {
    fn read(piece: &'b [u8]) -> Result<Self, MultipartError> {
        let none = Self { kind: Kind::Other, name: None, base64: false, data: piece };
        let head = piece.get(..LARGEST_HEAD).unwrap_or(piece);
        let Some(end) = find(head, b"\r\n\r\n") else {
            let too_large = piece.len() >= LARGEST_HEAD;
            let problem = "Request max total header size exceeded.".to_owned();
            return if too_large { Err(MultipartError::Broken(problem)) } else { Ok(none) };
        };
        let mut part = Self { data: piece.get(end + 4..).unwrap_or_default(), ..none };
        let head = head.get(..end).unwrap_or_default();
        let mut from = 0;
        while from <= head.len() {
            let rest = head.get(from..).unwrap_or_default();
            let end = find(rest, b"\r\n").unwrap_or(rest.len());
            from += end + 2;
            let line = std::str::from_utf8(rest.get(..end).unwrap_or_default()).ok();
            let Some(header) = line.and_then(Header::parse) else { continue };
            let Some((name, value)) = header.main.split_once(':') else { continue };
            match name {
                "content-disposition" => {
                    part.name = header.parameter("name").map(|name| name.trim().to_owned());
                    let is_file = header.parameter("filename").is_some_and(|name| !name.is_empty());
                    part.kind = if is_file { Kind::File } else { Kind::Field };
                }
                "content-transfer-encoding" => part.base64 = value.trim() == "base64",
                _ => {}
            }
        }
        Ok(part)
    }
}

/// As Python reads it: what is no letter of it is passed over, and behind the padding nothing counts.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut letters, mut padding) = (Vec::with_capacity(text.len()), 0_u32, 0_u32, 0_u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += u32::from(letters >= 2);
                if letters + padding >= 4 {
                    return Some(bytes);
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        letters = (letters + 1) % 4;
        let shift = match letters {
            2 => 4,
            3 => 2,
            0 => 0,
            _ => continue,
        };
        bytes.push(u8::try_from(bits >> shift & 0xff).unwrap_or_default());
    }
    (letters == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{MultipartError, fields};
    use crate::compat::openwisp::charset::Charset;
    use crate::compat::openwisp::media::Header;
    use crate::compat::openwisp::value::{Fields, Value};
    use proptest::prelude::*;

    fn read(content_type: &str, body: &str) -> Result<Fields, MultipartError> {
        fields(content_type, &Header::parse(content_type).unwrap(), body.as_bytes(), Charset::UTF8)
    }

    fn part(headers: &str, value: &str) -> String {
        format!("--x\r\nContent-Disposition: {headers}\r\n\r\n{value}\r\n")
    }

    /// As Django 5.2 reads them.
    #[test]
    fn a_form_is_read_as_django_reads_it() {
        let named = |headers: &str| part(headers, "v");
        for (body, value) in [
            (named("form-data; name=\"a\"") + "--x--\r\n", Some("v")),
            (named("form-data; name=\"a\""), Some("v\r\n")),
            ("before it".to_owned() + &named("form-data; name=a") + "--x", Some("v")),
            (named("FORM-DATA; NAME=\" a \"") + "--x--", Some("v")),
            (named("form-data; name=\"a\"; filename=\"\"") + "--x--", Some("v")),
            (named("form-data; name*=utf-8''a") + "--x--", Some("v")),
            (named("form-data; name='a'") + "--x--", None),
            (named("form-data") + "--x--", None),
            (named("form-data; name=\"a\"").replace("\r\n", "\n") + "--x--", None),
            (part("form-data; name=a\r\nContent-Transfer-Encoding: base64", "d g=\r\n=") + "--x--", Some("v")),
            (part("form-data; name=a\r\nContent-Transfer-Encoding: base64", "!!!!!") + "--x--", Some("")),
            (part("form-data; name=a\r\nContent-Transfer-Encoding: base64", "abcde") + "--x--", Some("abcde")),
            (named("form-data; name=a") + &part("form-data; name=a", "w\n\r\n") + "--x--", Some("w\n\r\n")),
            ("garbage".to_owned(), None),
            (String::new(), None),
        ] {
            let fields = read("multipart/form-data; boundary=x", &body).unwrap();
            assert_eq!(fields.get("a").and_then(Value::as_str), value, "{body:?}");
        }
        let file = named("form-data; name=a; filename=f");
        assert_eq!(
            read("multipart/form-data; boundary=x", &(file.clone() + "--x--")).unwrap().get("a"),
            Some(&Value::File)
        );
        assert_eq!(read("multipart/form-data; boundary=x", &file).unwrap().get("a"), None);
    }

    #[test]
    fn what_is_no_form_is_said_so_and_there_is_an_end() {
        let broken = |text: &str| Err(MultipartError::Broken(text.to_owned()));
        for (content_type, body, wanted) in [
            ("multipart/form-data", String::new(), broken("Invalid boundary in multipart: None")),
            ("multipart/form-data; boundary=\"a \"", String::new(), broken("Invalid boundary in multipart: a ")),
            (
                "Multipart/Form-Data; boundary=x",
                String::new(),
                broken("Invalid Content-Type: Multipart/Form-Data; boundary=x"),
            ),
            ("multipart/form-data; boundary=x", "y".repeat(1024), broken("Request max total header size exceeded.")),
            ("multipart/form-data; boundary=x", "--x\r\n\r\n".repeat(1003), Err(MultipartError::TooMany)),
            ("multipart/form-data; boundary=x", "--x\r\n\r\n".repeat(1000), Ok(Fields::of_form(Vec::new()))),
            (
                "multipart/form-data; boundary=x",
                part("form-data; name=a; filename=f", "").repeat(101),
                Err(MultipartError::TooMany),
            ),
        ] {
            assert_eq!(read(content_type, &body), wanted, "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_form_makes_it_stumble(body in "(--x|\r\n|Content-Disposition: form-data; name=\"a\"|[a;=*'\"\\\\<>:]|\\PC){0,60}") {
            let _ = read("multipart/form-data; boundary=x", &body);
        }
    }
}
