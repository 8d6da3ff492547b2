//! New files while requests are served: on SIGHUP, and when a file has changed.
//!
//! What can be loaded again registers as a [`Reloadable`]: the policy here, keys and certificates in their own rooms.
//! `watch` tells when something has changed and is written to its end; [`Reloader`] then reads `postern.yaml` again and asks
//! each of them, one after the other. What does not load leaves what runs in force, and says so in the log, in [`Status`]'s
//! metrics and in `/readyz`.

mod assertions;
mod certificates;
mod keys;
mod policy;
mod status;
mod watch;

pub use assertions::AssertionKeys;
pub use certificates::{Certificates, UpstreamCertificates};
pub use keys::Keys;
pub(crate) use policy::resolve;
pub use policy::{Policies, PolicyError, SMALLEST, load_policy, tell_of_shadow};
pub use status::{Outcome, Status};

use crate::config::{Config, ConfigError};
use crate::yaml::Findings;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;
use watch::Watch;

/// Lines of one reload in the log, at most, of each kind.
const LINES: usize = 50;

/// Something that can be loaded again while it is used.
pub trait Reloadable: Send {
    /// Its name in the log, in metrics and in `/readyz`: one word.
    fn name(&self) -> &'static str;

    /// The keys of postern.yaml that it takes anew, by their first one or two steps (`upstreams`, `identity.jwt`). Whatever
    /// nobody takes counts from the next start.
    fn keys(&self) -> &'static [&'static str];

    /// Somebody asks for a reload: what tells nobody of its changes is looked at now.
    fn ask(&self) {}

    /// The files that it is made of.
    fn files(&self, config: &Config) -> Vec<PathBuf>;

    /// Reads it anew and checks all of it, without changing anything; it runs where it may take its time. `None`: it is what
    /// is in force already.
    ///
    /// # Errors
    /// It cannot be used. The running one stays.
    fn load(&mut self, config: &Config) -> Result<Option<Swap>, Trouble>;
}

/// Puts what was loaded in force. It cannot fail, and requests do not wait for it.
pub type Swap = Box<dyn FnOnce() + Send>;

/// Why what was loaded is not put in force.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// In one line, without secrets.
    pub summary: String,
    /// What is wrong, a line each.
    pub details: Vec<String>,
    /// It could be used, but the configuration forbids the change.
    pub refused: bool,
}

impl Trouble {
    /// It cannot be used, for one reason.
    pub fn new(summary: impl ToString) -> Self {
        Self { summary: summary.to_string(), details: Vec::new(), refused: false }
    }

    /// It cannot be used: there are findings.
    #[must_use]
    pub fn findings(findings: &Findings) -> Self {
        let details: Vec<String> = findings.to_lines().lines().map(str::to_owned).collect();
        let errors = details.iter().filter(|line| line.contains(": error[") || line.starts_with("error[")).count();
        let first = details.iter().find(|line| line.contains("error["));
        let place =
            first.and_then(|line| line.split_once(": error[")).map(|(place, _)| format!(", the first at {place}"));
        let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        Self { summary: format!("{errors}{}", place.unwrap_or_default()), details, refused: false }
    }
}

/// How a configuration is read again.
pub type Load = Box<dyn Fn() -> Result<(Config, Findings), ConfigError> + Send>;

/// Where the configuration comes from.
pub struct Source {
    /// Its file, where there is one.
    pub file: Option<PathBuf>,
    /// Reads file, environment and flags again.
    pub load: Load,
}

/// Asks for a reload from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<Notify>);

impl Trigger {
    /// Reload now, or right after the reload that is under way.
    pub fn pull(&self) {
        self.0.notify_one();
    }
}

/// Reloads, one at a time.
pub struct Reloader {
    source: Source,
    /// As it was last loaded.
    config: Config,
    /// As it was when the process started: what nobody takes anew is still this.
    started: Config,
    items: Vec<Box<dyn Reloadable>>,
    status: Arc<Status>,
}

impl Reloader {
    /// Reloads `items`, in this order, of a process that was started with `config`.
    #[must_use]
    pub fn new(source: Source, config: Config, items: Vec<Box<dyn Reloadable>>, status: Arc<Status>) -> Self {
        Self { source, started: config.clone(), config, items, status }
    }

