//! `postern user`: create, list, show, edit and delete users, and what they may do.

use super::ask::{Sure, new_password};
use super::batch;
use super::fields::{Made, PageArgs, clearable, filled, made_or_found};
use super::moment::stamp;
use super::output::{Exit, Output, Record};
use super::rights::Permissions;
use super::subject::{ShownSubject, Subject};
use super::usage::NoArgument;
use crate::clock;
use crate::directory::name::{Email, ExternalId, PhoneNumber, Text, Username};
use crate::directory::{
    Directory, DirectoryError, GrantRecord, MembershipFilter, NewUser, Page, ProfileEdit, RoleFilter, UserEdit,
    UserRecord, UserSelector,
};
use crate::id::UserId;
use crate::password::{Hasher, PasswordHash};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// Users: create, list, show, edit, password, organization, delete, grant, revoke, permissions
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
    /// Create a user and print the id, or many
    #[command(override_usage = "postern user create <USERNAME> [OPTIONS]\n       postern user create --batch <FILE>")]
    Create {
        #[command(flatten)]
        new: Spec,
        /// Ask for a password on the terminal; it is never an argument
        #[arg(long, num_args = 0..=1, value_name = "", conflicts_with_all = ["batch", "password_stdin"])]
        password: Option<Option<String>>,
        /// Read the password from stdin: its first line
        #[arg(long, conflicts_with = "batch")]
        password_stdin: bool,
        /// Where it is there already, show it and exit 0; without this that is exit 3
        #[arg(long, conflicts_with = "batch")]
        if_absent: bool,
        /// Create one user for each line of a file (- for stdin): JSON objects with the fields username, email, phone,
        /// first_name, last_name, external_id, active, staff, superuser, id; all of them or none
        #[arg(long, value_name = "FILE", conflicts_with = "Spec")]
        batch: Option<String>,
    },
    /// List users by username
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one user
    Show {
        /// Id, username or e-mail address
        user: String,
    },
    /// Change a user
    Edit {
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Give a user another password, or none. Without more it is asked for, on a terminal
    Password {
        /// Id, username or e-mail address
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
    /// Say of which organization a user's name is, where usernames are per organization: one that they belong to
    Organization {
        /// Id, username or e-mail address
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
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Grant permissions to a user, everywhere
    Grant {
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Revoke permissions that were granted to a user; what they have by groups and roles stays
    Revoke {
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Say that an issuer's subject is this user: JWTs with that `iss` and `sub` are theirs
    Bind {
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        subject: Subject,
    },
    /// End such a binding
    Unbind {
        /// Id, username or e-mail address
        user: String,
        #[command(flatten)]
        subject: Subject,
    },
    /// List the issuers' subjects that are a user
    Subjects {
        /// Id, username or e-mail address
        user: String,
    },
    /// List what a user may do, where, and how they came by it
    Permissions {
        /// Id, username or e-mail address
        user: String,
    },
}

/// A user to be made, from flags or from a line of a batch.
#[derive(clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Login name; may stand without its flag
    #[arg(long, required_unless_present_any = ["batch", "bare_username"])]
    username: Option<String>,
    /// Login name
    #[arg(value_name = "USERNAME", conflicts_with = "username")]
    #[serde(skip)]
    bare_username: Option<String>,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// Phone number in international form, +39…
    #[arg(long)]
    phone: Option<String>,
    /// Given name
    #[arg(long)]
    first_name: Option<String>,
    /// Family name
    #[arg(long)]
    last_name: Option<String>,
    /// The key under which a legacy system knows the user
    #[arg(long)]
    external_id: Option<String>,
    /// Whether the user may do anything at all
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    active: Option<bool>,
    /// Give the staff flag
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    staff: Option<bool>,
    /// Let the user pass every organization check
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    superuser: Option<bool>,
    /// A chosen id, for users who come from elsewhere
    #[arg(long)]
    id: Option<String>,
}

impl Spec {
    fn check(self) -> Result<NewUser, DirectoryError> {
        let username =
            self.username.or(self.bare_username).ok_or_else(|| DirectoryError::invalid("username", "it is missing"))?;
        let id = self.id.map(|id| UserId::parse(&id)).transpose();
        let text = |field, value: Option<String>| Text::new(field, &value.unwrap_or_default(), 150);
        Ok(NewUser {
            id: id.map_err(|_| DirectoryError::invalid("id", "a UUID"))?,
            username: Username::new(&username)?,
            email: filled(self.email, Email::new)?,
            phone_number: filled(self.phone, PhoneNumber::new)?,
            first_name: text("first_name", self.first_name)?,
            last_name: text("last_name", self.last_name)?,
            external_id: filled(self.external_id, ExternalId::new)?,
            is_active: self.active.unwrap_or(true),
            is_staff: self.staff.unwrap_or(false),
            is_superuser: self.superuser.unwrap_or(false),
        })
    }
}

/// What to change. An empty text clears.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Login name
    #[arg(long)]
    username: Option<String>,
    /// E-mail address; empty clears it
    #[arg(long)]
    email: Option<String>,
    /// Phone number in international form; empty clears it
    #[arg(long)]
    phone: Option<String>,
    /// Given name
    #[arg(long)]
    first_name: Option<String>,
    /// Family name
    #[arg(long)]
    last_name: Option<String>,
    /// The key under which a legacy system knows the user; empty clears it
    #[arg(long)]
    external_id: Option<String>,
    /// Let the user act, or with =false stop them at once
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    active: Option<bool>,
    /// Give the staff flag, or with =false take it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    staff: Option<bool>,
    /// Make a superuser, or with =false an ordinary user
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    superuser: Option<bool>,
}

impl Changes {
    fn check(self) -> Result<UserEdit, DirectoryError> {
        let text = |field, value: Option<String>| value.map(|v| Text::new(field, &v, 150)).transpose();
        Ok(UserEdit {
            username: self.username.map(|v| Username::new(&v)).transpose()?,
            email: clearable(self.email, Email::new)?,
            phone_number: clearable(self.phone, PhoneNumber::new)?,
            first_name: text("first_name", self.first_name)?,
            last_name: text("last_name", self.last_name)?,
            external_id: clearable(self.external_id, ExternalId::new)?,
            is_active: self.active,
            is_staff: self.staff,
            is_superuser: self.superuser,
        })
    }
}

/// A user as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    username: String,
    email: Option<String>,
    phone: Option<String>,
    first_name: String,
    last_name: String,
    external_id: Option<String>,
    active: bool,
    staff: bool,
    superuser: bool,
    created: String,
    modified: String,
}

impl Record for Shown {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "username",
        "email",
        "phone",
        "first_name",
        "last_name",
        "external_id",
        "active",
        "staff",
        "superuser",
        "created",
        "modified",
    ];
    const COLUMNS: &'static [&'static str] = &["id", "username", "email", "active", "staff", "superuser"];
}

