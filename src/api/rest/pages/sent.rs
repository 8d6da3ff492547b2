//! What pages send: forms in which a hidden field says the method, and addresses that say which page is wanted.
//!
//! Browsers without scripts send forms by POST alone. `_method` counts only where a session sends a form with its CSRF token; of other
//! requests it is a field like any other, that is: none.

use super::super::super::error::ApiError;
use super::super::super::{Api, Origin};
use crate::compat::openwisp::RequestError;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::decision::csrf::{CSRF_HEADER, CSRF_NAME};
use crate::decision::{CsrfToken, Reason};
use crate::identity::cookie::cookies;
use axum::body::Body;
use form_urlencoded::Serializer;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, ORIGIN};
use http::request::Parts;
use http::{Method, Uri};
use http_body_util::BodyExt;

pub(super) const METHOD: &str = "_method";
pub(super) const VERSION: &str = "_version";
pub(super) const KEY: &str = "_key";

/// A form that a page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Create,
    Edit,
    Delete,
}

impl Intent {
    const ALL: [Self; 3] = [Self::Create, Self::Edit, Self::Delete];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
        }
    }

    pub(super) const fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Edit => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// What an address says to pages, and to nobody else.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub form: Option<Intent>,
    /// What was done a moment ago.
    pub notice: &'static str,
}

impl Asked {
    /// Takes it out of the address. What a form of filters leaves empty filters nothing: browsers send it nevertheless.
    pub(super) fn take(request: &mut Parts) -> Self {
        let mut asked = Self::default();
        let Some(query) = request.uri.query() else { return asked };
        let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let is_filter = pairs().any(|(name, _)| name == "_filter");
        let mut kept = Vec::new();
        for (name, value) in pairs() {
            match (name, value) {
                ("_form", word) => asked.form = Intent::named(word),
                ("_done", word) => asked.notice = notice(word),
                ("_filter", _) => {}
                (_, "") if is_filter => {}
                (name, value) => kept.push(format!("{name}={value}")),
            }
        }
        let path = request.uri.path();
        let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
        if let Ok(uri) = target.parse::<Uri>() {
            request.uri = uri;
        }
        asked
    }
}

fn notice(word: &str) -> &'static str {
    match word {
        "created" => "It has been created.",
        "changed" => "Your changes have been saved.",
        "deleted" => "It has been deleted.",
        "done" => "It is done.",
        _ => "",
    }
}

/// A form of ours.
pub(super) struct Sent {
    pub intent: Intent,
    /// The state of the record that it was filled from.
    pub version: String,
    /// Its fields, but for our own.
    pub pairs: Vec<(String, String)>,
    /// A page of ours sent it, of an earlier session: it is shown again, and nothing is done.
    pub is_stale: bool,
}

