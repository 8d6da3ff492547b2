//! Reads the credential of a request, wherever the rule lets it stand.
//!
//! The scheme decides, and nothing falls through: what is presented is good or the request is refused. Places that the rule
//! does not take are not looked at, except that two credentials at once are never guessed between.

use super::cookie::cookies;
use crate::fact_cache::Kind;
use crate::normalized_name::same_name;
use crate::policy::{Scheme, Schemes};
use crate::request_target::bytes::{every, trim};
use crate::request_target::query;
use data_encoding::BASE64;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use std::borrow::Cow;

/// Longest credential that is looked at, in bytes. A head is bounded already; this bounds what is decoded of it.
pub const MAX_LENGTH: usize = 16 * 1024;

#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    None,
    /// A credential of this kind, which is text (never shown: it has no `Debug`). As bytes, since memory is asked by them: to make
    /// sure once more that a long token is text costs as much as to find it.
    Presented(Kind, Cow<'a, [u8]>),
    /// A scheme that is not taken here, or something that is no credential: which of them, as the access line says it.
    Refused(&'static str),
    /// A byte that readers take for different characters stands in it.
    NotAscii,
    Ambiguous,
}

/// The rule does not take the scheme.
const NOT_TAKEN: &str = "scheme_not_taken";
const MALFORMED: &str = "malformed";
/// What is wrong with a request that has several, for whoever sent it.
pub const SEVERAL: &str = "there is more than one credential, or one in more than one spelling";

/// Where credentials stand besides `Authorization`, as the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The query parameter of a sesame token.
    pub parameter: Option<Box<str>>,
    /// The cookie of a session.
    pub cookie: Option<Box<str>>,
    /// The cookie of Django's sessions, which is looked at where there is no session of ours.
    pub django: Option<Box<str>>,
    /// A token in the query becomes a session, whatever session there was: whoever opens a link cannot leave the cookie away.
    pub exchange: bool,
}

/// What is looked at of a request.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Its method: a token in the query is for reading alone.
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    /// Its query as it came.
    pub query: Option<&'a str>,
}

/// Reads the credential of a request under a rule that takes `schemes`.
#[must_use]
pub fn read<'a>(request: Presented<'a>, schemes: &Schemes, places: &Places) -> Credential<'a> {
    let mut found = authorization(request.headers, schemes);
    for name in schemes.headers() {
        found = one_of(found, header(request.headers, name, schemes));
    }
    let mut by_link = false;
    if schemes.has(Scheme::Sesame)
        && let Some(name) = &places.parameter
        && request.query.is_some()
    {
        let link = parameter(request, name);
        by_link = places.exchange && matches!(link, Credential::Presented(..));
        found = one_of(found, link);
    }
    if schemes.has(Scheme::Session) && !by_link {
        found = one_of(found, session(request.headers, places));
    }
    match found {
        Credential::Presented(_, text) if text.len() > MAX_LENGTH => Credential::Refused("too_long"),
        found => found,
    }
}

/// At most one place may hold something.
fn one_of<'a>(one: Credential<'a>, other: Credential<'a>) -> Credential<'a> {
    match (one, other) {
        (Credential::None, found) | (found, Credential::None) => found,
        _ => Credential::Ambiguous,
    }
}

/// The scheme's case does not matter; between scheme and token stand blanks; a token is one word of visible ASCII.
fn authorization<'a>(headers: &'a HeaderMap, schemes: &Schemes) -> Credential<'a> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Credential::None };
    if values.next().is_some() {
        return Credential::Ambiguous;
    }
    match of_value(value.as_bytes(), schemes) {
        Credential::Refused(_) if !value.as_bytes().is_ascii() => Credential::NotAscii,
        found => found,
    }
}

