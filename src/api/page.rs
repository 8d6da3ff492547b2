//! Pages for people: plain HTML that needs no script, and forms that only a page of ours can have sent.
//!
//! Whoever is shown a form gets a random cookie that only we read, and the form repeats what is derived of it: a page of
//! somebody else can have a browser send the cookie, but not the form's field. What a form carries besides is text of the
//! browser's, escaped in the page, and `local` where it says where to go on.

use super::error::{ApiError, tell_limit};
use super::paths::{ACCOUNT, LOGIN, LOGOUT};
use super::who::{self, Authenticated};
use super::words::filters;
use super::{Api, Client};
use crate::decision::csrf::{self, CsrfToken};
use crate::identity::cookie::{self, OwnCookie, cookies};
use crate::identity::session::{SessionToken, Settings};
use crate::login::limits::State as Limit;
use crate::request_target::Target;
use askama::Template;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use std::time::Duration;

/// The one style sheet. It stands in every page, and the page's policy names it by its digest.
pub(super) const STYLE: &str = include_str!("templates/style.css");
/// What a page with a form takes.
pub(super) const ALLOW: &str = "GET, HEAD, POST";
/// What is said where a form is none that this browser was shown.
pub(super) const STALE: &str = "This form was open for too long, or your browser sends no cookies. Try again.";
/// How long a form may lie open, in seconds.
const FORM_AGE: u32 = 3600;
/// Longest way to go on, in bytes.
pub const LONGEST_NEXT: usize = 2048;

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy_of(STYLE));

