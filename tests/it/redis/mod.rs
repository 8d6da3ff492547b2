//! Several replicas over one store, with a Redis between them: what they share, what they never believe, and what becomes
//! of callers when Redis is away, slow, full, foreign, or old.

mod failures;
mod limits;
mod places;
mod promise;
mod tier;

use crate::support::{Gate, Options, Postern, ROUTES, RedisServer, Upstream, Who, get};

/// Replicas of one installation.
pub struct Fleet {
    /// All over the first one's store.
    pub replicas: Vec<Postern>,
    /// The service behind them.
    pub upstream: Upstream,
}

impl Fleet {
    /// One replica for each Redis URL.
    pub fn new(urls: &[String]) -> Self {
        Self::with(urls, &Options::policy(ROUTES))
    }

    /// The same with these options.
    pub fn with(urls: &[String], options: &Options) -> Self {
        // A machine that runs all tests at once answers later than one that serves.
        let urls: Vec<_> = urls.iter().map(|url| patient(url)).collect();
        let Gate { postern, upstream } = Gate::with(&options.clone().set("redis", urls.first().expect("at least one")));
        let mut fleet = Self { replicas: vec![postern], upstream };
        for url in urls.iter().skip(1) {
            fleet.join(url, options);
        }
        for replica in &fleet.replicas {
            answers(replica);
        }
        fleet
    }

    /// One more replica, which has seen nothing yet.
    pub fn join(&mut self, url: &str, options: &Options) -> &Postern {
        let url = patient(url);
        let store = format!("sqlite:{}", self.replicas[0].home().join("postern.db").display());
        let options = Options { world: false, ..options.clone() }.set("redis", url).set("database", store);
        self.replicas.push(Postern::start(self.upstream.address(), &options));
        self.replicas.last().unwrap()
    }

    /// The status of somebody's GET at a replica.
    pub fn status(&self, replica: usize, who: Who, target: &str) -> u16 {
        status(&self.replicas[replica], who, target)
    }
}

/// The configuration of a Redis with a budget for busy machines.
fn patient(url: &str) -> String {
    if url.starts_with('{') { url.to_owned() } else { format!("{{ url: \"{url}\", budget: 200ms }}") }
}

/// The status of somebody's GET.
pub fn status(replica: &Postern, who: Who, target: &str) -> u16 {
    let mut raw = replica.raw();
    raw.send(get(who, target));
    raw.answer().status
}

/// Waits until a replica has Redis.
pub fn answers(replica: &Postern) {
    crate::support::eventually("Redis serves a replica", || (degraded(replica) == 0.0).then_some(()));
}

/// The metric of that name.
pub fn degraded(replica: &Postern) -> f64 {
    replica.metric("postern_degraded{dependency=\"redis\"}")
}

/// The URL of a server.
pub fn url(redis: &RedisServer) -> String {
    format!("redis://127.0.0.1:{}", redis.port)
}
