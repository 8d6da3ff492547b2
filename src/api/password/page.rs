//! What the two pages for passwords have in common: the form, and what it says when a password will not do.

use super::super::Api;
use super::super::error::ApiError;
use super::super::page::{self, ALLOW, STALE, Visitor};
use super::{MISMATCH, Refused};
use crate::api::words::filters;
use crate::compat::openwisp::body;
use crate::login::LoginError;
use crate::login::limits::State as Limit;
use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use std::time::Duration;

const MISSING: &str = "Fill in all fields.";
const LONG: &str = "A password has at most 128 characters.";
const BUSY: &str = "No password can be changed at this moment. Try again in a few seconds.";
const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";
const LATE: &str = "Your password has just been changed by somebody else.";

#[derive(Template)]
#[template(path = "password.html")]
pub(super) struct Form<'a> {
    pub style: &'static str,
    pub notice: &'a str,
    pub problem: &'a str,
    pub action: &'a str,
    pub csrf: &'a str,
    pub next: &'a str,
    pub username: &'a str,
    /// Whether the old password is asked for.
    pub old: bool,
    /// Characters of a password, at least.
    pub least: u32,
}

/// What was filled in. Its passwords are read once, so it is not shown.
#[derive(Default)]
pub(super) struct Filled {
    pub csrf: String,
    pub next: String,
    pub old: String,
    pub one: String,
    pub two: String,
}

impl Filled {
    /// Reads it.
    ///
    /// # Errors
    /// It is no form.
    pub async fn read(api: &Api, parts: &Parts, body: Body) -> Result<Self, ApiError> {
        let fields = body::read(parts, body).await?;
        // As at the endpoints, where the same password must do.
        let password = |name: &str| if api.compat { fields.text(name).trim() } else { fields.text(name) }.to_owned();
        Ok(Self {
            csrf: fields.text("csrf").to_owned(),
            next: page::local(fields.text("next")).unwrap_or_default().to_owned(),
            old: password("old_password"),
            one: password("new_password1"),
            two: password("new_password2"),
        })
    }

    /// Whether what must be there is, and no longer than it may be.
    pub fn check(&self, old: bool) -> Result<(), Problem> {
        let fields = [&self.one, &self.two].into_iter().chain(old.then_some(&self.old));
        if fields.clone().any(String::is_empty) {
            return Err(Problem::Missing);
        }
        if fields.into_iter().any(|field| field.chars().count() > super::LONGEST) { Err(Problem::Long) } else { Ok(()) }
    }
}

/// Why the form is shown again.
pub(super) enum Problem {
    Stale,
    Missing,
    Long,
    Wrong,
    Refused(Refused),
    Throttled(Duration, Option<Limit>),
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::Wrong,
            error => Self::Refused(Refused::Login(error)),
        }
    }
}

impl Problem {
    pub fn throttled(state: Limit) -> Self {
        Self::Throttled(state.reset, Some(state))
    }

    /// The status, and what is said.
    fn told(&self) -> (StatusCode, String) {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        match self {
            Self::Stale => (StatusCode::FORBIDDEN, STALE.to_owned()),
            Self::Missing => bad(MISSING),
            Self::Long => bad(LONG),
            Self::Wrong => bad(WRONG),
            Self::Refused(Refused::Mismatch) => bad(MISMATCH),
            Self::Refused(Refused::Unfit(unfit)) => bad(&unfit.to_string()),
            Self::Refused(Refused::Late) => bad(LATE),
            Self::Throttled(wait, _) | Self::Refused(Refused::Login(LoginError::Throttled(wait))) => {
                (StatusCode::TOO_MANY_REQUESTS, page::too_many(*wait))
            }
            Self::Refused(Refused::Login(error)) => {
                tracing::warn!(%error, "a password cannot be changed");
                (StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned())
            }
        }
    }

    /// The form again, with what is wrong.
    pub fn answer(&self, api: &Api, visitor: &Visitor, form: Form<'_>) -> Response {
        let (status, problem) = self.told();
        let page = show(api, visitor, status, Form { problem: &problem, ..form });
        match self {
            Self::Throttled(wait, limit) => page::with_wait(page, page::seconds(*wait), *limit),
            Self::Refused(Refused::Login(_)) => page::with_wait(page, 1, None),
            _ => page,
        }
    }
}

pub(super) fn show(api: &Api, visitor: &Visitor, status: StatusCode, form: Form<'_>) -> Response {
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    page::answer(
        status,
        &Form { csrf: &csrf, style: page::STYLE, least: api.login.validators().min_length, ..form },
        cookie,
    )
}

impl Default for Form<'_> {
    fn default() -> Self {
        Self {
            style: page::STYLE,
            notice: "",
            problem: "",
            action: "",
            csrf: "",
            next: "",
            username: "",
            old: false,
            least: 1,
        }
    }
}
