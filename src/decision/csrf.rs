//! Whether a page of this origin made a request that a session's cookie came with: a browser sends the cookie along, whoever wrote the page.
//!
//! What could change something must show it: by what the browser says of the page (`Sec-Fetch-Site`, `Origin`), which no page can forge,
//! or by the session's token, which a page of another origin cannot read.

use super::evaluation::require_body;
use super::matching::Hits;
use super::{Halt, Reason, RequestView, body};
use crate::policy::{Csrf, is_read};
use data_encoding::BASE64URL_NOPAD;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Where a script repeats the token.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// The cookie in which a page finds it, and the field in which a form repeats it.
pub const CSRF_NAME: &str = "postern_csrf";
/// Whose page made a request, as browsers tell it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const NO_PROOF: &str =
    "nothing shows that a page of this origin made the request: no `Origin`, no `Sec-Fetch-Site`, no `X-CSRF-Token`";
const NO_TOKEN: &str =
    "the request does not repeat the session's token in `X-CSRF-Token` or in the field `postern_csrf` of its form";
const OTHER_ORIGIN: &str = "a page of another origin used the session";

/// What pages of a session repeat. Nobody can tell the session's secret from it, or make it without that.
#[derive(Clone)]
pub struct CsrfToken {
    text: Arc<str>,
    /// The session's cookie is sent over TLS alone.
    is_over_tls: bool,
}

impl CsrfToken {
    /// That of the session whose cookie holds this, and is sent over TLS alone.
    #[must_use]
    pub fn of(session: &str) -> Self {
        let digest = Sha256::new().chain_update(b"postern csrf 1:").chain_update(session.as_bytes()).finalize();
        Self::written(&BASE64URL_NOPAD.encode(&digest))
    }

    /// The same of a cookie that is sent in the clear too, unless it `is_secure`.
    #[must_use]
    pub fn of_cookie(session: &str, is_secure: bool) -> Self {
        Self { is_over_tls: is_secure, ..Self::of(session) }
    }

    /// One as somebody wrote it down, for tools.
    #[must_use]
    pub fn written(text: &str) -> Self {
        Self { text: text.into(), is_over_tls: true }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a page repeats it.
    #[must_use]
    pub fn is_repeated(&self, said: &[u8]) -> bool {
        said.ct_eq(self.text.as_bytes()).into()
    }

    /// Whether it is repeated in the header.
    fn is_in_header(&self, headers: &HeaderMap) -> bool {
        only(headers, &CSRF_HEADER).is_some_and(|said| self.is_repeated(said))
    }
}

/// Shows nothing of it.
impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken")
    }
}

/// Sees to it that a page of this origin made the request, where a session came with it that could change something.
///
/// # Errors
/// 403 `csrf_failed`; or the body must be read first, where the field of a form may say it.
pub(super) fn check(hits: &Hits<'_>, session: Option<&CsrfToken>, view: &RequestView<'_>) -> Result<(), Halt> {
    let Some(token) = session else { return Ok(()) };
    if is_read(view.method) {
        return Ok(());
    }
    let by_token = hits.any(|rule| rule.csrf() == Csrf::Token);
    let hint = match proof(if by_token { Csrf::Token } else { Csrf::Origin }, token, view.headers) {
        Proof::Given => return Ok(()),
        Proof::OtherOrigin => OTHER_ORIGIN,
        Proof::Missing if !by_token => NO_PROOF,
        Proof::Missing => {
            let form = if body::is_form(view) { require_body(hits, view)? } else { None };
            let said = form.and_then(|form| body::form_field(view.headers, form, CSRF_NAME));
            if said.is_some_and(|said| token.is_repeated(said.as_bytes())) {
                return Ok(());
            }
            NO_TOKEN
        }
    };
    Err(hits.first.deny(Reason::CsrfFailed).with_hint(hint).into())
}

/// What a request's headers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A page of this origin made it.
    Given,
    /// A page of another origin made it.
    OtherOrigin,
    Missing,
}

/// Whether its headers show that a page of this origin made a request.
#[must_use]
pub fn proof(by: Csrf, token: &CsrfToken, headers: &HeaderMap) -> Proof {
    if !is_of_our_origin(headers) {
        Proof::OtherOrigin
    } else if token.is_in_header(headers) || (by == Csrf::Origin && is_made_here(headers, token.is_over_tls)) {
        Proof::Given
    } else {
        Proof::Missing
    }
}

/// Whether `Origin`, where a browser sends it, is the host that is asked.
#[must_use]
pub fn is_of_our_origin(headers: &HeaderMap) -> bool {
    !headers.contains_key(ORIGIN) || only(headers, &ORIGIN).is_some_and(|origin| is_here(headers, origin))
}

/// Whether the browser says that a page of this origin made the request: in `Sec-Fetch-Site`, or, where it is too old for that, in `Origin`.
/// A page in the clear of the same host may be anybody's on the way.
fn is_made_here(headers: &HeaderMap, over_tls: bool) -> bool {
    if headers.contains_key(SEC_FETCH_SITE) {
        return only(headers, &SEC_FETCH_SITE) == Some(b"same-origin");
    }
    let is_trusted = |origin: &[u8]| !over_tls || origin.starts_with(b"https://");
    only(headers, &ORIGIN).is_some_and(|origin| is_trusted(origin) && is_here(headers, origin))
}

