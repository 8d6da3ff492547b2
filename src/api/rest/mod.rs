//! The REST API over the directory's records, as openwisp-users has it: `organization/`, `user/`, a user's `email/` and `password/`,
//! `group/`.
//!
//! A resource is a file: its fields, what each method does; [`routes`] has the paths of all. What they have in common is here: [`run`] takes a
//! request through the order in which Django REST framework decides, so that the same error wins: representation, who asks, what they may
//! (even where the method or the record does not exist), the method, the record, the body, its fields. Who sees and changes what is a
//! rule of the directory: everything goes through a [`View`].

mod cursors;
mod description;
mod emails;
mod groups;
mod history;
mod holders;
mod keys;
mod magic_link;
mod me;
mod members;
mod moment;
mod once;
mod organizations;
mod own_emails;
mod own_profile;
pub(crate) mod pages;
mod paging;
mod permissions;
mod records;
mod refused;
mod roles;
mod routes;
pub(super) mod show;
mod tokens;
mod user_access;
mod user_members;
mod user_password;
mod users;
mod versions;

pub(super) use description::paths;
pub(super) use routes::is_path;
pub(crate) use routes::{paths as record_paths, router};

use super::error::{ApiError, json_answer};
use super::openapi::schema;
use super::who;
use super::{Api, Client, Origin};
use crate::compat::openwisp::body;
use crate::compat::openwisp::fields::{FieldErrors, Fields};
use crate::compat::openwisp::negotiate::{Representation, negotiate};
use crate::compat::openwisp::object::{Object, list};
use crate::compat::openwisp::serializer::{self, Data, Field};
use crate::decision::Reason;
use crate::directory::audit::Who;
use crate::directory::{Field as RecordField, OrganizationRecord, Rules, View, Viewer};
use crate::facts::Snapshot;
use crate::id::{OrgId, UserId};
use crate::password::validate::{Personal, UnfitPassword};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
pub use me::tell as told_of_oneself;
pub use once::BeingAnswered;
use once::Once;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::sync::Arc;
pub use versions::TagKey;
use versions::Versions;

/// What a method of an endpoint does, as Django's permissions and its metadata call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    List,
    Create,
    Read,
    /// `PUT`, or `PATCH`, in which what is not sent stays.
    Update {
        partial: bool,
    },
    Delete,
}

/// What is at one path of the API.
#[async_trait]
trait Endpoint: Send + Sync {
    /// What `OPTIONS` calls it.
    const NAME: &'static str;
    /// What permits to use it, as Django names it; `{}` is the action.
    const PERMISSION: &'static str;
    /// The action, of all its methods, where HTTP's would say another.
    const ACTION: Option<&'static str> = None;
    const METHODS: Methods = RECORD;
    /// Whether it is one record, with an ETag.
    const HAS_VERSIONS: bool = false;

    /// Whose own it is, who needs no permission.
    fn own(&self) -> Option<UserId> {
        None
    }

    /// What lists filter, search and order by.
    const LISTED: &'static [RecordField] = &[];
    /// What an operator wants to see in a list; all that is told where nothing is said.
    const COLUMNS: &'static [&'static str] = &[];
    /// Whether what an address says of its fields is shown, to be confirmed by a button, and what was done is told.
    const IS_CONFIRMED: bool = false;
    /// What is sent to delete it.
    const DELETED_WITH: &'static [Field] = &[];
    /// Whether what it makes is told with a secret, this once.
    const TELLS_SECRET: bool = false;

    /// What is sent, and told where [`Self::told`] says nothing else.
    fn fields(audience: Audience) -> &'static [Field];

    /// The schema of what is told; of a list, of one of it.
    fn told(audience: Audience, _: Verb) -> Json {
        schema::told(Self::fields(audience))
    }

    /// What is gone once the record is deleted, or what the endpoint is there for is done; for people.
    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(Vec::new())
    }

    /// What people are asked before it is done, and the button for it, where the usual words would say something else.
    async fn question(&self, _: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        Ok(None)
    }

    /// What is settled before the method is looked at.
    async fn initial(&self, _: &Call) -> Result<(), ApiError> {
        Ok(())
    }

    /// The directory, in which the record is changed only while it is told as these want it.
    fn while_it_is(&self, call: &Call, _: Versions) -> View {
        call.view.clone()
    }

    /// Does what the method means, once all before it is settled.
    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError>;
}

/// What methods there are, and what each means.
struct Methods {
    allow: &'static str,
    verbs: &'static [(Method, Verb)],
}