fn of_value<'a>(value: &'a [u8], schemes: &Schemes) -> Credential<'a> {
    let Some((scheme, token)) = two_words(value) else { return Credential::Refused(MALFORMED) };
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    // A JWT is long, so it is looked at first, and once.
    if is_bearer && schemes.has(Scheme::Jwt) && is_jwt(token) {
        return Credential::Presented(Kind::Jwt, Cow::Borrowed(token));
    }
    if !every(token, |b| b.is_ascii_graphic()) {
        return Credential::Refused(MALFORMED);
    }
    let taken = |scheme, kind| {
        if schemes.has(scheme) {
            Credential::Presented(kind, Cow::Borrowed(token))
        } else {
            Credential::Refused(NOT_TAKEN)
        }
    };
    if is_bearer {
        return taken(Scheme::Bearer, Kind::Token);
    }
    if scheme.eq_ignore_ascii_case(b"token") {
        return taken(Scheme::Token, Kind::Token);
    }
    if scheme.eq_ignore_ascii_case(b"sesame") {
        return taken(Scheme::Sesame, Kind::Sesame);
    }
    if scheme.eq_ignore_ascii_case(b"basic") && schemes.has(Scheme::Basic) && token.len() <= MAX_LENGTH {
        let refused = Credential::Refused(MALFORMED);
        return basic(token).map_or(refused, |token| Credential::Presented(Kind::Token, Cow::Owned(token)));
    }
    Credential::Refused(NOT_TAKEN)
}

/// The token in a header of its own: a JWT where it looks like one and the rule takes such, else an opaque one. Another spelling of the
/// name counts as a repetition even alone: the service behind may read what we did not.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName, schemes: &Schemes) -> Credential<'a> {
    let mut found = Credential::None;
    for (key, value) in headers.iter().filter(|(key, _)| same_name(key.as_str(), name.as_str())) {
        if key != name || found != Credential::None {
            return Credential::Ambiguous;
        }
        let token = trim(value.as_bytes());
        found = if schemes.has(Scheme::Jwt) && is_jwt(token) {
            Credential::Presented(Kind::Jwt, Cow::Borrowed(token))
        } else if !token.is_empty() && every(token, |b| b.is_ascii_graphic()) {
            Credential::Presented(Kind::Token, Cow::Borrowed(token))
        } else if token.is_ascii() {
            Credential::Refused(MALFORMED)
        } else {
            Credential::NotAscii
        };
    }
    found
}

/// A scheme and what follows it; blanks around them do not matter.
fn two_words(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = trim(value);
    let (scheme, rest) = value.split_at_checked(memchr::memchr2(b' ', b'\t', value)?)?;
    Some((scheme, trim(rest)))
}

/// Three segments of base64url: what only a JWT looks like (RFC 7515, 7.1).
fn is_jwt(token: &[u8]) -> bool {
    let mut dots = memchr::memchr_iter(b'.', token);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else { return false };
    // Without a branch, so that many bytes are looked at in one. From `-` to `9` there are `.` and `/` between.
    let is_letter =
        |b: u8| ((b.wrapping_sub(b'-') < 13) & (b != b'/')) | ((b | 0x20).wrapping_sub(b'a') < 26) | (b == b'_');
    first > 0 && second > first + 1 && second + 1 < token.len() && every(token, is_letter)
}

/// The password of `user:password` (RFC 7617), which here is a token: whose it is, the token says, so the user's name in
/// front of it is whatever the agent wants to write there.
fn basic(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (_, token) = decoded.split_once(':')?;
    (!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())).then(|| token.as_bytes().to_owned())
}

