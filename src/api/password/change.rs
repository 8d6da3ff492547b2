//! `POST /api/v1/users/user/password/change/`: who is logged in chooses a new password, and shows that they know the old one.
//!
//! The order is the reference's: representation, who asks, limit, method, body, fields; the old password is one of the fields. All
//! other sessions of the user end; the one that asks goes on under a new cookie.

use super::super::error::ApiError;
use super::super::operation::{self, Done};
use super::super::who::{self, Authenticated};
use super::super::{Api, Client};
use super::{of_field, of_login, of_refused, of_store, password, renew};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::{body, negotiate};
use crate::login::LoginError;
use crate::login::renew::Stored;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;
use std::sync::Arc;

const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let changed = operate(&api, client.0, &parts, body).await;
    let (done, cookies) = changed.map_or_else(|error| (Err(error), Vec::new()), |(done, cookies)| (Ok(done), cookies));
    let mut response = operation::answer(&api, done);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What is answered, with the cookies of the session that goes on.
async fn operate(
    api: &Api,
    Client(client): Client,
    parts: &Parts,
    body: Body,
) -> Result<(Done, Vec<HeaderValue>), ApiError> {
    negotiate::negotiate(parts.uri.query(), &parts.headers)?;
    // This is what somebody with an old password is here for.
    let asker = who::asks(api, client, parts).await?;
    let user = asker.snapshot.user.id;
    let limit = api.login.limits().request_of(user).await.map_err(operation::throttled)?;
    if let Some(description) = operation::method(&parts.method, DESCRIPTION)? {
        return Ok(((limit, description), Vec::new()));
    }
    let fields = body::read(parts, body).await?;
    let mut errors = FieldErrors::default();
    let one = password(api, "new_password1", &fields, &mut errors);
    let two = password(api, "new_password2", &fields, &mut errors);
    let old = password(api, "old_password", &fields, &mut errors);
    let mut stored: Option<Stored> = None;
    if let Some(old) = old {
        match api.login.knows(user, old.into(), client).await {
            Ok(known) => stored = Some(known),
            Err(LoginError::Wrong) => errors.add("old_password", WRONG),
            Err(error) => return Err(of_login(error)),
        }
    }
    let (Some(one), Some(two), Some(stored), true) = (one, two, stored, errors.is_empty()) else {
        return Err(ApiError::of_fields(errors));
    };
    let renewed = renew(api, &stored, one, &two).await;
    renewed.map_err(|refused| of_refused(refused, || of_field("old_password", WRONG)))?;
    let done = (limit, operation::told("New password has been saved."));
    Ok((done, go_on(api, &asker).await?))
}

/// The cookies of the session that goes on. The old one has ended with the old password.
async fn go_on(api: &Api, asker: &Authenticated) -> Result<Vec<HeaderValue>, ApiError> {
    let Some(session) = &asker.session else { return Ok(Vec::new()) };
    let begun = api.identity.begin_session(asker.snapshot.user.id, Some(session), (true, asker.proof)).await;
    Ok(begun.map_err(|error| of_store(&error))?.into_iter().flatten().collect())
}

/// What `OPTIONS` tells, in the reference's order.
pub(in crate::api) const DESCRIPTION: &str = concat!(
    r#"{"name":"Password Change","description":"Self-service password change endpoint for authenticated users.","#,
    r#""renders":["application/json","text/html"],"#,
    r#""parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"],"actions":{"POST":{"#,
    r#""new_password1":{"type":"string","required":true,"read_only":false,"label":"New password1","max_length":128},"#,
    r#""new_password2":{"type":"string","required":true,"read_only":false,"label":"New password2","max_length":128},"#,
    r#""old_password":{"type":"string","required":true,"read_only":false,"label":"Old password","max_length":128}}}}"#
);
