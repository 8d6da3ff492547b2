//! `postern token`: create, list, show, edit, rotate, revoke and delete bearer tokens.
//!
//! A new token is printed once, alone on its line; an imported one is read from a file or stdin, never from an argument,
//! and never printed.

use super::ask::Sure;
use super::batch;
use super::moment::{parse_duration, parse_time, stamp};
use super::noun::{ListArgs, Noun, Shown, show_rows};
use super::output::{Exit, Output, Record};
use crate::clock;
use crate::directory::name::{PermissionName, Text};
use crate::directory::token::{self, ChecksumKey, Shape, Token};
use crate::directory::{
    Directory, DirectoryError, List, NewScope, NewToken, OrgSelector, StoreError, TokenEdit, TokenRecord, Viewer,
};
use crate::id::TokenId;
use anyhow::Context;
use serde::{Deserialize, Deserializer, Serialize};

pub type Args = Noun<Verb>;

/// Tokens: create, list, show, edit, rotate, revoke, delete
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create a token and print it, this once: TOKEN=$(postern token create --user ann)
    #[command(override_usage = "postern token create <USER> [OPTIONS]\n       postern token create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Keep a token that another system made instead: the path of a file that holds it, - for stdin. Prints its id
        #[arg(long, value_name = "FILE", conflicts_with = "batch")]
        import: Option<String>,
        /// Create one token for each line of a file (- for stdin): JSON objects with the fields user, name, expires_in,
        /// expires_at, orgs, permissions, read_only, and token, to keep one that another system made; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List tokens by user, then age
    List {
        /// Of this user: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one token's record
    Show {
        /// Its id
        id: String,
    },
    /// Rename a token, or change when it expires
    Edit {
        /// Its id
        id: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Give a token another secret and print it, this once; the old one is refused from now on
    Rotate {
        /// Its id
        id: String,
        /// Expires so long from now: 90s, 15m, 12h, 30d, 8w; else when it did
        #[arg(long, value_name = "DURATION", conflicts_with = "expires_at")]
        expires_in: Option<String>,
        /// Expires at this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Refuse a token from now on, and keep its record
    Revoke {
        /// Its id
        id: String,
    },
    /// Forget a token; it is refused from now on. On a terminal it asks
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// A token to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Whose it will be: id, username (acme/ann) or e-mail address; may stand without its flag
    #[arg(long, required_unless_present_any = ["batch", "bare_user"])]
    user: Option<String>,
    /// Whose it will be: id, username (acme/ann) or e-mail address
    #[arg(value_name = "USER", conflicts_with = "user")]
    #[serde(skip)]
    bare_user: Option<String>,
    /// What it is for
    #[arg(long)]
    name: Option<String>,
    /// Expires so long from now: 90s, 15m, 12h, 30d, 8w
    #[arg(long, value_name = "DURATION", conflicts_with = "expires_at")]
    expires_in: Option<String>,
    /// Expires at this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Good for this organization alone, id or slug; again for more
    #[arg(long = "org", value_name = "ORG")]
    #[serde(default)]
    orgs: Vec<String>,
    /// Good for this permission alone, app.codename; again for more
    #[arg(long = "permission", value_name = "PERMISSION")]
    #[serde(default)]
    permissions: Vec<String>,
    /// Good for requests alone that change nothing: GET, HEAD, OPTIONS
    #[arg(long)]
    #[serde(default)]
    read_only: bool,
    /// The value of a token that another system made.
    #[arg(skip)]
    #[serde(default, deserialize_with = "secret")]
    token: Option<String>,
}

/// Reads a secret string; the error does not repeat what stood there.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(Some(text)),
        _ => Err(serde::de::Error::custom("`token` must be a string")),
    }
}

