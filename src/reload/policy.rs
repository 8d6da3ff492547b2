//! The policy with its secrets and upstreams: loaded from the configuration, compared with the one in force, exchanged.

use super::{LINES, Reloadable, Status, Swap, Trouble};
use crate::config::{self, Config, Wider};
use crate::gateway::{ActivePolicy, InForce};
use crate::policy::{self, Names, Policy};
use crate::secret::SecretError;
use crate::tools::matrix::{Comparison, Difference, compare};
use crate::upstream::tls::TlsError;
use crate::upstream::{Destinations, Upstream};
use crate::yaml::{self, Findings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What to do where there is no policy: the smallest one, which opens everything to every user, must be somebody's word.
pub const SMALLEST: &str = "the smallest one is two lines, in a file that `policy` of postern.yaml or --policy names:\n\n  \
     version: 1\n  routes: { /**: authenticated }\n\n--any-authenticated says the same without a file";

/// Why a policy cannot be put in force.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read the policy {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Nobody has said who may do what.
    #[error("there is no policy: nothing says who may do what")]
    None,
    /// There are mistakes in it.
    #[error("the policy has errors")]
    Findings(Findings),
    /// A secret has no value.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It names an upstream that the configuration does not have.
    #[error("the policy sends requests to upstream `{0}`, which `upstreams` does not name")]
    Upstream(String),
    /// There is nowhere to send requests to.
    #[error("there is no upstream: name one under `upstreams`, or use --upstream http://HOST:PORT")]
    NoUpstream,
    /// What an upstream needs cannot be loaded.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Reads the policy that a configuration names, with its secrets.
///
/// # Errors
/// See [`PolicyError`].
pub fn load_policy(config: &Config) -> Result<Policy, PolicyError> {
    compile(config, &texts(config)?, &config.names())
}

fn compile(config: &Config, texts: &[(String, String)], names: &Names) -> Result<Policy, PolicyError> {
    let policy = policy::load(texts, Some(names)).map_err(PolicyError::Findings)?;
    config::fill(&config.secrets, &policy)?;
    Ok(policy)
}

/// The files' names and texts; never more of one than the parser takes.
fn texts(config: &Config) -> Result<Vec<(String, String)>, PolicyError> {
    let read = |path: &Path| Ok((path.display().to_string(), yaml::read(path)?));
    let mut texts = Vec::new();
    for path in &config.policy {
        texts.push(read(path).map_err(|source| PolicyError::Unreadable { path: path.clone(), source })?);
    }
    if texts.is_empty() {
        if !config.any_authenticated {
            return Err(PolicyError::None);
        }
        // By every scheme that is served.
        let schemes = config.identity.settings.schemes();
        let text = format!("version: 1\nauthenticate: {schemes}\nroutes: {{ /**: authenticated }}\n");
        texts.push(("--any-authenticated".to_owned(), text));
    }
    Ok(texts)
}

/// The configured upstreams in the order of the policy's indexes.
///
/// # Errors
/// There is none, or not the one that the policy names.
pub(crate) fn resolve(policy: &Policy, configured: &[Upstream]) -> Result<Vec<Arc<Upstream>>, PolicyError> {
    let only = configured.first().ok_or(PolicyError::NoUpstream)?;
    let find = |name: &str| {
        let named = configured.iter().find(|upstream| &*upstream.name == name);
        // An empty name is "the only one".
        named.or_else(|| Some(only).filter(|_| name.is_empty()))
    };
    let resolved = policy.upstreams().iter().map(|name| {
        let upstream = find(name).ok_or_else(|| PolicyError::Upstream(name.to_string()))?;
        Ok(Arc::new(upstream.clone()))
    });
    resolved.collect()
}

/// Reloads the policy in force.
pub struct Policies {
    live: Arc<ActivePolicy>,
    status: Arc<Status>,
    wider: Wider,
    /// All that were configured for the policy in force, also those that it does not name.
    upstreams: Vec<Upstream>,
    destinations: Arc<Destinations>,
    list_limit: usize,
    body_limit: u64,
}

impl Policies {
    /// For what is in force, made from `config`; whether the policy may become wider is settled by it for good: who may
    /// change the files that are reloaded must not be able to allow it to themselves.
    #[must_use]
    pub fn new(live: Arc<ActivePolicy>, destinations: Arc<Destinations>, config: &Config, status: Arc<Status>) -> Self {
        let policy = &live.load().policy;
        status.policy(policy.fingerprint(), policy.routes().len());
        Self {
            live,
            status,
            wider: config.reload.wider,
            upstreams: config.upstreams.clone(),
            destinations,
            list_limit: config.limits.identity_header,
            body_limit: config.limits.body,
        }
    }

    /// Whether these texts, these upstreams and these secrets are what is in force.
    fn is_in_force(&self, now: &InForce, config: &Config, texts: &[(String, String)]) -> Result<bool, PolicyError> {
        let policy = &now.policy;
        if *policy::fingerprint(texts) != *policy.fingerprint() || config.upstreams != self.upstreams {
            return Ok(false);
        }
        Ok(config::are_filled(&config.secrets, policy)?)
    }

    fn judge(&self, now: &InForce, next: &Policy, upstreams: &[Arc<Upstream>]) -> Result<Comparison, Trouble> {
        let mut comparison = compare(&now.policy, next);
        let before = || now.destinations.iter().map(|destination| destination.upstream());
        let same_name = |new: &&Arc<Upstream>| before().find(|old| old.name == new.name).cloned();
        for new in upstreams {
            if let Some(old) = same_name(&new).filter(|old| old != new) {
                comparison.wider.push(Difference {
                    pattern: "every route".to_owned(),
                    place: String::new(),
                    methods: "any".to_owned(),
                    who: "all".to_owned(),
                    was: format!("upstream {}: {}", old.name, old.words()),
                    now: format!("upstream {}: {}", new.name, new.words()),
                    others: Vec::new(),
                });
            }
        }
        let is_refused = self.wider == Wider::Refuse && !comparison.wider.is_empty();
        if is_refused {
            let lines = |difference: &Difference| format!("wider: {difference}");
            let count = comparison.wider.len();
            let summary = format!("`reload.wider` is `refuse`, and the policy became wider in {count} places");
            let details = comparison.wider.iter().map(lines).collect();
            return Err(Trouble { summary, details, refused: true });
        }
        Ok(comparison)
    }
}

impl Reloadable for Policies {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["policy", "secrets", "upstreams"]
    }

    fn files(&self, config: &Config) -> Vec<PathBuf> {
        let secrets = config.secrets.iter().filter_map(|secret| secret.file()).map(Path::to_owned);
        config.policy.iter().cloned().chain(secrets).collect()
    }

    fn load(&mut self, config: &Config) -> Result<Option<Swap>, Trouble> {
        let texts = texts(config)?;
        let now = self.live.load();
        if self.is_in_force(&now, config, &texts)? {
            return Ok(None);
        }
        // What postern answers itself stays where it was at the start, and so does what no route can be under.
        let names = config.names().with_identity_api(now.policy.identity_api().map(Box::from));
        let names = names.with_authzen(now.policy.serves_authzen());
        let names = names.with_admin_ui(now.policy.admin_ui().map(Box::from));
        let names = names.with_list_limit(self.list_limit).with_body_limit(self.body_limit);
        let next = compile(config, &texts, &names)?;
        let upstreams = resolve(&next, &config.upstreams)?;
        let comparison = self.judge(&now, &next, &upstreams)?;
        let destinations = self.destinations.open_blocking(&upstreams).map_err(PolicyError::from)?;
        tell(&next, &comparison);
        self.upstreams.clone_from(&config.upstreams);
        let (live, status) = (Arc::clone(&self.live), Arc::clone(&self.status));
        Ok(Some(Box::new(move || {
            status.policy(next.fingerprint(), next.routes().len());
            status.differences(comparison.wider.len(), comparison.narrower.len());
            let before = live.swap(next, destinations);
            tokio::spawn(let_go(before));
        })))
    }
}

