//! What is said of an answer that was judged before it reaches the caller: nothing that lets it be served to somebody else, and nothing that
//! is true of what the service has sent and not of what goes on.

use crate::answers::Pages;
use crate::normalized_name::normalized_key;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What holds for the very bytes of an answer.
const OF_ITS_BYTES: [HeaderName; 9] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ETAG,
    header::LAST_MODIFIED,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
];

/// What lets parts of it be asked for.
const OF_PARTS: [HeaderName; 2] = [header::ACCEPT_RANGES, header::CONTENT_RANGE];

/// What shared caches are told besides.
const OF_SHARED_CACHES: [HeaderName; 3] = [
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("x-accel-expires"),
];

/// An answer that goes on as it came, or decoded.
pub fn of_whole(headers: &mut HeaderMap, is_decoded: bool) {
    if is_decoded {
        remove(headers, &OF_ITS_BYTES);
    }
    remove(headers, &OF_PARTS);
    keep_private(headers);
}

/// An answer of which a part goes on.
pub fn of_filtered(headers: &mut HeaderMap) {
    remove(headers, &OF_ITS_BYTES);
    remove(headers, &OF_PARTS);
    headers.remove(header::LINK);
    let counts: Vec<HeaderName> = headers.keys().filter(|name| tells_of_whole(name)).cloned().collect();
    remove(headers, &counts);
    keep_private(headers);
}

/// An answer of which a part goes on that was narrowed at its source. `is_whole`: all of it was the caller's, so that links and totals hold.
pub fn of_narrowed(headers: &mut HeaderMap, pages: &Pages, is_whole: bool) {
    let is_number = |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let holds = |(name, value): &(&HeaderName, &HeaderValue)| tells_of_whole(name) && is_number(value);
    let totals = headers.iter().filter(|it| is_whole && holds(it)).map(|(name, value)| (name.clone(), value.clone()));
    let totals: Vec<(HeaderName, HeaderValue)> = totals.collect();
    let links = headers.get_all(header::LINK).iter().filter(|_| is_whole).filter_map(|value| value.to_str().ok());
    let links: Vec<String> = links.filter_map(|links| pages.link_header(links)).collect();
    of_filtered(headers);
    headers.extend(totals);
    headers.extend(links.into_iter().filter_map(|links| Some((header::LINK, HeaderValue::try_from(links).ok()?))));
    show_asked(headers, pages);
}

/// Puts what the client has asked for in the place of what the service was asked for.
pub fn show_asked(headers: &mut HeaderMap, pages: &Pages) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let shown = headers.get(&name).and_then(|value| value.to_str().ok()).map(|link| pages.unpushed(link));
        if let Some(shown) = shown.and_then(|shown| HeaderValue::try_from(&*shown).ok()) {
            headers.insert(name, shown);
        }
    }
}

/// Whether an answer's head tells of all of its list.
#[must_use]
pub fn tell_of_whole(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| *name == header::LINK || tells_of_whole(name))
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// Whether a header tells how many items there are, or how to get at others: `X-Total-Count`, `X-WP-TotalPages`, `X-Pagination`.
fn tells_of_whole(name: &HeaderName) -> bool {
    let folded = normalized_key(name.as_str());
    let is_other = ["account", "discount"].iter().any(|word| folded.ends_with(word));
    ["total", "paginat", "numpages", "pagecount", "nextpage", "prevpage", "lastpage"]
        .iter()
        .any(|word| folded.contains(word))
        || (folded.ends_with("count") && !is_other)
}

/// No cache on the way keeps it: whether somebody may have it is asked of each request.
fn keep_private(headers: &mut HeaderMap) {
    remove(headers, &OF_SHARED_CACHES);
    let lines: Vec<String> = headers.get_all(header::CACHE_CONTROL).iter().map(text).collect();
    let said = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|directive| !directive.is_empty());
    // `private` alone: with names of fields behind it, it speaks of those.
    let is_public = |directive: &str| {
        let name = directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(name.as_str(), "public" | "s-maxage" | "private")
    };
    // The names of fields, in quotes, may be separated by commas: what is left of such a list says nothing.
    let kept = said.filter(|directive| !directive.contains('"') && !is_public(directive));
    let value = kept.chain(["private"]).collect::<Vec<_>>().join(", ");
    headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(value).unwrap_or(PRIVATE));
}

const PRIVATE: HeaderValue = HeaderValue::from_static("private");

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{of_filtered, of_narrowed, of_whole};
    use crate::answers::Pages;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn what_is_true_of_other_bytes_is_not_said() {
        let lines = [
            ("etag", "\"1\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("content-md5", "x"),
            ("digest", "x"),
            ("repr-digest", "x"),
            ("content-digest", "x"),
            ("accept-ranges", "bytes"),
            ("content-range", "items 0-24/66"),
            ("content-encoding", "gzip"),
        ];
        let mut whole = headers(&lines);
        of_whole(&mut whole, false);
        assert!(
            whole.contains_key("etag") && !whole.contains_key("accept-ranges") && !whole.contains_key("content-range")
        );
        let mut decoded = headers(&lines);
        of_whole(&mut decoded, true);
        assert_eq!(decoded, headers(&[("cache-control", "private")]));
        let mut filtered = headers(&lines);
        for (name, value) in [
            ("link", "<http://internal/?page=2>; rel=next"),
            ("x-total-count", "66"),
            ("x-wp-totalpages", "7"),
            ("x-pagination", "{}"),
            ("x-result-count", "3"),
            ("x-next-page", "2"),
        ] {
            filtered.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        filtered.insert("x-account", HeaderValue::from_static("17"));
        filtered.insert("content-type", HeaderValue::from_static("application/json"));
        of_filtered(&mut filtered);
        let left = [("x-account", "17"), ("content-type", "application/json"), ("cache-control", "private")];
        assert_eq!(filtered, headers(&left));
    }

    #[test]
    fn what_holds_of_a_narrowed_list_is_said_where_all_of_it_is_the_caller_s() {
        let [parameter, host, path] = ["org", "api.example.com", "/x"].map(Box::from);
        let pages = Pages { parameter, host, asked: Box::default(), forwarded: path.clone(), path };
        let lines = [
            ("link", "<http://internal/x?org=a&page=2>; rel=next"),
            ("x-total-count", "4"),
            ("x-pagination", "{\"next\": \"/x?org=a\"}"),
            ("content-location", "/x?org=a&page=1"),
            ("etag", "\"1\""),
        ];
        for (is_whole, left) in [(true, &[("x-total-count", "4"), ("link", "</x?page=2>; rel=next")][..]), (false, &[])]
        {
            let mut narrowed = headers(&lines);
            of_narrowed(&mut narrowed, &pages, is_whole);
            let always = [("content-location", "/x?page=1"), ("cache-control", "private")];
            assert_eq!(narrowed, headers(&[&always, left].concat()), "{is_whole}");
        }
    }

    #[test]
    fn no_shared_cache_keeps_it() {
        for (said, left) in [
            (&[][..], "private"),
            (&["no-store"], "no-store, private"),
            (&["public, max-age=60"], "max-age=60, private"),
            (&["S-MaxAge=60", "max-age=5"], "max-age=5, private"),
            (&["private=\"set-cookie, x-public\", max-age=5"], "max-age=5, private"),
            (&["Private"], "private"),
        ] {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append("cache-control", HeaderValue::from_static(value));
            }
            headers.insert("surrogate-control", HeaderValue::from_static("max-age=60"));
            of_whole(&mut headers, false);
            assert_eq!(headers.get("cache-control").unwrap(), left, "{said:?}");
            assert_eq!(headers.len(), 1);
        }
    }
}
