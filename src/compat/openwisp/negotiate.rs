//! Which representation a client takes, as Django REST framework decides it.
//!
//! JSON is what there is; a browser that asks for HTML gets JSON too until there is a page for it. Quality values count for
//! nothing, more specific types win, and `?format=` goes first.

use super::RequestError;
use super::charset::Charset;
use super::form;
use super::media::Header;
use http::HeaderMap;
use http::header::ACCEPT;

/// The reference's representations: what `?format=` calls them, and their types.
const OURS: [(&str, &str); 2] = [("json", "application/json"), ("api", "text/html")];

/// # Errors
/// [`RequestError::NoFormat`], [`RequestError::NotAcceptable`], [`RequestError::TooManyFields`].
pub fn negotiate(query: Option<&str>, headers: &HeaderMap) -> Result<(), RequestError> {
    let query = query.unwrap_or_default();
    let pairs = form::pairs(query.as_bytes(), Charset::UTF8).ok_or(RequestError::TooManyFields)?;
    let format = pairs.iter().rev().find(|(name, _)| name == "format").map(|(_, format)| format.as_str());
    let wanted = |name: &str| format.is_none_or(|format| format.is_empty() || format == name);
    let mut left = OURS.iter().filter(|(name, _)| wanted(name)).peekable();
    if left.peek().is_none() {
        return Err(RequestError::NoFormat);
    }
    let ranges: Vec<Header> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| Header::parse(range.trim()))
        .collect();
    let takes = |media: &str| !headers.contains_key(ACCEPT) || ranges.iter().any(|range| range.is(media));
    if left.any(|(_, media)| takes(media)) { Ok(()) } else { Err(RequestError::NotAcceptable) }
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
