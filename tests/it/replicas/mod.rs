//! Several replicas over one PostgreSQL and one Redis, each by wires of its own that can be slow, deaf or cut: how late a
//! change counts, what callers see while something is away, how the replicas come back, and how much is asked meanwhile.

mod contract;
mod counts;
mod doctor;
mod failover;
mod pooler;
mod promise;
mod restored;
mod slow;

use crate::support::postgres::Server;
use crate::support::{Options, Postern, Raw, RedisServer, Upstream, Wire, World, command, eventually};
use std::collections::BTreeMap;

/// The world's organizations, and besides: what permissions allow, and owners.
const POLICY: &str = "
version: 1
upstream: echo
routes:
  /me/**: authenticated
  /admin/**: superuser
  /org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /owner/{org:slug}: { org: path.org as slug, level: owner }
  /may/{org:slug}/**: { org: path.org as slug, level: member, permissions: [ops.reboot] }
";

/// The world's people with rights: `both` may reboot by a role in a, `uB` by a group, `mA` by a super role, `oA` directly.
const RIGHTS: [&[&str]; 5] = [
    &["permission", "create", "ops.reboot"],
    &["role", "create", "operator", "--org", "a", "--permission", "ops.reboot", "--users", "both"],
    &["group", "create", "operators", "--permissions", "ops.reboot", "--users", "uB"],
    &["role", "create", "support", "--super", "--permission", "ops.reboot", "--users", "mA"],
    &["user", "grant", "oA", "ops.reboot"],
];

/// One installation.
pub struct Site {
    /// Where its facts are: in the database `postern`.
    pub server: Server,
    /// What its replicas share.
    pub redis: RedisServer,
    replicas: Vec<Replica>,
    tokens: BTreeMap<String, String>,
    options: Options,
    upstream: Upstream,
}

/// A replica, and the wires that it hangs on.
pub struct Replica {
    /// The process.
    pub postern: Postern,
    /// To the database.
    pub database: Wire,
    /// To Redis.
    pub redis: Wire,
}

/// Somebody's connection to a replica.
pub struct Caller {
    raw: Raw,
    request: String,
}

impl Caller {
    /// The status of one more answer.
    pub fn ask(&mut self) -> u16 {
        self.raw.send(&self.request);
        self.raw.answer().status
    }
}

impl Site {
    /// So many replicas with these settings.
    pub fn new(replicas: usize, set: &[(&'static str, &str)]) -> Self {
        let server = Server::own_with("log_statement = 'all'");
        server.migrated("postern");
        let upstream = Upstream::echo();
        let mut options = Options::policy(POLICY);
        options.world = false;
        options.set = set.iter().map(|(place, value)| (*place, (*value).to_owned())).collect();
        let home = tempfile::TempDir::new().unwrap();
        let url = server.url("postern");
        let run = |args: &[&str], input: &str| {
            let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
            command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
        };
        let tokens = World::fill(run);
        RIGHTS.iter().for_each(|args| drop(run(args, "")));
        let redis = RedisServer::start();
        let mut site = Self { server, redis, replicas: Vec::new(), tokens, options, upstream };
        (0..replicas).for_each(|_| site.join());
        site
    }

    /// One more replica, on wires of its own.
    pub fn join(&mut self) {
        let database = Wire::to(self.server.port());
        let url = format!("postgres://postgres@{}/postern?sslmode=disable", database.address);
        self.join_by(&url, database);
    }

    /// One more, which finds the database at another URL than the wire's.
    pub fn join_by(&mut self, url: &str, database: Wire) {
        let redis = Wire::to(self.redis.port);
        // A machine that runs all tests at once answers later than one that serves.
        let shared = format!("{{ url: \"redis://{}\", budget: 200ms }}", redis.address);
        let options = self.options.clone().set("database", url).set("redis", shared);
        let postern = Postern::start(self.upstream.address(), &options);
        eventually("Redis serves a replica", || {
            (postern.metric("postern_degraded{dependency=\"redis\"}") == 0.0).then_some(())
        });
        self.replicas.push(Replica { postern, database, redis });
    }

    /// A replica's process.
    pub fn postern(&self, replica: usize) -> &Postern {
        &self.replicas[replica].postern
    }

    /// Somebody's connection to a replica, for one kind of request.
    pub fn caller(&self, replica: usize, who: &str, method: &str, target: &str) -> Caller {
        let token = self.tokens.get(who).unwrap_or_else(|| panic!("{who} has no token"));
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        Caller { raw: self.replicas[replica].postern.raw(), request }
    }

    /// The status of somebody's GET.
    pub fn status(&self, replica: usize, who: &str, target: &str) -> u16 {
        self.caller(replica, who, "GET", target).ask()
    }

    /// Waits until a replica answers so.
    pub fn answers(&self, replica: usize, who: &str, target: &str, status: u16) {
        eventually("a replica answers so", || (self.status(replica, who, target) == status).then_some(()));
    }

    /// Runs raw SQL, as another program would.
    pub fn sql(&self, sql: &str) {
        self.server.sql("postern", sql);
    }
}
