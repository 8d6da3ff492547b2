//! `postern serve`: the gate itself.

use super::{Common, Failure};
use crate::config::{self, Config};
use crate::directory::Store;
use crate::policy::{self, Policy};
use crate::server::{Listeners, Server};
use crate::telemetry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serve: judge requests and forward them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where requests are forwarded to, instead of `upstreams` of the configuration
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Address of the data port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Address of metrics and probes
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<String>,
    /// Data-plane threads
    #[arg(long, value_name = "N")]
    pub workers: Option<u16>,
}

/// The policy where none is configured.
const DEFAULT_POLICY: &str = "version: 1\nroutes:\n  /**: authenticated\n";

/// Runs until told to stop.
///
/// # Errors
/// It cannot start: what is in the way, and the remedy.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let config = configuration(common, args)?;
    telemetry::log::start(config.log.format);
    let policy = load_policy(&config)?;
    let listeners = Listeners::bind(&config)?;
    let runtime = control_plane()?;
    let store: Arc<dyn Store> = runtime.block_on(super::store::open(&config.database))?;
    runtime.block_on(serve(config, listeners, policy, store, runtime.handle()))
}

/// Serves until a signal, then goes down in order.
///
/// # Errors
/// It cannot start.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    policy: Policy,
    store: Arc<dyn Store>,
    control: &Handle,
) -> Result<ExitCode, Failure> {
    // Signals are listened for before anybody can know that the process is there.
    let mut signals = Signals::new()?;
    let address = listeners.data_address()?;
    let admin = listeners.admin_address()?;
    let limit = config.drain.limit;
    let server = Server::start(config, listeners, policy, store, control).await?;
    tracing::info!(%address, %admin, "serving");
    let patient = signals.first().await;
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
        () = signals.again() => {
            tracing::warn!("a second signal: stopping at once");
            // The workers' threads are not waited for.
            std::process::exit(1);
        }
    }
}

fn configuration(common: &Common, args: &Args) -> Result<Config, Failure> {
    let mut sources = common.sources();
    if let Some(url) = &args.upstream {
        let only = serde_json::json!({ "upstream": url });
        sources.flags.push(("--upstream", "upstreams", only.to_string()));
    }
    sources.flag("--listen", "listen", args.listen.as_ref());
    sources.flag("--admin", "admin", args.admin.as_ref());
    sources.flag("--workers", "workers", args.workers);
    let mut config = Common::configuration(&sources)?;
    if !args.policy.is_empty() {
        // Relative to where the command was given, not to the configuration.
        config.policy.clone_from(&args.policy);
    }
    Ok(config)
}

fn load_policy(config: &Config) -> Result<Policy, Failure> {
    let mut files = Vec::new();
    for path in &config.policy {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::hint(
                anyhow::anyhow!("cannot read the policy {}: {error}", path.display()),
                "name it with --policy",
            )
        })?;
        files.push((path.display().to_string(), text));
    }
    if files.is_empty() {
        tracing::warn!(
            "no policy is configured: every route is open to any authenticated user. Write one, and name it with --policy"
        );
        files.push(("(default policy)".to_owned(), DEFAULT_POLICY.to_owned()));
    }
    let names = config.names();
    match policy::load(&files, Some(&names).filter(|_| !config.upstreams.is_empty())) {
        Ok(policy) => {
            eprint!("{}", policy.warnings().to_text(super::colour()));
            config::fill(&config.secrets, &policy)
                .map_err(|error| Failure::hint(error, "`secrets` of postern.yaml says where each one is"))?;
            Ok(policy)
        }
        Err(findings) => {
            eprint!("{}", findings.to_text(super::colour()));
            Err(Failure::Reported)
        }
    }
}

/// The control plane's runtime: stores, admin listener, watchers, signals.
///
/// # Errors
/// The system gives no threads.
pub fn control_plane() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_all().build()?)
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first signal. An orchestrator's SIGTERM wants a lame duck; a person's Ctrl-C does not.
    async fn first(&mut self) -> bool {
        tokio::select! {
            _ = self.term.recv() => true,
            _ = self.int.recv() => false,
        }
    }

    /// Waits for another one.
    async fn again(&mut self) {
        // Ctrl-C reaches a whole process group and may come twice at once from a wrapper.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.first().await;
    }
}
