//! Pages of the records' endpoints, for browsers: what an endpoint answers, and forms of what it reads.
//!
//! Nothing is decided here. A page asks its endpoint as a program would, and shows the answer; a form becomes the request that it means
//! before the endpoint is asked. What can be sent is the endpoint's own definition of its fields.

pub(crate) mod cell;
mod choices;
pub(crate) mod form;
mod node;
pub(crate) mod page;
mod sent;
pub(crate) mod table;

use super::routes::{ROUTES, Route};
use super::show::indented;
use super::{Api, ApiError, Call, Client, Done, Endpoint, Origin, Site, Verb, at, perform};
use crate::api::error::json_answer;
use crate::api::words;
use crate::compat::openwisp::negotiate::{Representation, query};
use crate::compat::openwisp::serializer::Field;
use crate::decision::Reason;
use crate::decision::csrf::CsrfToken;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use form::{Filling, Form};
use http::header::{self, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use node::Node;
use page::{Anchor, Page};
use sent::{Asked, Intent, Sent};
use std::sync::Arc;
use uuid::Uuid;

const STALE: &str = "Nothing was saved: the form is of an earlier login. What you typed is still here; look it over, and send it again.";

/// Values that an address may say of a form.
const MOST_SAID: usize = 200;

/// A page that is being made.
struct Browse<'b, E> {
    endpoint: &'b E,
    route: &'static Route,
    shown: Representation,
    call: &'b Call,
}

/// Answers a request of a browser.
pub(super) async fn answer<E: Endpoint>(
    endpoint: &E,
    path: &'static str,
    api: &Arc<Api>,
    (client, origin): (Client, Origin),
    (mut request, mut body): (Parts, Body),
    shown: Representation,
) -> Response {
    let Some(route) = ROUTES.iter().find(|route| route.path == path) else {
        return ApiError::NoRoute.answer(api, "");
    };
    let asked = Asked::take(&mut request);
    let asks = (request.method.clone(), request.uri.clone());
    let site = request.extensions.get::<Site>().cloned();
    let begun = match Sent::take(api, &mut request, &mut body, &origin).await {
        Ok(sent) => Call::begin(api, (client, origin), request).await.map(|call| (call, sent)),
        Err(error) => Err(error),
    };
    let (mut call, sent) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let mut page = Page::of(api, route, None, (&asks.0, &asks.1), site.as_ref());
            page.come_back(asked.form);
            return refuse(api, route, page, error).await;
        }
    };
    if let Some(sent) = &sent {
        body = sent.body(fields::<E>(&call, sent.intent), &mut call.request);
    }
    let again = call.again();
    let browse = Browse { endpoint, route, shown, call: &again };
    let mut page = Page::of(api, route, Some(&again), (&asks.0, &asks.1), site.as_ref());
    page.notice = asked.notice;
    if let Some(sent) = sent.as_ref().filter(|sent| sent.is_stale) {
        let error = ApiError::Forbidden(Reason::CsrfFailed, Reason::CsrfFailed.detail());
        return browse.show_again(page, sent, error).await;
    }
    let reads = matches!(asks.0, Method::GET | Method::HEAD);
    if let Some(intent) = asked.form.filter(|_| reads && again.session.is_some()) {
        let form = browse.form(&mut page, intent, None, &Node::Null).await;
        return match form {
            Ok(()) => page.answer(json_answer(StatusCode::OK, String::new())),
            Err(error) => refuse(api, route, page, error).await,
        };
    }
    match (perform(endpoint, call, body, shown).await, sent) {
        (Ok((Done::Same, tag)), _) => Done::Same.answer(route.about.methods.allow, tag),
        (Ok((done, _)), Some(sent)) if !(E::TELLS_SECRET || E::IS_CONFIRMED) || sent.intent != Intent::Create => {
            browse.go_on(&sent, &done)
        }
        (Ok((done, tag)), sent) => {
            let told = match &done {
                Done::Told(body) | Done::Made { body, .. } => body.clone(),
                Done::Gone | Done::Same => String::new(),
            };
            page.tell(&again, route, &told);
            if sent.is_some() {
                // What must be told again with a form is told with the page.
                page.is_secret = E::TELLS_SECRET;
                page.help = Some(Anchor::new("Go on", browse.back()));
                return page.answer(json_answer(StatusCode::OK, String::new()));
            }
            page.lead_on(&again, route);
            page.answer(done.answer(route.about.methods.allow, tag))
        }
        (Err(error), Some(sent)) => browse.show_again(page, &sent, error).await,
        (Err(ApiError::Method(_)), None) if reads && browse.has_form() => {
            let intent = route.form().unwrap_or(Intent::Create);
            let refused = ApiError::Method(asks.0.to_string()).answer(api, route.about.methods.allow);
            match browse.form(&mut page, intent, None, &Node::Null).await {
                Ok(()) => page.answer(refused),
                Err(error) => refuse(api, route, page, error).await,
            }
        }
        (Err(error), None) => refuse(api, route, page, error).await,
    }
}

