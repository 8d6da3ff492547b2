//! `forward_auth:` — the listener that a proxy asks whether a request may pass, which forwards it itself.

use super::keys::{Reader, Section, Shape, custom, keys};
use super::{Config, edge};
use crate::fronts::Front;
use crate::net::listen::Address;
use crate::yaml::{Findings, Map, Node};

#[derive(Clone, Debug)]
pub struct ForwardAuth {
    pub listen: Address,
    pub front: Front,
}

keys! {
    struct Said {
        listen: Option<Address> = None, custom(Shape::Text, edge::listen),
            "Where it asks: `ADDRESS:PORT`, or `unix:///PATH`.";
        front: Option<Front> = None, custom(Shape::Words(FRONTS), front),
            "Which proxy asks: it decides where its questions tell the request, and what it reads otherwise than it says.";
    }
}

const FRONTS: &[&str] =
    &[Front::ALL[0].0, Front::ALL[1].0, Front::ALL[2].0, Front::ALL[3].0, Front::ALL[4].0, Front::ALL[5].0];

pub(super) const SHAPE: Shape = Shape::Map(Said::KEYS, 2);

pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<ForwardAuth> {
    if node.is_off() {
        return None;
    }
    let map = node.expect_map("`forward_auth`", reader.findings)?;
    let Said { listen, front } = reader.read::<Said>(key, "`forward_auth`", map);
    for name in ["listen", "front"].into_iter().filter(|name| map.get(name).is_none()) {
        let detail = reader.findings.error("missing_key", node.span, format!("`forward_auth` has no `{name}`"));
        detail.help("write `forward_auth: { listen: 127.0.0.1:8081, front: nginx }`");
    }
    Some(ForwardAuth { listen: listen?, front: front? })
}

fn front(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Front> {
    node.expect_one_of("`front`", &Front::ALL, reader.findings)
}

/// Whoever asks says whose request it is about, so it must be known who may.
pub(super) fn check(tree: &Map, config: &Config, findings: &mut Findings) {
    if let Some(node) = tree.get("forward_auth").filter(|_| config.forward_auth.is_some())
        && config.trusted_proxies.is_empty()
    {
        findings
            .error("wrong_value", node.span, "`forward_auth` answers `trusted_proxies` alone, and there are none")
            .help("name the address that your proxy asks from; over a Unix socket that is 127.0.0.1");
    }
}
