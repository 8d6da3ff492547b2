//! The directory: users, organizations, memberships, owners, rights, people and their credentials, with their rules.
//!
//! [`Directory`] is what everybody else holds; a [`View`] is the same as somebody sees it ([`Viewer`]), with the operations. They
//! stand in the file of their noun (`users`, `memberships`, `roles` …), each one transaction with its statements, its rules and its
//! notes for the [`audit`] log; `tx` and `sql` are what they are written in. `engine` takes them to [`sqlite`], a file of this process,
//! or to [`postgres`], a server that many replicas share. `facts` is what the data path asks, which each engine answers in its own way; a
//! [`position::Position`] tells how far somebody is in the outbox of changes.
//!
//! `resources` defines the records, once for everybody; `records` reads and writes them by that, `list` lists them. [`name`] holds the
//! checked words (a username, an e-mail address, a slug), [`token`] the bearer tokens. What goes wrong is a [`DirectoryError`], or, for the
//! gateway, a [`StoreError`]. `tests/it/directory` tells the rules as stories, and runs them on both engines.

mod answers;
pub mod audit;
mod bulk;
mod candidates;
mod credentials;
mod device_logins;
mod emails;
pub mod encryption;
mod engine;
mod error;
mod export;
mod facts;
mod fields;
mod grants;
mod group_permissions;
mod groups;
mod growth;
mod history;
mod import;
mod jobs;
mod keyset;
mod list;
mod logins;
mod lookup;
mod memberships;
#[cfg(test)]
mod memory;
pub mod name;
mod once;
mod organizations;
mod ownership;
mod passkeys;
mod people;
mod permission_holder;
mod permissions;
pub mod position;
pub mod postgres;
mod proof;
mod provider_logins;
mod records;
mod resources;
mod roles;
pub mod schema;
mod second_factors;
mod selector;
mod sessions;
mod sql;
pub mod sqlite;
mod store;
mod terms;
pub mod token;
mod tokens;
mod tx;
mod usernames;
mod users;
mod viewer;

pub use answers::Repeatable;
pub use bulk::{Changed, MOST_AT_ONCE};
pub use candidates::{HeldRole, Holders};
pub use credentials::{NewSession, Revocation, SessionSnapshot, SubjectRecord, UserKey};
pub use device_logins::{DeviceAnswer, INTERVAL, NewDeviceLogin, WaitingDevice};
pub use engine::{Directory, View};
pub use error::{BatchError, DirectoryError, Noun, StoreError, Unique};
pub use export::{ExportError, ExportedGroup, ExportedMembership, ExportedUser};
pub use fields::{CustomFields, DeclaredFields, FieldType, UnfitFields};
pub use grants::{BundleEdit, GrantRecord, Grants, Through};
pub use group_permissions::{GroupPermission, GroupWithPermissions};
pub use growth::{Count, Growth};
pub use history::HistoryOf;
pub use import::{Import, ImportReport, ImportStream, ImportedToken, ImportedUser, Micros, Sender, SkippedRecord};
pub use jobs::{Aging, JobRecord, Notice};
pub use keyset::{Keyset, Place, Reach};
pub use list::{List, Page, Rows};
pub use logins::{LoginCandidate, LoginQuery, NewSealedToken, SealedToken};
pub use once::Once;
pub use passkeys::{KnownPasskey, NewPasskey, PasskeyKept, PasskeyRecord, PasskeyUse, PasskeyUsed};
pub use people::{Keyed, NewPerson, Person, PersonEdit, Taken, TieChange, UserWords, by_model};
pub use position::Position;
pub use proof::{Factor, FactorProof};
pub use provider_logins::{ProviderEntry, ProviderLogin, Ties};
pub use resources::{
    Blank, EmailEdit, EmailRecord, Field, Given, GroupRecord, HasPassword, HistoryRecord, Input, Kind,
    MembershipRecord, NewEmail, NewGroup, NewMembership, NewOrganization, NewPermission, NewRole, NewScope, NewToken,
    NewUser, OrganizationEdit, OrganizationRecord, PermissionEdit, PermissionRecord, Resource, RoleRecord, TokenEdit,
    TokenRecord, UserEdit, UserRecord, Writer, record_of,
};
pub use selector::{GroupSelector, OrgSelector, RoleSelector, Scope, UserSelector};
pub use sessions::SessionRecord;
pub use sql::{Cell, Value};
pub use store::{Change, Changes, MEMBERS_AT_MOST, OrgRef, TokenSnapshot};
pub use usernames::{People, Usernames, UsernamesChange, login_of};
pub use viewer::{Rules, Viewer};
