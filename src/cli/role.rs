//! `postern role`: roles in an organization, super roles in all of them, what they permit, and who holds them.

use super::ask::Sure;
use super::history;
use super::noun::{Begins, ListArgs, Noun, Shown, made_or_found, make_all, show_rows};
use super::output::{Exit, Output};
use super::rights::{Changes, Permissions, Users, permissions};
use crate::directory::name::RightsName;
use crate::directory::{
    BundleEdit, Directory, DirectoryError, HistoryOf, List, NewRole, OrgSelector, RoleRecord, RoleSelector, Scope,
    UserSelector, Viewer,
};
use serde::Deserialize;

pub type Args = Noun<Verb>;

/// Roles of an organization, and super roles: create, list, show, history, edit, delete, grant, revoke, add, remove, users
///
/// A role counts in one organization (--org) and for its members only; who leaves it loses it. A super role (--super) counts
/// in every organization.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Create a role and print its id, or many
    #[command(
        override_usage = "postern role create <NAME> --org <ORG> [OPTIONS]\n       postern role create <NAME> --super [OPTIONS]\n       postern role create --batch <FILE>"
    )]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one role for each line of a file (- for stdin): JSON objects with the fields name, org or super, and the
        /// lists permissions, users; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List super roles, then roles by organization
    List {
        #[command(flatten)]
        place: Place,
        /// Those that this user holds: id, username (acme/ann) or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one role
    Show {
        #[command(flatten)]
        role: Role,
    },
    /// Show what happened to a role, the newest first
    History {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Change a role
    Edit {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        changes: Changes,
    },
    /// Delete a role; who held it loses what they had by it. On a terminal it asks
    Delete {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        sure: Sure,
    },
    /// Grant permissions to a role
    Grant {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Revoke permissions of a role
    Revoke {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Give a role to users: members, where it is an organization's
    Add {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        users: Users,
    },
    /// Take a role from users
    Remove {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        users: Users,
    },
    /// List the users who hold a role by username
    Users {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        list: ListArgs,
    },
}

impl Begins for Verb {
    fn begins(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// Where roles count.
#[derive(clap::Args)]
pub struct Place {
    /// In this organization: id or slug
    #[arg(long, alias = "organization")]
    org: Option<String>,
    /// In every organization: super roles
    #[arg(long = "super", conflicts_with = "org")]
    everywhere: bool,
}

impl From<Place> for Option<Scope<OrgSelector>> {
    fn from(place: Place) -> Self {
        match place.org {
            Some(org) => Some(Scope::Organization(org.into())),
            None => place.everywhere.then_some(Scope::Everywhere),
        }
    }
}

/// Which role.
#[derive(clap::Args)]
pub struct Role {
    /// Name or id; a name that several have needs --org or --super
    role: String,
    #[command(flatten)]
    place: Place,
}

impl From<Role> for RoleSelector {
    fn from(role: Role) -> Self {
        Self { text: role.role, scope: role.place.into() }
    }
}

/// A role to be made, from flags or from a line of a batch.
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
    /// The organization in which it counts: id or slug
    #[arg(long, alias = "organization", required_unless_present_any = ["batch", "everywhere"])]
    #[serde(alias = "organization")]
    org: Option<String>,
    /// Make a super role, which counts in every organization
    #[arg(long = "super", conflicts_with = "org")]
    #[serde(default, rename = "super")]
    everywhere: bool,
    /// What it permits: app.codename each, with commas or repeated
    #[arg(long, alias = "permission", value_name = "PERMISSION", value_delimiter = ',')]
    #[serde(default)]
    permissions: Vec<String>,
    /// Who holds it: id, username (acme/ann) or e-mail address, with commas or repeated
    #[arg(long, alias = "user", value_name = "USER", value_delimiter = ',')]
    #[serde(default)]
    users: Vec<String>,
}

impl Spec {
    fn check(self) -> Result<NewRole, DirectoryError> {
        let missing = |field, what| DirectoryError::invalid(field, what);
        let name = self.name.or(self.bare_name).ok_or_else(|| missing("name", "it is missing"))?;
        Ok(NewRole {
            scope: match (self.org, self.everywhere) {
                (Some(org), false) => Scope::Organization(org.into()),
                (None, true) => Scope::Everywhere,
                (None, false) => return Err(missing("org", "it is missing; a super role says super")),
                (Some(_), true) => return Err(missing("org", "a super role has no organization")),
            },
            name: RightsName::new(&name)?,
            permissions: permissions(self.permissions)?,
            users: self.users.into_iter().map(UserSelector::from).collect(),
        })
    }
}

/// What a role is called, for people.
fn title(role: &RoleRecord) -> String {
    match &role.slug {
        Some(org) => format!("role {} of {org}", role.name),
        None => format!("super role {}", role.name),
    }
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let store = &store.as_seen_by(Viewer::Operator);
    let (role, edit) = match args.verb {
        Verb::Create { new, if_absent, batch: None } => {
            let new = new.check()?;
            let same = RoleSelector { text: new.name.as_str().to_owned(), scope: Some(new.scope.clone()) };
            let made = store.create_roles(vec![new]).await;
            let found = async { Ok(Some(store.role(&same).await?).filter(|role| role.name == same.text)) };
            let (role, made) = made_or_found(made, if_absent, found).await?;
            let title = title(&role);
            out.done(&role, Some(&role.id.to_string()), &made.told(format!("created {title}"), &title))?;
            return Ok(Exit::Ok);
        }
        Verb::Create { batch: Some(path), .. } => {
            let make = async |new| store.create_roles(new).await;
            return make_all(&path, Spec::check, make, ("created", "roles"), out).await;
        }
        Verb::List { place, user, list } => {
            let mut list = List { user: user.map(Into::into), ..list.into() };
            match place.into() {
                Some(Scope::Organization(organization)) => list.organization = Some(organization),
                Some(Scope::Everywhere) => list.filter.push(("super".to_owned(), "true".to_owned())),
                None => {}
            }
            return show_rows(store.roles(&list).await?, out);
        }
        Verb::Show { role } => {
            out.show(&Shown(store.role(&role.into()).await?))?;
            return Ok(Exit::Ok);
        }
        Verb::Delete { role, sure } => {
            let role = store.role(&role.into()).await?;
            let along = [(u64::from(role.users), "holder"), (role.permissions.len() as u64, "granted permission")];
            if !sure.of(&title(&role), &along, out)? {
                return Ok(Exit::No);
            }
            let role = Shown(store.delete_role(&role.id.into()).await?);
            out.done(&role, None, &format!("deleted {}", title(&role)))?;
            return Ok(Exit::Ok);
        }
        Verb::History { role, list } => return history::show(store, HistoryOf::Role(role.into()), list, out).await,
        Verb::Users { role, list } => return show_rows(store.role_users(&role.into(), &list.into()).await?, out),
        Verb::Edit { role, changes } => (role, changes.check()?),
        Verb::Grant { role, permissions } => {
            (role, BundleEdit { grants: permissions.granted()?, ..BundleEdit::default() })
        }
        Verb::Revoke { role, permissions } => {
            (role, BundleEdit { grants: permissions.revoked()?, ..BundleEdit::default() })
        }
        Verb::Add { role, users } => (role, users.added()),
        Verb::Remove { role, users } => (role, users.removed()),
    };
    let role = Shown(store.edit_role(&role.into(), edit).await?);
    let (permissions, users) = (role.permissions.len(), role.users);
    out.done(&role, None, &format!("changed {}: permissions: {permissions}, users: {users}", title(&role)))?;
    Ok(Exit::Ok)
}
