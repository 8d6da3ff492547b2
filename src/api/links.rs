//! Where people find what is about passwords: addresses that begin with the configured `public_url`, and never with what a request
//! says of its host.

use super::paths;
use crate::decision::{Denial, Reason};
use crate::id::UserId;
use bytes::Bytes;
use serde_json::{Value, json};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Links {
    base: Option<Box<str>>,
    compat: bool,
}

impl Links {
    /// `compat`: pages are where the reference has them.
    #[must_use]
    pub fn new(base: Option<Box<str>>, compat: bool) -> Self {
        Self { base, compat }
    }

    /// The name of the service, as people know it.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.base.as_deref()?.split("://").nth(1)
    }

    /// The page on which who has a token chooses a password.
    #[must_use]
    pub fn reset(&self, user: UserId, token: &str) -> Option<String> {
        let page = if self.compat { paths::RESET_PAGE_COMPAT } else { paths::RESET_PAGE };
        Some(format!("{}{page}{}-{token}/", self.base.as_deref()?, user.0.simple()))
    }

    /// The page on which who is logged in changes their password.
    #[must_use]
    pub const fn change(&self) -> &'static str {
        if self.compat { paths::CHANGE_PAGE_COMPAT } else { paths::CHANGE_PAGE }
    }

    /// The page on which who has forgotten their password asks for a link.
    #[must_use]
    pub const fn forgotten(&self) -> &'static str {
        if self.compat { paths::FORGOTTEN_COMPAT } else { paths::FORGOTTEN }
    }

    /// What is told to a session that began with a password which is too old: where a new one is chosen.
    #[must_use]
    pub fn password_expired(&self) -> Bytes {
        let mut body: Value = serde_json::from_str(&Denial::new(Reason::PasswordExpired).problem()).unwrap_or_default();
        let base = self.base.as_deref().unwrap_or_default();
        for (name, path) in [
            ("web_password_change_url", self.change()),
            ("api_password_change_url", paths::CHANGE),
            ("api_password_reset_url", paths::RESET),
        ] {
            if let Some(body) = body.as_object_mut() {
                body.insert(name.to_owned(), json!(format!("{base}{path}")));
            }
        }
        body.to_string().into()
    }
}
