//! `assertion:` — the signed header that says whose a request is.

use super::keys::{FLAG, Reader, Section, Shape, TIME, custom, keys};
use super::secret::SECRET;
use crate::assertion::Settings;
use crate::policy::is_injectable;
use crate::secret::SecretSource;
use crate::yaml::Node;
use http::HeaderName;
use std::time::Duration;

const HEADER: HeaderName = HeaderName::from_static("x-postern-assertion");
const TTL: Duration = Duration::from_secs(60);

keys! {
    struct Said {
        key: Option<SecretSource> = None, SECRET,
            "PEM of the private key that signs: of Ed25519, of P-256, or an RSA one. Read at the start and at each reload.";
        header: HeaderName = HEADER, custom(Shape::Text, header), "Its name; nobody else can send it. [X-Postern-Assertion]";
        ttl: Duration = TTL, custom(Shape::Time, ttl), "How long it is good, 5s to 10m. [60s]";
        issuer: Box<str> = "postern".into(), custom(Shape::Text, issuer), "Its `iss`. [postern]";
        other_key: Option<SecretSource> = None, SECRET,
            "A key that is published and signs nothing: the next one, or the last one. [none]";
        permissions: bool = false, FLAG, "Whether it lists what the caller's roles permit in the organization. [false]";
    }
}

pub(super) const SHAPE: Shape = Shape::Any(&[Shape::Words(&["off"]), Shape::Map(Said::KEYS, 1)]);

#[allow(clippy::option_option)] // `Some(None)`: it is off
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<Settings>> {
    if node.is_off() {
        return Some(None);
    }
    let map = node.expect_map("`assertion`", reader.findings)?;
    let Said { key, header, ttl, issuer, other_key, permissions } = reader.read::<Said>(key, "`assertion`", map);
    if map.get("key").is_none() {
        let detail = reader.findings.error("missing_key", node.span, "`assertion` has no `key`");
        detail.help("write `assertion: { key: { file: assertion.pem } }`, with what `openssl genpkey -algorithm ed25519` writes");
    }
    Some(Some(Settings { header, key: key?, other_key, ttl, issuer, permissions }))
}

fn header(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<HeaderName> {
    let text = node.expect_str(&format!("`{key}`"), reader.findings)?;
    let name = HeaderName::try_from(text).ok().filter(is_injectable);
    if name.is_none() {
        let message = format!("`{text}` cannot be the header of the assertion");
        reader.findings.error("wrong_value", node.span, message).help("write a name of its own: `X-Postern-Assertion`");
    }
    name
}

fn ttl(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let ttl = (TIME.read)(key, node, reader)?;
    if !(5..=600).contains(&ttl.as_secs()) {
        let message =
            "`ttl` must be from 5s to 10m: it is for the clocks of services, and nobody ends an assertion sooner";
        reader.findings.error("wrong_value", node.span, message);
    }
    Some(ttl)
}

fn issuer(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = node.expect_str(&format!("`{key}`"), reader.findings)?;
    if text.is_empty() || text.len() > 200 {
        reader.findings.error("wrong_value", node.span, "`issuer` must have 1 to 200 bytes");
        return None;
    }
    Some(text.into())
}
