//! `postern group`: groups, what they permit everywhere, and who is in them.

use super::ask::Sure;
use super::history;
use super::noun::{Begins, ListArgs, Noun, Shown, made_or_found, make_all, show_rows};
use super::output::{Exit, Output};
use super::rights::{Changes, Permissions, Users, permissions};
use crate::directory::name::RightsName;
use crate::directory::{
    BundleEdit, Directory, DirectoryError, HistoryOf, List, NewGroup, Unique, UserSelector, Viewer,
};
use serde::Deserialize;

pub type Args = Noun<Verb>;

/// Groups, whose permissions count everywhere: create, list, show, history, edit, delete, grant, revoke, add, remove, users
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create a group and print its id, or many
    #[command(override_usage = "postern group create <NAME> [OPTIONS]\n       postern group create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one group for each line of a file (- for stdin): JSON objects with the fields name, and the lists
        /// permissions, users; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List groups by name
    List {
        /// Those of this user: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one group
    Show {
        /// Name or id
        group: String,
    },
    /// Show what happened to a group, the newest first
    History {
        /// Name or id
        group: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Change a group
    Edit {
        /// Name or id
        group: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Delete a group; its users lose what they had by it. On a terminal it asks
    Delete {
        /// Name or id
        group: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Grant permissions to a group
    Grant {
        /// Name or id
        group: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Revoke permissions of a group
    Revoke {
        /// Name or id
        group: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Put users in a group
    Add {
        /// Name or id
        group: String,
        #[command(flatten)]
        users: Users,
    },
    /// Take users out of a group
    Remove {
        /// Name or id
        group: String,
        #[command(flatten)]
        users: Users,
    },
    /// List the users of a group by username
    Users {
        /// Name or id
        group: String,
        #[command(flatten)]
        list: ListArgs,
    },
}

impl Begins for Verb {
    fn begins(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// A group to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; may stand without its flag
    #[arg(long, required_unless_present_any = ["batch", "bare_name"])]
    name: Option<String>,
    /// Its name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    #[serde(skip)]
    bare_name: Option<String>,
    /// What it permits: app.codename each, with commas or repeated
    #[arg(long, alias = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    #[serde(default)]
    permissions: Vec<String>,
    /// Who is in it: id, username (acme/ann) or e-mail address, with commas or repeated
    #[arg(long, alias = "user", value_name = "USER", value_delimiter = ',')]
    #[serde(default)]
    users: Vec<String>,
}

impl Spec {
    fn check(self) -> Result<NewGroup, DirectoryError> {
        let name = self.name.or(self.bare_name).ok_or_else(|| DirectoryError::invalid("name", "it is missing"))?;
        Ok(NewGroup {
            name: RightsName::new(&name)?,
            permissions: permissions(self.permissions)?,
            users: self.users.into_iter().map(UserSelector::from).collect(),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    let (group, edit) = match args.verb {
        Verb::Create { new, if_absent, batch: None } => {
            let made = store.create_groups(vec![new.check()?]).await;
            let name = made.as_ref().err().and_then(|e| e.error.taken(Unique::GroupName)).map(str::to_owned);
            let found = async {
                let Some(name) = name else { return Ok(None) };
                Ok(Some(store.group(&name.as_str().into()).await?).filter(|group| group.name == name))
            };
            let (group, made) = made_or_found(made, if_absent, found).await?;
            let note = made.told(format!("created group {}", group.name), &format!("group {}", group.name));
            out.done(&group, Some(&group.id.to_string()), &note)?;
            return Ok(Exit::Ok);
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_groups(new).await;
            return make_all(&path, Spec::check, make, ("created", "groups"), out).await;
        }
        Verb::List { user, list } => {
            let list = List { user: user.map(Into::into), ..list.into() };
            return show_rows(store.groups(&list).await?, out);
        }
        Verb::Show { group } => {
            out.show(&Shown(store.group(&group.as_str().into()).await?))?;
            return Ok(Exit::Ok);
        }
        Verb::Delete { group, sure } => {
            let group = store.group(&group.as_str().into()).await?;
            let along =
                [(u64::from(group.users), "membership"), (group.permissions.len() as u64, "granted permission")];
            if !sure.of(&format!("group {}", group.name), &along, out)? {
                return Ok(Exit::No);
            }
            let group = Shown(store.delete_group(&group.id.into()).await?);
            out.done(&group, None, &format!("deleted group {}", group.name))?;
            return Ok(Exit::Ok);
        }
        Verb::History { group, list } => {
            let group = store.group(&group.as_str().into()).await?;
            return history::show(store, HistoryOf::Group(group.id), list, out).await;
        }
        Verb::Users { group, list } => {
            return show_rows(store.group_users(&group.as_str().into(), &list.into()).await?, out);
        }
        Verb::Edit { group, changes } => (group, changes.check()?),
        Verb::Grant { group, permissions } => {
            (group, BundleEdit { grants: permissions.granted()?, ..BundleEdit::default() })
        }
        Verb::Revoke { group, permissions } => {
            (group, BundleEdit { grants: permissions.revoked()?, ..BundleEdit::default() })
        }
        Verb::Add { group, users } => (group, users.added()),
        Verb::Remove { group, users } => (group, users.removed()),
    };
    let group = Shown(store.edit_group(&group.as_str().into(), edit).await?);
    let (permissions, users) = (group.permissions.len(), group.users);
    out.done(&group, None, &format!("changed group {}: permissions: {permissions}, users: {users}", group.name))?;
    Ok(Exit::Ok)
}
