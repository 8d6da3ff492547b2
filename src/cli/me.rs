//! `postern me`: who somebody is and what they may, as `me/` of the identity API tells them.

use super::output::{Exit, Output, Record};
use crate::api::told_of_oneself;
use crate::clock;
use crate::directory::token::TokenDigest;
use crate::directory::{Directory, UserSelector, Viewer};
use crate::facts::{Snapshot, Value};
use anyhow::{Context, bail};
use serde::Serialize;
use std::io::{self, Read};

/// Longer ones are no tokens.
const LONGEST: u64 = 4_096;

/// Who somebody is, and what they may: whose token is on standard input, or a user
#[derive(clap::Args)]
pub struct Args {
    /// A user instead: id, username (acme/ann) or e-mail address
    #[arg(long)]
    user: Option<String>,
    /// Print JSON, as me/ of the identity API tells it
    #[arg(long)]
    json: bool,
}

/// The same for people.
#[derive(Serialize)]
struct Shown {
    id: String,
    username: String,
    email: Option<String>,
    staff: bool,
    superuser: bool,
    organizations: Vec<String>,
    groups: Vec<String>,
    permissions: Vec<String>,
}

impl Record for Shown {
    const COLUMNS: &'static [&'static str] =
        &["id", "username", "email", "staff", "superuser", "organizations", "groups", "permissions"];
}

/// What is told as it is.
#[derive(Serialize)]
#[serde(transparent)]
struct Told(serde_json::Value);

impl Record for Told {
    const COLUMNS: &'static [&'static str] = &[];
}

/// Runs the command.
///
/// # Errors
/// There is no such user, or the token is nobody's.
pub async fn run(args: Args, compat: bool, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let snapshot = match args.user {
        Some(user) => of_user(store, &user.into()).await?,
        None => of_token(store).await?,
    };
    if out.is_json() {
        out.show(&Told(serde_json::from_str(&told_of_oneself(&snapshot, compat, store.declared()))?))?;
    } else {
        out.show(&shown(&snapshot))?;
    }
    Ok(Exit::Ok)
}

async fn of_user(store: &Directory, by: &UserSelector) -> anyhow::Result<Snapshot> {
    let user = store.as_seen_by(Viewer::Operator).user(by).await?;
    store.user_snapshot(user.id).await?.context("the user has just gone")
}

/// Never an argument: others would see it in the list of processes.
async fn of_token(store: &Directory) -> anyhow::Result<Snapshot> {
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text).context("cannot read the token from standard input")?;
    let found = store.token_snapshot(&TokenDigest::of(text.trim())).await?;
    let found = found.context("the token is nobody's")?;
    if found.revoked {
        bail!("the token is revoked");
    }
    if found.expires_at.is_some_and(|end| end <= clock::unix_seconds()) {
        bail!("the token has expired");
    }
    if !found.snapshot.user.is_active {
        bail!("the token is of {}, who is inactive", found.snapshot.user.known_as());
    }
    Ok(found.snapshot)
}

fn shown(snapshot: &Snapshot) -> Shown {
    let text = |value: Option<&Value>| value.map(|value| value.as_str().to_owned());
    let names = |names: &[std::sync::Arc<str>]| names.iter().map(|name| (**name).to_owned()).collect();
    let ties = snapshot.memberships().iter();
    Shown {
        id: snapshot.user.id.to_string(),
        username: text(snapshot.user.username.as_ref()).unwrap_or_default(),
        email: text(snapshot.user.email.as_deref()),
        staff: snapshot.user.is_staff,
        superuser: snapshot.user.is_superuser,
        organizations: ties.map(|tie| format!("{}:{}", tie.organization.slug.as_str(), tie.level().as_str())).collect(),
        groups: names(snapshot.groups()),
        permissions: snapshot.permissions().map(|all| names(all.all_everywhere())).unwrap_or_default(),
    }
}