const LIST: Methods = Methods {
    allow: "GET, POST, HEAD, OPTIONS",
    verbs: &[(Method::GET, Verb::List), (Method::POST, Verb::Create), (Method::HEAD, Verb::List)],
};
/// What is listed and never made.
const READ: Methods =
    Methods { allow: "GET, HEAD, OPTIONS", verbs: &[(Method::GET, Verb::List), (Method::HEAD, Verb::List)] };
const RECORD: Methods = Methods {
    allow: "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
    verbs: &[
        (Method::GET, Verb::Read),
        (Method::PUT, Verb::Update { partial: false }),
        (Method::PATCH, Verb::Update { partial: true }),
        (Method::DELETE, Verb::Delete),
        (Method::HEAD, Verb::Read),
    ],
};

/// Where pages of records stand, where that is not in the API: what their paths begin with, in the place of the API's prefix. Whoever
/// calls the records' routes for pages puts it among a request's extensions, and finds the page among the answer's.
#[derive(Clone, Debug)]
pub(crate) struct Site(pub Arc<str>);

/// Where something below the API's prefix is.
fn at(api: &Api, site: Option<&Site>, path: &str) -> String {
    match (site, path.strip_prefix(super::paths::PREFIX)) {
        (Some(Site(base)), Some(rest)) => format!("{base}{rest}"),
        _ => api.links.at(path),
    }
}

/// Whom fields are for.
#[derive(Clone, Copy, Debug)]
struct Audience {
    is_superuser: bool,
    /// As openwisp-users has it.
    is_compat: bool,
    /// Where users have fields that are declared.
    has_fields: bool,
}

/// A request that is being answered.
struct Call {
    api: Arc<Api>,
    client: Client,
    asker: Arc<Snapshot>,
    /// The session that the request came with.
    session: Option<String>,
    /// The directory, as who asks sees it.
    view: View,
    request: Parts,
    /// What absolute links of the answer begin with.
    origin: Origin,
    /// What it does is done once, where it says so.
    once: Option<Once>,
}

/// What was done.
#[derive(Deserialize, Serialize)]
enum Done {
    Told(String),
    /// `alone`: how it is told at its own address, where that is another than the body.
    Made {
        body: String,
        location: Option<String>,
        alone: Option<String>,
    },
    Gone,
    /// Who asks has it already.
    Same,
}

impl Call {
    /// Finds out who asks.
    async fn begin(api: &Arc<Api>, (client, origin): (Client, Origin), request: Parts) -> Result<Self, ApiError> {
        let who = who::asks(api, client.0, &request).await?;
        if who.has_old_password {
            return Err(ApiError::PasswordExpired);
        }
        let (asker, session) = (who.snapshot, who.session);
        let rules = if api.compat { Rules::OpenwispUsers } else { Rules::Safe };
        let store = api.store.changed_by(Who::Api { user: asker.user.id });
        let view = store.as_seen_by(Viewer::of(Arc::clone(&asker), rules));
        Ok(Self { api: Arc::clone(api), client, asker, session, view, request, origin, once: None })
    }

