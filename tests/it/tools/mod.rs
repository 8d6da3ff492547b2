//! The policy author's tools: they agree with the gate and with each other, and the commands say so.

mod agree;
mod commands;
mod logs;

use std::path::Path;
use std::process::Command;

/// Exit code, standard output, standard error.
pub fn run(home: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.args(args).current_dir(home).env("POSTERN_DATA_DIR", home).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
