//! Which representation a client takes, as Django REST framework decides it.
//!
//! JSON is what there is; a browser that asks for HTML gets JSON too until there is a page for it. Quality values count for
//! nothing, more specific types win, and `?format=` goes first.

use super::error::ApiError;
use http::HeaderMap;
use http::header::ACCEPT;
use percent_encoding::percent_decode_str;

const OURS: [&str; 2] = ["application/json", "text/html"];

/// # Errors
/// [`ApiError::NoFormat`], [`ApiError::NotAcceptable`].
pub fn negotiate(query: Option<&str>, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut pairs = query.unwrap_or_default().split('&').rev().filter_map(|pair| pair.split_once('='));
    let format = pairs.find(|(name, _)| *name == "format").map(|(_, value)| percent_decode_str(value));
    match format.map(|format| format.decode_utf8_lossy().into_owned()).as_deref() {
        None | Some("") => {}
        Some("json" | "api") => return Ok(()),
        Some(_) => return Err(ApiError::NoFormat),
    }
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let takes = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let main = |media: &str| media.split('/').next().map(|main| format!("{main}/*"));
        range == "*/*" || OURS.iter().any(|media| *media == range || main(media).as_ref() == Some(&range))
    });
    if takes { Ok(()) } else { Err(ApiError::NotAcceptable) }
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
            ("format=json", Some("application/xml"), true),
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
