//! The terms on which something is changed: while a record is still what somebody has read, and once, however often it is asked for
//! ([`super::answers`]). They are looked at in the transaction that changes it, when nobody else can; so of many who have read the same,
//! or ask for the same, one does it.

use super::answers::Keep;
use super::engine::View;
use super::error::{DirectoryError, StoreError};
use super::resources::{
    EmailRecord, MembershipRecord, OrganizationRecord, PermissionRecord, RoleRecord, TokenRecord, UserRecord,
};
use super::selector::RoleSelector;
use super::tx::{Tx, Work};
use super::{GroupWithPermissions, Person, emails, memberships, people, roles, tokens};
use crate::id::{GroupId, OrgId, PermissionId, RoleId, TokenId, UserId};
use std::any::Any;
use std::sync::Arc;

/// Looks at terms within a transaction.
pub(super) type Check = Arc<dyn for<'t, 'c> Fn(&'t Tx<'c>) -> Work<'t, (), DirectoryError> + Send + Sync>;

/// The terms of a [`View`]'s changes; none where nothing is said.
#[derive(Clone, Default)]
pub(super) struct Terms {
    pub(super) check: Option<Check>,
    pub(super) keep: Option<Keep>,
}

impl Terms {
    fn checking(
        self,
        check: impl for<'t, 'c> Fn(&'t Tx<'c>) -> Work<'t, (), DirectoryError> + Send + Sync + 'static,
    ) -> Self {
        Self { check: Some(Arc::new(check)), ..self }
    }

    pub(super) fn are_any(&self) -> bool {
        self.check.is_some() || self.keep.is_some()
    }

    /// Before anything is changed.
    pub(super) async fn begin(&self, tx: &Tx<'_>) -> Result<(), DirectoryError> {
        if let Some(keep) = &self.keep {
            keep.begin(tx).await?;
        }
        match &self.check {
            Some(check) => check(tx).await,
            None => Ok(()),
        }
    }

    /// What is to be kept of what was done.
    pub(super) fn answer(&self, done: &dyn Any) -> Result<Option<Vec<u8>>, StoreError> {
        self.keep.as_ref().map(|keep| keep.answer(done)).transpose()
    }

    /// When all is done.
    pub(super) async fn end(&self, tx: &Tx<'_>, answer: Option<Vec<u8>>) -> Result<(), DirectoryError> {
        match (&self.keep, answer) {
            (Some(keep), Some(answer)) => keep.end(tx, &answer).await,
            _ => Ok(()),
        }
    }
}

/// Views that change something only while a record is as `holds` wants it: the row that whoever changes it locks, and how it is read.
macro_rules! while_it_is {
    ($($name:ident($key:ident: $key_type:ty) locks $table:expr, $row:expr; reads $record:ty as |$tx:ident| $found:expr;)*) => {
        impl View {$(
            /// The same, in which nothing is changed once this record is another than `holds` wants: [`DirectoryError::Changed`].
            #[must_use]
            pub fn $name(&self, $key: $key_type, holds: impl Fn(&$record) -> bool + Send + Sync + 'static) -> Self {
                let holds = Arc::new(holds);
                self.on(self.terms().checking(move |$tx| {
                    let (holds, $key) = (Arc::clone(&holds), Clone::clone(&$key));
                    Box::pin(async move {
                        $tx.session.lock($table, &$row).await?;
                        let found: $record = $found.await?;
                        if holds(&found) { Ok(()) } else { Err(DirectoryError::Changed) }
                    })
                }))
            }
        )*}
    };
}

while_it_is! {
    while_user(id: UserId) locks "users", id; reads UserRecord as |tx| tx.find("u.id = $1", &[&id], id);
    while_person(user: UserId) locks "users", user; reads Person as |tx| people::find(tx, user);
    while_organization(id: OrgId) locks "organizations", id; reads OrganizationRecord as |tx| tx.find("o.id = $1", &[&id], id);
    while_group(id: GroupId) locks "groups", id; reads GroupWithPermissions as |tx| tx.find("b.id = $1", &[&id], id.0);
    while_email(key: (UserId, i64)) locks "users", key.0; reads EmailRecord as |tx| emails::find(tx, key.0, key.1);
    while_membership(key: (OrgId, UserId)) locks "users", key.1;
        reads MembershipRecord as |tx| memberships::of(tx, key.0, key.1);
    while_role(key: (RoleId, RoleSelector)) locks roles::table(&key.1), key.0; reads RoleRecord as |tx| roles::find(tx, &key.1);
    while_permission(id: PermissionId) locks "permissions", id; reads PermissionRecord as |tx| tx.find("p.id = $1", &[&id], id.0);
    while_token(id: TokenId) locks "tokens", id; reads TokenRecord as |tx| tokens::find(tx, id);
}

impl View {
    /// That nothing stands against a change, where nothing is to be changed.
    ///
    /// # Errors
    /// The terms do not hold.
    pub async fn holds(&self) -> Result<(), DirectoryError> {
        if self.terms().are_any() { self.write(|_| Box::pin(async { Ok(()) })).await } else { Ok(()) }
    }
}
