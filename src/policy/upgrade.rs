//! `upgrade:` and `origins:`: where a connection may become a WebSocket, and for pages of which origins.
//!
//! A page may open a WebSocket to anywhere, whatever CORS says, and the browser sends cookies with it; only the server can
//! look at the `Origin` (RFC 6455, 10.2). So a page's handshake needs an origin that is listed; a program sends none.

use super::cors::{self, Origins};
use super::methods::Methods;
use crate::yaml::{Findings, Node, Span, Spanned};
use http::{HeaderValue, Method};

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

    /// All of it on one line, for explanations and comparisons.
    #[must_use]
    pub fn words(&self) -> String {
        let origins = self.origins.as_ref().map(|origins| format!(", {}", origins.words())).unwrap_or_default();
        format!("websocket{origins}")
    }
}

/// The two keys as written.
#[derive(Clone, Debug, Default)]
pub(super) struct RawUpgrade {
    upgrade: Option<Span>,
    origins: Option<Spanned<Origins>>,
}

impl RawUpgrade {
    pub(super) fn read_upgrade(&mut self, node: &Node, findings: &mut Findings) {
        let Some(words) = node.expect_words("`upgrade`", findings) else { return };
        if words.is_empty() {
            findings.error("bad_upgrade", node.span, "`upgrade` is an empty list").help("leave it out");
        }
        for (word, span) in words {
            if word != "websocket" {
                let message = format!("`{word}` cannot be upgraded to: only `websocket` can");
                findings.error("bad_upgrade", span, message).help("write `upgrade: [websocket]`");
            }
        }
        self.upgrade = Some(node.span);
    }

    pub(super) fn read_origins(&mut self, node: &Node, findings: &mut Findings) {
        let origins = cors::origins(node, "bad_upgrade", findings);
        self.origins = origins.map(|value| Spanned { value, span: node.span });
    }

    /// What is said here, and from above what is not.
    pub(super) fn over(&self, above: &Self) -> Self {
        let origins = self.origins.clone().or_else(|| above.origins.clone());
        Self { upgrade: self.upgrade.or(above.upgrade), origins }
    }

    /// Compiles a rule's own, else the route's, else the defaults'. `methods`: those of the rule.
    pub(super) fn compile(
        [defaults, route, own]: [&Self; 3],
        methods: Option<&Methods>,
        findings: &mut Findings,
    ) -> Option<Upgrade> {
        if let (Some(span), Some(Methods::One(method))) = (own.upgrade, methods)
            && *method != Method::GET
        {
            findings
                .error(
                    "no_meaning",
                    span,
                    format!("`upgrade` has no meaning for {method}: a WebSocket begins with GET"),
                )
                .help("move it to `GET`");
        }
        let is_upgraded = [own, route, defaults].into_iter().any(|raw| raw.upgrade.is_some());
        if let (Some(origins), false) = (&own.origins, is_upgraded) {
            findings
                .error("no_meaning", origins.span, "`origins` has no meaning without `upgrade: [websocket]`")
                .help("for other requests of browsers, write `cors: { origins: … }`");
        }
        let origins = [own, route, defaults].into_iter().find_map(|raw| raw.origins.as_ref());
        is_upgraded.then(|| Upgrade { origins: origins.map(|origins| origins.value.clone()) })
    }
}
