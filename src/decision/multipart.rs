//! Multipart forms (RFC 7578), read as strictly as they can be written: what parsers of services read in two ways is refused.
//!
//! Some look for a boundary anywhere and some at the beginning of a line, some read one quote as another, some fold lines, some decode what
//! is encoded; Django takes the last of two fields, and Go the first. So every boundary must stand where each of them finds it, every
//! head must be one that they take apart alike, and a name that decides must stand there once, plainly, and be no file's.

use super::json::Field;
use super::strict_source::disposition_names;
use super::{Denial, Reason, media_type};
use crate::normalized_name::same_name;
use crate::request_target::query::spells;
use memchr::memmem;

/// Parts of a form, at most: services read no more fields than about that many, and pass over what comes behind.
const MOST_PARTS: usize = 1000;
/// Longest head of a part, in bytes: that of Django.
const LONGEST_HEAD: usize = 1024;
/// Longest boundary (RFC 2046, 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

const BOUNDARY: &str = "`Content-Type` does not name one plain boundary";
const FRAMING: &str = "a boundary of the form stands where not everybody finds it, or its end is missing";
const HEAD: &str = "the head of a part can be read in more than one way";
const MANY: &str = "the form has too many parts";
const TWICE: &str = "the form names what decides twice, or in another spelling";
const FILE: &str = "what decides is a file in the form";
const TEXT: &str = "the part that decides is no plain text in UTF-8";
const CHARSET: &str = "a form that decides is UTF-8";

/// The parts of a form.
///
/// # Errors
/// 400 `body_invalid`: two parsers could find two forms in it. 415 `body_type`: it is in another charset.
pub(super) fn parts<'b>(content_type: &str, body: &'b [u8]) -> Result<Vec<Part<'b>>, Denial> {
    let parts = pieces(body, boundary(content_type)?)?.into_iter().map(Part::read).collect::<Result<Vec<_>, _>>()?;
    let is_other =
        |part: &Part<'_>| part.name.eq_ignore_ascii_case("_charset_") && !part.value.eq_ignore_ascii_case(b"utf-8");
    if parts.iter().any(is_other) {
        return Err(Denial::new(Reason::BodyType).with_fault(CHARSET));
    }
    Ok(parts)
}

/// What a form says of a field: each of its values.
///
/// # Errors
/// 400 `ambiguous`: parsers could find the field twice, or as a file. 415 `body_type`: it is no plain text.
pub(super) fn values(parts: &[Part<'_>], name: &str) -> Result<Vec<Field>, Denial> {
    let mut found = Vec::new();
    for part in parts {
        if part.name == name {
            found.push(part.field()?);
        } else if spells(part.name.as_bytes(), name)
            || disposition_names(part.disposition.as_bytes(), &|word: &[u8]| spells(word, name))
        {
            return Err(Denial::new(Reason::Ambiguous).with_fault(TWICE));
        }
    }
    Ok(found)
}

fn invalid(fault: &'static str) -> Denial {
    Denial::new(Reason::BodyInvalid).with_fault(fault)
}

/// The one boundary that a type names, of signs that nobody reads as anything else.
fn boundary(content_type: &str) -> Result<&str, Denial> {
    let mut found = None;
    for parameter in content_type.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !same_name(name, "boundary") {
            continue;
        }
        let value = value.trim_end_matches(' ');
        let (text, besides) = match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            Some(text) => (text, "'()+_,-./:=?"),
            None => (value, "+_-."),
        };
        let is_good = (1..=LONGEST_BOUNDARY).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || besides.contains(c))
            && name.trim_start_matches(' ').eq_ignore_ascii_case("boundary");
        if !is_good || found.replace(text).is_some() {
            return Err(invalid(BOUNDARY));
        }
    }
    found.ok_or_else(|| invalid(BOUNDARY))
}

/// The parts. Nothing stands before the first boundary or behind the last, and no boundary elsewhere than between two lines.
fn pieces<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<&'b [u8]>, Denial> {
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    let finder = memmem::Finder::new(delimiter);
    let mut rest = body.strip_prefix(delimiter).ok_or_else(|| invalid(FRAMING))?;
    let mut found = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix(b"--") {
            return if matches!(behind, b"" | b"\r\n") { Ok(found) } else { Err(invalid(FRAMING)) };
        }
        if found.len() == MOST_PARTS {
            return Err(invalid(MANY));
        }
        let part = rest.strip_prefix(b"\r\n").ok_or_else(|| invalid(FRAMING))?;
        let (piece, behind) =
            finder.find(part).and_then(|at| part.split_at_checked(at)).ok_or_else(|| invalid(FRAMING))?;
        found.push(piece.strip_suffix(b"\r\n").ok_or_else(|| invalid(FRAMING))?);
        rest = behind.get(delimiter.len()..).unwrap_or_default();
    }
}

