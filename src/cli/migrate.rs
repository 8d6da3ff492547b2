//! `postern migrate`: brings the schema of the database up to date, or tells whether it is.

use super::moment::stamp;
use super::output::{Exit, Output, Record};
use super::store::{make_data_dir, sqlite_path};
use crate::clock;
use crate::config::Database;
use crate::directory::schema::Status;
use crate::directory::{postgres, sqlite};
use serde::Serialize;
use std::time::Duration;

/// How long to wait for another process.
const BUSY: Duration = Duration::from_secs(10);

/// Bring the schema of the database up to date
#[derive(clap::Args)]
pub struct Args {
    /// Only tell what is applied and what is pending; exit 1 where something is pending
    #[arg(long)]
    status: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A step of the schema.
#[derive(Serialize)]
struct Step {
    version: u32,
    name: &'static str,
    state: &'static str,
    applied: Option<String>,
}

impl Record for Step {
    const COLUMNS: &'static [&'static str] = &["version", "name", "state", "applied"];
}

/// Runs the command on the database.
///
/// # Errors
/// The database cannot be opened; see [`sqlite::OpenError`] and [`postgres::OpenError`].
pub async fn run(args: &Args, database: &Database, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let new = if args.status { 0 } else { apply(database).await? };
    let (place, steps) = status(database).await?;
    let steps: Vec<Step> = steps
        .into_iter()
        .map(|step| Step {
            version: step.migration.version,
            name: step.migration.name,
            state: if step.applied.is_some() { "applied" } else { "pending" },
            applied: step.applied.map(stamp),
        })
        .collect();
    out.list(&steps)?;
    let pending = steps.iter().filter(|step| step.state == "pending").count();
    match (pending, new) {
        (0, 0) => out.note(&format!("{place} is up to date")),
        (0, count) => out.note(&format!("applied {count} to {place}")),
        (count, _) => out.note(&format!("{count} pending for {place}: run `postern migrate`")),
    }
    Ok(if pending == 0 { Exit::Ok } else { Exit::No })
}

/// Applies what is pending; how many steps those were.
async fn apply(database: &Database) -> anyhow::Result<usize> {
    Ok(match database {
        Database::Sqlite(url) => {
            let path = sqlite_path(url)?;
            make_data_dir(&path)?;
            sqlite::migrate(&path, BUSY, clock::unix_seconds())?.len()
        }
        Database::Postgres(database) => {
            postgres::migrate(&database.target()?, &postgres::Options::default()).await?.len()
        }
    })
}

/// Where the database is, and what of its schema is applied: nothing, where there is no file yet. Changes nothing.
///
/// # Errors
/// It cannot be used.
pub async fn status(database: &Database) -> anyhow::Result<(String, Vec<Status>)> {
    match database {
        Database::Sqlite(url) => {
            let path = sqlite_path(url)?;
            let steps = sqlite::status(&path, BUSY)?;
            Ok((path.display().to_string(), steps))
        }
        Database::Postgres(database) => {
            let steps = postgres::status(&database.target()?, &postgres::Options::default()).await?;
            Ok((database.place().to_owned(), steps))
        }
    }
}
