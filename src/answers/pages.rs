//! What a list that was narrowed at its source says of all of it: totals, and the ways to its other pages. They hold, but the parameter that
//! narrowed it is nobody's business: a link names what its client has asked for.

use super::json::text;
use crate::normalized_name::same_name;
use crate::request_target::{host, query};
use std::borrow::Cow;

/// Members around a list that tell of all of it, however they are spelled.
const OF_ALL: [&str; 31] = [
    "count",
    "total",
    "total_count",
    "total_items",
    "total_results",
    "total_pages",
    "num_pages",
    "page_count",
    "pages",
    "next",
    "previous",
    "prev",
    "first",
    "last",
    "next_page",
    "previous_page",
    "next_cursor",
    "previous_cursor",
    "has_more",
    "has_next",
    "has_previous",
    "links",
    "meta",
    "paging",
    "pagination",
    "page_info",
    "bbox",
    "number_matched",
    "number_returned",
    "total_features",
    "total_size",
];

/// How links of an answer are read, and what its client sees of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The parameter that narrows the list; empty: the service narrows it by itself.
    pub parameter: Box<str>,
    /// What the client has asked with it, as it stood in the query; empty: nothing.
    pub asked: Box<str>,
    /// The host that the client asked.
    pub host: Box<str>,
    /// The path that it asked for, and the one that the service was asked for.
    pub path: Box<str>,
    pub forwarded: Box<str>,
}

/// A text of an answer, as its client sees it; `None`: it leads to where only the service finds something.
type Shown<'t> = Option<Cow<'t, str>>;

impl Pages {
    /// Whether a member around the list, by its key as it is written, tells of all of the list.
    pub(super) fn tells_of_all(key: &[u8]) -> bool {
        OF_ALL.iter().any(|name| same_name(key, name))
    }

    /// Writes a value that has been read, its links as the client sees them.
    pub(super) fn put(&self, value: &[u8], out: &mut Vec<u8>) {
        let mut rest = value;
        while let Some(at) = memchr::memchr(b'"', rest) {
            let Ok(Some((end, _))) = text(rest, at, &mut 0) else { break };
            let (before, raw) = rest.split_at(at);
            let (raw, behind) = raw.split_at(end - at);
            out.extend_from_slice(before);
            let is_key = behind.trim_ascii_start().first() == Some(&b':');
            // A lone surrogate is no text, and no link.
            let said = if is_key { None } else { serde_json::from_slice::<String>(raw).ok() };
            match said.as_deref().map(|said| self.shown(said)) {
                None | Some(Some(Cow::Borrowed(_))) => out.extend_from_slice(raw),
                Some(Some(Cow::Owned(shown))) => {
                    out.extend_from_slice(serde_json::Value::from(shown).to_string().as_bytes())
                }
                Some(None) => out.extend_from_slice(b"null"),
            }
            rest = behind;
        }
        out.extend_from_slice(rest);
    }

    /// A link as the client sees it. One to the path that was asked for stays on the host that was asked; one to another path of a host that
    /// the client does not know leads nowhere.
    #[must_use]
    pub fn shown<'t>(&self, link: &'t str) -> Shown<'t> {
        let (origin, target) = split_origin(link);
        let path_end = target.find(['?', '#']).unwrap_or(target.len());
        let (path, rest) = target.split_at_checked(path_end).unwrap_or((target, ""));
        let is_page = !path.is_empty() && *path == *self.forwarded;
        let is_elsewhere = origin.is_some_and(|origin| !self.is_of_host(origin));
        if is_elsewhere && !is_page {
            return None;
        }
        let shown_path = if is_page { &*self.path } else { path };
        let shown_rest = self.without(rest);
        if !is_elsewhere && shown_path == path && matches!(shown_rest, Cow::Borrowed(_)) {
            return Some(Cow::Borrowed(link));
        }
        let origin = if is_elsewhere { "" } else { origin.unwrap_or_default() };
        Some(Cow::Owned(format!("{origin}{shown_path}{shown_rest}")))
    }

    /// A link, wherever it leads, with what the client has asked for in the place of the parameter.
    #[must_use]
    pub fn unpushed<'t>(&self, link: &'t str) -> Cow<'t, str> {
        let at = link.find(['?', '#']).unwrap_or(link.len());
        let (before, rest) = link.split_at_checked(at).unwrap_or((link, ""));
        match self.without(rest) {
            Cow::Borrowed(_) => Cow::Borrowed(link),
            Cow::Owned(rest) => Cow::Owned(format!("{before}{rest}")),
        }
    }

    /// `?query#fragment` with what the client has asked for in the place of the parameter; borrowed where that is not there.
    fn without<'t>(&self, rest: &'t str) -> Cow<'t, str> {
        let Some(asked) = rest.strip_prefix('?').filter(|_| !self.parameter.is_empty()) else {
            return Cow::Borrowed(rest);
        };
        let (query, fragment) = asked.split_at_checked(asked.find('#').unwrap_or(asked.len())).unwrap_or((asked, ""));
        let Some(left) = query::without(query, &self.parameter) else { return Cow::Borrowed(rest) };
        let query = [&*self.asked, &*left].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        Cow::Owned(format!("{mark}{query}{fragment}"))
    }

    /// Whether an origin, `https://host` or `//host`, is that of the client's request, as far as its host goes.
    fn is_of_host(&self, origin: &str) -> bool {
        let (scheme, authority) = origin.split_once("//").unwrap_or_default();
        let port = if scheme.eq_ignore_ascii_case("http:") { "80" } else { "443" };
        host::are_same(authority.as_bytes(), self.host.as_bytes(), port)
    }

    /// The `Link` of an answer (RFC 8288), its targets as the client sees them; `None`: nothing is left of it, or it cannot be read.
    #[must_use]
    pub fn link_header(&self, value: &str) -> Option<String> {
        let mut shown: Vec<String> = Vec::new();
        let mut rest = value.trim_start();
        while !rest.is_empty() {
            let (target, behind) = rest.strip_prefix('<')?.split_once('>')?;
            let end = end_of_parameters(behind)?;
            let (parameters, next) = behind.split_at_checked(end)?;
            if let Some(target) = self.shown(target) {
                shown.push(format!("<{target}>{}", parameters.trim_end()));
            }
            rest = next.strip_prefix(',').unwrap_or(next).trim_start();
        }
        (!shown.is_empty()).then(|| shown.join(", "))
    }
}

