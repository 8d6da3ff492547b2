//! Lists as tables, with what filters, searches, orders and pages them.

use super::super::Call;
use super::super::routes::Route;
use super::cell::{Cell, words};
use super::node::Node;
use super::page::Anchor;
use super::sent::Intent;
use crate::api::words::{fill, t};
use crate::compat::openwisp::negotiate::query;
use crate::directory::{Field, FieldType, Kind};
use form_urlencoded::Serializer;
use http::Method;

pub(crate) struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// How many there are, in words.
    pub count: String,
    pub previous: String,
    pub next: String,
    pub filters: Option<Filters>,
    /// Something was looked for.
    pub is_narrowed: bool,
    /// What is said where there is nothing.
    pub nothing: &'static str,
    /// The list without filters.
    pub all: String,
    /// What may be done to several rows at once: a word, and how the button calls it.
    pub bulk: Vec<(&'static str, &'static str)>,
}

pub(crate) struct Column {
    pub label: String,
    /// Where the list is ordered by it; empty where it cannot be.
    pub href: String,
    /// How it is ordered now, as `aria-sort` says it.
    pub sorted: &'static str,
}

pub(crate) struct Row {
    /// Its id, where several rows may be chosen.
    pub key: String,
    pub href: String,
    /// The first is what the row is called.
    pub cells: Vec<Cell>,
    /// What may be done to it, where lists are short enough to show that.
    pub actions: Vec<Anchor>,
}

pub(crate) struct Filters {
    pub search: Option<String>,
    pub fields: Vec<Filter>,
    pub orders: Vec<(String, String, bool)>,
    pub sizes: Vec<(String, bool)>,
    /// Some of the fields are in use.
    pub is_open: bool,
}

pub(crate) struct Filter {
    pub name: String,
    pub label: String,
    pub kind: &'static str,
    pub value: String,
    /// Where it is one of these.
    pub options: Vec<String>,
}

/// What may be done to several users: see `user/bulk/`.
const BULK: [(&str, &str); 2] = [("activate", "Activate"), ("deactivate", "Deactivate")];

/// What rows are called by, where they have it.
const HEADS: [&str; 5] = ["username", "name", "codename", "email", "slug"];

impl Table {
    pub(super) fn of(call: &Call, route: &Route, told: &Node) -> Self {
        let results = told.get("results").map(Node::items).unwrap_or_default();
        let asked = Query::of(call);
        let listed = if call.is_compat() { &[] } else { route.about.listed };
        let mut names: Vec<&str> =
            results.first().map(Node::members).unwrap_or_default().iter().map(|(name, _)| name.as_str()).collect();
        if let Some(head) = HEADS.iter().find_map(|head| names.iter().position(|name| name == head)) {
            let head = names.remove(head);
            names.insert(0, head);
        }
        if call.site().is_some() && !route.about.columns.is_empty() {
            names = route.about.columns.iter().copied().filter(|name| names.contains(name)).collect();
        }
        // Ids are for machines.
        if let Some(id) = names.iter().position(|name| *name == "id").filter(|_| names.len() > 1) {
            let id = names.remove(id);
            names.push(id);
        }
        let key = route.item_key();
        let path = call.here();
        let below = call.site().is_some().then(|| route.short_list_of(call)).flatten();
        // Who holds a group or a role is a user like others.
        let is_of_users = key.is_none() && route.path.ends_with("}/user/");
        let place = if is_of_users { call.path("user/") } else { path.clone() };
        let row = |row: &Node| {
            let id = key.or(is_of_users.then_some("id"));
            let id = id.and_then(|key| row.get(key).or_else(|| row.get("id"))).and_then(Node::text);
            let cell = |name: &&str| Cell::of(call, name, row.get(name).unwrap_or(&Node::Null));
            Row {
                key: row.get("id").and_then(Node::text).unwrap_or_default().to_owned(),
                href: id.map(|id| format!("{place}{id}/")).unwrap_or_default(),
                cells: names.iter().map(cell).collect(),
                actions: match (&below, id) {
                    // An owner stays what they are until ownership has moved.
                    (Some(_), _) if row.get("is_owner") == Some(&Node::Flag(true)) => Vec::new(),
                    (Some(below), Some(id)) => {
                        let link = |(intent, text): &(Intent, &str)| {
                            Anchor::new(*text, format!("{path}{id}/{}", intent.query()))
                        };
                        below.iter().map(link).collect()
                    }
                    _ => Vec::new(),
                },
            }
        };
        let may_change_several = call.site().is_some()
            && route.path == "user/"
            && !results.is_empty()
            && call.has_permission((route.about.permission, None), &Method::PUT);
        let column = |name: &&str| {
            let is_sorted = listed.iter().any(|field| field.sort && field.name == *name);
            let now = asked.first("ordering");
            let sorted = match now {
                Some(now) if now == *name => "ascending",
                Some(now) if now.strip_prefix('-') == Some(name) => "descending",
                _ => "none",
            };
            let next = if sorted == "ascending" { format!("-{name}") } else { (*name).to_owned() };
            let href = if is_sorted { asked.with(&path, "ordering", &next) } else { String::new() };
            Column { label: words(name), href, sorted }
        };
        let link = |name: &str| {
            let link = told.get(name).and_then(Node::text).unwrap_or_default();
            link.strip_prefix(&call.origin.0).filter(|rest| rest.starts_with('/')).unwrap_or_default().to_owned()
        };
        Self {
            columns: names.iter().map(column).collect(),
            rows: results.iter().map(row).collect(),
            count: count(told),
            previous: link("previous"),
            next: link("next"),
            filters: (!listed.is_empty()).then(|| Filters::of(call, listed, &asked)),
            is_narrowed: asked.is_narrowed(),
            nothing: match route.path.ends_with("/history/") && !call.api.store.is_audited() {
                true => "The audit log is off: nothing is written down.",
                false => "There is nothing here yet.",
            },
            all: path.clone(),
            bulk: if may_change_several { BULK.to_vec() } else { Vec::new() },
        }
    }
}

