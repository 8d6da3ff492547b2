//! Where people find what is about passwords: addresses that begin with the configured `public_url`, and never with what a request
//! says of its host.

use super::paths::{self, PREFIX};
use crate::decision::{Denial, Reason};
use crate::id::UserId;
use crate::policy::docs;
use crate::request_target::Target;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What the routes have escaped; the others are those that need never be (RFC 3986, 2.3).
pub const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Clone, Debug)]
pub struct Links {
    base: Option<Box<str>>,
    prefix: Box<str>,
    compat: bool,
}

impl Links {
    /// `prefix`: where the identity API is; `compat`: pages are where the reference has them.
    #[must_use]
    pub fn new(base: Option<Box<str>>, prefix: Box<str>, compat: bool) -> Self {
        Self { base, prefix, compat }
    }

    /// Where one of [`paths`] is.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix(paths::DOCS) {
            return format!("{}{rest}", docs(&self.prefix));
        }
        path.strip_prefix(PREFIX).map_or_else(|| path.to_owned(), |rest| format!("{}{rest}", self.prefix))
    }

    /// The target of a request as the routes know it: under [`PREFIX`], each character of its path in one spelling. `None` for one that
    /// is not canonical.
    #[must_use]
    pub fn unmoved(&self, target: &str) -> Option<String> {
        let target = Target::parse(target).ok()?;
        let mut path = utf8_percent_encode(target.decoded(), ESCAPED).to_string();
        if let Some(rest) = path.strip_prefix(&*self.prefix) {
            path = format!("{PREFIX}{rest}");
        } else if let Some(rest) = path.strip_prefix(&docs(&self.prefix)) {
            path = format!("{}{rest}", paths::DOCS);
        }
        Some(match target.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        })
    }

    /// The name of the service, as people know it.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.base.as_deref()?.split("://").nth(1)
    }

    /// The whole address of a path, as people know it.
    #[must_use]
    pub fn absolute(&self, path: &str) -> Option<String> {
        Some(format!("{}{path}", self.base.as_deref()?))
    }

    /// The page on which who has a token chooses a password.
    #[must_use]
    pub fn reset(&self, user: UserId, token: &str) -> Option<String> {
        Some(format!("{}{}{}-{token}/", self.base.as_deref()?, self.reset_page(), user.0.simple()))
    }

    /// What its path begins with.
    #[must_use]
    pub fn reset_page(&self) -> String {
        self.at(if self.compat { paths::RESET_PAGE_COMPAT } else { paths::RESET_PAGE })
    }

    /// The page on which who has a token shows that an e-mail address is theirs.
    #[must_use]
    pub fn confirm_email(&self, user: UserId, token: &str) -> Option<String> {
        self.absolute(&self.at(&format!("{}{}-{token}/", paths::CONFIRM_EMAIL, user.0.simple())))
    }

    /// The page on which who is logged in changes their password.
    #[must_use]
    pub fn change(&self) -> String {
        self.at(if self.compat { paths::CHANGE_PAGE_COMPAT } else { paths::CHANGE_PAGE })
    }

    /// The page on which who has forgotten their password asks for a link.
    #[must_use]
    pub fn forgotten(&self) -> String {
        self.at(if self.compat { paths::FORGOTTEN_COMPAT } else { paths::FORGOTTEN })
    }

    /// What is told to a session that began with a password which is too old: where a new one is chosen.
    #[must_use]
    pub fn password_expired(&self) -> Bytes {
        let mut body: Value = serde_json::from_str(&Denial::new(Reason::PasswordExpired).problem()).unwrap_or_default();
        let base = self.base.as_deref().unwrap_or_default();
        for (name, path) in [
            ("web_password_change_url", self.change()),
            ("api_password_change_url", self.at(paths::CHANGE)),
            ("api_password_reset_url", self.at(paths::RESET)),
        ] {
            if let Some(body) = body.as_object_mut() {
                body.insert(name.to_owned(), json!(format!("{base}{path}")));
            }
        }
        body.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Links;
    use crate::api::paths;

    #[test]
    fn a_moved_prefix_is_moved_in_both_directions_and_every_spelling_is_one() {
        let links = Links::new(Some("https://a.example".into()), "/auth/".into(), false);
        assert_eq!(links.at(paths::LOGIN), "/auth/login/");
        assert_eq!(links.change(), "/auth/password/change/");
        assert_eq!(links.unmoved("/auth/token/?a=/auth/").as_deref(), Some("/api/v1/users/token/?a=/auth/"));
        assert_eq!(links.unmoved("/a%75th/%74oken/").as_deref(), Some("/api/v1/users/token/"));
        let told = String::from_utf8(links.password_expired().to_vec()).unwrap();
        assert!(told.contains("https://a.example/auth/user/password/change/"), "{told}");
        let usual = Links::new(None, paths::PREFIX.into(), true);
        assert_eq!(usual.at(paths::TOKEN), paths::TOKEN);
        for (target, meant) in [
            ("/api/v1/users/%74oken/?a=%41", "/api/v1/users/token/?a=%41"),
            ("/%61pi/v1/users/password/reset/key/x%2Dy/", "/api/v1/users/password/reset/key/x-y/"),
            ("/api/v1/users/a:b%3fc%c3%a4/", "/api/v1/users/a%3Ab%3Fc%C3%A4/"),
        ] {
            assert_eq!(usual.unmoved(target).as_deref(), Some(meant));
        }
        assert_eq!(usual.unmoved("/api/v1/users/%2574oken/"), None);
        assert_eq!(usual.change(), paths::CHANGE_PAGE_COMPAT);
    }
}
