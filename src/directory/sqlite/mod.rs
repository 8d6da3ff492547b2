//! The embedded store: one SQLite file, which commands may write while a server reads it.
//!
//! One thread writes, a few read, one follows the feed of changes; each owns a connection (`workers`). The file is in WAL
//! mode, so that readers never wait for the writer. Every operation is a function of a transaction, in the file of its
//! noun; this file only sends it to the right thread.

mod error;
mod feed;
mod gateway;
mod ids;
mod memberships;
pub mod migrate;
mod open;
mod organizations;
mod tokens;
mod users;
mod workers;

pub use open::{OpenError, OpenProblem, migrate, status};

use super::model::{
    Actor, MembershipFilter, MembershipRecord, NewMembership, NewOrganization, NewToken, NewUser, OrgSelector,
    OrganizationEdit, OrganizationRecord, Page, TokenEdit, TokenRecord, UserEdit, UserRecord, UserSelector,
};
use super::token::{ChecksumKey, TokenDigest};
use super::{BatchError, Changes, DirectoryError, OrgRef, Store, StoreError, TokenSnapshot};
use crate::id::{OrgId, TokenId, UserId};
use crate::{clock, facts};
use async_trait::async_trait;
use feed::Feed;
use open::Role;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;
use workers::Workers;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that read.
    pub readers: usize,
    /// How long to wait for another process's write before the store is unavailable.
    pub busy: Duration,
    /// The clock that stamps records: whole seconds since the Unix epoch.
    pub now: fn() -> i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, busy: Duration::from_secs(5), now: clock::unix_seconds }
    }
}

/// The embedded store.
pub struct SqliteStore {
    key: ChecksumKey,
    now: fn() -> i64,
    /// One thread: SQLite has one writer at a time.
    writer: Workers<Connection>,
    readers: Workers<Connection>,
    /// One thread: what the feed remembers belongs to its connection.
    feed: Workers<Feed>,
}

impl SqliteStore {
    /// Opens the database, makes it where there is none, and brings its schema up to date. Blocks while it does.
    ///
    /// # Errors
    /// [`OpenError`], which names the file and the remedy.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let Options { readers, busy, now } = options;
        let (db, key) = open::database(path, busy, now())?;
        let connector = |role| {
            let path = path.to_owned();
            move || Ok(open::connect(&path, role, busy)?)
        };
        let feed = connector(Role::Reader);
        let start = || -> std::io::Result<Self> {
            Ok(Self {
                key,
                now,
                writer: Workers::spawn("sqlite-writer", vec![Some(db)], connector(Role::Writer))?,
                readers: Workers::spawn(
                    "sqlite-reader",
                    (0..readers.max(1)).map(|_| None).collect(),
                    connector(Role::Reader),
                )?,
                feed: Workers::spawn("sqlite-feed", vec![None], move || feed().map(Feed::new))?,
            })
        };
        start().map_err(|error| OpenError { path: path.to_owned(), problem: OpenProblem::Other(error.to_string()) })
    }

    /// One consistent look.
    async fn read<T, E>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers
            .run(move |db| {
                let tx = db.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from)?;
                let seen = look(&tx)?;
                tx.commit().map_err(StoreError::from)?;
                Ok(seen)
            })
            .await
    }

    /// All of it or nothing. The work is given the time.
    async fn write<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let now = self.now;
        self.writer
            .run(move |db| {
                // Immediate: a lock that is taken only at the first write may fail without waiting.
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
                let now = now();
                let done = work(&tx, now)?;
                feed::trim(&tx, now).map_err(StoreError::from)?;
                tx.commit().map_err(StoreError::from)?;
                Ok(done)
            })
            .await
    }

    /// Does the same to every item, in one transaction.
    async fn write_all<N, T>(
        &self,
        items: Vec<N>,
        mut work: impl FnMut(&Transaction<'_>, N, i64) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<Vec<T>, BatchError>
    where
        N: Send + 'static,
        T: Send + 'static,
    {
        self.write(move |tx, now| {
            let each = |(index, item)| work(tx, item, now).map_err(|error| BatchError { index, error });
            items.into_iter().enumerate().map(each).collect()
        })
        .await
    }
}

/// SQLite's word for no limit is a negative one.
fn limit(page: Page) -> i64 {
    page.limit.map_or(-1, i64::from)
}

#[async_trait]
impl Store for SqliteStore {
    fn checksum_key(&self) -> &ChecksumKey {
        &self.key
    }

    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        let digest = *digest;
        self.read(move |tx| gateway::token_snapshot(tx, &digest)).await
    }

    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError> {
        self.read(move |tx| gateway::user_snapshot(tx, user)).await
    }

    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError> {
        let by = organization.clone();
        self.read(move |tx| gateway::find_organization(tx, &by)).await
    }

    async fn members_of(&self, organization: OrgId) -> Result<Vec<UserId>, StoreError> {
        self.read(move |tx| gateway::members_of(tx, organization)).await
    }

    async fn position(&self) -> Result<u64, StoreError> {
        self.feed.run(|feed| feed.position()).await
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        self.feed.run(move |feed| feed.changes(since)).await
    }

    async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        self.write(move |tx, _| gateway::touch_tokens(tx, &uses)).await
    }

    async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        self.write_all(users, users::create).await
    }

    async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| users::find(tx, &user)).await
    }

    async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.read(move |tx| users::list(tx, page)).await
    }

    async fn edit_user(&self, user: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, now| users::edit(tx, &user, edit, now)).await
    }

    async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, _| users::delete(tx, &user)).await
    }

    async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        self.write_all(organizations, organizations::create).await
    }

    async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.read(move |tx| organizations::find(tx, &organization)).await
    }

    async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
        self.read(move |tx| organizations::list(tx, page)).await
    }

    async fn edit_organization(
        &self,
        organization: &OrgSelector,
        edit: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx, now| organizations::edit(tx, &organization, edit, actor, now)).await
    }

    async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let (organization, to) = (organization.clone(), to.clone());
        self.write(move |tx, now| organizations::transfer(tx, &organization, &to, actor, now)).await
    }

    async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx, _| organizations::delete(tx, &organization)).await
    }

    async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        self.write_all(members, |tx, new, now| memberships::create(tx, &new, now)).await
    }

    async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.read(move |tx| memberships::select(tx, &organization, &user)).await
    }

    async fn memberships(
        &self,
        filter: &MembershipFilter,
        page: Page,
    ) -> Result<Vec<MembershipRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| memberships::list(tx, &filter, page)).await
    }

    async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx, now| memberships::edit(tx, &organization, &user, is_admin, now)).await
    }

    async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx, _| memberships::delete(tx, &organization, &user)).await
    }

    async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new, now| tokens::create(tx, &new, now)).await
    }

    async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.read(move |tx| tokens::find(tx, token)).await
    }

    async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| tokens::list(tx, user.as_ref(), page)).await
    }

    async fn edit_token(&self, token: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, _| tokens::edit(tx, token, edit)).await
    }

    async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, now| tokens::revoke(tx, token, now)).await
    }

    async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, _| tokens::delete(tx, token)).await
    }
}
