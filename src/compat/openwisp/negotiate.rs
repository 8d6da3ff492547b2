//! Which representation a client takes, as Django REST framework decides it.
//!
//! Quality values count for nothing, more specific types win, and `?format=` goes first.

use super::RequestError;
use super::charset::Charset;
use super::form;
use super::media::Header;
use http::HeaderMap;
use http::header::ACCEPT;

/// The reference's representations: what `?format=` calls them, and their types.
const OURS: [(&str, &str); 2] = [("json", "application/json"), ("api", "text/html")];

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Representation {
    /// As a page for people.
    pub html: bool,
    /// Blanks before each level of JSON, where it has lines.
    pub indent: Option<u8>,
}

/// The parameters of a query.
///
/// # Errors
/// [`RequestError::TooManyFields`].
pub fn query(query: Option<&str>) -> Result<Vec<(String, String)>, RequestError> {
    form::pairs(query.unwrap_or_default().as_bytes(), Charset::UTF8).ok_or(RequestError::TooManyFields)
}

/// # Errors
/// [`RequestError::NoFormat`], [`RequestError::NotAcceptable`], [`RequestError::TooManyFields`].
pub fn negotiate(text: Option<&str>, headers: &HeaderMap) -> Result<Representation, RequestError> {
    let pairs = query(text)?;
    let format = pairs.iter().rev().find(|(name, _)| name == "format").map(|(_, format)| format.as_str());
    let wanted = |name: &str| format.is_none_or(|format| format.is_empty() || format == name);
    let left: Vec<_> = OURS.iter().filter(|(name, _)| wanted(name)).collect();
    let Some((first, _)) = left.first() else { return Err(RequestError::NoFormat) };
    if !headers.contains_key(ACCEPT) {
        return Ok(Representation { html: *first == "api", indent: None });
    }
    let mut ranges: Vec<Header> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| Header::parse(range.trim()))
        .collect();
    // The most specific go first; among those that are alike ours in our order.
    ranges.sort_by_key(|range| std::cmp::Reverse(range.precedence()));
    for alike in ranges.chunk_by(|one, other| one.precedence() == other.precedence()) {
        for (name, media) in &left {
            if let Some(range) = alike.iter().find(|range| range.is(media)) {
                let indent = range.parameter("indent").and_then(|text| text.parse::<i64>().ok());
                let indent =
                    indent.and_then(|indent| u8::try_from(indent.clamp(0, 8)).ok()).filter(|indent| *indent > 0);
                return Ok(Representation { html: *name == "api", indent });
            }
        }
    }
    Err(RequestError::NotAcceptable)
}

#[cfg(test)]
mod tests {
    use super::negotiate;
    use http::HeaderMap;
    use http::header::ACCEPT;

    #[test]
    fn what_a_client_takes_decides() {
        for (query, accept, fits) in [
            ("", None, true),
            ("", Some("*/*"), true),
            ("", Some("application/json; indent=4"), true),
            ("", Some("application/xml, application/*;q=0.1"), true),
            ("", Some("text/html,application/xhtml+xml"), true),
            ("", Some("application/xml"), false),
            ("", Some(""), false),
            ("format=json", Some("application/xml"), false),
            ("format=json", Some("application/*"), true),
            ("format=api", Some("application/json"), false),
            ("format=api", None, true),
            ("form%61t=xml", None, false),
            ("format=xml&format=json", None, true),
            ("format", None, true),
            ("", Some("*/json"), true),
            ("", Some("*"), false),
            ("format=", Some("application/xml"), false),
            ("a=b&format=xml", None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(negotiate(Some(query), &headers).is_ok(), fits, "{query} {accept:?}");
        }
    }
}
