//! What can go wrong in the directory. Every message says what is wrong; [`DirectoryError::hint`] says what to do.

use std::fmt;

/// The store itself failed, whatever was asked of it.
///
/// Messages carry no value of the directory beyond file names and ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot answer now: locked, full, unreadable, stopped. Callers of the gateway see 503.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Its file was exchanged while it was open: nothing is heard of the new one before a restart. Callers of the gateway see 503.
    #[error("the store is unavailable: its file was replaced or removed: restart postern")]
    Replaced,
    /// The store, or this program, holds what it should not: a bug, or somebody's raw SQL.
    #[error("the store is broken: {0}")]
    Broken(String),
    /// The audit log cannot be written, so nothing is changed. Callers of the gateway see 503.
    #[error("the audit log {0}")]
    Unaudited(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    User,
    Organization,
    Membership,
    Token,
    Permission,
    Group,
    /// A role, or a super role.
    Role,
    /// A binding of an issuer's subject.
    Subject,
    /// An e-mail address of a user.
    Email,
    /// What happened to a record.
    History,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Email { "e-mail address" } else { self.word() })
    }
}

impl Noun {
    /// Its name in the audit log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Membership => "membership",
            Self::Token => "token",
            Self::Permission => "permission",
            Self::Group => "group",
            Self::Role => "role",
            Self::Subject => "subject",
            Self::Email => "email",
            Self::History => "history",
        }
    }
}

/// What only one record may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    Username,
    /// A user's e-mail address, whatever the case.
    Email,
    PhoneNumber,
    /// A user's key in a legacy system.
    UserExternalId,
    Slug,
    /// An organization's key in a legacy system.
    OrganizationExternalId,
    UserId,
    OrganizationId,
    /// The value of a token.
    Token,
    Permission,
    /// The name of a group.
    GroupName,
    /// The name of a role in its organization.
    RoleName,
    /// The name of a super role.
    SuperRoleName,
    /// A subject of an issuer.
    Subject,
    /// One of a user's addresses, or a verified one among all.
    EmailAddress,
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Username => "a user with this username",
            Self::Email => "a user with this e-mail address",
            Self::PhoneNumber => "a user with this phone number",
            Self::UserExternalId => "a user with this external id",
            Self::Slug => "an organization with this slug",
            Self::OrganizationExternalId => "an organization with this external id",
            Self::UserId => "a user with this id",
            Self::OrganizationId => "an organization with this id",
            Self::Token => "this token",
            Self::Permission => "this permission",
            Self::GroupName => "a group with this name",
            Self::RoleName => "a role with this name in this organization",
            Self::SuperRoleName => "a super role with this name",
            Self::Subject => "a binding of this subject to another user",
            Self::EmailAddress => "an e-mail address like this",
        })
    }
}

/// An operation on the directory was refused, or failed. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A value is not of the shape that its field needs.
    #[error("{field} is not valid: {problem}")]
    Invalid {
        /// The field, as flags and batch files name it.
        field: &'static str,
        /// What is wrong with the value; does not repeat it.
        problem: String,
    },
    /// There is no such record.
    #[error("no {noun} {}", super::token::quoted(reference))]
    NotFound {
        noun: Noun,
        /// As the caller referred to it.
        reference: String,
    },
    /// Several records go by the text that refers to one.
    #[error("`{reference}` is the name of more than one {noun}")]
    Ambiguous {
        noun: Noun,
        /// As the caller referred to it.
        reference: String,
    },
    /// Another record has a value that is unique.
    #[error("{unique} already exists{}", shown(value))]
    Taken {
        unique: Unique,
        /// The value; empty for tokens.
        value: String,
    },
    /// An organization, perhaps long gone, once had the slug.
    #[error("the slug `{slug}` was once used, and slugs are never reused")]
    SlugOnceUsed { slug: String },
    /// Only superusers change slugs.
    #[error("the slug of an organization can be changed by superusers only")]
    SlugImmutable,
    /// The user belongs to the organization already.
    #[error("`{user}` is already a member of `{organization}`")]
    AlreadyMember { user: String, organization: String },
    /// The user does not belong to the organization.
    #[error("`{user}` is not a member of `{organization}`")]
    NotMember { user: String, organization: String },
    /// The owner of an organization must stay a manager of it.
    #[error("`{user}` owns `{organization}` and cannot be demoted until ownership has moved")]
    OwnerDemoted { user: String, organization: String },
    /// The owner of an organization must stay a member of it.
    #[error("`{user}` owns `{organization}` and cannot be removed from it until ownership has moved")]
    OwnerRemoved { user: String, organization: String },
    /// Whose name is of an organization stays a member of it.
    #[error("the name of `{user}` is of `{organization}`, so they cannot be removed from it")]
    NameRemoved { user: String, organization: String },
    /// Where usernames are per organization, everybody but superusers has a primary one.
    #[error("`{user}` has no primary organization, and usernames are per organization")]
    NoPrimary { user: String },
    /// The organization is the primary one of users.
    #[error("`{organization}` is the primary organization of {users} user{}", if *users == 1 { "" } else { "s" })]
    PrimaryOfUsers { organization: String, users: u64 },
    /// Who owns organizations cannot be deleted.
    #[error("`{user}` owns {} and cannot be deleted until ownership has moved", ticked(organizations))]
    OwnerDeleted { user: String, organizations: Vec<String> },
    /// Only the owner or a superuser moves ownership.
    #[error("only the owner of `{organization}` or a superuser can move its ownership")]
    NotOwner { organization: String },
    /// A record is not any more what it was when it was read.
    #[error("it has changed since it was read")]
    Changed,
    /// The same was done meanwhile, for another request with the same key.
    #[error("a request with this key is being answered")]
    Repeated,
    /// A key belongs to a request, and this is another one.
    #[error("this key was sent with another request")]
    KeyOfAnother,
    /// The directory is Django's, and that is done there.
    #[error("{what}")]
    KeptByDjango { what: String },
    /// Somebody has as many of their own as they may give themselves.
    #[error("they have as many as they may have")]
    Enough,
    /// Whoever asks may not do that.
    #[error("they may not {what}")]
    Forbidden { what: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn shown(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(": `{value}`") }
}

fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl DirectoryError {
    /// An [`DirectoryError::Invalid`].
    pub fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    /// Whether what was to be made is there already.
    #[must_use]
    pub const fn is_there_already(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::AlreadyMember { .. })
    }

    /// The value that another record has, where it is this kind of value.
    #[must_use]
    pub fn taken(&self, kind: Unique) -> Option<&str> {
        match self {
            Self::Taken { unique, value } if *unique == kind => Some(value),
            _ => None,
        }
    }

    /// What kind of refusal it is, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::NotFound { .. } | Self::NotMember { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Taken { .. } | Self::AlreadyMember { .. } => "exists",
            Self::Forbidden { .. } => "forbidden",
            Self::Changed => "changed",
            Self::Store(_) => "unavailable",
            _ => "refused",
        }
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Invalid { .. }
            | Self::AlreadyMember { .. }
            | Self::SlugImmutable
            | Self::Repeated
            | Self::KeptByDjango { .. }
            | Self::KeyOfAnother => return None,
            Self::NotFound { noun: Noun::User, .. } => "name a user by id, username or e-mail address".into(),
            Self::NotFound { noun: Noun::Organization, .. } => "name an organization by id or slug".into(),
            Self::NotFound { noun: Noun::Token, .. } => "name a token by its id, as `token list` shows it".into(),
            Self::NotFound { noun: Noun::Membership, .. } => "see `member list`".into(),
            Self::NotFound { noun: Noun::History, .. } => "it was never written down, or is too old".into(),
            Self::NotFound { noun: Noun::Email, .. } => "name an address of the user by its number".into(),
            Self::NotFound { noun: Noun::Permission, reference } => {
                let name = super::token::quoted(reference);
                let name = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).unwrap_or("NAME");
                format!("permissions are made before they are granted: postern permission create {name}")
            }
            Self::NotFound { noun: Noun::Group, .. } => {
                "name a group by its name or id, as `group list` shows it".into()
            }
            Self::NotFound { noun: Noun::Role, .. } => {
                "say whose it is, --org ORG or --super; `role list` shows all roles".into()
            }
            Self::Ambiguous { noun: Noun::Role, .. } => "say whose it is, --org ORG or --super".into(),
            Self::Ambiguous { noun: Noun::User, .. } => {
                "write the primary organization before the name, as in acme/ann, or give the id".into()
            }
            Self::Ambiguous { noun, .. } => format!("name the {noun} by its id"),
            Self::NotFound { noun: Noun::Subject, .. } => "see `user subjects`".into(),
            Self::Taken { unique: Unique::Subject, .. } => "end the other binding first, with `user unbind`".into(),
            Self::Taken { unique: Unique::Token, .. } => "every token belongs to one user only".into(),
            Self::Taken { .. } => "choose another, or edit the record that has it".into(),
            Self::SlugOnceUsed { .. } => "choose another slug".into(),
            Self::NotMember { organization, .. } => {
                format!("add the user first: postern member add --org {organization} --user USER")
            }
            Self::OwnerDemoted { organization, .. } | Self::OwnerRemoved { organization, .. } => {
                format!("move ownership first: postern org owner {organization} --user OTHER_MEMBER")
            }
            Self::NameRemoved { .. } => "move it first: postern user organization USER --org OTHER".into(),
            Self::NoPrimary { .. } => {
                "name one of theirs: postern user organization USER --org ORG; at creation, --org ORG".into()
            }
            Self::PrimaryOfUsers { organization, .. } => format!(
                "move them first: postern user list --filter org={organization}, then postern user organization USER --org OTHER; or delete them"
            ),
            Self::OwnerDeleted { .. } => {
                "move ownership first (postern org owner ORG --user OTHER_MEMBER), or delete the organization".into()
            }
            Self::Changed => "read it again, and see whether your change is still meant".into(),
            Self::NotOwner { .. } => "ask the owner, or a superuser".into(),
            Self::Enough => "remove one of them first".into(),
            Self::Forbidden { .. } => "ask a superuser".into(),
            Self::Store(StoreError::Unavailable(_)) => {
                "try again; if it stays, see whether another process holds the database, and whether its disk is full"
                    .into()
            }
            Self::Store(StoreError::Replaced) => "restart postern: it opens the file that is there now".into(),
            Self::Store(StoreError::Unaudited(_)) => {
                "name a file that this user may write, `stderr` or `off` with `audit` of the configuration".into()
            }
            Self::Store(StoreError::Broken(_)) => "please report this, with the message".into(),
        })
    }
}

/// One item of a batch was refused; nothing of the batch is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {}: {error}", index + 1)]
pub struct BatchError {
    /// The position in the batch, from zero.
    pub index: usize,
    pub error: DirectoryError,
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        DirectoryError::from(error).into()
    }
}

impl From<DirectoryError> for BatchError {
    fn from(error: DirectoryError) -> Self {
        Self { index: 0, error }
    }
}
