//! The directory: users, organizations, memberships, owners, rights, people and their credentials, with their rules.
//!
//! [`Directory`] is what everybody else holds. Its operations stand in the file of their noun (`users`, `memberships`, `roles` …),
//! each one transaction with its statements, its rules and its notes for the [`audit`] log; `tx` and `sql` are what they are
//! written in. `engine` takes them to [`sqlite`], a file of this process, or to [`postgres`], a server that many replicas share.
//! `facts` is what the data path asks, which each engine answers in its own way; a [`position::Position`] tells how far somebody
//! is in the outbox of changes.
//!
//! [`name`] holds the checked words (a username, an e-mail address, a slug), [`token`] the bearer tokens; `model` and `rights` the
//! records and what creates or edits them. What goes wrong is a [`DirectoryError`], or, for the gateway, a [`StoreError`].
//! `tests/it/directory` tells the rules as stories, and runs them on both engines.

pub mod audit;
mod credentials;
mod emails;
pub mod encryption;
mod engine;
mod error;
mod facts;
mod groups;
mod import;
mod logins;
mod memberships;
#[cfg(test)]
mod memory;
mod model;
pub mod name;
mod organizations;
mod permission_holder;
mod permissions;
pub mod position;
pub mod postgres;
mod profile;
mod rights;
mod roles;
pub mod schema;
mod sql;
pub mod sqlite;
mod store;
pub mod token;
mod tokens;
mod tx;
mod users;

pub use credentials::{NewSession, Revocation, SessionSnapshot, SubjectRecord, UserKey};
pub use emails::{EmailRecord, NewEmail};
pub use engine::Directory;
pub use error::{BatchError, DirectoryError, Noun, StoreError, Unique};
pub use import::{
    Import, ImportReport, ImportStream, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken,
    ImportedUser, Micros, Sender, SkippedRecord,
};
pub use logins::{LoginCandidate, LoginQuery, NewSealedToken, SealedToken};
pub use model::{
    Actor, MembershipFilter, MembershipRecord, NewMembership, NewOrganization, NewToken, NewUser, OrgSelector,
    OrganizationEdit, OrganizationRecord, Page, TokenEdit, TokenRecord, UserEdit, UserRecord, UserSelector,
};
pub use position::Position;
pub use profile::{Profile, ProfileEdit};
pub use rights::{
    BundleEdit, GrantRecord, Grants, GroupRecord, GroupSelector, NewGroup, NewPermission, NewRole, PermissionEdit,
    PermissionRecord, RoleFilter, RoleOrganization, RoleRecord, RoleSelector, Scope, Through,
};
pub use store::{Change, Changes, MEMBERS_AT_MOST, OrgRef, TokenSnapshot};
