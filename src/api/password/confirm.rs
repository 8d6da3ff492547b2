//! `POST /api/v1/users/password/reset/confirm/`: who has a link chooses a new password.
//!
//! `uid` says whose, `token` that the link is theirs. All of the user's sessions end.

use super::super::error::ApiError;
use super::super::operation::{self, Done};
use super::super::who;
use super::super::{Api, Client};
use super::{of_field, of_refused, of_store, password, renew};
use crate::compat::openwisp::fields::{FieldErrors, TextField};
use crate::compat::openwisp::{body, negotiate};
use crate::id::UserId;
use crate::login::renew::NoLink;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;
use uuid::Uuid;

const INVALID: &str = "Invalid value";

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    operation::answer(&api, operate(&api, client.0, &parts, body).await)
}

async fn operate(api: &Api, Client(client): Client, parts: &Parts, body: Body) -> Result<Done, ApiError> {
    negotiate::negotiate(parts.uri.query(), &parts.headers)?;
    let limit = who::counts(api, client, parts).await?;
    if let Some(description) = operation::method(&parts.method, DESCRIPTION)? {
        return Ok((limit, description));
    }
    let fields = body::read(parts, body).await?;
    let mut errors = FieldErrors::default();
    let one = password(api, "new_password1", &fields, &mut errors);
    let two = password(api, "new_password2", &fields, &mut errors);
    let text = |name, errors: &mut FieldErrors| TextField { name, required: true, trim: true }.read(&fields, errors);
    let uid = text("uid", &mut errors);
    let token = text("token", &mut errors);
    let (Some(one), Some(two), Some(uid), Some(token), true) = (one, two, uid, token, errors.is_empty()) else {
        return Err(ApiError::of_fields(errors));
    };
    let user =
        user(&uid).ok_or_else(|| ApiError::of_fields(FieldErrors::of_all(&format!("“{uid}” is not a valid UUID."))))?;
    let found = api.login.of_link(user, &token, &api.resets(), api.compat).await.map_err(|error| of_store(&error))?;
    let stored = found.map_err(|no_link| {
        // Whether somebody is there is nobody's business.
        let field = if no_link == NoLink::User && api.compat { "uid" } else { "token" };
        ApiError::of_fields(of_field(field, INVALID))
    })?;
    let renewed = renew(api, &stored, one, &two).await;
    renewed.map_err(|refused| of_refused(refused, || of_field("token", INVALID)))?;
    Ok((limit, operation::told("Password has been reset with the new password.")))
}

/// A user's id as Python reads a UUID: hyphens and braces do not matter, nor what URNs put before it.
pub(super) fn user(text: &str) -> Option<UserId> {
    let text = text.replace("urn:", "").replace("uuid:", "");
    let digits = text.trim_matches(['{', '}']).replace('-', "");
    let is_hex = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| Uuid::try_parse(&digits).ok()).flatten().map(UserId)
}

/// What `OPTIONS` tells, in the reference's order.
pub(in crate::api) const DESCRIPTION: &str = concat!(
    r#"{"name":"Password Reset Confirm","description":"Sets a new password given a valid uid/token pair.\n\n"#,
    r#"Unlike PasswordResetView, an invalid uid/token still returns a plain\n400: the pair is already an unguessable "#,
    r#"secret, so there is nothing\nleft to enumerate (see dj-rest-auth's PasswordResetConfirmSerializer,\nreused "#,
    r#"unchanged below).","renders":["application/json","text/html"],"#,
    r#""parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"],"actions":{"POST":{"#,
    r#""new_password1":{"type":"string","required":true,"read_only":false,"label":"New password1","max_length":128},"#,
    r#""new_password2":{"type":"string","required":true,"read_only":false,"label":"New password2","max_length":128},"#,
    r#""uid":{"type":"string","required":true,"read_only":false,"label":"Uid"},"#,
    r#""token":{"type":"string","required":true,"read_only":false,"label":"Token"}}}}"#
);

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn a_user_s_id_is_read_as_python_reads_it() {
        let id = "5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f";
        for text in [
            id,
            "5c1a5d0e9a5e5f3a8a630a1b2c3d4e5f",
            "{5C1A5D0E-9A5E-5F3A-8A63-0A1B2C3D4E5F}",
            "urn:uuid:5c1a5d0e9a5e5f3a8a630a1b2c3d4e5f",
            "5c1a-5d0e9a5e5f3a8a630a1b2c3d4e5f",
        ] {
            assert_eq!(user(text).unwrap().to_string(), id, "{text}");
        }
        for text in ["", "zzz", "5c1a5d0e9a5e5f3a8a630a1b2c3d4e5", "5c1a5d0e9a5e5f3a8a630a1b2c3d4e5g", "é"] {
            assert!(user(text).is_none(), "{text}");
        }
    }
}
