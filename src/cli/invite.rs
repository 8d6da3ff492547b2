//! `postern user invite` and `confirm-email`: links for somebody, in a letter or on standard output.

use super::output::{Output, Record};
use crate::api::links::Links;
use crate::clock;
use crate::config::{Compat, Config};
use crate::directory::name::Email;
use crate::directory::{EmailRecord, List, NewEmail, UserRecord, UserSelector, View};
use crate::login::links;
use crate::mail::Mailer;
use crate::mail::templates::{Kind, Values};
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long a letter may take; it is tried again meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

const NO_URL: &str = "links begin with `public_url` of the configuration, and there is none";

/// # Errors
/// They have a password, or nobody can write to them.
pub async fn invite(
    config: &Config,
    store: &View,
    by: &UserSelector,
    print: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    let user = store.user(by).await?;
    let lifetime = config.identity.accounts.passwords.invitation_lifetime;
    ensure!(user.is_active, "{} is inactive", user.username);
    let token = links::invite(store.directory(), user.id, lifetime).await?;
    let token = token.with_context(|| format!("{} has a password, and can ask for another", user.username))?;
    let link = links_of(config).reset(user.id, &token).context(NO_URL)?;
    if print {
        return show(user.username, link, out);
    }
    let to = user.email.clone().with_context(|| format!("{} has no e-mail address", user.username))?;
    let lifetime = jiff::SignedDuration::try_from(lifetime).unwrap_or_default();
    let until = clock::today().saturating_add(lifetime).to_string();
    let values = Values { username: &user.username, link: &link, until, ..Values::default() };
    send(config, to.clone(), Kind::Invitation, &user, values).await?;
    out.note(&format!("invited {} at {to}", user.username));
    Ok(())
}

/// # Errors
/// There is no such address, or nobody can write to it.
pub async fn confirm_email(
    config: &Config,
    store: &View,
    by: &UserSelector,
    email: Option<&str>,
    print: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    let user = store.user(by).await?;
    let address = address(store, &user, email).await?;
    ensure!(!address.verified, "{} is confirmed already", address.email);
    let token = links::confirmation(store.directory(), &address).context("no link can be made")?;
    let link = links_of(config).confirm_email(user.id, &token).context(NO_URL)?;
    if print {
        return show(user.username, link, out);
    }
    let values = Values { username: &user.username, link: &link, ..Values::default() };
    send(config, address.email.clone(), Kind::EmailConfirmation, &user, values).await?;
    out.note(&format!("wrote to {}", address.email));
    Ok(())
}

/// One of a user's addresses. That with which they log in may be none of them yet.
async fn address(store: &View, user: &UserRecord, wanted: Option<&str>) -> anyhow::Result<EmailRecord> {
    let Some(text) = wanted.or(user.email.as_deref()) else { bail!("{} has no e-mail address", user.username) };
    let known = store.emails(&List::of_user(user.id)).await?.rows;
    let is_meant = |known: &&EmailRecord| known.email.to_lowercase() == text.to_lowercase();
    if let Some(known) = known.iter().find(is_meant) {
        return Ok(known.clone());
    }
    ensure!(
        wanted.is_none_or(|wanted| Some(wanted) == user.email.as_deref()),
        "{} has no address {text}",
        user.username
    );
    let is_primary = !known.iter().any(|known| known.is_primary);
    let new = NewEmail { email: Email::new(text)?, verified: false, is_primary };
    Ok(store.create_email(&user.id.into(), new).await?)
}

/// A link, for who hands it over in another way.
#[derive(Serialize)]
struct Linked {
    username: String,
    link: String,
}

impl Record for Linked {
    const COLUMNS: &'static [&'static str] = &["username", "link"];
}

fn show(username: String, link: String, out: &mut Output) -> anyhow::Result<()> {
    let plain = link.clone();
    out.done(&Linked { username, link }, Some(&plain), "whoever has this link may use it")
}

fn links_of(config: &Config) -> Links {
    let prefix = config.identity.accounts.prefix.clone();
    Links::new(config.public_url.clone(), prefix, config.compat == Compat::Openwisp)
}

async fn send(config: &Config, to: String, kind: Kind, user: &UserRecord, values: Values<'_>) -> anyhow::Result<()> {
    let settings = config.mail.as_ref().context("`mail` is not configured: print the link with --print")?;
    let mailer = Arc::new(Mailer::start(settings, &tokio::runtime::Handle::current())?);
    let links = links_of(config);
    let values = Values { site: links.site().context(NO_URL)?, ..values };
    mailer.post(to, kind, &user.language, &values);
    mailer.finish(PATIENCE).await;
    ensure!(mailer.counts.sent.get() == 1, "the letter could not be sent");
    Ok(())
}