/// Whether a page of this origin, or the user by hand, opened the address: browsers say so in `Sec-Fetch-Site`, older ones in `Referer` at
/// least. What another site opens, it may open in anybody's name.
#[must_use]
pub fn is_opened_here(headers: &HeaderMap) -> bool {
    if headers.contains_key(SEC_FETCH_SITE) {
        return matches!(only(headers, &SEC_FETCH_SITE), Some(b"same-origin" | b"none"));
    }
    only(headers, &http::header::REFERER).is_some_and(|page| is_here(headers, page))
}

/// Whether an address is one of the host that is asked.
fn is_here(headers: &HeaderMap, address: &[u8]) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let rest = address.strip_prefix(b"https://").or_else(|| address.strip_prefix(b"http://"));
    let authority = rest.and_then(|rest| rest.split(|b| *b == b'/').next());
    authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

/// The one value of a header.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::{
        CSRF_HEADER, Csrf, CsrfToken, Proof, SEC_FETCH_SITE, is_made_here, is_of_our_origin, is_opened_here, proof,
    };
    use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER};

    fn headers(said: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("app.example"));
        said.iter().for_each(|(name, value)| {
            headers.append(name.clone(), HeaderValue::from_static(value));
        });
        headers
    }

    #[test]
    fn a_request_repeats_the_session_s_token_or_comes_from_a_page_of_ours() {
        let token = CsrfToken::written("repeated");
        let by = |by, said: &[(HeaderName, &'static str)]| proof(by, &token, &headers(said));
        for csrf in [Csrf::Token, Csrf::Origin] {
            assert_eq!(by(csrf, &[(CSRF_HEADER, "repeated")]), Proof::Given);
            assert_eq!(by(csrf, &[(CSRF_HEADER, "guessed!")]), Proof::Missing);
            assert_eq!(by(csrf, &[(CSRF_HEADER, "repeated"), (CSRF_HEADER, "repeated")]), Proof::Missing);
            assert_eq!(by(csrf, &[(CSRF_HEADER, "repeated"), (ORIGIN, "https://evil.example")]), Proof::OtherOrigin);
            assert_eq!(by(csrf, &[]), Proof::Missing);
        }
        let here = [(SEC_FETCH_SITE, "same-origin")];
        assert_eq!((by(Csrf::Origin, &here), by(Csrf::Token, &here)), (Proof::Given, Proof::Missing));
    }

    #[test]
    fn a_link_is_opened_by_a_page_of_ours_or_by_hand_or_it_is_not() {
        let site = || SEC_FETCH_SITE;
        for ours in [&[(site(), "same-origin")][..], &[(site(), "none")], &[(REFERER, "https://app.example/x")]] {
            assert!(is_opened_here(&headers(ours)), "{ours:?}");
        }
        for other in [
            &[][..],
            &[(site(), "cross-site")],
            &[(site(), "same-site")],
            &[(site(), "none"), (site(), "cross-site")],
            &[(site(), "cross-site"), (REFERER, "https://app.example/x")],
            &[(REFERER, "https://app.example.evil/x")],
            &[(REFERER, "https://evil.example/app.example")],
            &[(REFERER, "app.example/x")],
        ] {
            assert!(!is_opened_here(&headers(other)), "{other:?}");
        }
    }

    #[test]
    fn a_request_is_made_by_a_page_of_ours_where_the_browser_says_so() {
        let site = || SEC_FETCH_SITE;
        let origin = "https://app.example";
        for ours in [
            &[(ORIGIN, origin)][..],
            &[(ORIGIN, "https://APP.example")],
            &[(site(), "same-origin")],
            &[(site(), "same-origin"), (ORIGIN, origin)],
        ] {
            let headers = headers(ours);
            assert!(is_of_our_origin(&headers) && is_made_here(&headers, true), "{ours:?}");
        }
        let in_the_clear = headers(&[(ORIGIN, "http://app.example")]);
        assert!(is_made_here(&in_the_clear, false) && !is_made_here(&in_the_clear, true));
        for other in [
            &[][..],
            &[(ORIGIN, "null")],
            &[(ORIGIN, "https://")],
            &[(ORIGIN, "https://b.example")],
            &[(ORIGIN, "https://app.example:8443")],
            &[(ORIGIN, origin), (ORIGIN, origin)],
            &[(site(), "same-site"), (ORIGIN, origin)],
            &[(site(), "cross-site"), (ORIGIN, origin)],
            &[(site(), "none")],
            &[(site(), "same-origin"), (site(), "same-origin")],
            &[(REFERER, "https://app.example/x")],
        ] {
            let headers = headers(other);
            assert!(!(is_of_our_origin(&headers) && is_made_here(&headers, false)), "{other:?}");
        }
    }

    #[test]
    fn a_token_is_that_of_one_session_and_is_not_shown() {
        let token = CsrfToken::of("s3ssion");
        assert!(token.is_repeated(CsrfToken::of("s3ssion").as_str().as_bytes()));
        assert!(!token.is_repeated(CsrfToken::of("another").as_str().as_bytes()) && !token.is_repeated(b""));
        assert_eq!(format!("{token:?}"), "CsrfToken");
    }
}
