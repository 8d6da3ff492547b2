//! `postern org`: create, list, show, edit and delete organizations, and move their ownership. Acts as a superuser.

use super::ask::Sure;
use super::batch;
use super::fields::{PageArgs, clearable, filled, made_or_found};
use super::moment::stamp;
use super::output::{Exit, Output, Record};
use crate::directory::name::{Email, ExternalId, OrgName, Slug, Text};
use crate::directory::{
    Actor, Directory, DirectoryError, MembershipFilter, NewOrganization, OrganizationEdit, OrganizationRecord, Page,
    RoleFilter, Scope, Unique, UserSelector,
};
use crate::id::OrgId;
use serde::{Deserialize, Serialize};

/// Organizations: create, list, show, edit, delete, owner
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
    /// Create an organization and print the id, or many
    #[command(override_usage = "postern org create <NAME> [OPTIONS]\n       postern org create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one organization for each line of a file (- for stdin): JSON objects with the fields name, slug,
        /// external_id, active, description, email, url, id; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List organizations by slug
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one organization
    Show {
        /// Id or slug
        org: String,
    },
    /// Change an organization; --active=false disables it
    Edit {
        /// Id or slug
        org: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Make a member the owner
    Owner {
        /// Id or slug
        org: String,
        /// Id, username or e-mail address of a member
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

/// An organization to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Name, for people; may stand without its flag
    #[arg(long, required_unless_present_any = ["batch", "bare_name"])]
    name: Option<String>,
    /// Name, for people
    #[arg(value_name = "NAME", conflicts_with = "name")]
    #[serde(skip)]
    bare_name: Option<String>,
    /// Short name: letters, digits, - and _; never reused. Made of the name where absent
    #[arg(long)]
    slug: Option<String>,
    /// The key under which a legacy system knows it
    #[arg(long)]
    external_id: Option<String>,
    /// Whether its members may do anything in it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    active: Option<bool>,
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// Contact
    #[arg(long)]
    email: Option<String>,
    /// Home page
    #[arg(long)]
    url: Option<String>,
    /// A chosen id, for organizations that come from elsewhere
    #[arg(long)]
    id: Option<String>,
}

impl Spec {
    fn check(self) -> Result<NewOrganization, DirectoryError> {
        let name = self.name.or(self.bare_name).ok_or_else(|| DirectoryError::invalid("name", "it is missing"))?;
        let id = self.id.map(|id| OrgId::parse(&id)).transpose();
        Ok(NewOrganization {
            id: id.map_err(|_| DirectoryError::invalid("id", "a UUID"))?,
            name: OrgName::new(&name)?,
            slug: filled(self.slug, Slug::new)?,
            external_id: filled(self.external_id, ExternalId::new)?,
            is_active: self.active.unwrap_or(true),
            description: Text::new("description", &self.description.unwrap_or_default(), 2000)?,
            email: filled(self.email, Email::new)?,
            url: Text::new("url", &self.url.unwrap_or_default(), 200)?,
        })
    }
}

/// What to change. An empty text clears.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Name, for people
    #[arg(long)]
    name: Option<String>,
    /// Short name; the old one stays used
    #[arg(long)]
    slug: Option<String>,
    /// The key under which a legacy system knows it; empty clears it
    #[arg(long)]
    external_id: Option<String>,
    /// Enable, or with =false disable at once
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    active: Option<bool>,
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// Contact; empty clears it
    #[arg(long)]
    email: Option<String>,
    /// Home page
    #[arg(long)]
    url: Option<String>,
}

impl Changes {
    fn check(self) -> Result<OrganizationEdit, DirectoryError> {
        Ok(OrganizationEdit {
            name: self.name.map(|v| OrgName::new(&v)).transpose()?,
            slug: self.slug.map(|v| Slug::new(&v)).transpose()?,
            external_id: clearable(self.external_id, ExternalId::new)?,
            is_active: self.active,
            description: self.description.map(|v| Text::new("description", &v, 2000)).transpose()?,
            email: clearable(self.email, Email::new)?,
            url: self.url.map(|v| Text::new("url", &v, 200)).transpose()?,
        })
    }
}

