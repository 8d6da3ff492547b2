//! `forward_auth:` and `ext_authz:` — the listeners that a proxy asks, over HTTP and over gRPC, whether a request may pass that it forwards itself.

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

keys! {
    struct SaidExtAuthz {
        listen: Option<Address> = None, custom(Shape::Text, edge::listen),
            "Where Envoy asks over gRPC: `ADDRESS:PORT`, or `unix:///PATH`.";
    }
}

pub(super) const EXT_AUTHZ: Shape = Shape::Map(SaidExtAuthz::KEYS, 1);

pub(super) fn read_ext_authz(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Address> {
    if node.is_off() {
        return None;
    }
    let map = node.expect_map("`ext_authz`", reader.findings)?;
    let SaidExtAuthz { listen } = reader.read::<SaidExtAuthz>(key, "`ext_authz`", map);
    if map.get("listen").is_none() {
        let detail = reader.findings.error("missing_key", node.span, "`ext_authz` has no `listen`");
        detail.help("write `ext_authz: { listen: 127.0.0.1:9191 }`");
    }
    listen
}

/// Whoever asks says whose request it is about, so it must be known who may.
pub(super) fn check(tree: &Map, config: &Config, findings: &mut Findings) {
    for (key, is_there) in [("forward_auth", config.forward_auth.is_some()), ("ext_authz", config.ext_authz.is_some())]
    {
        if let Some(node) = tree.get(key).filter(|_| is_there)
            && config.trusted_proxies.is_empty()
        {
            let message = format!("`{key}` answers `trusted_proxies` alone, and there are none");
            findings
                .error("wrong_value", node.span, message)
                .help("name the address that your proxy asks from; over a Unix socket that is 127.0.0.1");
        }
    }
}
