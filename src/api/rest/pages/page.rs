//! The page, whatever is on it: where it is, who is logged in, and where one can go from here.

use super::super::routes::{ROUTES, Route};
use super::super::show::indented;
use super::super::{Api, Call, Site, Verb};
use super::cell::{Cell, Kind, words};
use super::form::Form;
use super::node::Node;
use super::sent::Intent;
use super::table::Table;
use crate::api::assets;
use crate::api::paths::{DOCS, LOGIN, LOGOUT};
use crate::api::words::{self, filters};
use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

#[derive(Default, Template)]
#[template(path = "browse.html")]
pub(crate) struct Page {
    pub style: String,
    /// In the language of who reads it, as crumbs are: names are in both, and are nobody's to translate.
    pub title: String,
    pub nav: Vec<Anchor>,
    pub crumbs: Vec<Anchor>,
    pub docs: String,
    pub username: String,
    pub me: String,
    pub login: String,
    pub logout: String,
    pub method: String,
    pub path: String,
    pub allow: Vec<&'static str>,
    /// Why there is nothing else, as HTTP says it.
    pub status: String,
    pub notice: &'static str,
    pub problems: Vec<String>,
    /// What to do about it.
    pub help: Option<Anchor>,
    pub is_secret: bool,
    pub actions: Vec<Anchor>,
    pub related: Vec<Anchor>,
    /// The record that the page is about, and the lists below it.
    pub tabs: Vec<Anchor>,
    pub table: Option<Table>,
    pub record: Vec<(String, Cell)>,
    pub form: Option<Form>,
    pub json: String,
    pub is_in_api: bool,
}

pub(crate) struct Anchor {
    pub text: String,
    pub href: String,
    pub is_here: bool,
}

impl Anchor {
    pub(super) fn new(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self { text: text.into(), href: href.into(), is_here: false }
    }
}

impl Page {
    /// An empty page at a path, for whoever asks.
    pub(super) fn of(
        api: &Api,
        route: &Route,
        call: Option<&Call>,
        (method, uri): (&Method, &Uri),
        site: Option<&Site>,
    ) -> Self {
        let at = |path: &str| super::at(api, site, path);
        let here = at(uri.path());
        let mut page = Self {
            style: at(&assets::style()),
            title: words::t(&title(route)).into_owned(),
            // With `compat: openwisp` that is a page of the service behind.
            docs: if api.compat { String::new() } else { at(DOCS) },
            method: method.to_string(),
            path: uri.path_and_query().map(|target| at(target.as_str())).unwrap_or_default(),
            allow: route.about.methods.allow.split(", ").collect(),
            crumbs: crumbs(at, route, uri.path()),
            is_in_api: site.is_none(),
            ..Self::default()
        };
        let Some(call) = call else {
            if api.has_pages() {
                let next = utf8_percent_encode(&page.path, NON_ALPHANUMERIC);
                page.login = format!("{}?next={next}", at(LOGIN));
            }
            return page;
        };
        page.username = call.asker.user.username.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
        page.me = call.path("me/");
        if call.session.is_some() {
            page.logout = at(LOGOUT);
        }
        let open = ROUTES.iter().filter(|route| !route.path.contains('{') && route.is_read() && may_open(call, route));
        page.nav = open
            .map(|route| {
                let href = call.path(route.path);
                Anchor { text: title(route), is_here: here.starts_with(&href), href }
            })
            .collect();
        // One's own comes last.
        page.nav.sort_by_key(|one| one.href.starts_with(&page.me));
        if !page.is_in_api {
            page.tabs = tabs(call, route);
        }
        // The longest of those that lead here is the one.
        let longest = page.nav.iter().filter(|one| one.is_here).map(|one| one.href.len()).max();
        page.nav.iter_mut().for_each(|one| one.is_here &= Some(one.href.len()) == longest);
        page
    }

    /// Leads from the login back to the form that was asked for; the path has lost it by then.
    pub(super) fn come_back(&mut self, form: Option<Intent>) {
        if let Some(form) = form.filter(|_| !self.login.is_empty()) {
            let mark = if self.path.contains('?') { '&' } else { '?' };
            let form = format!("{mark}_form={}", form.word());
            self.login = format!("{}{}", self.login, utf8_percent_encode(&form, NON_ALPHANUMERIC));
        }
    }

