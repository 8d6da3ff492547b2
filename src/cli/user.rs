//! `postern user`: create, list, show, edit and delete users, and what they may do.

use super::ask::{Sure, new_password};
use super::history;
use super::invite;
use super::noun::{Begins, ListArgs, Made, Noun, Shown, Words, made_or_found, make_all, show_rows};
use super::output::{Exit, Output, Record};
use super::rights::Permissions;
use super::subject::{ShownSubject, Subject};
use super::usage::NoArgument;
use crate::clock;
use crate::config::Config;
use crate::directory::{Directory, GrantRecord, HistoryOf, List, NewUser, UserEdit, UserSelector, Viewer, login_of};
use crate::password::validate::Personal;
use crate::password::{Hasher, PasswordHash, Passwords};
use anyhow::{Context, ensure};
use serde::Serialize;

pub type Args = Noun<Verb>;

/// Users: create, list, show, edit, password, invite, confirm-email, organization, delete, grant, revoke, permissions
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create a user and print the id, or many
    #[command(override_usage = "postern user create <USERNAME> [OPTIONS]\n       postern user create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Words<NewUser>,
        /// Ask for a password on the terminal; it is never an argument
        #[arg(long, num_args = 0..=1, value_name = "", conflicts_with_all = ["batch", "password_stdin"])]
        password: Option<Option<String>>,
        /// Read the password from stdin: its first line
        #[arg(long, conflicts_with = "batch")]
        password_stdin: bool,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one user for each line of a file (- for stdin): JSON objects with the fields username, email, first_name
        /// and the like, as the flags; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "record")]
        batch: Option<String>,
    },
    /// List users by username
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one user
    Show {
        /// Id, username (acme/ann) or e-mail address
        user: String,
    },
    /// Show what happened to a user and to what is theirs, the newest first
    History {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Change a user
    Edit {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        changes: Words<UserEdit>,
    },
    /// Give a user another password, or none. Without more it is asked for, on a terminal
    Password {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        /// Who writes one here is told that it belongs elsewhere.
        #[arg(hide = true)]
        argument: Option<String>,
        /// Read the password from stdin: its first line
        #[arg(long)]
        password_stdin: bool,
        /// Take the password: only tokens and the like are left to the user
        #[arg(long, conflicts_with = "password_stdin")]
        none: bool,
    },
    /// Send a user without a password a letter with a link, by which they choose their first one
    Invite {
        /// Id, username or e-mail address
        user: String,
        /// Print the link instead
        #[arg(long)]
        print: bool,
    },
    /// Send a letter with a link, by which a user shows that an e-mail address is theirs
    ConfirmEmail {
        /// Id, username or e-mail address
        user: String,
        /// Which of their addresses; without it, the one that they log in with
        #[arg(long)]
        email: Option<String>,
        /// Print the link instead
        #[arg(long)]
        print: bool,
    },
    /// Move a user's name to another organization, one that they belong to: their primary one
    Organization {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        /// Id or slug
        #[arg(long, required_unless_present = "none")]
        org: Option<String>,
        /// Of none
        #[arg(long, conflicts_with = "org")]
        none: bool,
    },
    /// Delete a user with their memberships and tokens. On a terminal it asks
    Delete {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Grant permissions to a user, everywhere
    Grant {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Revoke permissions that were granted to a user; what they have by groups and roles stays
    Revoke {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Say that an issuer's subject is this user: JWTs with that `iss` and `sub` are theirs
    Bind {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        subject: Subject,
    },
    /// End such a binding
    Unbind {
        /// Id, username (acme/ann) or e-mail address
        user: String,
        #[command(flatten)]
        subject: Subject,
    },
    /// List the issuers' subjects that are a user
    Subjects {
        /// Id, username (acme/ann) or e-mail address
        user: String,
    },
    /// Take a user's authenticator app, recovery codes and passkeys away, where they are lost
    ResetMfa {
        /// Id, username (acme/ann) or e-mail address
        user: String,
    },
    /// List what a user may do, where, and how they came by it
    Permissions {
        /// Id, username (acme/ann) or e-mail address
        user: String,
    },
}

impl Begins for Verb {
    fn begins(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// A permission of a user as it is shown.
#[derive(Serialize)]
pub struct ShownGrant {
    permission: String,
    org: Option<String>,
    through: &'static str,
    name: String,
}

impl Record for ShownGrant {
    const COLUMNS: &'static [&'static str] = &["permission", "org", "through", "name"];
}

impl From<GrantRecord> for ShownGrant {
    fn from(grant: GrantRecord) -> Self {
        let GrantRecord { permission, organization, through, name } = grant;
        Self { permission, org: organization, through: through.as_str(), name }
    }
}

fn list_grants(grants: Vec<GrantRecord>, out: &mut Output) -> anyhow::Result<()> {
    out.list(&grants.into_iter().map(ShownGrant::from).collect::<Vec<_>>())
}

/// Reads somebody's password from stdin, or asks for it on the terminal, and hashes it where it will do.
fn read_password(from_stdin: bool, passwords: &Passwords, whose: Personal<'_>) -> anyhow::Result<PasswordHash> {
    let text = if from_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("cannot read the password from stdin")?;
        line
    } else {
        new_password()?
    };
    let password = text.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "there is no password{}", if from_stdin { " on stdin" } else { "" });
    ensure!(password.len() <= 4096 && !password.contains('\0'), "a password has at most 4096 bytes, none of them NUL");
    passwords.validators.check(password, whose)?;
    Ok(Hasher::new(passwords.algorithm, passwords.md5).hash(password)?)
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`crate::directory::DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, config: &Config, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    let passwords = &config.identity.accounts.passwords;
    match args.verb {
        Verb::Invite { user, print } => invite::invite(config, store, &user.into(), print, out).await?,
        Verb::ConfirmEmail { user, email, print } => {
            invite::confirm_email(config, store, &user.into(), email.as_deref(), print, out).await?;
        }
        Verb::Create { new, password, password_stdin, if_absent, batch: None } => {
            ensure!(!matches!(password, Some(Some(_))), NoArgument);
            let new = new.check()?;
            let asked = password_stdin || password.is_some();
            let password = match asked {
                true => Some(read_password(password_stdin, passwords, new.personal())?),
                false => None,
            };
            let (username, org) = (new.username.as_str().to_owned(), new.organization_slug.clone());
            let made = store.create_users(vec![new]).await;
            let found = async {
                let slug = match org {
                    Some(org) => Some(store.organization_record(&org).await?.slug),
                    None => None,
                };
                let by = login_of(slug.as_deref(), &username);
                Ok(Some(store.user(&by.into()).await?).filter(|user| user.username == username))
            };
            let (user, made) = made_or_found(made, if_absent, found).await?;
            if let Some(password) = password.filter(|_| made == Made::Now) {
                store.set_password(&user.id.into(), Some(password), clock::today()).await?;
            }
            let note = made.told(format!("created user {}", user.username), &format!("user {}", user.username));
            out.done(&user, Some(&user.id.to_string()), &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_users(new).await;
            return make_all(&path, Words::<NewUser>::check, make, ("created", "users"), out).await;
        }
        Verb::List { list } => return show_rows(store.users(&list.into()).await?, out),
        Verb::Show { user } => out.show(&Shown(store.user(&user.into()).await?))?,
        Verb::History { user, list } => {
            let user = store.user(&user.into()).await?;
            return history::show(store, HistoryOf::User(user.id), list, out).await;
        }
        Verb::Edit { user, changes } => {
            let user = Shown(store.edit_user(&user.into(), changes.check()?).await?);
            out.done(&user, None, &format!("changed user {}", user.username))?;
        }
        Verb::Password { user, argument, password_stdin, none } => {
            ensure!(argument.is_none(), NoArgument);
            let user = store.user(&user.into()).await?;
            let password = match none {
                true => None,
                false => Some(read_password(password_stdin, passwords, user.personal())?),
            };
            let user = store.set_password(&user.id.into(), password, clock::today()).await?;
            let done = if none { "took the password of" } else { "changed the password of" };
            out.note(&format!("{done} user {}", user.username));
        }
        Verb::Organization { user, org, none: _ } => {
            let edit = UserEdit { organization_slug: Some(org.map(Into::into)), ..UserEdit::default() };
            let user = store.edit_user(&user.into(), edit).await?;
            let of = user.organization_slug.as_deref().unwrap_or("no organization");
            out.note(&format!("the name {} is of {of}", user.username));
        }
        Verb::Delete { user, sure } => {
            let user = store.user(&user.into()).await?;
            let by = UserSelector::from(user.id);
            let of = List::of_user(user.id).counted();
            let along = [
                (store.memberships(&of).await?.total, "membership"),
                (store.tokens(&of).await?.total, "token"),
                (store.groups(&of).await?.total, "group membership"),
                (store.roles(&of).await?.total, "role"),
                (store.subjects(&by).await?.len() as u64, "subject of an issuer"),
                (store.emails(&of).await?.total, "e-mail address"),
            ];
            if !sure.of(&format!("user {}", user.username), &along, out)? {
                return Ok(Exit::No);
            }
            let user = Shown(store.delete_user(&by).await?);
            out.done(&user, None, &format!("deleted user {}", user.username))?;
        }
        Verb::Grant { user, permissions } => {
            list_grants(store.edit_user_permissions(&user.into(), permissions.granted()?).await?, out)?;
        }
        Verb::Revoke { user, permissions } => {
            list_grants(store.edit_user_permissions(&user.into(), permissions.revoked()?).await?, out)?;
        }
        Verb::Bind { user, subject: Subject { issuer, subject } } => {
            let bound = ShownSubject::from(store.bind_subject(&user.into(), issuer, subject).await?);
            out.done(&bound, None, &format!("bound {} of {} to {}", bound.subject, bound.issuer, bound.username))?;
        }
        Verb::Unbind { user, subject: Subject { issuer, subject } } => {
            let ended = ShownSubject::from(store.unbind_subject(&user.into(), issuer, subject).await?);
            out.done(&ended, None, &format!("{} of {} is {} no longer", ended.subject, ended.issuer, ended.username))?;
        }
        Verb::Subjects { user } => {
            let list: Vec<_> = store.subjects(&user.into()).await?.into_iter().map(ShownSubject::from).collect();
            out.list(&list)?;
        }
        Verb::ResetMfa { user } => {
            let user = store.user(&user.into()).await?;
            let passkeys = store.delete_passkeys(&user.id.into()).await?;
            let said = match store.delete_second_factor(&user.id.into()).await? || passkeys > 0 {
                true => format!("{} has no second factor any more", user.username),
                false => format!("{} had no second factor", user.username),
            };
            out.done(&Shown(user), None, &said)?;
        }
        Verb::Permissions { user } => {
            let user = store.user(&user.into()).await?;
            list_grants(store.user_permissions(&user.id.into()).await?, out)?;
            match (user.is_active, user.is_superuser) {
                (false, _) => out.note(&format!("{} is inactive and may do nothing", user.username)),
                (true, true) => out.note(&format!("{} is a superuser and may do everything", user.username)),
                (true, false) => {}
            }
        }
    }
    Ok(Exit::Ok)
}
