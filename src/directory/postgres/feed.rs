//! The feed of changes: the outbox that triggers fill, read on a connection of its own, which also listens for notifications.
//!
//! A look is one statement: the changes of transactions that the last look did not see, and the snapshot that this one has.
//! So neither the order of commits nor a transaction that stays open for hours hides anything, and nothing is told twice.
//! Notifications only say that it is worth looking; the look every [`POLL`] is what makes it sure, where they are lost, or
//! where a pooler in between keeps them.

use super::connect::Target;
use super::error::Failure;
use super::migrate;
use super::outage::Outage;
use super::session::within;
use super::statement::typed;
use super::{Inner, Options};
use crate::clock;
use crate::directory::position::store_number;
use crate::directory::{Change, Changes, MEMBERS_AT_MOST, Position, StoreError};
use crate::id::{OrgId, TokenId, UserId};
use parking_lot::Mutex as Lock;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};
use tokio_postgres::{AsyncMessage, Client, Row, Statement};
use uuid::Uuid;

/// Whoever is further behind drops all it knows, which is cheaper than to go through them.
const AT_MOST: usize = 10_000;
/// Changes are kept for so long at least.
pub const KEEP: Duration = Duration::from_secs(600);
/// How often to look when nobody says that there is something.
const POLL: Duration = Duration::from_millis(100);
/// For the answer to a look.
const LOOK: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often to see whether the outbox is to be trimmed.
const TRIM: Duration = Duration::from_secs(60);

/// `$1` is the last look's snapshot. One row where nothing changed, else one for each change.
const CHANGES: &str = "
    WITH look AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
    SELECT l.snapshot::text AS snapshot, (SELECT value FROM settings WHERE name = 'epoch') AS epoch,
           k.trimmed::text AS trimmed, k.emptied::text AS emptied, c.kind, c.id, extract(epoch FROM clock_timestamp() - c.at)::float8 AS age
    FROM look l CROSS JOIN changes_kept k
    LEFT JOIN LATERAL (
        SELECT kind, id, at, xid, seq FROM changes
        WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
        ORDER BY xid, seq LIMIT 10001
    ) AS c ON true
    ORDER BY c.xid, c.seq";

const MEMBERS: &str = "SELECT user_id FROM memberships WHERE organization_id = ANY ($1) LIMIT $2";

const POSITION: &str =
    "SELECT pg_current_snapshot()::text AS snapshot, (SELECT value FROM settings WHERE name = 'epoch') AS epoch";

/// What tells this life of this database from others: the cluster, its timeline (another after a promotion), when it was
/// started (after a crash, commits that did not wait for the disk may be gone), the database and the schema in it; and its
/// triggers, which are others after a dump was restored, and were written anew after they were off for a while.
const INCARNATION: &str = "
    SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), current_schema(),
                     substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                     extract(epoch FROM pg_postmaster_start_time()),
                     (SELECT hashtextextended(string_agg(concat_ws(' ', t.oid, t.xmin, t.tgrelid), ',' ORDER BY t.oid), 0)
                      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                      JOIN pg_proc p ON p.oid = t.tgfoid
                      WHERE (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) IN (c.relnamespace, p.pronamespace)))";
/// How often to see whether it is the same life, on the same connection.
const SAME: Duration = Duration::from_secs(1);
/// How often all that is remembered is forgotten where nothing tells of changes: OpenWISP's database, on which postern may put no triggers.
pub const LOOK_OVER: Duration = Duration::from_secs(2);

/// The follower's side of the outbox.
pub(super) struct Feed {
    target: Target,
    options: Options,
    /// The connection is a session of our own.
    direct: bool,
    /// Ends when the server takes our connection.
    outage: Arc<Outage>,
    news: Arc<Notify>,
    link: Mutex<Link>,
    /// Somebody has just connected to a server that was away: it is time to try, whatever the pause.
    hurry: AtomicBool,
    trimmed: Lock<Option<Instant>>,
    /// The life that the server was found in last, and when that was noticed.
    seen: Lock<Option<(String, Instant)>>,
}

