//! `postern sesame mint`: a link's token for somebody, as django-sesame would make it.

use super::moment::parse_duration;
use super::noun::Noun;
use super::output::{Exit, Output, Record};
use crate::clock;
use crate::directory::{Directory, UserKey, Usernames, Viewer, login_of};
use crate::identity::sesame::primary_key::{Field, KeyType, PrimaryKey};
use crate::identity::sesame::{Person, Sesame, isoformat};
use crate::identity::settings::SesameSettings;
use anyhow::{Context, bail};
use data_encoding::HEXLOWER;
use secrecy::ExposeSecret;
use serde::Serialize;

pub type Args = Noun<Verb>;

/// Sesame tokens: mint
#[derive(clap::Subcommand)]
pub enum Verb {
    // No doc comment: rustdoc takes the address for a link that somebody forgot to mark.
    #[command(
        about = r#"Make a token and print it: LINK="https://app.example.com/?sesame=$(postern sesame mint --user ann)""#
    )]
    Mint {
        /// Whose it will be: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: String,
        /// What it is for; other services may ask for another scope than the gate [default: `scope` of the configuration]
        #[arg(long)]
        scope: Option<String>,
        /// How long it is good: 90s, 5m, 12h [default: `max_age` of the configuration]
        #[arg(long, value_name = "DURATION")]
        max_age: Option<String>,
    },
}

/// A new token; this once.
#[derive(Serialize)]
pub struct Minted {
    user: String,
    username: String,
    scope: String,
    token: String,
}

impl Record for Minted {
    const COLUMNS: &'static [&'static str] = &["username", "token"];

    fn fields() -> Vec<&'static str> {
        vec!["user", "username", "scope", "token"]
    }
}

/// Runs the command.
///
/// # Errors
/// Sesame is not configured, the user is unknown or inactive, or the settings cannot make such a token.
pub async fn run(
    args: Args,
    settings: Option<&SesameSettings>,
    store: &Directory,
    out: &mut Output,
) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let Verb::Mint { user, scope, max_age } = args.verb;
    let settings =
        settings.context("sesame tokens are not configured: `identity: { sesame: { key: { env: NAME } } }`")?;
    let scope = scope.unwrap_or_else(|| settings.scope.to_string());
    let sesame = Sesame::new(settings.secret()?);
    let user = store.as_seen_by(Viewer::Operator).user(&user.into()).await?;
    let found = store.revocation(&UserKey::Id(user.id)).await?.context("the user has just gone")?;
    if !user.is_active {
        bail!("{} is inactive: no token would be good", user.username);
    }
    let text = |value: Option<String>, what| value.with_context(|| format!("{} has no {what}", user.username));
    let named = match settings.user {
        Field::Id => user.id.to_string(),
        Field::Username if store.usernames().await? == Usernames::PerOrganization => {
            login_of(user.organization_slug.as_deref(), &user.username)
        }
        Field::Username => user.username.clone(),
        Field::Email => text(user.email.clone(), "e-mail address")?,
        Field::ExternalId => text(user.external_id.clone(), "external id")?,
    };
    let key = match sesame.settings().key_type {
        KeyType::Uuid => PrimaryKey::Uuid(named.parse()?),
        KeyType::Text => PrimaryKey::Text(named),
        KeyType::Binary => {
            let bytes = HEXLOWER.decode(named.as_bytes());
            PrimaryKey::Binary(bytes.with_context(|| format!("{named} is no key in lower-case hex"))?)
        }
        KeyType::Signed(_) | KeyType::Unsigned(_) => PrimaryKey::Integer(named.parse()?),
    };
    let mut made = clock::unix_seconds();
    if let Some(wanted) = max_age {
        let wanted = parse_duration(&wanted).map_err(anyhow::Error::msg)?;
        let usual = sesame.settings().max_age.context("tokens have no age here: `max_age` is `none`")?;
        // A token carries the time that it was made at, and whoever reads it knows how long it is good.
        made = made.saturating_add(wanted).saturating_sub(usual);
    }
    let last_login = found.last_login.map(isoformat);
    if sesame.settings().invalidate_on_email_change && found.email.is_none() {
        bail!("{} has no e-mail address, which tokens rest on here: `invalidate_on_email_change`", user.username);
    }
    let password = found.password.as_ref().map(|password| password.expose_secret());
    let person = Person { password, email: found.email.as_deref(), last_login: last_login.as_deref() };
    let token = sesame.mint(&key, person, &scope, made);
    let token = token
        .context("the settings cannot make such a token: version 1 has no scopes, and keys must fit `key_type`")?;
    let minted = Minted { user: user.id.to_string(), username: user.username, scope, token };
    out.done(&minted, Some(&minted.token), &format!("a token for {}: whoever has it is them", minted.username))?;
    Ok(Exit::Ok)
}