impl Spec {
    /// The record to keep, and the token itself where it is a new one.
    fn check(self, key: &ChecksumKey, now: i64) -> Result<(NewToken, Option<Token>), DirectoryError> {
        let user = self.user.or(self.bare_user).ok_or_else(|| DirectoryError::invalid("user", "it is missing"))?;
        let name = Text::new("name", &self.name.unwrap_or_default())?;
        let expires_at = expiry(self.expires_in.as_deref(), self.expires_at.as_deref(), now)?;
        let permissions = self.permissions.iter().map(|name| PermissionName::new(name)).collect::<Result<_, _>>()?;
        let organizations = self.orgs.into_iter().map(OrgSelector::from).collect();
        let scope = NewScope { organizations, permissions, read_only: self.read_only };
        let (digest, token) = match self.token {
            Some(text) => match token::parse(&text, key) {
                Shape::Foreign(digest) | Shape::Ours(digest) => (digest, None),
                Shape::BadChecksum => {
                    let problem = "it begins with pst_, as tokens of postern do, and this installation did not make it";
                    return Err(DirectoryError::invalid("token", problem));
                }
                Shape::Malformed => {
                    return Err(DirectoryError::invalid("token", "8 to 512 visible ASCII characters"));
                }
            },
            None => {
                let token = generate(key)?;
                (token.digest(), Some(token))
            }
        };
        Ok((NewToken { user: user.into(), digest, name, expires_at, scope }, token))
    }
}

fn generate(key: &ChecksumKey) -> Result<Token, DirectoryError> {
    let told = |error| StoreError::Unavailable(format!("the system gives no random bytes: {error}"));
    Ok(Token::generate(key).map_err(told)?)
}

/// When a token expires. A new one cannot have expired already.
fn expiry(within: Option<&str>, at: Option<&str>, now: i64) -> Result<Option<i64>, DirectoryError> {
    let invalid = |field: &'static str| move |problem: String| DirectoryError::invalid(field, problem);
    match (within, at) {
        (None, None) => Ok(None),
        (Some(within), None) => Ok(Some(now.saturating_add(parse_duration(within).map_err(invalid("expires_in"))?))),
        (None, Some(at)) => {
            let time =
                parse_time(at).and_then(|time| if time > now { Ok(time) } else { Err("a time to come".to_owned()) });
            let told = time.map_err(|problem| format!("{problem}; expires_in counts from now, as in 30d"));
            told.map(Some).map_err(invalid("expires_at"))
        }
        (Some(_), Some(_)) => Err(DirectoryError::invalid("expires_at", "not beside expires_in")),
    }
}

/// What to change.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Changes {
    /// What it is for
    #[arg(long)]
    name: Option<String>,
    /// Expires so long from now: 90s, 15m, 12h, 30d, 8w
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["expires_at", "never_expires"])]
    expires_in: Option<String>,
    /// Expires at this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "never_expires")]
    expires_at: Option<String>,
    /// Does not expire
    #[arg(long)]
    never_expires: bool,
}

impl Changes {
    fn check(self, now: i64) -> Result<TokenEdit, DirectoryError> {
        let expires_at = expiry(self.expires_in.as_deref(), self.expires_at.as_deref(), now)?;
        Ok(TokenEdit {
            name: self.name.map(|v| Text::new("name", &v)).transpose()?,
            expires_at: if self.never_expires { Some(None) } else { expires_at.map(Some) },
        })
    }
}

/// A token that was just made: its record and, this once, the token. An imported one is not repeated.
#[derive(Serialize)]
pub struct Issued {
    #[serde(flatten)]
    record: Shown<TokenRecord>,
    token: Option<String>,
}

