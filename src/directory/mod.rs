//! The directory: users, organizations, memberships, owners, rights and tokens, their rules, and the stores that keep them.
//!
//! [`name`] holds the checked words (a username, an e-mail address, a slug), [`token`] the bearer tokens. `model` has the
//! records and what creates or edits them, `rights` those of permissions, groups and roles; [`Store`] is what every store
//! can do: the gateway's reads, and the operations
//! on the directory, each with its rules. [`sqlite`] is the embedded store, [`postgres`] the one that many replicas share;
//! a [`position::Position`] tells how far somebody is in a store's outbox. A contract suite (`tests/it/directory`) tells
//! the rules as stories and runs on every store. What goes wrong is a [`DirectoryError`], or, for the gateway, a
//! [`StoreError`].

pub mod audit;
mod credentials;
mod error;
mod import;
mod model;
pub mod name;
mod people;
pub mod position;
pub mod postgres;
mod rights;
pub mod schema;
pub mod seal;
pub mod sqlite;
mod store;
pub mod token;

pub use credentials::{Credentials, NewSession, Revocation, SessionSnapshot, SubjectRecord, UserKey};
pub use error::{BatchError, DirectoryError, Noun, StoreError, Unique};
pub use import::{
    Import, ImportReport, ImportedEmail, ImportedMembership, ImportedOrganization, ImportedToken, ImportedUser, Micros,
    Misfit, Pieces, Sender,
};
pub use model::{
    Actor, MembershipFilter, MembershipRecord, NewMembership, NewOrganization, NewToken, NewUser, OrgSelector,
    OrganizationEdit, OrganizationRecord, Page, TokenEdit, TokenRecord, UserEdit, UserRecord, UserSelector,
};
pub use people::{
    EmailRecord, LoginCandidate, LoginQuery, NewEmail, NewSealedToken, People, Profile, ProfileEdit, SealedToken,
};
pub use position::Position;
pub use rights::{
    BundleEdit, GrantRecord, Grants, GroupRecord, GroupSelector, NewGroup, NewPermission, NewRole, PermissionEdit,
    PermissionRecord, RoleFilter, RoleOrganization, RoleRecord, RoleSelector, Scope, Through,
};
pub use store::{Change, Changes, MEMBERS_AT_MOST, OrgRef, Store, TokenSnapshot};
