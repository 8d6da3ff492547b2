//! `cors:`: pages of which origins may call a route from a browser (the Fetch standard's CORS protocol).
//!
//! Preflights are answered before anybody is authenticated, since browsers send no credentials with them. An origin that is
//! not listed is never named in an answer.

use super::option::{Compiled, PolicyOption, RouteContext, Said};
use super::origins::{self, Origins};
use crate::yaml::{Findings, Keys, Map, Node};
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value as Json, json};

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

impl Cors {
    /// What the answer to a page of that origin says in `Access-Control-Allow-Origin`; `None`: the origin is not allowed.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(list) => list.iter().find(|listed| *listed == origin).cloned(),
        }
    }
}

impl PolicyOption for Cors {
    const ABOUT: &'static str =
        "Origins whose pages may call this route; preflights are answered before authentication.";
    type Raw = Self;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false, "required": ["origins"],
            "properties": {
                "origins": { "$ref": "#/definitions/texts" },
                "methods": { "$ref": "#/definitions/texts" },
                "headers": { "$ref": "#/definitions/texts" },
                "credentials": { "type": "boolean" },
                "max_age": { "type": ["string", "integer"] },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let before = findings.list().len();
        let map =
            node.expect_map_like("`cors`", "write `cors: { origins: [\"https://app.example.com\"] }`", findings)?;
        map.expect_keys(
            "`cors`",
            Keys { known: &["origins", "methods", "headers", "credentials", "max_age"], not_yet: &[] },
            findings,
        );
        let Some(list) = map.get("origins") else {
            let detail = findings.error("missing_key", node.span, "`cors` has no `origins`");
            detail.help("write `origins: [\"https://app.example.com\"]`");
            return None;
        };
        let origins = origins::read(list, "bad_cors", findings);
        let credentials =
            map.get("credentials").and_then(|n| n.expect_bool("`credentials`", findings)).unwrap_or(false);
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
        let cors = Self { origins: origins?, methods, headers, credentials, max_age };
        (findings.list().len() == before).then_some(cors)
    }
}

impl Compiled<RouteContext<'_>> for Cors {
    fn compile(said: &Said<'_, Self>, _: &RouteContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged()
    }

    fn words(&self) -> String {
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

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_none()
    }
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
