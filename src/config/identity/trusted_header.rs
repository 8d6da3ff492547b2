//! `identity.login.trusted_header` — whose word is taken for who somebody is, on the login page.

use crate::config::headers::networks;
use crate::config::keys::{FLAG, Reader, Section, Shape, custom, keys, one_of};
use crate::login::trusted_header::{Named, Settings};
use crate::policy::StripSet;
use crate::yaml::Node;
use http::HeaderName;
use ipnet::IpNet;

keys! {
    struct Said {
        header: Option<HeaderName> = None, custom(Shape::Text, header), "The header that says who somebody is: `X-Remote-User`.";
        from: Vec<IpNet> = Vec::new(), custom(Shape::Texts, from), "Networks of the proxies that may say it.";
        user: Named = Named::default(), one_of!("username" => Named::Username, "email" => Named::Email, "external_id" => Named::ExternalId),
            "The field that it names users by. [username]";
        superusers: bool = false, FLAG, "Whether superusers log in so. [false]";
    }
}

pub(in crate::config) const SHAPE: Shape = Shape::Map(Said::KEYS, 2);

/// Reads the section; `None` when something was reported without which there is none.
pub(in crate::config) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Settings> {
    let map = node.expect_map("`trusted_header`", reader.findings)?;
    let Said { header, from, user: named, superusers } = reader.read::<Said>(key, "`trusted_header`", map);
    for (key, help) in [("header", "write `header: X-Remote-User`"), ("from", "write `from: [10.0.0.0/8]`")] {
        if map.get(key).is_none() {
            let message = format!("`trusted_header` has no `{key}`");
            reader.findings.error("missing_key", node.span, message).help(help);
        }
    }
    Some(Settings { header: header?, from, named, superusers })
}

/// One that no client may send through to a service, whatever policy there is.
fn header(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<HeaderName> {
    let text = node.expect_str("`header`", reader.findings)?;
    let name = HeaderName::try_from(text).ok().filter(|name| StripSet::new([]).contains(name.as_str()));
    if name.is_none() {
        let message = format!("`{text}` is none of the headers that are taken out of every request to a service");
        reader.findings.error("wrong_value", node.span, message).help("have the proxy send `X-Remote-User`");
    }
    name
}

fn from(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    Some(networks(key, node, reader.findings))
}
