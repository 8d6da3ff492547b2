//! Values as people read them, with links to the records that they name.

use super::super::{Call, keys};
use super::node::Node;
use crate::api::words::Language;

/// A value. Lists have several items, and an item several pieces where it is a record of its own.
pub(crate) struct Cell {
    pub items: Vec<Vec<Piece>>,
}

pub(crate) struct Piece {
    /// Which member of an item it is.
    pub label: String,
    pub text: String,
    /// Where it leads; empty where that is nowhere.
    pub href: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    None,
    Flag,
    Time,
    Id,
    /// A link that somebody wrote down, to somewhere else.
    Elsewhere,
}

/// A name of a field, as words.
pub(super) fn words(name: &str) -> String {
    match name {
        "id" => "ID".to_owned(),
        "url" => "URL".to_owned(),
        name => crate::api::openapi::capital(&name.replace(['_', '.'], " ")),
    }
}

impl Piece {
    fn new(text: String, kind: Kind) -> Self {
        Self { label: String::new(), text, href: String::new(), kind }
    }

    fn flag(flag: bool) -> Self {
        Self::new(if flag { "yes" } else { "no" }.to_owned(), Kind::Flag)
    }
}

impl Cell {
    pub(super) fn of(call: &Call, name: &str, node: &Node) -> Self {
        let items = match node {
            Node::List(items) if name == "changes" && call.site().is_some() => items.iter().map(change).collect(),
            Node::List(items) if !items.is_empty() => items.iter().map(|item| pieces(call, name, item)).collect(),
            // By the key of another record.
            Node::Map(members) if members.iter().any(|(key, _)| target(name, key).is_some()) => {
                let keyed = members.iter().map(|(key, item)| {
                    let mut all = vec![piece(call, name, &Node::Text(key.clone()))];
                    all.extend(pieces(call, "", item));
                    all
                });
                keyed.collect()
            }
            node => vec![pieces(call, name, node)],
        };
        Self { items }
    }
}

/// A field that was changed, from what to what.
fn change(of: &Node) -> Vec<Piece> {
    let text = |name: &str| {
        let node = of.get(name).unwrap_or(&Node::Null);
        let of_list = || node.items().iter().filter_map(Node::text).collect::<Vec<_>>().join(", ");
        match node {
            Node::Flag(flag) => Piece::flag(*flag),
            Node::List(items) if !items.is_empty() => Piece::new(of_list(), Kind::Text),
            node => match node.text().filter(|text| !text.is_empty()) {
                Some(text) => Piece::new(text.to_owned(), Kind::Text),
                None => Piece::new("none".to_owned(), Kind::None),
            },
        }
    };
    let label = words(of.get("field").and_then(Node::text).unwrap_or_default());
    vec![Piece { label, ..text("before") }, Piece { label: "now".to_owned(), ..text("after") }]
}

fn pieces(call: &Call, name: &str, node: &Node) -> Vec<Piece> {
    match node {
        Node::Map(members) if !members.is_empty() => {
            let each = members.iter().flat_map(|(name, node)| {
                let mut inner = pieces(call, name, node);
                inner.iter_mut().filter(|piece| piece.label.is_empty()).for_each(|piece| piece.label = words(name));
                inner
            });
            each.collect()
        }
        Node::List(items) if !items.is_empty() => items.iter().flat_map(|item| pieces(call, name, item)).collect(),
        node => vec![piece(call, name, node)],
    }
}

fn piece(call: &Call, name: &str, node: &Node) -> Piece {
    let (text, kind) = match node {
        Node::Flag(flag) => (if *flag { "yes" } else { "no" }.to_owned(), Kind::Flag),
        Node::Number(text) => (text.clone(), Kind::Text),
        Node::Text(text) if text.is_empty() => ("none".to_owned(), Kind::None),
        Node::Text(text) => match moment(text) {
            Some(moment) => (moment, Kind::Time),
            None if keys::uuid(text).is_some() => (text.clone(), Kind::Id),
            None => (text.clone(), Kind::Text),
        },
        Node::Null | Node::List(_) | Node::Map(_) => ("none".to_owned(), Kind::None),
    };
    let (href, kind) = match node.text().unwrap_or_default() {
        address if name == "url" && is_web(address) => (address.to_owned(), Kind::Elsewhere),
        text => (target(name, text).map(|path| call.path(&path)).unwrap_or_default(), kind),
    };
    Piece { label: String::new(), text, href, kind }
}

/// The record that a field names.
fn target(name: &str, text: &str) -> Option<String> {
    let number = |list: &str| {
        let number = text.split(':').next().unwrap_or_default();
        keys::is_number(number).then(|| format!("{list}/{number}/"))
    };
    let id = |list: &str| keys::uuid(text).map(|id| format!("{list}/{id}/"));
    match name {
        "organization"
        | "organizations"
        | "organizations_managed"
        | "organizations_owned"
        | "organization_permissions" => id("organization"),
        "user" => id("user"),
        "groups" => number("group"),
        "user_permissions" | "permissions" => number("permission"),
        _ => None,
    }
}

/// Whether an address leads to a page. Others, such as `javascript:`, may do something where they are clicked on.
fn is_web(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// A time to the second.
fn moment(text: &str) -> Option<String> {
    let is_whole = text.ends_with('Z') && text.contains('T') && text.len() >= 20;
    is_whole.then(|| text.parse().ok()).flatten().map(|at| Language::current().second(at))
}

#[cfg(test)]
mod tests {
    use super::{is_web, moment, target, words};

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert!(is_web("https://a.example/") && is_web("HTTP://a.example"));
        for other in ["javascript:alert(1)", "JaVaScRiPt://https://", " https://a", "data:text/html,x", "//a", ""] {
            assert!(!is_web(other), "{other}");
        }
    }

    #[test]
    fn fields_that_name_records_lead_there() {
        let id = "10000000-0000-4000-8000-0000000000aa";
        assert_eq!(target("organization", id), Some(format!("organization/{id}/")));
        assert_eq!(target("permissions", "12: device | Can add device").as_deref(), Some("permission/12/"));
        for (name, text) in
            [("organization", "../x"), ("permissions", "config.add_device"), ("name", id), ("user", "ann")]
        {
            assert_eq!(target(name, text), None, "{name} {text}");
        }
    }

    #[test]
    fn times_are_read_and_other_texts_are_not() {
        assert_eq!(moment("2024-01-03T12:00:00.123456Z").as_deref(), Some("2024-01-03 12:00:00 UTC"));
        for other in ["2024-01-03", "2024-99-03T12:00:00Z", "To be or not to be, Z", ""] {
            assert_eq!(moment(other), None, "{other}");
        }
        assert_eq!(words("is_active"), "Is active");
    }
}