    /// Shows what was told.
    pub(super) fn tell(&mut self, call: &Call, route: &Route, json: &str) {
        let told = Node::parse(json);
        self.json = indented(json, 2);
        if told.get("results").is_some() {
            self.table = Some(Table::of(call, route, &told));
            return;
        }
        if let Some(name) = name(&told) {
            self.title = name.to_owned();
            if let Some(last) = self.crumbs.last_mut().filter(|_| route.path.ends_with("}/")) {
                name.clone_into(&mut last.text);
            }
        }
        // Memberships have a list of their own there.
        let members = told.members().iter().filter(|(name, _)| self.is_in_api || name != "organization_users");
        self.record = members.map(|(name, node)| (words(name), Cell::of(call, name, node))).collect();
    }

    /// Says what else there is: forms, and what is below.
    pub(super) fn lead_on(&mut self, call: &Call, route: &Route) {
        let here = call.here();
        let has = |method: Method| {
            let is_there = route.about.methods.verbs.iter().any(|(known, _)| *known == method);
            is_there && call.has_permission((route.about.permission, route.about.action), &method)
        };
        let form = |intent: Intent, text: &str| Anchor::new(text, format!("{here}?_form={}", intent.word()));
        if call.session.is_some() {
            for (intent, text) in [(Intent::Create, "Create"), (Intent::Edit, "Edit"), (Intent::Delete, "Delete")] {
                if has(intent.method()) {
                    self.actions.push(form(intent, text));
                }
            }
        }
        for below in ROUTES.iter().filter(|below| below.is_below(route) && may_open(call, below)) {
            let last = below.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let open = if below.is_read() { "" } else { below.form().map_or("", |intent| intent.query()) };
            if below.is_read() || call.session.is_some() {
                // In the API they are told together.
                let place = if self.is_in_api || below.is_read() { &mut self.related } else { &mut self.actions };
                place.push(Anchor::new(title(below), format!("{here}{last}/{open}")));
            }
        }
    }

    /// The page in the place of an answer's body; or beside it, for another site that shows it in its own way.
    pub(super) fn answer(self, mut response: Response) -> Response {
        if !self.is_in_api {
            response.extensions_mut().insert(Arc::new(self));
            return response;
        }
        let Ok(html) = self.render() else { return response };
        *response.body_mut() = Body::from(html);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
        response
    }
}

fn lists_below(record: &Route) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |below| below.is_below(record) && below.is_read())
}

/// The record that a page is about, and the lists below it: links, of which one may be here.
fn tabs(call: &Call, route: &Route) -> Vec<Anchor> {
    let parts: Vec<&str> = call.request.uri.path().trim_start_matches(crate::api::paths::PREFIX).split('/').collect();
    let above = ROUTES.iter().filter(|of| route.path.starts_with(of.path) && of.path.ends_with("}/"));
    let Some(record) = above.filter(|of| lists_below(of).next().is_some()).max_by_key(|of| of.path.len()) else {
        return Vec::new();
    };
    let depth = record.path.matches('/').count();
    let base = call.path(&format!("{}/", parts.get(..depth).unwrap_or_default().join("/")));
    let mut tabs = vec![Anchor { is_here: route.path == record.path, ..Anchor::new("Details", base.clone()) }];
    for below in lists_below(record).filter(|below| may_open(call, below)) {
        let is_here = route.path.starts_with(below.path);
        let href = format!("{base}{}", below.path.strip_prefix(record.path).unwrap_or_default());
        tabs.push(Anchor { is_here, ..Anchor::new(title(below), href) });
    }
    tabs
}

/// What a record is called.
pub(super) fn name(told: &Node) -> Option<&str> {
    let names = ["username", "name", "codename", "email", "slug"];
    names.iter().find_map(|name| told.get(name).and_then(Node::text)).filter(|name| !name.is_empty())
}

/// Whether a page would say more than that they may not.
fn may_open(call: &Call, route: &Route) -> bool {
    let (permission, verbs) = ((route.about.permission, route.about.action), route.about.methods.verbs);
    let is_of_superusers = ["super-", "user/{id}/token/", "user/{id}/session/"];
    let is_for_all = !is_of_superusers.iter().any(|path| route.path.starts_with(path)) || call.is_superuser();
    // Of nobody there is nothing to do.
    let is_for_all = is_for_all && !route.about.is_confirmed;
    let is_served = !route.path.ends_with("magic-link/") || call.api.identity.makes_links();
    is_for_all && is_served && verbs.first().is_some_and(|(method, _)| call.has_permission(permission, method))
}