    /// The same caller, for something else on the same page.
    fn again(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            client: self.client,
            asker: Arc::clone(&self.asker),
            session: self.session.clone(),
            view: self.view.clone(),
            request: self.request.clone(),
            origin: self.origin.clone(),
            once: None,
        }
    }

    /// Reads and checks what was sent.
    async fn data(&self, serializer: &[Field], body: Body, partial: bool) -> Result<(Data, FieldErrors), ApiError> {
        let fields = self.fields(body).await?;
        Ok(serializer::read(serializer, &fields, partial))
    }

    async fn fields(&self, body: Body) -> Result<Fields, ApiError> {
        Ok(body::read_record(&self.request, body).await?)
    }

    /// Does what makes something, and tells what was made; a request that may be sent again is told the same then.
    async fn make<T, F>(
        &self,
        view: View,
        tell: impl Fn(&T) -> Option<Done> + Send + Sync + 'static,
        make: impl FnOnce(View) -> F + Send,
    ) -> Result<Done, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send,
    {
        let tell = Arc::new(tell);
        let told = Arc::clone(&tell);
        let view = self.once.as_ref().map_or(view.clone(), |once| once.keeping(&view, move |made| told(made)));
        tell(&make(view).await?).ok_or(ApiError::Unavailable)
    }

    /// Looks whether somebody has what only one may have, who may be of another tenant. Who is no superuser hits upon few of them in an
    /// hour: one by one nobody guesses whom others have. In openwisp-users they may.
    async fn is_taken<T>(
        &self,
        look: impl Future<Output = Result<T, ApiError>> + Send,
        is_taken: impl Fn(&T) -> bool + Send,
    ) -> Result<T, ApiError> {
        if self.is_superuser() || self.is_compat() {
            return look.await;
        }
        let (limits, asker) = (self.api.login.limits(), self.asker.user.id);
        limits.conflict(asker).await.map_err(|wait| ApiError::Throttled { wait, state: None })?;
        let found = look.await;
        if found.as_ref().is_ok_and(|found| !is_taken(found)) {
            limits.no_conflict(asker).await;
        }
        found
    }

    /// That nothing of what was sent is wrong.
    fn settle(&self, errors: FieldErrors) -> Result<(), ApiError> {
        if errors.is_empty() { Ok(()) } else { Err(ApiError::of_fields(errors)) }
    }

    /// Why a password will not do for somebody; the reference looks at none that is set for others.
    fn unfit(&self, field: &str, password: &str, whose: Personal<'_>) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if !self.is_compat()
            && let Err(UnfitPassword(unfit)) = self.api.login.validators().check(password, whose)
        {
            unfit.iter().for_each(|why| errors.add(field, why.to_string()));
        }
        errors
    }

    /// That who asks manages an organization, or all: for others it is not there.
    async fn must_manage(&self, organization: OrgId) -> Result<(), ApiError> {
        let manages = self.asker.membership(organization).is_some_and(|tie| tie.is_admin);
        if manages {
            return Ok(());
        }
        if !self.is_superuser() {
            return Err(ApiError::Missing);
        }
        // What is read is looked for with it.
        if matches!(self.request.method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let found = self.view.organization_record(&organization.into()).await;
        found.map(drop).map_err(refused::refused::<OrganizationRecord>)
    }

    fn forbidden(&self) -> ApiError {
        ApiError::Forbidden(Reason::PermissionMissing, FORBIDDEN)
    }

    /// Where a record is, or a list.
    fn path(&self, rest: &str) -> String {
        at(&self.api, self.site(), &format!("{}{rest}", super::paths::PREFIX))
    }

    /// Where this request went.
    fn here(&self) -> String {
        at(&self.api, self.site(), self.request.uri.path())
    }

    fn site(&self) -> Option<&Site> {
        self.request.extensions.get()
    }

    fn is_superuser(&self) -> bool {
        self.asker.user.is_superuser
    }

    fn is_compat(&self) -> bool {
        self.api.compat
    }

    fn audience(&self) -> Audience {
        Audience {
            is_superuser: self.is_superuser(),
            is_compat: self.is_compat(),
            has_fields: !self.api.store.declared().is_empty(),
        }
    }

    /// Whether Django's permission for a method is there.
    fn is_permitted<E: Endpoint>(&self, endpoint: &E, method: &Method) -> bool {
        endpoint.own() == Some(self.asker.user.id) || self.has_permission((E::PERMISSION, E::ACTION), method)
    }

    fn has_permission(&self, (permission, action): (&str, Option<&str>), method: &Method) -> bool {
        let has = |action: &str| self.asker.has_permission_everywhere(&permission.replace("{}", action));
        self.is_superuser()
            || permission.is_empty()
            || match *method {
                _ if action.is_some() => action.is_some_and(has),
                Method::GET => has("view") || has("change"),
                Method::HEAD => has("view"),
                Method::POST => has("add"),
                Method::PUT | Method::PATCH => has("change"),
                Method::DELETE => has("delete"),
                // Of others nobody can have one; that there are none is told below.
                _ => true,
            }
    }
}

