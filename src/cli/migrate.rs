//! `postern migrate`: brings the schema of the database up to date, or tells whether it is.

use super::moment::stamp;
use super::output::{Exit, Output, Record};
use super::store::{make_data_dir, sqlite_path};
use crate::clock;
use crate::config::Database;
use crate::directory::schema::Status;
use crate::directory::{postgres, sqlite};
use anyhow::bail;
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
    /// Only tell what would be put on Django's tables, with `schema: openwisp`
    #[arg(long, conflicts_with = "status")]
    dry_run: bool,
    /// Take all that is postern's out of OpenWISP's database, with all that it keeps there
    #[arg(long, conflicts_with_all = ["status", "dry_run"])]
    uninstall: bool,
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

/// A trigger of a table of Django's.
#[derive(Serialize)]
struct Trigger {
    table: String,
    trigger: String,
    statement: String,
}

impl Record for Trigger {
    const COLUMNS: &'static [&'static str] = &["table", "trigger", "statement"];
}

/// Runs the command on the database.
///
/// # Errors
/// The database cannot be opened; see [`sqlite::OpenError`] and [`postgres::OpenError`].
pub async fn run(args: &Args, database: &Database, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    if args.dry_run || args.uninstall {
        return live(args, database, out).await;
    }
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

/// What is about Django's tables alone.
async fn live(args: &Args, database: &Database, out: &mut Output) -> anyhow::Result<Exit> {
    let Database::Postgres(postgres) = database else { bail!(NO_DJANGO) };
    let (target, options) = (postgres.target()?, postgres::Options::default());
    let Some(openwisp) = target.openwisp() else { bail!(NO_DJANGO) };
    let (schema, place) = (openwisp.schema(), postgres.place());
    if args.uninstall {
        let done = postgres::uninstall(&target, &options).await?;
        out.note(&if done {
            format!("the schema {schema} of {place} is gone, with all triggers on Django's tables")
        } else {
            format!("nothing of postern's is in {place}")
        });
        return Ok(Exit::Ok);
    }
    let watches = postgres::plan(&target, &options).await?;
    let triggers =
        watches.into_iter().map(|watch| Trigger { table: watch.table, trigger: watch.name, statement: watch.sql });
    let triggers: Vec<_> = triggers.collect();
    out.list(&triggers)?;
    out.note(&format!(
        "{} triggers on Django's tables, and a schema {schema} of postern's own, in {place}; nothing else there is changed",
        triggers.len()
    ));
    Ok(Exit::Ok)
}

const NO_DJANGO: &str = "this is for `schema: openwisp` in the configuration, and a `postgres://` database";

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
