//! `/api/v1/users/account/`: what is somebody's own: what they say of themselves, their addresses, sessions, tokens, and the providers that
//! know them. Each button is a form of ours,
//! and what it does is an operation of the directory as they see it.

mod profile;

use super::error::ApiError;
use super::own::{self, Own};
use super::page::{self, ALLOW, STALE, Visitor};
use super::paths::{ACCOUNT, LOGIN, PASSKEYS, SECOND_FACTOR};
use super::standing::{Doubt, NOT_YOURS, Standing, TOO_OLD};
use super::words::{filters, moment};
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::directory::name::{Email, Text};
use crate::directory::token::{Token, TokenDigest};
use crate::directory::{DirectoryError, List, NewScope, NewToken, StoreError, View};
use crate::id::{TokenId, UserId};
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use profile::Line;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Tokens that are shown, at most.
const MOST: usize = 100;
const GONE: &str = "It is not there any more.";
const NAME: &str = "The name of a token has 1 to 200 characters.";
const ENOUGH: &str = "These are enough addresses: remove one first.";
const NO_LETTERS: &str = "No letters are sent here.";
const NOT_CONFIRMED: &str = "Show first that this address is yours, by the link in its letter.";
const TOO_MANY: &str = "There were too many letters. Try again in an hour.";
const BUSY: &str = "Your account cannot be looked at in this moment. Try again in a few seconds.";

struct Session {
    id: Uuid,
    since: String,
    until: String,
    /// When it showed a second factor.
    shown: String,
    is_this: bool,
}

struct OwnToken {
    id: TokenId,
    name: String,
    since: String,
    until: String,
}

struct Known {
    label: String,
    issuer: String,
    subject: String,
}

struct Address {
    id: i64,
    email: String,
    verified: bool,
    is_primary: bool,
}

#[derive(Default, Template)]
#[template(path = "account.html")]
struct Page {
    style: &'static str,
    problem: String,
    action: String,
    csrf: String,
    username: String,
    change: String,
    second_factor: String,
    profile: Vec<Line>,
    addresses: Vec<Address>,
    /// An address that cannot be added, and why.
    new_email: String,
    email_problem: String,
    /// Whether addresses can be confirmed.
    sends_letters: bool,
    /// Whether a confirmed address goes with the password alone.
    asks_password: bool,
    /// Whether one is added with the password alone.
    asks_to_add: bool,
    passkeys: String,
    sessions: Vec<Session>,
    tokens: Vec<OwnToken>,
    /// Whether they may have more.
    makes_tokens: bool,
    /// One that was just made, shown this once.
    token: String,
    providers: Vec<Known>,
}

/// Somebody who is logged in, and the directory as they see it.
struct Visit<'a> {
    api: &'a Api,
    visitor: Visitor,
    user: UserId,
    username: String,
    this: TokenDigest,
    view: View,
}

/// Why nothing was done.
enum Refused {
    Stale,
    Said(String),
    /// What is wrong of a field.
    Field(&'static str, String),
    Store(StoreError),
}

impl Refused {
    /// What is wrong of a field that is the only one of its form.
    fn of_field(field: &'static str, error: &DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => Self::Store(error.clone()),
            DirectoryError::Invalid { problem, .. } => Self::Field(field, problem.clone()),
            error => Self::Field(field, error.to_string()),
        }
    }
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Invalid { field, problem } => Self::Field(field, problem),
            DirectoryError::Store(error) => Self::Store(error),
            DirectoryError::NotFound { .. } => Self::Said(GONE.to_owned()),
            error => Self::Said(format!("This is not possible: {error}.")),
        }
    }
}