impl Table {
    pub(crate) fn has_actions(&self) -> bool {
        self.rows.iter().any(|row| !row.actions.is_empty())
    }
}

fn count(told: &Node) -> String {
    let Some(count) = told.get("count").and_then(Node::text) else { return String::new() };
    match (count, told.get("count_is_exact")) {
        (count, Some(Node::Flag(false))) => format!("more than {count}"),
        ("1", _) => "1 record".to_owned(),
        (count, _) => format!("{count} records"),
    }
}

/// The parameters of a request.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(call: &Call) -> Self {
        Self(query(call.request.uri.query()).unwrap_or_default())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is_narrowed(&self) -> bool {
        let other = ["ordering", "page", "page_size", "cursor", "format"];
        self.0.iter().any(|(name, _)| !other.contains(&name.as_str()))
    }

    /// The first page of the same list with another value of a parameter.
    fn with(&self, path: &str, name: &str, value: &str) -> String {
        let mut query = Serializer::new(String::new());
        let other = [name, "page", "cursor"];
        let kept = self.0.iter().filter(|(known, _)| !other.contains(&known.as_str()));
        query.extend_pairs(kept).append_pair(name, value);
        format!("{path}?{}", query.finish())
    }
}

impl Filters {
    fn of(call: &Call, listed: &[Field], asked: &Query) -> Self {
        let value = |name: &str| asked.first(name).unwrap_or_default().to_owned();
        let flag = || ["true", "false"].map(str::to_owned).to_vec();
        let mut fields = Vec::new();
        for field in listed.iter().filter(|field| field.filter && field.name != "id") {
            let (kind, options) = match field.kind {
                Kind::Flag => ("select", flag()),
                Kind::Date => ("date", Vec::new()),
                Kind::Map => {
                    for (name, of) in call.api.store.declared().iter() {
                        let name = format!("{}.{name}", field.name);
                        let options = match of {
                            FieldType::Text { choices, .. } => choices.clone(),
                            FieldType::Flag => flag(),
                            _ => Vec::new(),
                        };
                        let kind = match of {
                            _ if !options.is_empty() => "select",
                            FieldType::Date => "date",
                            _ => "text",
                        };
                        fields.push(Filter { label: words(&name), value: value(&name), name, kind, options });
                    }
                    continue;
                }
                _ if field.name == "level" => ("select", ["member", "manager", "owner"].map(str::to_owned).to_vec()),
                _ => ("text", Vec::new()),
            };
            let name = field.name.to_owned();
            fields.push(Filter { label: words(&name), value: value(&name), name, kind, options });
        }
        let now = value("ordering");
        let sorted = listed.iter().filter(|field| field.sort).flat_map(|field| {
            let way = |sign: &str, told: &str| {
                let value = format!("{sign}{}", field.name);
                let label = fill(&format!("{{0}}, {told}"), t(&words(field.name)));
                (value.clone(), label, value == now)
            };
            [way("", "ascending"), way("-", "descending")]
        });
        let size = asked.first("page_size").unwrap_or("10");
        Self {
            search: listed.iter().any(|field| field.search).then(|| value("search")),
            orders: sorted.collect(),
            sizes: ["10", "25", "50", "100"].map(|known| (known.to_owned(), known == size)).to_vec(),
            is_open: fields.iter().any(|field| !field.value.is_empty()),
            fields,
        }
    }
}
