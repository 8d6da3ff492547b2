//! Who comes to the login page by way of another single sign-on, whose proxy says who they are: they go on with a session.

use super::page::{self, Visitor};
use super::password::reset_page::notice;
use super::paths::SECOND_FACTOR;
use super::second_factor::{Pending, Step, go_in, is_let_in, onwards};
use super::{Api, Client, Peer};
use crate::directory::StoreError;
use crate::login::trusted_header::Said;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const UNCLEAR: (&str, &str) =
    ("Nobody is logged in", "What is in front of this page does not say clearly who you are. Ask an administrator.");
const NOBODY: (&str, &str) = (
    "You have no account here",
    "What is in front of this page knows you, and nobody here has been told who you are. Ask an administrator.",
);
const INACTIVE: (&str, &str) = ("Nobody is logged in", "Your account is not active. Ask an administrator.");
const SUPERUSER: (&str, &str) =
    ("Nobody is logged in", "Superusers do not log in in this way. Ask an administrator for another one.");
const BUSY: (&str, &str) = ("Try again", "Nobody can log in at this moment. Try again in a few seconds.");

/// The answer to who is told to be somebody; `None` where nobody says so, or where they are that already.
pub(super) async fn answer(
    api: &Api,
    (client, Peer(peer)): (Client, Peer),
    headers: &HeaderMap,
    visitor: &Visitor,
    next: &str,
) -> Option<Response> {
    let settings = api.trusted_header.as_ref()?;
    // Nobody sees what a picture or a script of another page asks for.
    if headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode != "navigate") {
        return None;
    }
    let key = match settings.read(peer, headers) {
        Said::Nothing => return None,
        Said::Unclear => return Some(notice(api, StatusCode::BAD_REQUEST, UNCLEAR)),
        Said::Somebody(key) => key,
    };
    let busy = |error: StoreError| {
        tracing::warn!(%error, "a login fails");
        Some(notice(api, StatusCode::SERVICE_UNAVAILABLE, BUSY))
    };
    let refuse = |words| Some(notice(api, StatusCode::FORBIDDEN, words));
    let found = match api.store.snapshot_by(&key).await {
        Ok(Some(found)) => found.user,
        Ok(None) => return refuse(NOBODY),
        Err(error) => return busy(error),
    };
    if visitor.somebody(api, client).await.is_some_and(|person| person.snapshot.user.id == found.id) {
        return None;
    }
    // Each begins a session.
    if let Err(limit) = api.login.limits().request_of(found.id).await {
        let words = page::too_many(limit.reset);
        let page = notice(api, StatusCode::TOO_MANY_REQUESTS, ("Try again", &words));
        return Some(page::with_wait(page, page::seconds(limit.reset), Some(limit)));
    }
    if found.is_superuser && !settings.superusers {
        return refuse(SUPERUSER);
    }
    match is_let_in(api, found.id).await {
        Ok(true) => {}
        Ok(false) => return refuse(INACTIVE),
        Err(error) => return busy(error),
    }
    let done = Pending { user: found.id, by_password: false, has_old_password: false, next: next.to_owned() };
    match go_in(api, visitor, &done).await {
        Ok(Step::In(cookies)) => Some(page::go_on(&onwards(api, &done), cookies)),
        Ok(Step::More(cookie)) => Some(page::go_on(&api.links.at(SECOND_FACTOR), [cookie])),
        Err(error) => busy(error),
    }
}