impl From<own::Refused> for Refused {
    fn from(refused: own::Refused) -> Self {
        let said = |words: &str| Self::Said(words.to_owned());
        match refused {
            own::Refused::Directory(error) => error.into(),
            own::Refused::NumberTaken => Self::Field("phone_number", own::NUMBER_TAKEN.to_owned()),
            own::Refused::Enough => said(ENOUGH),
            own::Refused::NoLetters => said(NO_LETTERS),
            own::Refused::TooManyLetters => said(TOO_MANY),
            own::Refused::NotConfirmed => said(NOT_CONFIRMED),
            own::Refused::Doubt(Doubt::TooOld) => said(TOO_OLD),
            own::Refused::Doubt(Doubt::Wrong) => said(NOT_YOURS),
            own::Refused::Doubt(Doubt::Store(error)) => Self::Store(error),
            own::Refused::Doubt(Doubt::Throttled(wait)) | own::Refused::Throttled(wait) => {
                Self::Said(page::too_many(wait))
            }
        }
    }
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let here = api.links.at(ACCOUNT);
    let Some(person) = visitor.person(&api, client.0).await else {
        return page::go_on(&page::with_next(&api.links.at(LOGIN), &here), []);
    };
    if person.has_old_password {
        return page::go_on(&api.links.change(), []);
    }
    let (user, username) = (person.snapshot.user.id, person.username().to_owned());
    let this = TokenDigest::of(visitor.session.as_deref().unwrap_or_default());
    let view = api.as_oneself(user);
    let visit = Visit { api: &api, visitor, user, username, this, view };
    if parts.method != Method::POST {
        return visit.show(StatusCode::OK, Shown::default()).await;
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visit.visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        visit.submit(client.0.0, &fields).await
    } else {
        Err(Refused::Stale)
    };
    match done {
        Ok(None) => page::go_on(&here, []),
        Ok(Some(token)) => visit.show(StatusCode::OK, Shown { token: token.expose(), ..Shown::default() }).await,
        Err(Refused::Stale) => visit.show(StatusCode::FORBIDDEN, Shown { problem: STALE, ..Shown::default() }).await,
        Err(Refused::Said(problem)) => {
            visit.show(StatusCode::BAD_REQUEST, Shown { problem: &problem, ..Shown::default() }).await
        }
        Err(Refused::Field(name, problem)) => {
            let wrong = Some((name, &*problem));
            visit.show(StatusCode::BAD_REQUEST, Shown { wrong, sent: Some(&fields), ..Shown::default() }).await
        }
        Err(Refused::Store(error)) => visit.busy(&error),
    }
}

/// What a page shows besides what is kept.
#[derive(Clone, Copy, Default)]
struct Shown<'s> {
    problem: &'s str,
    /// A token that was just made.
    token: &'s str,
    /// The form as it was sent, and what is wrong of which field.
    sent: Option<&'s Fields>,
    wrong: Option<(&'s str, &'s str)>,
}

