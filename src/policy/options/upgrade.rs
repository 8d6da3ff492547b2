//! `upgrade:` and `origins:`: where a connection may become a WebSocket, and for pages of which origins.
//!
//! A page may open a WebSocket to anywhere, whatever CORS says, and the browser sends cookies with it; only the server can
//! look at the `Origin` (RFC 6455, 10.2). So a page's handshake needs an origin that is listed; a program sends none.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use super::origins::Origins;
use crate::policy::methods::Methods;
use crate::yaml::{Findings, Node};
use http::{HeaderValue, Method};
use serde_json::{Value as Json, json};

/// What a rule says of upgrades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    origins: Option<Origins>,
}

impl Upgrade {
    /// Whether a handshake with this `Origin` may go on.
    #[must_use]
    pub fn allows(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_none_or(|origin| self.origins.as_ref().is_some_and(|origins| origins.has(origin)))
    }

    /// Whether pages may open one at all: programs send no `Origin`.
    #[must_use]
    pub const fn takes_pages(&self) -> bool {
        self.origins.is_some()
    }
}

impl PolicyOption for Upgrade {
    const ABOUT: &'static str = "What a connection may become: `[websocket]`.";
    const SHOWN_BY_VALUE: bool = true;
    type Raw = ();

    fn schema() -> Json {
        json!({ "type": ["string", "array"], "items": { "enum": ["websocket"] } })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<()> {
        let words = node.expect_words("`upgrade`", findings)?;
        if words.is_empty() {
            findings.error("bad_upgrade", node.span, "`upgrade` is an empty list").help("leave it out");
        }
        for (word, span) in words {
            if word != "websocket" {
                let message = format!("`{word}` cannot be upgraded to: only `websocket` can");
                findings.error("bad_upgrade", span, message).help("write `upgrade: [websocket]`");
            }
        }
        Some(())
    }
}

impl Compiled<RuleContext<'_>> for Upgrade {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, findings: &mut Findings) -> Option<Self> {
        if let (Some(own), Some(Methods::One(method))) = (said.own, rule.methods)
            && *method != Method::GET
        {
            findings
                .error(
                    "no_meaning",
                    own.span,
                    format!("`upgrade` has no meaning for {method}: a WebSocket begins with GET"),
                )
                .help("move it to `GET`");
        }
        said.merged().map(|()| Self { origins: None })
    }

    fn words(&self) -> String {
        let origins = self.origins.as_ref().map(|origins| format!(", {}", origins.words())).unwrap_or_default();
        format!("websocket{origins}")
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_none()
    }
}

/// Adds whose pages may open one.
pub(super) fn for_pages(upgrade: &mut Option<Upgrade>, said: &Said<'_, Origins>, findings: &mut Findings) {
    match (upgrade, said.own) {
        (Some(upgrade), _) => upgrade.origins = said.merged(),
        (None, Some(own)) => {
            findings
                .error("no_meaning", own.span, "`origins` has no meaning without `upgrade: [websocket]`")
                .help("for other requests of browsers, write `cors: { origins: … }`");
        }
        (None, None) => {}
    }
}
