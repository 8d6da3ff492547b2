//! `postern doctor`: looks a deployment over, end to end, and measures how fast a revocation holds.
//!
//! It changes one thing: a user without a name that anybody would choose, with a token, is made, revoked and deleted, and how
//! long that takes to be known is what is measured: here, and at each replica that is named.

mod advice;
mod logins;
mod service;
mod through;

use super::output::{Exit, Output, Record};
use super::{migrate, store};
use crate::address;
use crate::admin::operations::Looked;
use crate::clock;
use crate::config::{Config, Database};
use crate::directory::name::Text;
use crate::directory::token::Token;
use crate::directory::{
    Change, Directory, NewOrganization, NewScope, NewToken, NewUser, People, TokenRecord, Usernames, View, Viewer,
    postgres,
};
use crate::lookup::{Lookups, Services};
use crate::reload::load_policy;
use crate::upstream::Destinations;
use serde::Serialize;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// The published bound.
const BOUND: Duration = Duration::from_millis(250);

/// Look a deployment over: the database, its schema and rights, the feed of changes, and how fast a revocation holds
#[derive(clap::Args)]
pub struct Args {
    /// A running replica, http://HOST:PORT/PATH of a route that asks who calls; measured from outside. May be repeated
    #[arg(long, value_name = "URL", value_parser = Url::parse)]
    url: Vec<Url>,
    /// A running proxy before the service, http://HOST:PORT/PATH of a route that asks who calls: what it does to requests
    #[arg(long, value_name = "URL", value_parser = Url::parse, requires = "user", requires = "service")]
    through: Option<Url>,
    /// With --through: somebody who may GET that path; a token is made for them, and revoked
    #[arg(long = "as", value_name = "USER", requires = "through")]
    user: Option<String>,
    /// With --through: where that proxy forwards to; doctor listens there in the place of the service
    #[arg(long, value_name = "ADDRESS:PORT", requires = "through")]
    service: Option<SocketAddr>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where a replica is asked: on a wire that nobody else can read, so without TLS.
#[derive(Clone)]
struct Url {
    text: String,
    /// As `Host` says it.
    authority: String,
    server: (String, u16),
    path: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        let url = address::Url::parse(text).map_err(|error| format!("{error}; write http://HOST:PORT/PATH"))?;
        if !url.has_scheme("http") {
            return Err("write http://HOST:PORT/PATH; a replica behind TLS is not measured".to_owned());
        }
        let path = if url.path.starts_with('/') { url.path.to_owned() } else { format!("/{}", url.path) };
        let server = (url.server.host.to_owned(), url.server.port.unwrap_or(80));
        Ok(Self { text: text.to_owned(), authority: url.authority.to_owned(), server, path })
    }
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    check: String,
    state: &'static str,
    detail: String,
}

