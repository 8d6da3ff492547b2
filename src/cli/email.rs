//! `postern email`: at which addresses users are, and which of them are known to be theirs.

use super::ask::Sure;
use super::noun::{ListArgs, Noun, Shown, show_rows};
use super::output::{Exit, Output};
use crate::directory::name::Email;
use crate::directory::{Directory, DirectoryError, EmailEdit, EmailRecord, List, NewEmail, Noun as What, View, Viewer};

pub type Args = Noun<Verb>;

/// E-mail addresses: add, list, show, edit, remove
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Give a user another address
    #[command(name = "create", visible_alias = "add")]
    Create {
        #[command(flatten)]
        address: Address,
        /// It is known to be theirs
        #[arg(long)]
        verified: bool,
        /// Letters go to it, and no more to the one of before
        #[arg(long)]
        primary: bool,
    },
    /// List addresses in the order in which they came
    List {
        /// Of this user: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one address
    Show {
        #[command(flatten)]
        address: Address,
    },
    /// Change an address; another one is not known to be theirs, unless --verified says so
    Edit {
        #[command(flatten)]
        address: Address,
        /// Another one in its place
        #[arg(long, value_name = "EMAIL")]
        to: Option<String>,
        /// It is known to be theirs, or with =false not
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
        verified: Option<bool>,
        /// Letters go to it, and no more to the one of before; or with =false not
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
        primary: Option<bool>,
    },
    /// Take an address from a user. On a terminal it asks
    #[command(name = "delete", visible_alias = "remove")]
    Delete {
        #[command(flatten)]
        address: Address,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Which address.
#[derive(clap::Args)]
pub struct Address {
    /// Whose it is: id, username (acme/ann) or one of their addresses
    #[arg(long)]
    user: String,
    /// The address
    email: String,
}

impl Address {
    async fn find(self, store: &View) -> Result<EmailRecord, DirectoryError> {
        let user = store.user(&self.user.into()).await?;
        let theirs = store.emails(&List::of_user(user.id)).await?.rows;
        let found = theirs.into_iter().find(|one| one.email.eq_ignore_ascii_case(&self.email));
        found.ok_or(DirectoryError::NotFound { noun: What::Email, reference: self.email })
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    match args.verb {
        Verb::Create { address: Address { user, email }, verified, primary } => {
            let new = NewEmail { email: Email::new(&email)?, verified, is_primary: primary };
            let made = Shown(store.create_email(&user.into(), new).await?);
            out.done(&made, None, &format!("added {}", made.email))?;
        }
        Verb::List { user, list } => {
            let list = List { user: user.map(Into::into), ..list.into() };
            return show_rows(store.emails(&list).await?, out);
        }
        Verb::Show { address } => out.show(&Shown(address.find(store).await?))?,
        Verb::Edit { address, to, verified, primary } => {
            let found = address.find(store).await?;
            let email = to.map(|to| Email::new(&to)).transpose()?;
            let edit = EmailEdit { email, verified, is_primary: primary };
            let edited = Shown(store.edit_email(found.user, found.id, edit).await?);
            out.done(&edited, None, &format!("changed {}", edited.email))?;
        }
        Verb::Delete { address, sure } => {
            let found = address.find(store).await?;
            if !sure.of(&format!("the address {}", found.email), &[], out)? {
                return Ok(Exit::No);
            }
            let deleted = Shown(store.delete_email(found.user, found.id).await?);
            out.done(&deleted, None, &format!("removed {}", deleted.email))?;
        }
    }
    Ok(Exit::Ok)
}