/// One part.
pub(super) struct Part<'b> {
    name: &'b str,
    /// The field that the name stands in.
    disposition: &'b str,
    is_file: bool,
    /// What the part says its value is.
    media_type: Option<&'b str>,
    /// Its value is encoded.
    is_encoded: bool,
    value: &'b [u8],
}

impl<'b> Part<'b> {
    fn read(piece: &'b [u8]) -> Result<Self, Denial> {
        let bad = || invalid(HEAD);
        let window = piece.get(..LONGEST_HEAD).unwrap_or(piece);
        let end = memmem::find(window, b"\r\n\r\n").ok_or_else(bad)?;
        let (head, value) = piece.split_at_checked(end).ok_or_else(bad)?;
        let head = std::str::from_utf8(head).map_err(|_| bad())?;
        let (mut disposition, mut media_type, mut encoding) = (None, None, None);
        for line in head.split("\r\n") {
            // A line that goes on with the one before has no name of its own.
            let (name, text) = line.split_once(':').filter(|(name, _)| is_token(name)).ok_or_else(bad)?;
            if line.contains(char::is_control) {
                return Err(bad());
            }
            let text = text.trim_matches(' ');
            // Gateways of services fold names: `Content_Disposition`.
            let known = [
                ("content-disposition", &mut disposition),
                ("content-type", &mut media_type),
                ("content-transfer-encoding", &mut encoding),
            ];
            for (word, place) in known.into_iter().filter(|(word, _)| same_name(name, word)) {
                if !name.eq_ignore_ascii_case(word) || place.replace(text).is_some() {
                    return Err(bad());
                }
            }
        }
        let disposition = disposition.ok_or_else(bad)?;
        let (name, is_file) = named(disposition).ok_or_else(bad)?;
        // Parts of a part are files of one field, to those who look into it.
        if media_type.is_some_and(|media_type: &str| media_type.to_ascii_lowercase().contains("multipart")) {
            return Err(bad());
        }
        let plain = ["7bit", "8bit", "binary"];
        let is_encoded = encoding.is_some_and(|word: &str| !plain.iter().any(|plain| word.eq_ignore_ascii_case(plain)));
        let value = value.get(4..).unwrap_or_default();
        Ok(Self { name, disposition, is_file, media_type, is_encoded, value })
    }

    /// The value of a field that decides. An empty one is null: forms have no other way to say it.
    fn field(&self) -> Result<Field, Denial> {
        if self.is_file {
            return Err(Denial::new(Reason::Ambiguous).with_fault(FILE));
        }
        let is_plain =
            self.media_type.is_none_or(|text| media_type::parse(text).is_ok_and(|known| known == "text/plain"));
        let text = std::str::from_utf8(self.value).ok().filter(|_| is_plain && !self.is_encoded);
        let text = text.ok_or(Denial::new(Reason::BodyType).with_fault(TEXT))?;
        Ok(if text.is_empty() { Field::Null } else { Field::Text(text.into()) })
    }
}