impl Record for Finding {
    const COLUMNS: &'static [&'static str] = &["check", "state", "detail"];
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: impl Into<String>, state: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check: check.into(), state, detail: detail.into() });
    }

    fn of(&mut self, check: &str, result: anyhow::Result<String>) {
        match result {
            Ok(detail) => self.add(check, "ok", detail),
            Err(error) => {
                let hint = super::output::hint(&error).map(|hint| format!("; {hint}")).unwrap_or_default();
                self.add(check, "failed", format!("{}{hint}", super::output::chain(&error)));
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The findings cannot be written.
pub async fn run(args: Args, config: &Config, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let mut findings = Findings::default();
    if let Some(store) = standing(config, &mut findings).await {
        let measured = revocation(&store, &args.url, &mut findings).await;
        if let Err(error) = measured {
            findings.of("revocation", Err(error));
        }
        if let (Some(url), Some(user), Some(service)) = (args.through, args.user, args.service) {
            let probed = through::Probed { url, user, service };
            if let Err(error) = through::through(probed, config, &store, &mut findings).await {
                findings.of("the way", Err(error));
            }
        }
    }
    shadow(config, &mut findings);
    lookups(config, &mut findings).await;
    logins::providers(config, &mut findings).await;
    out.list(&findings.0)?;
    let failed = findings.0.iter().any(|finding| finding.state == "failed");
    Ok(if failed { Exit::No } else { Exit::Ok })
}

/// Looks over what can be looked at from within a serving process, which changes nothing; for so long at most.
#[must_use]
pub fn look_over(config: &Config) -> Vec<Looked> {
    const MOST: Duration = Duration::from_secs(20);
    let mut findings = Findings::default();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let looked = runtime.block_on(tokio::time::timeout(MOST, async {
                standing(config, &mut findings).await;
                shadow(config, &mut findings);
                lookups(config, &mut findings).await;
                logins::providers(config, &mut findings).await;
            }));
            if looked.is_err() {
                findings.add(
                    "time",
                    "failed",
                    format!("it took longer than {} s: the rest was not looked at", MOST.as_secs()),
                );
            }
            runtime.shutdown_background();
        }
        Err(error) => findings.add("system", "failed", error.to_string()),
    }
    findings.0.into_iter().map(|Finding { check, state, detail }| Looked { check, state, detail }).collect()
}

/// Looks at the database, its schema and how it is used; the directory where it can be used.
async fn standing(config: &Config, findings: &mut Findings) -> Option<Arc<Directory>> {
    let usable = schema(&config.database, findings).await;
    if let Database::Postgres(database) = &config.database
        && usable
    {
        match database.target() {
            Ok(target) => match postgres::inspect(&target, &postgres::Options::default()).await {
                Ok(found) => server(&found, database.connections, findings),
                Err(error) => findings.of("database", Err(error.into())),
            },
            Err(error) => findings.of("database", Err(error.into())),
        }
    }
    if !usable {
        return None;
    }
    match store::open(&config.database).await {
        Ok(store) => {
            usernames(&store, config.identity.accounts.usernames, findings).await;
            logins::second_factors(&store, config, findings).await;
            Some(store)
        }
        Err(error) => {
            findings.of("database", Err(error));
            None
        }
    }
}

/// How much of the policy protects nothing.
fn shadow(config: &Config, findings: &mut Findings) {
    let Ok(policy) = load_policy(config) else { return };
    let routes: Vec<&str> =
        policy.routes().iter().filter(|route| route.is_shadow()).map(|route| &*route.pattern).collect();
    if let Some(first) = routes.first() {
        let detail =
            format!("what is refused goes through on {} of {} routes ({first})", routes.len(), policy.routes().len());
        findings.add("shadow mode", "warning", detail);
    }
}

/// Whether the databases of services take the statements of the policy's lookups, and give the columns that it reads; and whether services
/// that are asked can be connected to.
async fn lookups(config: &Config, findings: &mut Findings) {
    let policy = match load_policy(config) {
        Ok(policy) if policy.lookups().is_empty() => return,
        Ok(policy) => policy,
        Err(_) if config.databases.is_empty() => return,
        Err(error) => return findings.of("lookups", Err(error.into())),
    };
    let databases: Result<Vec<_>, _> = config.databases.iter().map(|source| source.database()).collect();
    let databases = match databases {
        Ok(databases) => databases,
        Err(error) => return findings.of("lookups", Err(error.into())),
    };
    let control = tokio::runtime::Handle::current();
    let destinations = Destinations::new(control.clone());
    let upstreams: Vec<_> = config.upstreams.iter().cloned().map(Arc::new).collect();
    let opened = destinations.open(&upstreams).await;
    if let Err(error) = opened.as_ref() {
        findings.add("lookups", "failed", error.to_string());
    }
    let lookups = Lookups::new(databases, Services::of_a_tool(destinations), control);
    for database in lookups.writable().await {
        let detail = "lookups are asked with an account that may write, and only read: give it SELECT alone";
        findings.add(format!("database {database}"), "warning", detail);
    }
    for lookup in policy.lookups() {
        let check = format!("lookup {}", lookup.name);
        match lookups.check(lookup).await {
            Ok(given) => {
                match policy.columns_of(lookup).into_iter().find(|column| !given.iter().any(|it| it == column)) {
                    Some(column) => {
                        findings.add(
                            check,
                            "failed",
                            format!("the policy reads `{column}`, and it gives {}", given.join(", ")),
                        );
                    }
                    None => findings.add(check, "ok", format!("gives {}", given.join(", "))),
                }
            }
            Err(error) => findings.add(check, "failed", error),
        }
        if lookup.has_trigger && !lookups.has_trigger(lookup).await {
            let name = &lookup.name;
            let missing = format!(
                "the policy says that it is installed, and no database has it: `postern lookup trigger {name}`"
            );
            findings.add(format!("trigger of lookup {name}"), "failed", missing);
        }
    }
}

/// Whether the schema is what this program works on.
async fn schema(database: &Database, findings: &mut Findings) -> bool {
    match migrate::status(database).await {
        Ok((place, steps)) => {
            let pending = steps.iter().filter(|step| step.applied.is_none()).count();
            if pending == 0 {
                findings.add("schema", "ok", format!("{} steps are applied to {place}", steps.len()));
            } else {
                findings.add("schema", "failed", format!("{pending} pending for {place}: run `postern migrate`"));
            }
            pending == 0
        }
        Err(error) => {
            findings.of("schema", Err(error));
            false
        }
    }
}

fn server(found: &postgres::Inspection, wanted: usize, findings: &mut Findings) {
    let list = |words: &[String]| words.join(", ");
    findings.add("server", "ok", format!("PostgreSQL {}, as {}", found.version, found.role));
    if found.direct {
        findings.add("connection", "ok", "a session of its own: notifications come through");
    } else {
        let detail = "a pooler stands between: a change is learnt at the next look, or from another replica through Redis; \
                      `postern migrate` belongs on a connection of its own";
        findings.add("connection", "warning", detail);
    }
    match (found.missing.is_empty(), found.may_migrate) {
        (false, _) => findings.add("rights", "failed", format!("the role lacks {}", list(&found.missing))),
        (true, true) => findings.add(
            "rights",
            "warning",
            "the role owns the tables: a replica needs less, see docs/postgresql.md".to_owned(),
        ),
        (true, false) if !found.surplus.is_empty() => findings.add(
            "rights",
            "warning",
            format!("the role has {}, which no replica needs: REVOKE as docs/postgresql.md says", list(&found.surplus)),
        ),
        (true, false) => findings.add("rights", "ok", "enough, and the schema is safe from the role"),
    }
    if !found.unknown.is_empty() {
        let columns = list(&found.unknown);
        let detail = format!(
            "columns that this postern does not know must be given: {columns}; new records of these tables are refused"
        );
        findings.add("tables", "warning", detail);
    }
    if found.looked_over {
        let detail = format!(
            "the role that migrated may put none on Django's tables: nothing of them is written, and a change is learnt within {:?}",
            postgres::LOOK_OVER
        );
        findings.add("triggers", "warning", detail);
    } else if found.silent.is_empty() {
        findings.add("triggers", "ok", "all changes are told");
    } else {
        findings.add(
            "triggers",
            "failed",
            format!("missing or disabled, so that changes are not told: {}", list(&found.silent)),
        );
    }
    let oldest = found.oldest.as_secs();
    let state = if oldest > postgres::KEEP.as_secs() { "warning" } else { "ok" };
    let whose = if found.sees_all { "" } else { " of this role" };
    findings.add(
        "outbox",
        state,
        format!("{} rows; the oldest transaction{whose} is open for {oldest} s", found.outbox),
    );
    let (used, most) = found.connections;
    let left = most.saturating_sub(used);
    let state = if left < i64::try_from(wanted).unwrap_or(i64::MAX) { "warning" } else { "ok" };
    findings.add("connections", state, format!("{used} of {most} at the server; a replica takes up to {}", wanted + 1));
}

/// How usernames are unique, and whether a server of this configuration starts.
async fn usernames(store: &Directory, configured: Usernames, findings: &mut Findings) {
    let kept = match store.usernames().await {
        Ok(kept) => kept,
        Err(error) => return findings.of("usernames", Err(error.into())),
    };
    if kept != configured {
        let detail = format!(
            "{kept} in the directory, and `identity.login.usernames` says {configured}: no server starts; \
             change the one or, with `postern usernames`, the other"
        );
        return findings.add("usernames", "failed", detail);
    }
    if kept == Usernames::Global {
        return findings.add("usernames", "ok", kept.word());
    }
    match store.as_seen_by(Viewer::Operator).without_primary().await {
        Ok(People { count: 0, .. }) => findings.add("usernames", "ok", kept.word()),
        Ok(People { count, first }) => {
            let some = first.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            let detail = format!(
                "{kept}; users without a primary organization do not log in by name: {count} ({some}): \
                 postern user organization USER --org ORG"
            );
            findings.add("usernames", "warning", detail);
        }
        Err(error) => findings.of("usernames", Err(error.into())),
    }
}

/// Makes somebody, and measures how soon their end is known: by the feed, and at each replica.
async fn revocation(store: &Directory, urls: &[Url], findings: &mut Findings) -> anyhow::Result<()> {
    let store = &store.as_seen_by(Viewer::Operator);
    let name = format!("postern-doctor-{}", uuid::Uuid::now_v7().simple());
    let mut user = NewUser::named(&name)?;
    let organization = match store.directory().usernames().await? {
        Usernames::Global => None,
        // Then everybody is of some organization, and so is this one: of a disabled one, in which nobody may do anything.
        Usernames::PerOrganization => {
            let new = NewOrganization { is_active: false, ..NewOrganization::named(&name)? };
            store.create_organizations(vec![new]).await?.into_iter().next().map(|organization| organization.id)
        }
    };
    user.organization_slug = organization.map(Into::into);
    let made = store.create_users(vec![user]).await;
    let measured = match &made {
        Ok(_) => measure(store, &name, urls, findings).await,
        Err(_) => Ok(()),
    };
    // Whatever became of it, nothing of it stays.
    if let Some(user) = made.as_ref().ok().and_then(|made| made.first()) {
        store.delete_user(&user.id.into()).await?;
    }
    if let Some(organization) = organization {
        store.delete_organization(&organization.into()).await?;
    }
    made?;
    measured
}

async fn measure(store: &View, name: &str, urls: &[Url], findings: &mut Findings) -> anyhow::Result<()> {
    let (token, record) = short_lived(store, name, 60).await?;
    let mut known = Vec::new();
    for url in urls {
        let asked = url.clone();
        match tokio::task::spawn_blocking(move || ask(&asked, None)).await? {
            Ok(401) => {}
            Ok(status) => {
                let problem = "this route lets in whoever calls, or is none: name one that asks who they are";
                findings.add(&url.text, "failed", format!("without a credential the answer is {status}: {problem}"));
                continue;
            }
            Err(error) => {
                findings.of(&url.text, Err(error.context("it cannot be asked")));
                continue;
            }
        }
        match until(url, token.expose(), |status| status != 401 && status < 500).await {
            Ok(()) => known.push(url),
            Err(error) => findings.of(&url.text, Err(error.context("it does not know a token that was just made"))),
        }
    }
    let mut at = store.directory().position().await?;
    store.revoke_token(record.id).await?;
    let start = clock::monotonic();
    let waits = known.into_iter().map(|url| {
        let (url, token) = (url.clone(), token.expose().to_owned());
        tokio::spawn(async move {
            let held = until(&url, &token, |status| status == 401).await;
            (url, held.map(|()| start.elapsed()))
        })
    });
    let waits: Vec<_> = waits.collect();
    loop {
        let news = store.directory().changes(&at).await?;
        if news.lost || news.changes.contains(&Change::Token(record.id)) {
            break;
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "the feed does not tell of a revocation: are the triggers there?");
        at = news.position;
        store.directory().wait_for_changes().await;
    }
    findings.add("feed", "ok", format!("tells of a revocation after {} ms", start.elapsed().as_millis()));
    for wait in waits {
        let (url, held) = wait.await?;
        match held {
            Ok(lag) => {
                let state = if lag <= BOUND { "ok" } else { "warning" };
                findings.add(url.text, state, format!("a revocation held after {} ms", lag.as_millis()));
            }
            Err(error) => findings.of(&url.text, Err(error.context("it does not refuse a revoked token"))),
        }
    }
    Ok(())
}

/// A token for somebody. It is gone when doctor is done, and where that is not so, it ends by itself in so many seconds.
async fn short_lived(view: &View, user: &str, seconds: i64) -> anyhow::Result<(Token, TokenRecord)> {
    let token = Token::generate(view.directory().checksum_key())?;
    let new = NewToken {
        user: user.into(),
        digest: token.digest(),
        name: Text::empty(),
        expires_at: Some(clock::unix_seconds().saturating_add(seconds)),
        scope: NewScope::default(),
    };
    let record = view.create_tokens(vec![new]).await?.into_iter().next();
    Ok((token, record.ok_or_else(|| anyhow::anyhow!("no token was made"))?))
}

/// Asks with the token until the status fits.
async fn until(url: &Url, token: &str, fits: impl Fn(u16) -> bool + Send + 'static) -> anyhow::Result<()> {
    let (url, token) = (url.clone(), token.to_owned());
    tokio::task::spawn_blocking(move || {
        let start = clock::monotonic();
        loop {
            let status = ask(&url, Some(&token))?;
            if fits(status) {
                return Ok(());
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "the answer is {status} for {} s", PATIENCE.as_secs());
            std::thread::sleep(Duration::from_millis(2));
        }
    })
    .await?
}

/// The status of one GET.
fn ask(Url { authority: host, server, path, .. }: &Url, token: Option<&str>) -> anyhow::Result<u16> {
    let address = server.to_socket_addrs()?.next().ok_or_else(|| anyhow::anyhow!("{host} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credential = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{credential}Connection: close\r\n\r\n")?;
    let mut head = Vec::new();
    stream.take(12).read_to_end(&mut head)?;
    let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| anyhow::anyhow!("{host} does not speak HTTP"))
}
