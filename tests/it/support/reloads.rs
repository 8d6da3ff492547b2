//! New policies while a gate serves, and how their reloads went.

use super::{Gate, Options, Signal, Who, eventually};
use std::fs;

/// `/x` is for these, and the upstream is told which policy it was.
pub fn policy(level: &str, name: &str) -> String {
    format!(
        "version: 1\nroutes:\n  /x/**:\n    level: {level}\n    inject: {{ X-One: {{ literal: {name} }}, X-Two: {{ literal: {name} }} }}\n    \
         rewrite: {{ add_prefix: /{name}, unmatched: allow }}\n"
    )
}

pub fn gate() -> Gate {
    Gate::with(&Options::policy(policy("public", "first")))
}

/// The status of somebody's GET of `/x/1`.
pub fn status(gate: &Gate, who: Who) -> u16 {
    gate.get(who, "/x/1").status
}

pub fn reloads(gate: &Gate, what: &str, outcome: &str) -> f64 {
    gate.postern.metric(&format!("postern_reload_total{{what=\"{what}\",outcome=\"{outcome}\"}}"))
}

/// Waits for one more of these than `before`.
pub fn one_more(gate: &Gate, what: &str, outcome: &str, before: f64) {
    eventually("a reload", || (reloads(gate, what, outcome) > before).then_some(()));
}

/// A new file in the place of the old one, in one step.
pub fn replace(gate: &Gate, text: &str) {
    write(gate, "new.yaml", text);
    fs::rename(gate.postern.home().join("new.yaml"), gate.postern.home().join("routes.yaml")).unwrap();
}

pub fn write(gate: &Gate, file: &str, text: &str) {
    fs::write(gate.postern.home().join(file), text).unwrap();
}

/// Writes a policy and waits until the signal has brought it into force.
pub fn reload(gate: &Gate, text: &str) {
    let before = gate.postern.stderr().len();
    reload_behind(gate, text, before);
}

/// The same where the log has so many lines already; gives how many it has then.
pub fn reload_behind(gate: &Gate, text: &str, before: usize) -> usize {
    replace(gate, text);
    gate.postern.signal(Signal::Hup);
    eventually("it is in force", || {
        let lines = gate.postern.stderr_behind(before);
        lines.iter().any(|line| line.contains("\"reloaded\"")).then_some(before + lines.len())
    })
}

/// A log line that has all of these words.
pub fn said(gate: &Gate, words: &[&str]) -> serde_json::Value {
    eventually(&format!("{words:?} in the log"), || {
        let lines = gate.postern.stderr();
        let line = lines.into_iter().find(|line| words.iter().all(|word| line.contains(word)))?;
        serde_json::from_str(&line).ok()
    })
}
