//! A directory in memory, for tests of the rules: one connection, neither threads nor files.

use super::audit::{Audit, Target, Who};
use super::error::{DirectoryError, StoreError};
use super::resources::{MembershipRecord, NewMembership, NewOrganization, NewUser};
use super::tx::{Caller, Tx, Work};
use super::viewer::{Rules, Viewer};
use super::{lookup, memberships, organizations, sqlite, users};
use crate::facts::{Permissions, Snapshot};
use crate::id::UserId;
use rusqlite::Connection;
use std::sync::Arc;

pub(super) struct Memory {
    db: Connection,
    caller: Caller,
}

impl Memory {
    pub(super) fn new() -> Self {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        sqlite::migrate::migrate(&mut db, 0).unwrap();
        Self { db, caller: Caller::default() }
    }

    /// The same, with a log of what is changed from now on.
    pub(super) fn audited(self, target: Target) -> Self {
        let audit = Some(Arc::new(Audit { target, who: Who::Server }));
        Self { caller: Caller { audit, ..self.caller }, ..self }
    }

    /// What comes is done by the operator.
    pub(super) fn as_operator(&mut self) {
        self.caller.viewer = Viewer::Operator;
    }

    /// … by a user who has these permissions everywhere.
    pub(super) fn as_manager(&mut self, username: &str, permissions: &[&str]) {
        let id = self.id_of(username);
        let snapshot = self.caller_snapshot(id);
        let everywhere = permissions.iter().map(|permission| Arc::from(*permission)).collect();
        let snapshot = snapshot.with_permissions(Permissions::new(everywhere, Vec::new()));
        self.caller.viewer = Viewer::of(Arc::new(snapshot), Rules::Safe);
    }

    /// … by a user, on what is their own.
    pub(super) fn as_oneself(&mut self, username: &str) {
        self.caller.viewer = Viewer::Oneself(self.id_of(username));
    }

    pub(super) fn as_superuser(&mut self, user: UserId) {
        self.caller.viewer = Viewer::Superuser(user, Rules::Safe);
    }

    pub(super) fn id_of(&mut self, username: &str) -> UserId {
        self.as_operator();
        let by = username.into();
        self.write(|tx| Box::pin(async move { lookup::user(tx, &by).await })).unwrap().id
    }

    fn caller_snapshot(&mut self, id: UserId) -> Snapshot {
        self.write::<_, StoreError>(|tx| Box::pin(tx.session.snapshot(id))).unwrap().unwrap()
    }

    /// An operation that changes something, at second 7.
    pub(super) fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E>,
    ) -> Result<T, E> {
        sqlite::transaction(&mut self.db, false, || 7, &self.caller, work)
    }

    pub(super) fn users(mut self, names: &[&str]) -> Self {
        for name in names {
            let new = NewUser::named(name).unwrap();
            self.write(|tx| Box::pin(users::create(tx, new))).unwrap();
        }
        self
    }

    pub(super) fn organization(mut self, name: &str) -> Self {
        let new = NewOrganization::named(name).unwrap();
        self.write(|tx| Box::pin(organizations::create(tx, new))).unwrap();
        self
    }

    pub(super) fn join(&mut self, slug: &str, user: &str, is_admin: bool) -> Result<MembershipRecord, DirectoryError> {
        let new = NewMembership { user: user.into(), organization: slug.into(), is_admin };
        self.write(|tx| Box::pin(memberships::create(tx, new)))
    }

    /// How many rows a table has.
    pub(super) fn count(&self, table: &str) -> i64 {
        self.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}
