//! `postern serve`: the gate itself.

use super::{Common, Failure, output};
use crate::config::{Config, Sources};
use crate::directory::Directory;
use crate::directory::audit::Who;
use crate::policy::Policy;
use crate::reload::{self, PolicyError, Trigger};
use crate::server::{Listeners, Server};
use crate::telemetry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serve: judge requests and forward them.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Where requests are forwarded to, instead of `upstreams` of the configuration
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Serve without a policy: every active user may do everything, as by `/**: authenticated`
    #[arg(long, conflicts_with = "policy")]
    pub any_authenticated: bool,
    /// Address of the data port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Address of metrics and probes
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub management: Option<String>,
    /// What `--management` was called before
    #[arg(long, hide = true, value_parser = super::renamed_admin)]
    pub admin: Option<String>,
    /// Data-plane threads
    #[arg(long, value_name = "N")]
    pub workers: Option<u16>,
}

/// Runs until told to stop.
///
/// # Errors
/// It cannot start: what is in the way, and the remedy.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let sources = sources(common, args);
    let config = with_policy(Common::configuration(&sources)?, args);
    if config.any_authenticated && !config.policy.is_empty() {
        let hint = "leave it out, or take `policy` out of the configuration";
        return Err(Failure::usage("--any-authenticated stands for a policy, and the configuration names one", hint));
    }
    telemetry::log::start(config.log.format);
    warn_of_insecure_cookie(&config);
    let policy = load_policy(&config)?;
    let listeners = Listeners::bind(&config)?;
    let runtime = control_plane()?;
    let store = runtime.block_on(super::store::open(&config.database))?;
    let audit = config.audit();
    if let Err(error) = audit.check() {
        tracing::warn!(
            %error,
            "nobody can log in here: name a file that this user may write, `stderr` or `off` with `audit`"
        );
    }
    let longest_token = config.identity.accounts.longest_token;
    let store = store.declaring(config.identity.fields.clone()).audited(audit, Who::Server);
    let store = Arc::new(store.with_longest_token(longest_token));
    let given = Args { policy: args.policy.clone(), any_authenticated: args.any_authenticated, ..Args::default() };
    let source = reload::Source {
        file: sources.file.clone(),
        load: Box::new(move || {
            let (config, findings) = Config::load(&sources)?;
            Ok((with_policy(config, &given), findings))
        }),
    };
    runtime.block_on(serve(config, listeners, policy, store, Some(source), runtime.handle()))
}

/// Serves until a signal, then goes down in order. Where `source` tells what the configuration is, it is read again when it
/// changes and at SIGHUP.
///
/// # Errors
/// It cannot start.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    policy: Policy,
    store: Arc<Directory>,
    source: Option<reload::Source>,
    control: &Handle,
) -> Result<ExitCode, Failure> {
    // Signals are listened for before anybody can know that the process is there.
    let mut signals = Signals::new()?;
    let address = listeners.data_address()?;
    let management = listeners.management_address()?;
    let limit = config.drain.limit;
    let looked_over = config.clone();
    let doctor = Arc::new(move || super::doctor::look_over(&looked_over));
    let mut server = Server::start_with_doctor(config, listeners, policy, store, control, doctor).await?;
    let trigger = source.map(|source| {
        let trigger = Trigger::default();
        server.reload(source, trigger.clone(), control);
        trigger
    });
    tracing::info!(%address, %management, "serving");
    let patient = signals.first(trigger.as_ref()).await;
    let down = async {
        if patient {
            tracing::info!("going down: not ready, still serving");
            server.lame_duck().await;
        }
        tracing::info!(limit = ?limit, "draining");
        server.drain().await;
        // What the limit left behind is closed with the process.
        tracing::info!("stopped");
        ExitCode::SUCCESS
    };
    tokio::select! {
        code = down => Ok(code),
        () = signals.again(trigger.as_ref()) => {
            tracing::warn!("a second signal: stopping at once");
            // The workers' threads are not waited for.
            std::process::exit(1);
        }
    }
}

fn sources(common: &Common, args: &Args) -> Sources {
    let mut sources = common.sources();
    sources.upstream(args.upstream.as_deref());
    sources.flag("--listen", "listen", args.listen.as_ref());
    sources.flag("--management", "management", args.management.as_ref());
    sources.flag("--workers", "workers", args.workers);
    sources
}

/// Policies that were named with the command are relative to where it was given, not to the configuration.
fn with_policy(mut config: Config, args: &Args) -> Config {
    if !args.policy.is_empty() {
        config.policy.clone_from(&args.policy);
    }
    config.any_authenticated = args.any_authenticated;
    config
}

fn load_policy(config: &Config) -> Result<Policy, Failure> {
    if config.any_authenticated {
        tracing::warn!("--any-authenticated: there is no policy, and every active user may do everything");
    }
    match reload::load_policy(config) {
        Ok(policy) => {
            output::say(&policy.warnings().to_text(telemetry::log::colour()));
            reload::tell_of_shadow(&policy);
            Ok(policy)
        }
        Err(PolicyError::Findings(findings)) => {
            output::say(&findings.to_text(telemetry::log::colour()));
            Err(Failure::Reported)
        }
        Err(error @ PolicyError::None) => Err(Failure::hint(error, reload::SMALLEST)),
        Err(error @ PolicyError::Unreadable { .. }) => Err(Failure::hint(error, "name it with --policy")),
        Err(error @ PolicyError::Secret(_)) => {
            Err(Failure::hint(error, "`secrets` of postern.yaml says where each one is"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Said here alone, and not by each command that reads the configuration.
fn warn_of_insecure_cookie(config: &Config) {
    if config.identity.settings.session.as_ref().is_some_and(|session| !session.secure) {
        tracing::warn!(
            "`identity.session.secure: false`: the session's cookie may be sent without TLS. For trying things out alone"
        );
    }
}

/// The control plane's runtime: stores, management listener, watchers, signals.
///
/// # Errors
/// The system gives no threads.
pub fn control_plane() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_all().build()?)
}

/// SIGTERM, SIGINT and SIGHUP.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self {
            term: of(SignalKind::terminate())?,
            int: of(SignalKind::interrupt())?,
            hup: of(SignalKind::hangup())?,
        })
    }

    /// Waits for the first signal to go down; meanwhile SIGHUP reloads, where there is something to reload: else it is what it
    /// was made for, a terminal that is gone. An orchestrator's SIGTERM wants a lame duck; a person's Ctrl-C does not.
    async fn first(&mut self, reload: Option<&Trigger>) -> bool {
        loop {
            tokio::select! {
                _ = self.term.recv() => return true,
                _ = self.int.recv() => return false,
                _ = self.hup.recv() => match reload {
                    Some(trigger) => trigger.pull(),
                    None => return false,
                }
            }
        }
    }

    /// Waits for another one.
    async fn again(&mut self, reload: Option<&Trigger>) {
        // Ctrl-C reaches a whole process group and may come twice at once from a wrapper.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.first(reload).await;
    }
}
