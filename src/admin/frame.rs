//! What stands around each page: where it is, where one can go, and who is logged in.
//!
//! A page is a template that extends `admin.html`, whose struct has a `frame`; it fills the block `content`:
//!
//! ```text
//! {% extends "admin.html" %}
//! {% block content %}…{% endblock %}
//! ```
//!
//! and is answered by [`Visit::page`].

use super::Admin;
use super::assets;
use super::gate::{Arrival, Visit};
use super::operations::OPERATIONS;
use super::places::Values;
use super::policy;
use crate::api::error::ApiError;
use crate::api::page::seconds;
use crate::api::paths::{ACCOUNT, LOGIN, LOGOUT};
use crate::api::words::{self, filters};
use crate::decision::Reason;
use crate::facts::Snapshot;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

pub(super) const STAFF_ALONE: &str =
    "These pages are for staff and superusers. Ask a superuser to make you staff, or log in as somebody else.";
pub(super) const SUPERUSERS_ALONE: &str = "This page is for superusers alone.";
const STALE: &str =
    "This form was open for too long, or another page sent it. Go back, load the page again, and try again.";

/// On every page: it is made of itself and its style sheet, and there for whom it was made.
pub(super) const EVERY_PAGE: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
];

/// Whom a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Staff,
    /// Whoever may see such records, by a permission in which `{}` is the action.
    SeeingRecords(&'static str),
    Superusers,
}

/// A place of the navigation; pages below it belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Under which heading it stands; none for the first.
    pub group: &'static str,
    pub path: &'static str,
    pub text: &'static str,
    pub who: For,
}

/// The navigation, in its order.
const PLACES: &[Place] = &[
    Place { group: "", path: "/", text: "Home", who: For::Staff },
    records("/user/", "Users", "openwisp_users.{}_user"),
    records("/organization/", "Organizations", "openwisp_users.{}_organization"),
    records("/group/", "Groups", "openwisp_users.{}_group"),
    Place { group: "Records", path: "/super-role/", text: "Super roles", who: For::Superusers },
    records("/permission/", "Permissions", "auth.{}_permission"),
    Place { group: "Policy", path: policy::ROUTES, text: "Routes", who: For::Superusers },
    Place { group: "Policy", path: policy::EXPLAIN, text: "Explain", who: For::Superusers },
    Place { group: "Policy", path: policy::REFUSALS, text: "Refusals", who: For::Superusers },
    Place { group: "Policy", path: policy::SHADOW, text: "Shadow mode", who: For::Superusers },
    Place { group: "Policy", path: policy::MATRIX, text: "Who may what", who: For::Superusers },
    Place { group: "Policy", path: policy::CANDIDATE, text: "Try another", who: For::Superusers },
    Place { group: "Operations", path: OPERATIONS, text: "This replica", who: For::Superusers },
];

const fn records(path: &'static str, text: &'static str, permission: &'static str) -> Place {
    Place { group: "Records", path, text, who: For::SeeingRecords(permission) }
}

/// A link.
#[derive(Clone, Debug)]
pub struct Anchor {
    pub text: String,
    pub href: String,
    pub is_here: bool,
}

/// Links under a heading.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: &'static str,
    pub links: Vec<Anchor>,
}

/// What is around a page.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub style: String,
    /// What the pages call themselves.
    pub name: String,
    pub home: String,
    /// In the language of who reads it, as crumbs are.
    pub title: String,
    pub nav: Vec<Group>,
    /// The pages above, and this one; none on the first.
    pub crumbs: Vec<Anchor>,
    pub username: String,
    pub account: String,
    pub logout: String,
    /// Where nobody is logged in.
    pub login: String,
    /// What the installation puts below the head, at the foot, and above the content: markup.
    pub below_head: String,
    pub foot: String,
    pub above: String,
    /// What was done a moment ago.
    pub notice: String,
    /// What is wrong.
    pub problems: Vec<String>,
}

impl Frame {
    fn of(admin: &Admin, asker: Option<&Snapshot>, path: &str, title: &str) -> Self {
        let at = |path: &str| admin.api.links.at(path);
        let mut frame = Self {
            style: assets::style(admin),
            name: admin.name.clone(),
            home: admin.prefix.to_string(),
            title: words::t(title).into_owned(),
            ..Self::default()
        };
        let username = asker.and_then(|asker| asker.user.username.as_ref());
        frame.username = username.map(|name| name.as_str().to_owned()).unwrap_or_default();
        frame.fill_places(admin, path);
        let Some(asker) = asker else {
            frame.login = at(LOGIN);
            return frame;
        };
        (frame.account, frame.logout) = (at(ACCOUNT), at(LOGOUT));
        if asker.user.is_staff || asker.user.is_superuser {
            frame.nav = navigation(admin, asker, path);
        }
        frame
    }