/// The connection, or when and why not.
enum Link {
    Up(Up),
    Down { since: Option<StoreError>, again: Option<Instant>, pause: Duration },
}

struct Up {
    client: Client,
    /// The question, where the server keeps it.
    changes: Option<Statement>,
    life: String,
    read: Instant,
    /// When all was forgotten last, where nothing tells of changes.
    looked_over: Option<Instant>,
}

impl Feed {
    pub(super) fn new(target: Target, options: Options, direct: bool, outage: Arc<Outage>) -> Self {
        let link = Mutex::new(Link::Down { since: None, again: None, pause: PAUSE.0 });
        Self {
            target,
            options,
            direct,
            outage,
            news: Arc::default(),
            link,
            hurry: AtomicBool::new(false),
            trimmed: Lock::default(),
            seen: Lock::default(),
        }
    }

    /// Until somebody says that something changed, and no longer than the pause between looks.
    pub(super) async fn wait(&self) {
        let _ = tokio::time::timeout(POLL, self.news.notified()).await;
    }

    fn sees(&self, life: &str) {
        let mut seen = self.seen.lock();
        if seen.as_ref().is_none_or(|(last, _)| last != life) {
            *seen = Some((life.to_owned(), clock::monotonic()));
        }
    }

    /// Whether a connection that was made then leads to the server that is followed. An older one may lead to another, which
    /// was replaced and has not noticed.
    pub(super) fn is_followed(&self, made: Instant) -> bool {
        self.seen.lock().as_ref().is_none_or(|(_, since)| made >= *since)
    }

