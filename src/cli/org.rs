//! `postern org`: create, list, show, edit and delete organizations, and move their ownership. Acts as a superuser.

use super::ask::Sure;
use super::history;
use super::noun::{Begins, ListArgs, Noun, Shown, Words, made_or_found, make_all, show_rows};
use super::output::{Exit, Output};
use crate::directory::name::Slug;
use crate::directory::{
    Blank, Directory, HistoryOf, List, NewOrganization, OrganizationEdit, Unique, UserSelector, Viewer,
};

pub type Args = Noun<Verb>;

/// Organizations: create, list, show, history, edit, delete, owner
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create an organization and print the id, or many
    #[command(override_usage = "postern org create <NAME> [OPTIONS]\n       postern org create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Words<NewOrganization>,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one organization for each line of a file (- for stdin): JSON objects with the fields name, slug,
        /// external_id, active, description, email, url, id; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "record")]
        batch: Option<String>,
    },
    /// List organizations by slug
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one organization
    Show {
        /// Id or slug
        org: String,
    },
    /// Show what happened to an organization, its memberships and roles, the newest first
    History {
        /// Id or slug
        org: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Change an organization; --active=false disables it
    Edit {
        /// Id or slug
        org: String,
        #[command(flatten)]
        changes: Words<OrganizationEdit>,
    },
    /// Make a member the owner
    Owner {
        /// Id or slug
        org: String,
        /// Id, username (acme/ann) or e-mail address of a member
        #[arg(long)]
        user: String,
    },
    /// Delete an organization with its memberships and roles; its slug stays used. On a terminal it asks
    Delete {
        /// Id or slug
        org: String,
        #[command(flatten)]
        sure: Sure,
    },
}

impl Begins for Verb {
    fn begins(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`crate::directory::DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    match args.verb {
        Verb::Create { new, if_absent, batch: None } => {
            let mut new = new.check()?;
            if if_absent && new.slug.0.is_none() {
                // Otherwise a second one would be made, under another slug.
                new.slug = Blank(Some(Slug::from_name(new.name.as_str())));
            }
            let made = store.create_organizations(vec![new]).await;
            let slug = made.as_ref().err().and_then(|e| e.error.taken(Unique::Slug)).map(str::to_owned);
            let found = async {
                let Some(slug) = slug else { return Ok(None) };
                Ok(Some(store.organization_record(&slug.into()).await?))
            };
            let (organization, made) = made_or_found(made, if_absent, found).await?;
            let note = made.told(format!("created {}", organization.slug), &organization.slug);
            out.done(&organization, Some(&organization.id.to_string()), &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_organizations(new).await;
            return make_all(&path, Words::<NewOrganization>::check, make, ("created", "organizations"), out).await;
        }
        Verb::List { list } => return show_rows(store.organizations(&list.into()).await?, out),
        Verb::Show { org } => out.show(&Shown(store.organization_record(&org.into()).await?))?,
        Verb::History { org, list } => {
            let org = store.organization_record(&org.into()).await?;
            return history::show(store, HistoryOf::Organization(org.id), list, out).await;
        }
        Verb::Edit { org, changes } => {
            let edited = Shown(store.edit_organization(&org.into(), changes.check()?).await?);
            out.done(&edited, None, &format!("changed {}", edited.slug))?;
        }
        Verb::Owner { org, user } => {
            let to = UserSelector::from(user);
            let moved = Shown(store.transfer_ownership(&org.into(), &to).await?);
            let owner = moved.owner_username.clone().unwrap_or_default();
            out.done(&moved, None, &format!("{owner} owns {}", moved.slug))?;
        }
        Verb::Delete { org, sure } => {
            let organization = store.organization_record(&org.into()).await?;
            let of = List::of_organization(organization.id).counted();
            let (members, roles) = (store.memberships(&of).await?.total, store.roles(&of).await?.total);
            let what = format!("organization {}", organization.slug);
            if !sure.of(&what, &[(members, "membership"), (roles, "role")], out)? {
                return Ok(Exit::No);
            }
            let deleted = Shown(store.delete_organization(&organization.id.into()).await?);
            out.done(&deleted, None, &format!("deleted {}", deleted.slug))?;
        }
    }
    Ok(Exit::Ok)
}
