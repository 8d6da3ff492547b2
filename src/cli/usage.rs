//! Command lines that are wrong for reasons that only show when they are run.

use thiserror::Error;

/// A password was to be asked for, and nobody is there.
#[derive(Debug, Error)]
#[error("there is no terminal to ask for a password: pass it on standard input, with --password-stdin")]
pub struct NoTerminal;

/// A password was given as an argument.
#[derive(Debug, Error)]
#[error(
    "a password is never an argument: others would see it in the list of processes, and it is in the shell's history now. Leave it \
         out to be asked for it, or pass it on standard input, with --password-stdin; and choose another"
)]
pub struct NoArgument;