    /// The files are watched when this returns. Reloads whenever the trigger is pulled or a file has changed, until the runtime ends.
    pub fn run(self, trigger: Trigger) -> impl Future<Output = ()> + Send {
        let mut watch = Watch::new();
        watch.follow(&self.files());
        self.follow(watch, trigger)
    }

    async fn follow(mut self, mut watch: Watch, trigger: Trigger) {
        // What changed between the first loading and the beginning of the watch is found by looking once.
        watch.quiet().await;
        let mut asked = false;
        loop {
            let files = self.files();
            watch.follow(&files);
            let worked = tokio::task::spawn_blocking(move || {
                self.reload(asked);
                self
            });
            self = match worked.await {
                Ok(reloader) => reloader,
                Err(error) => return tracing::error!(%error, "nothing can be reloaded any more"),
            };
            if self.files() != files {
                // The configuration names other files now: whatever happened to them before they were watched counts.
                asked = false;
                continue;
            }
            asked = tokio::select! {
                () = trigger.0.notified() => true,
                () = watch.changed() => false,
            };
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let own = self.source.file.iter().cloned();
        own.chain(self.items.iter().flat_map(|item| item.files(&self.config))).collect()
    }

    /// Reads everything again. `asked`: somebody wants to hear also that nothing has changed.
    fn reload(&mut self, asked: bool) {
        self.read_configuration(asked);
        for item in &mut self.items {
            let what = item.name();
            if asked {
                item.ask();
            }
            match item.load(&self.config) {
                Ok(Some(swap)) => {
                    swap();
                    self.status.note(what, Outcome::Loaded);
                    tracing::info!(what, "reloaded");
                }
                Ok(None) => {
                    let is_mended = self.status.note(what, Outcome::Unchanged);
                    if is_mended {
                        tracing::info!(what, "reload: it is again what is in force");
                    } else if asked {
                        tracing::info!(what, "reload: nothing has changed");
                    }
                }
                Err(trouble) => report(&self.status, what, trouble),
            }
        }
    }

    /// The configuration as it is now; where it cannot be used, the last one that could, since a certificate must not run
    /// out because of a slip elsewhere.
    fn read_configuration(&mut self, asked: bool) {
        const WHAT: &str = "configuration";
        let (config, warnings) = match (self.source.load)() {
            Ok(loaded) => loaded,
            Err(ConfigError::Findings(findings)) => return report(&self.status, WHAT, Trouble::findings(&findings)),
            Err(error) => return report(&self.status, WHAT, Trouble::new(error)),
        };
        let changed = !config.written.differences(&self.config.written).is_empty();
        if changed {
            for warning in warnings.to_lines().lines().take(LINES) {
                tracing::warn!(what = WHAT, "{warning}");
            }
        }
        let taken: Vec<&str> = self.items.iter().flat_map(|item| item.keys()).copied().collect();
        let mut waiting = config.written.differences(&self.started.written);
        waiting.retain(|key| !taken.iter().any(|taken| is_under(key, taken)));
        if changed || asked {
            for key in waiting.iter().take(LINES) {
                tracing::warn!(what = WHAT, key, "this has changed, and counts from the next start");
            }
        }
        self.status.note(WHAT, if changed { Outcome::Loaded } else { Outcome::Unchanged });
        self.status.waiting(waiting);
        self.config = config;
    }
}

fn is_under(key: &str, taken: &str) -> bool {
    key.strip_prefix(taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn report(status: &Status, what: &'static str, trouble: Trouble) {
    let Trouble { summary, details, refused } = trouble;
    // The same mistake is told once, not at each look.
    let outcome = if refused { Outcome::Refused(summary.clone()) } else { Outcome::Failed(summary.clone()) };
    if refused {
        tracing::error!(what, problem = summary, "the change is refused; the running one stays in force");
    } else {
        tracing::error!(what, problem = summary, "it cannot be used; the running one stays in force");
    }
    for line in details.iter().take(LINES) {
        tracing::error!(what, "{line}");
    }
    if details.len() > LINES {
        tracing::error!(what, "and {} more", details.len() - LINES);
    }
    status.note(what, outcome);
}
