//! `mail:` and `public_url:` — who sends letters for us, and what their links begin with.

use super::secret;
use crate::address::{Server, Url};
use crate::secret::SecretSource;
use crate::yaml::{Findings, Keys, Map, Node};
use lettre::message::Mailbox;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Within the conversation, and never without (RFC 3207).
    #[default]
    StartTls,
    /// From the first byte (RFC 8314).
    Implicit,
    None,
}

impl Tls {
    const WORDS: [(&'static str, Self); 3] =
        [("starttls", Self::StartTls), ("tls", Self::Implicit), ("none", Self::None)];

    const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub host: Box<str>,
    pub port: u16,
    /// How the way there is protected.
    pub tls: Tls,
    /// Certificates that are believed instead of the public ones.
    pub ca: Option<PathBuf>,
    pub login: Option<(Box<str>, SecretSource)>,
    pub from: Mailbox,
    pub timeout: Duration,
}

const KEYS: Keys<'static> =
    Keys { known: &["server", "tls", "ca", "user", "password", "from", "timeout"], not_yet: &[] };

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Option<Mail> {
    let map = node.expect_map("`mail`", findings)?;
    map.expect_keys("`mail`", KEYS, findings);
    let tls = map.get("tls").map_or(Some(Tls::default()), |node| node.expect_one_of("`tls`", &Tls::WORDS, findings));
    let tls = tls.unwrap_or_default();
    let server = server(node, map, tls, findings);
    let from = sender(node, map, findings);
    let user = map.get("user").and_then(|node| node.expect_str("`user`", findings)).map(Box::from);
    let password = map.get("password").map(|node| secret::one("mail.password", node, base, findings));
    if user.is_some() != password.is_some() {
        findings.error("missing_key", node.span, "`mail` has one of `user` and `password`, and needs the other");
    }
    let login = user.zip(password.flatten());
    if login.is_some() && tls == Tls::None {
        findings.warning("insecure", node.span, "the password of `mail` is sent without TLS");
    }
    let timeout = map.get("timeout").and_then(|node| node.expect_duration("`timeout`", findings));
    let timeout = timeout.unwrap_or(Duration::from_secs(30));
    if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&timeout) {
        findings.error("wrong_value", node.span, "`timeout` of `mail` is from 1s to 5m");
    }
    let ca = map.get("ca").and_then(|node| node.expect_str("`ca`", findings)).map(|file| base.join(file));
    let (host, port) = server?;
    Some(Mail { host: host.into(), port, tls, ca, login, from: from?, timeout })
}

fn sender(node: &Node, map: &Map, findings: &mut Findings) -> Option<Mailbox> {
    let Some(sender) = map.get("from") else {
        findings.error("missing_key", node.span, "`mail` has no `from`").help("write `from: postern@example.com`");
        return None;
    };
    let from = sender.expect_str("`from`", findings)?.parse::<Mailbox>();
    if from.is_err() {
        findings
            .error("wrong_value", sender.span, "`from` is no address of letters")
            .help("write `postern@example.com` or `Example <postern@example.com>`");
    }
    from.ok()
}

fn server<'m>(node: &Node, map: &'m Map, tls: Tls, findings: &mut Findings) -> Option<(&'m str, u16)> {
    let Some(server) = map.get("server") else {
        findings.error("missing_key", node.span, "`mail` has no `server`").help("write `server: smtp.example.com`");
        return None;
    };
    let text = server.expect_str("`server`", findings)?;
    match Server::parse(text) {
        Ok(Server { host, port }) => Some((host, port.unwrap_or(tls.port()))),
        Err(error) => {
            findings.error("wrong_value", server.span, format!("`server` must be HOST or HOST:PORT: {error}"));
            None
        }
    }
}

/// Reads `public_url`: a scheme and an authority, without a slash behind.
pub(super) fn public_url(node: &Node, findings: &mut Findings) -> Option<Box<str>> {
    let text = node.expect_str("`public_url`", findings)?;
    let is_web = |url: &Url<'_>| url.is_origin() && (url.has_scheme("http") || url.has_scheme("https"));
    let url = Url::parse(text);
    if let Some(url) = url.ok().filter(is_web) {
        return Some(format!("{}://{}", url.scheme.to_ascii_lowercase(), url.authority).into());
    }
    let why = url.err().map(|error| format!(": {error}")).unwrap_or_default();
    let message = format!("`public_url` must be what addresses of this service begin with{why}");
    findings.error("wrong_value", node.span, message).help("write `https://app.example.com`");
    None
}
