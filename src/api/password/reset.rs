//! `POST /api/v1/users/password/reset/`: somebody has forgotten their password, and asks for a link.
//!
//! The answer is the same whoever is meant, and is there before anybody has looked: a letter is written in the background.

use super::super::error::ApiError;
use super::super::operation::{self, Done};
use super::super::who;
use super::super::{Api, Client};
use super::letter;
use crate::compat::openwisp::fields::{FieldErrors, TextField};
use crate::compat::openwisp::{body, negotiate};
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;

const INPUT: TextField = TextField { name: "input", required: true, trim: true };
const ORGANIZATION: TextField = TextField { name: "organization", required: false, trim: true };

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    operation::answer(&api, operate(&api, client.0, &parts, body).await)
}

async fn operate(api: &Arc<Api>, Client(client): Client, parts: &Parts, body: Body) -> Result<Done, ApiError> {
    negotiate::negotiate(parts.uri.query(), &parts.headers)?;
    let limit = who::counts(api, client, parts).await?;
    if let Some(description) = operation::method(&parts.method, DESCRIPTION)? {
        return Ok((limit, description));
    }
    let fields = body::read(parts, body).await?;
    let mut errors = FieldErrors::default();
    let input = INPUT.read(&fields, &mut errors);
    let organization = if api.login.per_organization() { ORGANIZATION.read(&fields, &mut errors) } else { None };
    let (Some(input), true) = (input, errors.is_empty()) else { return Err(ApiError::of_fields(errors)) };
    letter::write_to(api, input, organization);
    Ok((limit, operation::told("Password reset e-mail has been sent.")))
}

/// What `OPTIONS` tells, in the reference's order.
pub(in crate::api) const DESCRIPTION: &str = concat!(
    r#"{"name":"Password Reset","description":"Requests a password reset e-mail for a user identified by username,\n"#,
    r#"e-mail address or phone number, mirroring the identifiers accepted at\nlocal login.","#,
    r#""renders":["application/json","text/html"],"#,
    r#""parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"],"actions":{"POST":{"#,
    r#""input":{"type":"string","required":true,"read_only":false,"label":"Input"}}}}"#
);
