//! How far a long command has come, and how long it will take.

use crate::clock;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A bar on a terminal; nothing elsewhere.
pub struct Bar {
    what: &'static str,
    shown: bool,
    begun: Instant,
    told: Option<Instant>,
}

impl Bar {
    /// As often as somebody can see it.
    const EVERY: Duration = Duration::from_millis(100);

    pub fn new(what: &'static str) -> Self {
        Self { what, shown: std::io::stderr().is_terminal(), begun: clock::monotonic(), told: None }
    }

    pub fn tell(&mut self, done: u64, total: u64) {
        let now = clock::monotonic();
        if !self.shown || total == 0 || self.told.is_some_and(|last| now.duration_since(last) < Self::EVERY) {
            return;
        }
        self.told = Some(now);
        let part = (done as f64 / total as f64).min(1.0);
        let filled = (part * 40.0) as usize;
        let spent = now.duration_since(self.begun).as_secs_f64();
        let left = if part > 0.01 { format!(", {:.0} s left", spent / part - spent) } else { String::new() };
        let bar = format!("{}{}", "#".repeat(filled), " ".repeat(40 - filled));
        eprint!("\r{:9} [{bar}] {:3.0} %{left}   ", self.what, part * 100.0);
        let _ = std::io::stderr().flush();
    }

    /// What follows begins a line of its own.
    pub fn end(&mut self) {
        if self.told.take().is_some() {
            eprintln!();
        }
    }
}