/// A page of a path that is none.
pub(super) async fn nothing(
    path: &'static str,
    api: &Arc<Api>,
    (client, origin): (Client, Origin),
    request: Request,
) -> Response {
    let Some(route) = ROUTES.iter().find(|route| route.path == path) else {
        return ApiError::NoRoute.answer(api, "");
    };
    let (request, _) = request.into_parts();
    let asks = (request.method.clone(), request.uri.clone());
    let site = request.extensions.get::<Site>().cloned();
    let call = Call::begin(api, (client, origin), request).await.ok();
    let page = Page::of(api, route, call.as_ref(), (&asks.0, &asks.1), site.as_ref());
    refuse(api, route, page, ApiError::NoRoute).await
}

impl<E: Endpoint> Browse<'_, E> {
    fn has_form(&self) -> bool {
        let form = self.route.form();
        self.call.session.is_some()
            && form.is_some_and(|intent| self.call.is_permitted(self.endpoint, &intent.method()))
    }

    /// The record as it is now, and its tag.
    async fn read(&self) -> Result<(Node, Option<String>), ApiError> {
        let mut call = self.call.again();
        call.request.method = Method::GET;
        for condition in [IF_MATCH, IF_NONE_MATCH] {
            call.request.headers.remove(condition);
        }
        let (done, tag) = perform(self.endpoint, call, Body::empty(), self.shown).await?;
        Ok((done.record().map(Node::parse).unwrap_or_default(), tag))
    }

    /// Puts a form on a page: what it is filled with is what was sent, or the record.
    async fn form(&self, page: &mut Page, intent: Intent, sent: Option<&Sent>, errors: &Node) -> Result<(), ApiError> {
        let (call, method) = (self.call, intent.method());
        let verb = self.route.about.methods.verbs.iter().find(|(known, _)| *known == method);
        let Some((_, verb)) = verb else { return Err(ApiError::Method(method.to_string())) };
        if !call.is_permitted(self.endpoint, &method) {
            return Err(call.forbidden());
        }
        let has_record = self.route.about.methods.verbs.iter().any(|(_, verb)| *verb == Verb::Read);
        let (record, version) = match intent {
            Intent::Edit | Intent::Delete if has_record => self.read().await?,
            _ => {
                self.endpoint.initial(call).await?;
                (Node::Null, None)
            }
        };
        if let Some(name) = page::name(&record)
            && let Some(last) = page.crumbs.last_mut()
        {
            name.clone_into(&mut last.text);
        }
        let is_list = self.route.is_list();
        let what = page::name(&record).map_or_else(|| page.title.clone(), str::to_owned);
        page.title = match intent {
            Intent::Create if is_list => words::t(&format!("Create {}", self.route.one())).into_owned(),
            Intent::Create => what,
            Intent::Edit if has_record => words::fill("Edit {0}", what),
            Intent::Edit => what,
            Intent::Delete => words::fill("Delete {0}?", what),
        };
        let question = self.endpoint.question(call, *verb).await?;
        let (asks, button) = question.unzip();
        if let Some(asks) = asks {
            page.title = words::t(&asks).into_owned();
        }
        let filling = Filling { record: has_record.then_some(&record), sent, errors };
        let fields = fields::<E>(call, intent);
        let hidden = if E::IS_CONFIRMED { self.said(fields, sent) } else { Vec::new() };
        let inputs = match intent {
            _ if E::IS_CONFIRMED => Vec::new(),
            _ => form::inputs(call, fields, *verb, &filling).await?,
        };
        // What is to be confirmed stays in the address.
        let query = call.request.uri.query().filter(|_| E::IS_CONFIRMED).map(|query| format!("?{query}"));
        page.form = Some(Form {
            cancel: self.back(),
            action: call.here() + &query.unwrap_or_default(),
            intent: intent.word(),
            method: method.to_string(),
            csrf: call.session.as_deref().map(|session| CsrfToken::of(session).as_str().to_owned()).unwrap_or_default(),
            // What is shown again is still of the state that they have read: nobody else's change is undone by sending it twice.
            version: sent.map_or_else(|| version.unwrap_or_default(), |sent| sent.version.clone()),
            key: if call.is_compat() { String::new() } else { Uuid::new_v4().to_string() },
            button: button.unwrap_or_else(|| form::button(intent, is_list)),
            inputs,
            hidden,
            lost: if intent == Intent::Edit { Vec::new() } else { self.endpoint.lost(call).await? },
        });
        Ok(())
    }

    /// What an address says of fields, or a form that is shown again.
    fn said(&self, fields: &[Field], sent: Option<&Sent>) -> Vec<(String, String)> {
        let pairs = match sent {
            Some(sent) => sent.pairs.clone(),
            None => query(self.call.request.uri.query()).unwrap_or_default(),
        };
        pairs.into_iter().filter(|(name, _)| fields.iter().any(|field| field.name == name)).take(MOST_SAID).collect()
    }

    /// The form that was sent, with what is wrong of it.
    async fn show_again(&self, mut page: Page, sent: &Sent, error: ApiError) -> Response {
        let (response, json) = told(&self.call.api, self.route, error).await;
        let told = Node::parse(&json);
        let fields: Vec<&str> = fields::<E>(self.call, sent.intent).iter().map(|field| field.name).collect();
        // What is not there to be filled in has its error above the form.
        let is_shown = |name: &str| !E::IS_CONFIRMED && fields.contains(&name);
        page.problems = problems(&told, response.status(), is_shown);
        if sent.is_stale {
            page.problems = vec![STALE.to_owned()];
        }
        if response.status() == StatusCode::PRECONDITION_FAILED {
            page.help = Some(Anchor::new("Look at the record as it is now", self.back()));
        }
        match self.form(&mut page, sent.intent, Some(sent), &told).await {
            Ok(()) => page.answer(response),
            Err(error) => refuse(&self.call.api, self.route, page, error).await,
        }
    }

    /// Where somebody goes on once it is done.
    fn go_on(&self, sent: &Sent, done: &Done) -> Response {
        let here = self.call.here();
        let is_there = self.route.about.methods.verbs.iter().any(|(method, _)| *method == Method::GET);
        let (to, word) = match (done, sent.intent) {
            // What another server tells as an address is none of ours.
            (Done::Made { location: Some(to), .. }, _) if to.starts_with(&self.call.path("")) => {
                (to.clone(), "created")
            }
            (Done::Gone, _) => (self.above(), "deleted"),
            (_, Intent::Create) if is_there => (here, "created"),
            (_, Intent::Edit) if is_there => (here, "changed"),
            _ => (self.above(), "done"),
        };
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(to) = HeaderValue::try_from(format!("{to}?_done={word}")) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }

    /// This page where it can be read, and otherwise the one above.
    fn back(&self) -> String {
        if self.route.is_read() { self.call.here() } else { self.above() }
    }

    /// The page above this one; of what is one's own, the page of oneself for those who may not see users.
    fn above(&self) -> String {
        let is_own = self.endpoint.own() == Some(self.call.asker.user.id);
        if is_own && !self.call.is_superuser() {
            return self.call.path("me/");
        }
        let path = self.call.request.uri.path().trim_end_matches('/');
        let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
        at(&self.call.api, self.call.site(), &format!("{above}/"))
    }
}

