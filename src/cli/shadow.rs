//! `postern shadow`: what a policy in shadow mode would have done.

use super::access_logs;
use super::policies::{Early, Pages, on_standard_pages};
use crate::tools::shadow::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// Routes in shadow mode: report
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List where the policy and the service behind disagree, by route and reason, from access lines
    ///
    /// What would be refused and is served is listed, and what would pass and is 401, 403 or 404. Exit 0: they agree; 1: they do not;
    /// 2: a log cannot be read.
    Report(Options),
}

/// What to read, and how much to show.
#[derive(clap::Args)]
struct Options {
    /// Access logs of postern, or `-` for standard input
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    /// Requests that are shown of each disagreement
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=100))]
    examples: u8,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let Verb::Report(options) = &args.verb;
    on_standard_pages(|pages| report(options, pages))
}

fn report(options: &Options, pages: &mut Pages<'_>) -> Result<u8, Early> {
    let mut report = Report::new(options.examples.into());
    report.unreadable = access_logs::each(&options.logs, pages, |line| report.add(line))?;
    if options.json {
        writeln!(pages.out, "{}", report.to_json())?;
    } else {
        write!(pages.out, "{}", report.to_text())?;
    }
    Ok(u8::from(report.disagreements() > 0))
}
