//! `identity.passkeys` — people log in with a passkey (Web Authentication).

use crate::address::Url;
use crate::config::accounts::{Accounts, Served};
use crate::config::keys::{Reader, Section, Shape, custom, keys, one_of};
use crate::second_factor::Passkeys;
use crate::webauthn::RelyingParty;
use crate::yaml::{Findings, Node};

keys! {
    struct Said {
        rp_id: Option<Box<str>> = None, custom(Shape::Text, rp_id),
            "The domain that passkeys are for: that of the pages, or one above it. It stays: passkeys are lost with it.";
        origins: Vec<Box<str>> = Vec::new(), custom(Shape::Texts, origins),
            "Where the pages are that people log in on: `https://id.example.com`.";
        alone ("login"): bool = true, one_of!("alone" => true, "second_factor" => false),
            "Whether a passkey logs in by itself, which needs a fingerprint or a PIN, or behind a password alone. [alone]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Said::KEYS, 2);

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Passkeys> {
    let map = node.expect_map("`passkeys`", reader.findings)?;
    let Said { rp_id, origins, alone } = reader.read::<Said>(key, "`passkeys`", map);
    for key in ["rp_id", "origins"] {
        if map.get(key).is_none() {
            let message = format!("`passkeys` has no `{key}`");
            reader.findings.error("missing_key", node.span, message);
        }
    }
    let id = rp_id?;
    for origin in &origins {
        let host = Url::parse(origin).map_or("", |url| url.server.host);
        if host != &*id && !host.strip_suffix(&*id).is_some_and(|below| below.ends_with('.')) {
            let message = format!("`{origin}` is not at `{id}`, and no domain below it");
            reader.findings.error("wrong_value", node.span, message).help("browsers would refuse the passkeys there");
        }
    }
    Some(Passkeys { party: RelyingParty { id, origins }, alone })
}

/// They are used on pages of the identity API, and begin sessions; behind a password they are a second factor.
pub(super) fn check(node: &Node, passkeys: &Passkeys, sessions: bool, accounts: &Accounts, findings: &mut Findings) {
    if !sessions || accounts.api == Served::Off {
        let message = "`passkeys` begin sessions, on pages of the identity API: one of the two is off";
        findings.error("missing_key", node.span, message).help("write `identity: { api: token, session: {} }`");
    }
    if !passkeys.alone && accounts.mfa.is_none() {
        let message =
            "`login: second_factor` lets a passkey be shown behind a password, where `mfa` asks for it, and it is off";
        findings.error("missing_key", node.span, message).help("write `mfa: { key: { env: POSTERN_MFA_KEY } }`");
    }
}

/// A domain, as browsers take it: no address, no port.
fn rp_id(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str("`rp_id`", reader.findings)?;
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (1..=63).contains(&label.len()) && is_plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if text.len() > 253 || is_address || !text.split('.').all(is_label) {
        let message = "`rp_id` is a domain in lower case, such as `example.com`, and no address";
        reader.findings.error("wrong_value", node.span, message);
        return None;
    }
    Some(text.into())
}

fn origins(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Box<str>>> {
    let mut list = Vec::new();
    for (text, span) in node.expect_strs("`origins`", reader.findings)? {
        let url = Url::parse(text).ok();
        let is_secure = |url: &Url| url.has_scheme("https") || url.has_scheme("http") && url.server.host == "localhost";
        let rest = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        if !url.is_some_and(|url| is_secure(&url))
            || rest.contains(['/', '?', '#', '@'])
            || text != text.to_ascii_lowercase()
        {
            let message = format!("`{text}` is no origin that browsers have passkeys at");
            reader
                .findings
                .error("wrong_value", span, message)
                .help("write `https://id.example.com`, in lower case, without a path");
        } else {
            list.push(text.into());
        }
    }
    if list.is_empty() {
        reader.findings.error("wrong_value", node.span, "`origins` name one page at least");
    }
    Some(list)
}
