//! `postern job`: what the replicas do once a day, done now.

use super::moment::stamp;
use super::output::{Exit, Output, Record};
use crate::api::links::Links;
use crate::clock;
use crate::config::{Compat, Config};
use crate::directory::Directory;
use crate::jobs::{Job, Post, Runner};
use crate::mail::Mailer;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long letters may take, when all are written.
const LETTERS: Duration = Duration::from_secs(600);

/// Jobs: list, run
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the jobs: when each is done, and what came of it last
    List,
    /// Do a job now
    Run {
        /// Its name, as `postern job list` tells it
        #[arg(value_parser = Job::ALL.map(Job::name))]
        name: String,
        /// Only where nobody has done it today, nor does it now; exit 1 where somebody has
        #[arg(long)]
        if_due: bool,
    },
}

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    at: Option<String>,
    started: Option<String>,
    finished: Option<String>,
    outcome: Option<String>,
}

impl Record for Shown {
    const COLUMNS: &'static [&'static str] = &["name", "at", "started", "finished", "outcome"];
}

/// Runs the command.
///
/// # Errors
/// The store fails; letters cannot be sent at all.
pub async fn run(args: Args, config: &Config, store: &Arc<Directory>, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    match args.verb {
        Verb::List => {
            let known = store.jobs().await?;
            let shown = |job: Job| {
                let last = known.iter().find(|last| last.name == job.name());
                Shown {
                    name: job.name(),
                    at: job.at(&config.jobs).map(|at| format!("{:02}:{:02}", at / 3600, at / 60 % 60)),
                    started: last.map(|last| stamp(last.started)),
                    finished: last.and_then(|last| last.finished).map(stamp),
                    outcome: last.map(|last| last.outcome.clone()),
                }
            };
            out.list(&Job::ALL.map(shown))?;
        }
        Verb::Run { name, if_due } => {
            let Some(job) = Job::named(&name) else { return Ok(Exit::Usage) };
            let runner = runner(config, store)?;
            let outcome = if if_due {
                runner.run_once(job, clock::today()).await?
            } else {
                Some(runner.run(job, clock::today()).await?)
            };
            if let Some(post) = &runner.post {
                post.mailer.finish(LETTERS).await;
            } else {
                out.note("nobody is told: `mail` is not configured");
            }
            let Some(outcome) = outcome else {
                out.note(&format!("{name} has been done today, or is being done"));
                return Ok(Exit::No);
            };
            out.note(&format!("{name}: {outcome}"));
        }
    }
    Ok(Exit::Ok)
}

fn runner(config: &Config, store: &Arc<Directory>) -> anyhow::Result<Runner> {
    let control = tokio::runtime::Handle::current();
    let mailer = config.mail.as_ref().map(|mail| Mailer::start(mail, &control).map(Arc::new)).transpose()?;
    let prefix = config.identity.accounts.prefix.clone();
    let links = Links::new(config.public_url.clone(), prefix, config.compat == Compat::Openwisp);
    Ok(Runner {
        store: Arc::clone(store),
        jobs: config.jobs,
        passwords: config.identity.accounts.passwords,
        post: mailer.and_then(|mailer| Post::new(mailer, &links)),
    })
}
