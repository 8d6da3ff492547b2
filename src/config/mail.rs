//! `mail:` and `public_url:` — who sends letters for us, and what their links begin with.

use super::keys::{FILE, Reader, Section, Shape, TEXT, TIME, custom, keys, one_of};
use super::secret::SECRET;
use crate::address::{Server, Url};
use crate::secret::SecretSource;
use crate::yaml::Node;
use lettre::message::Mailbox;
use std::path::PathBuf;
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
    /// A folder with templates in the place of ours.
    pub templates: Option<PathBuf>,
    pub timeout: Duration,
}

keys! {
    struct Said {
        server: Option<(String, Option<u16>)> = None, custom(Shape::Text, server),
            "The SMTP server: `HOST` or `HOST:PORT`. [port 587; 465 with `tls`, 25 with `none`]";
        from: Option<Mailbox> = None, custom(Shape::Text, sender),
            "Whose letters they are: `postern@example.com` or `Example <postern@example.com>`.";
        tls: Tls = Tls::default(), one_of!("starttls" => Tls::StartTls, "tls" => Tls::Implicit, "none" => Tls::None),
            "`starttls` within the conversation and never without, `tls` from the first byte, or `none`. [starttls]";
        ca: Option<PathBuf> = None, FILE, "PEM: certificates that the server is verified with. [the public ones]";
        user: Option<String> = None, TEXT, "Who we are there.";
        password: Option<SecretSource> = None, SECRET, "The password there.";
        templates: Option<PathBuf> = None, FILE, "A folder with templates of letters, in the place of the built-in ones.";
        timeout: Duration = Duration::from_secs(30), custom(Shape::Time, timeout), "For one try, 1s to 5m. [30s]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(Said::KEYS, 2);

/// Reads the section; `None` when something was reported without which there is none.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Mail> {
    let map = node.expect_map("`mail`", reader.findings)?;
    let Said { server, from, tls, ca, user, password, templates, timeout } = reader.read::<Said>(key, "`mail`", map);
    let findings = &mut *reader.findings;
    for (key, help) in [("server", "write `server: smtp.example.com`"), ("from", "write `from: postern@example.com`")] {
        if map.get(key).is_none() {
            findings.error("missing_key", node.span, format!("`mail` has no `{key}`")).help(help);
        }
    }
    if map.get("user").is_some() != map.get("password").is_some() {
        findings.error("missing_key", node.span, "`mail` has one of `user` and `password`, and needs the other");
    }
    let login = user.map(Box::from).zip(password);
    if login.is_some() && tls == Tls::None {
        findings.warning("insecure", node.span, "the password of `mail` is sent without TLS");
    }
    let (host, port) = server?;
    let port = port.unwrap_or(tls.port());
    Some(Mail { host: host.into(), port, tls, ca, login, from: from?, templates, timeout })
}

fn timeout(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let timeout = (TIME.read)(key, node, reader)?;
    if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&timeout) {
        reader.findings.error("wrong_value", node.span, "`timeout` of `mail` is from 1s to 5m");
    }
    Some(timeout)
}

fn sender(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Mailbox> {
    let from = node.expect_str("`from`", reader.findings)?.parse::<Mailbox>();
    if from.is_err() {
        reader
            .findings
            .error("wrong_value", node.span, "`from` is no address of letters")
            .help("write `postern@example.com` or `Example <postern@example.com>`");
    }
    from.ok()
}

fn server(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<(String, Option<u16>)> {
    match Server::parse(node.expect_str("`server`", reader.findings)?) {
        Ok(Server { host, port }) => Some((host.to_owned(), port)),
        Err(error) => {
            let message = format!("`server` must be HOST or HOST:PORT: {error}");
            reader.findings.error("wrong_value", node.span, message);
            None
        }
    }
}

/// Reads `public_url`: a scheme and an authority, without a slash behind.
pub(super) fn public_url(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str("`public_url`", reader.findings)?;
    let is_web = |url: &Url<'_>| url.is_origin() && (url.has_scheme("http") || url.has_scheme("https"));
    let url = Url::parse(text);
    if let Some(url) = url.ok().filter(is_web) {
        return Some(format!("{}://{}", url.scheme.to_ascii_lowercase(), url.authority).into());
    }
    let why = url.err().map(|error| format!(": {error}")).unwrap_or_default();
    let message = format!("`public_url` must be what addresses of this service begin with{why}");
    reader.findings.error("wrong_value", node.span, message).help("write `https://app.example.com`");
    None
}
