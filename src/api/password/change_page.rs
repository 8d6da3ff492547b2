//! The page on which who is logged in changes their password: the way out for a session whose password has grown old.
//!
//! Limits and checks are those of the endpoint beside it. The session goes on under a new cookie, all others end.

use super::super::page::{self, ALLOW, Visitor};
use super::super::paths::LOGIN;
use super::super::who::Authenticated;
use super::super::{Api, Client};
use super::page::{Filled, Form, Problem, show};
use super::renew;
use crate::request_target::query;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, StatusCode};
use std::sync::Arc;

const OLD: &str = "Your password is too old. Choose a new one to go on.";

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = Visitor::of(&api, &parts.headers);
    let next = query::single(parts.uri.query(), "next").ok().flatten().unwrap_or_default();
    let next = page::local(&next).unwrap_or_default().to_owned();
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let here = api.links.change();
    let Some(person) = visitor.person(&api, client.0).await else {
        return page::go_on(&page::with_next(&api.links.at(LOGIN), &here), []);
    };
    let form = Form {
        notice: if person.has_old_password { OLD } else { "" },
        action: &here,
        next: &next,
        username: person.username(),
        old: true,
        ..Form::default()
    };
    if parts.method != Method::POST {
        return show(&api, &visitor, StatusCode::OK, form);
    }
    let filled = match Filled::read(&api, &parts, body).await {
        Ok(filled) => filled,
        Err(error) => return error.answer(&api, ALLOW),
    };
    match change(&api, client.0, &visitor, &parts, &person, &filled).await {
        Ok(cookies) if filled.next.is_empty() => page::go_on(&api.links.at(LOGIN), cookies),
        Ok(cookies) => page::go_on(&filled.next, cookies),
        Err(problem) => problem.answer(&api, &visitor, Form { next: &filled.next, ..form }),
    }
}

/// Changes it: the cookies of the session that goes on.
async fn change(
    api: &Api,
    Client(client): Client,
    visitor: &Visitor,
    parts: &Parts,
    person: &Authenticated,
    filled: &Filled,
) -> Result<Vec<HeaderValue>, Problem> {
    if !visitor.sent_our_form(&parts.headers, &filled.csrf) {
        return Err(Problem::Stale);
    }
    let user = person.snapshot.user.id;
    api.login.limits().request_of(user).await.map_err(Problem::throttled)?;
    filled.check(true)?;
    let stored = api.login.knows(user, filled.old.clone().into(), client).await?;
    renew(api, &stored, filled.one.clone(), &filled.two).await.map_err(Problem::Refused)?;
    let begun = api.identity.begin_session(user, visitor.session.as_deref(), (true, person.proof)).await;
    let begun = begun.map_err(|error| Problem::from(crate::login::LoginError::Store(error)))?;
    Ok(begun.into_iter().flatten().collect())
}
