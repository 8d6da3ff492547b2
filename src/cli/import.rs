//! `postern import openwisp`: an existing OpenWISP or Django installation, or its dump, into the directory.

use super::bar::Bar;
use super::output::{Exit, Output};
use crate::config::Config;
use crate::directory::encryption::Sealer;
use crate::directory::{Directory, ImportReport, ImportStream};
use crate::import::dump::Dump;
use crate::import::live::Live;
use crate::import::openwisp::{self, ReadError};
use crate::import::{Source, SourceError, TABLES, TELLTALE, anchor, table_name};
use serde::Serialize;
use std::io::Write;

/// Import: openwisp
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(clap::Subcommand)]
enum From {
    /// Users with their passwords, organizations, memberships, owners, groups, permissions, e-mail addresses and tokens of
    /// openwisp-users. May be repeated, also after it was interrupted: what is there already is brought up to date
    #[command(group(clap::ArgGroup::new("source").required(true)))]
    Openwisp {
        /// A live database: postgres://USER@HOST/DATABASE. It is only read
        #[arg(long, value_name = "URL", group = "source")]
        from: Option<String>,
        /// Dumps as pg_dump writes them, the schema's before the data's, or SQLite's .dump; - is the standard input
        #[arg(long, value_name = "FILE", num_args = 1.., group = "source")]
        sql: Vec<String>,
        /// The Django app of users, where its models were swapped
        #[arg(long, value_name = "NAME", default_value = "openwisp_users")]
        app: String,
        /// The schema whose tables count, or DATABASE.SCHEMA, where several have them
        #[arg(long, value_name = "NAME")]
        schema: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What was done, as it is shown.
#[derive(Serialize)]
struct Shown<'r> {
    kept: serde_json::Map<String, serde_json::Value>,
    left_out: &'r [crate::directory::SkippedRecord],
    left_out_besides: usize,
}

/// Runs the command.
///
/// # Errors
/// What it is to read cannot be read, or is no such installation; the store fails.
pub async fn run(args: Args, config: &Config, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    let From::Openwisp { from, sql, app, schema, json } = args.from;
    out.set_json(json);
    let sealer = match &config.identity.accounts.token_key {
        Some(key) => Some(Sealer::new(&key.text()?)?),
        None => None,
    };
    let mut source: Box<dyn Source> = match from {
        Some(url) => Box::new(Live::begin(&url, &app, schema.as_deref()).await?),
        None => {
            let app = app.clone();
            Box::new(tokio::task::spawn_blocking(move || scan(&sql, &app, schema.as_deref())).await??)
        }
    };
    // One reads and makes records, the other keeps them: neither waits for all of the other's work.
    let (sender, pieces) = ImportStream::channel();
    let (is_sealed, usernames) = (sealer.is_some(), store.usernames().await?);
    let reader = tokio::task::spawn_blocking(move || {
        let mut bar = Bar::new("importing");
        let done = openwisp::read(&mut *source, &app, sealer.as_ref(), usernames, sender, &mut |done, total| {
            bar.tell(done, total)
        });
        bar.end();
        done
    });
    let report = store.import(pieces).await;
    let absent = match reader.await? {
        Ok(absent) => absent,
        // Then the store says why.
        Err(ReadError::NotWanted) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let report = report?;
    for table in absent {
        out.note(&format!("there is no table `{table}`: nothing of it was imported"));
    }
    if !is_sealed && kept(&report, "token") > 0 {
        out.note(
            "the configuration has no identity.token.key: tokens stay valid, but a login will not tell them again",
        );
    }
    if json {
        show_json(&report)?
    } else {
        show(&report, out)
    }
    if kept(&report, "user") > 0 {
        return Ok(Exit::Ok);
    }
    let why = if report.skipped.is_empty() { ": is this the schema alone?" } else { "" };
    out.note(&format!("error: no user was imported{why}"));
    Ok(Exit::No)
}

/// How many of a kind are in.
fn kept(report: &ImportReport, kind: &str) -> usize {
    report.kept.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
}

fn scan(files: &[String], app: &str, schema: Option<&str>) -> Result<Dump, SourceError> {
    let tables: Vec<String> = TABLES.into_iter().map(|name| table_name(name, app)).collect();
    let wanted = |name: &str| name.ends_with(TELLTALE) || tables.iter().any(|wanted| wanted == name);
    let mut bar = Bar::new("looking");
    let dump = Dump::scan(files, wanted, |done, total| bar.tell(done, total));
    bar.end();
    let mut dump = dump?;
    dump.choose(&anchor(app), schema)?;
    Ok(dump)
}

fn show_json(report: &ImportReport) -> anyhow::Result<()> {
    let kept = report.kept.iter().map(|(kind, count)| ((*kind).to_owned(), (*count).into())).collect();
    let shown = Shown { kept, left_out: &report.skipped, left_out_besides: report.unnamed };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&shown)?)?;
    Ok(())
}

fn show(report: &ImportReport, out: &mut Output) {
    for (kind, count) in &report.kept {
        out.note(&format!("{count:>7} {kind}s").replace("addresss", "addresses"));
    }
    for skipped_record in &report.skipped {
        out.note(&format!("left out: {} {}: {}", skipped_record.kind, skipped_record.record, skipped_record.problem));
    }
    if report.unnamed > 0 {
        out.note(&format!("left out: {} more", report.unnamed));
    }
}