    /// The server takes connections again.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
        self.news.notify_one();
    }

    pub(super) async fn position(&self) -> Result<Position, StoreError> {
        let mut link = self.link.lock().await;
        let up = self.up(&mut link).await?;
        let answer = within(LOOK, up.client.query_typed_one(POSITION, &[])).await;
        let position = answer.map_err(StoreError::from).and_then(|row| position(&row, &up.life));
        self.settle(&mut link, position)
    }

    /// See [`Directory::changes`](crate::directory::Directory::changes).
    pub(super) async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        let mut link = self.link.lock().await;
        let up = self.up(&mut link).await?;
        let since_then = since.snapshot();
        let now = clock::monotonic();
        let (mut unwatched, mut is_over, mut is_anew) = (Vec::new(), false, false);
        let answer = within(LOOK, async {
            if now.saturating_duration_since(up.read) >= SAME {
                // Before the changes are read: what they leave out is of another life by then.
                let life: String = up.client.query_typed_one(INCARNATION, &[]).await?.try_get(0)?;
                is_anew = life != up.life && self.target.openwisp().is_some();
                (up.life, up.read) = (life, now);
                if let Some(openwisp) = self.target.openwisp() {
                    let looked_over = openwisp.is_looked_over(&up.client).await?;
                    up.looked_over = looked_over.then(|| up.looked_over.unwrap_or(now));
                }
                self.sees(&up.life);
                unwatched = self.unwatched(&up.client).await?;
            }
            if up.looked_over.is_some_and(|last| now.saturating_duration_since(last) >= LOOK_OVER) {
                up.client.batch_execute("SELECT index_tokens()").await?;
                (up.looked_over, is_over) = (Some(now), true);
            }
            match &up.changes {
                Some(kept) => up.client.query(kept, &[&since_then]).await,
                None => up.client.query_typed(CHANGES, &typed(&[&since_then])).await,
            }
        });
        let answer = answer.await;
        if !unwatched.is_empty() {
            return self.settle(&mut link, Err(silent(&unwatched)));
        }
        if is_anew {
            // What was changed without triggers is put in order when we connect.
            let anew = "the triggers on OpenWISP's tables are others than before: they are looked over";
            return self.settle(&mut link, Err(StoreError::Unavailable(anew.to_owned())));
        }
        let mut changes = answer.map_err(StoreError::from).and_then(|rows| read(&rows, &up.life, since));
        if let Ok(changes) = &mut changes {
            changes.looked_over = is_over && !changes.lost;
            changes.lost |= is_over;
        }
        self.settle(&mut link, changes)
    }

    /// See [`Directory::members_of`](crate::directory::Directory::members_of). Asked here, since a change is not noted before this is
    /// answered: whoever waits for the pool's connections must not hold it up.
    pub(super) async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        let mut link = self.link.lock().await;
        let up = self.up(&mut link).await?;
        let limit = i64::try_from(MEMBERS_AT_MOST.saturating_add(1)).unwrap_or(i64::MAX);
        let answer = within(LOOK, up.client.query_typed(MEMBERS, &typed(&[&organizations, &limit]))).await;
        let members = answer
            .map_err(StoreError::from)
            .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(StoreError::from));
        self.settle(&mut link, members)
    }

    /// Tables of Django's whose changes nobody tells.
    async fn unwatched(&self, client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
        match self.target.openwisp() {
            Some(openwisp) => openwisp.unwatched(client).await,
            None => Ok(Vec::new()),
        }
    }

    /// A link that failed is not used again: what it still says may be the answer to an older question.
    fn settle<T>(&self, link: &mut Link, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer {
            let again = clock::monotonic().checked_add(PAUSE.0);
            *link = Link::Down { since: Some(error.clone()), again, pause: PAUSE.0 };
        }
        answer
    }

    /// The connection, made anew where it has gone and it is time to.
    async fn up<'l>(&self, link: &'l mut Link) -> Result<&'l mut Up, StoreError> {
        let now = clock::monotonic();
        let hurry = self.hurry.swap(false, Ordering::Relaxed);
        let pause = match link {
            Link::Up(up) if !up.client.is_closed() => PAUSE.0,
            Link::Up(_) => PAUSE.0,
            Link::Down { since: Some(error), again: Some(again), .. } if *again > now && !hurry => {
                return Err(error.clone());
            }
            Link::Down { pause, .. } => *pause,
        };
        if !matches!(link, Link::Up(up) if !up.client.is_closed()) {
            *link = match self.connect().await {
                Ok(up) => {
                    self.outage.ends();
                    Link::Up(up)
                }
                Err(error) => {
                    let again = now.checked_add(pause);
                    Link::Down { since: Some(error), again, pause: pause.saturating_mul(2).min(PAUSE.1) }
                }
            };
        }
        match link {
            Link::Up(up) => Ok(up),
            Link::Down { since, .. } => {
                Err(since.clone().unwrap_or(StoreError::Unavailable("not connected".to_owned())))
            }
        }
    }

    async fn connect(&self) -> Result<Up, StoreError> {
        let limit = self.options.connect.min(LOOK);
        let connected = self.target.connect(limit).await;
        let (mut client, mut connection) = connected.map_err(|problem| StoreError::Unavailable(problem.to_string()))?;
        let news = Arc::clone(&self.news);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    news.notify_one();
                }
            }
            // The connection has gone: look at once, which makes another.
            news.notify_one();
        });
        // Listening first: what changes from here on is announced, what changed before is found by the first look.
        let begun = async {
            client.batch_execute("LISTEN postern_changes").await?;
            let life = client.query_typed_one(INCARNATION, &[]).await?.try_get(0)?;
            Ok((life, if self.direct { Some(client.prepare(CHANGES).await?) } else { None }))
        };
        let (life, changes): (String, _) = within(limit, begun).await?;
        if let Some(openwisp) = self.target.openwisp() {
            // Django has made a table anew, or a dump was restored: what tells of changes is put in again, where this role may.
            let unwatched = within(limit, self.unwatched(&client)).await.map_err(StoreError::from)?;
            if unwatched.is_empty() {
                // Tokens that came while triggers were off are not known by their digests yet.
                let limit = self.options.statement;
                within(limit, client.batch_execute("SELECT index_tokens()")).await.map_err(StoreError::from)?;
            } else {
                migrate::migrate(&mut client, Some(openwisp), (self.options.now)())
                    .await
                    .map_err(|error| StoreError::Unavailable(format!("{}, and {error}", silent(&unwatched))))?;
            }
        }
        self.sees(&life);
        let looked_over = match self.target.openwisp() {
            Some(openwisp) => within(limit, openwisp.is_looked_over(&client)).await.map_err(StoreError::from)?,
            None => false,
        };
        let now = clock::monotonic();
        Ok(Up { client, changes, life, read: now, looked_over: looked_over.then_some(now) })
    }
}

