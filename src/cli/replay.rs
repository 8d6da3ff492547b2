//! `postern replay`: the access log of one policy, judged by another.

use super::access_logs;
use super::facts::{StoredFacts, world};
use super::policies::{Early, Pages, on_standard_pages};
use super::{Common, Failure};
use crate::decision::{LookupAnswer, LookupFailure, OrgKey};
use crate::facts::{Organization, Snapshot};
use crate::policy::{LookupKey, Names};
use crate::tools::ask::Facts;
use crate::tools::replay::{People, Replay};
use crate::tools::world::{World, id_of};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use uuid::Uuid;

/// Judge the requests of access logs by another policy: which decisions would be others.
///
/// Facts come from the configured database as it stands now, or with --world from the `given` of a tests file. What depends on something
/// that no access line holds (headers, queries, bodies, lookups, answers) is counted as not decidable. Exit 0; 1 where something became
/// wider and --allow-wider is not given, or a file has mistakes; 2 where a file cannot be read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Access logs of postern, or `-` for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// The policy to judge by, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Take organizations and users from the `given` of a tests file, not from the database
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// What became wider is no failure
    #[arg(long)]
    pub allow_wider: bool,
    /// Requests that are shown of each change
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub examples: u8,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// There is no configuration or database to judge with.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let (names, files) = common.policies(&args.policy)?;
    let directory = match &args.world {
        Some(_) => None,
        None => Some(StoredFacts::open(&Common::configuration(&common.sources())?)?),
    };
    Ok(on_standard_pages(|pages| replay(args, &files, names.as_ref(), directory.as_ref(), pages)))
}

/// Replays on the given pages.
fn replay(
    args: &Args,
    files: &[PathBuf],
    names: Option<&Names>,
    directory: Option<&StoredFacts>,
    pages: &mut Pages<'_>,
) -> Result<u8, Early> {
    if files.is_empty() {
        return Err(pages.usage("there is no policy to judge by", "name it: --policy routes.yaml"));
    }
    let policy = pages.policy(files, names)?;
    let world = args.world.as_ref().map(|file| world(file, pages)).transpose()?;
    let mut known = Known { world, directory, users: HashMap::new(), organizations: HashMap::new(), problem: None };
    let mut replay = Replay::new(&policy, args.examples.into());
    replay.unreadable = access_logs::each(&args.logs, pages, |line| {
        if known.problem.is_none() {
            replay.add(line, &mut known);
        }
    })?;
    if let Some(error) = known.problem {
        writeln!(pages.err, "error: {}", super::output::chain(&error))?;
        return Err(Early::Exit(1));
    }
    if args.json {
        writeln!(pages.out, "{}", replay.to_json())?;
    } else {
        write!(pages.out, "{}", replay.to_text())?;
    }
    Ok(u8::from(replay.wider() > 0 && !args.allow_wider))
}

/// Users and organizations that are remembered, each.
const REMEMBERED: usize = 50_000;

/// What requests are judged by: a tests file's world, or the directory, asked once for each.
struct Known<'a> {
    world: Option<World>,
    directory: Option<&'a StoredFacts>,
    users: HashMap<Uuid, Option<Arc<Snapshot>>>,
    organizations: HashMap<OrgKey<'static>, Option<Arc<Organization>>>,
    problem: Option<anyhow::Error>,
}

impl Known<'_> {
    /// What the directory says; a failure ends it all.
    fn of_store<T>(&mut self, ask: impl FnOnce(&StoredFacts) -> anyhow::Result<Option<T>>) -> Option<T> {
        ask(self.directory?).unwrap_or_else(|error| {
            self.problem = Some(error);
            None
        })
    }
}

impl Facts for Known<'_> {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        if let Some(world) = &self.world {
            return world.organization(key);
        }
        let key = key.clone().into_owned();
        if let Some(found) = self.organizations.get(&key) {
            return found.clone();
        }
        let found = self.of_store(|store| Ok(store.organization(&key)?));
        remember(&mut self.organizations, key, found.clone());
        found
    }

    fn object(&mut self, _: &LookupKey) -> LookupAnswer {
        Err(LookupFailure("a line does not name an object"))
    }
}

impl People for Known<'_> {
    fn user(&mut self, id: Uuid) -> Option<Arc<Snapshot>> {
        if let Some(world) = &self.world {
            let name = world.users().find(|name| id_of(name) == id)?;
            // Nothing is said of a token's scope where it is not narrowed.
            return world.unnarrowed(name).or(world.user(name)).cloned();
        }
        if let Some(found) = self.users.get(&id) {
            return found.clone();
        }
        let found = self.of_store(|store| store.user(&id.to_string()));
        remember(&mut self.users, id, found.clone());
        found
    }
}

fn remember<K: std::hash::Hash + Eq, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, value);
}