/// Keeps a policy that is no longer in force until nobody else does, so that no worker spends its time on freeing it. A
/// request that takes longer is left to do so.
async fn let_go(before: Arc<InForce>) {
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if Arc::strong_count(&before) == 1 {
            break;
        }
    }
}

/// Says how much of a policy protects nothing, whatever its lints are allowed to say.
pub fn tell_of_shadow(policy: &Policy) {
    let routes = policy.routes().iter().filter(|route| route.is_shadow()).count();
    if routes > 0 {
        tracing::warn!(routes, "shadow mode: what these routes would refuse goes through, without identity");
    }
}

/// What the next policy is, and what it changes, line by line.
fn tell(next: &Policy, Comparison { wider, narrower }: &Comparison) {
    for warning in next.warnings().to_lines().lines().take(LINES) {
        tracing::warn!(what = "policy", "{warning}");
    }
    tell_of_shadow(next);
    for difference in wider.iter().take(LINES) {
        tracing::warn!(what = "policy", public = difference.is_public(), "wider: {difference}");
    }
    for difference in narrower.iter().take(LINES) {
        tracing::info!(what = "policy", "narrower: {difference}");
    }
    tracing::info!(
        what = "policy",
        fingerprint = next.fingerprint(),
        routes = next.routes().len(),
        wider = wider.len(),
        narrower = narrower.len(),
        "another policy"
    );
}

impl From<PolicyError> for Trouble {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Findings(findings) => Self::findings(&findings),
            error => Self::new(error),
        }
    }
}