impl From<UserRecord> for Shown {
    fn from(user: UserRecord) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username,
            email: user.email,
            phone: user.phone_number,
            first_name: user.first_name,
            last_name: user.last_name,
            external_id: user.external_id,
            active: user.is_active,
            staff: user.is_staff,
            superuser: user.is_superuser,
            created: stamp(user.created),
            modified: stamp(user.modified),
        }
    }
}

/// A permission of a user as it is shown.
#[derive(Serialize)]
struct ShownGrant {
    permission: String,
    org: Option<String>,
    through: &'static str,
    name: String,
}

impl Record for ShownGrant {
    const FIELDS: &'static [&'static str] = &["permission", "org", "through", "name"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
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

/// Reads a password from stdin, or asks for it on the terminal, and hashes it.
fn read_password(from_stdin: bool, hasher: &Hasher) -> anyhow::Result<PasswordHash> {
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
    Ok(hasher.hash(password)?)
}

/// Shows users, one a line.
///
/// # Errors
/// stdout cannot be written.
pub(super) fn list(users: Vec<UserRecord>, out: &mut Output) -> anyhow::Result<()> {
    out.list(&users.into_iter().map(Shown::from).collect::<Vec<_>>())
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`DirectoryError`]), a batch that cannot be read, an output that cannot be written.
pub async fn run(args: Args, hasher: &Hasher, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    match args.verb {
        Verb::Create { new, password, password_stdin, if_absent, batch: None } => {
            ensure!(!matches!(password, Some(Some(_))), NoArgument);
            let new = new.check()?;
            let asked = password_stdin || password.is_some();
            let password = if asked { Some(read_password(password_stdin, hasher)?) } else { None };
            let username = new.username.as_str().to_owned();
            let made = store.create_users(vec![new]).await;
            let found = async {
                Ok(Some(store.user(&username.as_str().into()).await?).filter(|user| user.username == username))
            };
            let (user, made) = made_or_found(made, if_absent, found).await?;
            if let Some(password) = password.filter(|_| made == Made::Now) {
                store.set_password(&user.id.into(), Some(password), clock::today()).await?;
            }
            let user = Shown::from(user);
            let note = made.told(format!("created user {}", user.username), &format!("user {}", user.username));
            out.done(&user, Some(&user.id), &note)?;
        }
        Verb::Create { batch: Some(path), .. } => {
            let mut batch = batch::read::<Spec>(&path)?.convert(Spec::check)?;
            let created = store.create_users(batch.take()).await.map_err(|e| batch.locate(e))?;
            let created: Vec<Shown> = created.into_iter().map(Shown::from).collect();
            out.list(&created)?;
            out.note(&format!("created {} users", created.len()));
        }
        Verb::List { page } => {
            list(store.users(page.into()).await?, out)?;
        }
        Verb::Show { user } => out.show(&Shown::from(store.user(&user.into()).await?))?,
        Verb::Edit { user, changes } => {
            let user = Shown::from(store.edit_user(&user.into(), changes.check()?).await?);
            out.done(&user, None, &format!("changed user {}", user.username))?;
        }
        Verb::Password { user, argument, password_stdin, none } => {
            ensure!(argument.is_none(), NoArgument);
            let password = if none { None } else { Some(read_password(password_stdin, hasher)?) };
            let user = store.set_password(&user.into(), password, clock::today()).await?;
            let done = if none { "took the password of" } else { "changed the password of" };
            out.note(&format!("{done} user {}", user.username));
        }
        Verb::Organization { user, org, none: _ } => {
            let user = store.user(&user.into()).await?;
            let membership = match org {
                Some(org) => Some(store.membership(&org.into(), &user.id.into()).await?),
                None => None,
            };
            let organization = Some(membership.as_ref().map(|membership| membership.organization));
            store.edit_profile(&user.id.into(), ProfileEdit { organization, ..ProfileEdit::default() }).await?;
            let of = membership.map_or_else(|| "no organization".to_owned(), |membership| membership.slug);
            out.note(&format!("the name {} is of {of}", user.username));
        }
        Verb::Delete { user, sure } => {
            let user = store.user(&user.into()).await?;
            let (all, by) = (Page::default, UserSelector::from(user.id));
            let memberships = MembershipFilter { user: Some(by.clone()), organization: None };
            let roles = RoleFilter { scope: None, user: Some(by.clone()) };
            let along = [
                (store.memberships(&memberships, all()).await?.len(), "membership"),
                (store.tokens(Some(&by), all()).await?.len(), "token"),
                (store.groups(Some(&by), all()).await?.len(), "group membership"),
                (store.roles(&roles, all()).await?.len(), "role"),
                (store.subjects(&by).await?.len(), "subject of an issuer"),
                (store.emails(&by).await?.len(), "e-mail address"),
            ];
            if !sure.of(&format!("user {}", user.username), &along, out)? {
                return Ok(Exit::No);
            }
            let user = Shown::from(store.delete_user(&by).await?);
            out.done(&user, None, &format!("deleted user {}", user.username))?;
        }
        Verb::Grant { user, permissions } => {
            list_grants(store.edit_user_permissions(&user.into(), permissions.granted()?).await?, out)?;
        }
        Verb::Revoke { user, permissions } => {
            list_grants(store.edit_user_permissions(&user.into(), permissions.revoked()?).await?, out)?;
        }
        Verb::Bind { user, subject: Subject { issuer, subject } } => {
            let bound = ShownSubject::from(store.bind_subject(&user.into(), &issuer, &subject).await?);
            out.done(&bound, None, &format!("bound {} of {} to {}", bound.subject, bound.issuer, bound.username))?;
        }
        Verb::Unbind { user, subject: Subject { issuer, subject } } => {
            let ended = ShownSubject::from(store.unbind_subject(&user.into(), &issuer, &subject).await?);
            out.done(&ended, None, &format!("{} of {} is {} no longer", ended.subject, ended.issuer, ended.username))?;
        }
        Verb::Subjects { user } => {
            let list: Vec<_> = store.subjects(&user.into()).await?.into_iter().map(ShownSubject::from).collect();
            out.list(&list)?;
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
