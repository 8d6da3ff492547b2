//! Cookies, and those among them that are postern's own: they are between it and the browser, so that no service sees or sets one.

use crate::normalized_name::same_name;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use percent_encoding::percent_decode;

/// A cookie of ours, with and without the prefix by which browsers keep it to one host and to TLS.
#[derive(Clone, Copy, Debug)]
pub struct OwnCookie {
    prefixed: &'static str,
    plain: &'static str,
}

impl OwnCookie {
    /// What it is called where it needs TLS, and where it does not.
    #[must_use]
    pub const fn name(self, secure: bool) -> &'static str {
        if secure { self.prefixed } else { self.plain }
    }
}

/// The token of a session.
pub const SESSION: OwnCookie = OwnCookie { prefixed: "__Host-postern_session", plain: "postern_session" };
/// What forms repeat of pages without a session.
pub const FORM: OwnCookie = OwnCookie { prefixed: "__Host-postern_form", plain: "postern_form" };
/// A login that is under way at a provider.
pub const LOGIN: OwnCookie = OwnCookie { prefixed: "__Host-postern_login", plain: "postern_login" };
/// A login whose first step is done.
pub const CODE: OwnCookie = OwnCookie { prefixed: "__Host-postern_code", plain: "postern_code" };
/// What a passkey is asked to sign.
pub const PASSKEY: OwnCookie = OwnCookie { prefixed: "__Host-postern_passkey", plain: "postern_passkey" };
/// What pages repeat of their session, and may read.
const CSRF: OwnCookie = OwnCookie { prefixed: "__Host-postern_csrf", plain: "postern_csrf" };

/// All of them. Compared normalized: nobody else has a reason to call a cookie nearly so.
const OURS: [OwnCookie; 6] = [SESSION, FORM, LOGIN, CODE, PASSKEY, CSRF];

/// The values of the cookies of one name (RFC 6265, 4.2.1); `None` for one that cannot be read.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = Option<&'a str>> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = memchr::memchr(b'=', pair)?;
        let (key, value) = pair.split_at_checked(at)?;
        (key == name.as_bytes()).then(|| std::str::from_utf8(value.get(1..)?).ok())
    })
}

/// Whether a pair (`name=value`) is a cookie of ours. One without a name is what its value says (`=name=value`): a browser sends it
/// back as that. Some readers decode names.
fn is_ours(pair: &[u8]) -> bool {
    let begin = pair.iter().position(|b| *b != b'=' && !b.is_ascii_whitespace()).unwrap_or(pair.len());
    let name = pair.get(begin..).unwrap_or_default().split(|b| *b == b'=').next().unwrap_or_default();
    let is = |name: &[u8]| OURS.iter().any(|ours| same_name(ours.prefixed, name) || same_name(ours.plain, name));
    is(name) || (name.contains(&b'%') && is(&percent_decode(name).collect::<Vec<u8>>()))
}

/// Whether a pair is one of ours, or has one in it: old readers (RFC 2109, 4.4) take a comma for the end of a pair, and some proxies join by it.
fn has_ours(pair: &[u8]) -> bool {
    pair.split(|b| *b == b',').any(is_ours)
}

/// Takes our own cookies out of a request, and leaves the others.
pub fn remove_ours(headers: &mut HeaderMap) {
    let pairs = |value: &HeaderValue| value.as_bytes().split(|b| *b == b';').any(has_ours);
    if !headers.get_all(COOKIE).iter().any(pairs) {
        return;
    }
    let kept = |value: &HeaderValue| {
        let pairs = value.as_bytes().split(|b| *b == b';').filter(|pair| !has_ours(pair));
        let pairs: Vec<&[u8]> = pairs.map(<[u8]>::trim_ascii).collect();
        HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok().filter(|value| !value.is_empty())
    };
    let left: Vec<HeaderValue> = headers.get_all(COOKIE).iter().filter_map(kept).collect();
    headers.remove(COOKIE);
    for value in left {
        headers.append(COOKIE, value);
    }
}

/// Takes what would set our own cookies out of an upstream's answer, and says how many there were.
pub fn remove_set_ours(headers: &mut HeaderMap) -> u64 {
    let count = headers.get_all(SET_COOKIE).iter().filter(|value| sets_ours(value.as_bytes())).count();
    if count > 0 {
        let sets = headers.get_all(SET_COOKIE).iter();
        let left: Vec<HeaderValue> = sets.filter(|value| !sets_ours(value.as_bytes())).cloned().collect();
        headers.remove(SET_COOKIE);
        for value in left {
            headers.append(SET_COOKIE, value);
        }
    }
    count as u64
}