/// An organization as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    slug: String,
    external_id: Option<String>,
    active: bool,
    description: String,
    email: String,
    url: String,
    owner: Option<String>,
    owner_id: Option<String>,
    created: String,
    modified: String,
}

impl Record for Shown {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "name",
        "slug",
        "external_id",
        "active",
        "description",
        "email",
        "url",
        "owner",
        "owner_id",
        "created",
        "modified",
    ];
    const COLUMNS: &'static [&'static str] = &["id", "slug", "name", "active", "owner"];
}

impl From<OrganizationRecord> for Shown {
    fn from(organization: OrganizationRecord) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name,
            slug: organization.slug,
            external_id: organization.external_id,
            active: organization.is_active,
            description: organization.description,
            email: organization.email,
            url: organization.url,
            owner: organization.owner_username,
            owner_id: organization.owner.map(|id| id.to_string()),
            created: stamp(organization.created),
            modified: stamp(organization.modified),
        }
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
            let mut new = new.check()?;
            if if_absent && new.slug.is_none() {
                // Otherwise a second one would be made, under another slug.
                new.slug = Some(Slug::from_name(new.name.as_str()));
            }
            let made = store.create_organizations(vec![new]).await;
            let slug = made.as_ref().err().and_then(|e| e.error.taken(Unique::Slug)).map(str::to_owned);
            let found = async {
                let Some(slug) = slug else { return Ok(None) };
                Ok(Some(store.organization_record(&slug.into()).await?))
            };
            let (organization, made) = made_or_found(made, if_absent, found).await?;
            let organization = Shown::from(organization);
            let note = made.told(format!("created {}", organization.slug), &organization.slug);
            out.done(&organization, Some(&organization.id), &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let mut batch = batch::read::<Spec>(&path)?.convert(Spec::check)?;
            let created = store.create_organizations(batch.take()).await.map_err(|e| batch.locate(e))?;
            let created: Vec<Shown> = created.into_iter().map(Shown::from).collect();
            out.list(&created)?;
            out.note(&format!("created {} organizations", created.len()));
        }
        Verb::List { page } => {
            let found = store.organizations(page.into()).await?;
            out.list(&found.into_iter().map(Shown::from).collect::<Vec<_>>())?;
        }
        Verb::Show { org } => out.show(&Shown::from(store.organization_record(&org.into()).await?))?,
        Verb::Edit { org, changes } => {
            let edited = store.edit_organization(&org.into(), changes.check()?, Actor::Superuser).await?;
            let edited = Shown::from(edited);
            out.done(&edited, None, &format!("changed {}", edited.slug))?;
        }
        Verb::Owner { org, user } => {
            let to = UserSelector::from(user);
            let moved = Shown::from(store.transfer_ownership(&org.into(), &to, Actor::Superuser).await?);
            let owner = moved.owner.clone().unwrap_or_default();
            out.done(&moved, None, &format!("{owner} owns {}", moved.slug))?;
        }
        Verb::Delete { org, sure } => {
            let organization = store.organization_record(&org.into()).await?;
            let filter = MembershipFilter { user: None, organization: Some(organization.id.into()) };
            let members = store.memberships(&filter, Page::default()).await?.len();
            let roles = RoleFilter { scope: Some(Scope::Organization(organization.id.into())), user: None };
            let roles = store.roles(&roles, Page::default()).await?.len();
            let what = format!("organization {}", organization.slug);
            if !sure.of(&what, &[(members, "membership"), (roles, "role")], out)? {
                return Ok(Exit::No);
            }
            let deleted = Shown::from(store.delete_organization(&organization.id.into()).await?);
            out.done(&deleted, None, &format!("deleted {}", deleted.slug))?;
        }
    }
    Ok(Exit::Ok)
}
