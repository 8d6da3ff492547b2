//! `user/bulk/`: the same done to several users, each by the rules of one; what is refused is told, and the others are done.

use super::super::super::error::ApiError;
use super::super::super::openapi::schema;
use super::super::refused::refused;
use super::super::{Audience, Call, Done, Endpoint, Methods, Verb, keys, tokens};
use crate::compat::openwisp::negotiate::query;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Field, Keys, Shape};
use crate::compat::openwisp::value::Value;
use crate::directory::{Changed, DirectoryError, MOST_AT_ONCE, UserRecord, View};
use crate::id::UserId;
use async_trait::async_trait;
use axum::body::Body;
use serde_json::{Value as Json, json};

const ACTION: Field = Field::text("action").required().help("activate or deactivate");
const USERS: Field = Field::new("users", Shape::Keys(Keys::Uuids)).required().help("Their ids, at most 100");

const FORBIDDEN: &str =
    "You may not change them. Who owns an organization is changed by superusers and by themselves alone.";

pub(in super::super) struct Bulk;

/// What is done to them.
#[derive(Clone, Copy)]
enum Action {
    Activate,
    Deactivate,
}

impl Action {
    fn named(word: &str) -> Option<Self> {
        match word {
            "activate" => Some(Self::Activate),
            "deactivate" => Some(Self::Deactivate),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Activate => "Activate",
            Self::Deactivate => "Deactivate",
        }
    }
}

/// What an address asks for.
fn asked(call: &Call) -> (Option<Action>, Vec<UserId>) {
    let pairs = query(call.request.uri.query()).unwrap_or_default();
    let of = |name: &'static str| pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str());
    let users = of("users").filter_map(keys::uuid).map(UserId).take(MOST_AT_ONCE).collect();
    (of("action").next_back().and_then(Action::named), users)
}

/// The same, with those of them whom who asks sees.
async fn seen(call: &Call) -> Result<(Option<Action>, Vec<UserRecord>), ApiError> {
    let (action, users) = asked(call);
    Ok((action, call.view.users_of(users).await.map_err(refused::<UserRecord>)?))
}

#[async_trait]
impl Endpoint for Bulk {
    const NAME: &'static str = "Several Users";
    const PERMISSION: &'static str = "openwisp_users.{}_user";
    const METHODS: Methods = tokens::ACT;
    const ACTION: Option<&'static str> = Some("change");
    const IS_CONFIRMED: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        &[ACTION, USERS]
    }

    fn told(_: Audience, _: Verb) -> Json {
        let refused =
            schema::object([("user", schema::text("user")), ("detail", schema::text("detail"))], &["user", "detail"]);
        let names = json!({ "type": "array", "items": { "type": "string" } });
        schema::object(
            [("changed", names), ("refused", json!({ "type": "array", "items": refused }))],
            &["changed", "refused"],
        )
    }

    async fn question(&self, call: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        let (action, users) = seen(call).await?;
        Ok(action.map(|action| {
            let word = action.word();
            let title = match users.len() {
                0 => "Nobody is selected".to_owned(),
                1 => format!("{word} one user?"),
                count => format!("{word} {count} users?"),
            };
            (title, word)
        }))
    }

    /// Whom it concerns, of those that who asks sees.
    async fn lost(&self, call: &Call) -> Result<Vec<String>, ApiError> {
        let (action, users) = seen(call).await?;
        if users.is_empty() {
            return Ok(vec!["Go back to the list, and choose somebody.".to_owned()]);
        }
        let name = |user: UserRecord| match user.id == call.asker.user.id {
            true => format!("{} (you)", user.username),
            false => user.username,
        };
        let mut all: Vec<String> = users.into_iter().map(name).collect();
        match action {
            Some(Action::Deactivate) => all.push(
                "Whoever is deactivated may do nothing at all from now on: their sessions and tokens are refused."
                    .to_owned(),
            ),
            Some(Action::Activate) => all.push("Whoever is activated may do again what they could before.".to_owned()),
            None => {}
        }
        Ok(all)
    }

    async fn act(&self, call: &Call, _: Verb, body: Body) -> Result<Done, ApiError> {
        let (data, mut errors) = call.data(Self::fields(call.audience()), body, false).await?;
        let action = data.text("action").and_then(Action::named);
        if action.is_none() && !errors.concerns("action") {
            errors.add("action", "It is activate or deactivate.");
        }
        let sent = data.keys("users").unwrap_or_default();
        let users: Vec<UserId> = sent.iter().filter_map(Value::as_str).filter_map(keys::uuid).map(UserId).collect();
        if !errors.concerns("users") {
            let problem = match sent.len() {
                0 => Some("Choose at least one user.".to_owned()),
                many if many > MOST_AT_ONCE => Some(format!("At most {MOST_AT_ONCE} users at a time.")),
                many if many != users.len() => Some("Users are named by their ids.".to_owned()),
                _ => None,
            };
            if let Some(problem) = problem {
                errors.add("users", problem);
            }
        }
        let Some(action) = action.filter(|_| errors.is_empty()) else { return Err(ApiError::of_fields(errors)) };
        let is_active = matches!(action, Action::Activate);
        let change =
            |view: View| async move { view.set_users_active(users, is_active).await.map_err(refused::<UserRecord>) };
        call.make(call.view.clone(), |done: &Vec<Changed>| Some(Done::Told(tell(done))), change).await
    }
}

fn tell(all: &[Changed]) -> String {
    let mut told = Object::default();
    let changed: Vec<&str> = all.iter().filter(|one| one.refused.is_none()).map(|one| one.name.as_str()).collect();
    told.put("changed", &changed);
    let refused = all.iter().filter_map(|one| Some((&one.name, one.refused.as_ref()?)));
    told.put_objects("refused", refused, |object, (name, error)| {
        object.put("user", name);
        let detail = match error {
            DirectoryError::Forbidden { .. } => FORBIDDEN.to_owned(),
            DirectoryError::NotFound { .. } => "There is no such user.".to_owned(),
            DirectoryError::Invalid { problem, .. } => problem.clone(),
            error => error.to_string(),
        };
        object.put("detail", &detail);
    });
    told.end()
}
