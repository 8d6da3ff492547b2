//! A directory in memory, for tests of the rules: one connection, neither threads nor files.

use super::audit::{Audit, Target, Who};
use super::tx::{Tx, Work};
use super::{DirectoryError, MembershipRecord, NewMembership, NewOrganization, NewUser, StoreError, sqlite};
use super::{memberships, organizations, users};
use rusqlite::Connection;

pub(super) struct Memory {
    db: Connection,
    audit: Option<Audit>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        sqlite::migrate::migrate(&mut db, 0).unwrap();
        Self { db, audit: None }
    }

    /// The same, with a log of what is changed from now on.
    pub(super) fn audited(self, target: Target) -> Self {
        Self { audit: Some(Audit { target, who: Who::Server }), ..self }
    }

    /// An operation that changes something, at second 7.
    pub(super) fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E>,
    ) -> Result<T, E> {
        sqlite::transaction(&mut self.db, false, || 7, self.audit.as_ref(), work)
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