impl Record for Issued {
    const COLUMNS: &'static [&'static str] = &["id", "user", "token"];

    fn fields() -> Vec<&'static str> {
        vec!["id", "user", "name", "expires_at", "token", "read_only", "organizations", "permissions"]
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    let now = clock::unix_seconds();
    match args.verb {
        Verb::Create { new, import, batch: None } => {
            let token = import.as_deref().map(batch::read_text).transpose()?;
            let token = token.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
            let (new, secret) = Spec { token, ..new }.check(store.directory().checksum_key(), now)?;
            let created = store.create_tokens(vec![new]).await.map_err(|e| e.error)?;
            for issued in issued(created, vec![secret]) {
                let TokenRecord { id, username: user, expires_at, .. } = &*issued.record;
                let until = expires_at.map(|at| format!(", until {}", stamp(at))).unwrap_or_default();
                let (plain, note) = match &issued.token {
                    Some(token) => {
                        (token.clone(), format!("created token {id} for {user}{until}; it is shown only this once"))
                    }
                    None => (id.to_string(), format!("imported token {id} for {user}{until}")),
                };
                // A token that nobody saw is nobody's, but good.
                let unseen = || format!("the token was made and cannot be shown; end it: postern token revoke {id}");
                out.done(&issued, Some(&plain), &note).with_context(unseen)?;
            }
        }
        Verb::Create { batch: Some(path), .. } => {
            let key = store.directory().checksum_key();
            let mut secrets = Vec::new();
            let mut batch = batch::read::<Spec>(&path)?.convert(|spec| {
                let (new, secret) = spec.check(key, now)?;
                secrets.push(secret);
                Ok(new)
            })?;
            let created = store.create_tokens(batch.take()).await.map_err(|e| batch.locate(e))?;
            let created = issued(created, secrets);
            out.list(&created)?;
            out.note(&format!("created {} tokens; they are shown only this once", created.len()));
        }
        Verb::List { user, list } => {
            let list = List { user: user.map(Into::into), ..list.into() };
            return show_rows(store.tokens(&list).await?, out);
        }
        Verb::Show { id } => out.show(&Shown(store.token(parse_id(&id)?).await?))?,
        Verb::Edit { id, changes } => {
            let token = Shown(store.edit_token(parse_id(&id)?, changes.check(now)?).await?);
            out.done(&token, None, &format!("changed token {} of {}", token.id, token.username))?;
        }
        Verb::Rotate { id, expires_in, expires_at } => {
            let secret = generate(store.directory().checksum_key())?;
            let end = expiry(expires_in.as_deref(), expires_at.as_deref(), now)?.map(Some);
            let record = store.rotate_token(parse_id(&id)?, secret.digest(), end).await?;
            for issued in issued(vec![record], vec![Some(secret)]) {
                let note = format!(
                    "token {} of {} has a new secret, shown only this once; the old one is refused",
                    issued.record.id, issued.record.username
                );
                out.done(&issued, issued.token.as_deref(), &note)?;
            }
        }
        Verb::Revoke { id } => {
            let token = Shown(store.revoke_token(parse_id(&id)?).await?);
            out.done(&token, None, &format!("revoked token {} of {}", token.id, token.username))?;
        }
        Verb::Delete { id, sure } => {
            let token = store.token(parse_id(&id)?).await?;
            if !sure.of(&format!("token {} of {}", token.id, token.username), &[], out)? {
                return Ok(Exit::No);
            }
            let token = Shown(store.delete_token(parse_id(&id)?).await?);
            out.done(&token, None, &format!("deleted token {} of {}", token.id, token.username))?;
        }
    }
    Ok(Exit::Ok)
}

fn issued(records: Vec<TokenRecord>, secrets: Vec<Option<Token>>) -> Vec<Issued> {
    let pair = |(record, secret): (TokenRecord, Option<Token>)| Issued {
        record: Shown(record),
        token: secret.map(|token| token.expose().to_owned()),
    };
    records.into_iter().zip(secrets).map(pair).collect()
}

/// A token is referred to by id only. What is not one may be the token itself, so the error does not repeat it.
fn parse_id(text: &str) -> Result<TokenId, DirectoryError> {
    TokenId::parse(text).map_err(|_| DirectoryError::invalid("id", "the id of a token, as `token list` shows it"))
}