impl Inner {
    /// The changes; and now and then, beside it, the outbox is trimmed.
    pub(super) async fn changes(self: &Arc<Self>, since: &Position) -> Result<Changes, StoreError> {
        let changes = self.feed.changes(since).await?;
        let now = clock::monotonic();
        let due = {
            let mut trimmed = self.feed.trimmed.lock();
            let due = trimmed.is_none_or(|last| now.saturating_duration_since(last) >= TRIM);
            if due {
                *trimmed = Some(now);
            }
            due
        };
        if due {
            let inner = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(failure) = inner.trim().await {
                    tracing::warn!(error = %StoreError::from(failure), "the outbox was not trimmed");
                }
            });
        }
        Ok(changes)
    }

    async fn trim(&self) -> Result<(), Failure> {
        let connection = self.connection().await?;
        // After a large import there is much to trim.
        let limit = self.options.statement.saturating_mul(10);
        within(limit, connection.batch_execute("SELECT trim_changes()")).await
    }
}

fn silent(tables: &[String]) -> StoreError {
    let tables = tables.join(", ");
    StoreError::Unavailable(format!(
        "nothing tells of changes of {tables}, since triggers are missing: run `postern migrate`"
    ))
}

fn position(row: &Row, life: &str) -> Result<Position, StoreError> {
    let epoch: Option<&[u8]> = row.try_get("epoch")?;
    let store = store_number(&[b"postgres", life.as_bytes(), epoch.unwrap_or_default()]);
    let snapshot: &str = row.try_get("snapshot")?;
    Position::of_snapshot(store, snapshot)
        .ok_or_else(|| StoreError::Broken(format!("`{snapshot}` is not a snapshot that postern can read")))
}

fn read(rows: &[Row], life: &str, since: &Position) -> Result<Changes, StoreError> {
    let first = rows.first().ok_or_else(|| StoreError::Broken("the outbox has lost its bookkeeping".to_owned()))?;
    let position = position(first, life)?;
    let lost = |position| Ok(Changes { position, changes: Vec::new(), age: None, lost: true, looked_over: false });
    let number = |column| first.try_get::<_, &str>(column).map(|text| text.parse().unwrap_or(u64::MAX));
    let (trimmed, emptied) = (number("trimmed")?, number("emptied")?);
    // A later look at the same database saw whatever an earlier one saw; and nothing that is gone is missing.
    if !position.covers(since) || trimmed >= since.horizon() || !since.saw(emptied) || rows.len() > AT_MOST {
        return lost(position);
    }
    let (mut changes, mut oldest) = (Vec::new(), None::<f64>);
    for row in rows {
        let Some(kind) = row.try_get::<_, Option<&str>>("kind")? else { continue };
        let id: Option<Uuid> = row.try_get("id")?;
        changes.push(match (kind, id) {
            ("user", Some(id)) => Change::User(UserId(id)),
            ("organization", Some(id)) => Change::Organization(OrgId(id)),
            ("token", Some(id)) => Change::Token(TokenId(id)),
            // Everything, or something that a newer postern tells.
            _ => return lost(position),
        });
        let age: f64 = row.try_get("age")?;
        oldest = Some(oldest.map_or(age, |oldest| oldest.max(age)));
    }
    let age = oldest.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    Ok(Changes { position, changes, age, lost: false, looked_over: false })
}
