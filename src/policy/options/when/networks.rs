//! `client.within("10.0.0.0/8")`: networks are constants, read when the policy is loaded.

use super::check::text_of;
use cel::common::ast::{Expr, IdedExpr};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

pub(super) const EXAMPLE: &str =
    r#"`client.within("10.0.0.0/8")`, or `client.within(["10.0.0.0/8", "2001:db8::/32"])`"#;

/// The texts of networks that are written out, one or a list, each with the number of its part.
pub(super) fn texts(written: &IdedExpr) -> Option<Vec<(u64, &str)>> {
    let parts = match &written.expr {
        Expr::List(list) if !list.elements.is_empty() => list.elements.as_slice(),
        _ => std::slice::from_ref(written),
    };
    parts.iter().map(|part| Some((part.id, text_of(part)?))).collect()
}

/// Under which name the answer stands in `client`: no other member is called so.
pub(super) fn key(texts: &[(u64, &str)]) -> Box<str> {
    let texts: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
    format!("within {}", texts.join(", ")).into()
}

/// Reads a network, or one address; IPv4 in the clothes of IPv6 is IPv4, as the client's address is.
///
/// # Errors
/// How it is to be written.
pub(super) fn read(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("for example {EXAMPLE}"))?;
    if network.trunc() != network {
        return Err(format!("there are bits behind its prefix: write `{}`, or the address alone", network.trunc()));
    }
    Ok(match (network.addr(), network.addr().to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(mapped)) if network.prefix_len() >= 96 => {
            Ipv4Net::new(mapped, network.prefix_len() - 96).map_or(network, IpNet::V4)
        }
        _ => network,
    })
}

/// Whether a text can be that of a client's address.
///
/// # Errors
/// How it is to be written.
pub(super) fn is_address(text: &str) -> Result<(), String> {
    let written = text.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
    match written {
        Ok(written) if written == text => Ok(()),
        Ok(written) => Err(format!("write `{written}`")),
        Err(_) if read(text).is_ok() => Err(format!("ask `client.within(\"{text}\")`")),
        Err(_) => Err("an address is written like `10.1.2.3` and `2001:db8::1`".to_owned()),
    }
}
