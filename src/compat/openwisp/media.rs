//! Headers with parameters, `name; key=value; key="value"`, as Django's reader takes them apart.

use super::charset::Charset;
use percent_encoding::percent_decode_str;

/// What stands in front, in lower case, and the parameters behind it; of two with one name the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) main: String,
    parameters: Vec<(String, String)>,
}

impl Header {
    /// `None` where a parameter is in a charset that nobody knows.
    pub(super) fn parse(line: &str) -> Option<Self> {
        if !line.contains(';') {
            return Some(Self { main: line.trim().to_lowercase(), parameters: Vec::new() });
        }
        let mut pieces = split(line).into_iter();
        // What is in front may look like a parameter; then its name is what counts.
        let main = pieces.next().map(|(name, _)| name.to_lowercase()).unwrap_or_default();
        let (mut plain, mut encoded) = (Vec::new(), Vec::new());
        for (name, value) in pieces {
            let value = unquoted(value);
            match name.strip_suffix('*') {
                Some(name) => encoded.push((name.to_owned(), decoded(&value)?)),
                None if !name.is_empty() => plain.push((name, value)),
                None => {}
            }
        }
        plain.extend(encoded);
        Some(Self { main, parameters: plain })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How specific a range is: one with parameters more than one without, one of a type more than `*/*`.
    pub(super) fn precedence(&self) -> u8 {
        match self.main.split_once('/') {
            Some(("*", _)) | None => 0,
            Some((_, "*")) => 1,
            Some(_) if self.parameters.iter().all(|(name, _)| name == "q") => 2,
            Some(_) => 3,
        }
    }

    /// Whether a type such as `application/json` is meant; `*` stands for any.
    pub(super) fn is(&self, media: &str) -> bool {
        let (main, sub) = self.main.split_once('/').unwrap_or((&self.main, ""));
        let (wanted, wanted_sub) = media.split_once('/').unwrap_or((media, ""));
        (sub == "*" || sub == wanted_sub) && (main == "*" || main == wanted)
    }
}

/// The pieces between semicolons that stand in no quotes: names in lower case, and values.
fn split(line: &str) -> Vec<(String, &str)> {
    let mut pieces = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (mut quoted, mut last, mut end) = (false, ' ', text.len());
        for (at, c) in text.char_indices() {
            match c {
                ';' if !quoted => {
                    end = at;
                    break;
                }
                '"' if last != '\\' => quoted = !quoted,
                _ => {}
            }
            last = c;
        }
        let piece = text.get(..end).unwrap_or_default();
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        pieces.push((name.trim().to_lowercase(), value.trim()));
        rest = text.get(end + 1..);
    }
    pieces
}

fn unquoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return inner.replace("\\\\", "\\").replace("\\\"", "\"");
    }
    value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(value).to_owned()
}

/// RFC 2231: `utf-8''a%20value`.
fn decoded(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (Some(charset), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
        return Some(value.to_owned());
    };
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    let charset = if charset.is_empty() { Charset::Ascii } else { Charset::named(charset)? };
    Some(charset.lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::Header;

    #[test]
    fn parameters_are_taken_apart() {
        for (line, main, name, value) in [
            ("Application/JSON", "application/json", "x", None),
            ("multipart/form-data; Boundary=x; boundary=y", "multipart/form-data", "boundary", Some("y")),
            (r#"a; name="x;y=\"z\""; q"#, "a", "name", Some(r#"x;y="z""#)),
            ("a; name*=utf-8''%C3%A9", "a", "name", Some("é")),
            ("form-data;", "form-data", "name", None),
            ("a; name=<b>", "a", "name", Some("b")),
        ] {
            let header = Header::parse(line).unwrap();
            assert_eq!((header.main.as_str(), header.parameter(name)), (main, value), "{line}");
        }
        assert_eq!(Header::parse("a; name*=nonsense''x"), None);
    }

    #[test]
    fn types_match_with_stars() {
        for (line, is) in [
            ("application/json", true),
            ("*/*", true),
            ("application/*; q=0.1", true),
            ("*/json", true),
            ("*", false),
            ("application", false),
            ("text/json", false),
            ("", false),
        ] {
            assert_eq!(Header::parse(line).unwrap().is("application/json"), is, "{line}");
        }
    }
}
