//! Where commands that judge without serving take facts from: the directory's database as it stands, or the `given` of a tests file.

use super::moment::stamp;
use super::policies::{Early, Pages};
use super::store;
use crate::config::Config;
use crate::decision::{LookupAnswer, OrgKey};
use crate::directory::{Directory, DirectoryError, List, OrgRef, Page, StoreError, UserSelector, View, Viewer};
use crate::fact_cache::org_ref;
use crate::facts::{Organization, Snapshot};
use crate::lookup::{Lookups, Services};
use crate::policy::{LookupKey, Policy, Question};
use crate::reload::load_policy;
use crate::tools::explain::{Provenance, Record};
use crate::tools::suite;
use crate::tools::world::World;
use crate::upstream::{Destination, Destinations};
use crate::yaml::Findings;
use anyhow::{Context, bail};
use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The world of a tests file.
pub(super) fn world(file: &Path, pages: &mut Pages<'_>) -> Result<World, Early> {
    let (name, text) = pages.read(file)?;
    let mut findings = Findings::new();
    let id = findings.add_source(name, text);
    let world = suite::read_world(id, &mut findings);
    match world {
        Some(world) if findings.is_empty() => Ok(world),
        _ => {
            pages.findings(&findings)?;
            Err(Early::Exit(1))
        }
    }
}

/// The directory's database, only ever read.
pub struct StoredFacts {
    store: Arc<Directory>,
    place: String,
    config: Config,
    lookups: Lookups,
    destinations: Arc<Destinations>,
    served: OnceCell<Served>,
    runtime: tokio::runtime::Runtime,
}

/// What lookups that ask services need: the upstreams, and the policy as it is served, with its secrets.
struct Served {
    policy: Option<Policy>,
    _opened: Vec<Arc<Destination>>,
}

impl StoredFacts {
    /// Opens a database that is there and whose schema is up to date: explaining makes and migrates nothing.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let database = &config.database;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let elsewhere = |error| anyhow::anyhow!("{error}; take the facts from a tests file: --world routes_test.yaml");
        store::is_there(database).map_err(elsewhere)?;
        let (store, place) = runtime.block_on(async {
            let (place, steps) = super::migrate::status(database).await?;
            if steps.iter().any(|step| step.applied.is_none()) {
                bail!("the schema of {place} is not up to date; run `postern migrate`");
            }
            anyhow::Ok((store::open(database).await?, place))
        })?;
        let databases = config.databases.iter().map(|source| source.database()).collect::<Result<Vec<_>, _>>()?;
        let destinations = Destinations::new(runtime.handle().clone());
        let services = Services::of_a_tool(Arc::clone(&destinations));
        let lookups = Lookups::new(databases, services, runtime.handle().clone());
        let (config, served) = (config.clone(), OnceCell::new());
        Ok(Self { store, place, config, lookups, destinations, served, runtime })
    }

    /// An active organization that the user does not belong to; `None` where every one of the first few is theirs.
    pub(super) fn elsewhere(&self, user: Option<&Snapshot>) -> anyhow::Result<Option<Arc<Organization>>> {
        /// One more than what people usually belong to.
        const LOOKED_AT: u32 = 500;
        self.runtime.block_on(async {
            let page = Page { limit: Some(LOOKED_AT), offset: 0 };
            for found in self.view().organizations(&page.into()).await?.rows {
                if user.is_some_and(|user| user.membership(found.id).is_some()) {
                    continue;
                }
                if let Some(found) =
                    self.store.organization(&OrgRef::Id(found.id)).await?.filter(|found| found.is_active)
                {
                    return Ok(Some(Arc::new(found)));
                }
            }
            Ok(None)
        })
    }

    fn view(&self) -> View {
        self.store.as_seen_by(Viewer::Operator)
    }

    /// A user by what a person would write; `None`: there is none.
    pub(super) fn user(&self, name: &str) -> anyhow::Result<Option<Arc<Snapshot>>> {
        self.runtime.block_on(async {
            let record = match self.view().user(&UserSelector::Text(name.to_owned())).await {
                Ok(record) => record,
                Err(DirectoryError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            Ok(self.store.user_snapshot(record.id).await?.map(Arc::new))
        })
    }

    /// Where facts about a user come from, and how old they are.
    pub(super) fn provenance(&self, user: Option<&Snapshot>) -> anyhow::Result<Provenance> {
        const SHOWN: u32 = 10;
        let now = crate::clock::unix_seconds();
        let record = |what: String, edited: i64| {
            let age = Duration::from_secs(now.saturating_sub(edited).try_into().unwrap_or(0));
            Record { what, edited: stamp(edited), age }
        };
        self.runtime.block_on(async {
            let mut records = Vec::new();
            if let Some(user) = user {
                let found = self.view().user(&user.user.id.into()).await?;
                records.push(record(format!("user {}", found.username), found.modified));
                let page = Page { limit: Some(SHOWN), offset: 0 };
                let list = List { page, ..List::of_user(user.user.id) };
                for found in self.view().memberships(&list).await?.rows {
                    records.push(record(format!("{} of {}", found.level, found.slug), found.modified));
                }
            }
            let position = self.store.position().await?.to_string();
            Ok(Provenance::Store {
                place: self.place.clone(),
                position,
                max_staleness: self.config.cache.max_staleness,
                records,
            })
        })
    }

    pub(super) fn object(&self, key: &LookupKey) -> LookupAnswer {
        let mut key = key.clone();
        if matches!(key.lookup.question, Question::Http(_)) {
            let policy = self.served.get_or_init(|| self.serve()).policy.as_ref();
            // The policy that is explained knows no secrets, so that none can be shown.
            let same = policy.and_then(|policy| policy.lookups().iter().find(|known| **known == key.lookup));
            key.lookup = same.map_or(key.lookup, Arc::clone);
        }
        self.runtime.block_on(self.lookups.find(&key))
    }

    fn serve(&self) -> Served {
        let upstreams: Vec<_> = self.config.upstreams.iter().cloned().map(Arc::new).collect();
        let opened = self.runtime.block_on(self.destinations.open(&upstreams));
        if let Err(error) = &opened {
            tracing::warn!(%error, "the upstreams cannot be used");
        }
        Served { policy: load_policy(&self.config).ok(), _opened: opened.unwrap_or_default() }
    }

    pub(super) fn organization(&self, key: &OrgKey<'_>) -> Result<Option<Arc<Organization>>, StoreError> {
        Ok(self.runtime.block_on(self.store.organization(&org_ref(key)))?.map(Arc::new))
    }
}