/// Takes a request through; `path` is what its route is written as.
async fn run<E: Endpoint>(
    endpoint: &E,
    path: &'static str,
    api: Arc<Api>,
    from: (Client, Origin),
    request: Request,
) -> Response {
    let (request, body) = request.into_parts();
    let as_asked = negotiate(request.uri.query(), &request.headers);
    let shown = as_asked.as_ref().copied().unwrap_or_default();
    if request.extensions.get::<Site>().is_some() || shown.html && api.browsable {
        return pages::answer(endpoint, path, &api, from, (request, body), shown).await;
    }
    let done = match as_asked {
        Ok(_) => match Call::begin(&api, from, request).await {
            Ok(call) => perform(endpoint, call, body, shown).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    };
    let allow = E::METHODS.allow;
    let response = done.map_or_else(|error| error.answer(&api, allow), |(done, tag)| done.answer(allow, tag));
    if response.status() == StatusCode::NOT_MODIFIED { response } else { show::show(response, shown, E::NAME).await }
}

/// Answers where a key of a path is none: nothing is there, and browsers are shown so.
async fn nothing(path: &'static str, api: Arc<Api>, from: (Client, Origin), request: Request) -> Response {
    let shown = negotiate(request.uri().query(), request.headers()).unwrap_or_default();
    // The reference has a page of Django's there.
    if request.extensions().get::<Site>().is_some() || shown.html && api.browsable && !api.compat {
        return pages::nothing(path, &api, from, request).await;
    }
    ApiError::NoRoute.answer(&api, "")
}

/// Does what is asked, and tells what is there now, with its tag.
async fn perform<E: Endpoint>(
    endpoint: &E,
    mut call: Call,
    body: Body,
    shown: Representation,
) -> Result<(Done, Option<String>), ApiError> {
    let method = &call.request.method;
    if !call.is_permitted(endpoint, method) {
        return Err(call.forbidden());
    }
    endpoint.initial(&call).await?;
    if *method == Method::OPTIONS {
        return Ok((Done::Told(describe(endpoint, &call).await), None));
    }
    let verb = E::METHODS.verbs.iter().find(|(known, _)| known == method).map(|(_, verb)| *verb);
    let verb = verb.ok_or_else(|| ApiError::Method(method.to_string()))?;
    let versions = Versions::of(&call, shown);
    if let Some(versions) = versions.as_ref().filter(|_| E::HAS_VERSIONS)
        && matches!(verb, Verb::Update { .. } | Verb::Delete)
    {
        if call.api.require_if_match && !versions.has_condition() {
            return Err(ApiError::NoCondition);
        }
        if versions.is_conditional() {
            call.view = endpoint.while_it_is(&call, versions.clone());
        }
    }
    let done = match *method {
        // The reference knows none that may be sent again.
        Method::POST if !call.is_compat() => once::act(endpoint, call, verb, body).await?,
        _ => endpoint.act(&call, verb, body).await?,
    };
    // A token that was rotated is told with its secret, which is not how it is told otherwise.
    let has_record = E::HAS_VERSIONS || matches!(done, Done::Made { .. });
    let (Some(versions), Some(told)) = (versions, done.record().filter(|_| has_record)) else {
        return Ok((done, None));
    };
    let tag = Some(versions.tag(told));
    match verb {
        Verb::Read if !versions.is_wanted(told) => Err(ApiError::Changed),
        Verb::Read if versions.is_known(told) => Ok((Done::Same, tag)),
        _ => Ok((done, tag)),
    }
}

/// What `OPTIONS` tells: the fields too, of whoever may send them.
async fn describe<E: Endpoint>(endpoint: &E, call: &Call) -> String {
    let media = |types: &[&str]| list(types.iter().map(|media| format!("\"{media}\"")));
    let mut told = Object::default();
    told.put("name", E::NAME);
    told.put("description", "");
    told.put_json("renders", &media(&["application/json", "text/html"]));
    let parses = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
    told.put_json("parses", &media(&parses));
    for (method, _) in E::METHODS.verbs.iter().filter(|(method, _)| matches!(*method, Method::POST | Method::PUT)) {
        let is_there = *method == Method::POST || endpoint.act(call, Verb::Read, Body::empty()).await.is_ok();
        if call.is_permitted(endpoint, method) && is_there {
            let mut actions = Object::default();
            actions.put_json(method.as_str(), &serializer::describe(E::fields(call.audience())));
            told.put_json("actions", &actions.end());
        }
    }
    told.end()
}

impl Done {
    /// How the record is told that this leaves behind, at its own address.
    fn record(&self) -> Option<&str> {
        match self {
            Self::Told(body) | Self::Made { body, alone: None, .. } => Some(body),
            Self::Made { alone, .. } => alone.as_deref(),
            Self::Gone | Self::Same => None,
        }
    }

    fn answer(self, allow: &'static str, tag: Option<String>) -> Response {
        let mut response = match self {
            Self::Told(body) => json_answer(StatusCode::OK, body),
            Self::Made { body, location, .. } => {
                let mut response = json_answer(StatusCode::CREATED, body);
                if let Some(location) = location.and_then(|text| HeaderValue::try_from(text).ok()) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Self::Gone => StatusCode::NO_CONTENT.into_response(),
            Self::Same => StatusCode::NOT_MODIFIED.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

const FORBIDDEN: &str = "You do not have permission to perform this action.";
