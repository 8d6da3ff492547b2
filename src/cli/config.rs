//! `postern config`: what is in force, and who said so.

use super::output::{Output, Record};
use super::{Common, Failure};
use crate::config::schema::{Setting, settings};
use std::process::ExitCode;

/// Show the configuration that is in force: each key, its value and where that comes from (a file, a variable, a flag, or a
/// default). Secrets are hidden.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Record for Setting {
    const COLUMNS: &'static [&'static str] = &["key", "value", "source"];
}

/// Shows it.
///
/// # Errors
/// It cannot be used.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let sources = common.sources();
    Common::configuration(&sources)?;
    let mut output = Output::standard();
    output.set_json(args.json);
    output.list(&settings(&sources)?)?;
    Ok(ExitCode::SUCCESS)
}
