//! Sessions of people: a cookie that holds a random token, and a row that knows its digest.
//!
//! The cookie is `HttpOnly`, `Secure` (and so named that browsers insist on it) and `SameSite`; what the row says is decided
//! here, so that a session ends when its row does. A browser sends a cookie whoever wrote the page, so requests that change
//! something must also prove that a page of ours made them: a token that is derived of the session's stands in a cookie that our
//! pages can read and repeat in `X-CSRF-Token`, and `Origin`, where it is sent, is ours.

use crate::decision::{Denial, Reason};
use crate::directory::token::TokenDigest;
use data_encoding::BASE64URL_NOPAD;
use http::Method;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Where a page repeats the token.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// Who opened an address, as browsers tell it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Where a page finds it.
pub const CSRF_COOKIE: &str = "postern_csrf";

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
        if self.secure { "__Host-postern_session" } else { "postern_session" }
    }

    /// The cookies of a new session.
    #[must_use]
    pub fn set(&self, token: &SessionToken) -> [Option<HeaderValue>; 2] {
        let age = self.lifetime.as_secs();
        self.cookies(&token.0, &csrf(&token.0), age)
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
            HeaderValue::try_from(format!("{CSRF_COOKIE}={csrf}{usual}")).ok(),
        ]
    }
}

/// The token that a page of ours repeats. Nobody can tell the session's from it, or make it without that.
#[must_use]
pub fn csrf(session: &str) -> String {
    let digest = Sha256::new().chain_update(b"postern csrf 1:").chain_update(session.as_bytes()).finalize();
    BASE64URL_NOPAD.encode(&digest)
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

/// Whether `Origin`, where a browser sends it, is the host that is asked.
#[must_use]
pub fn is_of_our_origin(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let origin = one(headers, &ORIGIN)
        .and_then(|origin| origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://")));
    origin.is_some_and(|origin| !host.is_empty() && origin.eq_ignore_ascii_case(host))
}

/// Whether a page of this origin, or the user by hand, opened the address: browsers say so in `Sec-Fetch-Site`, older ones in `Referer` at
/// least. What another site opens, it may open in anybody's name.
#[must_use]
pub fn is_opened_here(headers: &HeaderMap) -> bool {
    if headers.contains_key(SEC_FETCH_SITE) {
        return matches!(one(headers, &SEC_FETCH_SITE), Some(b"same-origin" | b"none"));
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let page = one(headers, &REFERER)
        .and_then(|page| page.strip_prefix(b"https://").or_else(|| page.strip_prefix(b"http://")))
        .and_then(|page| page.split(|b| *b == b'/').next());
    page.is_some_and(|page| !host.is_empty() && page.eq_ignore_ascii_case(host))
}

/// Whether this is the token that a page of ours repeats.
#[must_use]
pub fn repeats(token: &[u8], session: &str) -> bool {
    token.ct_eq(csrf(session).as_bytes()).into()
}

/// Whether a page of ours made the request, where it could change something.
///
/// # Errors
/// 403 `origin_denied`, 403 `scope_exceeded`.
pub fn is_ours(method: &Method, headers: &HeaderMap, session: &str) -> Result<(), Denial> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if !is_of_our_origin(headers) {
        return Err(Denial::new(Reason::OriginDenied).with_hint("a page of another origin used the session"));
    }
    if one(headers, &CSRF_HEADER).is_some_and(|token| repeats(token, session)) {
        return Ok(());
    }
    Err(Denial::new(Reason::ScopeExceeded).with_hint("a session changes nothing without its X-CSRF-Token"))
}

#[cfg(test)]
mod tests {
    use super::{CSRF_HEADER, SessionToken, Settings, csrf, is_ours};
    use crate::decision::Reason;
    use http::Method;
    use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

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

    #[test]
    fn a_link_is_opened_by_a_page_of_ours_or_by_hand_or_it_is_not() {
        let said = |list: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("app.example"));
            for (name, value) in list {
                headers.append(name.clone(), HeaderValue::from_static(value));
            }
            super::is_opened_here(&headers)
        };
        let site = || super::SEC_FETCH_SITE;
        for ours in
            [&[(site(), "same-origin")][..], &[(site(), "none")], &[(http::header::REFERER, "https://app.example/x")]]
        {
            assert!(said(ours), "{ours:?}");
        }
        for other in [
            &[][..],
            &[(site(), "cross-site")],
            &[(site(), "same-site")],
            &[(site(), "none"), (site(), "cross-site")],
            &[(site(), "cross-site"), (http::header::REFERER, "https://app.example/x")],
            &[(http::header::REFERER, "https://app.example.evil/x")],
            &[(http::header::REFERER, "https://evil.example/app.example")],
            &[(http::header::REFERER, "app.example/x")],
        ] {
            assert!(!said(other), "{other:?}");
        }
    }

    #[test]
    fn what_changes_something_comes_from_a_page_of_ours() {
        let headers = |list: &[(HeaderName, &str)]| -> HeaderMap {
            list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
        };
        let token = csrf("s3ssion");
        let good = [(HOST, "app.example"), (ORIGIN, "https://app.example"), (CSRF_HEADER, token.as_str())];
        assert!(is_ours(&Method::POST, &headers(&good), "s3ssion").is_ok());
        assert!(is_ours(&Method::POST, &headers(&[(HOST, "a"), (CSRF_HEADER, &token)]), "s3ssion").is_ok());
        assert!(is_ours(&Method::GET, &headers(&[]), "s3ssion").is_ok());
        for (bad, reason) in [
            (headers(&good[..2]), Reason::ScopeExceeded),
            (headers(&[(HOST, "a"), (CSRF_HEADER, "x")]), Reason::ScopeExceeded),
            (headers(&[(HOST, "a"), (ORIGIN, "null"), (CSRF_HEADER, &token)]), Reason::OriginDenied),
            (headers(&[(HOST, "a"), (ORIGIN, "https://b"), (CSRF_HEADER, &token)]), Reason::OriginDenied),
            (headers(&[(ORIGIN, "https://"), (CSRF_HEADER, &token)]), Reason::OriginDenied),
        ] {
            assert_eq!(is_ours(&Method::DELETE, &bad, "s3ssion").unwrap_err().reason, reason);
        }
        assert!(is_ours(&Method::POST, &headers(&good), "another").is_err());
    }
}
