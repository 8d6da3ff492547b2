//! `postern member`: who belongs to which organization, and as what.

use super::ask::Sure;
use super::noun::{ListArgs, Noun, Shown, made_or_found, make_all, show_rows};
use super::output::{Exit, Output};
use crate::directory::{Directory, DirectoryError, List, NewMembership, OrgSelector, UserSelector, Viewer};
use serde::Deserialize;

pub type Args = Noun<Verb>;

/// Memberships: add, list, show, edit, remove
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Add a user to an organization, or many; the first manager added to one without owner becomes its owner
    #[command(
        name = "create",
        visible_alias = "add",
        override_usage = "postern member create --org <ORG> --user <USER> [OPTIONS]\n       postern member create --batch <FILE>"
    )]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Add one member for each line of a file (- for stdin): JSON objects with the fields org, user, manager; all of
        /// them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List memberships by organization, then user
    List {
        /// Of this organization: id or slug
        #[arg(long, alias = "organization")]
        org: Option<String>,
        /// Of this user: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one membership
    Show {
        #[command(flatten)]
        member: Member,
    },
    /// Make a member a manager, or with --manager=false a plain member
    Edit {
        #[command(flatten)]
        member: Member,
        /// Manager, or with =false a plain member
        #[arg(
            long,
            required = true,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "true",
            value_name = "BOOL"
        )]
        manager: bool,
    },
    /// Remove a user from an organization. On a terminal it asks
    #[command(name = "delete", visible_alias = "remove")]
    Delete {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        sure: Sure,
    },
}

/// A membership to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The organization: id or slug
    #[arg(long, alias = "organization", required_unless_present = "batch")]
    #[serde(alias = "organization")]
    org: Option<String>,
    /// The user: id, username (acme/ann) or e-mail address
    #[arg(long, required_unless_present = "batch")]
    user: Option<String>,
    /// As a manager
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    manager: Option<bool>,
}

impl Spec {
    fn check(self) -> Result<NewMembership, DirectoryError> {
        let missing = |field| move || DirectoryError::invalid(field, "it is missing");
        Ok(NewMembership {
            user: self.user.ok_or_else(missing("user"))?.into(),
            organization: self.org.ok_or_else(missing("org"))?.into(),
            is_admin: self.manager.unwrap_or(false),
        })
    }
}

/// Which membership.
#[derive(clap::Args)]
pub struct Member {
    /// The organization: id or slug
    #[arg(long, alias = "organization")]
    org: String,
    /// The user: id, username (acme/ann) or e-mail address
    #[arg(long)]
    user: String,
}

impl Member {
    fn selectors(self) -> (OrgSelector, UserSelector) {
        (self.org.into(), self.user.into())
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    match args.verb {
        Verb::Create { new, if_absent, batch: None } => {
            let new = new.check()?;
            let (org, user) = (new.organization.clone(), new.user.clone());
            let made = store.create_memberships(vec![new]).await;
            let found = async { store.membership(&org, &user).await.map(Some) };
            let (member, _) = made_or_found(made, if_absent, found).await?;
            out.done(&member, None, &format!("{} is {} of {}", member.username, member.level, member.slug))?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_memberships(new).await;
            return make_all(&path, Spec::check, make, ("added", "members"), out).await;
        }
        Verb::List { org, user, list } => {
            let list = List { user: user.map(Into::into), organization: org.map(Into::into), ..list.into() };
            return show_rows(store.memberships(&list).await?, out);
        }
        Verb::Show { member } => {
            let (org, user) = member.selectors();
            out.show(&Shown(store.membership(&org, &user).await?))?;
        }
        Verb::Edit { member, manager } => {
            let (org, user) = member.selectors();
            let edited = Shown(store.edit_membership(&org, &user, manager).await?);
            out.done(&edited, None, &format!("{} is {} of {}", edited.username, edited.level, edited.slug))?;
        }
        Verb::Delete { member, sure } => {
            let (org, user) = member.selectors();
            let found = store.membership(&org, &user).await?;
            if !sure.of(&format!("the membership of {} in {}", found.username, found.slug), &[], out)? {
                return Ok(Exit::No);
            }
            let removed = Shown(store.delete_membership(&org, &user).await?);
            out.done(&removed, None, &format!("removed {} from {}", removed.username, removed.slug))?;
        }
    }
    Ok(Exit::Ok)
}