impl Sent {
    /// Takes a form, and makes of the request what the form means. `None` for whatever is no form of a session with a method in it; that
    /// goes on as it came.
    ///
    /// # Errors
    /// The form does not repeat the session's token, and is of another origin.
    pub(super) async fn take(
        api: &Api,
        request: &mut Parts,
        body: &mut Body,
        origin: &Origin,
    ) -> Result<Option<Self>, ApiError> {
        let headers = &request.headers;
        let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_form = media.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
        let session = api.identity.places.cookie.as_deref().and_then(|name| cookies(headers, name).last().flatten());
        let Some(session) = session.filter(|_| !headers.contains_key(AUTHORIZATION)) else { return Ok(None) };
        if request.method != Method::POST || !is_form {
            return Ok(None);
        }
        let token = CsrfToken::of(session);
        let bytes = std::mem::take(body).collect().await.map_err(|_| RequestError::BrokenOff)?.to_bytes();
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(&bytes).into_owned().collect();
        *body = Body::from(bytes);
        let mut take = |name: &str| {
            let at = pairs.iter().position(|(known, _)| known == name)?;
            Some(pairs.remove(at).1)
        };
        let Some(method) = take(METHOD) else { return Ok(None) };
        let forged = ApiError::Forbidden(Reason::CsrfFailed, Reason::CsrfFailed.detail());
        let repeated = take(CSRF_NAME).filter(|said| token.is_repeated(said.as_bytes()));
        let (version, key) = (take(VERSION).unwrap_or_default(), take(KEY).unwrap_or_default());
        let intent = Intent::ALL.into_iter().find(|known| known.method().as_str() == method);
        let intent = intent.ok_or(ApiError::Method(method))?;
        let Some(repeated) = repeated else {
            if !is_of(origin, headers) {
                return Err(forged);
            }
            request.method = Method::GET;
            return Ok(Some(Self { intent, version, pairs, is_stale: true }));
        };
        request.method = intent.method();
        for (name, value) in [
            (CSRF_HEADER, repeated),
            (IF_MATCH, version.clone()),
            (HeaderName::from_static("idempotency-key"), if intent == Intent::Create { key } else { String::new() }),
        ] {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                request.headers.insert(name, value);
            }
        }
        Ok(Some(Self { intent, version, pairs, is_stale: false }))
    }

    /// What is sent on. Fields that nobody filled in are not there: a browser sends them as empty texts.
    pub(super) fn body(&self, fields: &[Field], request: &mut Parts) -> Body {
        let mut form = Serializer::new(String::new());
        for (name, value) in &self.pairs {
            let (whole, inner) = name.split_once('.').unwrap_or((name, ""));
            let Some(field) = fields.iter().find(|field| field.name == whole) else { continue };
            match field.shape {
                Shape::Keys(_) => {
                    for line in value.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()) {
                        form.append_pair(name, line);
                    }
                }
                Shape::First(of) | Shape::Each(of) if !self.is_filled(whole, of) => {}
                // Of a record that is there, an empty choice takes away what was chosen.
                Shape::Nested(of) if self.intent == Intent::Create && !self.is_filled(whole, of) => {}
                _ if value.is_empty() && self.intent == Intent::Create && !field.required && inner.is_empty() => {}
                _ => {
                    form.append_pair(name, value);
                }
            }
        }
        let text = form.finish();
        request.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        Body::from(text)
    }

    /// Whether something of a field's own fields was chosen; what is not ticked says nothing.
    fn is_filled(&self, field: &str, of: &[Field]) -> bool {
        of.iter().filter(|inner| !matches!(inner.shape, Shape::Flag)).any(|inner| {
            let name = format!("{field}.{}", inner.name);
            self.pairs.iter().any(|(known, value)| *known == name && !value.is_empty())
        })
    }
}

/// Whether a page of this origin sent a request, as browsers say it: what it sends is what somebody typed here.
fn is_of(origin: &Origin, headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(ORIGIN).is_some_and(|sent| sent.as_bytes() == origin.0.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Intent, Sent};
    use crate::compat::openwisp::serializer::{Field, Keys, Shape};
    use http::Request;
    use http_body_util::BodyExt;

    fn asked(target: &str) -> (Asked, String) {
        let (mut parts, ()) = Request::builder().uri(target).body(()).unwrap().into_parts();
        let asked = Asked::take(&mut parts);
        (asked, parts.uri.to_string())
    }

    #[test]
    fn an_address_says_to_pages_what_endpoints_do_not_hear() {
        let (page, left) = asked("/u/?search=a&_form=edit&_done=changed&page=2");
        assert_eq!((page.form, page.notice), (Some(Intent::Edit), "Your changes have been saved."));
        assert_eq!(left, "/u/?search=a&page=2");
        assert_eq!(asked("/u/?_filter=1&search=&is_active=true&username=").1, "/u/?is_active=true");
        assert_eq!(asked("/u/?username=").1, "/u/?username=", "without a form of filters nothing is meant");
        let (page, left) = asked("/u/?_form=x&_done=%3Cb%3E");
        assert_eq!((page, left.as_str()), (Asked::default(), "/u/"));
    }

    #[tokio::test]
    async fn what_nobody_filled_in_is_not_sent_on() {
        const TIE: &[Field] = &[Field::new("organization", Shape::Key), Field::flag("is_admin")];
        let fields = [
            Field::text("name").required(),
            Field::text("bio").blank(),
            Field::new("groups", Shape::Keys(Keys::Numbers)),
            Field::new("organization_users", Shape::Each(TIE)),
            Field::new("owner", Shape::Nested(TIE)),
        ];
        let pairs = [
            ("name", ""),
            ("bio", ""),
            ("groups", "1"),
            ("groups", " 2\r\n\r\n3 "),
            ("organization_users.organization", ""),
            ("organization_users.is_admin", "true"),
            ("owner.organization", ""),
            ("other", "x"),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (intent, text) in [
            (Intent::Create, "name=&groups=1&groups=2&groups=3"),
            (Intent::Edit, "name=&bio=&groups=1&groups=2&groups=3&owner.organization="),
        ] {
            let (mut parts, ()) = Request::builder().uri("/").body(()).unwrap().into_parts();
            let body = Sent { intent, version: String::new(), pairs: pairs.clone(), is_stale: false }
                .body(&fields, &mut parts);
            assert_eq!(body.collect().await.unwrap().to_bytes(), text);
        }
    }
}
