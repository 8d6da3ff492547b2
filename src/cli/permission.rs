//! `postern permission`: create, list, show, edit and delete permissions. Users, groups and roles grant them.

use super::ask::Sure;
use super::batch;
use super::fields::{PageArgs, made_or_found};
use super::output::{Exit, Output, Record};
use crate::directory::name::{PermissionName, Text};
use crate::directory::{Directory, DirectoryError, NewPermission, PermissionEdit, PermissionRecord};
use serde::{Deserialize, Serialize};

/// Permissions: create, list, show, edit, delete
///
/// A permission is granted with `postern user grant`, `postern group grant` and `postern role grant`.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

impl Args {
    /// Whether it may be the first that is done to a new directory.
    #[must_use]
    pub const fn begins(&self) -> bool {
        matches!(self.verb, Verb::Create { .. })
    }
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Create a permission, or many
    #[command(
        override_usage = "postern permission create <PERMISSION> [OPTIONS]\n       postern permission create --batch <FILE>"
    )]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one permission for each line of a file (- for stdin): JSON objects with the fields permission, name; all
        /// of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List permissions
    List {
        #[command(flatten)]
        page: PageArgs,
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
        changes: Changes,
    },
    /// Delete a permission, and take it from whoever has it. On a terminal it asks
    Delete {
        /// app.codename
        permission: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// A permission to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// app.codename, such as config.add_device; may stand without its flag
    #[arg(long, required_unless_present_any = ["batch", "bare_permission"])]
    permission: Option<String>,
    /// app.codename, such as config.add_device
    #[arg(value_name = "PERMISSION", conflicts_with = "permission")]
    #[serde(skip)]
    bare_permission: Option<String>,
    /// What it permits, for people
    #[arg(long)]
    name: Option<String>,
}

impl Spec {
    fn check(self) -> Result<NewPermission, DirectoryError> {
        let codename = self.permission.or(self.bare_permission);
        let codename = codename.ok_or_else(|| DirectoryError::invalid("permission", "it is missing"))?;
        Ok(NewPermission { codename: PermissionName::new(&codename)?, name: text(&self.name.unwrap_or_default())? })
    }
}

/// What to change.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// The new app.codename
    #[arg(long = "permission", value_name = "PERMISSION")]
    codename: Option<String>,
    /// What it permits, for people
    #[arg(long)]
    name: Option<String>,
}

impl Changes {
    fn check(self) -> Result<PermissionEdit, DirectoryError> {
        Ok(PermissionEdit {
            codename: self.codename.map(|v| PermissionName::new(&v)).transpose()?,
            name: self.name.map(|v| text(&v)).transpose()?,
        })
    }
}

fn text(name: &str) -> Result<Text, DirectoryError> {
    Text::new("name", name, 255)
}

/// A permission as it is shown.
#[derive(Serialize)]
struct Shown {
    id: i64,
    permission: String,
    name: String,
}

impl Record for Shown {
    const FIELDS: &'static [&'static str] = &["id", "permission", "name"];
    const COLUMNS: &'static [&'static str] = &["permission", "name"];
}

impl From<PermissionRecord> for Shown {
    fn from(permission: PermissionRecord) -> Self {
        Self { id: permission.id.0, permission: permission.codename, name: permission.name }
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    match args.verb {
        Verb::Create { new, if_absent, batch: None } => {
            let new = new.check()?;
            let codename = new.codename.clone();
            let made = store.create_permissions(vec![new]).await;
            let found = async { store.permission(&codename).await.map(Some) };
            let (permission, made) = made_or_found(made, if_absent, found).await?;
            let permission = Shown::from(permission);
            let name = &permission.permission;
            let note = made.told(format!("created permission {name}"), &format!("permission {name}"));
            out.done(&permission, None, &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let mut batch = batch::read::<Spec>(&path)?.convert(Spec::check)?;
            let created = store.create_permissions(batch.take()).await.map_err(|e| batch.locate(e))?;
            let created: Vec<Shown> = created.into_iter().map(Shown::from).collect();
            out.list(&created)?;
            out.note(&format!("created {} permissions", created.len()));
        }
        Verb::List { page } => {
            let found = store.permissions(page.into()).await?;
            out.list(&found.into_iter().map(Shown::from).collect::<Vec<_>>())?;
        }
        Verb::Show { permission } => {
            out.show(&Shown::from(store.permission(&PermissionName::new(&permission)?).await?))?;
        }
        Verb::Edit { permission, changes } => {
            let by = PermissionName::new(&permission)?;
            let edited = Shown::from(store.edit_permission(&by, changes.check()?).await?);
            out.done(&edited, None, &format!("changed permission {}", edited.permission))?;
        }
        Verb::Delete { permission, sure } => {
            let permission = PermissionName::new(&permission)?;
            let codename = store.permission(&permission).await?.codename;
            if !sure.of(&format!("permission {codename}, and what grants it"), &[], out)? {
                return Ok(Exit::No);
            }
            let deleted = Shown::from(store.delete_permission(&permission).await?);
            out.done(&deleted, None, &format!("deleted permission {}", deleted.permission))?;
        }
    }
    Ok(Exit::Ok)
}
