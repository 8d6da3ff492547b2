//! `user/` and `user/{id}/`.

mod bulk;
mod fields;
mod input;
mod letter;
mod tell;

use super::super::error::ApiError;
use super::records::page;
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::clock;
use crate::compat::openwisp::serializer::Field;
use crate::directory::name::Email;
use crate::directory::{
    self, CustomFields, Input as _, List, NewEmail, NewPerson, NewUser, Person, PersonEdit, Resource, UserEdit,
    UserRecord, View, Viewer,
};
use crate::id::UserId;
use async_trait::async_trait;
use axum::body::Body;
pub(super) use bulk::Bulk;
pub(super) use fields::PROFILE;
pub(super) use input::Input;
use input::changes;
use tell::Reader;

/// The list.
pub(super) struct Users;

pub(super) struct One(pub UserId);

#[async_trait]
impl Endpoint for Users {
    const NAME: &'static str = "Users List Create";
    const PERMISSION: &'static str = "openwisp_users.{}_user";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = UserRecord::FIELDS;
    const COLUMNS: &'static [&'static str] =
        &["username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser"];

    fn fields(audience: Audience) -> &'static [Field] {
        fields::in_lists(audience)
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        match verb {
            Verb::Create => create(call, body).await,
            _ => all(call).await,
        }
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "User Detail";
    const PERMISSION: &'static str = "openwisp_users.{}_user";
    const HAS_VERSIONS: bool = true;

    fn fields(audience: Audience) -> &'static [Field] {
        fields::alone(audience)
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec![
            "Their memberships, roles and e-mail addresses.".to_owned(),
            "Their sessions and tokens: whatever uses them is refused from now on.".to_owned(),
        ])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        let reader = Reader::of(call);
        call.view.while_person(self.0, move |person| versions.hold(&tell::alone(person, &reader)))
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(id) = *self;
        match verb {
            Verb::Update { partial } => edit(call, id, body, partial).await,
            Verb::Delete => delete(call, id).await,
            _ => {
                let found = call.view.person(id).await.map_err(refused::<UserRecord>)?;
                Ok(Done::Told(tell::alone(&found, &Reader::of(call))))
            }
        }
    }
}

/// The newest first.
async fn all(call: &Call) -> Result<Done, ApiError> {
    let order = ["-created", "-created_micros", "-id"].map(str::to_owned).to_vec();
    let read = |view: View, list: List| async move { view.people(&list).await };
    let reader = Reader::of(call);
    let tell = |person: &_| tell::in_list(person, &reader);
    page::<UserRecord, _, _>(call, List { order, ..List::default() }, read, tell).await
}

async fn create(call: &Call, body: Body) -> Result<Done, ApiError> {
    let serializer = fields::in_lists(call.audience());
    let mut input = Input::new(call.data(serializer, body, false).await?, serializer);
    if input.data().get("email").is_some() && input.data().text("email").unwrap_or_default().is_empty() {
        input.refuse("email", "This field cannot be blank.");
    }
    let groups = input.groups(call).await?;
    let ties = input.ties(call).await?;
    if ties.is_empty() && !call.is_superuser() && !call.is_compat() {
        // Nobody but superusers would see them.
        input.refuse("organization_users", "This field is required.");
    }
    input.must_be_declared(call, &CustomFields::default());
    let in_another_case = input.must_be_unique(call, None).await?;
    input.settle()?;
    if in_another_case {
        input.refuse("email", "User with this Email address already exists.");
    } else {
        input.must_not_be_over(None, clock::today());
    }
    input.settle()?;
    let data = input.data();
    let password = data.text("password").unwrap_or_default().to_owned();
    let mut given = input.given(false);
    given.retain(|(name, _)| !matches!(*name, "password" | "email_verified"));
    let user = NewUser::read(given).map_err(refused::<UserRecord>)?;
    call.settle(call.unfit("password", &password, user.personal()))?;
    let hash = call.api.login.hash(password.into()).await.map_err(super::super::password::of_login)?;
    let email =
        address(call, data.text("email").unwrap_or_default(), data.flag("email_verified") == Some(true)).await?;
    let new = NewPerson {
        user,
        password: Some((hash, clock::today())),
        email,
        ties: ties.iter().map(|tie| (tie.organization, tie.is_admin.unwrap_or(false))).collect(),
        groups: groups.unwrap_or_default(),
    };
    let (reader, path) = (Reader::of(call), (!call.is_compat()).then(|| call.path("user/")));
    let tell = move |made: &Person| {
        let location = path.as_ref().map(|path| format!("{path}{}/", made.user.id));
        let alone = Some(tell::alone(made, &reader));
        Some(Done::Made { body: tell::in_list(made, &reader), location, alone })
    };
    let make = |view: View| async move {
        let made = view.create_person(new).await.map_err(refused::<UserRecord>)?;
        letter::ask_to_confirm(call, &made).await;
        Ok(made)
    };
    call.make(call.view.clone(), tell, make).await
}

/// The address as one of the user's, in lower case. One that somebody else has shown to be theirs is not known to be this user's.
async fn address(call: &Call, email: &str, verified: bool) -> Result<Option<NewEmail>, ApiError> {
    let email = email.to_lowercase();
    let mut verified = verified;
    if verified {
        let filter = vec![("email".to_owned(), email.clone()), ("verified".to_owned(), "true".to_owned())];
        let everything = call.api.store.as_seen_by(Viewer::Operator);
        let others = everything.emails(&List { filter, ..List::default() }).await.map_err(refused::<UserRecord>)?;
        verified = others.total == 0;
    }
    let email = Email::new(&email).map_err(refused::<UserRecord>)?;
    Ok(Some(NewEmail { email, verified, is_primary: verified }))
}

async fn edit(call: &Call, id: UserId, body: Body, partial: bool) -> Result<Done, ApiError> {
    let failed = refused::<UserRecord>;
    let before = call.view.person(id).await.map_err(failed)?;
    let serializer = fields::alone(call.audience());
    let mut input = Input::new(call.data(serializer, body, partial).await?, serializer);
    let groups = input.groups(call).await?;
    let permissions = input.permissions(call).await?;
    let ties = input.ties(call).await?;
    input.must_be_declared(call, &before.user.fields);
    let in_another_case = input.must_be_unique(call, Some(id)).await?;
    input.settle()?;
    if in_another_case {
        input.refuse("email", "User with this Email address already exists.");
    } else {
        input.must_not_be_over(Some(&before.user), clock::today());
    }
    input.settle()?;
    let user = UserEdit::read(input.given(call.is_compat())).map_err(failed)?;
    let new = PersonEdit { user, ties: changes(ties, call.is_compat()), groups, permissions };
    let edited = call.view.edit_person(id, new).await.map_err(failed)?;
    Ok(Done::Told(tell::alone(&edited, &Reader::of(call))))
}

async fn delete(call: &Call, id: UserId) -> Result<Done, ApiError> {
    let deleted = if call.is_compat() {
        call.view.delete_user_and_ownership(&id.into()).await
    } else {
        call.view.delete_user(&id.into()).await
    };
    deleted.map(|_| Done::Gone).map_err(refused::<UserRecord>)
}
