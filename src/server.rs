//! The whole process put together: listeners, store, cache, workers; up, and down again in order.

mod observe;
mod obstacles;

pub use obstacles::obstacles;

use crate::admin::operations::Doctor;
use crate::admin::{self, Admin};
use crate::api::links::Links;
use crate::api::openapi::Extent;
use crate::api::{self, Api, paths};
use crate::assertion::Assertions;
use crate::authzen;
use crate::config::{Compat, Config, Database, Schema};
use crate::control::Control;
use crate::directory::encryption::Sealer;
use crate::directory::{Directory, Usernames};
use crate::fact_cache::broadcast::Broadcast;
use crate::fact_cache::django_cache::DjangoCache;
use crate::fact_cache::redis_cache::RedisCache;
use crate::fact_cache::{Capacity, FactCache};
use crate::fronts::Front;
use crate::gateway::ext_authz::{ExtAuthz, IsReady, Watchers};
use crate::gateway::{self, ActivePolicy, LoginPages, Port, Shared, Worker};
use crate::identity::Identity;
use crate::jobs;
use crate::limit::{self, Limiter};
use crate::lookup::{self, Lookups};
use crate::mail::{self, Mailer};
use crate::management::{Hosts, Management, Readiness};
use crate::net::counts::Counts;
use crate::net::descriptors::{Descriptors, Shares, raise_limit};
use crate::net::drain::{Lifecycle, Stage};
use crate::net::listen::{Address, ListenError, Listener, listen, listen_on};
use crate::net::tls::{Tls, TlsError};
use crate::net::worker::{self, Workers};
use crate::oidc::Providers;
use crate::policy::Policy;
use crate::redis::seal::Seal;
use crate::redis::{ConnectError, Redis};
use crate::reload::{
    AssertionKeys, Certificates, Keys, Policies, PolicyError, Reloadable, Reloader, Source, Status, Trigger,
    UpstreamCertificates, resolve,
};
use crate::second_factor::SecondFactors;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::minutes::Minutes;
use crate::telemetry::recent::AllRecent;
use crate::telemetry::trace::{Exporting, TraceError};
use crate::upstream::Destinations;
use crate::upstream::cluster::Report;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Handle;

/// How long the last letters may take, once nothing is served any more.
const LAST_LETTERS: Duration = Duration::from_secs(5);

