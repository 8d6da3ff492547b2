//! `/policy/refusals/` and `/policy/shadow/`: what this replica has refused a moment ago, and where its rules in shadow mode and the services
//! disagree.

use super::super::frame::Frame;
use super::super::gate::Visit;
use super::{EXPLAIN, Leaf, REFUSALS, SHADOW};
use crate::api::words::{self, filters};
use crate::telemetry::recent::{Disagreement, Entry, What};
use askama::Template;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;
use std::collections::BTreeSet;

/// Entries on a page.
const SIZE: usize = 50;

/// How policy and service disagree.
const SERVED: &str = "would be refused, and was served:";
const REFUSED: &str = "would pass, and the service refuses it";

struct Row {
    at: String,
    count: u32,
    method: String,
    path: String,
    route: String,
    status: u16,
    /// The code, and what it means.
    reason: &'static str,
    title: &'static str,
    /// How policy and service disagree; empty of a refusal.
    disagrees: &'static str,
    user: String,
    explain: String,
}

#[derive(Template)]
#[template(path = "policy_recent.html")]
struct Page {
    frame: Frame,
    action: String,
    is_shadow: bool,
    /// Routes and reasons that there are, and those that are asked for.
    reasons: Vec<&'static str>,
    reason: String,
    route: String,
    rows: Vec<Row>,
    leaf: Leaf,
    /// How many are kept.
    kept: usize,
    has_shadow: bool,
}

pub(in crate::admin) async fn refusals(visit: Visit) -> Response {
    let entries = visit.admin.recent.refused();
    show(&visit, "Recent refusals", REFUSALS, entries)
}

pub(in crate::admin) async fn shadow(visit: Visit) -> Response {
    let entries = visit.admin.recent.disagreed();
    show(&visit, "Shadow disagreements", SHADOW, entries)
}

fn show(visit: &Visit, title: &str, path: &str, entries: Vec<Entry>) -> Response {
    let (reason, route) = (visit.asked("reason"), visit.asked("route"));
    let reasons: BTreeSet<&'static str> = entries.iter().map(code).collect();
    let is_asked = |entry: &&Entry| {
        (reason.is_empty() || code(entry) == reason)
            && (route.is_empty() || entry.route.as_str() == route || (route == "-" && entry.route.as_str().is_empty()))
    };
    let found: Vec<&Entry> = entries.iter().filter(is_asked).collect();
    let action = visit.admin.at(path);
    let mut address = Serializer::new(String::new());
    for (name, value) in [("reason", &reason), ("route", &route)] {
        if !value.is_empty() {
            address.append_pair(name, value);
        }
    }
    let query = address.finish();
    let address = if query.is_empty() { action.clone() } else { format!("{action}?{query}") };
    let leaf = Leaf::of(&visit.asked("page"), SIZE, found.len(), &address);
    let rows = found.get(leaf.from..leaf.to).unwrap_or_default().iter().map(|entry| row(visit, entry)).collect();
    let page = Page {
        frame: visit.frame(title),
        action,
        is_shadow: path == SHADOW,
        reasons: reasons.into_iter().collect(),
        kept: entries.len(),
        has_shadow: (visit.admin.policy)().routes().iter().any(|route| route.is_shadow()),
        reason,
        route,
        rows,
        leaf,
    };
    visit.page(StatusCode::OK, &page)
}

const fn code(entry: &Entry) -> &'static str {
    match entry.what {
        What::Refused(reason) | What::Disagreed(Disagreement::Served(reason)) => reason.code(),
        What::Disagreed(Disagreement::Refused) => "allow",
    }
}

fn row(visit: &Visit, entry: &Entry) -> Row {
    let (disagrees, title) = match entry.what {
        What::Refused(reason) => ("", reason.title()),
        What::Disagreed(Disagreement::Served(reason)) => (SERVED, reason.title()),
        What::Disagreed(Disagreement::Refused) => (REFUSED, ""),
    };
    let user = entry.user.map(|id| id.0.to_string()).unwrap_or_default();
    let mut explain = Serializer::new(String::new());
    explain.append_pair("method", entry.method.as_str()).append_pair("target", entry.path.as_str());
    explain.append_pair("user", &user);
    let is_whole = !entry.path.as_str().is_empty() && !entry.path.is_cut();
    Row {
        at: words::second(i64::try_from(entry.at / 1_000_000).unwrap_or(i64::MAX)),
        count: entry.count,
        method: entry.method.as_str().to_owned(),
        path: entry.path.shown(),
        route: entry.route.shown(),
        status: entry.status,
        reason: code(entry),
        title,
        disagrees,
        explain: if is_whole { format!("{}?{}", visit.admin.at(EXPLAIN), explain.finish()) } else { String::new() },
        user,
    }
}
