//! Sessions of people: a cookie that holds a random token, and a row that knows its digest.
//!
//! The cookie is `HttpOnly`, `Secure` (and so named that browsers insist on it) and `SameSite`; what the row says is decided
//! here, so that a session ends when its row does. A browser sends a cookie whoever wrote the page, so requests that change
//! something must also show that a page of ours made them: see [`crate::decision::csrf`]. The token that may show it is derived of the
//! session's, and stands in a cookie that our pages can read.

use super::cookie::SESSION;
use crate::decision::csrf::{CSRF_NAME, CsrfToken};
use crate::directory::token::TokenDigest;
use data_encoding::BASE64URL_NOPAD;
use http::header::HeaderValue;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub lifetime: Duration,
    /// `Strict` rather than `Lax`: not even a link from elsewhere brings the cookie along.
    pub strict: bool,
    /// Sent over TLS alone. Only for trying things out it is not.
    pub secure: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(12 * 3600), strict: false, secure: true }
    }
}

/// A new session's token: 256 random bits. A secret that only the cookie holds.
pub struct SessionToken(String);

impl SessionToken {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self(BASE64URL_NOPAD.encode(&random)))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl Settings {
    /// The name of the cookie. With this prefix, browsers refuse it from other hosts, for other paths and without TLS.
    #[must_use]
    pub const fn cookie(&self) -> &'static str {
        SESSION.name(self.secure)
    }

    /// The cookies of a new session.
    #[must_use]
    pub fn set(&self, token: &SessionToken) -> [Option<HeaderValue>; 2] {
        let age = self.lifetime.as_secs();
        self.cookies(&token.0, CsrfToken::of(&token.0).as_str(), age)
    }

    /// The cookies that end one.
    #[must_use]
    pub fn clear(&self) -> [Option<HeaderValue>; 2] {
        self.cookies("", "", 0)
    }

    fn cookies(&self, token: &str, csrf: &str, age: u64) -> [Option<HeaderValue>; 2] {
        let same_site = if self.strict { "Strict" } else { "Lax" };
        let secure = if self.secure { "; Secure" } else { "" };
        let usual = format!("; Path=/; Max-Age={age}; SameSite={same_site}{secure}");
        let session = HeaderValue::try_from(format!("{}={token}{usual}; HttpOnly", self.cookie()));
        [
            session.ok().map(|mut value| {
                value.set_sensitive(true);
                value
            }),
            HeaderValue::try_from(format!("{CSRF_NAME}={csrf}{usual}")).ok(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionToken, Settings};

    #[test]
    fn a_cookie_is_for_the_browser_alone() {
        let token = SessionToken::generate().unwrap();
        let settings = Settings::default();
        let [session, page] = settings.set(&token).map(|value| value.unwrap().to_str().unwrap().to_owned());
        assert!(session.starts_with("__Host-postern_session="), "{session}");
        for part in ["; Path=/", "; Max-Age=43200", "; SameSite=Lax", "; Secure"] {
            assert!(session.contains(part) && page.contains(part), "{session} {page}");
        }
        assert!(session.ends_with("; HttpOnly") && !page.contains("HttpOnly"));
        assert!(!page.contains(&token.0));
        assert!(settings.clear()[0].as_ref().unwrap().to_str().unwrap().contains("Max-Age=0"));
    }
}
