//! Questions to whoever sits at a terminal. Where nobody does, nothing is asked: a command does what it was told.

use super::output::Output;
use super::usage::NoTerminal;
use anyhow::{Context, bail, ensure};
use std::io::{self, IsTerminal, Write};

/// Whether somebody can be asked.
fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// That a record is to be deleted.
#[derive(clap::Args)]
pub struct Sure {
    /// Do not ask; without a terminal nobody is asked anyway
    #[arg(long, short)]
    yes: bool,
}

impl Sure {
    /// Says what goes, and what goes along with it, and on a terminal asks whether it may; counts of nothing are left out.
    ///
    /// # Errors
    /// The answer cannot be read.
    pub fn of(&self, what: &str, along: &[(u64, &str)], out: &mut Output) -> anyhow::Result<bool> {
        let counted = |(count, noun): &(u64, &str)| {
            let plural = match (count, noun.strip_suffix('s')) {
                (1, _) => String::new(),
                (_, Some(_)) => "es".to_owned(),
                _ => "s".to_owned(),
            };
            (*count > 0).then(|| format!("{count} {noun}{plural}"))
        };
        let along: Vec<_> = along.iter().filter_map(counted).collect();
        let asks = !self.yes && is_somebody_there();
        let along = (!along.is_empty()).then(|| format!("with {what} go {}", along.join(", ")));
        match along {
            Some(along) if asks => out.note(&along),
            // The directory may refuse it yet.
            Some(along) => out.set_aside(along),
            None => {}
        }
        if !asks {
            return Ok(true);
        }
        let mut err = io::stderr();
        write!(err, "Delete {what}? [y/N] ").and_then(|()| err.flush())?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).context("cannot read the answer")?;
        let sure = ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes));
        if !sure {
            out.note("nothing was deleted");
        }
        Ok(sure)
    }
}

/// A new password, typed twice and not shown.
///
/// # Errors
/// Nobody is there, or the two differ.
pub(super) fn new_password() -> anyhow::Result<String> {
    ensure!(is_somebody_there(), NoTerminal);
    let read = |prompt: &str| rpassword::prompt_password(prompt).context("cannot read the password");
    let password = read("Password: ")?;
    if read("Password, again: ")? != password {
        bail!("the two passwords differ");
    }
    Ok(password)
}
