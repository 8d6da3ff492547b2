//! `postern sesame mint`: a link's token for somebody, as django-sesame would make it.

use super::moment::parse_duration;
use super::noun::Noun;
use super::output::{Exit, Output, Record};
use crate::directory::{Directory, Viewer};
use crate::identity::sesame::Sesame;
use crate::identity::sesame::mint::mint;
use crate::identity::settings::SesameSettings;
use anyhow::Context;
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
    let max_age = max_age.map(|wanted| parse_duration(&wanted)).transpose().map_err(anyhow::Error::msg)?;
    let token = mint((&sesame, settings.user), store, &user, (&scope, max_age)).await?.token;
    let minted = Minted { user: user.id.to_string(), username: user.username, scope, token };
    out.done(&minted, Some(&minted.token), &format!("a token for {}: whoever has it is them", minted.username))?;
    Ok(Exit::Ok)
}
