//! Opening the database, with the checks that come before it is used.

use super::Options;
use super::connect::Target;
use super::migrate::{self, MigrateError};
use super::openwisp::Watch;
use super::problem::{OpenError, OpenProblem};
use crate::directory::schema::{Migration, Status};
use crate::directory::token::ChecksumKey;
use tokio_postgres::Client;

/// A database that can be used.
pub(super) struct Opened {
    /// What tells tokens of ours.
    pub(super) key: ChecksumKey,
    /// What tells this installation's database from others.
    pub(super) identity: String,
    /// Connections are sessions of our own, see [`Target::is_direct`].
    pub(super) direct: bool,
}

pub(super) async fn database(target: &Target, options: &Options) -> Result<Opened, OpenError> {
    let opened = async {
        let direct = target.is_direct(options.connect).await?;
        let mut db = ready(target, options).await?;
        migrate::migrate(&mut db, target.openwisp(), (options.now)()).await.map_err(schema)?;
        let sql = "SELECT value FROM settings WHERE name = 'token_checksum_key'";
        let row = db.query_typed_opt(sql, &[]).await.map_err(OpenProblem::of)?;
        let value: Option<Vec<u8>> = row.map(|row| row.try_get(0)).transpose().map_err(OpenProblem::of)?;
        let bytes = value.and_then(|value| <[u8; 32]>::try_from(value).ok()).ok_or(OpenProblem::KeyMissing)?;
        let sql = "SELECT coalesce((SELECT encode(value, 'hex') FROM settings WHERE name = 'epoch'), '')";
        let epoch = db.query_typed_one(sql, &[]).await.and_then(|row| row.try_get::<_, String>(0));
        let epoch = epoch.map_err(OpenProblem::of)?;
        Ok(Opened { key: ChecksumKey::new(bytes), identity: format!("postgres {epoch}"), direct })
    };
    opened.await.map_err(|problem| target.refused(problem))
}

/// Brings the schema up to date, and returns the steps that were missing.
///
/// # Errors
/// [`OpenError`].
pub async fn migrate(target: &Target, options: &Options) -> Result<Vec<&'static Migration>, OpenError> {
    let done = async {
        let mut db = ready(target, options).await?;
        migrate::migrate(&mut db, target.openwisp(), (options.now)()).await.map_err(schema)
    };
    done.await.map_err(|problem| target.refused(problem))
}

/// What is applied to the database and what is pending. Changes nothing.
///
/// # Errors
/// [`OpenError`].
pub async fn status(target: &Target, options: &Options) -> Result<Vec<Status>, OpenError> {
    let look = async {
        let db = ready(target, options).await?;
        migrate::status(&db, target.openwisp()).await.map_err(schema)
    };
    look.await.map_err(|problem| target.refused(problem))
}

/// What [`migrate()`] would put on tables of Django's. Changes nothing.
///
/// # Errors
/// [`OpenError`].
pub async fn plan(target: &Target, options: &Options) -> Result<Vec<Watch>, OpenError> {
    let look = async {
        let db = ready(target, options).await?;
        match target.openwisp() {
            Some(openwisp) => openwisp.plan(&db).await.map_err(schema),
            None => Ok(Vec::new()),
        }
    };
    look.await.map_err(|problem| target.refused(problem))
}

/// Takes all that is ours out of OpenWISP's database; whether there was anything.
///
/// # Errors
/// [`OpenError`].
pub async fn uninstall(target: &Target, options: &Options) -> Result<bool, OpenError> {
    let done = async {
        let mut db = ready(target, options).await?;
        match target.openwisp() {
            Some(openwisp) => migrate::uninstall(&mut db, openwisp).await.map_err(schema),
            None => Ok(false),
        }
    };
    done.await.map_err(|problem| target.refused(problem))
}

/// A connection to a server that postern can work with. It ends with the client.
pub(super) async fn ready(target: &Target, options: &Options) -> Result<Client, OpenProblem> {
    let (client, connection) = target.connect(options.connect).await?;
    // Its errors are the client's too.
    tokio::spawn(async move { drop(connection.await) });
    let row = client.query_typed_one("SELECT current_setting('server_version_num')::int, version()", &[]).await;
    let row = row.map_err(OpenProblem::of)?;
    let number: i32 = row.try_get(0).map_err(OpenProblem::of)?;
    if number < 130_000 {
        return Err(OpenProblem::TooOld(format!("{}", number / 10_000)));
    }
    Ok(client)
}

fn schema(error: MigrateError) -> OpenProblem {
    match error {
        MigrateError::Postgres(error) => OpenProblem::of(error),
        other => OpenProblem::Schema(other),
    }
}
