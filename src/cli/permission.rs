//! `postern permission`: create, list, show, edit and delete permissions. Users, groups and roles grant them.

use super::ask::Sure;
use super::noun::{Begins, ListArgs, Noun, Shown, Words, made_or_found, make_all, show_rows};
use super::output::{Exit, Output};
use crate::directory::name::PermissionName;
use crate::directory::{Directory, NewPermission, PermissionEdit, Viewer};

pub type Args = Noun<Verb>;

/// Permissions: create, list, show, edit, delete
///
/// A permission is granted with `postern user grant`, `postern group grant` and `postern role grant`.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create a permission, or many
    #[command(
        override_usage = "postern permission create <PERMISSION> [OPTIONS]\n       postern permission create --batch <FILE>"
    )]
    Create {
        #[command(flatten)]
        new: Words<NewPermission>,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one permission for each line of a file (- for stdin): JSON objects with the fields permission, name; all
        /// of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "record")]
        batch: Option<String>,
    },
    /// List permissions
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one permission
    Show {
        /// app.codename
        permission: String,
    },
    /// Change a permission; whoever had it has the new one
    Edit {
        /// app.codename
        permission: String,
        #[command(flatten)]
        changes: Words<PermissionEdit>,
    },
    /// Delete a permission, and take it from whoever has it. On a terminal it asks
    Delete {
        /// app.codename
        permission: String,
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
            let new = new.check()?;
            let codename = new.codename.clone();
            let made = store.create_permissions(vec![new]).await;
            let found = async { store.permission(&codename).await.map(Some) };
            let (permission, made) = made_or_found(made, if_absent, found).await?;
            let name = &permission.codename;
            let note = made.told(format!("created permission {name}"), &format!("permission {name}"));
            out.done(&permission, None, &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_permissions(new).await;
            return make_all(&path, Words::<NewPermission>::check, make, ("created", "permissions"), out).await;
        }
        Verb::List { list } => return show_rows(store.permissions(&list.into()).await?, out),
        Verb::Show { permission } => {
            out.show(&Shown(store.permission(&PermissionName::new(&permission)?).await?))?;
        }
        Verb::Edit { permission, changes } => {
            let by = PermissionName::new(&permission)?;
            let edited = Shown(store.edit_permission(&by, changes.check()?).await?);
            out.done(&edited, None, &format!("changed permission {}", edited.codename))?;
        }
        Verb::Delete { permission, sure } => {
            let permission = PermissionName::new(&permission)?;
            let codename = store.permission(&permission).await?.codename;
            if !sure.of(&format!("permission {codename}, and what grants it"), &[], out)? {
                return Ok(Exit::No);
            }
            let deleted = Shown(store.delete_permission(&permission).await?);
            out.done(&deleted, None, &format!("deleted permission {}", deleted.codename))?;
        }
    }
    Ok(Exit::Ok)
}