/// Behind the parameters of one link: at the comma before the next, or at the end. `None`: a text in quotes does not end.
fn end_of_parameters(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

/// `https://host`, `//host`, and what follows; other schemes are no links that are followed here.
fn split_origin(link: &str) -> (Option<&str>, &str) {
    let is_scheme = |begin: &str| link.get(..begin.len()).is_some_and(|text| text.eq_ignore_ascii_case(begin));
    let Some(begin) = ["https://", "http://", "//"].into_iter().find(|begin| is_scheme(begin)) else {
        return (None, link);
    };
    let authority = link.get(begin.len()..).unwrap_or_default();
    let end = begin.len() + authority.find(['/', '?', '#', '\\']).unwrap_or(authority.len());
    link.split_at_checked(end).map_or((None, link), |(origin, rest)| (Some(origin), rest))
}

#[cfg(test)]
mod tests {
    use super::Pages;

    fn pages(asked: &str) -> Pages {
        Pages {
            parameter: "organization__in".into(),
            asked: asked.into(),
            host: "api.example.com".into(),
            path: "/ext/device/".into(),
            forwarded: "/device/".into(),
        }
    }

    #[test]
    fn a_link_to_another_page_is_one_that_the_client_can_follow() {
        for (link, shown) in [
            (
                "http://api.example.com/device/?organization__in=a%2Cb&page=2",
                Some("http://api.example.com/ext/device/?page=2"),
            ),
            ("http://internal:8000/device/?page=2&organization__in=a,b", Some("/ext/device/?page=2")),
            (
                "https://API.example.com:443/device/?organization__in=a#top",
                Some("https://API.example.com:443/ext/device/#top"),
            ),
            ("/device/?page=2&Organization%5F_in=a", Some("/ext/device/?page=2")),
            ("//internal/device/?page=2", Some("/ext/device/?page=2")),
            ("?page=2&organization__in[]=a&organization__in[]=b", Some("?page=2")),
            // Another place of the same host is one; of a host that only the service knows it is none.
            ("http://api.example.com/other/?x=1", Some("http://api.example.com/other/?x=1")),
            ("http://internal/other/?x=1", None),
            ("http://api.example.com@internal/other/", None),
            ("http://api.example.com\\@internal/x", Some("http://api.example.com\\@internal/x")),
            // What is no link.
            ("organization__in", Some("organization__in")),
            ("mailto:a@b", Some("mailto:a@b")),
            ("", Some("")),
        ] {
            assert_eq!(pages("").shown(link).as_deref(), shown, "{link}");
        }
        let asked = pages("organization__in=a").shown("/device/?organization__in=a%2Cb&page=2").map(String::from);
        assert_eq!(asked.as_deref(), Some("/ext/device/?organization__in=a&page=2"));
    }

    #[test]
    fn links_are_found_wherever_they_stand_in_a_value() {
        let put = |value: &str| {
            let mut out = Vec::new();
            pages("").put(value.as_bytes(), &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        for (value, shown) in [
            ("7", "7"),
            ("null", "null"),
            (r#" "\/device\/?organization__in=a\u0026page=2""#, r#" "/ext/device/?page=2""#),
            (
                r#"{"next": {"href": "http://internal/device/?organization__in=a"}, "n": 1.50, "a\"b": ["/device/", "x"]}"#,
                r#"{"next": {"href": "/ext/device/"}, "n": 1.50, "a\"b": ["/ext/device/", "x"]}"#,
            ),
            (r#"{"http://internal/x": "http://internal/x"}"#, r#"{"http://internal/x": null}"#),
            (r#""\ud800""#, r#""\ud800""#),
        ] {
            assert_eq!(put(value), shown, "{value}");
        }
    }

    #[test]
    fn a_link_header_is_read_link_by_link() {
        for (value, shown) in [
            (
                r#"<http://internal/device/?organization__in=a&page=2>; rel="next", <http://internal/device/?page=9>; rel=last"#,
                Some(r#"</ext/device/?page=2>; rel="next", </ext/device/?page=9>; rel=last"#),
            ),
            (r#"<http://internal/x>; rel=next"#, None),
            (r#"<http://internal/x>; title="a,\"b", </device/?page=2>"#, Some("</ext/device/?page=2>")),
            ("</device/>; title=\"open", None),
            ("next", None),
            ("", None),
        ] {
            assert_eq!(pages("").link_header(value).as_deref(), shown, "{value}");
        }
    }
}
