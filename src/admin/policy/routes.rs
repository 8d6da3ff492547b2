//! `/policy/`: the routes with their rules; and one of them, with all that it says.

use super::super::frame::Frame;
use super::super::gate::Visit;
use super::{EXPLAIN, Leaf, REFUSALS, ROUTES};
use crate::api::error::ApiError;
use crate::api::words::filters;
use crate::policy::{Policy, Route, Rule};
use crate::tools::matrix::rules_by_method;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Routes on a page.
const SIZE: usize = 50;

struct Row {
    pattern: String,
    href: String,
    place: String,
    rules: Vec<(String, String)>,
    organization: String,
    upstream: String,
    is_shadow: bool,
}

#[derive(Template)]
#[template(path = "policy_routes.html")]
struct List {
    frame: Frame,
    fingerprint: String,
    search: String,
    action: String,
    rows: Vec<Row>,
    leaf: Leaf,
    warnings: usize,
}

pub(in crate::admin) async fn list(visit: Visit) -> Response {
    let policy = (visit.admin.policy)();
    let search = visit.asked("q");
    let has = |route: &&Route| {
        search.is_empty()
            || route.pattern.contains(&search)
            || route.rules().iter().any(|rule| rule.access.as_str() == search)
            || (search == "shadow" && route.is_shadow())
    };
    let found: Vec<&Route> = policy.routes().iter().filter(has).collect();
    let here = visit.admin.at(ROUTES);
    let address = if search.is_empty() {
        here.clone()
    } else {
        format!("{here}?q={}", utf8_percent_encode(&search, NON_ALPHANUMERIC))
    };
    let leaf = Leaf::of(&visit.asked("page"), SIZE, found.len(), &address);
    let rows = found.get(leaf.from..leaf.to).unwrap_or_default().iter().map(|route| Row {
        pattern: route.pattern.to_string(),
        href: visit.admin.at(&format!("/policy/route/{}/", route.index)),
        place: place(route),
        rules: rules_by_method(route).into_iter().map(|(methods, rule)| (methods, level(rule))).collect(),
        organization: organization(route),
        upstream: upstream(&policy, route),
        is_shadow: route.is_shadow(),
    });
    let page = List {
        frame: visit.frame("Routes"),
        fingerprint: policy.fingerprint().chars().take(16).collect(),
        rows: rows.collect(),
        leaf,
        search,
        action: here,
        warnings: policy.warnings().list().len(),
    };
    visit.page(StatusCode::OK, &page)
}

fn place(route: &Route) -> String {
    format!("{}:{}", route.file, route.line)
}

fn level(rule: &Rule) -> String {
    rule.access.as_str().to_owned()
}

/// What its rules read the organization from, each once.
fn organization(route: &Route) -> String {
    let mut words: Vec<String> = Vec::new();
    for rule in route.rules().iter().filter(|rule| !rule.origin.is_empty()) {
        let said = route.origin_words(rule);
        if !words.contains(&said) {
            words.push(said);
        }
    }
    words.join("; ")
}

fn upstream(policy: &Policy, route: &Route) -> String {
    policy.upstreams().get(route.upstream).map(|name| name.to_string()).unwrap_or_default()
}

struct RuleWords {
    methods: String,
    level: String,
    /// What it says besides, by the key of the language.
    says: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "policy_route.html")]
struct One {
    frame: Frame,
    facts: Vec<(&'static str, String)>,
    rules: Vec<RuleWords>,
    explain: String,
    refusals: String,
}

pub(in crate::admin) async fn one(visit: Visit, Path(index): Path<usize>) -> Response {
    let policy = (visit.admin.policy)();
    let Some(route) = policy.routes().get(index) else { return visit.refused(&ApiError::NoRoute) };
    let hosts = route.hosts().iter().map(|host| &*host.text).collect::<Vec<_>>().join(", ");
    let all = [
        ("written in", place(route)),
        ("hosts", hosts),
        ("upstream", upstream(&policy, route)),
        ("allowed methods", route.allow.to_str().unwrap_or_default().to_owned()),
    ];
    let options = route.options.words().into_iter().map(|(name, _, words)| (name, words));
    let rules = rules_by_method(route).into_iter().map(|(methods, rule)| {
        let mut says = vec![("authenticate", rule.schemes.to_string())];
        if !rule.origin.is_empty() {
            says.push(("org", route.origin_words(rule)));
        }
        let lookups = rule.lookups.iter().filter_map(|at| route.lookups.get(*at));
        says.extend(lookups.map(|call| ("lookup", route.call_words(call))));
        says.extend(rule.inject.iter().map(|inject| ("inject", route.header_words(inject))));
        let options = rule.options.as_ref().map(|options| options.words()).unwrap_or_default();
        says.extend(options.into_iter().map(|(name, _, words)| (name, words)));
        RuleWords { methods, level: level(rule), says }
    });
    let admin = &visit.admin;
    let encoded = utf8_percent_encode(&route.pattern, NON_ALPHANUMERIC);
    let page = One {
        frame: visit.frame_of(&route.pattern).below(admin, &[(ROUTES, "Routes")]),
        facts: all.into_iter().chain(options).filter(|(_, words)| !words.is_empty()).collect(),
        rules: rules.collect(),
        explain: format!("{}?target={encoded}", admin.at(EXPLAIN)),
        refusals: format!("{}?route={encoded}", admin.at(REFUSALS)),
    };
    visit.page(StatusCode::OK, &page)
}
