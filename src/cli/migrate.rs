//! `postern migrate`: brings the schema of the database up to date, or tells whether it is.

use super::moment::stamp;
use super::output::{Exit, Output, Record};
use super::store::{make_data_dir, sqlite_path};
use crate::clock;
use crate::directory::sqlite;
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
    const FIELDS: &'static [&'static str] = &["version", "name", "state", "applied"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

/// Runs the command on the database that the URL names.
///
/// # Errors
/// The database cannot be opened; see [`sqlite::OpenError`].
pub fn run(args: &Args, database_url: &str, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let path = sqlite_path(database_url)?;
    if !args.status {
        make_data_dir(&path)?;
    }
    let new = if args.status { Vec::new() } else { sqlite::migrate(&path, BUSY, clock::unix_seconds())? };
    let steps: Vec<Step> = sqlite::status(&path, BUSY)?
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
    match (pending, new.len()) {
        (0, 0) => out.note(&format!("{} is up to date", path.display())),
        (0, count) => out.note(&format!("applied {count} to {}", path.display())),
        (count, _) => out.note(&format!("{count} pending for {}: run `postern migrate`", path.display())),
    }
    Ok(if pending == 0 { Exit::Ok } else { Exit::No })
}
