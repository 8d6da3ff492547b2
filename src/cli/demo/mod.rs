//! `postern demo`: the main job, done in one process on a throw-away store.

mod echo;
mod world;

use super::{Failure, serve, store};
use crate::config::admin_ui::AdminUi;
use crate::config::{Config, Database};
use crate::directory::Directory;
use crate::identity::session::Settings as Session;
use crate::net::drain::Timing;
use crate::password::Hasher;
use crate::policy;
use crate::server::Listeners;
use crate::telemetry;
use crate::upstream::{HostHeader, Upstream};
use anyhow::Context;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// Everything in one process on a throw-away store
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of the data port [default: 127.0.0.1:8080, or any free port where that is taken]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// The demo's policy, printed for the reader.
const POLICY: &str = include_str!("routes.yaml");

/// Runs the demo until Ctrl-C; nothing of it stays.
///
/// # Errors
/// A port or a directory cannot be had.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    telemetry::log::start(telemetry::log::Format::Text);
    let dir = Scratch::new()?;
    let mut config = Config {
        database: Database::Sqlite(format!("sqlite:{}", dir.0.join("demo.db").display())),
        drain: Timing { lame_duck: Duration::ZERO, limit: Duration::from_secs(5) },
        ..Config::default()
    };
    config.identity.accounts.api = crate::config::accounts::Served::All;
    config.identity.settings.session = Some(Session { secure: false, ..Session::default() });
    config.admin_ui = Some(AdminUi::default());
    config.management.set_port(0);
    let listeners = match args.listen {
        Some(listen) => {
            config.listen = listen.into();
            Listeners::bind(&config)?
        }
        None => Listeners::bind(&config).or_else(|_| {
            config.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
            Listeners::bind(&config)
        })?,
    };
    let runtime = serve::control_plane()?;
    let store: Arc<Directory> = runtime.block_on(store::open(&config.database))?;
    runtime.block_on(async {
        let passwords = config.identity.accounts.passwords;
        let world = World::build(&store, &Hasher::new(passwords.algorithm, passwords.md5)).await?;
        let upstream = echo::start().await?;
        let upstream = Upstream::parse("legacy", &format!("http://{upstream}"), HostHeader::Preserve)?;
        config.upstreams = vec![upstream];
        let policy = policy::load(&[("routes.yaml", POLICY)], Some(&config.names()))
            .map_err(|findings| anyhow::anyhow!("{}", findings.to_lines()))?;
        let story = world.story(&listeners.data_address()?, listeners.management_address()?, POLICY);
        std::io::stdout().write_all(story.as_bytes())?;
        serve::serve(config, listeners, policy, store, None, runtime.handle()).await
    })
}

/// A directory that goes away with the demo.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let dir = std::env::temp_dir().join(format!("postern-demo-{}", uuid::Uuid::new_v4().simple()));
        // Tokens' digests are in it: nobody else may look.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| format!("cannot make {}; TMPDIR says where else", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the system's directory for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
