//! What a message says its body is.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Why two readers could read a body in two ways, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// `Content-Type` is there twice, or is no text.
    Twice,
    /// It names a charset that is not UTF-8.
    Charset,
}

/// The media type, in lower case and without its parameters; `None` where none is said.
///
/// # Errors
/// See [`Unreadable`].
pub(super) fn read(headers: &HeaderMap) -> Result<Option<String>, Unreadable> {
    written(headers)?.map(parse).transpose()
}

/// What stands in `Content-Type`; `None` where there is none.
///
/// # Errors
/// It is there twice, or is no text.
pub(super) fn written(headers: &HeaderMap) -> Result<Option<&str>, Unreadable> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next().map(|value| value.to_str()), types.next()) {
        (Some(Ok(value)), None) => Ok(Some(value)),
        (None, _) => Ok(None),
        _ => Err(Unreadable::Twice),
    }
}

/// The media type of such a text.
///
/// # Errors
/// It names a charset that is not UTF-8.
pub(super) fn parse(written: &str) -> Result<String, Unreadable> {
    let written = written.to_ascii_lowercase();
    let mut parts = written.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let charset =
            parameter.strip_prefix("charset").map(|rest| rest.trim_start_matches([' ', '=']).trim_matches('"'));
        if charset.is_some_and(|charset| !matches!(charset, "utf-8" | "utf8" | "us-ascii")) {
            return Err(Unreadable::Charset);
        }
    }
    Ok(media_type.to_owned())
}
