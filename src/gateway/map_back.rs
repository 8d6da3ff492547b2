//! `rewrite: { answers: true }`: what an upstream says about its own paths becomes what the client can ask for.
//!
//! The service knows the path that was forwarded (`/v2/x`), its client the one that was asked for (`/ext/x`). `Location`,
//! `Content-Location` and the paths of cookies are changed back; what speaks of another place is left as it came.

use http::header::{CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};

/// The way back of one request's answer.
#[derive(Debug)]
pub struct MapBack {
    /// What the rewrite took off.
    stripped: Box<str>,
    added: Box<str>,
    /// The host that the client asked for.
    asked: Option<Box<str>>,
    /// The host that the upstream was told, and its own address.
    told: [Option<Box<str>>; 2],
}

impl MapBack {
    /// For a rewrite that took `stripped` off and put `added` there, of a request for the host `asked`.
    #[must_use]
    pub fn new(stripped: &str, added: &str, asked: Option<&HeaderValue>, told: [Option<&HeaderValue>; 2]) -> Self {
        let text = |value: &HeaderValue| value.to_str().ok().map(Box::from);
        Self {
            stripped: stripped.into(),
            added: added.into(),
            asked: asked.and_then(text),
            told: told.map(|host| host.and_then(text)),
        }
    }

    /// Changes the head of an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in [&LOCATION, &CONTENT_LOCATION] {
            self.change(headers, name, |value| self.location(value));
        }
        self.change(headers, &SET_COOKIE, |value| self.cookie(value));
    }

    fn change(&self, headers: &mut HeaderMap, name: &HeaderName, new: impl Fn(&str) -> Option<String>) {
        let changed = |value: &HeaderValue| {
            let new = value.to_str().ok().and_then(&new).and_then(|new| HeaderValue::try_from(new).ok());
            new.unwrap_or_else(|| value.clone())
        };
        let values: Vec<HeaderValue> = headers.get_all(name).iter().map(changed).collect();
        headers.remove(name);
        for value in values {
            headers.append(name.clone(), value);
        }
    }

    fn location(&self, value: &str) -> Option<String> {
        if value.starts_with('/') {
            // `//host/x` names another host.
            return if value.starts_with("//") { None } else { self.path(value) };
        }
        let (scheme, rest) = value.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let (host, target) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let is = |known: &Option<Box<str>>| known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(host));
        if is(&self.asked) {
            return Some(format!("{scheme}://{host}{}", self.path(&target)?));
        }
        // The client cannot reach the service's own address, and is sent to the host that it asked.
        if self.told.iter().any(is) { self.path(&target) } else { None }
    }

    /// The path of a client for one of the service; `None` for one that this rewrite leads nowhere near.
    fn path(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&*self.added)?;
        if !rest.is_empty() && !rest.starts_with(['/', '?', '#']) {
            return None;
        }
        let mapped = format!("{}{rest}", self.stripped);
        Some(if mapped.starts_with('/') { mapped } else { format!("/{mapped}") })
    }

    /// A cookie for a path of the service, or for one above it, is for the client's path of it.
    fn cookie(&self, value: &str) -> Option<String> {
        // What this prefix says is true of `/` alone (RFC 6265bis, 4.1.3.2).
        if value.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("__Host-")) {
            return None;
        }
        let mut changed = false;
        let pieces = value.split(';').enumerate().map(|(at, piece)| {
            let path = piece.split_once('=').filter(|(name, _)| at > 0 && name.trim().eq_ignore_ascii_case("path"));
            let Some((name, path)) = path else { return piece.to_owned() };
            let path = path.trim();
            let is_above = format!("{}/", self.added).starts_with(&format!("{}/", path.trim_end_matches('/')));
            let root = if self.stripped.is_empty() { "/" } else { &self.stripped };
            let new = if is_above { Some(root.to_owned()) } else { self.path(path) };
            match new {
                Some(new) => {
                    changed = true;
                    format!("{name}={new}")
                }
                None => piece.to_owned(),
            }
        });
        let whole = pieces.collect::<Vec<_>>().join(";");
        changed.then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::MapBack;
    use http::HeaderValue;
    use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION, SET_COOKIE};

    fn back(stripped: &str, added: &str) -> MapBack {
        let [asked, told, own] = ["api.example.com", "app.internal", "127.0.0.1:8000"].map(HeaderValue::from_static);
        MapBack::new(stripped, added, Some(&asked), [Some(&told), Some(&own)])
    }

    #[test]
    fn a_location_of_the_service_becomes_one_of_the_client() {
        for (stripped, added, location, expected) in [
            ("/ext", "", "/x?y=1#z", "/ext/x?y=1#z"),
            ("/ext", "", "/", "/ext/"),
            ("/ext", "/v2", "/v2/x", "/ext/x"),
            ("/ext", "/v2", "/v2", "/ext"),
            ("/ext", "/v2", "/v2?a", "/ext?a"),
            ("", "/v2", "/v2/x", "/x"),
            ("", "/v2", "/v2", "/"),
            ("/ext", "", "http://api.example.com/x", "http://api.example.com/ext/x"),
            ("/ext", "", "https://API.example.com", "https://API.example.com/ext/"),
            ("/ext", "", "http://127.0.0.1:8000/x", "/ext/x"),
            ("/ext", "", "https://app.internal/x?y", "/ext/x?y"),
            // Another place, and what is not under the rewrite.
            ("/ext", "", "https://login.example.com/x", "https://login.example.com/x"),
            ("/ext", "", "//evil.example/x", "//evil.example/x"),
            ("/ext", "", "x/y", "x/y"),
            ("/ext", "", "mailto:a@b", "mailto:a@b"),
            ("/ext", "/v2", "/v20/x", "/v20/x"),
            ("/ext", "/v2", "/login", "/login"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            headers.insert(CONTENT_LOCATION, location.parse().unwrap());
            back(stripped, added).apply(&mut headers);
            assert_eq!(headers[LOCATION], expected, "{stripped} {added} {location}");
            assert_eq!(headers[CONTENT_LOCATION], expected);
        }
    }

    #[test]
    fn a_cookie_s_path_is_the_client_s() {
        for (stripped, added, cookie, expected) in [
            ("/ext", "", "a=b; Path=/; HttpOnly", "a=b; Path=/ext; HttpOnly"),
            ("/ext", "", "a=b;path=/x", "a=b;path=/ext/x"),
            ("/ext", "/v2", "a=b; Path=/v2/x", "a=b; Path=/ext/x"),
            ("/ext", "/v2", "a=b; Path=/v2", "a=b; Path=/ext"),
            ("/ext", "/v2", "a=b; Path=/", "a=b; Path=/ext"),
            ("/ext", "/v2", "a=b; Path=/other", "a=b; Path=/other"),
            ("", "/v2", "a=b; Path=/v2", "a=b; Path=/"),
            ("/ext", "", "path=/x; Secure", "path=/x; Secure"),
            ("/ext", "", "a=b", "a=b"),
            ("/ext", "", "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, cookie.parse().unwrap());
            headers.append(SET_COOKIE, "other=1".parse().unwrap());
            back(stripped, added).apply(&mut headers);
            let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
            assert_eq!(cookies, [expected, "other=1"], "{stripped} {added} {cookie}");
        }
    }
}
