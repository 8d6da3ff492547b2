//! The contract of every store, told as stories, and what is particular to the embedded one.
//!
//! A story takes a [`Backend`] and knows nothing of what is behind it; [`stories!`] runs it on every kind there is.

mod accounts;
mod candidates;
mod cli;
mod cli_asks;
mod cli_rights;
mod concurrency;
mod credentials;
mod feed;
mod gateway;
mod history;
mod jobs;
mod keysets;
mod memberships;
mod organizations;
mod passkeys;
mod people;
mod provider_logins;
mod rights;
mod second_factors;
mod shared;
mod startup;
mod tokens;
mod users;

use crate::support::postgres::{Database, Server};
use async_trait::async_trait;
use postern::directory::name::{Email, Slug};
use postern::directory::postgres::{self, PostgresStore, Target};
use postern::directory::sqlite::{Options, SqliteStore};
use postern::directory::token::Token;
use postern::directory::{
    Blank, Directory, DirectoryError, MembershipRecord, NewMembership, NewOrganization, NewScope, NewToken, NewUser,
    OrganizationRecord, Rules, TokenRecord, UserRecord, View, Viewer,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A private, empty database, and the ways into it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store under test.
    fn store(&self) -> Arc<View>;
    /// The same database as another process opens it.
    async fn another(&self) -> Arc<View>;
    /// Raw SQL on a connection of its own; how many rows it changed, or why it was refused.
    fn sql(&self, sql: &str) -> Result<usize, String>;
    /// Every byte that is on disk.
    fn bytes(&self) -> Vec<u8>;
    /// Makes users `u0`, `u1` … by raw SQL, so many of them.
    fn crowd(&self, count: u32);
}

/// The embedded store in a directory that goes with it.
pub struct Sqlite {
    store: Arc<View>,
    directory: TempDir,
}

impl Sqlite {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = open(&directory.path().join("postern.db"));
        Self { store, directory }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("postern.db")
    }
}

fn open(path: &std::path::Path) -> Arc<View> {
    let store = SqliteStore::open(path, Options { busy: Duration::from_secs(30), ..Options::default() }).unwrap();
    Arc::new(Directory::from(store).as_seen_by(Viewer::Operator))
}

#[async_trait]
impl Backend for Sqlite {
    fn store(&self) -> Arc<View> {
        Arc::clone(&self.store)
    }

    async fn another(&self) -> Arc<View> {
        open(&self.path())
    }

    fn sql(&self, sql: &str) -> Result<usize, String> {
        // As an operator's shell: nothing set, foreign keys off.
        let db = rusqlite::Connection::open(self.path()).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        db.busy_timeout(Duration::from_secs(30)).unwrap();
        db.execute(sql, []).map_err(|e| e.to_string())
    }

    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    fn crowd(&self, count: u32) {
        let sql = format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
             INSERT INTO users (id, username) SELECT printf('00000000-0000-4000-8000-%012d', i), 'u' || i FROM n"
        );
        assert_eq!(self.sql(&sql), Ok(count as usize));
    }
}

/// The shared store in a database of the run's PostgreSQL.
pub struct Postgres {
    store: Arc<View>,
    database: Database,
}

impl Postgres {
    pub async fn new() -> Self {
        let database = Server::shared().database();
        Self { store: open_postgres(&database.url()).await, database }
    }
}

pub async fn open_postgres(url: &str) -> Arc<View> {
    let options = postgres::Options { connections: 4, ..postgres::Options::default() };
    let store = PostgresStore::open(&Target::parse(url).unwrap(), options).await.unwrap();
    Arc::new(Directory::from(store).as_seen_by(Viewer::Operator))
}

#[async_trait]
impl Backend for Postgres {
    fn store(&self) -> Arc<View> {
        Arc::clone(&self.store)
    }

    async fn another(&self) -> Arc<View> {
        open_postgres(&self.database.url()).await
    }

    fn sql(&self, sql: &str) -> Result<usize, String> {
        self.database.server.execute(&self.database.name, sql).map(|rows| rows.try_into().unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        self.database.server.bytes(&self.database.name)
    }

    fn crowd(&self, count: u32) {
        let sql = format!(
            "INSERT INTO users (id, username)
             SELECT ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'u' || i FROM generate_series(0, {count} - 1) i"
        );
        assert_eq!(self.sql(&sql), Ok(count as usize));
    }
}

/// Runs stories on every kind of store; those behind `sqlite:` on that one.
macro_rules! stories {
    ($($story:ident),* $(,)? $(; sqlite: $($only:ident),* $(,)?)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story(&crate::directory::Sqlite::new()).await;
            })*
            $($(#[tokio::test]
            async fn $only() {
                super::$only(&crate::directory::Sqlite::new()).await;
            })*)?
        }
        mod postgres {
            $(#[tokio::test]
            async fn $story() {
                super::$story(&crate::directory::Postgres::new().await).await;
            })*
        }
    };
}
use stories;

// Short words for the stories' beginnings.

pub async fn user(store: &View, username: &str) -> UserRecord {
    store.create_users(vec![NewUser::named(username).unwrap()]).await.unwrap().remove(0)
}

pub async fn user_with_email(store: &View, username: &str, email: &str) -> Result<UserRecord, DirectoryError> {
    let new = NewUser { email: Some(Email::new(email).unwrap()), ..NewUser::named(username).unwrap() };
    store.create_users(vec![new]).await.map(|mut made| made.remove(0)).map_err(|e| e.error)
}

pub async fn organization(store: &View, name: &str) -> OrganizationRecord {
    store.create_organizations(vec![NewOrganization::named(name).unwrap()]).await.unwrap().remove(0)
}

pub async fn organization_with_slug(store: &View, slug: &str) -> Result<OrganizationRecord, DirectoryError> {
    let new = NewOrganization { slug: Blank(Some(Slug::new(slug).unwrap())), ..NewOrganization::named("Any").unwrap() };
    store.create_organizations(vec![new]).await.map(|mut made| made.remove(0)).map_err(|e| e.error)
}

pub async fn join(store: &View, organization: &str, user: &str, is_admin: bool) -> MembershipRecord {
    let new = NewMembership { user: user.into(), organization: organization.into(), is_admin };
    store.create_memberships(vec![new]).await.unwrap().remove(0)
}

pub async fn token(store: &View, user: &str) -> (Token, TokenRecord) {
    let token = Token::generate(store.directory().checksum_key()).unwrap();
    let name = postern::directory::name::Text::empty();
    let new =
        NewToken { user: user.into(), digest: token.digest(), name, expires_at: None, scope: NewScope::default() };
    let record = store.create_tokens(vec![new]).await.unwrap().remove(0);
    (token, record)
}

/// The directory as a user sees it who manages what they manage.
pub async fn as_manager(store: &View, username: &str) -> View {
    let user = store.user(&username.into()).await.unwrap().id;
    let snapshot = store.directory().user_snapshot(user).await.unwrap().unwrap();
    store.directory().as_seen_by(Viewer::of(Arc::new(snapshot), Rules::Safe))
}