    /// Puts what the installation has for them into the places of the page.
    fn fill_places(&mut self, admin: &Admin, path: &str) {
        let language = words::Language::current().tag();
        let values = Values { name: &self.name, username: &self.username, language, path };
        let shown = |place| admin.places.shown(place, values);
        let above = match path {
            "/" => shown("home.html"),
            _ if PLACES.iter().any(|place| place.group == "Records" && path.starts_with(place.path)) => {
                shown("records.html")
            }
            _ => String::new(),
        };
        let (below_head, foot) = (shown("header.html"), shown("footer.html"));
        (self.below_head, self.foot, self.above) = (below_head, foot, above);
    }

    /// The same below other pages, each a path and what it is called.
    #[must_use]
    pub fn below(mut self, admin: &Admin, above: &[(&str, &str)]) -> Self {
        let anchor = |(path, text): &(&str, &str)| Anchor {
            text: words::t(text).into_owned(),
            href: admin.at(path),
            is_here: false,
        };
        self.crumbs = std::iter::once(&("/", "Home")).chain(above).map(anchor).collect();
        self.crumbs.push(Anchor { text: self.title.clone(), href: String::new(), is_here: true });
        self
    }
}

fn navigation(admin: &Admin, asker: &Snapshot, path: &str) -> Vec<Group> {
    let is_superuser = asker.user.is_superuser;
    let is_under = |place: &Place| place.path == path || (place.path != "/" && path.starts_with(place.path));
    // The longest of those that lead here is the one.
    let here = PLACES.iter().filter(|place| is_under(place)).map(|place| place.path.len()).max();
    let mut groups: Vec<Group> = Vec::new();
    let may = |place: &&Place| match place.who {
        For::Staff => true,
        For::SeeingRecords(permission) => {
            ["view", "change"].iter().any(|action| asker.has_permission_everywhere(&permission.replace("{}", action)))
        }
        For::Superusers => false,
    };
    for place in PLACES.iter().filter(|place| is_superuser || may(place)) {
        let is_here = is_under(place) && Some(place.path.len()) == here;
        let link = Anchor { text: place.text.to_owned(), href: admin.at(place.path), is_here };
        match groups.last_mut().filter(|group| group.name == place.group) {
            Some(group) => group.links.push(link),
            None => groups.push(Group { name: place.group, links: vec![link] }),
        }
    }
    groups
}

impl Visit {
    /// The frame of a page with this title.
    #[must_use]
    pub fn frame(&self, title: &str) -> Frame {
        Frame::of(&self.admin, Some(&self.asker), self.path(), title)
    }

    /// The frame of a page that is called by a name, which nobody translates.
    #[must_use]
    pub fn frame_of(&self, name: &str) -> Frame {
        Frame { title: name.to_owned(), ..self.frame("") }
    }

    /// A page.
    #[must_use]
    pub fn page(&self, status: StatusCode, page: &impl Template) -> Response {
        answer(status, page)
    }

    /// A page that says what goes wrong.
    #[must_use]
    pub fn refused(&self, error: &ApiError) -> Response {
        refused(&Arrival { admin: self.admin.clone(), asker: Some(self.asker.clone()) }, error)
    }
}

fn answer(status: StatusCode, page: &impl Template) -> Response {
    let Ok(html) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], html).into_response()
}

/// A page that says why there is nothing else.
#[derive(Template)]
#[template(path = "admin_refused.html")]
struct Refused {
    frame: Frame,
    text: String,
}

pub(super) fn refused(arrival: &Arrival, error: &ApiError) -> Response {
    let (title, text) = match error {
        ApiError::NoRoute | ApiError::NotFound(_) | ApiError::Missing | ApiError::NoPage => {
            ("Not found", "There is nothing here, or nothing that you may see.".to_owned())
        }
        ApiError::Forbidden(Reason::CsrfFailed, _) => ("Try again", STALE.to_owned()),
        ApiError::Forbidden(_, text) => ("Not for you", (*text).to_owned()),
        ApiError::Throttled { wait, .. } => (
            "Too many requests",
            words::fill("There were too many requests. Try again in {0} seconds.", seconds(*wait)),
        ),
        ApiError::Busy => {
            ("Busy", "The same is being worked out for somebody else. Try again in a few seconds.".to_owned())
        }
        ApiError::Unavailable => (
            "Not at this moment",
            "What is needed for this page cannot be reached. Try again in a few seconds.".to_owned(),
        ),
        error => ("It cannot be read", error.to_string()),
    };
    let frame = Frame::of(&arrival.admin, arrival.asker.as_deref(), "", title);
    answer(error.status(), &Refused { frame, text })
}