impl Visit<'_> {
    fn own(&self) -> Own<'_> {
        Own { api: self.api, view: self.view.clone(), user: self.user }
    }

    fn busy(&self, error: &StoreError) -> Response {
        tracing::warn!(%error, "an account cannot be looked at");
        let page = Page { problem: BUSY.to_owned(), ..Page::default() };
        page::with_wait(self.page(StatusCode::SERVICE_UNAVAILABLE, page), 1, None)
    }

    fn page(&self, status: StatusCode, page: Page) -> Response {
        let Ok((csrf, cookie)) = self.visitor.form() else { return ApiError::Unavailable.answer(self.api, ALLOW) };
        let links = &self.api.links;
        let second_factor = self.api.second_factors.as_ref().map(|_| links.at(SECOND_FACTOR)).unwrap_or_default();
        let page = Page {
            style: page::STYLE,
            action: links.at(ACCOUNT),
            csrf,
            username: self.username.clone(),
            change: links.change(),
            second_factor,
            passkeys: self.api.passkeys.as_ref().map(|_| links.at(PASSKEYS)).unwrap_or_default(),
            ..page
        };
        page::answer(status, &page, cookie)
    }

    async fn show(&self, status: StatusCode, shown: Shown<'_>) -> Response {
        match self.look(shown).await {
            Ok(page) => self.page(status, page),
            Err(Refused::Store(error)) => self.busy(&error),
            // Deleted in this very moment.
            Err(_) => page::go_on(&self.api.links.at(LOGIN), []),
        }
    }

    async fn look(&self, shown: Shown<'_>) -> Result<Page, Refused> {
        let by = self.user.into();
        let kept = self.view.user(&by).await?;
        let (of_profile, of_email) = match shown.sent.map(|sent| sent.text("do")) {
            Some("profile") => (shown.sent, None),
            Some("add-email") => (None, shown.sent),
            _ => (None, None),
        };
        let addresses = self.own().emails().await?.into_iter().map(|address| Address {
            id: address.id,
            email: address.email,
            verified: address.verified,
            is_primary: address.is_primary,
        });
        let sessions = self.view.sessions(&by, self.this).await?.into_iter().map(|session| Session {
            id: session.id,
            since: moment(session.created),
            until: moment(session.expires_at),
            shown: session.proof.map(|proof| moment(proof.at)).unwrap_or_default(),
            is_this: session.is_this,
        });
        let tokens = self.view.tokens(&List::of_user(self.user)).await?.rows.into_iter();
        let tokens = tokens.filter(|token| token.state == "active").take(MOST).map(|token| OwnToken {
            id: token.id,
            name: token.name,
            since: moment(token.created),
            until: token.expires_at.map(moment).unwrap_or_default(),
        });
        let known = self.view.subjects(&by).await?.into_iter().map(|known| {
            let provider = self.api.providers.iter().find(|provider| *provider.settings.issuer == *known.issuer);
            let label = provider.map_or(&*known.issuer, |provider| &*provider.settings.label).to_owned();
            Known { label, issuer: known.issuer, subject: known.subject }
        });
        let has_password = Standing::of(self.api, self.visitor.session.as_deref(), self.user).await?.has_password;
        Ok(Page {
            problem: shown.problem.to_owned(),
            token: shown.token.to_owned(),
            profile: profile::lines(&kept, of_profile, shown.wrong.filter(|_| of_profile.is_some())),
            addresses: addresses.collect(),
            new_email: of_email.map(|sent| sent.text("email").to_owned()).unwrap_or_default(),
            email_problem: shown
                .wrong
                .filter(|_| of_email.is_some())
                .map(|(_, why)| why.to_owned())
                .unwrap_or_default(),
            sends_letters: self.api.mail.is_some() && self.api.links.site().is_some(),
            asks_password: has_password,
            asks_to_add: has_password && self.own().is_way_in(),
            sessions: sessions.collect(),
            tokens: tokens.collect(),
            makes_tokens: !self.api.compat,
            providers: known.collect(),
            ..Page::default()
        })
    }

    /// Does what a button says; a token that it has made.
    async fn submit(&self, client: IpAddr, fields: &Fields) -> Result<Option<Token>, Refused> {
        let by = self.user.into();
        let id = Uuid::try_parse(fields.text("id")).map_err(|_| Refused::Said(GONE.to_owned()));
        let number = || fields.text("id").parse().map_err(|_| Refused::Said(GONE.to_owned()));
        match fields.text("do") {
            "profile" => {
                self.own().edit_profile(profile::edit(fields, &self.view.user(&by).await?)?).await?;
            }
            "add-email" => self.add_email(fields.text("email").trim(), (client, fields.text("password"))).await?,
            "confirm-email" => {
                self.own().confirm_email(number()?).await?;
            }
            "prefer-email" => {
                self.own().prefer_email(number()?).await?;
            }
            "remove-email" => {
                let session = self.visitor.session.as_deref();
                self.own().remove_email(number()?, session, (client, fields.text("password"))).await?;
            }
            "end" => {
                self.view.end_session(&by, id?).await?;
            }
            "end-others" => {
                self.view.end_other_sessions(&by, self.this).await?;
            }
            "revoke" => {
                self.view.revoke_token(TokenId(id?)).await?;
            }
            "unlink" => {
                let (issuer, subject) = (fields.text("issuer").to_owned(), fields.text("subject").to_owned());
                self.view.unlink_subject(&by, issuer, subject).await?;
            }
            "token" if !self.api.compat => return self.token(fields.text("name").trim()).await.map(Some),
            _ => return Err(Refused::Said(GONE.to_owned())),
        }
        Ok(None)
    }

    async fn add_email(&self, text: &str, confirm: (IpAddr, &str)) -> Result<(), Refused> {
        let email = Email::new(text).map_err(|error| Refused::of_field("email", &error))?;
        match self.own().add_email(email, self.visitor.session.as_deref(), confirm).await {
            Err(own::Refused::Directory(error)) => Err(Refused::of_field("email", &error)),
            done => Ok(done.map(drop)?),
        }
    }

    async fn token(&self, name: &str) -> Result<Token, Refused> {
        let name = Text::new("name", name).ok().filter(|name| !name.as_str().is_empty());
        let name = name.ok_or_else(|| Refused::Said(NAME.to_owned()))?;
        let random = |error: getrandom::Error| Refused::Store(StoreError::Unavailable(error.to_string()));
        let token = Token::generate(self.api.store.checksum_key()).map_err(random)?;
        let lifetime = self.api.lifetime.map(|lifetime| i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        let new = NewToken {
            user: self.user.into(),
            digest: token.digest(),
            name,
            expires_at: lifetime.map(|lifetime| clock::unix_seconds().saturating_add(lifetime)),
            scope: NewScope::default(),
        };
        self.view.create_tokens(vec![new]).await.map_err(|error| error.error)?;
        Ok(token)
    }
}