/// What a form has fields for.
fn fields<E: Endpoint>(call: &Call, intent: Intent) -> &'static [Field] {
    if intent == Intent::Delete { E::DELETED_WITH } else { E::fields(call.audience()) }
}

/// What is told of an error, and its answer.
async fn told(api: &Api, route: &Route, error: ApiError) -> (Response, String) {
    let (parts, body) = error.answer(api, route.about.methods.allow).into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let json = String::from_utf8_lossy(&body).into_owned();
    (Response::from_parts(parts, Body::from(body)), json)
}

/// What concerns no field of the form.
fn problems(told: &Node, status: StatusCode, is_shown: impl Fn(&str) -> bool) -> Vec<String> {
    if let Some(detail) = told.get("detail").and_then(Node::text) {
        return vec![detail.to_owned()];
    }
    let mut all = Vec::new();
    for (name, errors) in told.members() {
        let texts = errors.items().iter().filter_map(Node::text);
        match name.as_str() {
            "__all__" | "non_field_errors" => all.extend(texts.map(str::to_owned)),
            name if is_shown(name) => {}
            name => all.extend(texts.map(|text| format!("{}: {text}", cell::words(name)))),
        }
    }
    if !told.members().is_empty() && all.is_empty() {
        all.push("Some fields need your attention.".to_owned());
    }
    if all.is_empty() {
        all.push(status.canonical_reason().unwrap_or("It cannot be done.").to_owned());
    }
    all
}

/// A page that says why there is nothing else.
async fn refuse(api: &Api, route: &Route, mut page: Page, error: ApiError) -> Response {
    let is_expired = matches!(error, ApiError::PasswordExpired);
    let (response, json) = told(api, route, error).await;
    let (status, told) = (response.status(), Node::parse(&json));
    page.status = status.to_string();
    page.problems = problems(&told, status, |_| false);
    page.json = if told == Node::Null { String::new() } else { indented(&json, 2) };
    page.title = words::t(status.canonical_reason().unwrap_or("Error")).into_owned();
    page.help = match status {
        StatusCode::UNAUTHORIZED if !page.login.is_empty() => Some(Anchor::new("Log in", page.login.clone())),
        _ if is_expired => Some(Anchor::new("Choose a new password", api.links.change())),
        StatusCode::BAD_REQUEST if route.is_list() => {
            page.path.split_once('?').map(|(path, _)| Anchor::new("Show the whole list", path))
        }
        _ => None,
    };
    page.answer(response)
}