/// What a page with this style sheet may do: nothing else.
pub(super) fn policy_of(style: &str) -> HeaderValue {
    let style = BASE64.encode(&Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The same of a page with a script, which is a file of ours, and makes nothing of text.
pub(super) fn policy_with_script() -> HeaderValue {
    let policy = POLICY.to_str().unwrap_or("default-src 'none'");
    let policy = format!("{policy}; script-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What a page's policy is.
pub(super) fn policy() -> HeaderValue {
    POLICY.clone()
}

/// Refuses the methods that a page with a form does not take.
pub(super) fn other_method(api: &Api, method: &Method) -> Option<Response> {
    let is_taken = [Method::GET, Method::HEAD, Method::POST].contains(method);
    (!is_taken).then(|| ApiError::Method(method.to_string()).answer(api, ALLOW))
}

/// A browser, as its cookies tell it.
pub(super) struct Visitor {
    /// What its session's cookie holds, if there is exactly one.
    pub session: Option<String>,
    form: Option<String>,
    /// What it keeps of a login that is under way at a provider.
    pub attempt: Option<String>,
    /// What it keeps of a login whose first step is done.
    pub pending: Option<String>,
    /// What a passkey is asked to sign.
    pub challenge: Option<String>,
    pub settings: Settings,
}

impl Visitor {
    pub fn of(api: &Api, headers: &HeaderMap) -> Self {
        let settings = api.identity.sessions().cloned().unwrap_or_default();
        let one = |name: &str| {
            let mut values = cookies(headers, name);
            let value = values.next().flatten().filter(|value| !value.is_empty())?;
            values.next().is_none().then(|| value.to_owned())
        };
        let form = one(cookie::FORM.name(settings.secure)).filter(|value| value.len() == 43);
        let attempt = one(cookie::LOGIN.name(settings.secure));
        let pending = one(cookie::CODE.name(settings.secure));
        let challenge = one(cookie::PASSKEY.name(settings.secure));
        Self { session: one(settings.cookie()), form, attempt, pending, challenge, settings }
    }

    /// Whoever is logged in, where somebody is and that can be told. Not who has yet to show a second factor: the login page leads them to
    /// it.
    pub async fn person(&self, api: &Api, client: Client) -> Option<Authenticated> {
        self.somebody(api, client).await.filter(|person| !person.lacks_second_factor)
    }

    /// The same, also of a session that is good for nothing before its user has shown a second factor.
    pub async fn somebody(&self, api: &Api, Client(client): Client) -> Option<Authenticated> {
        let session = self.session.as_ref()?;
        let leave = api.login.limits().ask(client).await?;
        let found = who::of_session(api, session).await;
        if matches!(found, Ok(None)) {
            leave.was_nobody();
        }
        let found = found.inspect_err(|error| tracing::warn!(%error, "a page is shown as to nobody"));
        found.ok().flatten().filter(|person| person.snapshot.user.is_active)
    }

    /// Whether the form with this field is one that we have shown to this browser.
    pub fn sent_our_form(&self, headers: &HeaderMap, field: &str) -> bool {
        csrf::is_of_our_origin(headers) && self.repeats(field)
    }

    /// The same where the page's address is a secret that is told to nobody: browsers then say `null` for its origin.
    pub fn sent_our_hidden_form(&self, headers: &HeaderMap, field: &str) -> bool {
        let is_null = headers.get(header::ORIGIN).is_some_and(|origin| origin == "null");
        (is_null || csrf::is_of_our_origin(headers)) && self.repeats(field)
    }

    fn repeats(&self, field: &str) -> bool {
        self.form.as_ref().is_some_and(|form| CsrfToken::of(form).is_repeated(field.as_bytes()))
    }

    /// What a form repeats, with the cookie that must be set for it. One that is there stays: forms may be open in two windows.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn form(&self) -> Result<(String, Option<HeaderValue>), getrandom::Error> {
        if let Some(form) = &self.form {
            return Ok((CsrfToken::of(form).as_str().to_owned(), None));
        }
        let secret = SessionToken::generate()?;
        let cookie = self.form_cookie(secret.expose(), FORM_AGE);
        Ok((CsrfToken::of(secret.expose()).as_str().to_owned(), cookie))
    }

    /// The cookies that end the session.
    pub fn goodbye(&self) -> impl Iterator<Item = HeaderValue> {
        self.settings.clear().into_iter().flatten().chain(self.form_cookie("", 0))
    }

    /// The cookie that keeps a login which is under way at a provider, or (an `age` of 0) ends it. `Lax`: the way back begins elsewhere.
    pub fn attempt_cookie(&self, value: &str, age: u32) -> Option<HeaderValue> {
        self.cookie((cookie::LOGIN, value), age, "Lax")
    }

    /// The same of a login whose first step is done, at a provider perhaps.
    pub fn pending_cookie(&self, value: &str, age: u32) -> Option<HeaderValue> {
        self.cookie((cookie::CODE, value), age, "Lax")
    }

    /// The same of what a passkey is asked to sign, on a page of ours.
    pub fn challenge_cookie(&self, value: &str, age: u32) -> Option<HeaderValue> {
        self.cookie((cookie::PASSKEY, value), age, "Strict")
    }

    fn form_cookie(&self, value: &str, age: u32) -> Option<HeaderValue> {
        self.cookie((cookie::FORM, value), age, "Strict")
    }

    fn cookie(&self, (own, value): (OwnCookie, &str), age: u32, same_site: &str) -> Option<HeaderValue> {
        let name = own.name(self.settings.secure);
        let secure = if self.settings.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={age}; SameSite={same_site}{secure}; HttpOnly");
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The page of somebody who is logged in, or is not any more.
#[derive(Template)]
#[template(path = "logout.html")]
pub(super) struct Account<'a> {
    pub style: &'static str,
    pub title: &'a str,
    pub problem: &'a str,
    pub username: &'a str,
    pub next: &'a str,
    pub csrf: &'a str,
    pub login: String,
    pub logout: String,
    pub change: String,
    /// Where what is their own is.
    pub account: String,
}

impl<'a> Account<'a> {
    /// With what is the same everywhere.
    pub fn new(api: &Api, title: &'a str, username: &'a str, csrf: &'a str) -> Self {
        let [login, logout] = [LOGIN, LOGOUT].map(|path| api.links.at(path));
        let change = api.links.change();
        let account = api.links.at(ACCOUNT);
        Self { style: STYLE, title, problem: "", username, next: "", csrf, login, logout, change, account }
    }
}

/// A page as an answer.
pub(super) fn answer(status: StatusCode, page: &impl Template, cookie: Option<HeaderValue>) -> Response {
    let Ok(html) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    finish(headers);
    if let Some(cookie) = cookie {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// Sends a browser on, to a path of this origin.
pub(crate) fn go_on(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/")));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    finish(headers);
    response
}

/// A page of ours that leads to another target then.
pub(super) fn with_next(page: &str, next: &str) -> String {
    if next.is_empty() {
        page.to_owned()
    } else {
        format!("{page}?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
    }
}

/// Whole seconds, so that whoever comes back then passes.
pub(crate) const fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(1)
}

/// What is told when there were too many attempts.
pub(super) fn too_many(wait: Duration) -> String {
    let seconds = seconds(wait);
    let told = if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", seconds / 60 + 1) };
    format!("There were too many attempts. Try again in {told}.")
}

/// Says with a page when to come again, and the limit where one is reached.
pub(super) fn with_wait(mut page: Response, seconds: u64, limit: Option<Limit>) -> Response {
    page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    if let Some(limit) = limit {
        tell_limit(page.headers_mut(), limit);
    }
    page
}

fn finish(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
}

/// Where to go on, if that is a target of this origin that has one meaning only.
pub(super) fn local(next: &str) -> Option<&str> {
    let is_plain = next.len() <= LONGEST_NEXT && next.bytes().all(|b| b.is_ascii_graphic()) && !next.starts_with("//");
    (is_plain && Target::parse(next).is_ok()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_sent_on_to_another_origin() {
        for next in ["/", "/app/x", "/app/x?a=b&c=%20d", "/api/v1/users/login/"] {
            assert_eq!(local(next), Some(next));
        }
        for next in [
            "",
            "app",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            " /app",
            "/app/../../x",
            "/%2f/evil.example",
            "/a#b",
            "/ä",
            &format!("/{}", "x".repeat(3000)),
        ] {
            assert_eq!(local(next), None, "{next}");
        }
    }
}