/// Why the process cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gives no thread, no runtime, no randomness.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// The process may have too few descriptors.
    #[error(
        "cannot start: this process may open {0} files (RLIMIT_NOFILE), which is not enough for itself and its clients. Raise the limit: \
         `ulimit -n`, LimitNOFILE= of systemd, --ulimit nofile= of a container"
    )]
    Descriptors(usize),
    /// The style sheet of the admin UI cannot be read.
    #[error("cannot start: `admin_ui.style`: {0}")]
    Style(std::io::Error),
    /// What an installation puts into the pages of the admin UI cannot be read.
    #[error("cannot start: `admin_ui.templates`: {0}")]
    Places(#[from] admin::PlacesError),
    /// The certificates cannot be served.
    #[error("cannot start: {0}")]
    Tls(#[from] TlsError),
    /// The store cannot be asked.
    #[error("cannot start: {0}")]
    Store(#[from] crate::directory::StoreError),
    /// The configuration says otherwise than the directory.
    #[error(
        "cannot start: usernames are {0} in the directory, and the configuration says otherwise: write `identity.login.usernames: {0}`, or change \
         the directory with `postern usernames`"
    )]
    Usernames(Usernames),
    /// A secret of the configuration is not there.
    #[error(transparent)]
    Secret(#[from] crate::secret::SecretError),
    #[error("identity.token.key: {0}")]
    Seal(#[from] crate::directory::encryption::SealError),
    /// The policy and the configuration do not fit each other.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A database of lookups cannot be used as configured.
    #[error(transparent)]
    Lookup(#[from] lookup::DatabaseError),
    /// Redis cannot be used as configured; that it is away is no error.
    #[error(transparent)]
    Redis(#[from] ConnectError),
    #[error(transparent)]
    Mail(#[from] crate::mail::MailError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("assertion: {0}")]
    Assertion(#[from] crate::assertion::KeyError),
    #[error(transparent)]
    Provider(#[from] crate::oidc::SetupError),
    #[error(transparent)]
    SecondFactor(#[from] crate::second_factor::SetupError),
    /// What `identity` needs is not there, or cannot be used.
    #[error(transparent)]
    Identity(#[from] crate::identity::SetupError),
}

/// The listening sockets, bound before anything else is touched.
pub struct Listeners {
    data: Listener,
    management: TcpListener,
    probes: Option<TcpListener>,
    /// Where a front asks, over HTTP and over gRPC.
    forward_auth: Option<Listener>,
    ext_authz: Option<Listener>,
    /// Where the admin UI has an address of its own.
    admin_ui: Option<Listener>,
}

impl Listeners {
    /// Binds every address of the configuration.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(config: &Config) -> Result<Self, ListenError> {
        Ok(Self {
            data: listen_on("listen", &config.listen)?,
            management: listen("management", config.management)?,
            probes: config.probes.map(|address| listen("probes", address)).transpose()?,
            forward_auth: config
                .forward_auth
                .as_ref()
                .map(|asked| listen_on("forward_auth", &asked.listen))
                .transpose()?,
            ext_authz: config.ext_authz.as_ref().map(|address| listen_on("ext_authz", address)).transpose()?,
            admin_ui: config
                .admin_ui
                .as_ref()
                .and_then(|admin| admin.listen.as_ref())
                .map(|address| listen_on("admin_ui", address))
                .transpose()?,
        })
    }

    /// The data port's address, for a configured port of 0.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn data_address(&self) -> std::io::Result<Address> {
        self.data.address()
    }

    /// The address of the admin UI, where it has one of its own.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn admin_address(&self) -> std::io::Result<Option<Address>> {
        self.admin_ui.as_ref().map(Listener::address).transpose()
    }

    /// The management port's address, for a configured port of 0.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn management_address(&self) -> std::io::Result<SocketAddr> {
        self.management.local_addr()
    }
}

pub struct Server {
    lifecycle: Lifecycle,
    config: Config,
    /// Of the data port, and of the ports where a front asks.
    workers: Vec<Workers>,
    access: Option<JoinHandle<()>>,
    mail: Option<Arc<Mailer>>,
    spans: Option<Exporting>,
    fact_cache: Arc<FactCache>,
    reloadables: Vec<Box<dyn Reloadable>>,
    reloads: Arc<Status>,
}

impl Server {
    /// Starts everything; requests are served when this returns. The control plane runs on `control`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: Config,
        listeners: Listeners,
        policy: Policy,
        store: Arc<Directory>,
        control: &Handle,
    ) -> Result<Self, StartError> {
        Self::start_with_doctor(config, listeners, policy, store, control, Arc::new(Vec::new)).await
    }

    /// The same with what the admin UI has look the deployment over.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with_doctor(
        config: Config,
        listeners: Listeners,
        policy: Policy,
        store: Arc<Directory>,
        control: &Handle,
        doctor: Doctor,
    ) -> Result<Self, StartError> {
        let shares = descriptors(&config)?;
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let counts = Arc::new(Counts::default());
        let destinations = Destinations::new(control.clone());
        let opened = destinations.open(&resolve(&policy, &config.upstreams)?).await.map_err(PolicyError::from)?;
        let capacity = Capacity { known: config.cache.credentials, ..Capacity::default() };
        let (usernames, position) = (store.usernames().await?, store.position().await?);
        if usernames != config.identity.accounts.usernames {
            return Err(StartError::Usernames(usernames));
        }
        let metrics = Arc::new(Metrics::default());
        let redis = redis(&config, control)?;
        let shared_limits = match &redis {
            Some(redis) => Some(limits_in(redis, &store, control)?),
            None => None,
        };
        let redis_cache = redis
            .as_ref()
            .map(|redis| RedisCache::new(Arc::clone(redis), &store, &position, control.clone(), metrics.shard()));
        let fact_cache = FactCache::new(Arc::clone(&store), position, config.cache.max_staleness, capacity);
        let mut fact_cache = fact_cache.map_err(std::io::Error::from)?;
        if let Some(redis_cache) = redis_cache {
            fact_cache = fact_cache.with_redis_cache(redis_cache).await?;
        }
        if let Some(redis) = &redis {
            fact_cache =
                fact_cache.with_broadcast(Broadcast::new(Arc::clone(redis), Seal::of(&store), metrics.shard()));
        }
        let mut django_cache = None;
        if let Some(cache) = config.openwisp.cache().filter(|_| config.schema == Schema::Openwisp) {
            let cache = django_cache.insert(kept(cache.settings()?, control));
            let told = DjangoCache::start(Arc::clone(cache), &config.openwisp.cache_prefix, control);
            fact_cache = fact_cache.with_django_cache(told);
        }
        let fact_cache = Arc::new(fact_cache);
        fact_cache.catch_up().await?;
        control.spawn(Arc::clone(&fact_cache).watch());

        let keys = Keys::look(&config.identity.settings);
        let identity = Identity::start(
            &config.identity.settings,
            config.identity.accounts.passwords,
            Arc::clone(&fact_cache),
            Arc::clone(&store),
            django_cache,
            control,
        )?;
        let factors = config.identity.accounts.mfa.clone();
        if let Some(settings) = &factors {
            control.spawn(settings.clone().warn_of_unknown_organizations(Arc::clone(&store)));
        }
        let factors =
            factors.map(|settings| SecondFactors::new(settings, Arc::clone(&store)).map(Arc::new)).transpose()?;
        let identity = Arc::new(identity.with_second_factors(factors.clone()));
        let mail = config.mail.as_ref().map(|mail| Mailer::start(mail, control).map(Arc::new)).transpose()?;
        let links = Links::new(
            config.public_url.clone(),
            config.identity.accounts.prefix.clone(),
            config.compat == Compat::Openwisp,
        );
        let jobs = jobs::Runner {
            store: Arc::clone(&store),
            jobs: config.jobs,
            passwords: config.identity.accounts.passwords,
            post: mail.clone().and_then(|mailer| jobs::Post::new(mailer, &links)),
        };
        control.spawn(jobs.keep());
        let letters = (mail.clone(), links.clone());
        let api = identity_api(&config, &store, &identity, shared_limits.clone(), letters, (control, factors))?;

        let databases = config.databases.iter().map(|source| source.database()).collect::<Result<Vec<_>, _>>()?;
        let descriptors = Descriptors::new(shares.upstreams);
        let services = lookup::Services::new(Arc::clone(&destinations), descriptors.clone(), config.timeouts.keep);
        let lookups = Arc::new(Lookups::new(databases, services, control.clone()));
        lookups.follow();

        let authzen = config.authzen.clone().map(|settings| {
            let (fact_cache, identity, store) = (Arc::clone(&fact_cache), Arc::clone(&identity), Arc::clone(&store));
            let lookups = Arc::clone(&lookups);
            let service =
                authzen::Authzen::new(settings, fact_cache, identity, store, lookups, config.public_url.clone());
            gateway::Authzen { service: Arc::new(service), control: Control(control.clone()) }
        });

        let limits = Arc::new(Limiter::new(crate::clock::monotonic(), shared_limits));
        let (access, writer) = if config.log.access {
            let (log, writer) = AccessLog::start(std::io::stdout(), metrics.shard())?;
            (Some(log), Some(writer))
        } else {
            (None, None)
        };
        let live = Arc::new(ActivePolicy::new(policy, opened, Arc::clone(&metrics)));
        let reloads = Arc::new(Status::default());
        metrics.also(Arc::clone(&reloads));
        // Whatever can be loaded again while it is used, in the order in which it is.
        let policies = Policies::new(Arc::clone(&live), Arc::clone(&destinations), &config, Arc::clone(&reloads));
        let clusters = Arc::clone(&destinations);
        metrics.also(Arc::new(Report(move || clusters.clusters())));
        let mut reloadables: Vec<Box<dyn Reloadable>> =
            vec![Box::new(policies), Box::new(UpstreamCertificates(destinations))];
        if config.identity.settings.files().next().is_some() || !config.identity.settings.jwt.is_empty() {
            reloadables.push(Box::new(Keys::new(Arc::clone(&identity), &config.identity.settings, keys)));
        }
        if let Some(tls) = &tls {
            reloadables.push(Box::new(Certificates(Arc::clone(tls))));
        }
        let assertions = config.assertion.as_ref().map(|of| Assertions::new(of).map(Arc::new)).transpose()?;
        if let Some(assertions) = &assertions {
            reloadables.push(Box::new(AssertionKeys(Arc::clone(assertions))));
        }
        let (tracer, spans) = match &config.tracing {
            Some(settings) => {
                let (tracer, spans) = Exporting::start(settings, metrics.shard(), control)?;
                (Some(tracer), Some(spans))
            }
            None => (None, None),
        };
        let lifecycle = Lifecycle::new();
        let readiness =
            Readiness::new(lifecycle.follow(), Arc::clone(&fact_cache), Arc::clone(&reloads), redis.clone());
        let readiness = Arc::new(readiness);
        let recent = config.admin_ui.as_ref().map(|_| Arc::new(AllRecent::default()));
        let admin = match (&config.admin_ui, &api, &recent) {
            (Some(settings), Some(api), Some(recent)) => {
                let minutes = Arc::new(Minutes::default());
                let begun = Arc::clone(&identity);
                let logins = move || begun.sessions_begun();
                control.spawn(Arc::clone(&minutes).keep(Arc::clone(&metrics), logins));
                let live = Arc::clone(&live);
                let admin = Admin {
                    api: Arc::clone(api),
                    prefix: settings.prefix.clone(),
                    policy: Box::new(move || Arc::new(gateway::SharedPolicy::of(&live))),
                    names: config.names(),
                    lookups: Arc::clone(&lookups),
                    fact_cache: Arc::clone(&fact_cache),
                    limits: Arc::clone(&limits),
                    has_redis: redis.is_some(),
                    store: match &config.database {
                        Database::Sqlite(_) => "SQLite, embedded",
                        Database::Postgres(_) => "PostgreSQL",
                    }
                    .to_owned(),
                    readiness: Arc::clone(&readiness),
                    metrics: Arc::clone(&metrics),
                    minutes,
                    recent: Arc::clone(recent),
                    doctor,
                    control: Control(control.clone()),
                    kept: admin::Kept::default(),
                    style: admin::Style::new(settings.style.as_deref()).map_err(StartError::Style)?,
                    places: admin::Places::load(settings.templates.as_deref())?,
                    name: settings.name.clone(),
                };
                Some(admin::Service::new(Arc::new(admin)))
            }
            _ => None,
        };
        let shared = Arc::new(Shared {
            live,
            recent,
            admin,
            fact_cache: Arc::clone(&fact_cache),
            lookups: Arc::clone(&lookups),
            identity,
            trusted_proxies: config.trusted_proxies.clone(),
            keep_headers: config.keep_headers.clone(),
            assertions: assertions.clone(),
            api: api.clone().map(|api| api::Service::new(api, Control(control.clone()))),
            authzen,
            limits: Arc::clone(&limits),
            unauthenticated_quota: limit::Lane::default(),
            pages: if config.compat == Compat::Openwisp && api.is_some() { &paths::COMPAT } else { &[] },
            login_pages: api.as_ref().filter(|api| api.has_pages()).map(|_| LoginPages::of(&links)),
            password_expired: links.password_expired(),
            body_limit: config.limits.body,
            timeouts: config.upstream_timeouts(),
            descriptors,
            metrics: Arc::clone(&metrics),
            access,
            tracer,
        });
        observe::facts(&metrics, &fact_cache, &config);
        observe::lookups(&metrics, &lookups);
        if let Some(api) = api {
            observe::logins(&metrics, &api);
            metrics.also(Arc::clone(&api.providers.counts));
        }
        for (name, help, read) in mail::Counts::DESCRIBED {
            let mail = mail.clone();
            metrics.counter(name, help, move || mail.as_ref().map_or(0, |mail| read(&mail.counts)));
        }
        metrics.also(Arc::clone(fact_cache.lag()));
        observe::redis(&metrics, redis.as_ref());
        let counted = Arc::clone(&limits);
        metrics.gauge("postern_replicas", "Replicas that share Redis, as far as is known", move || {
            f64::from(counted.replicas().get())
        });
        observe::edge(&metrics, &counts, tls.as_ref(), &config);

        let hosts = Hosts::new(&config.management_hosts);
        let (readable, hosts_of_it) = (Arc::clone(&readiness), hosts.clone());
        let management = Management { readiness: readable, metrics: Some(metrics), hosts: hosts_of_it, assertions };
        control.spawn(async move { management.serve(listeners.management).await });
        if let Some(listener) = listeners.probes {
            let readable = Arc::clone(&readiness);
            let probes = Management { readiness: readable, metrics: None, hosts, assertions: None };
            control.spawn(async move { probes.serve(listener).await });
        }
        let mut settings = config.connections(tls, counts);
        let others = [&listeners.forward_auth, &listeners.ext_authz, &listeners.admin_ui];
        let ports = 1 + others.into_iter().flatten().count();
        settings.connections = (shares.clients / ports).max(1);
        let asked = worker::Settings { tls: None, proxy_protocol: false, ..settings.clone() };
        let (count, limit) = (config.workers, config.drain.limit);
        let start = |listener, settings, port| {
            let shared = Arc::clone(&shared);
            let serve = move |_: usize, ticker: &_| Worker::new(Arc::clone(&shared), ticker, port);
            worker::start(count, listener, settings, limit, &lifecycle.follow(), serve)
        };
        let mut workers = Vec::new();
        if let (Some(listener), Some(forward_auth)) = (listeners.forward_auth, &config.forward_auth) {
            workers.push(start(listener, asked.clone(), Port::Front(forward_auth.front))?);
        }
        if let Some(listener) = listeners.ext_authz {
            let (shared, head) = (Arc::clone(&shared), asked.head);
            let is_ready: IsReady = Arc::new(move || readiness.is_ready());
            let serve = move |_: usize, ticker: &_| {
                let worker = Worker::new(Arc::clone(&shared), ticker, Port::Front(Front::EnvoyGrpc))?;
                Ok(ExtAuthz { worker, head, is_ready: Arc::clone(&is_ready), watchers: Watchers::default() })
            };
            workers.push(worker::start(count, listener, asked, limit, &lifecycle.follow(), serve)?);
        }
        if let Some(listener) = listeners.admin_ui {
            workers.push(start(listener, settings.clone(), Port::Admin)?);
        }
        workers.push(start(listeners.data, settings, Port::Data)?);
        lifecycle.advance(Stage::Ready);
        Ok(Self { lifecycle, config, workers, access: writer, mail, spans, fact_cache, reloadables, reloads })
    }

    /// From now on everything that can be loaded again is, when its files change and when the trigger is pulled.
    pub fn reload(&mut self, source: Source, trigger: Trigger, control: &Handle) {
        let items = std::mem::take(&mut self.reloadables);
        let reloader = Reloader::new(source, self.config.clone(), items, Arc::clone(&self.reloads));
        control.spawn(reloader.run(trigger));
    }

    /// Not ready any more, but still serving, until load balancers have noticed.
    pub async fn lame_duck(&self) {
        self.lifecycle.advance(Stage::LameDuck);
        tokio::time::sleep(self.config.drain.lame_duck).await;
    }

    /// Accepts nothing more, and returns when what is in flight has finished or the limit has passed.
    pub async fn drain(self) {
        self.lifecycle.advance(Stage::Draining);
        let Self { workers, access, mail, spans, fact_cache, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(Workers::join);
            if let Some(writer) = access {
                let _ = writer.join();
            }
        });
        let _ = joined.await;
        if let Some(mail) = mail {
            mail.finish(LAST_LETTERS).await;
        }
        if let Some(spans) = spans {
            spans.finish().await;
        }
        fact_cache.flush_last_used(0).await;
    }
}

/// Takes as many descriptors as there are, and shares them out; says so where clients get fewer than they are meant to.
fn descriptors(config: &Config) -> Result<Shares, StartError> {
    let allowed = raise_limit();
    let of_the_store = match &config.database {
        Database::Sqlite(_) => 0,
        Database::Postgres(postgres) => postgres.connections,
    };
    let wanted = config.limits.connections;
    let shares = Shares::of(allowed, wanted, config.workers, of_the_store).ok_or(StartError::Descriptors(allowed))?;
    if shares.clients < wanted {
        tracing::warn!(
            allowed,
            served = shares.clients,
            needed = shares.needed(wanted),
            "`limits.connections` is {wanted}, and this process may open {allowed} files (RLIMIT_NOFILE): at most {} clients are \
             connected at once. Raise the limit to {} (`ulimit -n`, LimitNOFILE= of systemd), or lower `limits.connections`",
            shares.clients,
            shares.needed(wanted)
        );
    }
    Ok(shares)
}

/// The identity API, where it is wanted.
fn identity_api(
    config: &Config,
    store: &Arc<Directory>,
    identity: &Arc<Identity>,
    limits: Option<Arc<limit::Shared>>,
    letters: (Option<Arc<Mailer>>, Links),
    (control, factors): (&Handle, Option<Arc<SecondFactors>>),
) -> Result<Option<Arc<Api>>, StartError> {
    let accounts = &config.identity.accounts;
    if accounts.api == crate::config::accounts::Served::Off {
        return Ok(None);
    }
    let sealer = match (&accounts.token_key, config.compat) {
        (_, Compat::Openwisp) if config.schema == Schema::Openwisp => Some(Sealer::plain()),
        (Some(key), Compat::Openwisp) => Some(Sealer::new(&key.text()?)?),
        _ => None,
    };
    let (store, identity, extent) = (Arc::clone(store), Arc::clone(identity), Extent::of(config));
    let api = Api::new(store, identity, accounts, sealer, limits, letters, extent);
    let api = api.with_second_factors(factors);
    Ok(Some(Arc::new(api.with_providers(Providers::start(&accounts.providers, control)?))))
}

/// Redis as configured, with the task that connects to it; nothing waits for that.
fn redis(config: &Config, control: &Handle) -> Result<Option<Arc<Redis>>, ConnectError> {
    let Some(config) = &config.redis else { return Ok(None) };
    Ok(Some(kept(config.settings()?, control)))
}

/// One that is connected to, and again where it was away.
fn kept(settings: crate::redis::Settings, control: &Handle) -> Arc<Redis> {
    let redis = Arc::new(Redis::new(settings));
    let keeper = Arc::clone(&redis);
    control.spawn(async move { keeper.keep().await });
    redis
}

/// The limits that replicas share, with the task that counts the replicas.
fn limits_in(redis: &Arc<Redis>, store: &Directory, control: &Handle) -> std::io::Result<Arc<limit::Shared>> {
    let shared = Arc::new(limit::Shared::new(Arc::clone(redis), Seal::of(store))?);
    let beating = Arc::clone(&shared);
    control.spawn(async move { beating.beat().await });
    Ok(shared)
}
