//! `cors:`: pages of which origins may call a route from a browser (the Fetch standard's CORS protocol).
//!
//! Preflights are answered before anybody is authenticated, since browsers send no credentials with them. An origin that is
//! not listed is never named in an answer.

use crate::address::{AddressError, Server, Url};
use crate::yaml::{Findings, Keys, Map, Node, Span, Spanned};
use http::{HeaderName, HeaderValue, Method};

/// What a route says to browsers.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    /// `Access-Control-Allow-Methods`; `None`: those of the route.
    pub methods: Option<HeaderValue>,
    /// `Access-Control-Allow-Headers`; `None`: no more than every page may send.
    pub headers: Option<HeaderValue>,
    pub credentials: bool,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age: Option<HeaderValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origins {
    Any,
    Listed(Box<[HeaderValue]>),
}

impl Origins {
    /// Whether a page of that origin is one of them.
    pub(super) fn has(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.contains(origin),
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Any => "origins *".to_owned(),
            Self::Listed(list) => {
                format!("origins {}", list.iter().filter_map(|o| o.to_str().ok()).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl Cors {
    /// What the answer to a page of that origin says in `Access-Control-Allow-Origin`; `None`: the origin is not allowed.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(list) => list.iter().find(|listed| *listed == origin).cloned(),
        }
    }

    /// All of it on one line, for explanations and comparisons.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { origins, methods, headers, credentials, max_age } = self;
        let mut words = origins.words();
        for (name, value) in [("methods", methods), ("headers", headers), ("max_age", max_age)] {
            if let Some(text) = value.as_ref().and_then(|value| value.to_str().ok()) {
                words.push_str(&format!(", {name} {text}"));
            }
        }
        if *credentials {
            words.push_str(", credentials");
        }
        words
    }
}

/// Reads `cors:`; `None` when it was reported.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Spanned<Cors>> {
    let before = findings.list().len();
    let map = node.expect_map_like("`cors`", "write `cors: { origins: [\"https://app.example.com\"] }`", findings)?;
    let known = ["origins", "methods", "headers", "credentials", "max_age"];
    map.expect_keys("`cors`", Keys { known: &known, not_yet: &[] }, findings);
    let Some(list) = map.get("origins") else {
        let detail = findings.error("missing_key", node.span, "`cors` has no `origins`");
        detail.help("write `origins: [\"https://app.example.com\"]`");
        return None;
    };
    let origins = origins(list, "bad_cors", findings);
    let credentials = map.get("credentials").and_then(|n| n.expect_bool("`credentials`", findings)).unwrap_or(false);
    if credentials && matches!(origins, Some(Origins::Any)) {
        findings
            .error("bad_cors", list.span, "`*` with `credentials` would let every page act as the user")
            .help("list the origins");
    }
    let methods = tokens(map, "methods", findings, |word| {
        Method::from_bytes(word.as_bytes()).is_ok() && !word.bytes().any(|b| b.is_ascii_lowercase())
    });
    let headers = tokens(map, "headers", findings, |word| HeaderName::try_from(word).is_ok());
    let max_age = map.get("max_age").and_then(|n| n.expect_duration("`max_age`", findings));
    let max_age = max_age.map(|age| HeaderValue::from(age.as_secs()));
    let cors = Cors { origins: origins?, methods, headers, credentials, max_age };
    (findings.list().len() == before).then_some(Spanned { value: cors, span: node.span })
}

/// Reads `origins:`; mistakes are reported with that code.
pub(super) fn origins(node: &Node, code: &'static str, findings: &mut Findings) -> Option<Origins> {
    let words = node.expect_strs("`origins`", findings)?;
    if words.is_empty() {
        let help = if code == "bad_cors" { "leave `cors` out" } else { "leave it out: then no page may" };
        findings.error(code, node.span, "`origins` is an empty list").help(help);
        return None;
    }
    if words.iter().any(|(word, _)| *word == "*") {
        if words.len() > 1 {
            let detail = findings.error(code, node.span, "`*` is every origin: no other one stands beside it");
            detail.help("leave the others out, or `*`");
        }
        return Some(Origins::Any);
    }
    let list: Vec<_> = words.into_iter().filter_map(|(word, span)| origin(word, span, code, findings)).collect();
    Some(Origins::Listed(list.into()))
}

/// An origin as browsers write it: scheme, host, a port that is not the usual one, and nothing else.
fn origin(word: &str, span: Span, code: &'static str, findings: &mut Findings) -> Option<HeaderValue> {
    let url = Url::parse(word);
    let written = url.map(|url| {
        let Server { host, port } = url.server;
        let scheme = url.scheme.to_ascii_lowercase();
        let usual = if scheme == "https" { 443 } else { 80 };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() }.to_ascii_lowercase();
        let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    });
    let help = match written {
        Ok(written) if word == written => return HeaderValue::from_str(word).ok(),
        Ok(written) => format!("write \"{written}\""),
        Err(error @ (AddressError::Port | AddressError::NoPort)) => error.to_string(),
        Err(_) => "write scheme and host, each origin by itself: \"https://app.example.com\"".to_owned(),
    };
    findings.error(code, span, format!("`{word}` is not an origin as browsers write it")).help(help);
    None
}

/// A list of words as the value of a header.
fn tokens(map: &Map, key: &str, findings: &mut Findings, is_good: impl Fn(&str) -> bool) -> Option<HeaderValue> {
    let words = map.get(key)?.expect_strs(&format!("`{key}`"), findings)?;
    let mut list = Vec::with_capacity(words.len());
    for (word, span) in words {
        if is_good(word) && word != "*" {
            list.push(word);
        } else {
            let message = format!("`{word}` cannot stand in `{key}`");
            findings
                .error("bad_cors", span, message)
                .help("name each one: `methods: [GET, POST]`, `headers: [Content-Type]`");
        }
    }
    HeaderValue::try_from(list.join(", ")).ok()
}
