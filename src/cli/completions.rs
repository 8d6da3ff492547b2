//! `postern completions`: what a shell completes.

use super::policies::on_standard_pages;
use clap::{Command, ValueEnum};
use std::process::ExitCode;

/// Print what a shell needs to complete commands and flags.
///
/// For example `source <(postern completions bash)`, or `postern completions fish > ~/.config/fish/completions/postern.fish`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Of which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints it.
#[must_use]
pub fn run(args: Args, mut command: Command) -> ExitCode {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "postern", &mut script);
    on_standard_pages(|pages| {
        pages.out.write_all(&script)?;
        Ok(0)
    })
}