/// The name of a part, and whether it is a file: `form-data; name="a"; filename="b"`. `None`: it can be read in another way.
fn named(disposition: &str) -> Option<(&str, bool)> {
    let (kind, mut rest) = disposition.split_once(';')?;
    if !kind.trim_end_matches(' ').eq_ignore_ascii_case("form-data") {
        return None;
    }
    let mut seen: Vec<(String, &str)> = Vec::new();
    loop {
        let (key, behind) = rest.trim_start_matches(' ').split_once('=').filter(|(key, _)| is_token(key))?;
        let key = key.to_ascii_lowercase();
        let (value, behind) = match behind.strip_prefix('"') {
            // Who takes a backslash for an escape and who does not must find the same end.
            Some(text) => text.split_once('"').filter(|(text, _)| !text.ends_with('\\'))?,
            None => {
                let (value, _) = behind.split_once(';').unwrap_or((behind, ""));
                // To some, single quotes are quotes too; `UTF-8''a%20b` has an empty pair.
                let quotes = if key == "filename*" { 2 } else { 0 };
                let is_plain = is_token(value.trim_end_matches(' ')) && value.matches('\'').count() == quotes;
                (Some(value).filter(|_| is_plain)?, behind.get(value.len()..)?)
            }
        };
        let is_good = match key.as_str() {
            "name" => !value.contains('\\') && !value.contains("=?"),
            "filename" | "filename*" => true,
            // What some take for those, and their pieces.
            _ => !same_name(&key, "name") && !same_name(&key, "filename") && !key.contains('*'),
        };
        if !is_good || seen.iter().any(|(known, _)| *known == key) {
            return None;
        }
        seen.push((key, value.trim_end_matches(' ')));
        match behind.trim_start_matches(' ') {
            "" => break,
            more => rest = more.strip_prefix(';')?,
        }
    }
    let (_, name) = seen.iter().find(|(key, _)| key == "name")?;
    Some((name, seen.iter().any(|(key, _)| key.starts_with("filename"))))
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::super::json::Field;
    use super::{is_token, parts, values};
    use crate::decision::Reason;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=x";

    fn said(content_type: &str, body: &[u8]) -> Result<Vec<Field>, Reason> {
        parts(content_type, body).and_then(|parts| values(&parts, "org")).map_err(|denial| denial.reason)
    }

    fn part(head: &str, value: &str) -> String {
        format!("--x\r\n{head}\r\n\r\n{value}\r\n")
    }

    fn field(parameters: &str, value: &str) -> String {
        part(&format!("Content-Disposition: form-data; {parameters}"), value)
    }

    #[test]
    fn a_name_without_quotes_is_a_token() {
        assert!(["org", "a-b", "x*"].into_iter().all(is_token));
        assert!(!["", "a b", "a(b", "a\"b", "\u{fc}"].into_iter().any(is_token));
    }

    /// As browsers, curl, Python's and .NET's clients write them.
    #[test]
    fn forms_of_many_clients_are_read() {
        let text = |text: &str| Ok(vec![Field::Text(text.into())]);
        let plain = field("name=\"org\"", "a");
        for (body, found) in [
            (plain.clone(), text("a")),
            (field("name=org", "a"), text("a")),
            (part("content-disposition:FORM-DATA;NAME=\"org\"", "a"), text("a")),
            (field("name=\"org\"\r\nContent-Type: text/plain; charset=utf-8", "K\u{fc}che"), text("K\u{fc}che")),
            (
                part("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=org", "a"),
                text("a"),
            ),
            (field("name=\"org\"\r\nContent-Transfer-Encoding: 8bit", "a"), text("a")),
            (field("name=\"org\"\r\nContent-Length: 4", "a\r\nb"), text("a\r\nb")),
            (field("name=\"org\"", ""), Ok(vec![Field::Null])),
            (field("name=\"other\"", "a"), Ok(vec![])),
            (String::new(), Ok(vec![])),
            (
                field("name=\"f\"; filename=\"C:\\a;b.png\"\r\nContent-Type: image/png", "\0\r\n--y\n") + &plain,
                text("a"),
            ),
            (field("name=\"f\"; filename=\"a.txt\"; filename*=UTF-8''%e4.txt", "") + &plain, text("a")),
            (field("name=\"f\"; filename=\"it's.txt\"", "a") + &plain, text("a")),
            (field("name=\"_charset_\"", "utf-8") + &plain, text("a")),
            (plain.clone() + &field("name=\"org\"", "b"), Ok(vec![Field::Text("a".into()), Field::Text("b".into())])),
        ] {
            for end in ["--x--", "--x--\r\n"] {
                assert_eq!(said(TYPE, format!("{body}{end}").as_bytes()), found, "{body}");
            }
        }
        let quoted = "multipart/form-data; charset=utf-8; boundary=\"a=b/c\"";
        let body = plain.replace("--x", "--a=b/c") + "--a=b/c--";
        assert_eq!(said(quoted, body.as_bytes()), text("a"));
    }

    #[test]
    fn what_parsers_read_in_two_ways_is_refused() {
        let (invalid, twice, other) = (Reason::BodyInvalid, Reason::Ambiguous, Reason::BodyType);
        let plain = field("name=\"org\"", "a");
        for (body, reason) in [
            // A head that not everybody takes apart alike.
            (field("name=\"a\"\r\nContent-Disposition: form-data; name=\"org\"", "a"), invalid),
            (field("name=\"a\"\r\nContent_Disposition: form-data; name=\"org\"", "a"), invalid),
            (field("name=\"a\"; name=\"org\"", "a"), invalid),
            (field("name=\"a\"; NAME=\"org\"", "a"), invalid),
            (field("name=\"a\";\r\n name=\"org\"", "a"), invalid),
            (field("name=\"a\"\r\n\tx: y", "a"), invalid),
            (field("name=\"a\"\nContent-Disposition: form-data; name=\"org\"", "a"), invalid),
            (field("name=\"a\"\rX: y", "a"), invalid),
            (field("name=\"a\"\0", "a"), invalid),
            (part("Content-Disposition : form-data; name=\"org\"", "a"), invalid),
            (part("X-Content-Disposition: form-data; name=\"org\"", "a"), invalid),
            (part("Content-Disposition: attachment; name=\"org\"", "a"), invalid),
            (part("Content-Disposition: form-data", "a"), invalid),
            (field("filename=\"org\"", "a"), invalid),
            (field("name=\"a\\\"; name=\"org\"", "a"), invalid),
            (field("name=\"o\\rg\"", "a"), invalid),
            (field("name='org'", "a"), invalid),
            (field("x='; name=org; y='", "a"), invalid),
            (field("name=\"=?utf-8?q?org?=\"", "a"), invalid),
            (field("name*=utf-8''org", "a"), invalid),
            (field("name*0=o; name*1=rg", "a"), invalid),
            (field("name=\"a\"; file_name=\"b\"", "a"), invalid),
            (field("name=\"a\" x; y=z", "a"), invalid),
            (field("name=\"a\";", "a"), invalid),
            (field("name=\"a", "a"), invalid),
            (field("name=\"a\"\r\nContent-Type: multipart/mixed; boundary=y", "a"), invalid),
            (field(&format!("name=\"a\"; filename=\"{}\"", "y".repeat(1100)), "a"), invalid),
            ("--x\r\n\r\na\r\n".to_owned(), invalid),
            ("--x\r\nContent-Disposition: form-data; name=\"org\"\r\n".to_owned(), invalid),
            // Boundaries that not everybody finds.
            (format!("before\r\n{plain}"), invalid),
            (format!("\r\n{plain}"), invalid),
            (plain.replace("--x\r\n", "--x \r\n"), invalid),
            (plain.replace("--x\r\n", "--x\n"), invalid),
            (plain.replace("\r\n", "\n"), invalid),
            (field("name=\"f\"; filename=\"f\"", &format!("a{plain}")), invalid),
            (field("name=\"f\"; filename=\"f\"", &format!("a\n{plain}")), invalid),
            (field("name=\"f\"; filename=\"f\"", "a\r\n--xy"), invalid),
            (format!("{plain}--x--\r\n{plain}"), invalid),
            // The name in another spelling, or where some look for it.
            (field("name=\"Org\"", "a"), twice),
            (field("name=\"org[]\"", "a"), twice),
            (field("name=\" org \"", "a"), twice),
            (field("name=\"%6frg\"", "a"), twice),
            (field("name=\"org\0\"", "a"), invalid),
            (field("name=\"a\"; filename=\"x; name=org\"", "a"), twice),
            (plain.clone() + &field("name=\"ORG\"", "b"), twice),
            (field("name=\"org\"; filename=\"\"", "a"), twice),
            (field("name=\"org\"; filename*=utf-8''a", "a"), twice),
            // A value that is no plain text.
            (field("name=\"org\"\r\nContent-Type: application/json", "\"a\""), other),
            (field("name=\"org\"\r\nContent-Type: text/plain; charset=utf-16", "a"), other),
            (field("name=\"org\"\r\nContent-Transfer-Encoding: base64", "YQ=="), other),
            (field("name=\"org\"\r\nContent-Transfer-Encoding: quoted-printable", "=61"), other),
            (field("name=\"_charset_\"", "utf-16") + &plain, other),
        ] {
            assert_eq!(said(TYPE, format!("{body}--x--").as_bytes()), Err(reason), "{body}");
        }
        assert_eq!(said(TYPE, plain.as_bytes()), Err(invalid));
        assert_eq!(said(TYPE, format!("{plain}--x-").as_bytes()), Err(invalid));
        assert_eq!(said(TYPE, format!("{}--x--", field("name=a", "").repeat(1001)).as_bytes()), Err(invalid));
        assert_eq!(said(TYPE, &[field("name=org", "").as_bytes(), b"\xff", b"\r\n--x--"].concat()[..]), Err(other));
        for boundary in [
            "",
            "; boundary",
            "; boundary=",
            "; boundary=x; boundary=y",
            "; boundary=x; Boundary=x",
            "; boundary=\"x\\y\"",
            "; boundary=\"x",
            "; boundary=x y",
            "; boundary*=utf-8''x",
            "; boundary=x,y",
            "; boundary =x",
        ] {
            let found = said(&format!("multipart/form-data{boundary}"), format!("{plain}--x--").as_bytes());
            assert_eq!(found, Err(invalid), "{boundary}");
        }
        assert_eq!(said(&format!("multipart/form-data; boundary={}", "x".repeat(71)), b"x"), Err(invalid));
    }

    proptest! {
        #[test]
        fn no_form_makes_it_stumble(body in "(--x|\r\n|\r\n--x\r\n|--|Content-Disposition: form-data; name=\"org\"|[a;=*'\"\\\\<>:]|\\PC){0,60}") {
            let _ = said(TYPE, body.as_bytes());
        }
    }
}
