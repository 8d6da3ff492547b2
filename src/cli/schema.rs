//! `postern schema`: JSON Schemas for editors.

use super::policies::on_standard_pages;
use crate::config;
use crate::tools::schema;
use std::process::ExitCode;

/// Print a JSON Schema, for completion and hover texts in editors.
///
/// Begin a file with `# yaml-language-server: $schema=PATH` to use one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Of which kind of file
    #[arg(value_enum)]
    pub kind: Kind,
}

/// The kinds of files that have a schema.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Kind {
    /// routes.yaml
    Policy,
    /// routes_test.yaml
    Tests,
    /// postern.yaml
    Config,
}

/// Prints the schema.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let schema = match args.kind {
        Kind::Policy => schema::policy(),
        Kind::Tests => schema::tests(),
        Kind::Config => config::schema::config(),
    };
    on_standard_pages(|pages| {
        writeln!(pages.out, "{schema:#}")?;
        Ok(0)
    })
}