/// Whether a `Set-Cookie` sets a cookie of ours (RFC 6265, 5.2). Old readers take a comma for the end of one and the begin of another.
fn sets_ours(value: &[u8]) -> bool {
    value.split(|b| *b == b',').any(|cookie| is_ours(cookie.split(|b| *b == b';').next().unwrap_or_default()))
}

/// Whether a field's name is `Set-Cookie` in a spelling by which only a careless reader knows it, or its old successor. The name is in
/// lower case.
#[must_use]
pub fn is_misspelt_set_cookie(name: &str) -> bool {
    name.starts_with(|first: char| first == 's' || !first.is_ascii_alphanumeric())
        && name != SET_COOKIE.as_str()
        && (same_name(name, "setcookie") || same_name(name, "setcookie2"))
}

#[cfg(test)]
mod tests {
    use super::{OURS, is_misspelt_set_cookie, remove_ours, remove_set_ours};
    use crate::decision::csrf::CSRF_NAME;
    use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

    #[test]
    fn our_cookies_are_taken_out_and_the_others_stay() {
        for (before, after) in [
            ("postern_session=a", None),
            ("__Host-postern_session=a; postern_csrf=b; __Host-postern_form=c", None),
            ("a=b; postern_session=x; c=d", Some("a=b; c=d")),
            ("a=b;__host-POSTERN-session=x", Some("a=b")),
            ("postern%5Fcsrf=x; a=b", Some("a=b")),
            ("=postern_csrf=x; a=b", Some("a=b")),
            ("postern_csrf; a=b", Some("a=b")),
            ("a=1,postern_session=x; b=1,2", Some("b=1,2")),
            ("a=1, __Host-postern_session=x", None),
            ("a=postern_session=x", Some("a=postern_session=x")),
            ("xpostern_session=x; a=b", Some("xpostern_session=x; a=b")),
        ] {
            let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(before))]);
            remove_ours(&mut headers);
            assert_eq!(headers.get(COOKIE).map(|value| value.to_str().unwrap()), after, "{before}");
        }
    }

    #[test]
    fn none_of_ours_goes_on_or_is_set_by_a_service() {
        assert!(OURS.iter().any(|ours| ours.name(false) == CSRF_NAME));
        for name in OURS.iter().flat_map(|ours| [ours.name(true), ours.name(false)]) {
            let value = HeaderValue::try_from(format!("{name}=x")).unwrap();
            let mut request = HeaderMap::from_iter([(COOKIE, value.clone())]);
            remove_ours(&mut request);
            assert!(request.is_empty(), "{name}");
            let mut answer = HeaderMap::from_iter([(SET_COOKIE, value)]);
            assert_eq!(remove_set_ours(&mut answer), 1, "{name}");
        }
    }

    #[test]
    fn no_answer_sets_a_cookie_of_ours_in_any_spelling() {
        for ours in [
            "__Host-postern_session=x; Path=/; Secure",
            "postern_csrf=x",
            "__Host-postern_form=; Max-Age=0",
            " \tpostern_csrf =x",
            "=postern_csrf=x",
            "= __host-Postern_Session=x",
            "postern_csrf",
            "postern.csrf=x",
            "__%48ost-postern_session=x",
            "a=b, postern_csrf=x",
            "a=b; Expires=Wed, 21 Oct 2030 07:28:00 GMT, postern_session=x",
        ] {
            let mut headers = HeaderMap::new();
            for value in ["a=b", ours, "theme=postern_csrf; Path=/; Expires=Wed, 21 Oct 2030 07:28:00 GMT"] {
                headers.append(SET_COOKIE, HeaderValue::from_static(value));
            }
            assert_eq!(remove_set_ours(&mut headers), 1, "{ours}");
            let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
            assert_eq!(left.len(), 2, "{ours}: {left:?}");
        }
    }

    #[test]
    fn other_spellings_of_the_field_are_known() {
        for name in ["set_cookie", "set-cookie2", "setcookie", "-set.cookie", "set--cookie"] {
            assert!(is_misspelt_set_cookie(name), "{name}");
        }
        for name in ["set-cookie", "set-cookies", "cookie", "server", "", "x-set-cookie"] {
            assert!(!is_misspelt_set_cookie(name), "{name}");
        }
    }
}
