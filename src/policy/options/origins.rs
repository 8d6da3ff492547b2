//! `origins:`: pages of which origins may open a WebSocket; [`super::upgrade`] says why. `cors` has a list of the same kind.

use super::option::PolicyOption;
use crate::address::{AddressError, Server, Url};
use crate::yaml::{Findings, Node, Span};
use http::HeaderValue;
use serde_json::{Value as Json, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Origins {
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

impl PolicyOption for Origins {
    const ABOUT: &'static str = "Origins whose pages may open a WebSocket here; without it none may, only programs.";
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Self;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/texts" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        read(node, "bad_upgrade", findings)
    }
}

/// Reads a list of origins; mistakes are reported with that code.
pub(super) fn read(node: &Node, code: &'static str, findings: &mut Findings) -> Option<Origins> {
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