/// What a route is called: many of its records, or what it is.
fn title(route: &Route) -> String {
    if route.about.is_confirmed {
        return format!("Several {}s", route.path.split('/').next().unwrap_or_default());
    }
    let of_oneself = if route.path.starts_with("me/") && route.path != "me/" { "my " } else { "" };
    let many = if route.is_list() && route.one() != "history" { "s" } else { "" };
    words(&format!("{of_oneself}{}{many}", route.one()))
}

fn title_of(path: &str) -> Option<String> {
    ROUTES.iter().find(|route| route.path == path).map(title)
}

/// The pages above this one, and this one.
fn crumbs(place: impl Fn(&str) -> String, route: &Route, path: &str) -> Vec<Anchor> {
    let below = path.strip_prefix(crate::api::paths::PREFIX).unwrap_or_default().trim_end_matches('/');
    let (mut crumbs, mut at) = (Vec::new(), crate::api::paths::PREFIX.to_owned());
    let (parts, mut whole) = (below.split('/').zip(route.path.split('/')), String::new());
    for (part, pattern) in parts {
        at = format!("{at}{part}/");
        whole = format!("{whole}{pattern}/");
        let text = match pattern.starts_with('{') {
            true if part.len() > 8 => format!("{}…", part.get(..8).unwrap_or_default()),
            true => part.to_owned(),
            false => words::t(&title_of(&whole).unwrap_or_else(|| words(part))).into_owned(),
        };
        crumbs.push(Anchor::new(text, place(&at)));
    }
    if let Some(last) = crumbs.last_mut() {
        last.is_here = true;
    }
    crumbs
}

impl Route {
    /// What one of its records is called: the last of its words.
    pub(super) fn one(&self) -> String {
        let mut parts = self.path.trim_end_matches('/').rsplit('/');
        parts.find(|part| !part.starts_with('{')).unwrap_or_default().replace('-', " ")
    }

    pub(super) fn is_read(&self) -> bool {
        self.about.methods.verbs.iter().any(|(method, _)| *method == Method::GET)
    }

    pub(super) fn is_list(&self) -> bool {
        self.about.methods.verbs.iter().any(|(_, verb)| *verb == Verb::List)
    }

    /// What a page without anything to read is there for.
    pub(super) fn form(&self) -> Option<Intent> {
        let has = |method: Method| self.about.methods.verbs.iter().any(|(known, _)| *known == method);
        [Intent::Create, Intent::Edit].into_iter().find(|intent| has(intent.method()))
    }

    /// Whether it is one step below another, by a word and not by a key.
    fn is_below(&self, other: &Self) -> bool {
        let rest = self.path.strip_prefix(other.path).unwrap_or_default();
        rest.matches('/').count() == 1 && !rest.starts_with('{')
    }

    /// What who asks may do to one of a list's records, where it is a list below a record, which are short.
    pub(super) fn short_list_of(&self, call: &Call) -> Option<Vec<(Intent, &'static str)>> {
        let rest = |one: &Self| one.path.strip_prefix(self.path).map(str::to_owned).unwrap_or_default();
        let is_one = |one: &&Self| {
            rest(one).starts_with('{') && rest(one).ends_with("}/") && rest(one).matches('/').count() == 1
        };
        let one = ROUTES.iter().filter(|_| self.path.contains("}/")).find(is_one)?;
        let about = &one.about;
        let may = |intent: Intent| {
            let method = intent.method();
            about.methods.verbs.iter().any(|(known, _)| *known == method)
                && call.has_permission((about.permission, about.action), &method)
        };
        let all = [(Intent::Edit, "Change"), (Intent::Delete, "Remove")];
        Some(all.into_iter().filter(|(intent, _)| may(*intent)).collect())
    }

    /// By which member of a list's rows the pages below it are found, if there are any.
    pub(super) fn item_key(&self) -> Option<&'static str> {
        ROUTES.iter().find_map(|route| {
            let key = route.path.strip_prefix(self.path)?.strip_prefix('{')?.strip_suffix("}/")?;
            Some(match key {
                "user" => "user",
                "organization" => "organization",
                _ => "id",
            })
        })
    }
}

impl Intent {
    /// The address of its form, behind a path.
    pub(super) const fn query(self) -> &'static str {
        match self {
            Self::Create => "?_form=create",
            Self::Edit => "?_form=edit",
            Self::Delete => "?_form=delete",
        }
    }
}