fn parameter<'a>(request: Presented<'a>, name: &str) -> Credential<'a> {
    match query::single(request.query, name) {
        Ok(None) => Credential::None,
        Ok(Some(token)) if matches!(*request.method, Method::GET | Method::HEAD) && !token.is_empty() => {
            Credential::Presented(Kind::Sesame, bytes(token))
        }
        Ok(Some(_)) => Credential::Refused(MALFORMED),
        Err(_) => Credential::Ambiguous,
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The session that a browser has: ours, else one of Django's.
fn session<'a>(headers: &'a HeaderMap, places: &Places) -> Credential<'a> {
    let ours = places.cookie.as_deref().map_or(Credential::None, |name| cookie(headers, name, Kind::Session));
    match (&ours, &places.django) {
        (Credential::None, Some(name)) => match cookie(headers, name, Kind::Django) {
            // Django takes what cannot be one of its sessions for none.
            Credential::Refused(_) | Credential::NotAscii => Credential::None,
            found => found,
        },
        _ => ours,
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str, kind: Kind) -> Credential<'a> {
    let mut found = Credential::None;
    for value in cookies(headers, name) {
        let presented = match value {
            Some("") => Credential::Refused(MALFORMED),
            Some(token) if token.is_ascii() => Credential::Presented(kind, Cow::Borrowed(token.as_bytes())),
            _ => Credential::NotAscii,
        };
        found = one_of(found, presented);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Credential, Places, Presented, read};
    use crate::fact_cache::Kind;
    use crate::policy::{Scheme, Schemes};
    use http::Method;
    use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
    use std::borrow::Cow;

    fn all() -> Schemes {
        Scheme::ALL.into_iter().fold(Schemes::default(), Schemes::with)
    }

    fn places() -> Places {
        Places {
            parameter: Some("sesame".into()),
            cookie: Some("postern".into()),
            django: Some("sessionid".into()),
            exchange: false,
        }
    }

    fn one(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))])
    }

    fn ask<'a>(headers: &'a HeaderMap, query: Option<&'a str>, schemes: Schemes) -> Credential<'a> {
        read(Presented { method: &Method::GET, headers, query }, &schemes, &places())
    }

    fn presented(kind: Kind, text: &str) -> Credential<'_> {
        Credential::Presented(kind, Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn the_scheme_decides_and_nothing_falls_through() {
        let bearer = Schemes::default();
        for value in ["Bearer t0ken", "bearer t0ken", "BEARER  \t t0ken", " Bearer t0ken "] {
            assert!(ask(&one(value), None, bearer.clone()) == presented(Kind::Token, "t0ken"), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer a b", "Token x", "Basic YTpi", "Bearert0ken", "sesame x"] {
            assert!(matches!(ask(&one(value), None, bearer.clone()), Credential::Refused(_)), "{value}");
        }
        let bytes = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap())]);
        assert!(ask(&bytes, None, bearer.clone()) == Credential::NotAscii);
        assert!(ask(&HeaderMap::new(), None, bearer.clone()) == Credential::None);
        let mut two = one("Bearer a");
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(ask(&two, None, bearer.clone()) == Credential::Ambiguous);
    }

    #[test]
    fn each_scheme_is_read_where_it_is_taken() {
        assert!(ask(&one("Bearer e30.e30.c2ln"), None, all()) == presented(Kind::Jwt, "e30.e30.c2ln"));
        assert!(ask(&one("Bearer e30.e30.c2ln"), None, Schemes::default()) == presented(Kind::Token, "e30.e30.c2ln"));
        for opaque in ["Bearer a.b", "Bearer a..b", "Bearer a.b.c.d", "Bearer a.b.c="] {
            assert!(matches!(ask(&one(opaque), None, all()), Credential::Presented(Kind::Token, _)), "{opaque}");
        }
        assert!(ask(&one("token 9944b0"), None, all()) == presented(Kind::Token, "9944b0"));
        assert!(ask(&one("SESAME x_-"), None, all()) == presented(Kind::Sesame, "x_-"));
        // ann:t0ken, :t0ken, ann:to:ken
        for (value, token) in
            [("Basic YW5uOnQwa2Vu", "t0ken"), ("basic OnQwa2Vu", "t0ken"), ("Basic YW5uOnRvOmtlbg==", "to:ken")]
        {
            assert!(ask(&one(value), None, all()) == presented(Kind::Token, token), "{value}");
        }
        // No colon, nothing behind it, a control character behind it, no base64.
        for value in ["Basic YW5u", "Basic YW5uOg==", "Basic YW5uOgE=", "Basic !!"] {
            assert!(matches!(ask(&one(value), None, all()), Credential::Refused(_)), "{value}");
        }
    }

    #[test]
    fn a_token_in_the_query_is_for_reading_alone() {
        let none = HeaderMap::new();
        assert!(ask(&none, Some("a=1&sesame=tok"), all()) == presented(Kind::Sesame, "tok"));
        assert!(ask(&none, Some("a=1"), all()) == Credential::None);
        assert!(ask(&none, Some("sesame=tok"), Schemes::default()) == Credential::None, "not taken here");
        for twice in ["sesame=a&sesame=b", "Sesame=a", "sesame[]=a", "x=1;sesame=a"] {
            assert!(ask(&none, Some(twice), all()) == Credential::Ambiguous, "{twice}");
        }
        let post = Presented { method: &Method::POST, headers: &none, query: Some("sesame=tok") };
        assert!(matches!(read(post, &all(), &places()), Credential::Refused(_)));
        assert!(ask(&one("Bearer t"), Some("sesame=tok"), all()) == Credential::Ambiguous);
    }

    #[test]
    fn a_header_of_its_own_holds_one_token() {
        let text =
            "version: 1\nroutes:\n  /a: { level: authenticated, authenticate: [bearer, jwt, { header: X-Api-Key }] }\n";
        let policy = crate::policy::load(&[("routes.yaml", text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
        let schemes = || policy.routes()[0].rules()[0].schemes.clone();
        let with = |list: &[(&'static str, &'static str)]| -> HeaderMap {
            list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
        };
        assert!(ask(&with(&[("x-api-key", " t0ken ")]), None, schemes()) == presented(Kind::Token, "t0ken"));
        assert!(ask(&with(&[("x-api-key", "e30.e30.c2ln")]), None, schemes()) == presented(Kind::Jwt, "e30.e30.c2ln"));
        assert!(ask(&with(&[("x-api-key", "t0ken")]), None, all()) == Credential::None, "not taken here");
        for bad in ["", "a b", "Bearer t0ken"] {
            assert!(matches!(ask(&with(&[("x-api-key", bad)]), None, schemes()), Credential::Refused(_)), "{bad}");
        }
        let mut twice = with(&[("x-api-key", "a")]);
        twice.append("x-api-key", HeaderValue::from_static("a"));
        for two in [twice, with(&[("x_api_key", "a")]), with(&[("x-api-key", "a"), ("authorization", "Bearer a")])] {
            assert!(ask(&two, None, schemes()) == Credential::Ambiguous, "{two:?}");
        }
    }

    #[test]
    fn a_session_is_a_cookie_of_its_own_name() {
        let with = |value: &'static str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(value))]);
        for value in ["postern=abc", "a=b; postern=abc", "postern=abc;c=d"] {
            assert!(ask(&with(value), None, all()) == presented(Kind::Session, "abc"), "{value}");
        }
        for value in ["postern=abc; sessionid=def", "sessionid=; postern=abc", "sessionid=a; sessionid=b; postern=abc"]
        {
            assert!(ask(&with(value), None, all()) == presented(Kind::Session, "abc"), "ours goes before: {value}");
        }
        assert!(ask(&with("a=b; sessionid=def"), None, all()) == presented(Kind::Django, "def"));
        assert!(ask(&with("sessionid=a; sessionid=b"), None, all()) == Credential::Ambiguous);
        assert!(ask(&with("sessionid="), None, all()) == Credential::None);
        for value in ["a=b", "xpostern=abc", "postern2=abc", "Postern=abc", ""] {
            assert!(ask(&with(value), None, all()) == Credential::None, "{value}");
        }
        assert!(ask(&with("postern=a; postern=b"), None, all()) == Credential::Ambiguous);
        assert!(matches!(ask(&with("postern="), None, all()), Credential::Refused(_)));
        assert!(ask(&with("postern=abc"), None, Schemes::default()) == Credential::None, "not taken here");
    }

    #[test]
    fn a_jwt_is_letters_of_base64url_and_two_dots() {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // One other byte, wherever it stands in many.
        for (b, at) in (0..=u8::MAX).flat_map(|b| [1, 30, 90, 149].map(|at| (b, at))) {
            let mut token = [b'a'; 150];
            (token[10], token[80]) = (b'.', b'.');
            token[at] = b;
            assert_eq!(super::is_jwt(&token), is_letter(b), "{b} at {at}");
        }
        for none in ["", ".", "..", "a..c", ".b.c", "a.b.", "a.b", "a.b.c.d"] {
            assert!(!super::is_jwt(none.as_bytes()), "{none}");
        }
    }
}
