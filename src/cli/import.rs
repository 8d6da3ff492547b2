//! `postern import openwisp`: an existing OpenWISP or Django installation, or its dump, into the directory.

use super::output::{Exit, Output};
use crate::config::Config;
use crate::directory::seal::Sealer;
use crate::directory::{ImportReport, Progress, Store};
use crate::import::{TABLES, Tables, dump, live, openwisp, table_name};
use anyhow::Context;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Import: openwisp
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(clap::Subcommand)]
enum From {
    /// Users with their passwords, organizations, memberships, owners, groups, permissions, e-mail addresses and tokens of
    /// openwisp-users. May be repeated: what is there already is brought up to date
    Openwisp {
        /// A live database: postgres://USER@HOST/DATABASE. It is only read
        #[arg(long, value_name = "URL", required_unless_present = "sql")]
        from: Option<String>,
        /// Dumps as pg_dump writes them, the schema's before the data's; or one of SQLite's .dump
        #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "from")]
        sql: Vec<String>,
        /// The Django app of users, where its models were swapped
        #[arg(long, value_name = "NAME", default_value = "openwisp_users")]
        app: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What was done, as it is shown.
#[derive(Serialize)]
struct Shown<'r> {
    kept: serde_json::Map<String, serde_json::Value>,
    left_out: &'r [crate::directory::Misfit],
}

/// Runs the command.
///
/// # Errors
/// What it is to read cannot be read, or is no such installation; the store fails.
pub async fn run(args: Args, config: &Config, store: &dyn Store, out: &mut Output) -> anyhow::Result<Exit> {
    let From::Openwisp { from, sql, app, json } = args.from;
    out.set_json(json);
    let sealer = match &config.accounts.token_key {
        Some(key) => Some(Sealer::new(&key.text()?)?),
        None => None,
    };
    let tables = match from {
        Some(url) => live::read(&url, &app).await?,
        None => dumps(&sql, &app)?,
    };
    let import = openwisp::read(&tables, &app, sealer.as_ref())?;
    if sealer.is_none() && !import.tokens.is_empty() {
        out.note(
            "the configuration has no identity.token.key: tokens stay valid, but a login will not tell them again",
        );
    }
    let report = store.import(import.clone(), progress(import.len())).await?;
    if json {
        show_json(&report)?
    } else {
        show(&report, out)
    }
    Ok(Exit::Ok)
}

fn dumps(files: &[String], app: &str) -> anyhow::Result<Tables> {
    let wanted: Vec<String> = TABLES.into_iter().map(|name| table_name(name, app)).collect();
    let mut tables = Tables::new();
    for file in files {
        let text = super::batch::read_text(file)?;
        dump::read(&text, |name| wanted.iter().any(|wanted| wanted == name), &mut tables)
            .with_context(|| file.clone())?;
    }
    Ok(tables)
}

/// A bar on a terminal; nothing elsewhere.
fn progress(total: usize) -> Progress {
    let shown = std::io::stderr().is_terminal() && total > 0;
    Box::new(move |done| {
        if shown {
            let filled = (done * 40 / total).min(40);
            eprint!("\r[{}{}] {done}/{total}", "#".repeat(filled), " ".repeat(40 - filled));
            if done >= total {
                eprintln!();
            }
            let _ = std::io::stderr().flush();
        }
    })
}

fn show_json(report: &ImportReport) -> anyhow::Result<()> {
    let kept = report.kept.iter().map(|(kind, count)| ((*kind).to_owned(), (*count).into())).collect();
    let shown = Shown { kept, left_out: &report.misfits };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&shown)?)?;
    Ok(())
}

fn show(report: &ImportReport, out: &mut Output) {
    for (kind, count) in &report.kept {
        out.note(&format!("{count:>7} {kind}s").replace("addresss", "addresses"));
    }
    for misfit in &report.misfits {
        out.note(&format!("left out: {} {}: {}", misfit.kind, misfit.record, misfit.problem));
    }
}
