//! `me/profile/`: what people say of themselves. `PATCH me/` is the same; `GET me/` is told from memory, which has no profiles.

use super::super::error::ApiError;
use super::super::own::{self, NUMBER_TAKEN, Own};
use super::super::password::of_login;
use super::super::standing::{Doubt, NOT_YOURS, TOO_OLD};
use super::refused::refused;
use super::users::{Input, PROFILE};
use super::{Audience, Call, Done, Endpoint, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::Field;
use crate::directory::{Input as _, UserEdit, UserRecord, View, Viewer};
use crate::login::LoginError;
use async_trait::async_trait;
use axum::body::Body;
use http::Method;
use std::time::Duration;

/// Letters are counted for so long.
const HOUR: Duration = Duration::from_secs(3600);

pub(super) struct Profile;

/// What is one's own, of who asks; superusers' too.
pub(super) fn own(call: &Call) -> Own<'_> {
    own_by(call, &call.view)
}

/// The same, by a view of theirs.
pub(super) fn own_by<'c>(call: &'c Call, view: &View) -> Own<'c> {
    let user = call.asker.user.id;
    Own { api: &call.api, view: view.as_seen_by(Viewer::Oneself(user)), user }
}

/// Why it was not done, as an answer.
pub(super) fn answer<R: crate::directory::Resource>(why: own::Refused) -> ApiError {
    let of = |field, message: &str| ApiError::of_fields(FieldErrors::of(field, message));
    let throttled = |wait| ApiError::Throttled { wait, state: None };
    match why {
        own::Refused::Directory(error) => refused::<R>(error),
        own::Refused::NumberTaken => of("phone_number", NUMBER_TAKEN),
        own::Refused::Enough => of("email", "These are enough addresses: remove one first."),
        own::Refused::NoLetters => of("__all__", "No letters are sent here."),
        own::Refused::NotConfirmed => {
            of("primary", "Show first that this address is yours, by the link in its letter.")
        }
        own::Refused::TooManyLetters => throttled(HOUR),
        own::Refused::Doubt(Doubt::Wrong) => of("current_password", NOT_YOURS),
        own::Refused::Doubt(Doubt::TooOld) => of("__all__", TOO_OLD),
        own::Refused::Doubt(Doubt::Store(error)) => of_login(LoginError::Store(error)),
        own::Refused::Doubt(Doubt::Throttled(wait)) | own::Refused::Throttled(wait) => throttled(wait),
    }
}

#[async_trait]
impl Endpoint for Profile {
    const NAME: &'static str = "My Profile";
    const PERMISSION: &'static str = "";
    const HAS_VERSIONS: bool = true;
    const METHODS: Methods = Methods {
        allow: "GET, PUT, PATCH, HEAD, OPTIONS",
        verbs: &[
            (Method::GET, Verb::Read),
            (Method::PUT, Verb::Update { partial: false }),
            (Method::PATCH, Verb::Update { partial: true }),
            (Method::HEAD, Verb::Read),
        ],
    };

    fn fields(_: Audience) -> &'static [Field] {
        PROFILE
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_user(call.asker.user.id, move |user| versions.hold(&tell(user)))
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let own = own(call);
        let Verb::Update { partial } = verb else {
            let found = own.view.user(&own.user.into()).await.map_err(refused::<UserRecord>)?;
            return Ok(Done::Told(tell(&found)));
        };
        let mut input = Input::new(call.data(PROFILE, body, partial).await?, PROFILE);
        input.settle()?;
        let edit = UserEdit::read(input.given(false)).map_err(refused::<UserRecord>)?;
        Ok(Done::Told(tell(&own.edit_profile(edit).await.map_err(answer::<UserRecord>)?)))
    }
}

fn tell(user: &UserRecord) -> String {
    // A record has nothing that is no JSON.
    let values = serde_json::to_value(user).unwrap_or_default();
    let mut told = Object::default();
    for field in PROFILE {
        told.put(field.name, values.get(field.name).unwrap_or_default());
    }
    told.end()
}
